"""Training that lets one example into the gradients of others: mixup, and losses that compare examples."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from dpmigrate.analysis.batches import batches_of
from dpmigrate.analysis.core import Interpreter
from dpmigrate.analysis.domain.atoms import Const, Obj, Tensor
from dpmigrate.analysis.domain.values import NOTHING, Entry, Value
from dpmigrate.analysis.language.calls import call_method
from dpmigrate.analysis.language.holding import runs_of_model
from dpmigrate.analysis.ledger.models import ExamplesCoupled
from dpmigrate.analysis.library.torch.models import torch_operation
from dpmigrate.analysis.library.torch.oversampled import chosen_again, views_together
from dpmigrate.analysis.library.torch.repeated import rows_repeated
from dpmigrate.analysis.library.torch.structure import forward_of
from dpmigrate.analysis.library.torch.tensors import tensor_method
from dpmigrate.analysis.registry import CallInfo, function, method
from dpmigrate.analysis.source.tree import assigned_to, every, in_a_line, names_in
from dpmigrate.analysis.training import TrainingRun

_PERMUTING = frozenset(["randperm", "permutation"])
_TURNING = frozenset(["flip", "roll"])
_COMPARING = frozenset(["mm", "matmul", "cdist", "cosine_similarity", "einsum", "cumsum", "logcumsumexp"])
"""What a criterion is entered for."""


@function("<arithmetic>")
def _mixed(ip: Interpreter, info: CallInfo) -> Value:
    """``lam * x + (1 - lam) * x[torch.randperm(len(x))]``: each example meets another one."""
    node = info.node
    if info.name != "Add" or not isinstance(node, cst.BinaryOperation) or not ip.loops or not ip.runs:
        return NOTHING
    for one, other in ((node.left, node.right), (node.right, node.left)):
        names = names_in(one)
        if any(name in names for name in _taken_in_another_order(ip, other)):
            for run in list(ip.runs.values()):
                ip.happen(run, ExamplesCoupled(ip.at(node), in_a_line(node), compared=False, sure=True))
            return NOTHING
    return NOTHING


@function("torch.cat", "torch.concat", "torch.where")
def _joined(ip: Interpreter, info: CallInfo) -> Value:
    """``torch.cat([x[:, :8], x[order][:, 8:]], 1)``: parts of two examples stand beside each other."""
    node = info.node
    if ip.loops and isinstance(node, cst.Call) and batches_of(ip, info.everything()):
        first = node.args[0].value if node.args else None
        listed = [e.value for e in first.elements] if isinstance(first, (cst.List, cst.Tuple)) else []
        parts = listed or [arg.value for arg in node.args]
        for number, part in enumerate(parts):
            others = parts[:number] + parts[number + 1 :]
            names = names_in(*others)
            taken = set(_taken_in_another_order(ip, part)) & names
            if any(batches_of(ip, [ip.evaluate(cst.Name(name))]) for name in taken):
                for run in list(ip.runs.values()):
                    ip.happen(run, ExamplesCoupled(ip.at(node), in_a_line(node), compared=False, sure=True))
                break
    made = chosen_again(ip, info, rows_repeated(ip, info, torch_operation(ip, info)))
    return views_together(ip, info, made) if info.name != "torch.where" else made


@function("<item assigned>")
def _patched(ip: Interpreter, info: CallInfo) -> Value:
    """``x[:, :, a:b] = x[order, :, a:b]``: a part of each example is put into another one (CutMix)."""
    target = info.node
    if not isinstance(target, cst.Subscript) or not ip.loops:
        return NOTHING
    into = batches_of(ip, info.positional)
    around = ip.frame.code
    value = assigned_to(around, target) if into else None
    if value is None:
        return NOTHING
    names = _taken_in_another_order(ip, value)
    if any(into & batches_of(ip, [ip.evaluate(cst.Name(name))]) for name in names):
        for run in list(ip.runs.values()):
            ip.happen(run, ExamplesCoupled(ip.at(target), in_a_line(value), compared=False, sure=True))
    return NOTHING


def _taken_in_another_order(ip: Interpreter, root: cst.CSTNode) -> Iterator[str]:
    """The variables whose examples an expression takes in another order: ``x[index]``, ``x.flip(0)``."""
    for node in every(root):
        if isinstance(node, cst.Subscript) and isinstance(node.value, cst.Name):
            index = node.slice[0].slice
            if isinstance(index, cst.Index) and _permutes(ip, index.value):
                yield node.value.value
        elif isinstance(node, cst.Call) and _method_of(node) in _TURNING and _over_examples(node):
            yield from (n.value for n in every(node) if isinstance(n, cst.Name))


def _method_of(call: cst.Call) -> str:
    return call.func.attr.value if isinstance(call.func, cst.Attribute) else ""


def _permutes(ip: Interpreter, index: cst.BaseExpression) -> bool:
    """Whether an index is a random order, as the function around it assigns it."""
    if not isinstance(index, cst.Name):
        return _calls_a_permutation(index)
    around = ip.frame.code
    return any(
        isinstance(node, cst.Assign)
        and any(index.deep_equals(target.target) for target in node.targets)
        and _calls_a_permutation(node.value)
        for node in every(around)
    )


def _calls_a_permutation(root: cst.CSTNode) -> bool:
    return any(isinstance(node, cst.Call) and _method_of(node) in _PERMUTING for node in every(root))


def _over_examples(call: cst.Call) -> bool:
    """Whether ``flip(0)``, ``flip([0])``, ``roll(1, 0)`` goes over dimension 0."""
    last = call.args[-1].value if call.args else None
    if isinstance(last, (cst.List, cst.Tuple)) and len(last.elements) == 1:
        last = last.elements[0].value
    return isinstance(last, cst.Integer) and last.evaluated_value == 0


# -- losses that compare ------------------------------------------------------------------------


@function("<product of tensors>")
def _product(ip: Interpreter, info: CallInfo) -> Value:
    """``z @ z.T``: the similarity of each example to each other, or of each feature over the batch."""
    left, right = info.positional
    node = info.node
    if isinstance(node, cst.BinaryOperation) and (_is_turned(node.left) or _is_turned(node.right)):
        _compared(ip, node, left, right, _without_turn(node.left).deep_equals(_without_turn(node.right)))
    return NOTHING


@function("<arithmetic of tensors>")
def _compared_with_others(ip: Interpreter, info: CallInfo) -> Value:
    """``z * z.roll(1, 0)``, ``z - z[torch.randperm(len(z))]``: each example meets another one."""
    node = info.node
    if not isinstance(node, cst.BinaryOperation) or not ip.loops or info.name == "Divide" or ip.gradients_off:
        return NOTHING
    left, right = info.positional
    for one, other in ((node.left, node.right), (node.right, node.left)):
        if not names_in(one).isdisjoint(_taken_in_another_order(ip, other)):
            _compared(ip, node, left, right, same=True)
            break
    return NOTHING


@function("torch.mm", "torch.matmul")
def _multiply(ip: Interpreter, info: CallInfo) -> Value:
    args = [arg.value for arg in info.node.args] if isinstance(info.node, cst.Call) else []
    if len(args) == len(info.positional) == 2 and any(map(_is_turned, args)):
        same = _without_turn(args[0]).deep_equals(_without_turn(args[1]))
        _compared(ip, info.node, info.positional[0], info.positional[1], same)
    return torch_operation(ip, info)


@function("torch.einsum")
def _by_indices(ip: Interpreter, info: CallInfo) -> Value:
    """``torch.einsum("id,jd->ij", z, z)``: the examples of both have indices of their own, and both stay."""
    told = info.argument(0, "equation").only
    equation = told.value.replace(" ", "") if isinstance(told, Const) and isinstance(told.value, str) else ""
    given, _, left = equation.partition("->")
    first, _, second = given.partition(",")
    crossed = bool(first and second) and first[0] not in second and second[0] not in first
    args = info.node.args if isinstance(info.node, cst.Call) else ()
    crossed = crossed and {first[0], second[0]} <= set(left) and bool(set(first) & set(second) - set(left))
    if crossed and len(args) == len(info.positional) == 3:
        same = args[1].value.deep_equals(args[2].value)
        _compared(ip, info.node, info.positional[1], info.positional[2], same)
    return torch_operation(ip, info)


@function("torch.cdist", "torch.nn.functional.cosine_similarity")
def _distances(ip: Interpreter, info: CallInfo) -> Value:
    """``torch.cdist(z, z)``, ``cosine_similarity(z.unsqueeze(1), z.unsqueeze(0))``, of all with all."""
    args = (
        [arg.value for arg in info.node.args if arg.keyword is None]
        if isinstance(info.node, cst.Call)
        else []
    )
    if len(args) > 1 and len(info.positional) > 1:
        first, second = map(_without_new_dimension, args[:2])
        crossed = info.name == "torch.cdist" or (first is not args[0] and second is not args[1])
        if crossed:
            same = first.deep_equals(second)
            _compared(ip, info.node, info.positional[0], info.positional[1], same)
    return torch_operation(ip, info)


@function("torch.cumsum", "torch.logcumsumexp")
def _accumulated(ip: Interpreter, info: CallInfo) -> Value:
    """``torch.logcumsumexp(risk, dim=0)``: each example and all before it, as in the loss of Cox."""
    _accumulate(ip, info, info.argument(0, "input"), info.argument(1, "dim"))
    return torch_operation(ip, info)


@method("tensor", "cumsum", "logcumsumexp")
def _accumulated_by_itself(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    """``risk.exp().cumsum(0)``."""
    _accumulate(ip, info, Value((e,)), info.argument(0, "dim"))
    return tensor_method(ip, info, e)


def _accumulate(ip: Interpreter, info: CallInfo, what: Value, over: Value) -> None:
    """Over the examples: a sum of exponentials is part of a loss, any other may be a measurement."""
    named = info.name.rpartition(".")[2]
    of_exponentials = named == "logcumsumexp" or any(
        isinstance(a, Tensor) and a.steps[-1:] == ("exp",) for a in what.atoms
    )
    if of_exponentials and over.only == Const(0):
        _compared(ip, info.node, what, what, same=False)


@function("torch.cov", "torch.corrcoef")
def _covaried(ip: Interpreter, info: CallInfo) -> Value:
    """``torch.cov(z.T)``: how the features go together over the examples."""
    given = info.argument(0, "input")
    _compared(ip, info.node, given, given, same=True)
    return torch_operation(ip, info)


@function("<given to a module>")
def _given_to_a_criterion(ip: Interpreter, info: CallInfo) -> Value:
    """A criterion of the program is entered where it has products or distances, for what it compares."""
    module = info.positional[0].only
    forward = forward_of(ip, module)
    if isinstance(module, Obj) and forward is not None and any(map(_may_compare, every(forward.node))):
        call_method(ip, module, "forward", CallInfo(info.node, info.positional[1:], info.keywords))
    return NOTHING


def _may_compare(node: cst.CSTNode) -> bool:
    if isinstance(node, cst.BinaryOperation):
        return isinstance(node.operator, cst.MatrixMultiply)
    name = node.func.attr if isinstance(node, cst.Call) and isinstance(node.func, cst.Attribute) else None
    return name is not None and name.value in _COMPARING


@method("tensor", "mm", "matmul")
def _multiplied_by(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    """``z.mm(z.t())``."""
    node = info.node
    if isinstance(node, cst.Call) and isinstance(node.func, cst.Attribute) and len(node.args) == 1:
        left, right = node.func.value, node.args[0].value
        if info.positional and (_is_turned(left) or _is_turned(right)):
            same = _without_turn(left).deep_equals(_without_turn(right))
            _compared(ip, node, Value((e,)), info.positional[0], same)
    return tensor_method(ip, info, e)


def _compared(ip: Interpreter, node: cst.CSTNode, left: Value, right: Value, same: bool) -> None:
    """What a private model made is compared with the same, or with the records of its batch."""
    made, others = _runs_behind(ip, left), _runs_behind(ip, right)
    for run in dict.fromkeys([*made, *others]):
        both = run in made and run in others
        if both or _is_of_its_batch(ip, run, right if run in made else left):
            ip.happen(run, ExamplesCoupled(ip.at(node), in_a_line(node), compared=True, sure=same and both))


def _is_of_its_batch(ip: Interpreter, run: TrainingRun, value: Value) -> bool:
    """Whether a value is made of the records of a run's batch, without a model."""
    loaders = [batch.loader for batch in batches_of(ip, [value])]
    return bool(loaders) and all(isinstance(one, Obj) and one.data is run for one in loaders)


def _runs_behind(ip: Interpreter, value: Value) -> list[TrainingRun]:
    sources = [s for a in value.atoms if isinstance(a, Tensor) for s in a.sources]
    return list(dict.fromkeys(run for source in sources for run in runs_of_model(ip, source)))


def _is_turned(node: cst.BaseExpression) -> bool:
    """``z.T``, ``z.t()``, ``z.transpose(0, 1)``: examples and features change places."""
    return _without_turn(node) is not node


def _without_turn(node: cst.BaseExpression) -> cst.BaseExpression:
    if isinstance(node, cst.Attribute) and node.attr.value == "T":
        return node.value
    if isinstance(node, cst.Call) and isinstance(node.func, cst.Attribute):
        numbers = [a.value.value for a in node.args if isinstance(a.value, cst.Integer)]
        if node.func.attr.value == "t" or (
            node.func.attr.value in ("transpose", "permute", "swapaxes") and sorted(numbers) == ["0", "1"]
        ):
            return node.func.value
    return node


def _without_new_dimension(node: cst.BaseExpression) -> cst.BaseExpression:
    """What ``z.unsqueeze(0)`` and ``z[None]``, ``z[:, None]`` add a dimension to."""
    if (
        isinstance(node, cst.Call)
        and isinstance(node.func, cst.Attribute)
        and node.func.attr.value == "unsqueeze"
    ):
        return node.func.value
    if isinstance(node, cst.Subscript) and any(
        isinstance(e.slice, cst.Index)
        and isinstance(e.slice.value, cst.Name)
        and e.slice.value.value == "None"
        for e in node.slice
    ):
        return node.value
    return node
