"""What a test tells: the assumptions and the narrower values of both of its branches."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable
from functools import lru_cache, partial
from typing import Any

import libcst as cst

from dpmigrate.analysis import registry
from dpmigrate.analysis.core import Interpreter
from dpmigrate.analysis.domain.atoms import Absent, Atom, Const, External, Module, Obj, Unknown, is_entry
from dpmigrate.analysis.domain.kinds import ATTRIBUTES_OF_OPACUS, has_attribute, is_instance, type_names
from dpmigrate.analysis.domain.values import Bound, Class, Entry, Function, Seq, Value
from dpmigrate.analysis.guards import Literal, Test, clash, contradict, together
from dpmigrate.analysis.language.classes import member_values
from dpmigrate.analysis.language.naming import compares
from dpmigrate.analysis.language.outcomes import (
    Branch,
    Outcome,
    all_of,
    any_of,
    outcome_of_split,
    split_by_test,
    split_by_truth,
    undecided,
)
from dpmigrate.analysis.ledger import LengthAsked
from dpmigrate.analysis.source.tree import every


def narrow(ip: Interpreter, test: cst.BaseExpression) -> Outcome:
    """Evaluate a test (for its effects, too) and say what its branches know."""
    if isinstance(test, cst.UnaryOperation) and isinstance(test.operator, cst.Not):
        inner = narrow(ip, test.expression)
        return Outcome(inner.false, inner.true)
    if isinstance(test, cst.BooleanOperation):
        return _narrow_boolean(ip, test)
    if isinstance(test, cst.Comparison) and len(test.comparisons) == 1:
        return _narrow_comparison(ip, test)
    if isinstance(test, cst.Call):
        special = narrow_call(ip, test)
        if special is not None:
            return special
    if isinstance(test, cst.NamedExpr):
        value = ip.evaluate(test)
        yes, no = split_by_truth(ip, value)
        return outcome_of_split(ip, test.target, yes, no)
    value = ip.evaluate(test)
    yes, no = split_by_truth(ip, value)
    return outcome_of_split(ip, test, yes, no)


def _narrow_boolean(ip: Interpreter, test: cst.BooleanOperation) -> Outcome:
    first = narrow(ip, test.left)
    is_and = isinstance(test.operator, cst.And)
    goes_on, stops = (first.true, first.false) if is_and else (first.false, first.true)
    if not goes_on.possible:
        dead = Branch(possible=False)
        return Outcome(dead, stops) if is_and else Outcome(stops, dead)
    saved = ip.path
    ip.store.push()
    try:
        enter(ip, goes_on)
        second = narrow(ip, test.right)
        bound = [(name, ip.evaluate(name)) for name in _walrus_targets(test.right)]
    finally:
        ip.path = saved
        ip.store.pop()
    for branch in (second.true, second.false):
        branch.rebinds[:0] = bound
    last_goes, last_stops = (second.true, second.false) if is_and else (second.false, second.true)
    both = all_of(goes_on, last_goes)
    if not stops.possible:
        other = Branch(last_stops.possible, together(goes_on.guard, last_stops.guard), last_stops.rebinds)
    elif not last_stops.possible:
        other = stops
    else:
        late = all_of(goes_on, last_stops)
        other = any_of([*stops.each(), *late.each()]) or Branch(True, stops.guard & late.guard)
    return Outcome(both, other) if is_and else Outcome(other, both)


@lru_cache(maxsize=10_000)
def _walrus_targets(test: cst.CSTNode) -> list[cst.BaseExpression]:
    return [node.target for node in every(test) if isinstance(node, cst.NamedExpr)]


def _narrow_comparison(ip: Interpreter, test: cst.Comparison) -> Outcome:
    left, target = test.left, test.comparisons[0]
    sign, right = target.operator, target.comparator
    negative = isinstance(sign, (cst.NotEqual, cst.IsNot, cst.NotIn))
    if isinstance(sign, (cst.In, cst.NotIn)):
        outcome = _narrow_membership(ip, left, right)
    elif isinstance(sign, (cst.Equal, cst.NotEqual, cst.Is, cst.IsNot)):
        outcome = _narrow_equality(ip, left, right)
    else:
        return _narrow_order(ip, left, type(sign), right)
    return Outcome(outcome.false, outcome.true) if negative else outcome


_ORDER: dict[type[cst.BaseCompOp], tuple[Callable[[Any, Any], bool], type[cst.BaseCompOp]]] = {
    cst.LessThan: (operator.lt, cst.GreaterThan),
    cst.GreaterThan: (operator.gt, cst.LessThan),
    cst.LessThanEqual: (operator.le, cst.GreaterThanEqual),
    cst.GreaterThanEqual: (operator.ge, cst.LessThanEqual),
}
"""What each comparison computes, and the one that says the same with its sides exchanged."""


def _narrow_order(
    ip: Interpreter, left: cst.BaseExpression, kind: type[cst.BaseCompOp], right: cst.BaseExpression
) -> Outcome:
    """``value > 1``: known numbers go one way, and the same test of the same unknown goes it again."""
    a, b = ip.evaluate(left), ip.evaluate(right)
    if isinstance(a.only, Const) and not isinstance(b.only, Const):
        left, a, b, kind = right, b, a, _ORDER[kind][1]
    bound, compare = b.only, _ORDER[kind][0]
    if not isinstance(bound, Const) or not isinstance(bound.value, (int, float)):
        return undecided()
    limit, length = bound.value, _length_of(left)
    test = (kind.__name__, limit)
    if length is not None:
        return narrow_length(ip, length, test, lambda count: compare(count, limit))

    def decide(atom: Atom) -> bool | None:
        if isinstance(atom, Const) and isinstance(atom.value, (int, float)):
            return compare(atom.value, limit)
        return None

    yes, no = split_by_test(a, test, decide)
    return outcome_of_split(ip, left, yes, no, test)


def _narrow_equality(ip: Interpreter, left: cst.BaseExpression, right: cst.BaseExpression) -> Outcome:
    length = _length_of(left)
    a, b = ip.evaluate(left), ip.evaluate(right)
    for constant in b.constants():
        compares(ip, a, constant)
    for node, value, other in ((left, a, b), (right, b, a)):
        atom = other.only
        if isinstance(atom, Const):
            constant = atom.value
            if length is not None and node is left and isinstance(constant, int):
                return narrow_length(ip, length, ("len", constant), constant.__eq__)
            compares(ip, value, constant)
            yes, no = split_by_test(value, ("eq", constant), partial(equals, constant))
            return outcome_of_split(ip, node, yes, no, ("eq", constant))
    for node, value, other in ((left, a, b), (right, b, a)):
        atom = other.only
        if isinstance(atom, (Class, External, Function)) or (isinstance(atom, Obj) and atom.kind == "enum"):
            same = atom
            # What a package holds may be equal to something that it is not.
            kind = "eq" if registry.data_of(same) is same else "same"
            yes, no = split_by_test(value, (kind, same), partial(is_same, same))
            return outcome_of_split(ip, node, yes, no, (kind, same))
        if isinstance(atom, Obj) and atom.kind in _THEMSELVES_ALONE:
            yes, no = split_by_test(value, ("same", atom), partial(_is_this_very, ip, atom))
            return outcome_of_split(ip, node, yes, no, ("same", atom))
    return undecided()


_THEMSELVES_ALONE = frozenset(["optimizer", "dp-optimizer", "loader", "dp-loader"])
"""Kinds of objects that equal themselves alone: ``each is optimizer``."""


def _is_this_very(ip: Interpreter, other: Obj, atom: Atom) -> bool | None:
    """Whether an atom is another one, which may stand for one object in each turn of a loop."""
    if isinstance(atom, Unknown):
        return None
    if atom != other:
        return False
    made = other.data.loops if other.kind.startswith("dp-") else None
    born = ip.births.get(other)
    return True if (made == () or (born is not None and not born.loops)) else None


def equals(constant: object, atom: Atom) -> bool | None:
    """Whether an atom is equal to a constant; None where it cannot be told."""
    if isinstance(atom, Const):
        if atom.value != constant:
            return False
        # 1 equals True, and is another object.
        return True if isinstance(atom.value, bool) == isinstance(constant, bool) else None
    if isinstance(atom, Obj) and atom.kind == "enum" and constant is not None:
        return None
    if isinstance(atom, Unknown):
        return False if constant is None and atom.never_none else None
    if isinstance(atom, (Obj, Function, Class, External, Module, Seq, Bound)):
        return False
    return None


def is_same(other: Atom, atom: Atom) -> bool | None:
    """Whether an atom is another one; None where it cannot be told."""
    if atom != other and (isinstance(atom, Unknown) or isinstance(registry.data_of(other), Unknown)):
        return None
    return atom == other


def _length_of(node: cst.BaseExpression) -> cst.BaseExpression | None:
    if (
        isinstance(node, cst.Call)
        and isinstance(node.func, cst.Name)
        and node.func.value == "len"
        and len(node.args) == 1
    ):
        return node.args[0].value
    return None


def narrow_length(
    ip: Interpreter, node: cst.BaseExpression, test: Test, fits: Callable[[int], bool]
) -> Outcome:
    """What a test of ``len(node)`` tells; of a private result, whether it was made in ghost mode."""
    value = ip.evaluate(node)

    def decide(atom: Atom) -> bool | None:
        if isinstance(atom, Seq) and atom.items is not None:
            return fits(len(atom.items))
        if isinstance(atom, Obj) and atom.kind == "private-result":
            ip.happen(atom.data, LengthAsked(ip.at(node)))
            if fits(4) and not fits(3):
                ip.names_ghost(atom.data)
            return fits(4 if atom.data.ghost else 3)
        return None

    yes, no = split_by_test(value, test, decide)
    return outcome_of_split(ip, node, yes, no, test)


def _narrow_membership(ip: Interpreter, left: cst.BaseExpression, right: cst.BaseExpression) -> Outcome:
    asked = _dict_of_keys(right)
    if asked is not None and all(isinstance(a, Obj) and a.kind == "dict" for a in ip.evaluate(asked).atoms):
        right = asked
    member, container = ip.evaluate(left), ip.evaluate(right)
    held = container.only
    if (
        isinstance(held, Seq)
        and held.items is not None
        and all(isinstance(v.only, Const) for v in held.items)
    ):
        choices = [v.constant for v in held.items]
        for c in choices:
            compares(ip, member, c)
        if len(choices) == 1:
            only = choices[0]
            yes, no = split_by_test(member, ("eq", only), partial(equals, only))
            return outcome_of_split(ip, left, yes, no, ("eq", only))
        yes, no = _split_choices(member, choices)
        return outcome_of_split(ip, left, yes, no, ("in", tuple(choices)))
    keys = _keys_of(ip, held)
    for key in keys:
        compares(ip, member, key)
    needle = member.only
    if isinstance(needle, Const) and isinstance(needle.value, str):
        compares(ip, container, needle.value)
        yes, no = _split_by_key(ip, container, needle.value)
        return outcome_of_split(ip, right, yes, no, ("has", needle.value))
    return undecided()


def _dict_of_keys(node: cst.BaseExpression) -> cst.BaseExpression | None:
    """What ``options.keys()`` is asked of; None for any other expression."""
    if isinstance(node, cst.Call) and isinstance(node.func, cst.Attribute) and not node.args:
        return node.func.value if node.func.attr.value == "keys" else None
    return None


def _split_by_key(ip: Interpreter, container: Value, text: str) -> tuple[Value, Value]:
    """The parts of a value that have an entry of a dict, or a piece of text, and those that lack it.

    A dict that was given the entry in one branch alone has it under that branch's assumptions.
    """

    def decide(atom: Atom) -> bool | None:
        if isinstance(atom, Const) and isinstance(atom.value, str):
            return text in atom.value
        if isinstance(atom, Obj) and atom.kind == "dict" and ip.store.get(atom, ("key", text)) is None:
            return None if ip.store.get(atom, "rest") else False
        return None

    yes: list[Entry] = []
    no: list[Entry] = []
    for e in container.entries:
        held = ip.read(e.atom, ("key", text)) if isinstance(e.atom, Obj) and e.atom.kind == "dict" else None
        if held is None:
            parts = split_by_test(Value((e,)), ("has", text), decide)
            yes.extend(parts[0].entries)
            no.extend(parts[1].entries)
            continue
        for entry in held.entries:
            guard = together(e.guard, entry.guard)
            if not contradict(e.guard, entry.guard):
                (no if isinstance(entry.atom, Absent) else yes).append(Entry(e.atom, guard, e.because))
    return Value(tuple(yes)), Value(tuple(no))


def _keys_of(ip: Interpreter, held: Atom | None) -> Iterable[object]:
    """What a container that an item is looked for in is known to hold."""
    if isinstance(held, Obj) and held.kind == "dict":
        slots = [slot for slot in ip.store.keys(held) if is_entry(slot)]
        return [slot[1] for slot in slots if not isinstance(slot[1], Obj)]
    if isinstance(held, Class):
        return [c for value in member_values(ip, held) for c in value.constants()]
    return held.each().constants() if isinstance(held, Seq) else ()


def _split_choices(member: Value, choices: list[object]) -> tuple[Value, Value]:
    """Split on membership in several constants: an unknown can be any one of them."""
    yes: list[Entry] = []
    no: list[Entry] = []
    for e in member.entries:
        thing = registry.data_of(e.atom)
        if isinstance(thing, Unknown):
            for c in choices:
                literal = Literal(thing.symbol, ("eq", c), True)
                if not any(clash(literal, lit) for lit in e.guard):
                    yes.append(Entry(Const(c), together(e.guard, frozenset({literal})), e.because))
            rest = frozenset(Literal(thing.symbol, ("eq", c), False) for c in choices[:4])
            if not contradict(rest, e.guard):
                no.append(Entry(e.atom, together(e.guard, rest), e.because))
            continue
        equal = [equals(c, e.atom) for c in choices]
        if any(k is not False for k in equal):
            yes.append(e)
        if not any(k is True for k in equal):
            no.append(e)
    return Value(tuple(yes)), Value(tuple(no))


def narrow_call(ip: Interpreter, test: cst.CSTNode) -> Outcome | None:
    """``x.startswith("ghost")``, ``isinstance(x, C)``, ``hasattr``; None where it is no such call."""
    if not isinstance(test, cst.Call):
        return None
    if (
        isinstance(test.func, cst.Attribute)
        and test.func.attr.value in ("startswith", "endswith")
        and len(test.args) == 1
    ):
        value, prefix = ip.evaluate(test.func.value), ip.evaluate(test.args[0].value)
        atom = prefix.only
        if isinstance(atom, Const) and isinstance(atom.value, str):
            text, method = atom.value, test.func.attr.value
            compares(ip, value, text)
            asked_of_text = (method, text)
            yes, no = split_by_test(
                value,
                asked_of_text,
                lambda x: (
                    bool(getattr(x.value, method)(text))
                    if isinstance(x, Const) and isinstance(x.value, str)
                    else None
                ),
            )
            return outcome_of_split(ip, test.func.value, yes, no, asked_of_text)
    if isinstance(test.func, cst.Name) and test.func.value == "isinstance" and len(test.args) == 2:
        value, kind = ip.evaluate(test.args[0].value), ip.evaluate(test.args[1].value)
        names = type_names(kind)
        if names is not None:
            of_kind = ("isinstance", tuple(sorted(names)))
            yes, no = split_by_test(value, of_kind, lambda x: is_instance(x, names))
            return outcome_of_split(ip, test.args[0].value, yes, no, of_kind)
    if isinstance(test.func, cst.Name) and test.func.value == "hasattr" and len(test.args) == 2:
        value, asked = ip.evaluate(test.args[0].value), ip.evaluate(test.args[1].value).only
        if isinstance(asked, Const) and asked.value in ATTRIBUTES_OF_OPACUS:
            has_it = ("hasattr", asked.value)
            yes, no = split_by_test(value, has_it, partial(has_attribute, asked.value))
            return outcome_of_split(ip, test.args[0].value, yes, no, has_it)
    return None


def enter(ip: Interpreter, branch: Branch) -> bool:
    """Take a branch: extend the path and write the narrower values; False if impossible."""
    from dpmigrate.analysis.language.assignment import write_told

    if not branch.possible or not ip.assume(branch.guard):
        return False
    write_told(ip, branch)
    return True
