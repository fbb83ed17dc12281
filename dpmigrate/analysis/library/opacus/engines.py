"""Engines, and the ``make_private*`` calls on them."""

from __future__ import annotations

from collections.abc import Hashable

import libcst as cst

from dpmigrate.analysis.core import Interpreter
from dpmigrate.analysis.domain.atoms import NO_WAY_ON, Atom, Const, Obj, Unknown
from dpmigrate.analysis.domain.values import NONE, Entry, Value, const, join_all, of
from dpmigrate.analysis.guards import Literal, shorten
from dpmigrate.analysis.language import outcomes
from dpmigrate.analysis.language.functions import unknown_call
from dpmigrate.analysis.ledger import MadeBy
from dpmigrate.analysis.library.epsilons import spent
from dpmigrate.analysis.library.opacus.accountants import engines_of_accountant
from dpmigrate.analysis.library.opacus.making import epsilon_asked, tell_of_the_call
from dpmigrate.analysis.library.opacus.runs import modes_of, record_run, shown_modes
from dpmigrate.analysis.library.opacus.zero_x import is_zero_x, make_zero_x
from dpmigrate.analysis.library.rounds import engine_made
from dpmigrate.analysis.library.torch.names import real
from dpmigrate.analysis.registry import CallInfo, function, method, tell_hooks
from dpmigrate.analysis.source.tree import assigned_to, keyword_node


@function("opacus.PrivacyEngine", "opacus.PrivacyEngineAdaptiveClipping")
def _make_engine(ip: Interpreter, info: CallInfo) -> Value:
    if is_zero_x(info):
        return make_zero_x(ip, info)
    kind = "adaptive-engine" if "Adaptive" in info.name else "engine"
    made = ip.new(kind, info.node)
    _remember(ip, made, info)
    return of(made)


def _remember(ip: Interpreter, engine: Atom, info: CallInfo) -> None:
    """Keep what an engine is made with. Its attribute ``accountant`` is an object, not the name given."""
    for name, slot in (("secure_mode", "secure_mode"), ("accountant", "<accountant>")):
        given = info.argument(None, name)
        if not given and info.unknown_keywords:
            given = ip.unknown(info.node, f"argument {name}")
        ip.store.set(engine, slot, given)
    engine_made(ip, engine, info.node)


@method(("engine", "adaptive-engine"), "__init__")
def _init_engine(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    if is_zero_x(info):
        make_zero_x(ip, info)
    _remember(ip, real(e.atom), info)
    return NONE


@method(("engine", "adaptive-engine"), "make_private", "make_private_with_epsilon")
def _make_private(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    assert isinstance(e.atom, Obj)
    return private_run(ip, info, e.atom)


@method("unknown", "make_private", "make_private_with_epsilon")
def _make_private_on_unknown(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    """An engine that came in as a bare parameter: known by the keywords that only Opacus has."""
    telling = {"module", "optimizer", "data_loader", "max_grad_norm"}
    if not telling <= set(info.keywords) or not _handed_in(e.atom) or not _speaks_opacus(ip):
        return ip.unknown(info.node, "result of make_private")
    around = ip.path
    if isinstance(e.atom, Unknown):  # None has no such method: where there is a run, there is an engine
        ip.assume(frozenset({Literal(e.atom.symbol, ("truth",), True)}))
    try:
        return private_run(ip, info, None)
    finally:
        ip.path = around


@method(("engine", "adaptive-engine"), "get_epsilon")
def _get_epsilon(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    """What was spent so far, by every run that this engine made."""
    epsilon_asked(ip, info, e.atom, e)
    assert isinstance(e.atom, Obj)
    return spent(ip, e.atom, info.node)


@method("unknown", "get_epsilon")
def _get_epsilon_of_accountant(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    """``engine.accountant.get_epsilon(...)``."""
    for engine in engines_of_accountant(e.atom):
        epsilon_asked(ip, info, engine, e)
        spent(ip, engine, info.node)
    return unknown_call(ip, e.atom, info)


@method(("engine", "adaptive-engine"), "load_checkpoint")
def _load_checkpoint(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    """The accountant goes on from where that of the checkpoint was."""
    ip.store.set(real(e.atom), "accountant", ip.unknown(info.node, "a resumed accountant"))
    return ip.unknown(info.node, "a checkpoint")


@method("unknown", "load_state_dict", "extend")
def _load_accountant(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    """``engine.accountant.load_state_dict(...)``, ``engine.accountant.history.extend(...)``."""
    symbol = e.atom.symbol if isinstance(e.atom, Unknown) else None
    if isinstance(symbol, tuple) and symbol[1:] in ((".", "accountant"), (".", "history")):
        for part in e.atom.parts if isinstance(e.atom, Unknown) else ():
            if isinstance(part, Obj) and part.kind in ("engine", "adaptive-engine"):
                ip.store.set(real(part), "accountant", ip.unknown(info.node, "a resumed accountant"))
    elif info.name == "load_state_dict" and isinstance(e.atom, Unknown):
        given = CallInfo(info.node, [Value((e,)), *info.positional], info.keywords)
        tell_hooks(ip, "<state loaded into something unknown>", given)
    return unknown_call(ip, e.atom, info)


@function("<assign unknown.history>")
def _history_assigned(ip: Interpreter, info: CallInfo) -> Value:
    """``engine.accountant.history = checkpoint["history"]``."""
    accountant, new = info.positional
    around = ip.frame.code
    given = assigned_to(around, info.node)
    begun_anew = isinstance(given, cst.List) and not given.elements
    resumed = isinstance(new.only, Unknown) or (given is not None and not begun_anew)
    for engine in engines_of_accountant(accountant.only) if resumed else ():
        ip.store.set(real(engine), "accountant", ip.unknown(info.node, "a resumed accountant"))
    return NONE


def _handed_in(atom: Atom) -> bool:
    """Whether something unknown came in as a parameter or an attribute, and is no call's result."""
    symbol = atom.symbol if isinstance(atom, Unknown) else None
    while isinstance(symbol, tuple) and len(symbol) == 3 and symbol[1] == ".":
        symbol = symbol[0]
    return (
        isinstance(symbol, tuple)
        and bool(symbol)
        and symbol[0] not in ("node", "name", "import", "never", NO_WAY_ON)
    )


def _speaks_opacus(ip: Interpreter) -> bool:
    return ip.modules.texts.hold(b"opacus")


def _mode_variable(ip: Interpreter, info: CallInfo) -> Hashable:
    """What a test of the variable that holds the mode assumes something about; None where it is none."""
    argument = keyword_node(info.node, "grad_sample_mode")
    return outcomes.symbol_of(ip, argument.value) if argument is not None else None


def private_run(ip: Interpreter, info: CallInfo, engine: Obj | None) -> Value:
    """The result of ``make_private*``: one run for each mode that it can be called with."""
    call: MadeBy = "make_private_with_epsilon" if info.name.endswith("epsilon") else "make_private"
    given = info.argument(None, "grad_sample_mode")
    if not given:
        given = of(Unknown(("mode", id(info.node)))) if info.unknown_keywords else const("hooks")
    modes = list(modes_of(ip, given))
    symbol = _mode_variable(ip, info) if len(dict(modes)) > 1 else None
    out = []
    for mode, entry in modes:
        if symbol is not None and mode != "?":
            # A later test of the same variable then tells the runs apart, whatever it was made of.
            entry = entry._replace(guard=shorten(entry.guard | {Literal(symbol, ("eq", mode), True)}))
        guard = entry.guard | ip.path
        run = record_run(ip, info, call, mode, entry, shown_modes(modes), guard)
        run.work_of(engine)
        if Const("ghost") in info.argument(None, "clipping").atoms:
            ip.names_ghost(run)
        run.adaptive = engine is not None and engine.kind == "adaptive-engine"
        tell_of_the_call(ip, run, info)
        result = Obj("private-result", ("result", id(info.node), ip.context, mode), ip.module, info.node, run)
        out.append(of(result, *entry.because, guard=entry.guard))
    return join_all(out)
