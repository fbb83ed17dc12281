"""Abstract values: what a variable can hold, under which assumptions, and why.

A value is a set of atoms. Each atom carries a guard, a conjunction of literals about symbols
(an unknown parameter, a command-line option), so that two values that depend on the same
option stay correlated: ``mode`` is "ghost" exactly where ``criterion`` is the wrapped one.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from dpmigrate.analysis.domain.atoms import Atom, Const, Obj, Tensor, Unknown
from dpmigrate.analysis.guards import (
    ALWAYS,
    Guard,
    Literal,
    contradict,
    doubt,
    either_guard,
    together,
    weaken,
)
from dpmigrate.analysis.ledger.circumstances import Origin

if TYPE_CHECKING:
    import libcst as cst

    from dpmigrate.analysis.source.modules import ModuleInfo

MAX_ATOMS = 24
MAX_TEXT = 10_000
"""Characters of a text, or bytes, that is known."""
MAX_BITS = 4_096
"""Bits of a number that is known."""
MAX_ITEMS = 1_000
"""Items of a sequence that are told apart."""
MAX_NESTED = 10_000
"""Values in a sequence and in all that is nested in it, each as often as it is there."""
MAX_DEPTH = 60
"""Sequences within one another."""
MAX_CASES = 8
"""Assumptions that one atom is kept under side by side."""
MANY = 16
"""Entries among which those that are there twice are looked for before they are joined."""


@dataclass(frozen=True, slots=True)
class Seq(Atom):
    """A tuple or list: exact items, or (``items`` None) any number of ``element``."""

    items: tuple[Value, ...] | None
    element: Value | None = None
    mutable: bool = False

    def __post_init__(self) -> None:
        size, depth = self.extent
        if size > MAX_NESTED or depth > MAX_DEPTH:
            held = self.items if self.items is not None else (self.element or NOTHING,)
            parts = frozenset(a for value in held for a in value.atoms if isinstance(a, Obj))
            self._become(of(Unknown(("large", hash(parts)), "too large a value", parts)))
        elif self.items is not None and len(self.items) > MAX_ITEMS:
            self._become(join_all(self.items))

    def _become(self, element: Value) -> None:
        """Any number of an element: the items were too many to tell apart."""
        object.__setattr__(self, "items", None)
        object.__setattr__(self, "element", element)

    @property
    def extent(self) -> tuple[int, int]:
        """How many values are in it, and how many sequences within one another."""
        size = depth = 0
        for value in self.items if self.items is not None else (self.element or NOTHING,):
            inner = value.extent
            size += inner[0]
            depth = max(depth, inner[1])
        return size + 1, depth + 1

    def each(self) -> Value:
        """The join of all items."""
        if self.items is None:
            return self.element or NOTHING
        return join_all(self.items)

    def any_one(self) -> Value:
        """An item; which one of several objects it is may go together with what is taken of others."""
        item = self.each()
        several = sum(isinstance(atom, Obj) for atom in item.atoms) > 1
        return item.guarded(frozenset({doubt("item", item.atoms)})) if several else item

    def at(self, index: Value) -> Value:
        """The item at an index that is not known: those of two sequences at one index go together."""
        number = index.only
        if self.items is None or not isinstance(number, Unknown):
            return self.any_one()
        literals = [Literal(number.symbol, ("eq", place), True) for place in range(len(self.items))]
        return join_all(
            item.guarded(frozenset({literal})) if any(isinstance(a, Obj) for a in item.atoms) else item
            for item, literal in zip(self.items, literals, strict=True)
        )


@dataclass(frozen=True, slots=True)
class Function(Atom):
    """A function or lambda of the project, with the frame that it closes over."""

    module: ModuleInfo = field(compare=False, repr=False)
    node: cst.FunctionDef | cst.Lambda = field(compare=False, repr=False)
    key: Hashable
    closure: Any = field(compare=False, repr=False, default=None)
    owner: Class | None = field(compare=False, default=None)
    decorators: tuple[str, ...] = field(compare=False, default=())

    @property
    def name(self) -> str:
        """The name that it was defined under; empty for a lambda."""
        name = getattr(self.node, "name", None)
        return str(name.value) if name is not None else ""


@dataclass(frozen=True, slots=True)
class Class(Atom):
    """A class of the project; ``bases`` as evaluated at its definition."""

    module: ModuleInfo = field(compare=False, repr=False)
    node: cst.ClassDef = field(compare=False, repr=False)
    key: Hashable
    bases: tuple[Value, ...] = field(compare=False, default=())
    fields: tuple[str, ...] = field(compare=False, default=())
    """Annotated names in order: the constructor's parameters of a dataclass or model."""
    annotations: dict[str, cst.BaseExpression] = field(compare=False, repr=False, default_factory=dict)
    """What they are annotated with."""
    decorators: tuple[str, ...] = field(compare=False, default=())


@dataclass(frozen=True, slots=True)
class Bound(Atom):
    """A method together with its receiver; ``name`` when the receiver is a library object."""

    receiver: Atom
    name: str
    function: Function | None = None


@dataclass(frozen=True, slots=True)
class Partial(Atom):
    """``functools.partial`` of a value, with the arguments already given."""

    function: Value
    positional: tuple[Value, ...]
    keywords: tuple[tuple[str, Value], ...]

    @property
    def extent(self) -> tuple[int, int]:
        """How many values are in it, and how deeply."""
        inner = [v.extent for v in (self.function, *self.positional, *(v for _, v in self.keywords))]
        return 1 + sum(size for size, _ in inner), 1 + max(depth for _, depth in inner)


class Entry(NamedTuple):
    """One atom of a value, the assumptions under which it is the one, and why."""

    atom: Atom
    guard: Guard = ALWAYS
    because: tuple[Origin, ...] = ()


def _same_case(one: Entry, other: Entry) -> bool:
    return one.guard == other.guard and (one.atom is other.atom or one.atom == other.atom)


class Value:
    """What an expression can evaluate to. Immutable; its hash, which nests deeply, is kept."""

    __slots__ = ("_extent", "_hash", "entries")

    def __init__(self, entries: tuple[Entry, ...] = ()) -> None:
        self.entries = entries
        self._hash: int | None = None
        self._extent: tuple[int, int] | None = None

    def __repr__(self) -> str:
        return f"Value({self.entries!r})"

    def __bool__(self) -> bool:
        return bool(self.entries)

    def __hash__(self) -> int:
        if self._hash is None:
            self._hash = hash(frozenset(e.atom for e in self.entries))
        return self._hash

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, Value) or len(self.entries) != len(other.entries):
            return False
        if len(self.entries) == 1:
            one, another = self.entries[0], other.entries[0]
            return one.guard == another.guard and one.atom == another.atom
        if all(map(_same_case, self.entries, other.entries)):
            return True
        return hash(self) == hash(other) and {(e.atom, e.guard) for e in self.entries} == {
            (e.atom, e.guard) for e in other.entries
        }

    @property
    def extent(self) -> tuple[int, int]:
        """How many values are nested in it, itself counted, and how deeply."""
        if self._extent is None:
            size, depth = 1, 0
            for e in self.entries:
                if isinstance(e.atom, (Seq, Partial)):
                    inner = e.atom.extent
                    size += inner[0]
                    depth = max(depth, inner[1])
            self._extent = size, depth
        return self._extent

    @property
    def atoms(self) -> tuple[Atom, ...]:
        """The atoms alone, each once."""
        if len(self.entries) == 1:
            return (self.entries[0].atom,)
        return tuple(dict.fromkeys([e.atom for e in self.entries]))

    @property
    def only(self) -> Atom | None:
        """The single atom that it must be, if it is just one."""
        if len(self.entries) == 1:
            return self.entries[0].atom
        atoms = self.atoms
        return atoms[0] if len(atoms) == 1 else None

    @property
    def constant(self) -> Any:
        """The Python constant that it must be; raises LookupError when it is not one."""
        atom = self.only
        if isinstance(atom, Const):
            return atom.value
        raise LookupError

    def constants(self) -> list[Any]:
        """All constants among the atoms."""
        return [a.value for a in self.atoms if isinstance(a, Const)]

    def select(self, keep: Callable[[Atom], bool]) -> Value:
        """The part of it whose atoms satisfy a predicate."""
        return Value(tuple(e for e in self.entries if keep(e.atom)))

    def map(self, change: Callable[[Atom], Atom]) -> Value:
        """Every atom replaced, guards and reasons kept."""
        return merge_entries(Entry(change(e.atom), e.guard, e.because) for e in self.entries)

    def guarded(self, guard: Guard) -> Value:
        """The same under more assumptions; entries that contradict them are dropped."""
        if not guard:
            return self
        return Value(
            tuple(
                [
                    Entry(e.atom, together(e.guard, guard), e.because)
                    for e in self.entries
                    if not e.guard or not contradict(e.guard, guard)
                ]
            )
        )

    def because(self, origin: Origin) -> Value:
        """The same with one more reason (the newest reason last, a few are kept)."""
        return Value(
            tuple(
                e if origin in e.because else Entry(e.atom, e.guard, (*e.because[-3:], origin))
                for e in self.entries
            )
        )


NOTHING = Value()
NONE = Value((Entry(Const(None)),))


def merge_entries(entries: Iterable[Entry]) -> Value:
    """One value out of entries: an atom that is there twice is kept under the assumptions of either."""
    several = tuple(entries)
    if len(several) < 2:
        return Value(several)
    seen: dict[Atom, list[Entry]] = {}
    if len(several) > MANY:
        several = _each_case_once(several)
    for e in several:
        cases = seen.get(e.atom)
        if cases is None:
            seen[e.atom] = [e]
        else:
            _add_case(cases, e)
    if len(seen) > MAX_ATOMS:
        at_large: dict[Atom, Atom] = {atom: atom.at_large for atom in seen if isinstance(atom, Tensor)}
        if len(set(at_large.values())) < len(at_large):
            return merge_entries([Entry(at_large.get(e.atom, e.atom), e.guard, e.because) for e in several])
        parts = frozenset(a for a in seen if isinstance(a, Obj))
        return Value((Entry(Unknown(("many", hash(parts)), "too many possible values", parts)),))
    if len(seen) == len(several):
        return Value(several)
    return Value(tuple([e for cases in seen.values() for e in cases]))


def _each_case_once(entries: tuple[Entry, ...]) -> tuple[Entry, ...]:
    """The entries, those that say the same as one of them left out; where one gives reasons, it stays."""
    by_case: dict[tuple[Atom, Guard], Entry] = {}
    for e in entries:
        case = e.atom, e.guard
        if case not in by_case or (e.because and not by_case[case].because):
            by_case[case] = e
    return tuple(by_case.values())


def _with_parts_of(atom: Atom, equal: Atom) -> Atom:
    """An atom in place of one that it equals: something unknown keeps what went into either."""
    if not isinstance(atom, Unknown) or not isinstance(equal, Unknown) or equal.parts <= atom.parts:
        return atom
    return Unknown(
        atom.symbol, atom.reason, atom.parts | equal.parts, never_none=atom.never_none and equal.never_none
    )


def _add_case(cases: list[Entry], new: Entry) -> None:
    """Add one more case of an atom to those known, joined with one of them where that says the same."""
    for place, old in enumerate(cases):
        exact = either_guard(old.guard, new.guard)
        if exact is not None:
            joined = Entry(_with_parts_of(new.atom, old.atom), exact, old.because or new.because)
            del cases[place]
            if exact == old.guard:
                cases.insert(place, joined)
            else:
                _add_case(cases, joined)
            return
    cases.append(new)
    if len(cases) > MAX_CASES:
        guard = cases[0].guard
        for case in cases[1:]:
            guard = weaken(guard, case.guard)
        cases[:] = [Entry(new.atom, guard, cases[0].because or new.because)]


def join_all(values: Iterable[Value]) -> Value:
    """Any of the values."""
    several = [value for value in values if value.entries]
    if len(several) == 1 and len(several[0].entries) == 1:
        return several[0]
    return merge_entries([e for value in several for e in value.entries])


def join_guarded(branches: Sequence[tuple[Value | None, Guard]]) -> Value:
    """Join the values of a variable at the end of several branches.

    An atom that every branch agrees on gets no new assumption; the others get their branch's.
    """
    first = branches[0][0] if branches else None
    if first is not None and all(value is first for value, _ in branches):
        return first
    # A try hands over a branch for every place that may raise, most of which leave the same.
    if len(branches) > 2:
        branches = list({(id(value), guard): (value, guard) for value, guard in branches}.values())
    counts: dict[tuple[Atom, Guard], int] = {}
    for value, _ in branches:
        for e in (value or NOTHING).entries:
            case = e.atom, e.guard
            counts[case] = counts.get(case, 0) + 1
    entries = []
    for value, guard in branches:
        for e in (value or NOTHING).entries:
            if not guard or counts[e.atom, e.guard] == len(branches):
                entries.append(e)
            elif not e.guard:
                entries.append(Entry(e.atom, together(ALWAYS, guard), e.because))
            elif not contradict(e.guard, guard):
                entries.append(Entry(e.atom, together(e.guard, guard), e.because))
    return merge_entries(entries)


def of(atom: Atom, *because: Origin, guard: Guard = ALWAYS) -> Value:
    """A value that is just one atom."""
    return Value((Entry(atom, guard, because),))


def is_large(value: Any) -> bool:
    """Whether a constant is too large to be known: what is computed with it could grow without end."""
    if isinstance(value, (str, bytes)):
        return len(value) > MAX_TEXT
    return isinstance(value, int) and value.bit_length() > MAX_BITS


def const(value: Any, *because: Origin) -> Value:
    """A value that is one constant; unknown where that is too large."""
    if is_large(value):
        return of(Unknown(("large", type(value).__name__, hash(value)), "too large a value"), *because)
    return of(Const(value), *because)
