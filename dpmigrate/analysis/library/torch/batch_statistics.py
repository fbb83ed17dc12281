"""Training that standardises by the batch: ``h - h.mean(0)``, ``h / h.std(dim=0)``, ``softmax(h, dim=0)``.

In the ``forward`` of a model, on what a private model made, or on the batch before a model gets it.

Opacus takes dimension 0 for the examples of a batch unless ``make_private`` is told ``batch_first=False``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import libcst as cst

from dpmigrate.analysis.batches import batches_of
from dpmigrate.analysis.core import Interpreter
from dpmigrate.analysis.domain.atoms import Atom, Const, Mark, Obj, Tensor, Unknown
from dpmigrate.analysis.domain.ordering import in_order
from dpmigrate.analysis.domain.values import NOTHING, Function, Value, of
from dpmigrate.analysis.language.holding import part_objects, runs_of_model
from dpmigrate.analysis.ledger import Circumstances, Origin
from dpmigrate.analysis.ledger.models import BatchStatistics
from dpmigrate.analysis.library.torch.looked_at import is_looked_at
from dpmigrate.analysis.library.torch.structure import forward_of
from dpmigrate.analysis.registry import CallInfo, function
from dpmigrate.analysis.source.once import read_once
from dpmigrate.analysis.source.tree import every, meant_by, names_in
from dpmigrate.analysis.training import TrainingRun

_STATISTICS = frozenset(["mean", "std", "var", "std_mean", "var_mean", "min", "amin"])
_TURNED = frozenset(
    ["transpose", "permute", "t", "T", "mT", "swapaxes", "movedim", "view", "reshape", "rearrange"]
)
"""What may make dimension 0 another one than that of the examples."""


def batch_statistics(ip: Interpreter, model: Atom, depth: int = 3) -> Iterator[tuple[Origin, bool]]:
    """Where a model, or a part of it, does so, and whether dimension 0 is surely the batch."""
    if not isinstance(model, Obj) or model.kind not in ("instance", "model"):
        return
    forward = forward_of(ip, model)
    if forward is not None:
        sure = not read_once(ip, _turns, forward.node)
        told: set[int] = set()
        for node in read_once(ip, _computing, forward.node):
            text = _over_the_batch(ip, node, forward.node, lambda at: _value_in(ip, model, at))
            text = text or _over_everything(ip, node, forward.node)
            if text:
                told.update(id(part) for part in every(node))
                yield Origin(forward.module, node, text), sure
            text = _told_to_each(node, forward.node) if id(node) not in told else ""
            if text:
                yield Origin(forward.module, node, text), False
    for part in in_order(set(part_objects(ip, model)) - {model}) if depth else ():
        yield from batch_statistics(ip, part, depth - 1)


def collated_statistics(ip: Interpreter, loader: Atom) -> Iterator[Origin]:
    """Where a loader's ``collate_fn`` takes a statistic over the records out of what it puts together."""
    held = ip.read(loader, "collate_fn") or NOTHING
    for collate in (atom for atom in held.atoms if isinstance(atom, Function)):
        code = collate.node
        for node in read_once(ip, _computing, code):
            left = node.left if isinstance(node, cst.BinaryOperation) else None
            if left is not None and any(map(_puts_together, meant_by(left, code))):
                text = _over_the_batch(ip, node, code, lambda at: _number(ip, at)) or _of_all(
                    ip, node, code, whole=True
                )
                if text:
                    yield Origin(collate.module, node, text)


@function("<arithmetic of tensors>")
def _standardised(ip: Interpreter, info: CallInfo) -> Value:
    """What a private model made meets its own statistic, in any function that training calls."""
    node = info.node
    if info.name == "Multiply":
        return NOTHING
    around = ip.frame.code
    behind = _private(ip, info.positional[0]) if ip.loops and isinstance(node, cst.BinaryOperation) else ()
    text = _over_the_batch(ip, node, around, ip.evaluate) if behind else ""
    if behind and not text and not ip.gradients_off:
        text = _of_all(ip, node, around)
    for model in behind if text else ():
        for run in runs_of_model(ip, model):
            # Whether a loss is made of it, or a figure to look at, is not followed.
            ip.happen(run, BatchStatistics(ip.at(node), text, sure=False))
    return NOTHING


@function("<arithmetic of batches>")
def _standardised_before(ip: Interpreter, info: CallInfo) -> Value:
    """A private batch meets its own statistic before a model gets it, in a helper say."""
    around = ip.frame.code
    text = _over_the_batch(ip, info.node, around, ip.evaluate)
    over_all = "" if text else _of_all(ip, info.node, around, whole=True)
    marks: set[Atom] = set()
    for batch in batches_of(ip, info.positional[:1]) if text or over_all else ():
        if isinstance(batch.loader, Obj) and batch.loader.kind == "dp-loader":
            here = ip.at(info.node, batch.guard)
            if text:
                ip.happen(batch.loader.data, BatchStatistics(here, text, sure=False))
            elif ip.loops and any(node is batch.origin.node for node in every(ip.loops[-1].loop.node)):
                marks.add(_Standardised(batch.loader.data, here, over_all))
    return of(Unknown(("standardised", id(info.node)), parts=frozenset(marks))) if marks else NOTHING


@dataclass(frozen=True, slots=True)
class _Standardised(Mark):
    """A statistic over all of a run's batch was taken out of it."""

    run: TrainingRun = field(repr=False)
    at: Circumstances = field(compare=False, repr=False)
    text: str


@function(*(f"<given to a {what}>" for what in ("private model", "function of tensors", "module", "loss")))
def _trains_with_it(ip: Interpreter, info: CallInfo) -> Value:
    """A private model, or a loss of what it made, is given such a batch."""
    given = [atom for value in info.everything() for atom in value.atoms]
    marks = [p for a in given if isinstance(a, Unknown) for p in a.parts if isinstance(p, _Standardised)]
    for mark in marks if not ip.gradients_off else ():
        models = {s for a in given for s in (a.sources if isinstance(a, Tensor) else (a,))}
        if any(isinstance(m, Obj) and m.kind == "dp-model" and m.data is mark.run for m in models):
            ip.happen(mark.run, BatchStatistics(mark.at, mark.text, sure=False, given=True))
    return NOTHING


@function("<asked of a tensor>", "<given to a function of tensors>")
def _deviates(ip: Interpreter, info: CallInfo) -> Value:
    """``outputs.var(0)``, ``torch.std(outputs, dim=0)``, of which a term of the loss is made by itself."""
    call = info.node
    if info.name.rpartition(".")[2] not in _DEVIATIONS or not isinstance(call, cst.Call) or not ip.loops:
        return NOTHING
    given = [arg.value for arg in call.args if arg.keyword is None]
    tensor = call.func.value if isinstance(call.func, cst.Attribute) else None
    if "." in info.name:
        tensor = given.pop(0) if given else None
    named = (a.value for a in call.args if a.keyword and a.keyword.value in ("dim", "axis"))
    over = next(named, given[0] if given else None)
    if not isinstance(tensor, cst.Name) or over is None or ip.evaluate(over).only != Const(0):
        return NOTHING
    around = ip.frame.code
    if ip.gradients_off or is_looked_at(ip, call) or _meets(tensor, call, around):
        return NOTHING
    for model in _private(ip, info.positional[0]) if info.positional else ():
        for run in runs_of_model(ip, model):
            text = f"{tensor.value}.{info.name.rpartition('.')[2]}(0)"
            ip.happen(run, BatchStatistics(ip.at(call), text, sure=False))
    return NOTHING


def _meets(tensor: cst.Name, call: cst.Call, around: cst.CSTNode) -> bool:
    """Whether a tensor meets this statistic of itself, which is told where it does."""
    return any(
        part is call
        for node in every(around)
        if isinstance(node, cst.BinaryOperation) and tensor.value in names_in(node.left)
        for meant in meant_by(node.right, around)
        for part in every(meant)
    )


def _private(ip: Interpreter, value: Value) -> list[Atom]:
    """The models whose output a value is, before anything has permuted its dimensions."""
    made = [a for a in value.atoms if isinstance(a, Tensor) and not _TURNED & set(a.steps)]
    return list(dict.fromkeys(source for tensor in made for source in tensor.sources))


def _computing(root: cst.CSTNode) -> list[cst.CSTNode]:
    return [node for node in every(root) if isinstance(node, (cst.BinaryOperation, cst.Call))]


def _turns(root: cst.CSTNode) -> bool:
    return any(isinstance(n, cst.Name) and n.value in _TURNED for n in every(root))


def _value_in(ip: Interpreter, model: Obj, expression: cst.BaseExpression) -> Value:
    """What a number, or an attribute of ``self``, is in the methods of a model."""
    if isinstance(expression, cst.Attribute) and isinstance(expression.value, cst.Name):
        of_self = expression.value.value == "self"
        return (ip.read(model, expression.attr.value) if of_self else None) or NOTHING
    return _number(ip, expression)


def _number(ip: Interpreter, expression: cst.BaseExpression) -> Value:
    return ip.evaluate(expression) if isinstance(expression, cst.Integer) else NOTHING


def _over_the_batch(
    ip: Interpreter,
    node: cst.CSTNode,
    around: cst.CSTNode,
    value_of: Callable[[cst.BaseExpression], Value],
) -> str:
    """``h.mean(0)`` where a tensor meets its own statistic over dimension 0; empty for anything else."""
    for tensor, name, dimension in read_once(ip, _own_statistics, (node, around)):
        listed = dimension.elements if isinstance(dimension, (cst.Tuple, cst.List)) else ()
        told = [dimension, *(element.value for element in listed)]
        numbers = [d for d in told if isinstance(d, (cst.Integer, cst.Name, cst.Attribute))]
        if any(value_of(number).only == Const(0) for number in numbers):
            return f"{tensor.value}.{name}(0)"
    return ""


def _over_everything(ip: Interpreter, node: cst.CSTNode, forward: cst.CSTNode) -> str:
    """``h - h.mean()`` of what a layer made or ``forward`` was given; empty for anything else."""
    left = node.left if isinstance(node, cst.BinaryOperation) else None
    if left is None or not (_is_input(left, forward) or any(map(_calls_a_layer, meant_by(left, forward)))):
        return ""
    return _of_all(ip, node, forward)


def _of_all(ip: Interpreter, node: cst.CSTNode, around: cst.CSTNode, whole: bool = False) -> str:
    """``h.mean()`` where a tensor meets its own statistic over all that it has; empty for anything else.

    Of one that a loop takes out of a batch (``for image in images``) that is its own; a ``whole`` one, not.
    """
    for tensor, name, dimension in read_once(ip, _own_statistics, (node, around)):
        if dimension is None and (whole or not _one_by_one(tensor, around)):
            return f"{tensor.value}.{name}()"
    return ""


_Statistic = tuple[cst.Name, str, cst.BaseExpression | None]
"""The tensor, which one of it, and over which dimension."""


def _own_statistics(met: tuple[cst.CSTNode, cst.CSTNode]) -> list[_Statistic]:
    """The statistics of itself that a tensor meets at a node, in the code around it."""
    return list(_each_statistic(*met))


def _each_statistic(node: cst.CSTNode, around: cst.CSTNode) -> Iterator[_Statistic]:
    if not isinstance(node, cst.BinaryOperation) or not isinstance(node.operator, (cst.Subtract, cst.Divide)):
        return
    left = node.left
    if not isinstance(left, cst.Name):
        # (h - h.mean(0)) / h.std(0): the difference is found by itself.
        return
    for call in (inner for part in meant_by(node.right, around) for inner in every(part)):
        if not isinstance(call, cst.Call) or not isinstance(call.func, cst.Attribute):
            continue
        name, owner = call.func.attr.value, call.func.value
        if name not in _STATISTICS or not isinstance(owner, cst.Name):
            continue
        given = [arg.value for arg in call.args if arg.keyword is None]
        tensor = given.pop(0) if owner.value == "torch" and given else owner
        named = (a.value for a in call.args if a.keyword and a.keyword.value in ("dim", "axis"))
        if isinstance(tensor, cst.Name) and tensor.value == left.value:
            yield left, name, next(named, None) or (given[0] if given else None)


def _one_by_one(name: cst.Name, around: cst.CSTNode) -> bool:
    """Whether a loop sets a variable."""
    loops = (n for n in every(around) if isinstance(n, (cst.For, cst.CompFor)))
    return any(name.deep_equals(part) for loop in loops for part in every(loop.target))


_JOINING = ("stack", "cat", "concat", "default_collate")
_SHARES = frozenset(["softmax", "log_softmax"])
_DEVIATIONS = frozenset(["std", "var"])


def _told_to_each(node: cst.CSTNode, forward: cst.CSTNode) -> str:
    """``softmax(self.gate(x), dim=0)``, each example's share of the batch, and the deviation of a batch.

    Of what the layers make of the input, not of a parameter (``softmax(self.weights, dim=0)``) or of tensors
    that the model has put beside one another (``torch.stack(heads).std(0)``).
    """
    if not isinstance(node, cst.Call) or not isinstance(node.func, cst.Attribute):
        return ""
    name, given = node.func.attr.value, [arg.value for arg in node.args if arg.keyword is None]
    owner = node.func.value
    of_torch = isinstance(owner, cst.Name) and owner.value in ("torch", "F", "functional")
    tensor = given.pop(0) if of_torch and given else owner
    named = (a.value for a in node.args if a.keyword and a.keyword.value in ("dim", "axis"))
    dimension = next(named, None) or (given[0] if given else None)
    if name not in _SHARES | _DEVIATIONS or not isinstance(dimension, cst.Integer) or dimension.value != "0":
        return ""
    made_of = list(meant_by(tensor, forward))
    layers = any(map(_calls_a_layer, made_of)) or (name in _DEVIATIONS and _is_input(tensor, forward))
    return f"{name}(..., dim=0)" if layers and not any(map(_puts_together, made_of)) else ""


def _calls_a_layer(root: cst.CSTNode) -> bool:
    """Whether an expression begins with ``self.layer(x)``."""
    return (
        isinstance(root, cst.Call)
        and isinstance(root.func, cst.Attribute)
        and isinstance(root.func.value, cst.Name)
        and root.func.value.value == "self"
    )


def _is_input(tensor: cst.BaseExpression, forward: cst.CSTNode) -> bool:
    """Whether it is what ``forward`` is given, as it comes."""
    if not isinstance(tensor, cst.Name) or not isinstance(forward, cst.FunctionDef):
        return False
    parameters = [p.name.value for p in forward.params.params[1:]]
    assigned = any(tensor.deep_equals(n.target) for n in every(forward) if isinstance(n, cst.AssignTarget))
    return tensor.value in parameters and not assigned


def _puts_together(root: cst.CSTNode) -> bool:
    return any(isinstance(n, cst.Name) and n.value in _JOINING for n in every(root))
