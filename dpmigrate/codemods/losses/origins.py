"""Where the losses that go backward are made: the calls of criteria behind an expression."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import libcst as cst

from dpmigrate.analysis.ledger import Guard, Thing, What
from dpmigrate.analysis.ledger.expressions import Defined, Named, WithArguments
from dpmigrate.analysis.source.modules import ModuleInfo
from dpmigrate.codemods.editing.edits import Withheld
from dpmigrate.codemods.losses.added_terms import reason_of_arithmetic
from dpmigrate.codemods.losses.counted import mean_by_hand
from dpmigrate.codemods.losses.in_dicts import entries_read
from dpmigrate.codemods.program.assignments import homes_in, targets_of
from dpmigrate.codemods.program.facts import Facts

MAX_DEPTH = 8
_FUNCTIONAL = "torch.nn.functional."


@dataclass(frozen=True, eq=False)
class LossSite:
    """One call that makes losses: ``criterion(model(x), y)`` or ``F.cross_entropy(...)``."""

    call: cst.Call
    module: ModuleInfo
    makers: tuple[What, ...]
    """What may be called there: one criterion, or several that one variable may hold."""

    @property
    def maker(self) -> What:
        """The criterion, or the first of several."""
        return self.makers[0]


def origins(facts: Facts, expression: cst.CSTNode, guard: Guard) -> list[LossSite]:
    """The calls that make the losses an expression holds. Raises `Withheld` where that is not plain."""
    sites: dict[cst.CSTNode, LossSite] = {}
    for site in _trace(facts, expression, guard, MAX_DEPTH):
        sites.setdefault(site.call, site)
    return list(sites.values())


def _trace(facts: Facts, node: cst.CSTNode, guard: Guard, depth: int) -> Iterator[LossSite]:
    module = facts.module_of(node)
    if depth == 0:
        raise Withheld(
            "what goes backward comes through more functions than are followed: call the criterion that "
            "make_private returns in the training loop itself",
            module,
            node,
        )
    if isinstance(node, cst.Call):
        yield from _trace_call(facts, node, guard, depth)
    elif isinstance(node, cst.Name):
        for value in _definitions(facts, node, guard):
            yield from _trace(facts, value, guard, depth - 1)
    elif isinstance(node, cst.NamedExpr):
        yield from _trace(facts, node.value, guard, depth - 1)
    elif isinstance(node, cst.IfExp):
        for branch in (node.body, node.orelse):
            if facts.reached(branch, guard):
                yield from _trace(facts, branch, guard, depth - 1)
    elif isinstance(node, cst.Subscript) and (entries := entries_read(facts, node, guard)):
        for entry in entries:
            yield from _trace(facts, entry, guard, depth - 1)
    elif (losses := mean_by_hand(facts, node)) is not None:
        yield from _trace(facts, losses, guard, depth - 1)
    elif isinstance(node, cst.BinaryOperation):
        raise Withheld(reason_of_arithmetic(facts, node), module, node)
    else:
        raise Withheld(
            "the loss is no call of a criterion that can be followed (the model computes it itself?): "
            "compute it from the model's output by the wrapped criterion",
            module,
            node,
        )


def _trace_call(facts: Facts, call: cst.Call, guard: Guard, depth: int) -> Iterator[LossSite]:
    module = facts.module_of(call)
    makers = facts.called(call, guard)
    if any(_makes_losses(facts, m) for m in makers):
        if not all(_makes_losses(facts, m) for m in makers) or len({_sort(m) for m in makers}) > 1:
            raise Withheld(
                f"{facts.code(call.func).strip()} may be one of several criteria, and make_private wraps "
                "one: choose before that call, and give what is chosen as criterion=",
                module,
                call,
            )
        yield LossSite(call, module, tuple(makers))
        return
    func = call.func
    if isinstance(func, cst.Attribute) and func.attr.value in ("mean", "sum") and not call.args:
        yield from _trace(facts, func.value, guard, depth - 1)
        return
    if isinstance(func, cst.Attribute) and facts.code(func) in ("torch.mean", "torch.sum") and call.args:
        yield from _trace(facts, call.args[0].value, guard, depth - 1)
        return
    entered = facts.functions_entered(call)
    if entered:
        for fn in entered:
            if isinstance(fn.node, cst.Lambda):
                yield from _trace(facts, fn.node.body, guard, depth - 1)
                continue
            for returned in facts.own(fn.node, cst.Return):
                if returned.value is not None and facts.reached(returned.value, guard):
                    yield from _trace(facts, returned.value, guard, depth - 1)
        return
    raise Withheld(
        f"what {facts.code(func).strip()} returns goes backward, and it is no criterion that can be "
        "followed: make the loss by the criterion that make_private returns, criterion(model(x), y)",
        module,
        call,
    )


def is_object(maker: What) -> bool:
    """Whether losses are made by an object: a criterion of torch, one of the project, or a returned one."""
    return isinstance(maker, Thing) and maker.kind in ("instance", "criterion", "dp-criterion")


def _makes_losses(facts: Facts, maker: What) -> bool:
    if isinstance(maker, Named):
        return maker.name.startswith(_FUNCTIONAL)
    return is_object(maker) or bool(functional_behind(facts, maker))


def _sort(maker: What) -> object:
    """What several criteria of one variable must share: all objects, or the very same function."""
    returned = isinstance(maker, Thing) and maker.kind == "dp-criterion"
    return "object" if is_object(maker) and not returned else maker


def functional_behind(facts: Facts, maker: What) -> str:
    """The functional loss that ``partial(F.x, ...)``, or ``lambda a, b: F.x(a, b, ...)``, stands for."""
    if isinstance(maker, WithArguments):
        return maker.function if maker.function.startswith(_FUNCTIONAL) else ""
    if not isinstance(maker, Defined) or not isinstance(maker.node, cst.Lambda):
        return ""
    call, params = maker.node.body, [p.name.value for p in maker.node.params.params]
    if not isinstance(call, cst.Call) or len(params) != 2 or len(call.args) < 2:
        return ""
    inputs = [a.value.value if isinstance(a.value, cst.Name) else None for a in call.args[:2]]
    if inputs != params or any(a.keyword is not None for a in call.args[:2]):
        return ""
    makers = facts.called(call)
    maker_behind = makers[0] if len(makers) == 1 else None
    return (
        maker_behind.name
        if isinstance(maker_behind, Named) and maker_behind.name.startswith(_FUNCTIONAL)
        else ""
    )


def _definitions(facts: Facts, name: cst.Name, guard: Guard) -> list[cst.BaseExpression]:
    """The expressions that a variable's value comes from, as seen from one use of it."""
    scope = facts.scope(name)
    held = set(facts.held(name, guard))
    values: list[cst.BaseExpression] = []
    for home in homes_in(facts, scope, own=True):
        for target in targets_of(home):
            plain = isinstance(target, cst.Name) and target.value == name.value
            if plain and home.value is not None and held & set(facts.held(home.value, guard)):
                values.append(home.value)
            elif isinstance(home, cst.Assign) and isinstance(target, (cst.Tuple, cst.List)):
                values += _unpacked(facts, home, target, name.value)
    if not values and isinstance(scope, cst.FunctionDef):
        values = _arguments(facts, scope, name.value)
    if not values:
        raise Withheld(
            f"{name.value} goes backward, and where it gets its value cannot be followed: make it by the "
            "criterion that make_private returns, in this function",
            facts.module_of(name),
            name,
        )
    return values


def _unpacked(
    facts: Facts, assign: cst.Assign, target: cst.Tuple | cst.List, name: str
) -> list[cst.BaseExpression]:
    """What a name among several targets gets: an element of a tuple, here or returned by a function."""
    place = next(
        (i for i, e in enumerate(target.elements) if isinstance(e.value, cst.Name) and e.value.value == name),
        None,
    )
    if place is None or any(isinstance(e, cst.StarredElement) for e in target.elements):
        return []
    tuples: list[cst.CSTNode] = [assign.value]
    if isinstance(assign.value, cst.Call):
        tuples = [
            r.value
            for fn in facts.functions_entered(assign.value)
            for r in facts.own(fn.node, cst.Return)
            if r.value is not None
        ]
    return [t.elements[place].value for t in tuples if isinstance(t, cst.Tuple) and len(t.elements) > place]


def _arguments(facts: Facts, function: cst.FunctionDef, name: str) -> list[cst.BaseExpression]:
    """What callers give for a parameter."""
    values = []
    for call, _ in facts.callers.get(function, ()):
        if isinstance(call, cst.Call) and (value := argument_for(facts, call, function, name)) is not None:
            values.append(value)
    return values


def argument_for(
    facts: Facts, call: cst.Call, function: cst.FunctionDef, name: str
) -> cst.BaseExpression | None:
    """The expression that a call gives for a parameter; None where it gives none."""
    for arg in call.args:
        if arg.keyword is not None and arg.keyword.value == name:
            return arg.value
    params = [p.name.value for p in (*function.params.posonly_params, *function.params.params)]
    if name not in params:
        return None
    place = params.index(name)
    if params and params[0] in ("self", "cls") and facts.class_of(function) is not None:
        place -= 1
    plain = [a for a in call.args if a.keyword is None]
    if any(a.star for a in plain[: place + 1]) or not 0 <= place < len(plain):
        return None
    return plain[place].value


__all__ = ["LossSite", "argument_for", "functional_behind", "is_object", "origins"]
