"""The mean over the examples, written as a sum divided by how many there are."""

from __future__ import annotations

import libcst as cst

from dpmigrate.codemods.program.assignments import homes_in, targets_of
from dpmigrate.codemods.program.facts import Facts, Scope


def mean_by_hand(facts: Facts, node: cst.CSTNode) -> cst.BaseExpression | None:
    """The losses of ``losses.sum() / len(x)``; None for anything else.

    ``x`` is what they were made from, or they themselves, so that a Poisson batch of any size has its mean.
    """
    if not isinstance(node, cst.BinaryOperation) or not isinstance(node.operator, cst.Divide):
        return None
    losses = summed(facts, node.left)
    counted = _counted(facts, node.right) if losses is not None else None
    return losses if losses is not None and counted in _as_long(facts, losses) else None


def summed(facts: Facts, node: cst.BaseExpression) -> cst.BaseExpression | None:
    """The losses of ``losses.sum()`` and ``torch.sum(losses)``."""
    if not isinstance(node, cst.Call) or not isinstance(node.func, cst.Attribute):
        return None
    if node.func.attr.value != "sum" or len(node.args) > 1:
        return None
    if facts.code(node.func.value).strip() == "torch":
        return node.args[0].value if node.args else None
    return node.func.value if not node.args else None


def _counted(facts: Facts, node: cst.CSTNode) -> str:
    """The variable whose length an expression is, itself or by a variable; empty where that is not plain."""
    if isinstance(node, cst.Name):
        value = _only_value(facts, facts.scope(node), node.value)
        return _counted(facts, value) if value is not None and not isinstance(value, cst.Name) else ""
    text = facts.code(node).strip()
    for before, behind in (("len(", ")"), ("", ".size(0)"), ("", ".shape[0]"), ("", ".numel()")):
        name = text.removeprefix(before).removesuffix(behind)
        if text == f"{before}{name}{behind}" and name.isidentifier():
            return name
    return ""


def _as_long(facts: Facts, losses: cst.BaseExpression) -> set[str]:
    """The variables that have an entry for each of some losses."""
    names = set()
    made: cst.BaseExpression | None = losses
    if isinstance(losses, cst.Name):
        names.add(losses.value)
        made = _only_value(facts, facts.scope(losses), losses.value)
    for arg in made.args[:2] if isinstance(made, cst.Call) else ():
        inner = arg.value
        if isinstance(inner, cst.Call) and inner.args:
            inner = inner.args[0].value
        if isinstance(inner, cst.Name):
            names.add(inner.value)
    return names


def _only_value(facts: Facts, scope: Scope, name: str) -> cst.BaseExpression | None:
    """What a variable of a scope is set to, where that is one expression."""
    homes = [
        home
        for home in homes_in(facts, scope, own=True)
        if any(isinstance(t, cst.Name) and t.value == name for t in targets_of(home))
    ]
    return homes[0].value if len(homes) == 1 else None
