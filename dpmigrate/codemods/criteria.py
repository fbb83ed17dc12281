"""Criteria that ``make_private`` may be given: which honour ``reduction="none"``, and how to build them.

Since Opacus 1.5.3 the criterion is asked for one loss per example by setting its ``reduction``
to "none". One that ignores it yields a mean: 1.5.3 and 1.5.4 raise or are wrong, 1.6.0 clips
nothing and says nothing.
"""

from __future__ import annotations

import libcst as cst
import libcst.matchers as m

from dpmigrate.analysis.classes import external_base, find_member
from dpmigrate.analysis.core import Interpreter
from dpmigrate.analysis.values import Class, Function

COUNTERPARTS = {
    "cross_entropy": "CrossEntropyLoss",
    "nll_loss": "NLLLoss",
    "mse_loss": "MSELoss",
    "l1_loss": "L1Loss",
    "smooth_l1_loss": "SmoothL1Loss",
    "huber_loss": "HuberLoss",
    "binary_cross_entropy": "BCELoss",
    "binary_cross_entropy_with_logits": "BCEWithLogitsLoss",
    "kl_div": "KLDivLoss",
    "poisson_nll_loss": "PoissonNLLLoss",
    "soft_margin_loss": "SoftMarginLoss",
    "multi_margin_loss": "MultiMarginLoss",
    "multilabel_margin_loss": "MultiLabelMarginLoss",
    "multilabel_soft_margin_loss": "MultiLabelSoftMarginLoss",
    "hinge_embedding_loss": "HingeEmbeddingLoss",
}
"""``torch.nn.functional`` losses of two inputs by the ``torch.nn`` class that computes the same."""


def honours_reduction(ip: Interpreter, cls: Class) -> bool:
    """Whether objects of a project's class give one loss per example once ``reduction`` is "none"."""
    forward = find_member(ip, cls, "forward")
    functions = [a for a in forward.atoms if isinstance(a, Function)] if forward is not None else []
    if not functions:
        return external_base(ip, cls) == "criterion"
    return all(isinstance(f.node, cst.FunctionDef) and honours_forward(f.node) for f in functions)


def honours_forward(forward: cst.FunctionDef) -> bool:
    """Whether a ``forward`` method returns nothing reduced once ``self.reduction`` is "none"."""
    walk = _Walk()
    walk.block(forward.body)
    return walk.asked and bool(walk.returned) and not any(walk.reduced(v) for v in walk.returned)


_SELF_REDUCTION = m.Attribute(value=m.Name("self"), attr=m.Name("reduction"))
_REDUCING_METHOD = m.Call(func=m.Attribute(attr=m.Name("mean") | m.Name("sum")), args=[])
_REDUCING_FUNCTION = m.Call(
    func=m.Attribute(value=m.Name("torch"), attr=m.Name("mean") | m.Name("sum")), args=[m.Arg()]
)


class _Walk:
    """A forward method read as if ``self.reduction`` were "none"."""

    def __init__(self) -> None:
        self.asked = False
        self.returned: list[cst.BaseExpression] = []
        self.variables: dict[str, cst.BaseExpression] = {}

    def block(self, body: cst.BaseSuite) -> bool:
        """Read statements; says whether control goes on behind them."""
        return all(self.statement(s) for s in body.body)

    def statement(self, node: cst.CSTNode) -> bool:
        if isinstance(node, cst.SimpleStatementLine):
            return all(self.statement(s) for s in node.body)
        if isinstance(node, cst.Assign):
            self._note(node.value)
            for target in node.targets:
                if isinstance(target.target, cst.Name):
                    self.variables[target.target.value] = node.value
        elif isinstance(node, cst.Return):
            if node.value is not None:
                self._note(node.value)
                self.returned.append(node.value)
            return False
        elif isinstance(node, cst.Raise):
            return False
        elif isinstance(node, cst.If):
            return self._branch(node)
        elif isinstance(node, cst.With):
            return self.block(node.body)
        return True

    def _branch(self, node: cst.If) -> bool:
        truth = self._truth(node.test)
        alive = False
        if truth is not False:
            alive |= self.block(node.body)
        if truth is not True:
            if node.orelse is None:
                alive = True
            else:
                other = node.orelse
                alive |= self.block(other.body) if isinstance(other, cst.Else) else self.statement(other)
        return alive

    def _truth(self, test: cst.BaseExpression) -> bool | None:
        """What a comparison of ``self.reduction`` with constants says when it is "none"."""
        if not isinstance(test, cst.Comparison) or len(test.comparisons) != 1:
            return None
        if not m.matches(test.left, _SELF_REDUCTION):
            return None
        self.asked = True
        target = test.comparisons[0]
        if isinstance(target.comparator, cst.SimpleString):
            equal = target.comparator.evaluated_value == "none"
            if isinstance(target.operator, cst.Equal):
                return equal
            if isinstance(target.operator, cst.NotEqual):
                return not equal
        if isinstance(target.comparator, (cst.Tuple, cst.List, cst.Set)):
            values = {
                e.value.evaluated_value
                for e in target.comparator.elements
                if isinstance(e.value, cst.SimpleString)
            }
            if isinstance(target.operator, cst.In):
                return "none" in values
            if isinstance(target.operator, cst.NotIn):
                return "none" not in values
        return None

    def _note(self, value: cst.BaseExpression) -> None:
        self.asked = self.asked or bool(m.findall(value, _SELF_REDUCTION))

    def reduced(self, value: cst.BaseExpression, depth: int = 6) -> bool:
        """Whether an expression is a mean or sum over the batch."""
        if m.matches(value, _REDUCING_METHOD | _REDUCING_FUNCTION):
            return True
        if isinstance(value, cst.Name) and value.value in self.variables and depth:
            held = self.variables[value.value]
            return held is not value and self.reduced(held, depth - 1)
        if isinstance(value, cst.IfExp):
            truth = self._truth(value.test)
            taken = [value.body] if truth is not False else []
            taken += [value.orelse] if truth is not True else []
            return any(self.reduced(v, depth - 1) for v in taken)
        if isinstance(value, cst.BinaryOperation) and depth:
            return self.reduced(value.left, depth - 1) and self.reduced(value.right, depth - 1)
        if isinstance(value, cst.Call) and _is_functional_loss(value):
            given = next((a for a in value.args if a.keyword and a.keyword.value == "reduction"), None)
            if given is None:
                return True
            constant = given.value.evaluated_value if isinstance(given.value, cst.SimpleString) else None
            return constant != "none" and not m.matches(given.value, _SELF_REDUCTION)
        return False


def _is_functional_loss(call: cst.Call) -> bool:
    func = call.func
    name = func.attr.value if isinstance(func, cst.Attribute) else getattr(func, "value", "")
    return name in COUNTERPARTS


def reduction_default(ip: Interpreter, cls: Class) -> str | None:
    """The default that a project's criterion class gives ``reduction``; None where it has none."""
    init = find_member(ip, cls, "__init__")
    for atom in init.atoms if init is not None else ():
        if isinstance(atom, Function) and isinstance(atom.node, cst.FunctionDef):
            for param in (*atom.node.params.params, *atom.node.params.kwonly_params):
                if param.name.value == "reduction" and isinstance(param.default, cst.SimpleString):
                    value = param.default.evaluated_value
                    return value if isinstance(value, str) else None
            return None
    return "mean"


__all__ = ["COUNTERPARTS", "honours_reduction", "reduction_default"]
