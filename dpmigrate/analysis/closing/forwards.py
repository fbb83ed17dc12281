"""A criterion's ``forward`` read as if ``self.reduction`` were "none": does it give one loss per example?"""

from __future__ import annotations

from typing import Literal

import libcst as cst

from dpmigrate.analysis.loss_functions import LOSS_FUNCTIONS
from dpmigrate.analysis.source.tree import every
from dpmigrate.model import Tri

_REDUCERS = frozenset({"mean", "sum"})


def honours_forward(forward: cst.FunctionDef) -> Tri:
    """Whether a ``forward`` method returns nothing reduced once ``self.reduction`` is "none".

    None where it may, or where it never asks for its ``reduction``.
    """
    walk = _Walk()
    walk.block(forward.body)
    reduced = {walk.reduced(value) for value in walk.returned}
    if not walk.asked or len(reduced) != 1:
        return None
    return not reduced.pop()


def reads_reduction(node: cst.CSTNode) -> bool:
    """Whether an attribute ``reduction`` is read somewhere below a node, itself included."""
    return any(isinstance(n, cst.Attribute) and n.attr.value == "reduction" for n in every(node))


def joins_examples_itself(node: cst.CSTNode) -> bool:
    """Whether a node is a mean or sum over the batch: over everything, or over dimension 0."""
    if not isinstance(node, cst.Call):
        return False
    func = node.func
    name = func.attr.value if isinstance(func, cst.Attribute) else getattr(func, "value", None)
    if name not in _REDUCERS:
        return False
    of_torch = isinstance(func, cst.Attribute) and getattr(func.value, "value", None) == "torch"
    given = [arg.value for arg in node.args if arg.keyword is None][int(of_torch) :]
    given += [a.value for a in node.args if a.keyword and a.keyword.value in ("dim", "axis")]
    return not given or _holds_zero(given[0])


_BY_EXAMPLE = frozenset(
    [
        *(
            "log_softmax",
            "softmax",
            "logsigmoid",
            "sigmoid",
            "softplus",
            "tanh",
            "relu",
            "exp",
            "log",
            "log1p",
        ),
        *("pow", "square", "sqrt", "abs", "clamp", "clip", "neg", "where", "gather", "one_hot", "logsumexp"),
        *("squeeze", "unsqueeze", "float", "long", "to", "type_as", "detach", "size", "scatter_"),
        *(
            "zeros_like",
            "ones_like",
            "full_like",
            "new_zeros",
            "minimum",
            "maximum",
            "mul",
            "add",
            "sub",
            "div",
        ),
        *_REDUCERS,
    ]
)
"""What leaves the dimension of the batch as it is (reducers are asked over which they go)."""


def keeps_examples_apart(forward: cst.FunctionDef) -> bool:
    """Whether a ``forward`` calls nothing that joins examples, and is known to."""
    calls = [node for node in every(forward.body) if isinstance(node, cst.Call)]
    names = [call.func.attr.value if isinstance(call.func, cst.Attribute) else "" for call in calls]
    return (
        bool(names)
        and all(name in _BY_EXAMPLE for name in names)
        and not any(map(joins_examples_itself, calls))
    )


def _holds_zero(dimension: cst.BaseExpression) -> bool:
    if isinstance(dimension, (cst.Tuple, cst.List)):
        return any(_holds_zero(element.value) for element in dimension.elements)
    return isinstance(dimension, cst.Integer) and dimension.value == "0"


def _is_reduction(node: cst.BaseExpression) -> bool:
    """Whether a node is ``self.reduction``."""
    return (
        isinstance(node, cst.Attribute)
        and node.attr.value == "reduction"
        and isinstance(node.value, cst.Name)
        and node.value.value == "self"
    )


class _Walk:
    """A forward method read as if ``self.reduction`` were "none"."""

    def __init__(self) -> None:
        self.asked = False
        self.returned: list[cst.BaseExpression] = []
        self.variables: dict[str, cst.BaseExpression] = {}

    def block(self, body: cst.BaseSuite) -> bool:
        """Read statements; says whether control goes on after them."""
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
        elif isinstance(node, cst.Try) and not node.handlers:
            goes_on = self.block(node.body) and (node.orelse is None or self.block(node.orelse.body))
            return (node.finalbody is None or self.block(node.finalbody.body)) and goes_on
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
        if not _is_reduction(test.left):
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
        self.asked = self.asked or reads_reduction(value)

    def reduced(self, value: cst.BaseExpression) -> bool:
        """Whether an expression is one number for the batch."""
        return self._numbers(value, 12) == "one"

    def _numbers(self, value: cst.BaseExpression, depth: int) -> Literal["one", "each", "any"]:
        """How many numbers it is: one for the batch, one for each example, or (any) what goes with either."""
        if joins_examples_itself(value):
            return "one"
        if not depth:
            return "each"
        if isinstance(value, cst.Name) and value.value in self.variables:
            held = self.variables[value.value]
            return self._numbers(held, depth - 1) if held is not value else "each"
        if isinstance(value, cst.IfExp):
            truth = self._truth(value.test)
            taken = [value.body] if truth is not False else []
            taken += [value.orelse] if truth is not True else []
            return "one" if any(self._numbers(v, depth - 1) == "one" for v in taken) else "each"
        if isinstance(value, (cst.Integer, cst.Float)) or _is_own(value):
            return "any"
        if isinstance(value, cst.BinaryOperation):
            both = {self._numbers(value.left, depth - 1), self._numbers(value.right, depth - 1)}
            return "each" if "each" in both else "one" if "one" in both else "any"
        if isinstance(value, cst.UnaryOperation):
            return self._numbers(value.expression, depth - 1)
        if isinstance(value, cst.Call):
            return self._made_by(value, depth)
        return "each"

    def _made_by(self, call: cst.Call, depth: int) -> Literal["one", "each", "any"]:
        if _is_functional_loss(call):
            given = next((a for a in call.args if a.keyword and a.keyword.value == "reduction"), None)
            if given is None:
                return "one"
            constant = given.value.evaluated_value if isinstance(given.value, cst.SimpleString) else None
            return "each" if constant == "none" or _is_reduction(given.value) else "one"
        func = call.func
        if isinstance(func, cst.Attribute) and func.attr.value in _BY_ELEMENT:
            of_torch = isinstance(func.value, cst.Name) and func.value.value in ("torch", "F")
            given_to = call.args[0].value if of_torch and call.args else func.value
            return self._numbers(given_to, depth - 1)
        return "each"


_BY_ELEMENT = frozenset(
    ["exp", "log", "log1p", "pow", "square", "sqrt", "abs", "clamp", "neg", "sigmoid", "tanh"]
)
"""What makes of each number one number."""


def _is_own(value: cst.BaseExpression) -> bool:
    """Whether it is an attribute of the criterion itself, such as ``self.gamma``."""
    return (
        isinstance(value, cst.Attribute) and isinstance(value.value, cst.Name) and value.value.value == "self"
    )


def _is_functional_loss(call: cst.Call) -> bool:
    func = call.func
    name = func.attr.value if isinstance(func, cst.Attribute) else getattr(func, "value", "")
    return name in LOSS_FUNCTIONS
