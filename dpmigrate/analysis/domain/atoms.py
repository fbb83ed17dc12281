"""What a variable can hold at the bottom: constants, objects and things of torch.

Sequences, functions, methods, classes and partials, which hold values, stand beside :class:`Value`."""

from __future__ import annotations

from collections.abc import Collection, Hashable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeGuard

from dpmigrate.analysis.guards import Guard, Symbol

if TYPE_CHECKING:
    import libcst as cst

    from dpmigrate.analysis.ledger.circumstances import Origin
    from dpmigrate.analysis.source.modules import ModuleInfo


class Atom:
    """One thing a variable can hold. Equality and hash are identity of the thing described."""

    __slots__ = ()


@dataclass(frozen=True, slots=True, eq=False)
class Const(Atom):
    """A literal constant."""

    value: Any

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Const) and type(self.value) is type(other.value) and self.value == other.value
        )

    def __hash__(self) -> int:
        return hash((type(self.value), self.value))


def is_number(value: object) -> TypeGuard[int | float]:
    """Whether a constant is a number; True and False are none."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


@dataclass(frozen=True, slots=True)
class Absent(Atom):
    """A dict entry that is not there on some path."""


@dataclass(frozen=True, slots=True)
class Unknown(Atom):
    """Something that cannot be known; equal symbols are the same unknown thing."""

    symbol: Symbol
    reason: str = field(default="", compare=False)
    parts: frozenset[Atom] = field(default=frozenset(), compare=False)
    """Objects that went into it (arguments of an unknown call), for what escapes."""
    never_none: bool = field(default=False, compare=False)
    """Whether it is surely something: what is computed, or drawn at random."""
    _hash: int | None = field(default=None, init=False, repr=False, compare=False)
    """Kept, since what it is of nests deeply."""

    def __hash__(self) -> int:
        hashed = self._hash
        if hashed is None:
            hashed = hash((self.symbol,))
            object.__setattr__(self, "_hash", hashed)
        return hashed


NO_WAY_ON = "no way on"
"""What the symbol of a call begins with that ends the program, as what ``sys.exit(1)`` gives."""
SOME = "[]"
"""What stands for the index of some item that cannot be known."""


def is_one_of_several(symbol: Hashable) -> bool:
    """Whether something unknown is an element of something, or part of one: in another turn it is another."""
    if isinstance(symbol, tuple):
        return any(map(is_one_of_several, symbol))
    return symbol in (SOME, "element")


def deeper(symbol: Hashable, name: Hashable) -> Hashable:
    """The symbol of a part of an unknown thing (bounded in depth)."""
    depth, inner = 0, symbol
    while isinstance(inner, tuple) and len(inner) == 3 and inner[1] == ".":
        depth, inner = depth + 1, inner[0]
    return (symbol, ".", name) if depth < 6 else (inner, ".", "...")


@dataclass(frozen=True, slots=True)
class Module(Atom):
    """A module of the project."""

    info: ModuleInfo


@dataclass(frozen=True, slots=True)
class External(Atom):
    """A name of a library, by its canonical qualified name."""

    name: str


@dataclass(frozen=True, slots=True)
class Obj(Atom):
    """An object, identified by where it was made (allocation site and calling context)."""

    kind: str
    key: Hashable
    module: ModuleInfo | None = field(compare=False, repr=False, default=None)
    node: cst.CSTNode | None = field(compare=False, repr=False, default=None)
    data: Any = field(compare=False, repr=False, default=None)
    """What the kind needs to know: the class of an instance, the run of a DP object."""
    _hash: int | None = field(default=None, init=False, repr=False, compare=False)
    """Kept, since what it is of nests deeply."""

    def __hash__(self) -> int:
        hashed = self._hash
        if hashed is None:
            hashed = hash((self.kind, self.key))
            object.__setattr__(self, "_hash", hashed)
        return hashed


def dict_key(atom: Atom | None) -> tuple[str, Hashable] | None:
    """The slot of a dict's entry under a key: a constant, or a member of an Enum; None for any other key."""
    if isinstance(atom, Const):
        return ("key", atom.value)
    return ("key", atom) if isinstance(atom, Obj) and atom.kind == "enum" else None


def is_entry(slot: Hashable) -> TypeGuard[tuple[str, Hashable]]:
    """Whether a slot is that of a dict's entry under a key, see `dict_key`."""
    return isinstance(slot, tuple) and slot[0] == "key"


@dataclass(frozen=True, slots=True)
class Batch(Atom):
    """Among the parts of something unknown: that it is a batch of a loader, or was made of one."""

    loader: Atom
    origin: Origin = field(compare=False, repr=False)
    """Where the batch is taken."""
    place: Hashable
    """The same, with the calling context."""
    guard: Guard = frozenset()
    """What has to be so for it to be made of that one."""
    _hash: int | None = field(default=None, init=False, repr=False, compare=False)
    """Kept: it is in the symbols of all that is made of the batch."""

    def __hash__(self) -> int:
        hashed = self._hash
        if hashed is None:
            hashed = hash((self.loader, self.place, self.guard))
            object.__setattr__(self, "_hash", hashed)
        return hashed


@dataclass(frozen=True, slots=True)
class ForwardPass(Atom):
    """That a model was given batches: those whose assumptions agree, all at once."""

    model: Atom
    batches: frozenset[Batch]


GRAD_MODE = "grad-mode"
"""The kind of what ``torch.no_grad()`` and its like make; its data is whether torch keeps a graph in it."""


@dataclass(frozen=True, slots=True)
class Tensor(Atom):
    """A value computed from model outputs: which models, and what made it last.

    ``maker`` is the callable that produced it (criterion, functional, model) and ``steps`` the
    operations applied since ("mean", "mul", ".loss"), both in the order of the program.
    """

    sources: frozenset[Atom]
    maker: Atom | None = None
    steps: tuple[str, ...] = ()
    coefficient: Atom | None = None
    """The DP model whose clipping coefficients were multiplied in."""
    reduction: str | None = None
    """How losses became one: "none", "mean", "sum", or as `ledger.reductions` says; None: not known."""
    detached: bool = False
    """Whether no gradient goes back through it: it was detached, or computed where gradients are off."""
    passes: frozenset[ForwardPass] = frozenset()
    """What the models were given that it is computed from; empty where that is not known."""
    _hash: int | None = field(default=None, init=False, repr=False, compare=False)
    """Kept, as those of what it is made of nest deeply."""

    def __hash__(self) -> int:
        hashed = self._hash
        if hashed is None:
            hashed = hash((self.sources, self.maker, self.steps, self.reduction, self.passes))
            object.__setattr__(self, "_hash", hashed)
        return hashed

    @property
    def reached(self) -> frozenset[Atom]:
        """The models that its gradient goes back to."""
        return frozenset() if self.detached else self.sources

    @property
    def at_large(self) -> Tensor:
        """One tensor for all that are alike but for what was done to them and what their models were given.

        A loss that was reduced stays what it is: that nothing was done to it then says something, too.
        """
        return self if self.reduction else replace(self, steps=(SOME_STEPS,), passes=frozenset())

    def after(self, step: str) -> Tensor:
        """What one more operation makes of it."""
        detached = self.detached or step in _DETACHING
        return replace(self, steps=(*self.steps, step)[-MAX_TENSOR_STEPS:], detached=detached)


SOME_STEPS = "?"
"""In place of the operations on a tensor that may have been any of several."""

MAX_TENSOR_STEPS = 6
"""How many of the last operations on a tensor are kept."""

_DETACHING = frozenset({"detach", "detach_", ".data"})


def behind(tensors: Collection[Tensor]) -> tuple[frozenset[Atom], bool]:
    """The models behind what several tensors make together, and whether it is detached from all of them."""
    detached = bool(tensors) and all(t.detached for t in tensors)
    return frozenset().union(*(t.sources if detached else t.reached for t in tensors)), detached


@dataclass(frozen=True, slots=True)
class Params(Atom):
    """The parameters of models (``model.parameters()``), or one of them."""

    models: frozenset[Atom]
    part: bool = False
    """Whether they are those of some part of the models, which nobody knows as an object of its own."""
    of_gradient: bool = False
    """Whether it is their gradient, ``p.grad``, and not they themselves."""
    detached: bool = False
    """Whether it is their numbers alone, ``p.data``: what is computed of those has no gradient at all."""


A_LENGTH = "a length"
"""Why a number is unknown that is a length, and is not worked out from one."""


class Mark(Atom):
    """Among the parts of something unknown: what holds of all that is computed of it."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class TrainedAt(Mark):
    """It is made of weights that a private run has trained."""

    call: int
    """The identity of the call that makes the run, in whatever turn of a loop."""


@dataclass(frozen=True, slots=True)
class Length(Atom):
    """Among the parts of an unknown number: that it is the length of something."""

    of: Atom
    over_one: bool = False
    """That it is one over that length."""
    in_batches: bool = False
    """That it is the number of batches which that many records make."""
    times: float = 1
    """How many times that length it is."""
    power: float = 1
    """Which power of that length it is: 0.5 for its square root."""


@dataclass(frozen=True, slots=True)
class Imported(Atom):
    """What an import statement binds, resolved when it is first read."""

    dotted: str
    name: str | None
    importer: ModuleInfo
    level: int = 0
