"""One private training run: what made it, what it works with, and what happened to it."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from dpmigrate.analysis.guards import Guard, about
from dpmigrate.analysis.ledger.circumstances import Origin, Step, Turn
from dpmigrate.analysis.ledger.events import Event, Happening
from dpmigrate.analysis.ledger.objects import NOT_GIVEN, Engine, Given, Loader, Model, Optimizer

if TYPE_CHECKING:
    from dpmigrate.analysis.source.modules import ModuleInfo
    from dpmigrate.model import Certainty

MadeBy = Literal["make_private", "make_private_with_epsilon", "manual"]
"""The call that made a run; ``manual`` without an engine."""


ASSIGNED_GENERATOR = "optimizer.generator"
"""The argument, as it were, that ``optimizer.generator = ...`` gives a run once it is made."""


@dataclass(frozen=True, eq=False)
class PrivateRun:
    """What one ``make_private*`` call (or hand-made ghost pair) does, in one calling context and mode."""

    key: object
    """What stands for it among the values of the analysis."""
    origin: Origin
    call: MadeBy
    mode: str
    """The value of ``grad_sample_mode``, "?" when it cannot be known."""
    modes: tuple[str, ...]
    """Every value that the mode can take here, in this calling context."""
    mode_because: tuple[Origin, ...]
    supposed: bool
    """Whether the mode is one that something unknown may stand for."""
    guessed: bool
    """Whether nothing in the program names the mode: that an option is open is no evidence of it."""
    cut_short: bool
    """Whether something that has to do with it was not followed to its end."""
    guard: Guard
    """What holds however the run was made."""
    ways: tuple[Guard, ...]
    """The assumptions of each way to the call; what they share is ``guard``."""
    chain: tuple[Step, ...]
    """The calls on the way to the call that made it, outermost first."""
    loops: tuple[Turn, ...]
    """The loops around the call that made it, outermost first."""
    arguments: Mapping[str, Given]
    open_call: bool
    """Whether ``**kwargs`` with unknown keys are among the arguments."""
    engine: Engine | None
    other_engines: tuple[Engine, ...]
    """Those that may have made it instead, on another way to the call."""
    models: tuple[Model, ...]
    optimizers: tuple[Optimizer, ...]
    loaders: tuple[Loader, ...]
    """What was handed over, as far as it can be seen."""
    seeded: bool | None
    """Whether a global torch seed was set before the run was made (None: on some paths)."""
    patched: bool
    """Whether the program repairs Opacus's core when it runs (``dpmigrate.runtime.patch_opacus``)."""
    events: tuple[Event, ...]
    """What happened, in the order of first occurrence."""
    turned: tuple[Origin, ...]
    """The literals in the code that somebody has to flip before it is made."""
    questions: Mapping[Hashable, Origin]
    """The test that first asks what an assumption of the program is about, by the assumption's symbol."""

    def asked(self, guard: Guard) -> tuple[Origin, ...]:
        """The tests on which a guard hangs, in the order in which they were come to."""
        symbols = about(guard)
        return tuple(dict.fromkeys(test for symbol, test in self.questions.items() if symbol in symbols))

    @property
    def module(self) -> ModuleInfo:
        """The module of the call that made it."""
        return self.origin.module

    @property
    def ghost(self) -> bool:
        """Whether the mode is a ghost mode."""
        return self.mode.startswith("ghost")

    @property
    def shown_mode(self) -> str:
        """The mode as reports have it: what is supposed is named where the program itself names it."""
        return "?" if self.guessed else self.mode

    @property
    def manual(self) -> bool:
        """Whether it was made without an engine."""
        return self.call == "manual"

    @property
    def adaptive(self) -> bool:
        """Whether its engine clips adaptively."""
        return self.engine is not None and self.engine.adaptive

    def argument(self, name: str) -> Given:
        """What is given for a keyword of the call."""
        return self.arguments.get(name, NOT_GIVEN)

    @property
    def draws_from(self) -> Given:
        """The generator that its noise is drawn from."""
        return self.argument(ASSIGNED_GENERATOR) or self.argument("noise_generator")

    def happened(self, kind: type[Happening]) -> Iterator[Happening]:
        """The events of a kind, in the order of first occurrence."""
        events: list[Happening] | None = self.known.get(kind)
        if events is None:
            kinds = [held for held in self._numbers_of_kinds if issubclass(held, kind)]
            numbers = sorted(number for held in kinds for number in self._numbers_of_kinds[held])
            events = self.known[kind] = [self.events[number] for number in numbers]
        return iter(events)

    @cached_property
    def _numbers_of_kinds(self) -> dict[type[Event], list[int]]:
        """The places of the events of each class: far fewer classes are asked for a kind than events."""
        numbers: dict[type[Event], list[int]] = {}
        for number, event in enumerate(self.events):
            numbers.setdefault(type(event), []).append(number)
        return numbers

    @cached_property
    def known(self) -> dict[Any, Any]:
        """What was worked out about it, which many questions come back to, by what was asked."""
        return {}

    def certainty(self, event: Event | None = None, of_the_mode: bool = True) -> Certainty:
        """How sure it is that the run, and the event, happen (``of_the_mode``: with this mode)."""
        sure = not self.cut_short and (not of_the_mode or self._mode_is_sure)
        if event is not None and event.guard:
            sure = False
        return "definite" if sure else "possible"

    @property
    def _mode_is_sure(self) -> bool:
        return len(self.modes) == 1 and self.mode != "?" and not self.supposed
