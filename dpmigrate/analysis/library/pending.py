"""Gradients on their way from a backward pass to the private step: what is done to them in between.

A slot of the store holds for each run whether gradients are waiting, and what was done to them since they
were made. Whether it mattered is known at the step: a later backward pass makes them anew.
"""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import libcst as cst

from dpmigrate.analysis.core import Interpreter
from dpmigrate.analysis.domain.atoms import Const
from dpmigrate.analysis.domain.values import NOTHING, Entry, Value, const, join_all, of
from dpmigrate.analysis.frames import CONTINUED
from dpmigrate.analysis.guards import ALWAYS, DOUBT, Guard
from dpmigrate.analysis.language.classes import external_names
from dpmigrate.analysis.ledger import Circumstances
from dpmigrate.analysis.ledger.events import Touching
from dpmigrate.analysis.ledger.gradients import (
    Change,
    GradientChanged,
    GradientsLost,
    SeveralPasses,
    SteppedEvery,
    StepPutOff,
)
from dpmigrate.analysis.library.counters import comes_round_after
from dpmigrate.analysis.training import TrainingRun

_MADE = Const("made")
_ONE, _SEVERAL, _APART = Const("one"), Const("several"), Const("several, at different places")
_LOST = {False: Const("lost"), True: Const("lost, by what was passed in")}


def _slot(run: TrainingRun) -> tuple[str, int]:
    return ("pending gradients", id(run))


def _passes(ip: Interpreter) -> tuple[str, object]:
    """The slot that holds how many passes wait, of what is entered together."""
    return ("passes", entered_method(ip))


def _waiting(ip: Interpreter) -> tuple[str, object]:
    """The slot that holds what was done to gradients that wait, of what is entered together."""
    return ("waiting", entered_method(ip))


def entered_method(ip: Interpreter) -> object:
    """The method that nothing calls, where one is entered: what another has left is no matter of its own."""
    entered = ip.chain[0].through.node if ip.chain else None
    return entered if isinstance(entered, cst.FunctionDef) else None


def waits(ip: Interpreter, run: TrainingRun) -> bool:
    """Whether a backward pass has made gradients that no private step has taken: they have no noise yet."""
    return (ip.read(_slot(run), _waiting(ip)) or NOTHING).only == _MADE


def touch_pending(ip: Interpreter, run: TrainingRun, node: cst.CSTNode, how: Touching, raw: bool) -> None:
    """A backward pass makes gradients; anything else that touches them where they wait loses them."""
    waiting = ip.read(_slot(run), _waiting(ip)) or NOTHING
    if how != "backward":
        ip.store.set(_slot(run), _passes(ip), const("none"))
    if how == "backward":
        ip.store.set(_slot(run), _waiting(ip), of(_MADE))
    elif how != "unknown" and _MADE in waiting.atoms:
        ip.store.set(_slot(run), _waiting(ip), of(_LOST[raw], ip.origin(node)))


def may_be_made(ip: Interpreter) -> None:
    """A backward pass over what cannot be followed: no run's gradients are known to be lost any more."""
    for run in ip.runs.values():
        waiting = ip.read(_slot(run), _waiting(ip)) or NOTHING
        kept = waiting.select(lambda atom: atom not in _LOST.values())
        if kept != waiting:
            ip.store.set(_slot(run), _waiting(ip), kept or const("none"))


def passed(ip: Interpreter, run: TrainingRun, node: cst.CSTNode) -> None:
    """Both passes of ghost clipping are made for a loss; where one waits for the step already, it is lost."""
    before = ip.read(_slot(run), _passes(ip)) or NOTHING
    here = ip.origin(node)

    def after(e: Entry) -> Entry:
        if e.atom not in (_ONE, _SEVERAL):
            return e if e.atom == _APART else e._replace(atom=_ONE, because=(here,))
        return e._replace(atom=_SEVERAL if here in e.because else _APART)

    first = of(_ONE, here)
    ip.store.set(_slot(run), _passes(ip), Value(tuple(map(after, before.entries))) if before else first)


def change(ip: Interpreter, run: TrainingRun, node: cst.CSTNode, how: Change) -> None:
    """Gradients that wait for the step are changed."""
    waiting = ip.read(_slot(run), _waiting(ip)) or NOTHING
    if _MADE in waiting.atoms:
        ip.store.set(_slot(run), _waiting(ip), join_all([of(Const(how), ip.origin(node)), of(_MADE)]))


def step(ip: Interpreter, run: TrainingRun, node: cst.CSTNode, guard: Guard) -> None:
    """The private optimizer steps: what was done to the gradients on the way here has happened."""
    here = ip.at(node, guard)
    for e in (ip.read(_slot(run), _waiting(ip)) or NOTHING).entries:
        if not e.because or not isinstance(e.atom, Const):
            continue
        there = replace(here, origin=e.because[-1], guard=here.guard | e.guard)
        for raw, lost in _LOST.items():
            if e.atom == lost:
                ip.happen(run, GradientsLost(there, raw))
        for how in get_args(Change):
            if e.atom == Const(how):
                ip.happen(run, GradientChanged(there, how))
    passes = ip.read(_slot(run), _passes(ip)) or NOTHING
    for e in passes.entries:
        if e.atom == _APART or (e.atom == _SEVERAL and not e.guard):  # else a counter may take the step
            unsure = ALWAYS if e.guard or passes.only == e.atom else frozenset({DOUBT})
            ip.happen(run, SeveralPasses(replace(here, guard=here.guard | e.guard | unsure)))
    ip.store.set(_slot(run), _waiting(ip), const("none"))
    ip.store.set(_slot(run), _passes(ip), const("none"))
    _step_by_a_counter(ip, run, node, guard)


def put_off(ip: Interpreter, run: TrainingRun, call: cst.CSTNode, guard: Guard) -> None:
    """Tell of a ``signal_skip_step`` that a counter decides, by its argument or by a test around it."""
    argument = _argument(call, "do_skip")
    counted_to = comes_round_after(ip, argument) if argument is not None else None
    if counted_to is not None:
        there, turns = ip.at(call, guard), counted_to
    else:
        counted = by_a_counter(ip, call, guard)
        if counted is None and _between_steps_of_a_trainer(ip):
            ip.happen(run, StepPutOff(ip.at(call, guard), known=False, by_trainer=True))
        if counted is None:
            return
        there, turns = counted
    if _several(turns):
        ip.happen(run, StepPutOff(there, known=_all_known(turns)))


def _between_steps_of_a_trainer(ip: Interpreter) -> bool:
    """Whether Hugging Face's trainer calls this for each batch that it adds up, but the last of a step."""
    methods = ((f.function.name, f.defining) for f in ip.frames if f.function is not None and f.defining)
    return any(
        name == "on_substep_end" and any(base.endswith("TrainerCallback") for base in external_names(owner))
        for name, owner in methods
    )


def _step_by_a_counter(ip: Interpreter, run: TrainingRun, node: cst.CSTNode, guard: Guard) -> None:
    """Tell of a step under ``if i % k == 0`` in the loop that makes the gradients."""
    counted = by_a_counter(ip, node, guard)
    if counted is not None and _several(counted[1]):
        ip.happen(run, SteppedEvery(counted[0], known=_all_known(counted[1])))


def by_a_counter(ip: Interpreter, node: cst.CSTNode, guard: Guard) -> tuple[Circumstances, Value] | None:
    """Where a node is, but for the test of a counter around it in this loop, and what that counts to."""
    for test, depth, around in ip.tests:
        turns = comes_round_after(ip, test) if depth == len(ip.loops) else None
        if turns is not None:
            return replace(ip.at(node, guard), guard=guard | around), turns
    loop = ip.loops[-1].loop.node if ip.loops else None
    passed = CONTINUED.of(ip).get(loop, {}) if loop is not None else {}
    for test, around in passed.items():
        turns = comes_round_after(ip, test) if _goes_on_before(ip, test, node) else None
        if turns is not None:
            return replace(ip.at(node, guard), guard=around), turns
    return None


def _goes_on_before(ip: Interpreter, test: cst.BaseExpression, node: cst.CSTNode) -> bool:
    """Whether a turn ends above a node unless a counter has come round: ``if i % 4: continue``."""
    signs = [part.operator for part in test.comparisons] if isinstance(test, cst.Comparison) else []
    nesting = ip.module.nesting
    if any(isinstance(sign, cst.Equal) for sign in signs) or test not in nesting or node not in nesting:
        return False
    return nesting.number(test) < nesting.number(node)


def _several(turns: Value) -> bool:
    """Whether a counter comes round after more than one turn."""
    return not any(isinstance(a, Const) and a.value in (0, 1) for a in turns.atoms)


def _all_known(turns: Value) -> bool:
    return bool(turns) and all(isinstance(a, Const) for a in turns.atoms)


def _argument(call: cst.CSTNode, name: str) -> cst.BaseExpression | None:
    """The one argument of a call, by its name or without."""
    args = call.args if isinstance(call, cst.Call) else ()
    return next((a.value for a in args if a.keyword is None or a.keyword.value == name), None)
