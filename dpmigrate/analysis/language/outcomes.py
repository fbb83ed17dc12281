"""What a test can come to: its two branches, the ways into each, and what is known there."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial

import libcst as cst

from dpmigrate.analysis import registry
from dpmigrate.analysis.core import Interpreter
from dpmigrate.analysis.domain.atoms import Absent, Atom, Const, External, Module, Obj, Unknown, is_entry
from dpmigrate.analysis.domain.store import Slot
from dpmigrate.analysis.domain.values import NOTHING, Bound, Class, Entry, Function, Seq, Value, of
from dpmigrate.analysis.frames import Frame
from dpmigrate.analysis.guards import ALWAYS, Guard, Literal, Test, clash, contradict, doubt, together

MAX_WAYS = 4
"""Ways into one branch that are told apart."""

Rebinds = list[tuple[cst.BaseExpression, Value]]


@dataclass(slots=True)
class Branch:
    """One outcome of a test: possible or not, and what holds there.

    ``ways`` are two or more sets of assumptions, each of which leads there (``a or b``, and the else of
    ``a and b``); ``guard`` and ``rebinds`` then are what all of them share.
    """

    possible: bool = True
    guard: Guard = ALWAYS
    rebinds: Rebinds = field(default_factory=list)
    ways: tuple[Branch, ...] = ()

    def each(self) -> tuple[Branch, ...]:
        """The ways into the branch, itself where there is only one."""
        return self.ways or (self,)


@dataclass(slots=True)
class Outcome:
    """Both outcomes of a test."""

    true: Branch
    false: Branch

    @property
    def telling(self) -> bool:
        """Whether the test says anything at all about values or assumptions."""
        return any(not b.possible or b.guard or b.rebinds or b.ways for b in (self.true, self.false))

    def as_it_may_be(self, way: Branch, node: cst.CSTNode, context: Hashable) -> Branch:
        """A way into an expression of which the test says nothing: what happens in it only may happen."""
        if self.telling:
            return way
        return replace(way, guard=frozenset({doubt(id(node), context, way is self.false)}))


def undecided() -> Outcome:
    return Outcome(Branch(), Branch())


def split_by_truth(ip: Interpreter, value: Value) -> tuple[Value, Value]:
    """The parts of a value that are true for Python, and those that are not; in both what cannot be told."""
    parts = [split_by_test(Value((e,)), ("truth",), partial(_truth_of, ip, e.guard)) for e in value.entries]
    yes, no = ([entry for part in parts for entry in part[i].entries] for i in (0, 1))
    return Value(tuple(yes)), Value(tuple(no))


def _truth_of(ip: Interpreter, guard: Guard, atom: Atom) -> bool | None:
    if isinstance(atom, Const):
        return bool(atom.value)
    if isinstance(atom, Absent):
        return False
    if isinstance(atom, (Function, Class, Bound, Module)):
        return True
    if isinstance(atom, External):
        return None if registry.is_data(atom.name) else registry.CONSTANTS.get(atom.name, Const(True)).value
    if isinstance(atom, Seq):
        return None if atom.items is None else bool(atom.items)
    if isinstance(atom, Obj):
        if isinstance(atom.node, cst.Dict):
            return _has_entries(ip, guard, atom)
        asked = isinstance(atom.data, Class) and atom.kind == "instance" and _says_its_truth(atom.data)
        return None if asked or atom.kind in ("dict", "dataset") else True
    return None


def _has_entries(ip: Interpreter, guard: Guard, atom: Obj) -> bool | None:
    """Whether a dict that is written out holds anything by now, where something is assumed of it."""
    anything = False
    for slot in ip.store.keys(atom):
        if slot != "rest" and not is_entry(slot):
            continue
        held = ip.read(atom, slot) or NOTHING
        absent = [isinstance(e.atom, Absent) for e in held.entries if not contradict(e.guard, guard)]
        if absent and not any(absent) and slot != "rest":
            return True
        anything = anything or not all(absent)
    return None if anything else False


@lru_cache(maxsize=1_000)
def _says_its_truth(kind: Class) -> bool:
    """Whether a class of the project has a method that Python asks for the truth of its objects."""
    methods = [part.name.value for part in kind.node.body.body if isinstance(part, cst.FunctionDef)]
    if "__bool__" in methods or "__len__" in methods:
        return True
    return any(isinstance(a, Class) and _says_its_truth(a) for base in kind.bases for a in base.atoms)


def split_by_test(value: Value, test: Test, decide: Callable[[Atom], bool | None]) -> tuple[Value, Value]:
    """The parts of a value for which a test holds, and for which it does not."""
    yes: list[Entry] = []
    no: list[Entry] = []
    for e in value.entries:
        thing = registry.data_of(e.atom)
        verdict = decide(thing)
        if verdict is None and isinstance(thing, Unknown):
            for target, holds in ((yes, True), (no, False)):
                literal = Literal(thing.symbol, test, holds)
                if any(clash(literal, lit) for lit in e.guard):
                    continue
                atom = e.atom
                if holds and test[0] == "eq":
                    atom = test[1] if isinstance(test[1], Atom) else Const(test[1])
                target.append(Entry(atom, together(e.guard, frozenset({literal})), e.because))
            continue
        if verdict is not False:
            yes.append(e)
        if verdict is not True:
            no.append(e)
    return Value(tuple(yes)), Value(tuple(no))


def common_guard(value: Value) -> Guard:
    """The assumptions that every alternative of a value shares."""
    guards = [e.guard for e in value.entries]
    if not guards:
        return ALWAYS
    shared = guards[0]
    for g in guards[1:]:
        shared &= g
    return shared


def outcome_of_split(
    ip: Interpreter, node: cst.BaseExpression, yes: Value, no: Value, test: Test = ("truth",)
) -> Outcome:
    """Both branches of a test on the value of an expression."""
    if not yes and not no:
        return undecided()
    guards = {True: common_guard(yes), False: common_guard(no)}
    guards[False] |= _opposites(guards[True] - ip.path, no)
    guards[True] |= _opposites(guards[False] - ip.path, yes)
    ways = {True: _ways_of(ip, node, yes), False: _ways_of(ip, node, no)}
    each = {holds: _each_way(guards[holds], ways[holds]) for holds in (True, False)}
    if yes and no and not all(contradict(a, b) for a in each[True] for b in each[False]):
        symbol = symbol_of(ip, node)
        if symbol is not None:
            for holds in (True, False):
                literal = Literal(symbol, test, holds)
                guards[holds] = guards[holds] | {literal}
                ways[holds] = _assuming(ways[holds], literal)

    def branch(part: Value, other: Value, guard: Guard, ways: Branch | None) -> Branch:
        if not part or contradict(guard, ip.path):
            return Branch(possible=False)
        if other and ways is not None and guard - ip.path <= ways.guard:
            return ways
        rebinds: Rebinds = [] if not other and not _refined(part) else [(node, part)]
        return Branch(True, guard - ip.path, rebinds)

    return Outcome(branch(yes, no, guards[True], ways[True]), branch(no, yes, guards[False], ways[False]))


def _each_way(guard: Guard, ways: Branch | None) -> list[Guard]:
    """The assumptions of every way into a branch."""
    return [guard | way.guard for way in ways.ways] if ways is not None else [guard]


def _assuming(ways: Branch | None, literal: Literal) -> Branch | None:
    """The ways into a branch, each under one assumption more."""
    if ways is None:
        return None
    more = tuple(Branch(True, together(w.guard, frozenset({literal})), w.rebinds) for w in ways.ways)
    return Branch(True, ways.guard | {literal}, ways=more)


def _ways_of(ip: Interpreter, node: cst.BaseExpression, part: Value) -> Branch | None:
    """The alternatives of a value as ways into the branch that they take."""
    alike: dict[Guard, list[Entry]] = {}
    for e in part.entries:
        alike.setdefault(e.guard - ip.path, []).append(e)
    return any_of([Branch(True, guard, [(node, Value(tuple(es)))]) for guard, es in alike.items()])


def _opposites(assumed: Guard, other: Value) -> Guard:
    """The negations of assumptions of one branch that hold throughout the other."""
    return frozenset(
        Literal(lit.symbol, lit.test, not lit.holds)
        for lit in assumed
        if other.entries and all(any(clash(lit, x) for x in e.guard) for e in other.entries)
    )


def symbol_of(ip: Interpreter, node: cst.BaseExpression) -> Hashable:
    """What to call a variable that is tested, so that a second test of it goes the same way."""
    if isinstance(node, cst.Name):
        scope: Frame | None = ip.frame
        while scope is not None:
            if ip.store.get(scope.owner, node.value) is not None:
                return ("tested", scope.owner, node.value, hash(as_written(ip, scope.owner, node.value)))
            scope = scope.closure
        return ("tested", ip.module.key, node.value, hash(ip.evaluate(node)))
    if isinstance(node, cst.Attribute):
        owner = ip.evaluate(node.value).only
        if isinstance(owner, Obj) and ip.store.get(owner, node.attr.value):
            return ("tested", owner, node.attr.value, hash(as_written(ip, owner, node.attr.value)))
        if isinstance(owner, (Obj, Unknown)):
            return ("tested", owner, node.attr.value, hash(ip.evaluate(node)))
    if isinstance(node, cst.Subscript) and _is_a_path(node.value):
        match node.slice:
            case [cst.SubscriptElement(cst.Index(cst.SimpleString() | cst.Integer() as key))]:
                owners = ip.evaluate(node.value)
                return ("tested", owners.only or hash(owners), key.value, hash(ip.evaluate(node)))
    return None


def _is_a_path(node: cst.BaseExpression) -> bool:
    """Whether it is a name, or an attribute of one: what calls nothing."""
    while isinstance(node, cst.Attribute):
        node = node.value
    return isinstance(node, cst.Name)


def told(ip: Interpreter, owner: Hashable, name: str, value: Value) -> None:
    """A test told more of what a variable holds: it is still the one that was written."""
    written = as_written(ip, owner, name)
    if written:
        ip.store.set(owner, _WRITTEN + name, of(Obj("as written", hash(written), data=written)))
    ip.store.set(owner, name, value)


def as_written(ip: Interpreter, owner: Hashable, name: str) -> Value:
    """What a variable was assigned, whatever tests have told of it since."""
    value = ip.store.get(owner, name) or NOTHING
    kept = ip.store.get(owner, _WRITTEN + name)
    noted = kept.only if kept else None
    written: Value = noted.data if isinstance(noted, Obj) else NOTHING
    return written if written and all(_refines(e, written) for e in value.entries) else value


_WRITTEN = "<as written> "


def told_in_a_loop(ip: Interpreter, changed: Mapping[Slot, Value | None]) -> dict[Slot, tuple[Value, Value]]:
    """Of the slots that a loop body changed those that a test told of, yet before all is joined.

    For each what it holds and what was assigned to it.
    """
    return {
        (owner, name): (held, as_written(ip, owner, name))
        for (owner, name), held in changed.items()
        if isinstance(name, str) and held is not None and (owner, _WRITTEN + name) in changed
    }


def forget_tests(ip: Interpreter, told_of: Mapping[Slot, tuple[Value, Value]]) -> Iterator[Slot]:
    """Take back what the tests in a loop told of variables that it does not assign; yields their slots.

    What held before the loop holds in its next turn, unless a branch of the test ended for some of it.
    """
    for (owner, name), (held, written) in told_of.items():
        now = ip.store.get(owner, name) or NOTHING
        if as_written(ip, owner, str(name)) == written and set(now.atoms) >= set(held.atoms):
            ip.store.set(owner, name, held)
            yield owner, name


def _refines(e: Entry, written: Value) -> bool:
    """Whether an alternative is one of those that were written, or what a test made known of one."""
    return any(
        e.because == before.because
        and (e.atom == before.atom or (isinstance(before.atom, Unknown) and bool(e.because)))
        for before in written.entries
    )


def _refined(value: Value) -> bool:
    return any(e.guard for e in value.entries)


def all_of(first: Branch, second: Branch) -> Branch:
    """Both branches at once."""
    ways = [
        Branch(True, together(a.guard, b.guard), [*a.rebinds, *b.rebinds])
        for a in first.each()
        for b in second.each()
        if not contradict(a.guard, b.guard)
    ]
    if not (first.possible and second.possible and ways):
        return Branch(possible=False)
    joint = Branch(True, together(first.guard, second.guard), [*first.rebinds, *second.rebinds])
    return ways[0] if len(ways) == 1 else any_of(ways) or joint


def any_of(ways: list[Branch]) -> Branch | None:
    """A branch with several ways into it; None where they cannot, or need not, be told apart."""
    if not 1 < len(ways) <= MAX_WAYS or not all(way.guard for way in ways):
        return None
    shared = frozenset.intersection(*(way.guard for way in ways))
    return Branch(True, shared, ways=tuple(ways))
