"""Ghost clipping without an engine: modules and losses wrapped by hand, and two passes."""

from __future__ import annotations

from dpmigrate.analysis.batches import passes_behind
from dpmigrate.analysis.core import Interpreter
from dpmigrate.analysis.domain.atoms import Const, Obj, Tensor
from dpmigrate.analysis.domain.values import NONE, Entry, Value, const, join_all, of
from dpmigrate.analysis.guards import ALWAYS
from dpmigrate.analysis.language.classes import BASE_KINDS
from dpmigrate.analysis.ledger import DoubleBackward, Origin, Wrapped
from dpmigrate.analysis.library import feeding, pending
from dpmigrate.analysis.library.gradients import touch
from dpmigrate.analysis.library.opacus.hooks_pairs import wrapped_for_hooks
from dpmigrate.analysis.library.opacus.names import GHOST_MODULES
from dpmigrate.analysis.library.opacus.pairs import inside_an_engine, model_wrapped
from dpmigrate.analysis.library.opacus.runs import (
    criterion_of,
    modes_of,
    part,
    shown_modes,
)
from dpmigrate.analysis.library.torch.names import real
from dpmigrate.analysis.notes import Slot
from dpmigrate.analysis.registry import CallInfo, function, method
from dpmigrate.analysis.training import TrainingRun, entries_of_kind
from dpmigrate.workspace.core_patch import MODULE


@function(*GHOST_MODULES)
def _ghost_module(ip: Interpreter, info: CallInfo) -> Value:
    if inside_an_engine(ip):
        return ip.unknown(info.node, "a wrapped model")
    mode = GHOST_MODULES[info.name]
    because = Origin(ip.module, info.node, info.name.rpartition(".")[2])
    run = model_wrapped(ip, info, mode, Entry(Const(mode), ALWAYS, (because,)), (mode,))
    return of(part(run, "dp-model"))


for _ghost_class in GHOST_MODULES:
    BASE_KINDS[_ghost_class] = "ghost-module"


@method("ghost-module", "__init__")
def _init_ghost_module(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    because = Origin(ip.module, info.node, "a subclass of GradSampleModuleFastGradientClipping")
    run = model_wrapped(ip, info, "ghost", Entry(Const("ghost"), ALWAYS, (because,)), ("ghost",))
    ip.store.set(real(e.atom), "<run>", of(part(run, "dp-model")))
    return NONE


@method("ghost-module", "*")
def _on_ghost_module(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    from dpmigrate.analysis.language.calls import call_attribute

    stored = ip.read(real(e.atom), "<run>")
    return call_attribute(ip, stored, info.name, info) if stored else ip.unknown(info.node, info.name)


@function("opacus.wrap_model", "opacus.prepare_module")
def _wrap_model(ip: Interpreter, info: CallInfo) -> Value:
    if inside_an_engine(ip):
        return ip.unknown(info.node, "a wrapped model")
    given = info.argument(None, "grad_sample_mode") or const("hooks")
    modes = list(modes_of(ip, given))
    out = []
    for mode, entry in modes:
        if not mode.startswith("ghost"):
            out.append(of(wrapped_for_hooks(ip, info), guard=entry.guard))
            continue
        run = model_wrapped(ip, info, mode, entry, shown_modes(modes))
        out.append(of(part(run, "dp-model"), guard=entry.guard))
    return join_all(out)


@function("opacus.DPLossFastGradientClipping")
def _wrap_loss(ip: Interpreter, info: CallInfo) -> Value:
    parts = []
    for value in (info.argument(0, "module"), info.argument(1, "optimizer")):
        for e in value.entries:
            if isinstance(e.atom, Obj) and e.atom.kind in ("dp-model", "dp-optimizer"):
                run: TrainingRun = e.atom.data
                run.arguments.setdefault("criterion", info.argument(2, "criterion"))
                ip.happen(run, Wrapped(ip.at(info.node, e.guard), "DPLossFastGradientClipping"))
                parts.append(of(criterion_of(run), guard=e.guard))
        if parts:
            break
    return join_all(parts) if parts else ip.unknown(info.node, "a wrapped criterion")


@function("opacus.DPTensorFastGradientClipping")
def _wrap_losses(ip: Interpreter, info: CallInfo) -> Value:
    """What the wrapped criterion returns: its ``backward()`` makes both passes."""
    parts = []
    losses = info.argument(2, "loss_per_sample")
    tensors = [a for a in losses.atoms if isinstance(a, Tensor)]
    for entry, obj in (
        *entries_of_kind(info.argument(0, "module"), "dp-model"),
        *entries_of_kind(info.argument(1, "optimizer"), "dp-optimizer"),
    ):
        run: TrainingRun = obj.data
        ip.happen(run, Wrapped(ip.at(info.node, entry.guard), "DPTensorFastGradientClipping"))
        sources = frozenset({part(run, "dp-model")}).union(*(t.reached for t in tensors))
        parts.append(
            of(Tensor(sources, criterion_of(run), passes=passes_behind([losses])), guard=entry.guard)
        )
    return join_all(parts) if parts else ip.unknown(info.node, "wrapped losses")


@function("opacus.double_backward")
def _double_backward(ip: Interpreter, info: CallInfo) -> Value:
    given = info.argument(2, "loss_per_sample").entries
    losses = [(e.atom, e.guard) for e in given if isinstance(e.atom, Tensor)]
    told: set[int] = set()
    for value in info.everything():
        for e in value.entries:
            if isinstance(e.atom, Obj) and e.atom.kind in ("dp-model", "dp-optimizer"):
                run: TrainingRun = e.atom.data
                if id(run) in told:
                    continue
                told.add(id(run))
                pending.passed(ip, run, info.node)
                touch(ip, run, info.node, "backward", e.guard)
                ip.happen(run, DoubleBackward(ip.at(info.node, e.guard)))
                feeding.gradients_gone(ip, run)  # It clears them between its two passes.
                for loss, guard in losses:
                    feeding.gradients_fed(ip, run, loss, e.guard | guard)
    return NONE


PATCHED: Slot[list[Origin]] = Slot(list)
"""Where the program repairs Opacus for itself."""


@function(*(f"{module}.patch_opacus" for module in ("dpmigrate.runtime", "dpmigrate.runtime.patch", MODULE)))
def _patch_opacus(ip: Interpreter, info: CallInfo) -> Value:
    PATCHED.of(ip).append(ip.origin(info.node))
    return ip.unknown(info.node, "a report of the patch")
