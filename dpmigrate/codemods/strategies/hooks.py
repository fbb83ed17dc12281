"""The `hooks` strategy: a ghost run back to standard clipping, on every Opacus release.

Mode, ``clipping="ghost"``, ``criterion=`` and the fourth target go; the loop makes one backward
pass over the mean of the losses. It costs memory and is exact bit for bit with hooks runs.
"""

from __future__ import annotations

from collections.abc import Sequence

import libcst as cst

from dpmigrate.analysis.ledger import (
    Backward,
    Constant,
    DoubleBackward,
    Event,
    HandedOnWhole,
    PrivateRun,
    ResultUsed,
    Unpack,
)
from dpmigrate.codemods.editing.edits import ProjectEdits, Withheld
from dpmigrate.codemods.editing.nodes import remove_argument, remove_element
from dpmigrate.codemods.program.facts import Facts, keys_of
from dpmigrate.codemods.upgrade.clipping_ghost import drop_clipping
from dpmigrate.codemods.upgrade.two_pass import (
    TwoPassBlock,
    losses_of_double_backward,
    nothing_else_clears,
    replace_double_backward,
)


def back_to_hooks(facts: Facts, runs: Sequence[PrivateRun]) -> ProjectEdits:
    """All that changes for the runs of one call. Raises `Withheld`."""
    module, call = runs[0].module, runs[0].origin.node
    assert isinstance(call, cst.Call)
    if runs[0].manual:
        raise Withheld(
            "the ghost model and its optimizer are made by hand here: let PrivacyEngine().make_private "
            "make them in hooks mode",
            module,
            call,
        )
    if any(r.ghost is not True for r in runs):
        raise Withheld(
            "grad_sample_mode= of this call is chosen when the program runs: choose hooks there",
            module,
            call,
        )
    edits = drop_clipping(facts, runs, call)
    module_edits = edits.of(module)
    direct = next((a for a in call.args if a.keyword and a.keyword.value == "grad_sample_mode"), None)
    if direct is not None and isinstance(direct.value, cst.SimpleString):
        module_edits.change(call, lambda new: remove_argument(new, "grad_sample_mode"))
    else:
        for literal in _mode_literals(facts, runs):
            edits.of(facts.module_of(literal)).change(literal, _hooks)
    module_edits.change(call, lambda new: remove_argument(new, "criterion"))
    events = [e for r in runs for e in r.events]
    return ProjectEdits(edits, _results(facts, events, runs), _loop(facts, events, runs))


def _mode_literals(facts: Facts, runs: Sequence[PrivateRun]) -> list[cst.SimpleString]:
    literals = {
        o.node
        for r in runs
        for o in r.mode_because
        if isinstance(o.node, cst.SimpleString) and o.node.evaluated_value == r.mode
    }
    if not literals:
        raise Withheld(
            'this call gets grad_sample_mode="ghost" from a place that cannot be followed: write '
            '"hooks" there',
            runs[0].module,
            runs[0].origin.node,
        )
    return sorted(literals, key=facts.position)


def _hooks(new: cst.CSTNode) -> cst.CSTNode:
    assert isinstance(new, cst.SimpleString)
    return new.with_changes(value=f"{new.prefix}{new.quote}hooks{new.quote}")


def _results(facts: Facts, events: Sequence[Event], runs: Sequence[PrivateRun]) -> ProjectEdits:
    """The third of four targets goes. Raises `Withheld`."""
    edits = ProjectEdits()
    given = [thing.key for r in runs for thing in r.argument("criterion").things]
    for event in {e.origin.node: e for e in events if isinstance(e, (Unpack, ResultUsed))}.values():
        if isinstance(event, HandedOnWhole) and not given:
            continue  # three objects, before as after
        node = event.origin.node
        if isinstance(node, cst.Assign):
            node = node.targets[0].target
        if not isinstance(event, Unpack) or event.star is not None:
            raise Withheld(
                "what make_private returns is taken apart here in a way that cannot be followed: write "
                "model, optimizer, loader = ...",
                event.origin.module,
                node,
            )
        if event.count == 3:
            continue
        assert isinstance(node, (cst.Tuple, cst.List))
        name = facts.code(node.elements[2].value).strip()
        same = [
            key
            for load in facts.below(facts.scope(node))
            if isinstance(load, (cst.Name, cst.Attribute)) and facts.code(load).strip() == name
            for key in keys_of(facts.held(load))
        ]
        if name != "_" and not set(same) & set(given):
            raise Withheld(
                f"{name}, the third target, is the wrapped criterion, which hooks mode has none of: let "
                f"{name} be the plain criterion before this call",
                event.origin.module,
                node,
            )
        edits.of(event.origin.module).change(node, lambda new: remove_element(new, 2))
    return edits


def _loop(facts: Facts, events: Sequence[Event], runs: Sequence[PrivateRun]) -> ProjectEdits:
    """One backward pass over the losses' mean or sum. Raises `Withheld`."""
    reduction = _reduction(runs)
    nodes = dict.fromkeys(e.origin.node for e in events if isinstance(e, DoubleBackward))
    calls = [n for n in nodes if isinstance(n, cst.Call)]
    for call in calls:
        if losses_of_double_backward(call) is None:
            raise Withheld(
                "double_backward has its losses from a * or **: write losses.mean().backward() in its place",
                facts.module_of(call),
                call,
            )
    scopes = dict.fromkeys(
        facts.scope(e.origin.node) for e in events if isinstance(e, Backward) and e.loss == "two-pass"
    )
    blocks = [TwoPassBlock(facts, [e for e in events if facts.scope(e.origin.node) is s]) for s in scopes]
    clears = nothing_else_clears(events, {*calls, *(c for b in blocks for c in b.clearing)})
    return ProjectEdits(
        *(replace_double_backward(facts, call, clears, reduction) for call in calls),
        *(block.rewritten(clears, reduction) for block in blocks),
    )


def _reduction(runs: Sequence[PrivateRun]) -> str:
    values = {
        w.value if isinstance(w, Constant) else None for r in runs for w in r.argument("loss_reduction").each
    }
    if values - {"mean", "sum"}:
        raise Withheld(
            'loss_reduction= of this call is no literal: write "mean" or "sum"',
            runs[0].module,
            runs[0].origin.node,
        )
    return "sum" if values == {"sum"} else "mean"
