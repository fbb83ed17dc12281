"""Tensors: backward passes, gradient scaling, and what leaves the graph."""

from __future__ import annotations

from dpmigrate.analysis import registry
from dpmigrate.analysis.core import Interpreter
from dpmigrate.analysis.domain.atoms import A_LENGTH, GRAD_MODE, Const, Length, Obj, Tensor
from dpmigrate.analysis.domain.values import NONE, Entry, Value, const, join_all, of
from dpmigrate.analysis.language.constants import LEAVES_THE_GRAPH
from dpmigrate.analysis.language.functions import unknown_call
from dpmigrate.analysis.library.gradients import record_backward, step_taken
from dpmigrate.analysis.library.torch.stepping import plain_step
from dpmigrate.analysis.registry import CallInfo, function, method
from dpmigrate.analysis.training import entries_of_kind


def _tell_of_request(ip: Interpreter, info: CallInfo, e: Entry) -> None:
    asked = CallInfo(info.node, [Value((e,)), *info.positional], info.keywords, name=info.name)
    registry.tell_hooks(ip, "<asked of a tensor>", asked)


@method("tensor", "backward")
def _backward(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    _tell_of_request(ip, info, e)
    retain = info.argument(1, "retain_graph")
    record_backward(ip, Value((e,)), info.node, via="backward", retained=Const(True) in retain.atoms)
    return NONE


@method("tensor", *LEAVES_THE_GRAPH)
def _leaves_the_graph(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    _tell_of_request(ip, info, e)
    return ip.unknown(info.node, f"result of {info.name}")


@method("unknown", "size")
def _size(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    """``records.size(0)``: how many there are."""
    if info.argument(0, "dim").only != Const(0):
        return unknown_call(ip, e.atom, info)
    return ip.unknown(info.node, A_LENGTH, frozenset({Length(e.atom)}))


@method("tensor", "*")
def tensor_method(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    t = e.atom
    assert isinstance(t, Tensor)
    _tell_of_request(ip, info, e)
    return of(t.after(info.name), guard=e.guard)


@function("torch.autograd.backward")
def _autograd_backward(ip: Interpreter, info: CallInfo) -> Value:
    losses = info.argument(0, "tensors")
    registry.tell_hooks(ip, "<tensor given>", CallInfo(info.node, [losses], name="torch.autograd.backward"))
    record_backward(ip, losses, info.node, via="torch.autograd.backward")
    return NONE


@method("unknown", "backward", "manual_backward")
@method("model", "manual_backward")
def _delegated_backward(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    record_backward(ip, join_all(info.everything()) or Value((e,)), info.node, via=info.name)
    return NONE


@function("torch.cuda.amp.GradScaler", "torch.amp.GradScaler", "torch.cuda.amp.grad_scaler.GradScaler")
def _make_scaler(ip: Interpreter, info: CallInfo) -> Value:
    made = ip.new("scaler", info.node)
    ip.store.set(made, "enabled", info.argument(None, "enabled") or const(True))
    return of(made)


@method(("scaler", "unknown"), "scale")
def _scale(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    given = info.argument(0, "outputs")
    registry.tell_hooks(ip, "<scaled>", CallInfo(info.node, [Value((e,)), given]))
    if not any(isinstance(a, Tensor) for a in given.atoms):
        return ip.unknown(info.node, "a scaled value")
    return given.map(lambda a: a.after("scaled") if isinstance(a, Tensor) else a)


@method(("scaler", "unknown"), "step")
def _scaler_step(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    for entry, optimizer in entries_of_kind(info.argument(0, "optimizer"), "dp-optimizer"):
        step_taken(ip, optimizer.data, info.node, entry.guard)
    stepped = info.argument(0, "optimizer").only
    if isinstance(stepped, Obj) and stepped.kind == "optimizer":
        plain_step(ip, stepped, info.node, e.guard)
    told = CallInfo(info.node, [Value((e,)), *info.positional], info.keywords)
    registry.tell_hooks(ip, "<step of something unknown>", told)
    return NONE


@function("torch.autocast", "torch.cuda.amp.autocast")
def _context(ip: Interpreter, info: CallInfo) -> Value:
    return ip.unknown(info.node, "a context")


@function(
    "torch.no_grad", "torch.autograd.no_grad", "torch.autograd.grad_mode.no_grad", "torch.inference_mode"
)
@function("torch.enable_grad", "torch.autograd.enable_grad", "torch.set_grad_enabled")
def _grad_mode(ip: Interpreter, info: CallInfo) -> Value:
    """A context in which torch keeps no graph, or keeps one; which of them, where it is known."""
    asked = info.argument(0, "mode").only
    on = info.name.endswith("enable_grad")
    if info.name.endswith(("set_grad_enabled", "inference_mode")) and info.everything():
        if not isinstance(asked, Const):
            return ip.unknown(info.node, "a context")
        on = bool(asked.value) == info.name.endswith("set_grad_enabled")
    return of(Obj(GRAD_MODE, (id(info.node), on), ip.module, info.node, on))
