"""Loops that train again what they trained before: over seeds, folds, or settings to be compared.

A loop over clients gives each of them records of its own. One that repeats a trial keeps to the records, or
seeds each turn anew, or takes a setting from what it goes over, or makes no use of it at all.
"""

from __future__ import annotations

import libcst as cst

from dpmigrate.analysis.ledger import Given, Open, PrivateRun, Thing, Turn
from dpmigrate.analysis.ledger.events import SeededBefore
from dpmigrate.analysis.source.tree import contains, every, names_in

_SETTINGS = ("noise_multiplier", "max_grad_norm", "target_epsilon", "target_delta", "epochs", "clipping")


def repeats_a_trial(run: PrivateRun, turn: Turn, apart: bool = False) -> bool:
    """Whether the turns of a loop around a run train on the same records, or are told apart by a setting.

    ``apart``: each is known to have a data set of its own.
    """
    loop = turn.loop.node
    if any(turn in event.loops for event in run.happened(SeededBefore)):
        return True
    if isinstance(loop, (cst.For, cst.CompFor)):
        if goes_over_folds(loop) or (isinstance(loop, cst.For) and not reads_its_items(loop)):
            return True
        if any(_chosen_by(run.argument(name), loop) for name in _SETTINGS):
            return True
    return not apart and _on_the_same_records(run, turn)


def _on_the_same_records(run: PrivateRun, turn: Turn) -> bool:
    """Whether the records of all loaders were there before the loop, and are not one part of several."""
    made = [thing.made if isinstance(thing := loader.dataset.only, Thing) else None for loader in run.loaders]
    outside = run.loops[: run.loops.index(turn)] if turn in run.loops else ()
    return bool(made) and all(at is not None and set(at.loops) <= set(outside) for at in made)


def goes_over_folds(loop: cst.CSTNode) -> bool:
    """Whether a loop takes its items from ``folds.split(...)``, as cross-validation of sklearn gives them."""
    if not isinstance(loop, (cst.For, cst.CompFor)) or not isinstance(loop.target, cst.Tuple):
        return False
    return any(
        isinstance(node, cst.Call)
        and isinstance(node.func, cst.Attribute)
        and node.func.attr.value == "split"
        for node in every(loop.iter)
    )


def reads_its_items(loop: cst.For) -> bool:
    """Whether the body of a loop reads what the loop binds."""
    bound = names_in(loop.target)
    return any(isinstance(node, cst.Name) and node.value in bound for node in every(loop.body))


def _chosen_by(given: Given, loop: cst.For | cst.CompFor) -> bool:
    """Whether an argument is an item of what a loop goes over."""
    literal = any(contains(loop.iter, o.node) for option in given.options for o in option.because)
    return literal or any(isinstance(what, Open) and _comes_from_an_element(what.key) for what in given.each)


def _comes_from_an_element(symbol: object) -> bool:
    """Whether something unknown is an element of what a loop goes over, or a part of one."""
    while isinstance(symbol, tuple) and len(symbol) == 3 and symbol[1] == ".":
        if symbol[2] == "element":
            return True
        symbol = symbol[0]
    return False
