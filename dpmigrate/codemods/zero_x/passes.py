"""Forward passes between the steps, with gradients on: 0.x let them be, on 1.x the next step raises.

The hooks of 1.x keep the inputs of each layer until a backward pass takes them; those of a pass that never
goes backward stay, and the gradients of the next one are incomplete.
"""

from __future__ import annotations

from collections.abc import Collection

import libcst as cst

from dpmigrate.codemods.program.facts import keys_of
from dpmigrate.codemods.program.ways import MAX_CALLS, calls_lead
from dpmigrate.codemods.zero_x.loader import Trained

_HARMLESS = frozenset(["no_grad", "inference_mode", "set_grad_enabled", "eval"])
"""What code mentions that asks a model without gradients, or out of training mode."""


def passes_told(trained: Trained, model: cst.CSTNode) -> list[str]:
    """Where the model of an engine is asked between the steps, with what to write there."""
    facts, models = trained.facts, keys_of(trained.facts.held(model))
    training = {loop for step in trained.steps() for loop in trained.loops_around(step)}
    calls = (
        call
        for info in facts.modules
        for call in facts.inside(info.tree, cst.Call)
        if keys_of(facts.held(call.func)) & models
    )
    call = next((c for c in calls if _between_steps(trained, c, training, MAX_CALLS)), None)
    if call is None:
        return []
    where = facts.module_of(call).place(call).shown
    return [
        f"{where}: the model is called between the steps here, with gradients on, after which the next step "
        "raises on today's Opacus: put this under torch.no_grad()"
    ]


def _between_steps(
    trained: Trained, call: cst.CSTNode, training: Collection[cst.CSTNode], depth: int
) -> bool:
    """Whether a call, or one that leads to it, comes again and again beside the loops that train."""
    facts, scope = trained.facts, trained.facts.scope(call)
    if not _HARMLESS.isdisjoint(name.value for name in facts.own(scope, cst.Name)):
        return False
    loops = [n for n in facts.above(call) if isinstance(n, (cst.For, cst.While)) and facts.scope(n) is scope]
    if loops and (loops[0] in training or any(_leads_to_steps(trained, loop) for loop in loops)):
        return loops[0] not in training
    callers = facts.callers.get(scope, ()) if depth else ()
    return any(_between_steps(trained, caller, training, depth - 1) for caller, _ in callers)


def _leads_to_steps(trained: Trained, loop: cst.CSTNode) -> bool:
    """Whether the optimizer is stepped in a loop, or in what that calls."""
    facts, steps = trained.facts, list(trained.steps())
    below = set(facts.below(loop))
    entered = (fn.node for call in facts.inside(loop, cst.Call) for fn in facts.functions_entered(call))
    scopes = {facts.scope(step) for step in steps}
    return any(s in below for s in steps) or any(calls_lead(facts, fn, s) for fn in entered for s in scopes)
