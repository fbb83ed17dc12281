"""Comprehensions: what they make of each item, in a scope of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache

import libcst as cst

from dpmigrate.analysis import registry
from dpmigrate.analysis.core import Interpreter, expression
from dpmigrate.analysis.domain.atoms import Obj, Params, dict_key
from dpmigrate.analysis.domain.values import NOTHING, Entry, Seq, Value, join_all, of
from dpmigrate.analysis.language import narrowing
from dpmigrate.analysis.language.assignment import assign_target, iterate
from dpmigrate.analysis.language.effects import effects_kept
from dpmigrate.analysis.language.items import update_dict
from dpmigrate.analysis.language.unrolling import worth_unrolling
from dpmigrate.analysis.ledger import Turn
from dpmigrate.analysis.source.tree import bound_in, every


@contextmanager
def _names_of_its_own(ip: Interpreter, node: cst.BaseComp) -> Iterator[None]:
    """What a comprehension binds is bound in it alone: a variable of that name is what it was before.

    A lambda that is made in it may read it later: its names are left.
    """
    bound, has_lambda = _bound_by(node)
    owner = ip.frame.owner
    before = {name: value for name in bound if (value := ip.store.get(owner, name)) is not None}
    if has_lambda or all(name in before or not _is_around(ip, name) for name in bound):
        yield
        for name, value in before.items() if not has_lambda else ():
            ip.store.set(owner, name, value)
        return
    ip.store.push()
    try:
        yield
    finally:
        delta = ip.store.pop()
        ip.store.apply(
            {slot: value for slot, value in delta.items() if slot[0] != owner or slot[1] not in bound}
        )


@lru_cache(maxsize=5_000)
def _bound_by(node: cst.BaseComp) -> tuple[frozenset[str], bool]:
    """The variables of a comprehension and of those within it; and whether it has a lambda."""
    beyond = {name for part in every(node) if isinstance(part, cst.NamedExpr) for name in bound_in(part)}
    return frozenset(bound_in(node)) - beyond, any(isinstance(part, cst.Lambda) for part in every(node))


def _is_around(ip: Interpreter, name: str) -> bool:
    """Whether a name is that of a variable around the function that is executed."""
    owners = [scope.owner for scope in ip.frame.scopes() if scope is not ip.frame]
    return any(ip.store.get(owner, name) is not None for owner in [*owners, ("module", ip.module.key)])


@expression(cst.ListComp, cst.SetComp, cst.GeneratorExp)
def _comprehension(ip: Interpreter, node: cst.ListComp) -> Value:
    mutable = not isinstance(node, cst.GeneratorExp)
    with _names_of_its_own(ip, node):
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
        with _names_of_its_own(ip, node):
            _comprehended(ip, node.for_in, lambda: ip.evaluate(node.value))
        return of(made)

    def entry() -> Value:
        return of(Seq((ip.evaluate(node.key), ip.evaluate(node.value))))

    with _names_of_its_own(ip, node):
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
