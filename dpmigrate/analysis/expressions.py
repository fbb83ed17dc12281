"""Expressions: literals, operators, conditionals, comprehensions, attributes, subscripts."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import libcst as cst

from dpmigrate.analysis import narrowing, outcomes
from dpmigrate.analysis.assignment import assign_target, entries_of, get_item, iterate, subscript_key
from dpmigrate.analysis.attributes import get_attribute
from dpmigrate.analysis.core import Interpreter, expression
from dpmigrate.analysis.guards import ALWAYS, Guard, contradict
from dpmigrate.analysis.library.choices import open_value
from dpmigrate.analysis.names import lookup
from dpmigrate.analysis.store import ABSENT
from dpmigrate.analysis.values import (
    NONE,
    NOTHING,
    Atom,
    Const,
    Function,
    Obj,
    Params,
    Seq,
    Tensor,
    Unknown,
    Value,
    const,
    join_all,
    join_guarded,
    of,
)

# -- literals ---------------------------------------------------------------------------------


@expression(cst.SimpleString, cst.ConcatenatedString)
def _string(ip: Interpreter, node: cst.SimpleString | cst.ConcatenatedString) -> Value:
    value = _text(node.value) if isinstance(node, cst.SimpleString) else node.evaluated_value
    if value is None:
        return ip.unknown(node, "a formatted string")
    return const(value, ip.origin(node, "literal"))


@lru_cache(maxsize=10_000)
def _text(literal: str) -> str | bytes:
    """What a string literal stands for; the same few are met again and again."""
    value: str | bytes = ast.literal_eval(literal)
    return value


@expression(cst.Integer, cst.Float)
def _number(ip: Interpreter, node: cst.Integer | cst.Float) -> Value:
    return const(ast.literal_eval(node.value.replace("_", "")), ip.origin(node, "literal"))


@expression(cst.Ellipsis)
def _ellipsis(ip: Interpreter, node: cst.Ellipsis) -> Value:
    return const(...)


@expression(cst.FormattedString)
def _formatted(ip: Interpreter, node: cst.FormattedString) -> Value:
    text = ""
    plain = True
    for part in node.parts:
        if isinstance(part, cst.FormattedStringText):
            text += part.value
        elif isinstance(part, cst.FormattedStringExpression):
            value = ip.evaluate(part.expression).only
            plain = plain and isinstance(value, Const)
            text += str(value.value) if isinstance(value, Const) else ""
    return (
        const(text, ip.origin(node, "formatted string")) if plain else ip.unknown(node, "a formatted string")
    )


@expression(cst.Name)
def _name(ip: Interpreter, node: cst.Name) -> Value:
    literal = {"True": True, "False": False, "None": None}
    if node.value in literal:
        value = const(literal[node.value], ip.origin(node, "literal"))
        if id(node) in ip.switches:
            return open_value(ip, ("switch", id(node)), value, [True, False], ip.origin(node, "a switch"))
        return value
    return lookup(ip, node.value, node)


@expression(cst.Attribute)
def _attribute(ip: Interpreter, node: cst.Attribute) -> Value:
    return get_attribute(ip, ip.evaluate(node.value), node.attr.value, node)


@expression(cst.Subscript)
def _subscript(ip: Interpreter, node: cst.Subscript) -> Value:
    container = ip.evaluate(node.value)
    return get_item(ip, container, subscript_key(ip, node), node)


@expression(cst.Tuple, cst.List, cst.Set)
def _sequence(ip: Interpreter, node: cst.Tuple | cst.List | cst.Set) -> Value:
    items: list[Value] = []
    exact = True
    for element in node.elements:
        value = ip.evaluate(element.value)
        if isinstance(element, cst.StarredElement):
            inner = value.only
            if isinstance(inner, Seq) and inner.items is not None:
                items.extend(inner.items)
                continue
            exact = False
            value = iterate(ip, value, element)
        items.append(value)
    mutable = not isinstance(node, cst.Tuple)
    return of(Seq(tuple(items), None, mutable) if exact else Seq(None, join_all(items), mutable))


@expression(cst.Dict)
def _dict(ip: Interpreter, node: cst.Dict) -> Value:
    made = ip.new("dict", node)
    for element in node.elements:
        if isinstance(element, cst.StarredDictElement):
            update_dict(ip, made, ip.evaluate(element.value))
            continue
        assert isinstance(element, cst.DictElement)
        key, value = ip.evaluate(element.key).only, ip.evaluate(element.value)
        if isinstance(key, Const):
            ip.store.set(made, ("key", key.value), value)
        else:
            ip.store.set(made, "rest", join_all([ip.store.get(made, "rest") or NOTHING, value]))
    return of(made)


def update_dict(ip: Interpreter, target: Obj, source: Value) -> None:
    """``target.update(source)`` and ``{**source}``: later entries win where they are present."""
    for e in source.entries:
        if isinstance(e.atom, Obj) and e.atom.kind in ("dict", "namespace", "record"):
            known, more = entries_of(ip, e.atom)
            for name, value in known.items():
                before = ip.store.get(target, ("key", name)) or ABSENT
                sometimes = len(source.entries) > 1 or any(a == ABSENT.only for a in value.atoms)
                new = value.select(lambda a: a != ABSENT.only).guarded(e.guard)
                merged = join_guarded([(new, e.guard), (before, ALWAYS)]) if sometimes else new
                ip.store.set(target, ("key", name), merged)
            if more:
                ip.store.set(target, "rest", ip.read(e.atom, "rest") or NOTHING)
        elif not (isinstance(e.atom, Const) and e.atom.value is None):
            ip.store.set(target, "rest", of(Unknown((target.key, "rest"), "unknown entries")))


# -- operators --------------------------------------------------------------------------------

_OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "Add": operator.add,
    "Subtract": operator.sub,
    "Multiply": operator.mul,
    "Divide": operator.truediv,
    "FloorDivide": operator.floordiv,
    "Modulo": operator.mod,
}
_PLAIN = (int, float, str, bool)


@expression(cst.BinaryOperation)
def _binary(ip: Interpreter, node: cst.BinaryOperation) -> Value:
    return arithmetic(ip, type(node.operator).__name__, ip.evaluate(node.left), ip.evaluate(node.right), node)


def arithmetic(ip: Interpreter, name: str, left: Value, right: Value, node: cst.CSTNode) -> Value:
    """The value of a binary operation; tensors remember what was done to them."""
    tensors = [e for e in (*left.entries, *right.entries) if isinstance(e.atom, Tensor)]
    if tensors:
        return _tensor_arithmetic(name, left, right)
    a, b = left.only, right.only
    if (
        isinstance(a, Const)
        and isinstance(b, Const)
        and isinstance(a.value, _PLAIN)
        and isinstance(b.value, _PLAIN)
    ):
        compute = _OPERATORS.get(name)
        try:
            if compute is not None:
                return const(compute(a.value, b.value), ip.origin(node, "computed"))
        except (TypeError, ZeroDivisionError, ValueError, OverflowError):
            return ip.unknown(node, "a computation")
    if (
        isinstance(a, Seq)
        and isinstance(b, Seq)
        and name == "Add"
        and a.items is not None
        and b.items is not None
    ):
        return of(Seq((*a.items, *b.items), None, a.mutable))
    if name == "BitOr" and isinstance(a, Obj) and a.kind == "dict":
        made = ip.new("dict", node)
        update_dict(ip, made, left)
        update_dict(ip, made, right)
        return of(made)
    parts: set[Atom] = set()
    for x in (*left.atoms, *right.atoms):
        if isinstance(x, Params):
            parts.add(x)
        elif isinstance(x, Unknown):
            parts |= x.parts
    return ip.unknown(node, "a computation", frozenset(parts))


def _tensor_arithmetic(name: str, left: Value, right: Value) -> Value:
    """Combine tensors: the maker that survives is the one a gradient flows to."""
    out: list[Value] = []
    for x in left.entries or (None,):
        for y in right.entries or (None,):
            pair = [e for e in (x, y) if e is not None]
            tensors = [e.atom for e in pair if isinstance(e.atom, Tensor)]
            if not tensors or (x and y and contradict(x.guard, y.guard)):
                continue
            guard: Guard = frozenset().union(*(e.guard for e in pair))
            coefficient = next((t.coefficient for t in tensors if t.coefficient is not None), None)
            makers = [t for t in tensors if t.maker is not None and t.coefficient is None] or tensors
            lead = makers[0]
            mixed = len(tensors) == 2 and tensors[0].maker != tensors[1].maker and coefficient is None
            penalty = any(isinstance(e.atom, Unknown) and e.atom.parts for e in pair)
            step = {"Divide": "div", "Multiply": "mul", "Add": "add", "Subtract": "sub"}.get(
                name, name.lower()
            )
            if mixed:
                step = f"{step}-other"
            elif penalty:
                step = f"{step}-penalty"
            sources = frozenset().union(*(t.sources for t in tensors))
            steps = (*lead.steps, step)[-6:]
            out.append(of(Tensor(sources, lead.maker, steps, coefficient, lead.reduction), guard=guard))
    return join_all(out)


@expression(cst.UnaryOperation)
def _unary(ip: Interpreter, node: cst.UnaryOperation) -> Value:
    if isinstance(node.operator, cst.Not):
        return _truth_value(ip, node)
    value = ip.evaluate(node.expression)
    atom = value.only
    if (
        isinstance(node.operator, cst.Minus)
        and isinstance(atom, Const)
        and isinstance(atom.value, (int, float))
    ):
        return const(-atom.value, ip.origin(node, "literal"))
    if any(isinstance(a, Tensor) for a in value.atoms):
        return value
    return ip.unknown(node, "a computation")


@expression(cst.Comparison)
def _comparison(ip: Interpreter, node: cst.Comparison) -> Value:
    if len(node.comparisons) == 1:
        return _truth_value(ip, node)
    ip.evaluate(node.left)
    for part in node.comparisons:
        ip.evaluate(part.comparator)
    return ip.unknown(node, "a chained comparison")


def _truth_value(ip: Interpreter, node: cst.BaseExpression) -> Value:
    """A test used as a value: True and False, each under what it takes."""
    outcome = narrowing.narrow(ip, node)
    parts = []
    for branch, truth in ((outcome.true, True), (outcome.false, False)):
        if branch.possible:
            parts += [of(Const(truth), ip.origin(node, "test"), guard=way.guard) for way in branch.each()]
    if not outcome.telling:
        return ip.unknown(node, "a test")
    return join_all(parts) or ip.unknown(node, "a test")


@expression(cst.BooleanOperation)
def _boolean(ip: Interpreter, node: cst.BooleanOperation) -> Value:
    outcome = narrowing.narrow(ip, node.left)
    left = ip.evaluate(node.left)
    yes, no = outcomes.split(left, ("truth",), outcomes.truth_of)
    is_and = isinstance(node.operator, cst.And)
    goes_on, kept = (outcome.true, no) if is_and else (outcome.false, yes)
    if not goes_on.possible:
        return kept or left
    right = _under(ip, goes_on, node.right)
    return join_all([kept, right.guarded(goes_on.guard)]) if kept else right


def _under(ip: Interpreter, branch: outcomes.Branch, node: cst.BaseExpression) -> Value:
    """Evaluate an expression in one branch of a test."""
    saved = ip.path
    ip.store.push()
    try:
        if not narrowing.enter(ip, branch):
            return NOTHING
        return ip.evaluate(node)
    finally:
        ip.path = saved
        ip.store.pop()


@expression(cst.IfExp)
def _conditional(ip: Interpreter, node: cst.IfExp) -> Value:
    outcome = narrowing.narrow(ip, node.test)
    parts: list[tuple[Value | None, Guard]] = []
    for branch, part in ((outcome.true, node.body), (outcome.false, node.orelse)):
        for way in branch.each() if branch.possible else ():
            value = _evaluate_keeping_effects(ip, way, part)
            if value:
                parts.append((value, way.guard))
    if len(parts) == 1:
        return parts[0][0] or NOTHING
    return join_guarded(parts)


def _evaluate_keeping_effects(ip: Interpreter, branch: outcomes.Branch, node: cst.BaseExpression) -> Value:
    result: list[Value] = []

    def action() -> bool:
        for target, value in branch.rebinds:
            assign_target(ip, target, value, narrowing=True)
        result.append(ip.evaluate(node))
        return True

    saved = ip.path
    ip.store.push()
    try:
        if not ip.assume(branch.guard):
            return NOTHING
        action()
    finally:
        ip.path = saved
        delta = ip.store.pop()
        kept = {slot: value for slot, value in delta.items() if isinstance(slot[0], Obj)}
        fresh = {slot: value for slot, value in kept.items() if ip.store.get(*slot) is None}
        changed = {slot: value for slot, value in kept.items() if slot not in fresh}
        ip.store.apply(fresh)
        if changed:
            ip.store.join([(changed, branch.guard), ({}, ALWAYS)])
    return result[0] if result else NOTHING


@expression(cst.NamedExpr)
def _walrus(ip: Interpreter, node: cst.NamedExpr) -> Value:
    value = ip.evaluate(node.value)
    assign_target(ip, node.target, value)
    return value


@expression(cst.Await)
def _await(ip: Interpreter, node: cst.Await) -> Value:
    return ip.evaluate(node.expression)


@expression(cst.Yield)
def _yield(ip: Interpreter, node: cst.Yield) -> Value:
    if isinstance(node.value, cst.From):
        ip.frame.yields.append(iterate(ip, ip.evaluate(node.value.item), node))
    else:
        ip.frame.yields.append(ip.evaluate(node.value) if node.value is not None else NONE)
    return ip.unknown(node, "what is sent to a generator")


@expression(cst.Lambda)
def _lambda(ip: Interpreter, node: cst.Lambda) -> Value:
    ip.frame.captured = True
    made = Function(ip.module, node, (id(node), ip.frame.owner), closure=ip.frame, owner=ip.frame.defining)
    for param in (*node.params.params, *node.params.kwonly_params):
        if param.default is not None:
            ip.store.set(("defaults", made.key), param.name.value, ip.evaluate(param.default))
    return of(made)


# -- comprehensions ---------------------------------------------------------------------------


@expression(cst.ListComp, cst.SetComp, cst.GeneratorExp)
def _comprehension(ip: Interpreter, node: cst.ListComp) -> Value:
    element = _comprehended(ip, node.for_in, lambda: ip.evaluate(node.elt))
    return of(Seq(None, element, not isinstance(node, cst.GeneratorExp)))


@expression(cst.DictComp)
def _dict_comprehension(ip: Interpreter, node: cst.DictComp) -> Value:
    made = ip.new("dict", node)
    source = ip.evaluate(node.for_in.iter)
    origin = source.only
    if isinstance(origin, Obj) and origin.kind == "dict-items":
        update_dict(ip, made, of(origin.data))
        _comprehended(ip, node.for_in, lambda: ip.evaluate(node.value))
        return of(made)
    value = _comprehended(ip, node.for_in, lambda: ip.evaluate(node.value))
    ip.store.set(made, "rest", value)
    return of(made)


def _comprehended(ip: Interpreter, clause: cst.CompFor, body: Callable[[], Value]) -> Value:
    element = iterate(ip, ip.evaluate(clause.iter), clause.iter)
    ip.loops.append(id(clause))
    saved = ip.path
    try:
        assign_target(ip, clause.target, element)
        for test in clause.ifs:
            narrowing.enter(ip, narrowing.narrow(ip, test.test).true)
        if clause.inner_for_in is not None:
            return _comprehended(ip, clause.inner_for_in, body)
        return body()
    finally:
        ip.path = saved
        ip.loops.pop()
