"""Calls through what a decorator puts around a function: ``return function(*args, **kwargs)``."""

from __future__ import annotations

from typing import Protocol, TypeVar

import libcst as cst

from dpmigrate.analysis.ledger.expressions import Defined, Expressions
from dpmigrate.analysis.source.modules import ModuleInfo
from dpmigrate.codemods.editing.nodes import name_of

Node = TypeVar("Node", bound=cst.CSTNode)


class Code(Protocol):
    """What is asked of the code, which `Facts` answers."""

    expressions: Expressions
    callers: dict[cst.CSTNode, list[tuple[cst.CSTNode, ModuleInfo]]]

    def knows(self, node: cst.CSTNode) -> bool: ...
    def scope(self, node: cst.CSTNode) -> cst.CSTNode: ...
    def parent(self, node: cst.CSTNode) -> cst.CSTNode | None: ...
    def own(self, scope: cst.CSTNode, kind: type[Node]) -> list[Node]: ...
    def inside(self, root: cst.CSTNode, kind: type[Node]) -> list[Node]: ...


def calls_through(facts: Code) -> list[tuple[cst.Call, cst.CSTNode, Defined]]:
    """The calls of decorated functions by their own names, the calls in the wrapper, and the functions.

    Only of wrappers that hand on all that they are given, and give back what comes back.
    """
    found = []
    for inside in facts.expressions.calls:
        wrapper = (
            _wrapper_around(facts, inside) if isinstance(inside, cst.Call) and facts.knows(inside) else None
        )
        for called in facts.expressions.entered(inside) if wrapper is not None else ():
            name = called.node.name.value if isinstance(called.node, cst.FunctionDef) else ""
            alike = {fn.node for fn in facts.expressions.entered(inside) if fn.name == called.name}
            for call, _ in facts.callers.get(wrapper, ()) if len(alike) == 1 and wrapper is not None else ():
                if isinstance(call, cst.Call) and name_of(call.func) == name:
                    found.append((call, inside, called))
    return found


def _wrapper_around(facts: Code, call: cst.Call) -> cst.FunctionDef | None:
    """The function around a call that hands on all of its own arguments, and returns what it gets."""
    wrapper = facts.scope(call)
    if not isinstance(wrapper, cst.FunctionDef) or wrapper.params.kwonly_params:
        return None
    params = wrapper.params
    rest, named = params.star_arg, params.star_kwarg
    if not isinstance(rest, cst.Param) or named is None or any(arg.keyword is not None for arg in call.args):
        return None
    taken = [(p.name.value, "") for p in (*params.posonly_params, *params.params)]
    taken += [(rest.name.value, "*"), (named.name.value, "**")]
    given = [(a.value.value if isinstance(a.value, cst.Name) else "", a.star) for a in call.args]
    if taken != given:
        return None
    returned = [r.value for r in facts.own(wrapper, cst.Return)]
    return wrapper if returned and all(_is_result(facts, value, call) for value in returned) else None


def _is_result(facts: Code, value: cst.BaseExpression | None, call: cst.Call) -> bool:
    """Whether an expression is a call, or the variable that keeps what it gave."""
    if value is call or not isinstance(value, cst.Name):
        return value is call
    targets = [t for t in facts.own(facts.scope(call), cst.AssignTarget) if _binds(facts, t, value.value)]
    assign = facts.parent(targets[0]) if len(targets) == 1 else None
    return isinstance(assign, cst.Assign) and assign.value is call


def _binds(facts: Code, target: cst.AssignTarget, name: str) -> bool:
    return any(n.value == name for n in facts.inside(target.target, cst.Name))
