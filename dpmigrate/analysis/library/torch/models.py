"""Modules: what they compute, their parameters, and what clears their gradients."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

import libcst as cst

from dpmigrate.analysis import registry
from dpmigrate.analysis.batches import passes_through, without_records
from dpmigrate.analysis.core import Interpreter
from dpmigrate.analysis.domain.atoms import Absent, Atom, Const, Obj, Tensor, Unknown
from dpmigrate.analysis.domain.values import NONE, NOTHING, Entry, Seq, Value, join_all, of
from dpmigrate.analysis.guards import together
from dpmigrate.analysis.language.assignment import iterate
from dpmigrate.analysis.language.classes import external_base
from dpmigrate.analysis.language.constants import opaque
from dpmigrate.analysis.language.holding import hold, whole_of
from dpmigrate.analysis.language.operators import is_penalty
from dpmigrate.analysis.ledger import Clearing
from dpmigrate.analysis.ledger.models import INPLACE_PLACES, DataParallel
from dpmigrate.analysis.ledger.reductions import COUPLED_MEANS
from dpmigrate.analysis.library.gradients import runs_of_raw, touch
from dpmigrate.analysis.library.torch.distributed import train_together
from dpmigrate.analysis.library.torch.names import real
from dpmigrate.analysis.library.torch.structure import KEYED, LAYERS, WRAPPED
from dpmigrate.analysis.library.trained_before import begins_anew, state_of
from dpmigrate.analysis.library.trained_plainly import all_drawn_again
from dpmigrate.analysis.registry import CallInfo, function, method, prefix
from dpmigrate.analysis.training import entries_of_kind

IN_PLACE = "<in place>"
"""The slot of a layer that holds what it was given as ``inplace``."""
BARE = "parameter"
"""What the symbol of a parameter begins with that is made by itself, `nn.Parameter(...)`."""
_JOINING = frozenset(["add", "cat", "concat", "hstack", "stack", "sub", "subtract", "vstack"])
"""Functions that put losses beside one another, or add them."""
_OF_TENSORS = frozenset(["isnan", "isfinite", "isinf", "mean", "sum", "log", "exp"])
"""Functions that take nothing but a tensor in their first place."""


@prefix("torch.nn.functional.", "torch.")
def torch_operation(ip: Interpreter, info: CallInfo) -> Value:
    """Any other function: what it makes of a tensor still has the tensor's maker."""
    step = info.name.rpartition(".")[2]
    if step in _OF_TENSORS:
        registry.tell_hooks(ip, "<tensor given>", CallInfo(info.node, info.positional[:1], name=info.name))
    registry.tell_hooks(ip, "<given to a function of tensors>", info)
    given = [
        (x.atom, together(e.guard, x.guard))
        for value in info.everything()
        for e in value.entries
        for x in (e.atom.each() if isinstance(e.atom, Seq) else Value((e,))).entries
    ]
    if step.endswith("_like"):  # ``torch.zeros_like(p)``: of its shape alone
        shaped = [of(_of_its_shape(atom), guard=guard) for atom, guard in given if isinstance(atom, Tensor)]
        return join_all(shaped) or ip.unknown(info.node, f"result of {info.name}")
    if step in _JOINING and any(is_penalty(atom) for atom, _ in given):
        step = "add-penalty"
    out = [of(atom.after(step), guard=guard) for atom, guard in given if isinstance(atom, Tensor)]
    given_to = () if without_records(step) else info.everything()
    return join_all(out) if out else opaque(ip, info.node, given_to, never_none=False)


def _of_its_shape(tensor: Tensor) -> Tensor:
    """A new tensor of the size of another, with nothing in it that went into that one."""
    return replace(tensor, detached=True, passes=frozenset())


@prefix(
    "torch.nn.", "torchvision.models.", "transformers.AutoModel", "timm.create_model", "torch_geometric.nn."
)
def _make_model(ip: Interpreter, info: CallInfo) -> Value:
    if info.name == "torch.nn.Parameter":
        return of(Unknown((BARE, id(info.node), ip.context), "a parameter"))
    if info.name.startswith("torch.nn.init."):
        all_drawn_again(ip)
    if info.name.startswith(("torch.nn.init.", "torch.nn.utils.")):
        return torch_operation(ip, info)
    made = ip.new("model", info.node, info.name)
    begins_anew(ip, made)
    _hold(ip, made, [*info.positional, *info.spread])
    taken = (a.parts for value in info.spread for a in value.atoms if isinstance(a, Unknown))
    _hold(ip, made, [of(part) for parts in taken for part in parts])  # `*list(resnet.children())[:-1]`
    if info.name == "torch.nn.Linear":
        ip.store.set(made, "<inputs>", info.argument(0, "in_features"))
        ip.store.set(made, "<outputs>", info.argument(1, "out_features"))
        ip.store.set(made, "<bias>", info.argument(2, "bias"))
    elif info.name == "torch.nn.Sequential" and not info.unknown_positional:
        first = info.positional[0].only if len(info.positional) == 1 else None
        named = (
            [ip.read(first, slot) or NOTHING for slot in ip.store.keys(first)] if _is_dict(first) else None
        )
        LAYERS.of(ip)[made] = list(info.positional) if named is None else named
    elif info.name == "torch.nn.ModuleDict":
        KEYED.of(ip)[made] = info.argument(0, "modules").atoms
    short = info.name.rpartition(".")[2]
    if short in INPLACE_PLACES:
        ip.store.set(made, IN_PLACE, info.argument(INPLACE_PLACES[short], "inplace"))
    if short in ("DataParallel", "DistributedDataParallel"):
        _wrap(ip, info, made, distributed=short != "DataParallel")
    if info.name == "torch.nn.parallel.DistributedDataParallel":
        train_together(ip, of(made))
    return of(made)


def _is_dict(atom: Atom | None) -> bool:
    return isinstance(atom, Obj) and atom.kind == "dict"


def _wrap(ip: Interpreter, info: CallInfo, made: Obj, distributed: bool) -> None:
    """``made`` computes with the model that it is given, a private one as well."""
    wrapped = info.argument(0, "module").select(_is_model)
    if wrapped:
        ip.store.set(made, "module", wrapped)
        WRAPPED.of(ip).setdefault(made, set()).update(wrapped.atoms)
    for entry, model in entries_of_kind(wrapped, "dp-model") if distributed else ():
        ip.happen(model.data, DataParallel(ip.at(info.node, entry.guard), before=False))


def _models_among(ip: Interpreter, values: Iterable[Value]) -> Iterator[Obj]:
    """The models that a container is made of: arguments, and items of a list or dict."""
    for atom in (a for value in values for a in value.atoms):
        if isinstance(atom, Obj) and atom.kind == "dict":
            held = (ip.read(atom, slot) for slot in ip.store.keys(atom))
            yield from _models_among(ip, [value for value in held if value])
        elif isinstance(atom, Obj) and _is_model(atom):
            yield atom
        elif isinstance(atom, Seq):
            yield from _models_among(ip, [atom.each()])


def _is_model(atom: Atom) -> bool:
    return isinstance(atom, Obj) and atom.kind in ("model", "instance", "dp-model")


@function("torch.compile", "torch.jit.script", "torch.nn.utils.fuse")
def _wrapping_model(ip: Interpreter, info: CallInfo) -> Value:
    return info.argument(0, "model")


@method("model", "from_pretrained")
def _pretrained(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    return of(ip.new("model", info.node, "pretrained"))


@method("model", "__call__", "forward", "*")
def _call_model(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    registry.tell_hooks(ip, "<kept>", CallInfo(info.node, [of(real(e.atom)), join_all(info.everything())]))
    inputs = [a for v in info.everything() for a in v.atoms if isinstance(a, Tensor)]
    reduction, penalties = None, frozenset[str]()
    if inputs:
        given = CallInfo(info.node, [of(real(e.atom)), *info.positional], info.keywords)
        told = [
            a for a in registry.tell_hooks(ip, "<given to a module>", given).atoms if isinstance(a, Tensor)
        ]
        if len(told) == 1 and told[0].reduction in COUPLED_MEANS:
            reduction = told[0].reduction
        penalties = frozenset(step for t in told for step in t.steps if step.endswith("-penalty"))
    inner = WRAPPED.of(ip).get(real(e.atom), set())
    sources = frozenset({real(e.atom), *inner}).union(*(t.reached for t in inputs))
    passes = passes_through(ip, real(e.atom), info)
    return of(Tensor(sources, real(e.atom), tuple(sorted(penalties)), passes=passes, reduction=reduction))


@function("<part of a model>")
def _call_part(ip: Interpreter, info: CallInfo) -> Value:
    """Calling ``model.encoder`` computes with the model; empty for what is no part of one."""
    callee = info.positional[0].only
    whole = whole_of(callee) if isinstance(callee, Unknown) else None
    if whole is None or (whole.kind == "instance" and external_base(ip, whole.data) != "model"):
        return NOTHING
    given = replace(info, positional=info.positional[1:])
    inputs = [a for v in given.positional for a in v.atoms if isinstance(a, Tensor)]
    sources = frozenset[Atom]({whole}).union(*(t.reached for t in inputs))
    steps = (f".{info.name}",) if info.name else ()
    return of(Tensor(sources, whole, steps, passes=passes_through(ip, whole, given)))


@method("model", "state_dict")
def _state(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    return state_of(ip, real(e.atom), info.node)


@method("model", "buffers", "register_buffer", "register_forward_hook", "save_pretrained")
@method(
    "model", "gradient_checkpointing_enable", "print_trainable_parameters", "num_parameters", "get_submodule"
)
def _no_tensor(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    return ip.unknown(info.node, f"result of {info.name}", frozenset({real(e.atom)}))


@method(("model", "dp-model"), "modules", "children", "named_modules", "named_children")
def _parts(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    """The layers of a model, each a part of it as ``model.encoder`` is one."""
    whole = real(e.atom)
    assert isinstance(whole, Obj)
    named = info.name.startswith("named_")
    place = (whole.key, ".", info.name.removeprefix("named_"))
    parts = of(Unknown(place, f"result of {info.name}", frozenset({whole})), *e.because)
    if not named:
        return parts
    return of(Seq(None, of(Seq((ip.unknown(info.node, "a name"), iterate(ip, parts, info.node))))))


@method("model", "__init__")
def _init_model(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    """``super().__init__(nn.Linear(8, 8), nn.ReLU())`` of a Sequential's class: what it is made of."""
    begins_anew(ip, real(e.atom))
    _hold(ip, e.atom, [*info.positional, *info.spread])
    if info.positional and not info.unknown_positional:
        LAYERS.of(ip)[real(e.atom)] = list(info.positional)
    return _no_tensor(ip, info, e)


@method("model", "append", "extend", "insert", "add_module", "register_module")
def _add_layers(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    """``layers.append(nn.Linear(8, 8))`` of a ModuleList: one more that it holds."""
    _hold(ip, e.atom, info.everything())
    name = info.argument(0, "name").only if info.name.endswith("_module") else None
    if isinstance(name, Const) and isinstance(name.value, str):
        ip.store.set(real(e.atom), name.value, info.argument(1, "module"))
    layers = LAYERS.of(ip).get(real(e.atom))
    if layers is not None and (ip.conditional or ip.loops or info.name in ("insert", "extend")):
        del LAYERS.of(ip)[real(e.atom)]
    elif layers is not None:
        layers.append(info.argument(0 if info.name == "append" else 1, "module"))
    return of(real(e.atom))


@method("model", "<set item>")
def _put_layer(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    """``blocks["first"] = nn.Linear(8, 8)`` of a ModuleDict."""
    _hold(ip, e.atom, info.positional[1:])
    LAYERS.of(ip).pop(real(e.atom), None)
    return NONE


def _hold(ip: Interpreter, container: Atom, values: Iterable[Value]) -> None:
    hold(ip, real(container), list(_models_among(ip, values)))


@method(("model", "dp-model"), "<item>")
def _layer(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    """``model[0]``: a part, as ``model.encoder`` is one."""
    whole = real(e.atom)
    index = info.positional[0].only if info.positional else None
    name = repr(index.value) if isinstance(index, Const) else "[]"
    assert isinstance(whole, Obj)
    return of(Unknown((whole.key, ".", name), "a layer", frozenset({whole})), *e.because)


def _each_layer(ip: Interpreter, e: Entry, node: cst.CSTNode) -> Value:
    """``for layer in self.layers:``: some part."""
    whole = real(e.atom)
    assert isinstance(whole, Obj)
    return of(Unknown((whole.key, ".", "element"), "a layer", frozenset({whole})), *e.because)


registry.ITERATION["model"] = _each_layer


@method("model", "reset_parameters")
def _drawn_again(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    all_drawn_again(ip)
    return NONE


@method(("model", "optimizer"), "zero_grad")
def _zero_grad(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    for run in runs_of_raw(ip, real(e.atom)):
        touch(ip, run, info.node, clearing_of(info, default=True), raw=True)
    return NONE


def clearing_of(info: CallInfo, default: bool) -> Clearing:
    """What a ``zero_grad`` call does: "none", "inplace" or "unknown"."""
    given = info.argument(0, "set_to_none").select(lambda a: not isinstance(a, Absent))
    if not given:
        return "none" if default else "inplace"
    if isinstance(given.only, Const):
        return "none" if given.only.value else "inplace"
    return "unknown"
