"""Parameters of models, one or all of them: what computes with them, and what writes to their gradients."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import replace

import libcst as cst

from dpmigrate.analysis.core import Interpreter
from dpmigrate.analysis.domain.atoms import Atom, Const, Obj, Params, Unknown, is_one_of_several
from dpmigrate.analysis.domain.values import NONE, NOTHING, Entry, Seq, Value, of
from dpmigrate.analysis.language.functions import unknown_call
from dpmigrate.analysis.language.holding import parameter_of, runs_of_model, whole_of
from dpmigrate.analysis.ledger import Clearing
from dpmigrate.analysis.ledger.gradients import Change
from dpmigrate.analysis.library import pending, rounds
from dpmigrate.analysis.library.gradients import record_backward, runs_of_raw, touch
from dpmigrate.analysis.library.torch.models import BARE, torch_operation
from dpmigrate.analysis.library.torch.names import real
from dpmigrate.analysis.library.torch.stepping import moved_along
from dpmigrate.analysis.library.torch.trainable import set_trainable
from dpmigrate.analysis.notes import Slot
from dpmigrate.analysis.registry import CallInfo, function, method, prefix
from dpmigrate.analysis.training import TrainingRun

_CLIPPING = ("clip_grad_norm", "clip_grad_norm_", "clip_grad_value_", "clip_grads_with_norm_")
_WRITING = (
    "add",
    "sub",
    "mul",
    "div",
    "clamp",
    "clip",
    "copy",
    "fill",
    "zero",
    "normal",
    "uniform",
    "masked_fill",
)
"""What a tensor's methods do in place, by their names without the last underscore."""

_GRADIENTS_OF: Slot[dict[Hashable, Value]] = Slot(dict)
"""By the symbol of gradients: the losses that they were made of."""


@method(("model", "dp-model"), "parameters", "trainable_parameters")
def _parameters(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    return of(Params(frozenset({real(e.atom)})))


@method("unknown", "parameters")
def _parameters_of_a_part(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    whole = whole_of(e.atom) if isinstance(e.atom, Unknown) else None
    if whole is not None:
        return of(Params(frozenset({whole}), part=True))
    if not isinstance(e.atom, Unknown) or info.everything() or is_one_of_several(e.atom.symbol):
        return unknown_call(ip, e.atom, info)
    return of(Params(frozenset({e.atom})))  # of a model that came in from outside, or of a part of one


@method("unknown", "named_parameters")
def _named_parameters_of_a_part(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    given = _parameters_of_a_part(ip, info, e)
    if not isinstance(given.only, Params):
        return given
    return of(Seq(None, of(Seq((ip.unknown(info.node, "a name"), given)))))


@method("unknown", "requires_grad_")
@method(("model", "dp-model"), "requires_grad_")
def _train_or_freeze(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    whole = whole_of(e.atom) if isinstance(e.atom, Unknown) else real(e.atom)
    if whole is not None:
        which = e.atom.symbol if isinstance(e.atom, Unknown) else None
        set_trainable(ip, [whole], info.node, info.argument(0, "requires_grad"), e.guard, which=which)
    return of(real(e.atom), *e.because)


@method(("model", "dp-model"), "named_parameters")
def _named_parameters(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    pair = Seq((ip.unknown(info.node, "a name"), of(Params(frozenset({real(e.atom)})))))
    return of(Seq(None, of(pair)))


@method("params", "item", "tolist", "numpy", "numel", "nelement", "size", "dim", "element_size")
def _number_of_parameters(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    return ip.unknown(info.node, f"result of {info.name}")


@method("params", "zero_", "detach_", "requires_grad_", "data", "*")
def _on_parameters(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    parameters = e.atom
    assert isinstance(parameters, Params)
    if info.name == "requires_grad_":
        trained = info.argument(0, "requires_grad")
        set_trainable(ip, parameters.models, info.node, trained, e.guard, parameters.part)
    if not parameters.of_gradient and info.name == "detach":
        return ip.unknown(info.node, "detached parameters", parameters.models)
    if not parameters.of_gradient:
        if info.name in _MOVING:
            moved_along(ip, Value((e,)), info.node, info.node)
        other = info.argument(0, "other") or info.argument(0, "end")
        if info.name == "copy_" or (info.name in _MOVING and _of_a_run(ip, other)):
            _load_into(ip, parameters, info, other)
        return Value((e,))
    if info.name.endswith("_"):
        _written_to(ip, parameters, info.node, info.name)
    elif info.name not in _SAME_NUMBERS:
        return ip.unknown(info.node, "made of gradients")
    return Value((e,))


_MOVING = frozenset(["add_", "sub_", "lerp_"])
"""What moves parameters towards others, as an average of weights does."""


def _of_a_run(ip: Interpreter, value: Value) -> bool:
    """Whether a value is made of the parameters of a private model."""
    models = [m for a in value.atoms if isinstance(a, Params) and not a.of_gradient for m in a.models]
    return any(runs_of_model(ip, model) for model in models)


_SAME_NUMBERS = frozenset(["detach", "view", "view_as", "reshape", "flatten", "squeeze", "unsqueeze", "t"])
"""Methods whose result shares its numbers with what they are called on."""


def _written_to(ip: Interpreter, gradients: Params, node: cst.CSTNode, how: str) -> None:
    """An operation in place on gradients: ``zero_`` clears them, any other one changes them."""
    if how in ("zero_", "_foreach_zero_"):
        _touch_models(ip, gradients, node, "inplace")
    elif not how.startswith(("detach", "requires_grad", "share_memory")):
        _change_gradients(ip, gradients.models, node, "written")


@function(*(f"torch.nn.utils.{place}vector_to_parameters" for place in ("", "convert_parameters.")))
def _from_a_vector(ip: Interpreter, info: CallInfo) -> Value:
    for parameters in parameters_in(ip, info.argument(1, "parameters")):
        _load_into(ip, parameters, info, info.argument(0, "vec"))
    return NONE


def _load_into(ip: Interpreter, parameters: Params, info: CallInfo, weights: Value) -> None:
    """Parameters get the numbers of something, as by ``load_state_dict``."""
    for model in parameters.models if not parameters.part else ():
        rounds.loaded(ip, model, CallInfo(info.node, [weights], name=info.name))


@method("unknown", *(f"{name}_" for name in _WRITING))
def _on_one_gradient(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    """``model.fc.weight.grad.mul_(0.5)``."""
    gradient = parameter_of(e.atom) if isinstance(e.atom, Unknown) else None
    if gradient is not None and gradient.of_gradient:
        _written_to(ip, gradient, info.node, info.name)
    return unknown_call(ip, e.atom, info)


@prefix("torch._foreach_")
def _for_each(ip: Interpreter, info: CallInfo) -> Value:
    """``torch._foreach_mul_([p.grad for p in parameters], 0.5)``."""
    given = info.argument(0, "self")
    for gradients in parameters_in(ip, given) if info.name.endswith("_") else ():
        if gradients.of_gradient:
            _written_to(ip, gradients, info.node, info.name.rpartition(".")[2])
    return torch_operation(ip, info)


@method(("model", "dp-model", "unknown"), "get_parameter")
def _one_parameter(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    """``model.get_parameter("fc.weight")``."""
    of_all = _parameters_of_a_part if isinstance(e.atom, Unknown) else _parameters
    given = of_all(ip, info, e)
    return given.map(lambda atom: replace(atom, part=True) if isinstance(atom, Params) else atom)


@function("<gradient assignment>")
def _assign_gradient(ip: Interpreter, info: CallInfo) -> Value:
    params, new = info.positional
    how: Clearing = "none" if new.only == Const(None) else "unknown"
    for atom in params.atoms:
        if isinstance(atom, Params):
            _touch_models(ip, atom, info.node, how)
            losses = _losses_of(ip, new.only)
            if losses is not None:
                record_backward(ip, losses, info.node, via="torch.autograd.grad")
            elif how == "unknown":
                _change_gradients(ip, atom.models, info.node, "written")
        whole = whole_of(atom) if isinstance(atom, Unknown) and how == "unknown" else None
        for run in runs_of_model(ip, whole) if whole is not None else ():
            pending.change(ip, run, info.node, "written")
    return NONE


@function("torch.autograd.grad")
def _gradients(ip: Interpreter, info: CallInfo) -> Value:
    """``torch.autograd.grad(loss, parameters)``: a backward pass, once they are written to ``.grad``."""
    graph = info.argument(None, "create_graph")
    if graph.only not in (None, Const(False)) or not models_in(ip, info.argument(1, "inputs")):
        return torch_operation(ip, info)
    made = ip.unknown(info.node, "gradients")
    for atom in made.atoms:
        if isinstance(atom, Unknown):
            _GRADIENTS_OF.of(ip)[atom.symbol] = info.argument(0, "outputs")
    return made


def _losses_of(ip: Interpreter, gradient: Atom | None) -> Value | None:
    """The losses of which ``torch.autograd.grad`` made a gradient; None for anything else."""
    symbol: Hashable = gradient.symbol if isinstance(gradient, Unknown) else None
    while isinstance(symbol, tuple) and len(symbol) == 3 and symbol[1] == ".":
        symbol = symbol[0]
    return _GRADIENTS_OF.of(ip).get(symbol)


@function("<assign params.grad_sample>")
def _assign_samples(ip: Interpreter, info: CallInfo) -> Value:
    """``p.grad_sample = None``: what standard clipping would have clipped is lost."""
    params, new = info.positional
    for atom in params.atoms:
        if isinstance(atom, Params) and not atom.part and new.only == Const(None):
            for run in _runs_of(ip, atom.models):
                if run.mode == "hooks":
                    pending.touch_pending(ip, run, info.node, "none", raw=False)
    return NONE


@function(*(f"torch.nn.utils.{place}{name}" for place in ("", "clip_grad.") for name in _CLIPPING))
def _clip_gradients(ip: Interpreter, info: CallInfo) -> Value:
    _change_gradients(ip, models_in(ip, info.argument(0, "parameters")), info.node, "clipped")
    return ip.unknown(info.node, "a norm")


@method(("accelerator", "unknown"), "clip_grad_norm_", "clip_grad_value_")
def _clip_gradients_by(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    """``accelerator.clip_grad_norm_(model.parameters(), ...)``, ``fabric...``."""
    return _clip_gradients(ip, info)


def _of_its_module(ip: Interpreter, atom: Unknown) -> Params | None:
    """``net.scale``, which ``self.scale = nn.Parameter(...)`` made."""
    if not isinstance(atom.symbol, tuple) or atom.symbol[:1] != (BARE,):
        return None
    slots = ((owner, ip.store.get(owner, slot)) for owner in ip.instances for slot in ip.store.keys(owner))
    owners = frozenset(owner for owner, held in slots if held is not None and held.only == atom)
    return Params(owners, part=True) if owners else None


def models_in(ip: Interpreter, value: Value) -> frozenset[Atom]:
    """The models whose parameters a value holds, however they are nested."""
    return frozenset().union(*(parameters.models for parameters in parameters_in(ip, value)))


def parameters_in(ip: Interpreter, value: Value, depth: int = 3) -> Iterator[Params]:
    """The parameters that a value holds, group by group."""
    for atom in value.atoms:
        if isinstance(atom, Params):
            yield atom
        elif isinstance(atom, Unknown):
            yield from (part for part in atom.parts if isinstance(part, Params))
            one = parameter_of(atom) or _of_its_module(ip, atom)
            if one is not None and not one.of_gradient:
                yield one
        elif isinstance(atom, Seq) and depth:
            items = [atom.each()] if atom.items is None else atom.items
            for item in items:
                yield from parameters_in(ip, item, depth - 1)
        elif isinstance(atom, Obj) and atom.kind == "dict" and depth:
            for slot in ip.store.keys(atom):
                yield from parameters_in(ip, ip.read(atom, slot) or NOTHING, depth - 1)


def _change_gradients(ip: Interpreter, models: frozenset[Atom], node: cst.CSTNode, how: Change) -> None:
    for run in _runs_of(ip, models):
        pending.change(ip, run, node, how)


def _touch_models(ip: Interpreter, parameters: Params, node: cst.CSTNode, how: Clearing) -> None:
    for run in _runs_of(ip, parameters.models):
        touch(ip, run, node, "unknown" if parameters.part else how, raw=True)


def _runs_of(ip: Interpreter, models: frozenset[Atom]) -> Iterator[TrainingRun]:
    """The runs that train these models, private or as they were passed in."""
    for model in models:
        if isinstance(model, Obj) and model.kind == "dp-model":
            yield model.data
        else:
            yield from runs_of_raw(ip, model)
