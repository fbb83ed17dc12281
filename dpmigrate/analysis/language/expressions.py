"""Expressions: literals, operators, conditionals, attributes, subscripts."""

from __future__ import annotations

import ast
from functools import lru_cache

import libcst as cst

from dpmigrate.analysis.core import Interpreter, expression
from dpmigrate.analysis.domain.atoms import External, dict_key
from dpmigrate.analysis.domain.values import (
    NONE,
    NOTHING,
    Function,
    Seq,
    Value,
    const,
    join_all,
    join_guarded,
    of,
)
from dpmigrate.analysis.guards import ALWAYS, Guard, denial
from dpmigrate.analysis.language import narrowing, outcomes
from dpmigrate.analysis.language.assignment import (
    assign_target,
    iterate,
    parts_in_order,
    subscript_key,
    write_told,
)
from dpmigrate.analysis.language.attributes import get_attribute
from dpmigrate.analysis.language.choices import switched, switched_to_filled
from dpmigrate.analysis.language.effects import effects_kept
from dpmigrate.analysis.language.items import get_item, update_dict
from dpmigrate.analysis.language.names import lookup
from dpmigrate.analysis.language.unrolling import exact_items

# -- literals ---------------------------------------------------------------------------------


@expression(cst.Integer, cst.Float)
def _number(ip: Interpreter, node: cst.Integer | cst.Float) -> Value:
    try:
        return switched(ip, node, const(_meant(node.value), ip.origin(node, "literal")))
    except (ValueError, SyntaxError):
        return ip.unknown(node, "too large a number")


@lru_cache(maxsize=10_000)
def _meant(literal: str) -> object:
    """The number that a literal stands for; the same few are met again and again."""
    only = ast.parse(literal, mode="eval").body
    assert isinstance(only, ast.Constant)
    return only.value


@expression(cst.Ellipsis)
def _ellipsis(ip: Interpreter, node: cst.Ellipsis) -> Value:
    return const(...)


_SINGLETONS = {"True": True, "False": False, "None": None}


@expression(cst.Name)
def _name(ip: Interpreter, node: cst.Name) -> Value:
    if node.value in _SINGLETONS:
        return switched(ip, node, const(_SINGLETONS[node.value], ip.origin(node, "literal")))
    return lookup(ip, node.value, node)


@expression(cst.Attribute)
def _attribute(ip: Interpreter, node: cst.Attribute) -> Value:
    return get_attribute(ip, ip.evaluate(node.value), node.attr.value, node)


@expression(cst.Subscript)
def _subscript(ip: Interpreter, node: cst.Subscript) -> Value:
    container = ip.evaluate(node.value)
    only = container.only
    if isinstance(only, External) and only.name in ("typing.Literal", "typing_extensions.Literal"):
        return _literal_type(ip, node)
    return get_item(ip, container, subscript_key(ip, node), node)


def _literal_type(ip: Interpreter, node: cst.Subscript) -> Value:
    """``Literal["hooks", "ghost"]``: its constants."""
    inner = [ip.evaluate(part.slice.value) for part in node.slice if isinstance(part.slice, cst.Index)]
    return of(ip.new("literal-type", node, [c for value in inner for c in value.constants()]))


@expression(cst.Tuple, cst.List, cst.Set)
def _sequence(ip: Interpreter, node: cst.Tuple | cst.List | cst.Set) -> Value:
    items: list[Value] = []
    exact = True
    for element in node.elements:
        value = ip.evaluate(element.value)
        if isinstance(element, cst.StarredElement):
            inner = parts_in_order(ip, value, element)
            if inner is not None:
                items.extend(inner)
                continue
            exact = False
            value = iterate(ip, value, element)
        items.append(value)
    mutable = not isinstance(node, cst.Tuple)
    if not node.elements and (filled := switched_to_filled(ip, node)):
        written, other = of(Seq((), None, mutable)), of(Seq(None, ip.unknown(node, "an element"), mutable))
        return join_guarded([(written, denial(filled) or ALWAYS), (other, filled)])
    return of(Seq(tuple(items), None, mutable) if exact else Seq(None, join_all(items), mutable))


@expression(cst.Dict)
def _dict(ip: Interpreter, node: cst.Dict) -> Value:
    made = ip.new("dict", node)
    if not node.elements and (filled := switched_to_filled(ip, node)):
        ip.store.set(made, "rest", ip.unknown(node, "an entry").guarded(filled))
    for element in node.elements:
        if isinstance(element, cst.StarredDictElement):
            update_dict(ip, made, ip.evaluate(element.value))
            continue
        assert isinstance(element, cst.DictElement)
        key, value = ip.evaluate(element.key).only, ip.evaluate(element.value)
        slot = dict_key(key)
        if slot is not None:
            ip.store.set(made, slot, value)
        else:
            ip.store.set(made, "rest", join_all([ip.store.get(made, "rest") or NOTHING, value]))
    return of(made)


# -- conditionals and the rest ----------------------------------------------------------------


@expression(cst.IfExp)
def _conditional(ip: Interpreter, node: cst.IfExp) -> Value:
    outcome = narrowing.narrow(ip, node.test)
    parts: list[tuple[Value | None, Guard]] = []
    for branch, part in ((outcome.true, node.body), (outcome.false, node.orelse)):
        for way in branch.each() if branch.possible else ():
            ip.asks(node.test, way.guard)
            value = _evaluate_keeping_effects(ip, outcome.as_it_may_be(way, node, ip.context), part)
            if value:
                parts.append((value, way.guard))
    if len(parts) == 1:
        return parts[0][0] or NOTHING
    return join_guarded(parts)


def _evaluate_keeping_effects(ip: Interpreter, branch: outcomes.Branch, node: cst.BaseExpression) -> Value:
    with effects_kept(ip, branch.guard):
        if not ip.assume(branch.guard):
            return NOTHING
        write_told(ip, branch)
        return ip.evaluate(node)


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
        given = ip.evaluate(node.value.item)
        items = exact_items(ip, given)
        ip.frame.yields.extend([iterate(ip, given, node)] if items is None else items)
        ip.frame.yields_more |= items is None
    else:
        value = ip.evaluate(node.value) if node.value is not None else NONE
        # What another turn of a loop yields may have been what this one does not.
        assumed = ALWAYS if ip.frame.loops else ip.path - ip.frame.entry_path
        ip.frame.yields.append(value.guarded(assumed))
    return ip.unknown(node, "what is sent to a generator")


@expression(cst.Lambda)
def _lambda(ip: Interpreter, node: cst.Lambda) -> Value:
    ip.frame.captured = True
    made = Function(ip.module, node, (id(node), ip.frame.owner), closure=ip.frame, owner=ip.frame.defining)
    for param in (*node.params.params, *node.params.kwonly_params):
        if param.default is not None:
            ip.store.set(("defaults", made.key), param.name.value, ip.evaluate(param.default))
    ip.made.append(made)
    return of(made)
