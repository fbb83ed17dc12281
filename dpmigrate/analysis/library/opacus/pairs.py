"""A model and an optimizer that are wrapped by hand, in either order, become one run."""

from __future__ import annotations

from dpmigrate.analysis.core import Interpreter
from dpmigrate.analysis.domain.atoms import Atom, Const, External, Obj, Unknown
from dpmigrate.analysis.domain.values import Entry, Value, const, join_all, of
from dpmigrate.analysis.guards import ALWAYS
from dpmigrate.analysis.language.classes import find_member
from dpmigrate.analysis.ledger import Origin
from dpmigrate.analysis.library.opacus.names import GHOST_OPTIMIZERS
from dpmigrate.analysis.library.opacus.runs import hand_over, modes_of, objects_in, part, record_run
from dpmigrate.analysis.library.torch.parameters import models_in
from dpmigrate.analysis.library.torch.structure import MODELS
from dpmigrate.analysis.notes import Slot
from dpmigrate.analysis.registry import CallInfo, function
from dpmigrate.analysis.training import TrainingRun, entries_of_kind

_WAITING: Slot[dict[TrainingRun, frozenset[Atom]]] = Slot(dict)
"""The runs of optimizers without a model, and the models whose parameters those hold."""


def inside_an_engine(ip: Interpreter) -> bool:
    """Whether an engine's own code is entered for itself: a copy of Opacus's class is no user of it."""
    outermost = next((f for f in ip.frames if f.function is not None), None)
    cls = outermost.defining if outermost is not None else None
    return cls is not None and all(find_member(ip, cls, name) for name in ("make_private", "_prepare_model"))


def model_wrapped(
    ip: Interpreter, info: CallInfo, mode: str, entry: Entry, modes: tuple[str, ...]
) -> TrainingRun:
    """The run that begins where a model is wrapped by hand; an optimizer may have been wrapped before."""
    module = info.argument(0, "m") or info.argument(0, "module") or info.argument(0, "model")
    given = CallInfo(info.node, [], {**info.keywords, "module": module}, name=info.name)
    run = record_run(ip, given, "manual", mode, entry, modes, entry.guard | ip.path)
    waiting = _WAITING.of(ip)
    if run.raw_optimizers or not waiting:
        return run
    held = {r: models for r, models in waiting.items() if not r.excludes(ip.path)}
    before = next((r for r, models in held.items() if models & run.raw_models), None)
    if before is None:
        before = next((r for r in held if r.frames and r.frames[-1] == ip.frame.owner), None)
    if before is None:
        return run
    waiting.pop(before)
    key = next(k for k, other in ip.runs.items() if other is run)
    for name in (
        "module",
        "origin",
        "mode",
        "mode_because",
        "modes",
        "mode_atom",
        "raw_models",
        "loops",
        "chain",
    ):
        setattr(before, name, getattr(run, name))
    before.arguments = {**run.arguments, **before.arguments}
    ip.runs[key] = before
    hand_over(ip, before)
    return before


@function(*GHOST_OPTIMIZERS)
def _ghost_optimizer(ip: Interpreter, info: CallInfo) -> Value:
    optimizer = info.argument(0, "optimizer")
    run = _run_for_optimizer(ip, optimizer) or _without_model(ip, info, optimizer)
    run.raw_optimizers |= objects_in(optimizer)
    hand_over(ip, run)
    for name, value in info.keywords.items():
        key = "noise_generator" if name == "generator" else name
        run.arguments.setdefault(key if key not in run.arguments else f"optimizer.{name}", value)
    return of(part(run, "dp-optimizer"))


def _without_model(ip: Interpreter, info: CallInfo, optimizer: Value) -> TrainingRun:
    """What happens to an optimizer that meets no ghost model, or not yet: not a run of the project.

    Alone it is one of several classes that an engine chooses from, or part of somebody else's loop.
    """
    because = Origin(ip.module, info.node, info.name.rpartition(".")[2])
    entry = Entry(Const("ghost"), ALWAYS, (because,))
    given = CallInfo(info.node, [], info.keywords, name=info.name)
    run = record_run(ip, given, "manual", "ghost", entry, ("ghost",), ip.path)
    ip.runs = {key: other for key, other in ip.runs.items() if other is not run}
    _WAITING.of(ip)[run] = models_of(ip, optimizer)
    return run


def models_of(ip: Interpreter, optimizer: Value) -> frozenset[Atom]:
    """The models whose parameters an optimizer holds."""
    noted = (MODELS.of(ip).get(atom, set()) for atom in optimizer.atoms)
    return models_in(ip, optimizer).union(*noted)


def _run_for_optimizer(ip: Interpreter, optimizer: Value) -> TrainingRun | None:
    """The hand-made run whose model's parameters the optimizer holds."""
    for _, wrapped in entries_of_kind(optimizer, "dp-optimizer"):
        already: TrainingRun = wrapped.data
        return already
    models = models_of(ip, optimizer)
    manual = [r for r in ip.runs.values() if r.manual and r.ghost and not r.excludes(ip.path)]
    for run in reversed(manual):
        if models & run.raw_models or any(isinstance(m, Obj) and m.data is run for m in models):
            return run
    here = {f.owner for f in ip.frames}
    for run in reversed(manual):
        if run.frames and run.frames[-1] in here and not run.raw_optimizers:
            return run
    alone = [run for run in manual if run.module is ip.module and not run.raw_optimizers]
    return alone[-1] if alone else None


@function("opacus.get_optimizer_class")
def _optimizer_class(ip: Interpreter, info: CallInfo) -> Value:
    parts = []
    for mode, entry in modes_of(ip, info.argument(None, "grad_sample_mode") or const("hooks")):
        clipping, distributed = info.argument(0, "clipping"), info.argument(1, "distributed")
        if mode.startswith("ghost") or Const("ghost") in clipping.atoms:
            parts.append(of(External(GHOST_OPTIMIZERS[0]), guard=entry.guard))
        elif mode == "hooks" and (clipping.only, distributed.only) == (Const("flat"), Const(False)):
            parts.append(of(External("opacus.DPOptimizer"), guard=entry.guard))
        else:
            parts.append(
                of(Unknown(("optimizer class", id(info.node)), "an optimizer class"), guard=entry.guard)
            )
    return join_all(parts)
