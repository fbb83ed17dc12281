"""TrainingRun: what one private training run does, as the interpreter saw it.

There is one record for each ``make_private*`` call (or hand-made ghost pair), calling context
and clipping mode that it can have there. Whatever later happens to the objects that the call
returned is an event on the record, with the assumptions under which it happens.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import combinations
from typing import TYPE_CHECKING

from dpmigrate.analysis.domain.atoms import Atom, Obj, Unknown
from dpmigrate.analysis.domain.values import MAX_CASES, NOTHING, Entry, Value
from dpmigrate.analysis.guards import (
    ALWAYS,
    DOUBT,
    Guard,
    beyond_entries,
    contradict,
    denials,
    either_guard,
    entails,
    several,
    shorten,
    times_entered,
)
from dpmigrate.analysis.guards import Literal as Assumption
from dpmigrate.analysis.ledger import ASSIGNED_GENERATOR, Event, Happening, MadeBy, Origin, Step, Turn

if TYPE_CHECKING:
    from dpmigrate.analysis.source.modules import ModuleInfo

GHOST_MODES = ("ghost", "ghost_fsdp", "ghost_fsdp_tp", "ghost_tp")


@dataclass(slots=True, eq=False)
class TrainingRun:
    """One private training run in one calling context and one clipping mode."""

    module: ModuleInfo
    origin: Origin
    call: MadeBy
    mode: str
    """The value of ``grad_sample_mode``, "?" when it cannot be known."""
    mode_because: tuple[Origin, ...]
    modes: tuple[str, ...]
    """Every value that the mode can take here, in this calling context."""
    ways: tuple[Guard, ...]
    """The assumptions under which it is made, one set for each way to the call."""
    context: int
    frames: tuple[Hashable, ...]
    """The functions being entered when the run was made, outermost first."""
    arguments: dict[str, Value] = field(default_factory=dict)
    open_call: bool = False
    """Whether ``**kwargs`` with unknown keys are among the arguments."""
    engine: Obj | None = None
    other_engines: list[Obj] = field(default_factory=list)
    """Those that it may also be made by, where more than one way leads to the call."""
    adaptive: bool = False
    raw_models: frozenset[Atom] = frozenset()
    raw_optimizers: frozenset[Atom] = frozenset()
    raw_loaders: frozenset[Atom] = frozenset()
    loops: tuple[Turn, ...] = ()
    chain: tuple[Step, ...] = ()
    """The calls on the way to it, outermost first."""
    events: list[Event] = field(default_factory=list)
    mode_atom: Atom | None = None
    """What ``mode`` was read from."""
    seeded: bool | None = False
    """Whether a global torch seed was set before the run was made (None: on some paths)."""
    cut_short: bool = False
    """Whether something that has to do with it was not followed to its end."""
    _met_under: dict[int, set[Guard]] = field(default_factory=dict)
    """The assumptions under which each of ``events`` was met, each time."""
    _places: dict[Hashable, int] = field(default_factory=dict)
    """Where in ``events`` each stands, by what it says, its place and its chain of calls."""

    @property
    def guard(self) -> Guard:
        """What holds however the run was made."""
        return frozenset.intersection(*self.ways)

    def excludes(self, guard: Guard) -> bool:
        """Whether assumptions contradict the run's, however it was made."""
        return all(contradict(guard, way) for way in self.ways)

    def made_again(self, guard: Guard) -> None:
        """Add one more way to the call; of too many the two most alike become what they share."""
        for place, way in enumerate(self.ways):
            joined = either_guard(way, guard)
            if joined is not None:
                self.ways = (*self.ways[:place], joined, *self.ways[place + 1 :])
                return
        self.ways = (*self.ways, guard)
        if len(self.ways) > MAX_CASES:
            first, second = min(combinations(self.ways, 2), key=lambda pair: len(pair[0] ^ pair[1]))
            self.ways = (*(way for way in self.ways if way not in (first, second)), first & second)

    def assume(self, assumption: Assumption) -> None:
        """Assume one thing more on every way to the call."""
        self.ways = tuple(shorten(way | {assumption}) for way in self.ways)

    @property
    def ghost(self) -> bool:
        """Whether the mode is a ghost mode."""
        return self.mode.startswith("ghost")

    @property
    def supposed(self) -> bool:
        """Whether the mode is one that something unknown may stand for."""
        return self.ghost and isinstance(self.mode_atom, Unknown)

    @property
    def guessed(self) -> bool:
        """Whether nothing in the program names its mode: that an option is open is no evidence of it."""
        return self.supposed and self.mode not in self.modes

    @property
    def manual(self) -> bool:
        """Whether it was made without an engine."""
        return self.call == "manual"

    @property
    def draws_from(self) -> Value:
        """The generator that its noise is drawn from; empty, or None, where that is torch's own."""
        return self.argument(ASSIGNED_GENERATOR) or self.argument("noise_generator")

    def argument(self, name: str) -> Value:
        """The value given for a keyword of the call; empty when it was not given."""
        return self.arguments.get(name, NOTHING)

    def work_of(self, engine: Obj | None) -> None:
        """An engine makes the run, on this way to the call or in this turn of a loop."""
        if self.engine is not None and engine != self.engine and self.engine not in self.other_engines:
            self.other_engines.append(self.engine)
        self.engine = engine

    def made_by(self, engine: Atom) -> bool:
        """Whether an engine may have made it."""
        return engine == self.engine or engine in self.other_engines

    def add(self, event: Event) -> None:
        """Record an event, unless its assumptions contradict the run's; repeats are merged."""
        ways = [way for way in self._ways_of_entry(event.guard) if not contradict(event.guard, way)]
        if not ways:
            return
        beyond = frozenset(lit for lit in event.guard if not all(entails(way, lit) for way in ways))
        key = (event, event.origin.node, event.chain)
        place = self._places.get(key)
        if place is None:
            self._places[key] = len(self.events)
            self._met_under[len(self.events)] = {event.guard}
            self.events.append(_under(event, beyond))
            return
        self._met_under[place].add(event.guard)
        held = self.events[place]
        # A further pass over a loop does not assume what the first had to, to come to its end.
        left_by = denials(held.guard) - beyond if event.loops else ALWAYS
        self.events[place] = _under(held, several(held.guard, beyond) | left_by)

    def _ways_of_entry(self, guard: Guard) -> tuple[Guard, ...]:
        """The ways to the call in the very activation that is assumed, where it is made in that one too.

        What another call of the same method made is not what this one works with.
        """
        calls = times_entered(guard)
        if not calls or len(self.ways) < 2:
            return self.ways
        told = [times_entered(way) for way in self.ways]
        made_here = {call for call, time in calls.items() if any(way.get(call) == time for way in told)}
        return tuple(
            way
            for way, times in zip(self.ways, told, strict=True)
            if all(times.get(call, calls[call]) == calls[call] for call in made_here)
        )

    def settled(self) -> tuple[Event, ...]:
        """The events; one that some way to the call does not lead to has a guard."""
        ways = set(map(beyond_entries, self.ways))
        return tuple(
            event
            if event.guard or all(any(map(partial(_leads_to, way), map(beyond_entries, met))) for way in ways)
            else _under(event, frozenset({DOUBT}))
            for event, met in zip(self.events, self._met_under.values(), strict=True)
        )

    def happened(self, kind: type[Happening]) -> Iterator[Happening]:
        """The events of a kind, in the order of first occurrence."""
        return (e for e in self.events if isinstance(e, kind))


@dataclass(frozen=True, slots=True)
class Fallback:
    """The handler of a try in whose body runs are made."""

    handler: Origin
    runs: tuple[TrainingRun, ...]
    """The runs that there are not where it handles something."""
    falls_through: bool
    """Whether the program goes on after it."""
    of_imports: bool
    """Whether it is for nothing but imports that fail."""


def _under(event: Event, guard: Guard) -> Event:
    """The event, under other assumptions."""
    return event if event.guard == guard else replace(event, at=replace(event.at, guard=guard))


def _leads_to(way: Guard, met: Guard) -> bool:
    """Whether whatever made a run under some assumptions also meets others."""
    return way == met or (DOUBT not in met and all(entails(way, literal) for literal in met))


def entries_of_kind(value: Value, *kinds: str) -> Iterator[tuple[Entry, Obj]]:
    """The entries of a value that are objects of some kinds."""
    for entry in value.entries:
        if isinstance(entry.atom, Obj) and entry.atom.kind in kinds:
            yield entry, entry.atom


__all__ = ["ALWAYS", "GHOST_MODES", "TrainingRun", "entries_of_kind"]
