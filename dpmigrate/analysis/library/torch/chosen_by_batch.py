"""Losses chosen or weighed by their whole batch: ``losses[losses > losses.mean()]``, ``losses.topk(8)``.

Where one example leaves the batch, others are chosen: those whose loss lies between the mean with it and
without it, or the next one in the order. As a rule the statistic is detached, which changes nothing of that.
"""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from dpmigrate.analysis.core import Interpreter
from dpmigrate.analysis.domain.atoms import Tensor
from dpmigrate.analysis.domain.values import NOTHING, Value
from dpmigrate.analysis.language.holding import runs_of_model
from dpmigrate.analysis.ledger.models import ExamplesCoupled
from dpmigrate.analysis.library.torch.looked_at import is_looked_at
from dpmigrate.analysis.registry import CallInfo, function
from dpmigrate.analysis.source.tree import every, in_a_line, meant_by

_OVER_DIMENSION_FIRST = frozenset(
    ["mean", "median", "std", "var", "max", "min", "amax", "amin", "sort", "argsort", "softmax", "sum"]
)
"""Statistics whose first argument is the dimension."""
_OVER_DIMENSION_SECOND = frozenset(["quantile", "topk", "kthvalue", "nanquantile"])
_ORDERS = frozenset(["topk", "sort", "argsort"])
_COMPARING = frozenset(["gt", "ge", "lt", "le"])
_SHARES = frozenset(["softmax", "sum", "max", "amax"])
"""What losses are weighed by: ``losses * softmax(losses.detach(), 0)``."""
_THE_SAME = frozenset(["detach", "clone", "data", "float", "double", "cpu", "view", "flatten", "squeeze"])


@function("<item of a tensor>")
def _chosen_by_index(ip: Interpreter, info: CallInfo) -> Value:
    """``losses[mask]``, ``losses[order[:8]]``."""
    node = info.node
    if isinstance(node, cst.Subscript) and isinstance(node.value, cst.Name):
        index = node.slice[0].slice
        if isinstance(index, cst.Index) and _by_the_batch(ip, node.value.value, index.value):
            _tell(ip, info.positional[0], node)
    return NOTHING


@function("<asked of a tensor>")
def _chosen_by_method(ip: Interpreter, info: CallInfo) -> Value:
    """``losses.masked_select(mask)``, ``losses.topk(8)``."""
    node = info.node
    if isinstance(node, cst.Call) and isinstance(node.func, cst.Attribute):
        given = [arg.value for arg in node.args if arg.keyword is None]
        _chosen(ip, info, node.func.value, given, info.positional[0])
    return NOTHING


@function("<given to a function of tensors>")
def _chosen_by_function(ip: Interpreter, info: CallInfo) -> Value:
    """``torch.masked_select(losses, mask)``, ``torch.topk(losses, 8)``, ``torch.where(mask, losses, 0)``."""
    node = info.node
    given = [arg.value for arg in node.args if arg.keyword is None] if isinstance(node, cst.Call) else []
    if info.name == "torch.where" and len(given) == 3 and len(info.positional) == 3:
        for place in (1, 2):
            tensor = given[place]
            if isinstance(tensor, cst.Name) and _by_the_batch(ip, tensor.value, given[0]):
                _tell(ip, info.positional[place], node)
    elif given and info.positional:
        _chosen(ip, info, given[0], given[1:], info.positional[0])
    return NOTHING


@function("<arithmetic of tensors>")
def _weighed(ip: Interpreter, info: CallInfo) -> Value:
    """``losses * (losses > losses.mean())``, ``losses * softmax(losses.detach(), 0)``."""
    node = info.node
    if info.name != "Multiply" or not isinstance(node, cst.BinaryOperation) or not ip.loops:
        return NOTHING
    for one, other, value in (
        (node.left, node.right, info.positional[0]),
        (node.right, node.left, info.positional[1]),
    ):
        if isinstance(one, cst.Name) and _losses_one_by_one(value):
            around = ip.frame.code
            parts = (n for part in meant_by(other, around) for n in every(part))
            shares = any(_is_statistic(n, one.value, _SHARES) for n in parts)
            if shares or _by_the_batch(ip, one.value, other):
                _tell(ip, value, node)
                break
    return NOTHING


def _chosen(
    ip: Interpreter, info: CallInfo, tensor: cst.BaseExpression, given: list[cst.BaseExpression], value: Value
) -> None:
    name = info.name.rpartition(".")[2]
    if name == "masked_select" and isinstance(tensor, cst.Name) and given:
        if _by_the_batch(ip, tensor.value, given[0]):
            _tell(ip, value, info.node)
    elif name == "topk" and _losses_one_by_one(value):
        _tell(ip, value, info.node)


def _losses_one_by_one(value: Value) -> bool:
    tensors = [a for a in value.atoms if isinstance(a, Tensor)]
    return bool(tensors) and all(t.reduction == "none" and not t.steps for t in tensors)


def _tell(ip: Interpreter, value: Value, node: cst.CSTNode) -> None:
    if not ip.loops or ip.gradients_off or is_looked_at(ip, node):
        return
    sources = [s for a in value.atoms if isinstance(a, Tensor) and not a.detached for s in a.sources]
    for run in dict.fromkeys(run for source in sources for run in runs_of_model(ip, source)):
        ip.happen(run, ExamplesCoupled(ip.at(node), in_a_line(node), compared=True, sure=False))


def _by_the_batch(ip: Interpreter, tensor: str, chosen: cst.BaseExpression) -> bool:
    """Whether an index or a mask comes of a tensor's order, or of how it compares with its statistics."""
    around = ip.frame.code
    nodes = [node for part in meant_by(chosen, around) for node in every(part)]
    if any(_is_statistic(node, tensor, _ORDERS) for node in nodes):
        return True
    for left, right in (sides for node in nodes for sides in _sides(node)):
        if _name_of(left) == tensor:
            met = (n for part in meant_by(right, around) for n in every(part))
            if any(_is_statistic(n, tensor, _OVER_DIMENSION_FIRST | _OVER_DIMENSION_SECOND) for n in met):
                return True
    return False


def _sides(node: cst.CSTNode) -> Iterator[tuple[cst.BaseExpression, cst.BaseExpression]]:
    """Both sides of ``a > b``, ``a.gt(b)``, ``torch.ge(a, b)``, each as the one that is compared."""
    if isinstance(node, cst.Comparison) and len(node.comparisons) == 1:
        yield node.left, node.comparisons[0].comparator
        yield node.comparisons[0].comparator, node.left
    elif isinstance(node, cst.Call) and isinstance(node.func, cst.Attribute) and node.args:
        given = [arg.value for arg in node.args]
        if node.func.attr.value in _COMPARING:
            yield (given[0], given[1]) if len(given) > 1 else (node.func.value, given[0])


def _is_statistic(node: cst.CSTNode, tensor: str, wanted: frozenset[str]) -> bool:
    """Whether a call takes one of some statistics over the examples of a tensor."""
    if not isinstance(node, cst.Call) or not isinstance(node.func, cst.Attribute):
        return False
    name, owner = node.func.attr.value, node.func.value
    given = [arg.value for arg in node.args if arg.keyword is None]
    of_function = isinstance(owner, cst.Name) and owner.value in ("torch", "F") and bool(given)
    if name not in wanted or _name_of(given.pop(0) if of_function else owner) != tensor:
        return False
    place = 0 if name in _OVER_DIMENSION_FIRST else 1
    named = (a.value for a in node.args if a.keyword and a.keyword.value in ("dim", "axis"))
    over = next(named, given[place] if len(given) > place else None)
    return over is None or (isinstance(over, cst.Integer) and over.evaluated_value == 0)


def _name_of(expression: cst.BaseExpression) -> str:
    """The variable whose tensor this is, detached or in another form; empty for anything else."""
    while not isinstance(expression, cst.Name):
        if isinstance(expression, cst.Call):
            expression = expression.func
        if not isinstance(expression, cst.Attribute) or expression.attr.value not in _THE_SAME:
            return ""
        expression = expression.value
    return expression.value
