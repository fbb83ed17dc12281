"""Facts about engines that are made anew while the weights go on."""

from __future__ import annotations

import libcst as cst

from dpmigrate.advisories.facts import fact
from dpmigrate.advisories.subjects import Subject
from dpmigrate.analysis.ledger import Backward, PrivateRun, Turn
from dpmigrate.analysis.ledger.accounting import EngineOfARound, WeightsLoaded
from dpmigrate.analysis.tree import children
from dpmigrate.model import Tri

_COUNTING = frozenset(["range", "trange", "count"])


@fact
def _engine_of_each_turn(s: Subject) -> Tri:
    """Whether a counted loop makes an engine in every turn and trains with it, on weights that go on."""
    run = s.run
    if run.engine is None or run.engine.made is None or run.engine.accountant is None:
        return False
    rounds = [turn for turn in run.engine.made.loops if turn in run.loops and _counts(turn)]
    inside = [turn for turn in rounds if any(turn in e.loops for e in run.happened(Backward))]
    return any(_weights_go_on(run, turn) for turn in inside)


@fact
def _engine_of_each_round(s: Subject) -> Tri:
    """Whether a framework makes an engine in every round, by a method of the program that it calls."""
    if s.run.engine is None or s.run.engine.accountant is None:
        return False
    for event in s.run.happened(EngineOfARound):
        s.notes["framework"] = event.framework
        return True
    return False


def _counts(turn: Turn) -> bool:
    """Whether a loop repeats itself, and does not go over models, clients or folds."""
    loop = turn.loop.node
    if isinstance(loop, cst.While):
        return True
    return turn.number is None and isinstance(loop, cst.For) and _calls_a_counter(loop.iter)


def _calls_a_counter(node: cst.CSTNode) -> bool:
    if isinstance(node, cst.Call):
        name = node.func.attr if isinstance(node.func, cst.Attribute) else node.func
        if isinstance(name, cst.Name) and name.value in _COUNTING:
            return True
    return any(map(_calls_a_counter, children(node)))


def _weights_go_on(run: PrivateRun, turn: Turn) -> bool:
    """Whether what one turn of a loop learned is what the next one begins with."""
    loads = [e for e in run.happened(WeightsLoaded) if turn in e.loops]
    if any(e.changing for e in loads):
        return True
    made = [model.made for model in run.models]
    return bool(made) and not loads and all(at is not None and turn not in at.loops for at in made)
