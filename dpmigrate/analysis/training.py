"""TrainingRun: what one private training run does, as the interpreter saw it.

There is one record for each ``make_private*`` call (or hand-made ghost pair), calling context
and clipping mode that it can have there. Whatever later happens to the objects that the call
returned is an event on the record, with the assumptions under which it happens.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from dpmigrate.analysis.guards import ALWAYS, Guard, contradict, either, entails, shorten, weaken
from dpmigrate.analysis.guards import Literal as Assumption
from dpmigrate.analysis.values import MAX_CASES, NOTHING, Atom, Entry, Obj, Origin, Unknown, Value

if TYPE_CHECKING:
    from dpmigrate.analysis.modules import ModuleInfo
    from dpmigrate.model import Certainty

EventKind = Literal[
    "unpack",  # the result is taken apart: ``count`` targets
    "memory-manager",  # a batch memory manager gets the optimizer or loader
    "backward",  # a loss of this run's model goes backward
    "step",
    "zero-grad",
    "first-touch",  # the first thing that touches the gradients after a step
    "two-pass-call",  # double_backward(...)
    "coefficient",  # get_coeff() or get_clipping_coef()
    "hooks-switch",  # disable_hooks() or enable_hooks()
    "iterate",  # a loop over one of the loaders
    "result-use",  # an element of the result is taken by index, or its length is asked
    "escape",  # an object of the run goes into code that cannot be followed
    "seed",  # a seed is set while the run exists
]

MadeBy = Literal["make_private", "make_private_with_epsilon", "manual"]
"""The call that made a run; ``manual`` without an engine."""

GHOST_MODES = ("ghost", "ghost_fsdp", "ghost_fsdp_tp", "ghost_tp")


@dataclass(slots=True)
class Event:
    """Something that happens to an object of a run."""

    kind: EventKind
    origin: Origin
    guard: Guard
    context: int
    loops: tuple[Hashable, ...] = ()
    conditional: bool = False
    """Inside a branch whose test could not be expressed as an assumption."""
    detail: dict[str, Any] = field(default_factory=dict)


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
    asked_mode: bool
    """Whether the call names a mode at all (an unknown ``**kwargs`` does not)."""
    ways: tuple[Guard, ...]
    """The assumptions under which it is made, one set for each way to the call."""
    context: int
    frames: tuple[Hashable, ...]
    """The functions being entered when the run was made, outermost first."""
    arguments: dict[str, Value] = field(default_factory=dict)
    open_call: bool = False
    """Whether ``**kwargs`` with unknown keys are among the arguments."""
    engine: Obj | None = None
    adaptive: bool = False
    raw_models: frozenset[Atom] = frozenset()
    raw_optimizers: frozenset[Atom] = frozenset()
    raw_loaders: frozenset[Atom] = frozenset()
    loops: tuple[Hashable, ...] = ()
    events: list[Event] = field(default_factory=list)
    mode_atom: Atom | None = None
    """What ``mode`` was read from."""
    seeded: bool | None = False
    """Whether a global torch seed was set before the run was made (None: on some paths)."""
    seen: dict[Hashable, Event] = field(default_factory=dict)

    @property
    def guard(self) -> Guard:
        """What holds however the run was made."""
        return frozenset.intersection(*self.ways)

    def excludes(self, guard: Guard) -> bool:
        """Whether assumptions contradict the run's, however it was made."""
        return all(contradict(guard, way) for way in self.ways)

    def made_again(self, guard: Guard) -> None:
        """Add one more way to the call; too many of them are what they share."""
        for place, way in enumerate(self.ways):
            joined = either(way, guard)
            if joined is not None:
                self.ways = (*self.ways[:place], joined, *self.ways[place + 1 :])
                return
        self.ways = (*self.ways, guard)
        if len(self.ways) > MAX_CASES:
            self.ways = (self.guard,)

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
    def shown_mode(self) -> str:
        """The mode as reports have it: what is supposed is named where the program itself names it."""
        return "?" if self.guessed else self.mode

    @property
    def guessed(self) -> bool:
        """Whether nothing in the program names its mode: that an option is open is no evidence of it."""
        return self.supposed and self.mode not in self.modes

    @property
    def manual(self) -> bool:
        """Whether it was made without an engine."""
        return self.call == "manual"

    def argument(self, name: str) -> Value:
        """The value given for a keyword of the call; empty when it was not given."""
        return self.arguments.get(name, NOTHING)

    def add(
        self,
        kind: EventKind,
        origin: Origin,
        guard: Guard,
        context: int,
        loops: tuple[Hashable, ...],
        conditional: bool,
        **detail: Any,
    ) -> None:
        """Record an event, unless its assumptions contradict the run's; repeats are merged."""
        ways = [way for way in self.ways if not contradict(guard, way)]
        if not ways:
            return
        beyond = frozenset(lit for lit in guard if not all(entails(way, lit) for way in ways))
        key = (kind, id(origin.node), context, tuple(sorted((k, _stable(v)) for k, v in detail.items())))
        old = self.seen.get(key)
        if old is not None:
            old.guard = weaken(old.guard, beyond)
            return
        event = Event(kind, origin, beyond, context, loops, conditional, detail)
        self.seen[key] = event
        self.events.append(event)

    def of_kind(self, *kinds: EventKind) -> Iterator[Event]:
        """The events of some kinds, in the order of first occurrence."""
        return (e for e in self.events if e.kind in kinds)

    def certainty(self, event: Event | None = None, of_the_mode: bool = True) -> Certainty:
        """How sure it is that the run, and the event, happen (``of_the_mode``: with this mode)."""
        sure = not of_the_mode or (len(self.modes) == 1 and self.mode != "?" and not self.supposed)
        if event is not None and event.guard:
            sure = False
        return "definite" if sure else "possible"


def _stable(value: Any) -> str:
    """A key for a detail that does not depend on object identity where it need not."""
    if isinstance(value, Value):
        return repr(sorted(repr(type(a)) + str(hash(a)) for a in value.atoms))
    if isinstance(value, (Atom, tuple)):
        return str(hash(value))
    return repr(value)


def entries_of_kind(value: Value, *kinds: str) -> Iterator[tuple[Entry, Obj]]:
    """The entries of a value that are objects of some kinds."""
    for entry in value.entries:
        if isinstance(entry.atom, Obj) and entry.atom.kind in kinds:
            yield entry, entry.atom


__all__ = ["ALWAYS", "GHOST_MODES", "Event", "EventKind", "TrainingRun", "entries_of_kind"]
