"""What PyTorch's names mean to the analysis: models, losses, optimizers, loaders, generators, seeds."""

from __future__ import annotations

import libcst as cst

from dpmigrate.analysis.classes import BASE_KINDS
from dpmigrate.analysis.core import Interpreter
from dpmigrate.analysis.library import registry
from dpmigrate.analysis.library.gradients import record_backward, runs_of_raw, step_taken, touch
from dpmigrate.analysis.library.registry import CallInfo, attribute, function, method, prefix
from dpmigrate.analysis.training import entries_of_kind
from dpmigrate.analysis.values import (
    NONE,
    NOTHING,
    Absent,
    Atom,
    Const,
    Entry,
    External,
    Obj,
    Params,
    Seq,
    Tensor,
    Unknown,
    Value,
    const,
    join_all,
    of,
)

LOSS_FUNCTIONS = frozenset(
    [
        "cross_entropy",
        "nll_loss",
        "mse_loss",
        "l1_loss",
        "smooth_l1_loss",
        "huber_loss",
        "binary_cross_entropy",
        "binary_cross_entropy_with_logits",
        "kl_div",
        "poisson_nll_loss",
        "gaussian_nll_loss",
        "hinge_embedding_loss",
        "margin_ranking_loss",
        "multi_margin_loss",
        "multilabel_margin_loss",
        "multilabel_soft_margin_loss",
        "soft_margin_loss",
        "triplet_margin_loss",
        "cosine_embedding_loss",
        "ctc_loss",
    ]
)


def _canonical(name: str) -> str:
    parts = name.split(".")
    if parts[:3] == ["torch", "nn", "modules"] and len(parts) > 4:
        return "torch.nn." + parts[-1]
    if name.startswith("torch.utils.data.") and len(parts) > 4:
        return "torch.utils.data." + parts[-1]
    if parts[:2] == ["torch", "optim"] and len(parts) == 4 and parts[2] != "lr_scheduler":
        return "torch.optim." + parts[-1]
    return {"torch.random.manual_seed": "torch.manual_seed", "torch._C.Generator": "torch.Generator"}.get(
        name, name
    )


registry.CANONICAL["torch"] = _canonical

BASE_KINDS.update(
    {
        "torch.nn.Module": "model",
        "torch.nn.Sequential": "model",
        "torch.nn.parallel.DistributedDataParallel": "model",
        "torch.optim.Optimizer": "optimizer",
        "torch.utils.data.DataLoader": "loader",
        "torch.utils.data.Dataset": "dataset",
        "torch.utils.data.IterableDataset": "dataset",
    }
)


def real(atom: Atom) -> Atom:
    """The object itself, where ``atom`` only stands for it as an instance of a library class."""
    if isinstance(atom, Obj) and isinstance(atom.data, Obj) and atom.data.kind == "instance":
        return atom.data
    return atom


# -- losses -----------------------------------------------------------------------------------

for _loss in [
    "CrossEntropyLoss",
    "NLLLoss",
    "NLLLoss2d",
    "MSELoss",
    "L1Loss",
    "SmoothL1Loss",
    "HuberLoss",
    "BCELoss",
    "BCEWithLogitsLoss",
    "KLDivLoss",
    "PoissonNLLLoss",
    "GaussianNLLLoss",
    "HingeEmbeddingLoss",
    "MarginRankingLoss",
    "MultiMarginLoss",
    "MultiLabelMarginLoss",
    "MultiLabelSoftMarginLoss",
    "SoftMarginLoss",
    "TripletMarginLoss",
    "CosineEmbeddingLoss",
    "CTCLoss",
]:
    BASE_KINDS[f"torch.nn.{_loss}"] = "criterion"


def _make_criterion(ip: Interpreter, info: CallInfo) -> Value:
    made = ip.new("criterion", info.node, info.name)
    given = info.argument(None, "reduction")
    ip.store.set(made, "reduction", given or const("mean", ip.origin(info.node, "default reduction")))
    for name, value in info.keywords.items():
        ip.store.set(made, name, value)
    return of(made)


for _name, _kind in list(BASE_KINDS.items()):
    if _kind == "criterion":
        registry.FUNCTIONS[_name] = _make_criterion


@method("criterion", "__init__")
def _init_criterion(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    given = info.argument(None, "reduction")
    ip.store.set(real(e.atom), "reduction", given or const("mean"))
    return NONE


@method("criterion", "__call__", "forward")
def _call_criterion(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    reduction = ip.read(real(e.atom), "reduction")
    return _loss_tensor(info, real(e.atom), reduction)


@method("criterion", "to", "cuda", "cpu", "train", "eval", "float", "double", "half")
@method(
    "model", "to", "cuda", "cpu", "train", "eval", "float", "double", "half", "requires_grad_", "bfloat16"
)
@method("model", "apply", "compile", "share_memory", "type", "xpu", "to_empty")
@method("loader", "set_epoch", "with_epoch")
def _itself(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    return of(real(e.atom), *e.because)


def _loss_tensor(info: CallInfo, maker: Atom, reduction: Value | None) -> Value:
    inputs = [a for v in info.everything() for a in v.atoms if isinstance(a, Tensor)]
    sources = frozenset().union(*(t.sources for t in inputs)) if inputs else frozenset[Atom]()
    only = reduction.only if reduction is not None else None
    text = only.value if isinstance(only, Const) and isinstance(only.value, str) else None
    return of(Tensor(sources, maker, (), None, text))


def _loss_function(ip: Interpreter, info: CallInfo) -> Value:
    return _loss_tensor(info, External(info.name), info.argument(None, "reduction") or const("mean"))


for _short in LOSS_FUNCTIONS:
    registry.FUNCTIONS[f"torch.nn.functional.{_short}"] = _loss_function


# -- models -----------------------------------------------------------------------------------


@prefix("torch.nn.functional.", "torch.")
def _torch_operation(ip: Interpreter, info: CallInfo) -> Value:
    """Any other function: what it makes of a tensor still has the tensor's maker."""
    step = info.name.rpartition(".")[2]
    out = []
    for value in info.everything():
        for e in value.entries:
            inner = e.atom.each() if isinstance(e.atom, Seq) else Value((e,))
            for x in inner.entries:
                if isinstance(x.atom, Tensor):
                    t = x.atom
                    out.append(
                        of(Tensor(t.sources, t.maker, (*t.steps, step)[-6:], t.coefficient, t.reduction))
                    )
    return join_all(out) if out else ip.unknown(info.node, info.name)


@prefix(
    "torch.nn.", "torchvision.models.", "transformers.AutoModel", "timm.create_model", "torch_geometric.nn."
)
def _make_model(ip: Interpreter, info: CallInfo) -> Value:
    if info.name == "torch.nn.Parameter":
        return of(Unknown(("parameter", id(info.node), ip.context), "a parameter"))
    if info.name.startswith(("torch.nn.init.", "torch.nn.utils.")):
        return _torch_operation(ip, info)
    made = ip.new("model", info.node, info.name)
    wrapped = [e for v in info.positional[:1] for e in v.entries if _is_model(e.atom)]
    if wrapped and info.name.rpartition(".")[2] in ("DataParallel", "DistributedDataParallel"):
        ip.store.set(made, "module", Value(tuple(wrapped)))
        ip.notes.setdefault(("wraps", made), set()).update(x.atom for x in wrapped)
    return of(made)


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
    inputs = [a for v in info.everything() for a in v.atoms if isinstance(a, Tensor)]
    sources = frozenset({real(e.atom)}).union(*(t.sources for t in inputs))
    return of(Tensor(sources, real(e.atom)))


@method(
    "model",
    "state_dict",
    "load_state_dict",
    "modules",
    "named_modules",
    "children",
    "named_children",
    "buffers",
)
@method("model", "__init__", "register_buffer", "register_forward_hook", "add_module", "save_pretrained")
@method(
    "model", "gradient_checkpointing_enable", "print_trainable_parameters", "num_parameters", "get_submodule"
)
def _no_tensor(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    return ip.unknown(info.node, f"result of {info.name}", frozenset({real(e.atom)}))


@method(("model", "dp-model"), "parameters", "trainable_parameters")
def _parameters(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    return of(Params(frozenset({real(e.atom)})))


@method(("model", "dp-model"), "named_parameters")
def _named_parameters(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    pair = Seq((ip.unknown(info.node, "a name"), of(Params(frozenset({real(e.atom)})))))
    return of(Seq(None, of(pair)))


@method("model", "zero_grad")
def _model_zero_grad(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    for run in runs_of_raw(ip, real(e.atom)):
        touch(ip, run, info.node, set_to_none(info, default=True))
    return NONE


def set_to_none(info: CallInfo, default: bool) -> str:
    """What a ``zero_grad`` call does: "none", "inplace" or "unknown"."""
    given = info.argument(0, "set_to_none").select(lambda a: not isinstance(a, Absent))
    if not given:
        return "none" if default else "inplace"
    if isinstance(given.only, Const):
        return "none" if given.only.value else "inplace"
    return "unknown"


@method("params", "zero_", "detach_", "requires_grad_", "data", "*")
def _on_parameters(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    if info.name == "zero_" and isinstance(e.atom, Params):
        _touch_models(ip, e.atom.models, info.node, "inplace")
    return Value((e,))


@function("<gradient assignment>")
def _assign_gradient(ip: Interpreter, info: CallInfo) -> Value:
    params, new = info.positional
    how = "none" if new.only == Const(None) else "unknown"
    for atom in params.atoms:
        if isinstance(atom, Params):
            _touch_models(ip, atom.models, info.node, how)
    return NONE


def _touch_models(ip: Interpreter, models: frozenset[Atom], node: cst.CSTNode, how: str) -> None:
    for model in models:
        runs = [model.data] if isinstance(model, Obj) and model.kind == "dp-model" else runs_of_raw(ip, model)
        for run in runs:
            touch(ip, run, node, how)


# -- optimizers -------------------------------------------------------------------------------


def models_in(ip: Interpreter, value: Value, depth: int = 3) -> frozenset[Atom]:
    """The models whose parameters a value holds, however they are nested."""
    found: set[Atom] = set()
    for atom in value.atoms:
        if isinstance(atom, Params):
            found |= atom.models
        elif isinstance(atom, Unknown):
            for part in atom.parts:
                if isinstance(part, Params):
                    found |= part.models
        elif isinstance(atom, Seq) and depth:
            found |= models_in(ip, atom.each(), depth - 1)
        elif isinstance(atom, Obj) and atom.kind == "dict" and depth:
            for slot in ip.store.keys(atom):
                found |= models_in(ip, ip.read(atom, slot) or NOTHING, depth - 1)
    return frozenset(found)


@prefix("torch.optim.", "transformers.AdamW", "transformers.optimization.", "bitsandbytes.optim.")
def _make_optimizer(ip: Interpreter, info: CallInfo) -> Value:
    if ".lr_scheduler." in info.name or "schedule" in info.name:
        return ip.unknown(info.node, "a scheduler")
    made = ip.new("optimizer", info.node, info.name)
    ip.notes.setdefault(("models", made), set()).update(models_in(ip, info.argument(0, "params")))
    return of(made)


@method("optimizer", "__init__")
def _init_optimizer(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    ip.notes.setdefault(("models", real(e.atom)), set()).update(models_in(ip, info.argument(0, "params")))
    return NONE


@method("optimizer", "zero_grad")
def _optimizer_zero_grad(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    for run in runs_of_raw(ip, real(e.atom)):
        touch(ip, run, info.node, set_to_none(info, default=True))
    return NONE


@method("optimizer", "step")
def _optimizer_step(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    for run in runs_of_raw(ip, real(e.atom)):
        ip.happen(run, "step", info.node, e.guard, raw=True)
    return NONE


# -- data -------------------------------------------------------------------------------------


@function("torch.utils.data.DataLoader", "torch_geometric.loader.DataLoader")
def _make_loader(ip: Interpreter, info: CallInfo) -> Value:
    made = ip.new("loader", info.node, info.name)
    _init_loader(ip, info, Entry(made))
    return of(made)


@method("loader", "__init__")
def _init_loader(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    names = ("dataset", "batch_size", "shuffle", "sampler", "batch_sampler")
    for position, name in enumerate(names):
        value = info.argument(position, name)
        if value:
            ip.store.set(real(e.atom), name, value)
    for name in ("generator", "drop_last"):
        if name in info.keywords:
            ip.store.set(real(e.atom), name, info.keywords[name])
    return NONE


def _iterate_loader(ip: Interpreter, e: Entry, node: cst.CSTNode) -> Value:
    for run in runs_of_raw(ip, real(e.atom)):
        ip.happen(run, "iterate", node, e.guard, loader="passed")
    return ip.unknown(node, "a batch")


registry.ITERATION["loader"] = _iterate_loader


@prefix("torch.utils.data.", "torchvision.datasets.", "datasets.load_dataset")
def _make_dataset(ip: Interpreter, info: CallInfo) -> Value:
    if "ampler" in info.name:
        return of(ip.new("sampler", info.node, info.name))
    if info.name.endswith("random_split"):
        return of(Seq(None, of(ip.new("dataset", info.node, info.name))))
    return of(ip.new("dataset", info.node, info.name))


# -- randomness -------------------------------------------------------------------------------


@function("torch.Generator")
def _make_generator(ip: Interpreter, info: CallInfo) -> Value:
    made = ip.new("generator", info.node)
    ip.store.set(made, "<state>", const("unseeded", ip.origin(info.node, "a bare torch.Generator()")))
    return of(made)


@method("generator", "manual_seed")
def _seed_generator(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    ip.store.set(e.atom, "<state>", const("seeded", ip.origin(info.node, "manual_seed")))
    ip.store.set(e.atom, "<seed>", info.argument(0, "seed"))
    ip.notes.setdefault(("seeded in loop", e.atom), []).append((tuple(ip.loops), ip.origin(info.node)))
    return of(e.atom)


@method("generator", "seed")
def _entropy(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    ip.store.set(e.atom, "<state>", const("entropy", ip.origin(info.node, "seed()")))
    return ip.unknown(info.node, "a fresh seed")


@method("generator", "set_state")
def _set_state(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    ip.store.set(e.atom, "<state>", const("unknown", ip.origin(info.node, "set_state")))
    return of(e.atom)


@attribute("generator", "device")
def _generator_device(ip: Interpreter, e: Entry, node: cst.CSTNode) -> Value:
    return ip.unknown(node, "a device")


# -- tensors ----------------------------------------------------------------------------------


@method("tensor", "backward")
def _backward(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    retain = info.argument(1, "retain_graph")
    record_backward(ip, Value((e,)), info.node, via="backward", retained=Const(True) in retain.atoms)
    return NONE


@method("tensor", "item", "tolist", "numpy", "size", "dim", "numel", "argmax", "shape")
def _leaves_the_graph(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    return ip.unknown(info.node, f"result of {info.name}")


@method("tensor", "*")
def _tensor_method(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    t = e.atom
    assert isinstance(t, Tensor)
    return of(
        Tensor(t.sources, t.maker, (*t.steps, info.name)[-6:], t.coefficient, t.reduction), guard=e.guard
    )


@function("torch.autograd.backward")
def _autograd_backward(ip: Interpreter, info: CallInfo) -> Value:
    record_backward(ip, info.argument(0, "tensors"), info.node, via="torch.autograd.backward")
    return NONE


@method("unknown", "backward", "manual_backward")
@method("model", "manual_backward")
def _delegated_backward(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    if info.positional:
        record_backward(ip, join_all(info.everything()), info.node, via=info.name)
    return NONE


@function("torch.cuda.amp.GradScaler", "torch.amp.GradScaler", "torch.cuda.amp.grad_scaler.GradScaler")
def _make_scaler(ip: Interpreter, info: CallInfo) -> Value:
    return of(ip.new("scaler", info.node))


@method(("scaler", "unknown"), "scale")
def _scale(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    given = info.argument(0, "outputs")
    if not any(isinstance(a, Tensor) for a in given.atoms):
        return ip.unknown(info.node, "a scaled value")
    return given.map(
        lambda a: (
            Tensor(a.sources, a.maker, (*a.steps, "scaled")[-6:], a.coefficient, a.reduction)
            if isinstance(a, Tensor)
            else a
        )
    )


@method(("scaler", "unknown"), "step")
def _scaler_step(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    for entry, optimizer in entries_of_kind(info.argument(0, "optimizer"), "dp-optimizer"):
        step_taken(ip, optimizer.data, info.node, entry.guard)
    return NONE


@function(
    "torch.autocast", "torch.no_grad", "torch.enable_grad", "torch.cuda.amp.autocast", "torch.inference_mode"
)
def _context(ip: Interpreter, info: CallInfo) -> Value:
    return ip.unknown(info.node, "a context")
