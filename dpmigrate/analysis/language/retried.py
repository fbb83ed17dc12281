"""Loops that try to make a run until it works, as their text has it."""

from __future__ import annotations

from dataclasses import replace

import libcst as cst
from libcst.helpers import get_full_name_for_node

from dpmigrate.analysis.core import Interpreter
from dpmigrate.analysis.domain.atoms import Obj, Unknown
from dpmigrate.analysis.language.unrolling import exact_items
from dpmigrate.analysis.ledger import Turn
from dpmigrate.analysis.ledger.accounting import MadeInstead
from dpmigrate.analysis.source.tree import assigned_in, every, keyword_node, names_in
from dpmigrate.analysis.training import TrainingRun


def tell_of_another_try(
    ip: Interpreter,
    node: cst.Try | cst.TryStar,
    handler: cst.CSTNode,
    tried: list[TrainingRun],
    wide: bool,
) -> None:
    """Record on runs that where making them fails, a loop makes them again, of the same model.

    A handler that sets a weaker target itself promises less, whatever it catches and of which model it is.
    """
    if ip.frame.function is not None and wide:
        _tell_of_a_call_of_itself(ip, handler, ip.frame.function.name, tried)
    if not ip.frame.loops or not ip.loops or _leaves(handler, cst.Raise):
        return
    turn = ip.loops[-1]
    if not _leaves_the_loop(node) and not _ends_the_loop(node, turn.loop.node):
        return
    for run in tried:
        if turn not in run.loops:
            continue
        target = keyword_node(run.origin.node, "target_epsilon")
        kept = not any(_made_in(ip, model, turn) for model in run.raw_models)
        again = wide and kept
        weaker = _is_changed(handler, target) or (kept and _is_another(ip, turn.loop.node, target))
        if again or weaker:
            there = replace(ip.at(run.origin.node), origin=run.origin)
            ip.happen(run, MadeInstead(there, again=again, weaker=weaker))


def _tell_of_a_call_of_itself(
    ip: Interpreter, handler: cst.CSTNode, function: str, tried: list[TrainingRun]
) -> None:
    """Record on runs that where making them fails, their function is called once more with their model."""
    for call in every(handler):
        if not isinstance(call, cst.Call) or get_full_name_for_node(call.func) != function:
            continue
        given = [get_full_name_for_node(arg.value) for arg in call.args]
        computed = [part for arg in call.args for part in every(arg) if isinstance(part, cst.BinaryOperation)]
        changed = {get_full_name_for_node(side) for part in computed for side in (part.left, part.right)}
        for run in tried:
            if _name(run, "module") in given:
                there = replace(ip.at(run.origin.node), origin=run.origin)
                weaker = _name(run, "target_epsilon") in changed - {None}
                ip.happen(run, MadeInstead(there, again=True, weaker=weaker))


def _name(run: TrainingRun, keyword: str) -> str | None:
    """The variable that an argument of the call is, as it is written."""
    argument = keyword_node(run.origin.node, keyword)
    return get_full_name_for_node(argument.value) if argument is not None else None


def _leaves_the_loop(node: cst.Try | cst.TryStar) -> bool:
    """Whether the loop ends where nothing was raised."""
    return any(
        isinstance(last, (cst.Return, cst.Break))
        for suite in (node.body, node.orelse.body if node.orelse is not None else None)
        for last in [_last(suite)]
    )


def _ends_the_loop(node: cst.Try | cst.TryStar, loop: cst.CSTNode) -> bool:
    """Whether the loop asks for what was made: ``while made is None:``."""
    if not isinstance(loop, cst.While):
        return False
    made = {name for suite in (node.body, node.orelse) if suite is not None for name in assigned_in(suite)}
    return not made.isdisjoint(names_in(loop.test))


def _leaves(handler: cst.CSTNode, *ways: type[cst.CSTNode]) -> bool:
    return isinstance(_last(getattr(handler, "body", None)), (*ways, cst.Return, cst.Break))


def _last(suite: object) -> cst.CSTNode | None:
    body = getattr(suite, "body", None)
    last = body[-1] if isinstance(body, (list, tuple)) and body else None
    return last.body[-1] if isinstance(last, cst.SimpleStatementLine) and last.body else last


def _made_in(ip: Interpreter, model: object, turn: Turn) -> bool:
    """Whether each turn of a loop has a model of its own, or that cannot be told."""
    if isinstance(model, Unknown):
        return not (isinstance(model.symbol, tuple) and model.symbol[:1] == ("param",))
    born = ip.births.get(model) if isinstance(model, Obj) else None
    return born is None or turn in born.loops


def _is_another(ip: Interpreter, loop: cst.CSTNode, target: cst.Arg | None) -> bool:
    """Whether a loop gives another target in each turn, of which it has more than one."""
    if isinstance(loop, cst.For) and isinstance(loop.iter, (cst.Name, cst.Tuple, cst.List)):
        targets = exact_items(ip, ip.evaluate(loop.iter))
        if targets is not None and len(targets) < 2:
            return False
    return _is_changed(loop, target)


def _is_changed(loop: cst.CSTNode, argument: cst.Arg | None) -> bool:
    """Whether a loop assigns to the variable that an argument of a call in it is."""
    name = get_full_name_for_node(argument.value) if argument is not None else None
    return name is not None and name in set(assigned_in(loop))
