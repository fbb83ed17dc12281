"""Expressions: literals, operators, conditionals, comprehensions, attributes, subscripts."""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache

import libcst as cst

from dpmigrate.analysis import registry
from dpmigrate.analysis.core import Interpreter, expression
from dpmigrate.analysis.domain.atoms import External, Obj, Params, dict_key
from dpmigrate.analysis.domain.values import (
    NONE,
    NOTHING,
    Entry,
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
from dpmigrate.analysis.language.unrolling import exact_items, worth_unrolling
from dpmigrate.analysis.ledger import Turn

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


# -- comprehensions ---------------------------------------------------------------------------


@expression(cst.ListComp, cst.SetComp, cst.GeneratorExp)
def _comprehension(ip: Interpreter, node: cst.ListComp) -> Value:
    mutable = not isinstance(node, cst.GeneratorExp)
    made = _comprehended(ip, node.for_in, lambda: ip.evaluate(node.elt))
    if made.items is not None and node.for_in.inner_for_in is None:
        return of(Seq(made.items, None, mutable))
    return of(Seq(None, made.each(), mutable))


@expression(cst.DictComp)
def _dict_comprehension(ip: Interpreter, node: cst.DictComp) -> Value:
    made = ip.new("dict", node)
    source = ip.evaluate(node.for_in.iter)
    origin = source.only
    if isinstance(origin, Obj) and origin.kind == "dict-items" and _keeps_the_values(node):
        update_dict(ip, made, of(origin.data))
        _comprehended(ip, node.for_in, lambda: ip.evaluate(node.value))
        return of(made)

    def entry() -> Value:
        return of(Seq((ip.evaluate(node.key), ip.evaluate(node.value))))

    entries = _comprehended(ip, node.for_in, entry)
    each_known = entries.items is not None and node.for_in.inner_for_in is None
    pairs = entries.items if each_known and entries.items is not None else (entries.each(),)
    rest: list[Value] = []
    for row in (atom.items for pair in pairs for atom in pair.atoms if isinstance(atom, Seq)):
        key, value = row or (NOTHING, NOTHING)
        slot = dict_key(key.only) if each_known else None
        if slot is None:
            rest.append(value)
        else:
            ip.store.set(made, slot, value)
    if rest or not each_known:
        ip.store.set(made, "rest", join_all(rest))
    return of(made)


def _keeps_the_values(node: cst.DictComp) -> bool:
    """Whether ``{key: value for key, value in entries.items()}`` only renames entries, or leaves some out."""
    target = node.for_in.target
    value = target.elements[-1].value if isinstance(target, cst.Tuple) and target.elements else None
    return value is not None and value.deep_equals(node.value)


def _comprehended(ip: Interpreter, clause: cst.CompFor, body: Callable[[], Value]) -> Seq:
    """What a comprehension makes of each item, one after the other where there are few, else of all."""
    source = ip.evaluate(clause.iter)
    items = worth_unrolling(ip, source)
    if clause.ifs:
        registry.tell_hooks(ip, "<some left out>", registry.CallInfo(clause, [source], name="if"))
    if items is None:
        return Seq(None, _for_each(ip, clause, iterate(ip, source, clause.iter), body))
    made, sure = [], True
    for index, item in enumerate(items):
        with ip.inside(clause, index):
            kept = _is_kept(ip, clause, item)
            sure = sure and kept is not None
            if kept is not False:
                made.append(_for_each(ip, clause, item, body))
    return Seq(tuple(made)) if sure else Seq(None, join_all(made))


def _is_kept(ip: Interpreter, clause: cst.CompFor, item: Value) -> bool | None:
    """Whether the conditions of a comprehension keep an item; None where that cannot be told."""
    if not clause.ifs or clause.inner_for_in is not None:
        return True
    ip.loops.append(Turn(ip.origin(clause)))
    try:
        assign_target(ip, clause.target, item)
        outcomes = [narrowing.narrow(ip, condition.test) for condition in clause.ifs]
    finally:
        ip.loops.pop()
    if not all(outcome.true.possible for outcome in outcomes):
        return False
    return True if not any(outcome.false.possible for outcome in outcomes) else None


def _for_each(ip: Interpreter, clause: cst.CompFor, element: Value, body: Callable[[], Value]) -> Value:
    """What a comprehension makes of an element; nothing where its conditions leave it out."""
    ip.loops.append(Turn(ip.origin(clause)))
    try:
        assign_target(ip, clause.target, element)
        if clause.inner_for_in is not None:
            inner = clause.inner_for_in
            return _where(ip, clause.ifs, lambda: _comprehended(ip, inner, body).each())
        return _where(ip, clause.ifs, body)
    finally:
        ip.loops.pop()


def _where(ip: Interpreter, tests: Sequence[cst.CompIf], body: Callable[[], Value]) -> Value:
    """What a comprehension makes where its conditions hold, on each way in which they do."""
    if not tests:
        return body()
    saved, parts = ip.path, []
    for way in narrowing.narrow(ip, tests[0].test).true.each():
        with effects_kept(ip, way.guard):  # what a way told of variables does not hold on the next
            if narrowing.enter(ip, way):
                parts.append(_where(ip, tests[1:], body).guarded(ip.path - saved))
    made = join_all(parts)
    test = tests[0].test
    whole = isinstance(test, cst.Attribute) and test.attr.value == "requires_grad"
    return made if whole else Value(tuple(map(_some_of_them, made.entries)))


def _some_of_them(e: Entry) -> Entry:
    """The parameters that a condition leaves of a model's; those that are trained are all of them."""
    return e._replace(atom=replace(e.atom, part=True)) if isinstance(e.atom, Params) else e
