"""Accountants that the program makes, or tells of steps, itself; noise that it adds by hand.

``make_private`` attaches the engine's accountant to the optimizer: ``step()`` tells it, and so does
``pre_step()``. ``original_optimizer.step()`` does not. Source: Opacus 1.0 to 1.6.0.
"""

from __future__ import annotations

import re

import libcst as cst

from dpmigrate.analysis.core import Interpreter
from dpmigrate.analysis.describing import amount_of
from dpmigrate.analysis.domain.atoms import Atom, Const, Obj, Unknown
from dpmigrate.analysis.domain.values import NONE, NOTHING, Class, Entry, Function, Value, of
from dpmigrate.analysis.ledger import Circumstances
from dpmigrate.analysis.ledger.optimizing import (
    AccountantMade,
    AccountantTold,
    HookReplaced,
    NoiseAdded,
    NoiseRead,
)
from dpmigrate.analysis.library.opacus.making import asked_by_hand
from dpmigrate.analysis.library.opacus.runs import run_of
from dpmigrate.analysis.notes import Slot
from dpmigrate.analysis.registry import CallInfo, attribute, function, method
from dpmigrate.analysis.training import TrainingRun

_MADE: Slot[dict[Atom, Circumstances]] = Slot(dict)
"""The accountants that the program makes itself."""
ACCOUNTANTS = (
    *(
        f"opacus.accountants.{module}{name}Accountant"
        for name, own in (("RDP", "rdp."), ("PRV", "prv."), ("GaussianDP", "gdp."))
        for module in ("", own)
    ),
    "opacus.accountants.create_accountant",
)


def engines_of_accountant(atom: Atom | None) -> list[Obj]:
    """The engines that something is the accountant of."""
    symbol = atom.symbol if isinstance(atom, Unknown) else None
    if not isinstance(atom, Unknown) or not isinstance(symbol, tuple) or symbol[1:] != (".", "accountant"):
        return []
    engines = [part for part in atom.parts if isinstance(part, Obj)]
    return [engine for engine in engines if engine.kind in ("engine", "adaptive-engine")]


@function(*ACCOUNTANTS)
def _make_accountant(ip: Interpreter, info: CallInfo) -> Value:
    made = ip.new("accountant", info.node, info.name)
    _MADE.of(ip)[made] = ip.at(info.node)
    for run in list(ip.runs.values()):
        tell_of_accountants(ip, run)
    return of(made)


def tell_of_accountants(ip: Interpreter, run: TrainingRun) -> None:
    """Record on a run that is made by hand which accountants its own module makes."""
    for there in _MADE.of(ip).values():
        if run.manual and there.origin.module is run.module:
            ip.happen(run, AccountantMade(there))


@attribute("accountant", "history")
def _history(ip: Interpreter, e: Entry, node: cst.CSTNode) -> Value:
    return of(Obj("accountant-history", (e.atom, "history"), ip.module, node))


@method("accountant-history", "append", "extend", "insert")
@method("accountant", "step", "load_state_dict")
def _told_of_a_step(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    _told(ip, info.node, info.argument(None, "noise_multiplier"))
    return NONE


@function("<assign accountant.history>")
def _history_assigned(ip: Interpreter, info: CallInfo) -> Value:
    _told(ip, info.node, NOTHING)
    return NONE


def _told(ip: Interpreter, node: cst.CSTNode, noise: Value) -> None:
    made = list(ip.runs.values())
    for run in made:
        ip.happen(run, AccountantTold(ip.at(node), "step", amount_of(noise), last=run is made[-1]))


@function("<step of something unknown>")
def _perhaps_told(ip: Interpreter, info: CallInfo) -> Value:
    """What is told of a noise multiplier is an accountant: an engine's, or whichever run's it may be."""
    if {"noise_multiplier", "sample_rate"} <= set(info.keywords):
        receiver = info.positional[0].only
        engines = [p for p in receiver.parts if isinstance(p, Obj)] if isinstance(receiver, Unknown) else []
        for run in list(ip.runs.values()):
            if not engines or run.engine in engines or run.manual:
                ip.happen(run, AccountantTold(ip.at(info.node), "step"))
    return NONE


@method("accountant", "get_epsilon", "get_privacy_spent")
def _asked(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    asked_by_hand(ip, info)
    return ip.unknown(info.node, "an epsilon")


@attribute("dp-optimizer", "noise_multiplier")
def _noise_multiplier(ip: Interpreter, e: Entry, node: cst.CSTNode) -> Value:
    """What ``make_private_with_epsilon`` worked out."""
    ip.happen(run_of(e), NoiseRead(ip.at(node, e.guard)))
    return of(Unknown((e.atom, ".", "noise_multiplier"), "the noise multiplier of a run"))


@method("dp-optimizer", "attach_step_hook")
def _attach(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    _attached(ip, info, e, info.argument(0, "fn"))
    return of(e.atom, *e.because)


@function("<assign dp-optimizer.step_hook>")
def _attach_by_assignment(ip: Interpreter, info: CallInfo) -> Value:
    for e in info.positional[0].entries:
        _attached(ip, info, e, info.positional[1])
    return NONE


_OF_ACCOUNTING = re.compile(rb"accountant|step_hook|hook_fn|history|privacy|get_optimizer")


def _attached(ip: Interpreter, info: CallInfo, e: Entry, hook: Value) -> None:
    """An optimizer has one hook: another takes the place of that by which the engine's accountant hears."""
    run, there = run_of(e), ip.at(info.node, e.guard)
    called = [code for atom in hook.atoms if (code := _called(ip, atom)) is not None]
    texts = [code.module.tree.code_for_node(code.node).encode() for code in called]
    own = len(called) == len(hook.atoms) > 0 and not any(map(_OF_ACCOUNTING.search, texts))
    ip.happen(run, HookReplaced(there) if own and not run.manual else AccountantTold(there, "hook"))


def _called(ip: Interpreter, hook: Atom) -> Function | Class | None:
    """The code of a hook: a function, or the class of an object that has nobody in it to tell."""
    if isinstance(hook, Function):
        return hook
    if not isinstance(hook, Obj) or not isinstance(hook.data, Class) or hook.kind != "instance":
        return None
    held = [atom for slot in ip.store.keys(hook) for atom in (ip.read(hook, slot) or NOTHING).atoms]
    return hook.data if all(isinstance(atom, Const) for atom in held) else None


@method("dp-optimizer", "step_hook")
def _call_the_hook(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    """A step that the program makes by hand calls what the engine has attached."""
    ip.happen(run_of(e), AccountantTold(ip.at(info.node, e.guard), "step"))
    return NONE


@method("dp-optimizer", "pre_step")
def _pre_step(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    ip.happen(run_of(e), NoiseAdded(ip.at(info.node, e.guard)))
    ip.happen(run_of(e), AccountantTold(ip.at(info.node, e.guard), "pre-step"))
    return ip.unknown(info.node, "whether to step")


@method("dp-optimizer", "clip_and_accumulate", "scale_grad", "accumulate")
def _part_of_a_step(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    return NONE


@method("dp-optimizer", "add_noise")
def _add_noise(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    ip.happen(run_of(e), NoiseAdded(ip.at(info.node, e.guard)))
    return NONE
