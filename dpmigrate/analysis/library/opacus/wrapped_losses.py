"""What a wrapped loss is asked for that only tensors have.

The criterion that ghost mode returns gives a ``DPTensorFastGradientClipping``: it has ``item()``,
``backward()`` without arguments, since 1.6.0 ``detach()`` and arithmetic, and nothing else of a tensor
(``opacus/utils/fast_gradient_clipping_utils.py``, 1.5.3 to 1.6.0).
"""

from __future__ import annotations

import libcst as cst

from dpmigrate.analysis.core import Interpreter
from dpmigrate.analysis.domain.atoms import Atom, Const, Obj, Tensor
from dpmigrate.analysis.domain.values import NOTHING, Value
from dpmigrate.analysis.ledger.gradients import UsedAsTensor
from dpmigrate.analysis.registry import CallInfo, function

_ITS_OWN = frozenset(["item", "loss_per_sample", "loss_reduction", "module", "optimizer"])
_SINCE_1_6_0 = frozenset(["detach", "accelerator.backward"])
_ARITHMETIC = frozenset(["add", "sub", "mul", "div"])


def is_wrapped_loss(atom: Atom) -> bool:
    """Whether it is what the wrapped criterion gave, with nothing but arithmetic done to it."""
    if not isinstance(atom, Tensor) or not isinstance(atom.maker, Obj) or atom.maker.kind != "dp-criterion":
        return False
    return all(step.partition("-")[0] in _ARITHMETIC for step in atom.steps)


def _used(ip: Interpreter, node: cst.CSTNode, value: Value, text: str, understood: bool = False) -> None:
    for e in value.entries:
        if is_wrapped_loss(e.atom) and isinstance(e.atom, Tensor) and isinstance(e.atom.maker, Obj):
            ip.happen(e.atom.maker.data, UsedAsTensor(ip.at(node, e.guard), text, understood))


@function("<asked of a tensor>")
def _asked(ip: Interpreter, info: CallInfo) -> Value:
    """A method is called, or an attribute is read."""
    if info.name == "backward":
        if info.positional[1:] or info.keywords:
            name = next(iter(info.keywords), "gradient")
            _used(ip, info.node, info.positional[0], f"`backward({name}=...)`")
    elif info.name not in _ITS_OWN:
        called = "()" if isinstance(info.node, cst.Call) else ""
        _used(ip, info.node, info.positional[0], f"`.{info.name}{called}`", info.name in _SINCE_1_6_0)
    return NOTHING


@function("<tensor given>")
def _given(ip: Interpreter, info: CallInfo) -> Value:
    """A tensor is given to something that takes tensors, or numbers, alone."""
    for value in info.positional:
        _used(ip, info.node, value, f"`{info.name}(...)`", info.name in _SINCE_1_6_0)
    return NOTHING


@function("math.isnan", "math.isfinite", "math.isinf")
def _test_of_a_number(ip: Interpreter, info: CallInfo) -> Value:
    for value in info.positional[:1]:
        _used(ip, info.node, value, f"`{info.name}(...)`")
    return ip.unknown(info.node, "a test of a number")


@function("<formatted>")
def _formatted(ip: Interpreter, info: CallInfo) -> Value:
    """A value is written by a format of numbers."""
    _used(ip, info.node, info.positional[0], f"`{info.name}`")
    return NOTHING


@function("<scaled>")
def _scaled(ip: Interpreter, info: CallInfo) -> Value:
    """A gradient scaler that can be switched on gets it; one that is switched off passes it on."""
    scaler, given = info.positional
    for atom in scaler.atoms:
        enabled = ip.read(atom, "enabled") if isinstance(atom, Obj) else None
        if enabled is not None and Const(True) in enabled.atoms:
            _used(ip, info.node, given, "`scaler.scale(...)`")
    return NOTHING
