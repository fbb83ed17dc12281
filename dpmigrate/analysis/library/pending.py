"""Gradients on their way from a backward pass to the private step: what is done to them in between.

A slot of the store holds for each run whether gradients are waiting, and what was done to them since they
were made. Whether it mattered is known at the step: a later backward pass makes them anew.
"""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import libcst as cst

from dpmigrate.analysis.core import Interpreter
from dpmigrate.analysis.guards import Guard
from dpmigrate.analysis.ledger.events import Touching
from dpmigrate.analysis.ledger.gradients import Change, GradientChanged, GradientsLost, SteppedEvery
from dpmigrate.analysis.training import TrainingRun
from dpmigrate.analysis.tree import children
from dpmigrate.analysis.values import NOTHING, Const, Value, const, join_all, of

_MADE = Const("made")
_LOST = {False: Const("lost"), True: Const("lost, by what was passed in")}


def _slot(run: TrainingRun) -> tuple[str, int]:
    return ("pending gradients", id(run))


def touch(ip: Interpreter, run: TrainingRun, node: cst.CSTNode, how: Touching, raw: bool) -> None:
    """A backward pass makes gradients; anything else that touches them where they wait loses them."""
    waiting = ip.read(_slot(run), "") or NOTHING
    if how == "backward":
        ip.store.set(_slot(run), "", of(_MADE))
    elif how != "unknown" and _MADE in waiting.atoms:
        ip.store.set(_slot(run), "", of(_LOST[raw], ip.origin(node)))


def change(ip: Interpreter, run: TrainingRun, node: cst.CSTNode, how: Change) -> None:
    """Gradients that wait for the step are changed."""
    waiting = ip.read(_slot(run), "") or NOTHING
    if _MADE in waiting.atoms:
        ip.store.set(_slot(run), "", join_all([of(Const(how), ip.origin(node)), of(_MADE)]))


def step(ip: Interpreter, run: TrainingRun, node: cst.CSTNode, guard: Guard) -> None:
    """The private optimizer steps: what was done to the gradients on the way here has happened."""
    here = ip.at(node, guard)
    for e in (ip.read(_slot(run), "") or NOTHING).entries:
        if not e.because or not isinstance(e.atom, Const):
            continue
        there = replace(here, origin=e.because[-1], guard=here.guard | e.guard)
        for raw, lost in _LOST.items():
            if e.atom == lost:
                ip.happen(run, GradientsLost(there, raw))
        for how in get_args(Change):
            if e.atom == Const(how):
                ip.happen(run, GradientChanged(there, how))
    ip.store.set(_slot(run), "", const("none"))
    _by_a_counter(ip, run, node, guard)


def _by_a_counter(ip: Interpreter, run: TrainingRun, node: cst.CSTNode, guard: Guard) -> None:
    """Tell of a step under ``if i % k == 0`` in the loop that makes the gradients."""
    for test, depth, around in ip.tests:
        divisor = _divisor(test) if depth == len(ip.loops) else None
        if divisor is None:
            continue
        turns = ip.evaluate(divisor)
        if not any(isinstance(a, Const) and a.value in (0, 1) for a in turns.atoms):
            there = replace(ip.at(node, guard), guard=guard | around)
            ip.happen(run, SteppedEvery(there, known=_all_known(turns)))
        return


def _all_known(turns: Value) -> bool:
    return bool(turns) and all(isinstance(a, Const) for a in turns.atoms)


def _divisor(test: cst.CSTNode) -> cst.BaseExpression | None:
    """What a test takes a counter modulo of."""
    stack = [test]
    while stack:
        node = stack.pop()
        if isinstance(node, cst.BinaryOperation) and isinstance(node.operator, cst.Modulo):
            return node.right
        stack.extend(children(node))
    return None
