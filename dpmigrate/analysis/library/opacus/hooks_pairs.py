"""Standard clipping without an engine: ``GradSampleModule`` and ``DPOptimizer``, wrapped by hand.

The run begins where the optimizer is wrapped: a wrapped module alone only computes per-sample gradients.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeGuard

from dpmigrate.analysis.core import Interpreter
from dpmigrate.analysis.domain.atoms import Atom, Const, Obj
from dpmigrate.analysis.domain.values import Entry, Value, of
from dpmigrate.analysis.guards import ALWAYS
from dpmigrate.analysis.ledger import Origin
from dpmigrate.analysis.ledger.models import OrdinaryOptimizer
from dpmigrate.analysis.library.opacus.accountants import tell_of_accountants
from dpmigrate.analysis.library.opacus.pairs import inside_an_engine, models_of
from dpmigrate.analysis.library.opacus.runs import part, record_run
from dpmigrate.analysis.library.torch.structure import WRAPPED
from dpmigrate.analysis.notes import Slot
from dpmigrate.analysis.registry import CallInfo, function
from dpmigrate.analysis.training import TrainingRun

_FOR_HOOKS: Slot[dict[Obj, None]] = Slot(dict)
"""The modules that are wrapped for hooks."""


@function("opacus.GradSampleModule", "opacus.GradSampleModuleExpandedWeights")
def _hooks_module(ip: Interpreter, info: CallInfo) -> Value:
    return of(wrapped_for_hooks(ip, info))


def wrapped_for_hooks(ip: Interpreter, info: CallInfo) -> Obj:
    """The module that computes per-sample gradients for another one."""
    inner = info.argument(0, "m") or info.argument(0, "model") or info.argument(0, "module")
    made = ip.new("model", info.node, "opacus.GradSampleModule")
    ip.store.set(made, "_module", inner)
    WRAPPED.of(ip).setdefault(made, set()).update(a for a in inner.atoms if isinstance(a, Obj))
    _FOR_HOOKS.of(ip)[made] = None
    return made


@function("opacus.DPOptimizer", "opacus.DistributedDPOptimizer", "opacus.AdaClipDPOptimizer")
def _ordinary_optimizer(ip: Interpreter, info: CallInfo) -> Value:
    """The optimizer of standard clipping: of a module with hooks, or of a ghost one, which can only raise."""
    optimizer = info.argument(0, "optimizer")
    models = models_of(ip, optimizer)
    for run in reversed([r for r in ip.runs.values() if r.manual and r.ghost and not r.excludes(ip.path)]):
        if models & run.raw_models or any(isinstance(m, Obj) and m.data is run for m in models):
            ip.happen(run, OrdinaryOptimizer(ip.at(info.node), info.name.rpartition(".")[2]))
            return of(part(run, "dp-optimizer"))
    wrapped = [model for model in _FOR_HOOKS.of(ip) if _is_among(ip, model, models)]
    wrapped = wrapped or [model for model in models if _is_private(model)]
    if not wrapped or ip.modules.holds_library or inside_an_engine(ip):
        return ip.unknown(info.node, "an optimizer of standard clipping")
    return of(part(_run_of_a_pair(ip, info, optimizer, wrapped), "dp-optimizer"))


def _is_private(model: Atom) -> TypeGuard[Obj]:
    """Whether an engine has made a model private, and given its optimizer back."""
    return isinstance(model, Obj) and model.kind == "dp-model" and not model.data.manual


def _is_among(ip: Interpreter, wrapped: Obj, models: frozenset[Atom]) -> bool:
    return wrapped in models or not models.isdisjoint(WRAPPED.of(ip)[wrapped])


def _run_of_a_pair(ip: Interpreter, info: CallInfo, optimizer: Value, models: Iterable[Obj]) -> TrainingRun:
    because = Origin(ip.module, info.node, info.name.rpartition(".")[2])
    named = {"noise_generator" if name == "generator" else name: v for name, v in info.keywords.items()}
    module = Value(tuple(Entry(model) for model in models))
    given = CallInfo(info.node, [], {**named, "optimizer": optimizer, "module": module}, name=info.name)
    entry = Entry(Const("hooks"), ALWAYS, (because,))
    run = record_run(ip, given, "manual", "hooks", entry, ("hooks",), ip.path)
    tell_of_accountants(ip, run)
    return run
