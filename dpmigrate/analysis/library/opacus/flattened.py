"""Losses of sequences that are flattened to one loss per token, as the text of the criterion's call has them.

The wrapped criterion of ghost clipping needs one loss per example. For logits ``[B, T, V]`` it makes them of
the tokens' losses when it is told ``shape=``. Source: ``DPLossFastGradientClipping``, 1.5.3 to 1.6.0.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

import libcst as cst

from dpmigrate.analysis.core import Interpreter
from dpmigrate.analysis.domain.atoms import Atom, Obj
from dpmigrate.analysis.domain.values import Class, Entry
from dpmigrate.analysis.language.holding import HOLDS
from dpmigrate.analysis.ledger.gradients import FlattenedLoss
from dpmigrate.analysis.library.torch.columns import number_of, turns_last_two
from dpmigrate.analysis.library.torch.structure import forward_of
from dpmigrate.analysis.registry import CallInfo
from dpmigrate.analysis.source.once import read_once
from dpmigrate.analysis.source.tree import children, every
from dpmigrate.analysis.training import TrainingRun

_FLATTENING = frozenset(["view", "reshape", "flatten"])
_PASSING = frozenset([*_FLATTENING, "contiguous", "to", "cuda", "long", "float", "clone", "detach"])
"""Methods that leave it to what they are called on whether that is a sequence."""
_GIVE_SEQUENCES = re.compile(
    r"ForCausalLM|LMHeadModel|ForMaskedLM|ForTokenClassification|ForConditionalGeneration"
)
_VOCABULARY = re.compile(r"vocab|n_?tokens?$|num_tokens", re.IGNORECASE)
_MAX_NAMES = 6


class _Assigned(NamedTuple):
    """What the text gives a name, in the order of the text."""

    name: str
    value: cst.BaseExpression


def tell_of_flattened(ip: Interpreter, run: TrainingRun, info: CallInfo, e: Entry) -> None:
    """Record a call of the wrapped criterion that gets the tokens of sequences, and not their shape."""
    call = info.node
    if not isinstance(call, cst.Call) or info.unknown_keywords or info.unknown_positional:
        return
    if len(info.positional) > 2 or "shape" in info.keywords:
        return
    logits, targets = _argument(call, 0, "input"), _argument(call, 1, "target")
    if logits is None or targets is None:
        return
    text = _text_before(ip, call)
    flat = text.steps_to(targets)
    if not any(_flattens(step, whole=True) for step in flat):
        return
    way = text.steps_to(logits)
    if not any(_flattens(step, whole=False) for step in way):
        return
    sure = (
        any(_is_of_sequences(step, parts=2) for step in flat)
        or any(_is_of_sequences(step, parts=3) or text.taken_apart(step) for step in way)
        or any(isinstance(m, Obj) and _GIVE_SEQUENCES.search(str(m.data or "")) for m in run.raw_models)
    )
    likely = any(map(_speaks_of_a_vocabulary, way)) or (
        not any(map(_takes_one_of_many, (*flat, *way))) and any(_keeps_tokens(ip, m) for m in run.raw_models)
    )
    if sure or likely:
        ip.happen(run, FlattenedLoss(ip.at(call, e.guard), sure))


def target_is_a_column(ip: Interpreter, call: cst.CSTNode) -> bool:
    """Whether the criterion's target is ``y.view(-1, 1)`` here: losses of shape (B, 1) then, or (B, B)."""
    target = _argument(call, 1, "target") if isinstance(call, cst.Call) else None
    if not isinstance(call, cst.Call) or target is None:
        return False
    for step in _text_before(ip, call).steps_to(target):
        if isinstance(step, cst.Subscript):
            return False
        asked = _asked(step)
        if asked is not None and asked.name in ("permute", "transpose", "flatten"):
            return False
        if asked is not None and asked.name in _FLATTENING:
            return [number_of(value) for value in asked.values] == [-1, 1]
    return False


def classes_before_tokens(ip: Interpreter, call: cst.CSTNode) -> bool:
    """Whether the logits are ``h.transpose(1, 2)`` of [B, T, V] here: a loss of each token then, [B, T]."""
    logits = _argument(call, 0, "input") if isinstance(call, cst.Call) else None
    if not isinstance(call, cst.Call) or logits is None:
        return False
    for step in _text_before(ip, call).steps_to(logits):
        if isinstance(step, (cst.Call, cst.Subscript)):
            return turns_last_two(step)
    return False


def _text_before(ip: Interpreter, call: cst.Call) -> _Text:
    return read_once(ip, _text_of, (ip.frame.code, call))


def _text_of(asked: tuple[cst.CSTNode, cst.Call]) -> _Text:
    return _Text(*asked)


class _Text:
    """What the names of a function hold at a call, by the assignments that its text has before it."""

    def __init__(self, root: cst.CSTNode, call: cst.Call) -> None:
        self.assigned: list[_Assigned] = []
        self.shapes: list[cst.BaseExpression] = []
        """What is asked for its shape and taken apart into three."""
        self._read(root, call)

    def _read(self, node: cst.CSTNode, call: cst.Call) -> bool:
        """Read what is before the call; whether the call was met."""
        if node is call:
            return True
        for child in children(node):
            if self._read(child, call):
                return True
        if isinstance(node, cst.Assign) and len(node.targets) == 1:
            self._take(node.targets[0].target, node.value)
        return False

    def _take(self, target: cst.BaseExpression, value: cst.BaseExpression) -> None:
        if isinstance(target, cst.Name):
            self.assigned.append(_Assigned(target.value, value))
        elif isinstance(target, cst.Tuple) and isinstance(value, cst.Tuple):
            for one, other in zip(target.elements, value.elements, strict=False):
                self._take(one.value, other.value)
        elif isinstance(target, cst.Tuple):
            for element in target.elements:
                if isinstance(element.value, cst.Name):
                    self.assigned.append(_Assigned(element.value.value, value))
            held = _asked_for_its_shape(value)
            if len(target.elements) == 3 and held is not None:
                self.shapes.append(held)

    def steps_to(self, node: cst.BaseExpression) -> list[cst.BaseExpression]:
        """The expressions by which a value came to be, the last first, as far as they keep its kind."""
        steps: list[cst.BaseExpression] = []
        before, names = len(self.assigned), 0
        while True:
            steps.append(node)
            if isinstance(node, cst.Name):
                places = [i for i in range(before) if self.assigned[i].name == node.value]
                names += 1
                if not places or names > _MAX_NAMES:
                    return steps
                before = places[-1]
                node = self.assigned[before].value
            elif isinstance(node, cst.Subscript):
                node = node.value
            else:
                asked = _asked(node)
                if asked is None or asked.name not in (*_PASSING, "permute", "transpose"):
                    return steps
                node = asked.of

    def taken_apart(self, node: cst.BaseExpression) -> bool:
        """Whether the text takes the shape of this apart into three: batch, time and another."""
        return any(node.deep_equals(shape) for shape in self.shapes)


def _argument(call: cst.Call, position: int, name: str) -> cst.BaseExpression | None:
    named = [a.value for a in call.args if a.keyword is not None and a.keyword.value == name]
    positional = [a.value for a in call.args if a.keyword is None]
    return named[0] if named else positional[position] if position < len(positional) else None


class _Asked(NamedTuple):
    """A tensor that is asked for another form of itself: ``h.view(-1, 5)``, ``torch.reshape(h, (-1, 5))``."""

    of: cst.BaseExpression
    name: str
    values: list[cst.BaseExpression]


def _asked(node: cst.BaseExpression) -> _Asked | None:
    if not isinstance(node, cst.Call) or not isinstance(node.func, cst.Attribute):
        return None
    name, of, values = node.func.attr.value, node.func.value, [arg.value for arg in node.args]
    if isinstance(of, cst.Name) and of.value == "torch" and values:
        of, *values = values
    if len(values) == 1 and isinstance(values[0], (cst.Tuple, cst.List)):  # reshape((-1, 5))
        values = [element.value for element in values[0].elements]
    return _Asked(of, name, values)


def _asked_for_its_shape(node: cst.BaseExpression) -> cst.BaseExpression | None:
    """The tensor of ``tensor.shape`` or ``tensor.size()``."""
    if isinstance(node, cst.Call) and not node.args:
        node = node.func
    if isinstance(node, cst.Attribute) and node.attr.value in ("shape", "size"):
        return node.value
    return None


def _flattens(node: cst.BaseExpression, whole: bool) -> bool:
    """Whether a step makes one dimension of all (``whole``), or of all but the last."""
    asked = _asked(node)
    if asked is None or asked.name not in _FLATTENING:
        return False
    name, values = asked.name, asked.values
    if whole:
        return len(values) == (0 if name == "flatten" else 1)
    if len(values) != 2:
        return False
    if name == "flatten":
        return isinstance(values[0], cst.Integer) and values[0].value == "0"
    # view(batch, -1) leaves the batch as it is
    return _is_product(values[0]) or not isinstance(values[1], cst.UnaryOperation)


def _is_product(node: cst.BaseExpression) -> bool:
    return isinstance(node, cst.BinaryOperation) and isinstance(node.operator, cst.Multiply)


def _is_of_sequences(node: cst.BaseExpression, parts: int) -> bool:
    """Whether a step shows that its value has one dimension more than one loss per example leaves it.

    That is ``ids[:, 1:]`` of targets, ``logits[:, :-1, :]`` or ``[..., :-1, :]`` of logits (``parts`` of an
    index), ``permute`` of three dimensions or more, ``flatten(0, 1)`` and ``view(batch * time, classes)``.
    ``data[:, 4:5]``, ``data[:, -1:]`` are one column.
    """
    if isinstance(node, cst.Subscript):
        slices = [element.slice for element in node.slice]
        return len(slices) >= parts and any(_is_run(index) for index in slices[1:])
    asked = _asked(node)
    if asked is None:
        return False
    name, values = asked.name, asked.values
    if len(values) == 2 and name == "flatten":
        return all(isinstance(v, cst.Integer) and v.value == str(i) for i, v in enumerate(values))
    return (name == "permute" and len(values) > 2) or (name in _FLATTENING and any(map(_is_product, values)))


def _is_run(index: cst.BaseSlice) -> bool:
    """Whether an index leaves out the first of something, or the last."""
    if not isinstance(index, cst.Slice):
        return False
    first = isinstance(index.lower, cst.Integer) and index.upper is None
    last = isinstance(index.upper, cst.UnaryOperation) and isinstance(index.upper.operator, cst.Minus)
    return first or last


def _speaks_of_a_vocabulary(node: cst.BaseExpression) -> bool:
    """Whether the classes of a flattening step are called those of a vocabulary."""
    return isinstance(node, cst.Call) and any(
        _VOCABULARY.search(name) for arg in node.args for name in _names(arg)
    )


def _names(node: cst.CSTNode) -> Iterator[str]:
    if isinstance(node, cst.Name):
        yield node.value
    for child in children(node):
        yield from _names(child)


_POOLING = re.compile(r"mean|max|sum|min|pool\w*|\w*pool\dd|squeeze|select|gather|argmax|LSTM|GRU|RNN")


def _keeps_tokens(ip: Interpreter, model: Atom) -> bool:
    """Whether a model of the project embeds tokens, and nothing in its ``forward`` makes one of many."""
    if not isinstance(model, Obj) or model.kind != "instance" or not isinstance(model.data, Class):
        return False
    held = [ip.store.get(model, slot) for slot in ip.store.keys(model)]
    layers = [a for value in held if value is not None for a in value.atoms if isinstance(a, Obj)]
    inner = [part for layer in layers for part in HOLDS.of(ip).get(layer, ())]
    if not any(isinstance(one, Obj) and one.data == "torch.nn.Embedding" for one in (*layers, *inner)):
        return False
    forward = forward_of(ip, model)
    return forward is not None and not any(map(_takes_one_of_many, every(forward.node)))


def _takes_one_of_many(node: cst.CSTNode) -> bool:
    """A pooling call or layer, or an item taken by its place: ``h[:, -1]``, ``out[0]``."""
    if isinstance(node, cst.Call) and isinstance(node.func, cst.Attribute):
        return _POOLING.fullmatch(node.func.attr.value) is not None
    if isinstance(node, cst.Subscript):
        indices = [element.slice.value for element in node.slice if isinstance(element.slice, cst.Index)]
        return any(isinstance(i, (cst.Integer, cst.UnaryOperation)) for i in indices)
    return isinstance(node, cst.Name) and _POOLING.fullmatch(node.value) is not None
