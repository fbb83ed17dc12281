"""Arithmetic by its names: ``torch.div(loss, n)`` and ``loss.mul(n)`` mean what the operators mean."""

from __future__ import annotations

from dpmigrate.analysis.core import Interpreter
from dpmigrate.analysis.domain.atoms import Tensor
from dpmigrate.analysis.domain.values import Entry, Value
from dpmigrate.analysis.language.operators import arithmetic
from dpmigrate.analysis.library.torch.models import torch_operation
from dpmigrate.analysis.library.torch.tensors import tensor_method
from dpmigrate.analysis.registry import CallInfo, function, method

_OPERATORS = {
    "add": "Add",
    "sub": "Subtract",
    "subtract": "Subtract",
    "mul": "Multiply",
    "multiply": "Multiply",
    "div": "Divide",
    "divide": "Divide",
    "true_divide": "Divide",
}


@function(*(f"torch.{name}" for name in _OPERATORS))
def _by_a_function(ip: Interpreter, info: CallInfo) -> Value:
    result = torch_operation(ip, info)
    tensors = any(isinstance(e.atom, Tensor) for value in info.positional for e in value.entries)
    if not tensors or len(info.positional) != 2 or info.keywords:  # ``alpha=``, ``rounding_mode=``
        return result
    left, right = info.positional
    return arithmetic(ip, _OPERATORS[info.name.rpartition(".")[2]], left, right, info.node)


@method("tensor", *_OPERATORS)
def _by_a_method(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    result = tensor_method(ip, info, e)
    if len(info.positional) != 1 or info.keywords:
        return result
    return arithmetic(ip, _OPERATORS[info.name], Value((e,)), info.positional[0], info.node)
