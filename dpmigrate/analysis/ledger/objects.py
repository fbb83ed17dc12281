"""What a run works with: arguments as far as they are known, and the objects that they are.

Every record is of the end of the analysis: what all code that was followed made of the object.
Two records are equal when they are of the same object of the program.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any, Literal

from dpmigrate.analysis.guards import ALWAYS, Guard
from dpmigrate.analysis.ledger.circumstances import Circumstances, Origin
from dpmigrate.analysis.ledger.things import UNKNOWN_AMOUNT, Amount

GeneratorState = Literal["unseeded", "seeded", "entropy", "unknown"]


@dataclass(frozen=True, slots=True, eq=False)
class Constant:
    """A literal constant. 1, 1.0 and True are three different ones."""

    value: Any

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Constant)
            and type(self.value) is type(other.value)
            and self.value == other.value
        )

    def __hash__(self) -> int:
        return hash((type(self.value), self.value))


@dataclass(frozen=True, slots=True)
class Missing:
    """Not given, on some way to the call."""


OF_SETTINGS = "settings"
"""What the key of something unknown begins with that stands in a file of settings."""
OF_CONSTANTS = "worked out of what the program names"
"""Why something is unknown that is nevertheless the same in every process: a hash, or draws of a seeded
generator."""


@dataclass(frozen=True, slots=True)
class Open:
    """Something that cannot be known; the same ``key`` is the same unknown thing."""

    key: Hashable
    reason: str = field(default="", compare=False)
    compared: frozenset[str] = field(default=frozenset(), compare=False)
    """The constants that the program compares it with."""


@dataclass(frozen=True, slots=True)
class Several:
    """A tuple or list with these items."""

    items: tuple[Given, ...]


@dataclass(frozen=True, slots=True)
class Member:
    """A member of an enumeration, and what it stands for."""

    held: Given


@dataclass(frozen=True, slots=True, kw_only=True)
class Thing:
    """An object, function or class of the program or of a library."""

    key: Hashable
    """Equal for what is the same object (or all that one place makes in one calling context)."""
    kind: str = field(compare=False)
    """What it is: "loss-function" (torch's), "library" (any other name of one), "function", "lambda", ..."""
    name: str = field(default="", compare=False)
    """The qualified name in a library of what made it, or the name of a class or function of the project."""
    made: Circumstances | None = field(default=None, compare=False)
    """Where and in which loops it is made; None where that cannot be seen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Generator(Thing):
    """A ``torch.Generator``."""

    states: frozenset[GeneratorState] = field(compare=False)
    """How it may be seeded by the end."""
    seed: Given = field(compare=False)
    """What ``manual_seed`` was given last."""
    seed_names: tuple[str, ...] = field(default=(), compare=False)
    """The variables and attributes that this was worked out from, as they are called; no constants."""
    seeded: Origin | None = field(default=None, compare=False)
    """Where its state was last settled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Loader(Thing):
    """A loader that is handed to ``make_private``."""

    dataset: Given = field(compare=False)
    holds: Hashable = field(default=None, compare=False, repr=False)
    """The data set, as in ``Amount.length_of``; None where it can be several."""
    batch_size: Amount = field(default=UNKNOWN_AMOUNT, compare=False)
    generator: Given = field(compare=False)
    sampler: Given = field(compare=False)
    batch_sampler: Given = field(compare=False)
    shuffle: Given = field(compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine(Thing):
    """A privacy engine."""

    adaptive: bool = field(compare=False)
    secure_mode: Given | None = field(compare=False)
    csprng: bool = field(compare=False)
    """Whether the modules that have to do with it name torchcsprng, or one of the project has that name."""
    accountant: Given | None = field(compare=False)
    """What its constructor was given; None where that was not seen, or another accountant takes its place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Criterion(Thing):
    """What is given as the criterion: a module, a function, or an object of the project."""

    honours_reduction: bool | None = field(compare=False)
    """Whether it gives one loss per example once its ``reduction`` is "none"; None: not known."""
    per_example: bool | None = field(compare=False)
    """Whether it gives one loss per example whatever ``reduction`` says."""
    function: bool = field(compare=False)
    """Whether it is no object whose ``reduction`` could be set."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Model(Thing):
    """The model that is handed to ``make_private``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Optimizer(Thing):
    """An optimizer of torch."""

    models: tuple[Thing, ...] = field(default=(), compare=False)
    """The models whose parameters it trains, as far as they can be seen."""
    in_part: frozenset[object] = field(default=frozenset(), compare=False)
    """The keys of those models of which it trains some parameters alone."""


What = Constant | Missing | Open | Several | Member | Thing


@dataclass(frozen=True, slots=True)
class Option:
    """One thing that an argument can be, under which assumptions, and why."""

    what: What
    guard: Guard = ALWAYS
    because: tuple[Origin, ...] = ()


@dataclass(frozen=True, slots=True)
class Given:
    """What an argument can be; without options where it is not given."""

    options: tuple[Option, ...] = ()
    amount: Amount = field(default=UNKNOWN_AMOUNT, compare=False)
    """The same as a number."""

    def __bool__(self) -> bool:
        return bool(self.options)

    @property
    def each(self) -> tuple[What, ...]:
        """What it can be, each once."""
        return tuple(dict.fromkeys(o.what for o in self.options))

    @property
    def only(self) -> What | None:
        """The one thing that it is; None where it can be several, or is not given."""
        each = self.each
        return each[0] if len(each) == 1 else None

    @property
    def things(self) -> tuple[Thing, ...]:
        """The objects among what it can be."""
        return tuple(w for w in self.each if isinstance(w, Thing))

    @property
    def surely(self) -> bool | None:
        """Whether it is given, and not None; None where only on some ways to the call."""
        empty = [isinstance(w, Missing) or w == Constant(None) for w in self.each]
        if not empty:
            return False
        return None if any(empty) and not all(empty) else not all(empty)

    def equals(self, constant: object) -> bool | None:
        """Whether it is a constant: False also where it is not given, None where it may be."""
        answers = {None if isinstance(w, Open) else w == Constant(constant) for w in self.each}
        if not answers:
            return False
        return answers.pop() if len(answers) == 1 else None

    def names(self, constant: str) -> bool:
        """Whether the program itself names a constant as one that it can be."""
        compared = (w.compared for w in self.each if isinstance(w, Open))
        return Constant(constant) in self.each or any(constant in constants for constants in compared)


NOT_GIVEN = Given()
