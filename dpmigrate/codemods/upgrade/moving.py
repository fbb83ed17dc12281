"""The `upgrade` strategy: one ``make_private`` call and all that hangs on it, moved to the API of 1.5.3.

The recipes are composed here: the call gets its criterion, its result a fourth target, the
losses are made by the returned criterion, one ``backward()`` does what two passes did.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import libcst as cst

from dpmigrate.analysis.ledger import (
    Backward,
    CoefficientAsked,
    Constant,
    DoubleBackward,
    Escape,
    PrivateRun,
    Thing,
)
from dpmigrate.analysis.ledger.expressions import Instance
from dpmigrate.codemods.criterion.upgraded import wrapped_criterion
from dpmigrate.codemods.criterion.wrapping import Wrapping
from dpmigrate.codemods.editing.edits import ProjectEdits, Withheld
from dpmigrate.codemods.losses.floats import UseWithheld
from dpmigrate.codemods.losses.origins import LossSite, origins
from dpmigrate.codemods.losses.uses import Uses
from dpmigrate.codemods.program.facts import Facts
from dpmigrate.codemods.returned.result import Result
from dpmigrate.codemods.returned.upgraded_call import UpgradedCall
from dpmigrate.codemods.upgrade.clipping_ghost import drop_clipping
from dpmigrate.codemods.upgrade.manual_pair import wrap_criterion
from dpmigrate.codemods.upgrade.two_pass import (
    TwoPassBlock,
    losses_of_double_backward,
    nothing_else_clears,
    replace_double_backward,
)

_WATCHED = ("dp-model", "dp-optimizer", "dp-criterion")


class Upgrade(NamedTuple):
    """What moves one call: the edits, and what the user is told beside."""

    edits: ProjectEdits
    notices: list[str]


class _Passes(NamedTuple):
    """The backward passes of a call's runs."""

    blocks: list[TwoPassBlock]
    """Two passes written out."""
    calls: list[cst.Call]
    """Two passes by ``double_backward``."""
    plain: list[Backward]
    """Single ones."""


def upgraded(
    facts: Facts, runs: Sequence[PrivateRun], beside: Sequence[PrivateRun], apart: bool = False
) -> Upgrade:
    """What upgrades all runs of one call. Raises `Withheld`.

    ``beside`` and ``apart`` are those of `UpgradedCall`.

    Where other code needs what only the project's own criterion gives (one loss per example), the
    run gets another one beside it. Where no one criterion can be given to the call, each caller of the
    function around it hands on its own.
    """
    of = UpgradedCall(facts, tuple(runs), tuple(beside), apart)
    try:
        return _upgraded(of)
    except Withheld as withheld:
        for other in () if apart else _other_ways(of, withheld):
            try:
                return _upgraded(other)
            except Withheld:
                continue
        raise


def _other_ways(of: UpgradedCall, withheld: Withheld) -> list[UpgradedCall]:
    """In which other ways a call may get its criterion, where the plain one does not do."""
    apart = replace(of, apart=True)
    return [apart] if isinstance(withheld, UseWithheld) else [replace(of, by_caller=True), apart]


def _upgraded(of: UpgradedCall) -> Upgrade:
    """The recipes for one call, put together. Raises `Withheld`."""
    _refuse_escapes(of)
    passes = _passes(of)
    sites = _sites(of, passes)
    own_sites = tuple(s for s in sites if not (isinstance(s.maker, Thing) and s.maker.kind == "dp-criterion"))
    edits = ProjectEdits()
    if of.manual:
        wrapped = wrap_criterion(of, own_sites)
    else:
        wrapping = Wrapping(of, own_sites, Result.of(of))
        edits.extend(drop_clipping(of.facts, of.runs, of.call))
        wrapped = wrapped_criterion(wrapping)
    edits.extend(wrapped.edits)
    edits.extend(_one_pass(of, passes))
    handled = {*passes.calls, *(s for block in passes.blocks for s in block.statements)}
    reduction = of.loss_reduction if own_sites else "mean"
    edits.extend(Uses(of.facts, of.guard, handled, reduction).rewritten(wrapped.losses))
    return Upgrade(edits, [*_shapes_told(sites), *_norm_told(of)])


def _refuse_escapes(of: UpgradedCall) -> None:
    """A private object that goes where it cannot be followed. Raises `Withheld`."""
    for event in of.events:
        if isinstance(event, Escape) and event.what in _WATCHED and not _reads_only(event.into):
            raise Withheld(_escaped(event), event.origin.module, event.origin.node)


def _passes(of: UpgradedCall) -> _Passes:
    """All backward passes of the runs. Raises `Withheld`."""
    facts, events = of.facts, of.events
    nodes = dict.fromkeys(e.origin.node for e in events if isinstance(e, DoubleBackward))
    calls = [node for node in nodes if isinstance(node, cst.Call)]
    blocks: dict[cst.CSTNode, TwoPassBlock] = {}
    inside: set[cst.CSTNode] = set()
    for event in events:
        if isinstance(event, Backward) and event.loss == "two-pass":
            scope = facts.scope(event.origin.node)
            if scope not in blocks:
                of_scope = [e for e in events if facts.scope(e.origin.node) is scope]
                blocks[scope] = TwoPassBlock(facts, of_scope)
                inside |= {blocks[scope].first, blocks[scope].second}
    if any(isinstance(e, CoefficientAsked) for e in events) and not blocks:
        raise of.withheld(
            "the clipping coefficients (get_coeff) are used in no two-pass step that is known: put one "
            "loss.backward() of the criterion that make_private returns in the place of what they serve"
        )
    plain = [e for e in events if isinstance(e, Backward) and e.origin.node not in inside]
    return _Passes(list(blocks.values()), calls, plain)


def _sites(of: UpgradedCall, passes: _Passes) -> list[LossSite]:
    """The calls that make the losses of all passes. Raises `Withheld`."""
    expressions: list[cst.CSTNode] = [block.losses for block in passes.blocks]
    for call in passes.calls:
        losses = losses_of_double_backward(call)
        if losses is None:
            raise Withheld(
                "double_backward has its losses from a * or **: write loss.backward() on the losses "
                "that the returned criterion makes in its place",
                of.facts.module_of(call),
                call,
            )
        expressions.append(losses)
    expressions += [_goes_backward(event) for event in passes.plain if event.loss != "returned-criterion"]
    sites: dict[cst.CSTNode, LossSite] = {}
    for expression in expressions:
        for site in origins(of.facts, expression, of.guard):
            sites.setdefault(site.call, site)
    if not sites and not passes.plain:
        raise of.withheld(
            "no loop is seen that trains with what this call returns: let the third object that it "
            "returns make the losses there, and call backward() on them"
        )
    return list(sites.values())


def _goes_backward(event: Backward) -> cst.BaseExpression:
    """The loss of a single pass. Raises `Withheld` where that is not ``loss.backward()``."""
    node = event.origin.node
    if isinstance(node, cst.Call) and isinstance(node.func, cst.Attribute) and event.via == "backward":
        return node.func.value
    raise Withheld(
        f"the loss goes backward through {event.via}, which knows nothing of ghost clipping: "
        "write loss.backward() on what the returned criterion makes",
        event.origin.module,
        node,
    )


def _one_pass(of: UpgradedCall, passes: _Passes) -> ProjectEdits:
    """One ``backward()`` for each two passes."""
    between = (cleared for block in passes.blocks for cleared in block.clearing)
    clears = nothing_else_clears(of.events, {*passes.calls, *between})
    return ProjectEdits(
        *(block.rewritten(clears) for block in passes.blocks),
        *(replace_double_backward(of.facts, call, clears) for call in passes.calls),
    )


def _shapes_told(sites: Sequence[LossSite]) -> list[str]:
    """Where it hangs on a shape, which code does not tell, that there is one loss per example."""
    for site in sites:
        maker = site.maker
        short = maker.name.rpartition(".")[2] if isinstance(maker, Thing) else ""
        if short in ELEMENTWISE and not isinstance(maker, Instance):
            place = site.module.place(site.call)
            return [
                f"{place.shown}: {short} has one loss for each element: where the output has "
                "shape (batch, 1) and not (batch,), squeeze it first, or clipping is wrong"
            ]
    return []


def _norm_told(of: UpgradedCall) -> list[str]:
    """Where gradients are clipped at another norm than before."""
    norm = next((r.argument("max_grad_norm") for r in of.ghost), None)
    constants = {w.value if isinstance(w, Constant) else None for w in norm.each} if norm else set()
    clipped = [w for r in of.ghost for w in r.argument("clipping").each]
    others = constants - {1}
    if Constant("ghost") not in clipped or not others:
        return []
    text = ", ".join(str(c) for c in others) if None not in others else "what max_grad_norm says"
    return [
        f"{of.module.place(of.call).shown}: gradients are now clipped at {text}; "
        "Opacus before 1.5.3 clipped at 1 here, whatever max_grad_norm said"
    ]


ELEMENTWISE = frozenset(
    (
        *("MSELoss", "L1Loss", "SmoothL1Loss", "HuberLoss", "BCELoss", "BCEWithLogitsLoss", "PoissonNLLLoss"),
        *("mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss", "poisson_nll_loss"),
        *("binary_cross_entropy", "binary_cross_entropy_with_logits"),
    )
)
"""Criteria whose losses, without a reduction, have the shape of what they compare."""

_LEFT_OPEN = {
    "model": "losses may be made from it there: let the criterion that make_private returns make them, from "
    "the model's output, in this project's own code",
    "optimizer": "it may be stepped or cleared there: do so in this project's own code, after the "
    "backward() of what the returned criterion makes",
    "criterion": "what becomes of its losses is not seen: call it, and backward() on what it makes, in this "
    "project's own loop",
}


def _escaped(event: Escape) -> str:
    """Why a run is left alone whose private object goes where it cannot be followed."""
    what = event.what.removeprefix("dp-")
    into = (
        f"{event.into}, which is no code of this project" if event.into else "code that is not this project's"
    )
    return f"the private {what} is handed to {into}; {_LEFT_OPEN[what]}"


_READERS = frozenset(
    ("state_dict", "load_state_dict", "watch", "summary", "save_pretrained", "get_last_lr", "add_graph")
)


def _reads_only(name: str | None) -> bool:
    """Whether code that cannot be followed is known, by its name, to make no backward pass or step."""
    text = name or ""
    short = text.rpartition(".")[2]
    return short in _READERS or "schedule" in text.lower() or text.startswith("torch.")
