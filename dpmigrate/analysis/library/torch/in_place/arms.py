"""Which arm of a ``forward`` training comes to; the other one changes nothing of a private run."""

from __future__ import annotations

import re

import libcst as cst

from dpmigrate.analysis.source.tree import assigned_in
from dpmigrate.model import Tri, both, either, negated

_TARGETS = re.compile(r"(?:\w+_)?(?:labels?|targets?)")


def taken(test: cst.BaseExpression, method: cst.FunctionDef | cst.Lambda, own_name: str) -> Tri:
    """Whether training comes to the first arm of a test; None where it may or may not.

    In training ``self.training`` is true, and a ``forward`` that works out a loss of targets is given them.
    """
    if isinstance(test, cst.UnaryOperation) and isinstance(test.operator, cst.Not):
        return negated(taken(test.expression, method, own_name))
    if isinstance(test, cst.BooleanOperation):
        join = both if isinstance(test.operator, cst.And) else either
        return join(taken(test.left, method, own_name), taken(test.right, method, own_name))
    if isinstance(test, cst.Attribute) and isinstance(test.value, cst.Name):
        return True if own_name and (test.value.value, test.attr.value) == (own_name, "training") else None
    if isinstance(test, cst.Comparison) and len(test.comparisons) == 1:
        compared = test.comparisons[0]
        none = isinstance(compared.comparator, cst.Name) and compared.comparator.value == "None"
        if none and isinstance(compared.operator, (cst.Is, cst.IsNot)) and _is_given(test.left, method):
            return isinstance(compared.operator, cst.IsNot)
    return None


def _is_given(node: cst.BaseExpression, method: cst.FunctionDef | cst.Lambda) -> bool:
    """Whether a variable is an optional parameter for the targets, of which the method works out a loss."""
    if not isinstance(node, cst.Name) or not _TARGETS.fullmatch(node.value):
        return False
    optional = {p.name.value for p in method.params.params if p.default is not None}
    return node.value in optional and any("loss" in name.lower() for name in assigned_in(method.body))
