"""Opacus's own methods, replaced by the program: noise that is no longer added."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

import libcst as cst

from dpmigrate.analysis.core import Interpreter
from dpmigrate.analysis.domain.atoms import Const, External, Obj
from dpmigrate.analysis.domain.values import NONE, Bound, Class, Function, Value, of
from dpmigrate.analysis.language.classes import external_names
from dpmigrate.analysis.ledger import Origin
from dpmigrate.analysis.ledger.gradients import NoiseOfItsOwn, NoisePatchedOut, NoiseSwitchedOff
from dpmigrate.analysis.library.torch.names import real
from dpmigrate.analysis.notes import Slot
from dpmigrate.analysis.registry import CallInfo, function, tell_hooks
from dpmigrate.analysis.source.tree import children, names_in
from dpmigrate.analysis.training import TrainingRun

_OPTIMIZERS = ("DPOptimizer", "DPOptimizerFastGradientClipping")
_DRAWS = re.compile(r"noise|normal|rand|laplace|gauss", re.IGNORECASE)
_PATCHED: Slot[list[Origin]] = Slot(list)
"""Where the noise is patched out of a class."""


@function("<assign dp-optimizer.add_noise>")
def _of_one_optimizer(ip: Interpreter, info: CallInfo) -> Value:
    optimizers, new = info.positional
    for atom in optimizers.atoms:
        if isinstance(atom, Obj):
            replaced = NoisePatchedOut if _adds_none(new) else NoiseOfItsOwn
            ip.happen(atom.data, replaced(ip.at(info.node)))
    return NONE


@function(*(f"<assign opacus.{name}.add_noise>" for name in _OPTIMIZERS))
def _of_a_class(ip: Interpreter, info: CallInfo) -> Value:
    if _adds_none(info.positional[1]):
        _PATCHED.of(ip).append(ip.origin(info.node))
        for run in list(ip.runs.values()):
            tell_of_patches(ip, run, info.node)
    return NONE


@function("<assign dp-optimizer.noise_multiplier>")
def _switched_off(ip: Interpreter, info: CallInfo) -> Value:
    """``optimizer.noise_multiplier = 0``: the steps that follow add no noise, and are counted as such."""
    optimizers, new = info.positional
    for e in optimizers.entries:
        for number in new.entries:
            if isinstance(e.atom, Obj) and number.atom in (Const(0), Const(0.0)):
                ip.happen(e.atom.data, NoiseSwitchedOff(ip.at(info.node, e.guard | number.guard)))
    return NONE


@function("unittest.mock.patch.object", "mock.patch.object")
def _of_a_mock(ip: Interpreter, info: CallInfo) -> Value:
    """``with mock.patch.object(DPOptimizer, "add_noise", function):``."""
    target, new = info.argument(0, "target"), info.argument(2, "new")
    if info.argument(1, "attribute").only == Const("add_noise"):
        for atom in target.atoms:
            kind = atom.kind if isinstance(atom, Obj) else atom.name if isinstance(atom, External) else ""
            tell_hooks(ip, f"<assign {kind}.add_noise>", CallInfo(info.node, [of(atom), new]))
    return ip.unknown(info.node, "a mock")


def tell_of_patches(ip: Interpreter, run: TrainingRun, node: cst.CSTNode) -> None:
    """Record on a run what its own module did to the class of its optimizer (a test patches for itself)."""
    for origin in _PATCHED.of(ip):
        if origin.module is run.module:
            ip.happen(run, NoisePatchedOut(replace(ip.at(node), origin=origin)))
    engine = real(run.engine) if run.engine is not None else None
    if isinstance(engine, Obj) and isinstance(engine.data, Class):
        for origin in _optimizers_without_noise(ip, engine.data):
            ip.happen(run, NoisePatchedOut(replace(ip.at(node), origin=origin)))


def _optimizers_without_noise(ip: Interpreter, engine: Class) -> Iterator[Origin]:
    """The optimizers of an engine of the program's own whose ``add_noise`` adds none."""
    named = names_in(engine.node)
    for cls in ip.classes:
        bases = [name.rpartition(".")[2] for name in external_names(cls)]
        if cls.node.name.value not in named or not any(base in _OPTIMIZERS for base in bases):
            continue
        for method in cls.node.body.body:
            own = isinstance(method, cst.FunctionDef) and method.name.value == "add_noise"
            if own and not _speaks_of_chance(method):
                yield Origin(cls.module, method)


def _adds_none(new: Value) -> bool:
    """Whether a function of the program speaks of nothing that is random."""
    made = new.only.function if isinstance(new.only, Bound) else new.only
    return isinstance(made, Function) and not _speaks_of_chance(made.node)


def _speaks_of_chance(node: cst.CSTNode) -> bool:
    if isinstance(node, cst.FunctionDef):
        return any(map(_speaks_of_chance, children(node.body)))
    if isinstance(node, cst.Name) and _DRAWS.search(node.value):
        return True
    return any(map(_speaks_of_chance, children(node)))
