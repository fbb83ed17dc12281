"""What to do by hand where a move from Opacus 0.x is not made."""

from __future__ import annotations

from collections.abc import Sequence

import libcst as cst

from dpmigrate.analysis.ledger.retired import RetiredCall


def attached_to(lines: Sequence[int]) -> str:
    """What to do about an engine that is attached nowhere that is known, or in several places."""
    if lines:
        where = " and ".join(str(line) for line in sorted(lines))
        return (
            f"this engine is attached in lines {where}: keep one attach(), after the choice of the "
            "optimizer, or make an engine for each"
        )
    return (
        "no attach() of this engine to an optimizer is seen: call engine.make_private(module=..., "
        "optimizer=..., data_loader=...) where the optimizer is made, and train with the three objects that "
        "it returns"
    )


_COUNTERPARTS = {
    "steps": "count the steps in the loop, or read engine.accountant.history",
    "detach": "leave it out, or train with the module and optimizer from before make_private",
    "clipper": "the optimizer that make_private returns clips, by optimizer.max_grad_norm",
    "validator": "call ModuleValidator.validate(model, strict=True)",
    "sample_rate": "read it from the loader that make_private returns: 1 / len(loader)",
    "batch_size": "read optimizer.expected_batch_size of the optimizer that make_private returns",
    "alphas": "give alphas= to engine.accountant.get_privacy_spent",
    "state_dict": 'keep engine.accountant.state_dict(), which has no "steps" of its own',
    "load_state_dict": "give engine.accountant.load_state_dict() what engine.accountant.state_dict() gave",
    "get_renyi_divergence": "ask engine.accountant.get_privacy_spent(delta=...)",
}


def without_counterpart(name: str) -> str:
    """What to do about a member of the 0.x engine that no engine of today has."""
    instead = _COUNTERPARTS.get(name, "leave it out, or keep what it holds in the loop")
    return f"{name} of the engine is gone since Opacus 1.0: {instead}"


OF_SEVERAL = (
    "this get_privacy_spent is of several engines, which were given different deltas or are reached by "
    "different names: give the delta here, and hand the engine on to here"
)
CUT_FOR_SEVERAL = (
    "this virtual_step is of several engines, each with a loader of its own: give each loader the size of "
    "its logical batches, and let a BatchMemoryManager around the one that is trained on cut them"
)


_RDP = 'or make the engine with accountant="rdp", and write engine.accountant.get_privacy_spent(delta=...)'
_OF_TODAY = f"the engine of Opacus 1.x has no get_privacy_spent: ask engine.get_epsilon(delta), {_RDP}"
_OF_ACCOUNTANT = (
    "the accountant is the PRV accountant, the default since Opacus 1.3, which knows no orders: ask "
    f"engine.get_epsilon(delta), {_RDP}"
)
_BY_KEYWORD = "get_privacy_spent of the accountant takes delta by keyword alone: write delta=..."


def ownerless(call: RetiredCall) -> str:
    """What to do about a call that is of no 0.x engine that is known."""
    if call.kind == "virtual-step":
        return (
            "virtual_step is called on an optimizer whose engine is not seen: let a BatchMemoryManager "
            "around the loader cut the batches, and call step() on every one"
        )
    if call.sure and call.error == "TypeError":
        return _BY_KEYWORD
    if call.sure:
        return _OF_ACCOUNTANT if call.since != "1.0.0" or _is_of_accountant(call) else _OF_TODAY
    return (
        "get_privacy_spent is called on something whose engine is not seen: hand the engine on to here, and "
        "write engine.accountant.get_privacy_spent(delta=...)"
    )


def _is_of_accountant(call: RetiredCall) -> bool:
    node = call.origin.node
    receiver = (
        node.func.value if isinstance(node, cst.Call) and isinstance(node.func, cst.Attribute) else None
    )
    return isinstance(receiver, cst.Attribute) and receiver.attr.value == "accountant"
