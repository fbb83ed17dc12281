"""The `upgrade` strategy: one ``make_private`` call and all that hangs on it, moved to the API of 1.5.3.

The recipes are composed here: the call gets its criterion, its result a fourth target, the
losses are made by the returned criterion, one ``backward()`` does what two passes did.
"""

from __future__ import annotations

from collections.abc import Sequence

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
from dpmigrate.codemods.criterion.upgraded import CriterionPlan
from dpmigrate.codemods.editing.edits import ProjectEdits, Withheld
from dpmigrate.codemods.losses.floats import UseWithheld
from dpmigrate.codemods.losses.origins import LossSite, origins
from dpmigrate.codemods.losses.uses import Uses
from dpmigrate.codemods.program.facts import Facts
from dpmigrate.codemods.returned.unpack import ResultPlan
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


def upgraded(
    facts: Facts, runs: Sequence[PrivateRun], beside: Sequence[PrivateRun], apart: bool = False
) -> tuple[ProjectEdits, list[str]]:
    """The edits and notices that upgrade all runs of one call. Raises `Withheld`.

    ``beside`` and ``apart`` are those of `UpgradedCall`.

    Where other code needs what only the project's own criterion gives (one loss per example), the
    run gets another one beside it. Where no one criterion can be given to the call, each caller of the
    function around it hands on its own.
    """
    upgrade = UpgradePlan(UpgradedCall(facts, runs, beside, apart=apart))
    try:
        upgrade.plan()
    except Withheld as withheld:
        if apart:
            raise
        apart = isinstance(withheld, UseWithheld)
        upgrade = UpgradePlan(UpgradedCall(facts, runs, beside, apart=apart, by_caller=not apart))
        try:
            upgrade.plan()
        except Withheld:
            raise withheld from None
    return upgrade.edits, upgrade.notices


class UpgradePlan:
    """The recipes for one call, put together. Planning raises `Withheld`."""

    def __init__(self, of: UpgradedCall) -> None:
        self.of = of
        self.facts = of.facts
        self.edits = of.edits
        self.notices: list[str] = []

    def plan(self) -> None:
        """Collect the edits. Raises `Withheld`; what was collected until then must not be applied."""
        self._refuse_escapes()
        blocks, calls, plain = self._backwards()
        sites = self._sites(blocks, calls, plain)
        result = None if self.of.manual else ResultPlan(self.of)
        criterion = CriterionPlan(self.of, sites, result)
        if result is None:
            wrap_criterion(self.of, criterion)
        else:
            drop_clipping(self.facts, self.edits, self.of.runs, self.of.call)
            criterion.plan()
        handled: set[cst.CSTNode] = set()
        clears = nothing_else_clears(self.of.events, {*calls, *(c for b in blocks for c in b.clearing)})
        for block in blocks:
            block.rewrite(self.edits, clears)
            handled.update(block.statements)
        for call in calls:
            replace_double_backward(self.edits, self.facts, call, clears)
            handled.add(call)
        uses = Uses(self.facts, self.edits, self.of.guard, handled, criterion.reduction)
        uses.follow_calls(criterion.affected())
        self._tell_of_shapes(sites)
        self._notices()

    def _refuse_escapes(self) -> None:
        for event in self.of.events:
            if isinstance(event, Escape) and event.what in _WATCHED and not _reads_only(event.into):
                raise Withheld(
                    _escaped(event),
                    event.origin.module,
                    event.origin.node,
                )

    def _backwards(self) -> tuple[list[TwoPassBlock], list[cst.Call], list[Backward]]:
        """The two-pass blocks, the calls of ``double_backward``, and single backward passes."""
        events = self.of.events
        nodes = dict.fromkeys(e.origin.node for e in events if isinstance(e, DoubleBackward))
        calls = [node for node in nodes if isinstance(node, cst.Call)]
        blocks: dict[cst.CSTNode, TwoPassBlock] = {}
        inside: set[cst.CSTNode] = set()
        for event in events:
            if isinstance(event, Backward) and event.loss == "two-pass":
                scope = self.facts.scope(event.origin.node)
                if scope not in blocks:
                    of_scope = [e for e in events if self.facts.scope(e.origin.node) is scope]
                    blocks[scope] = TwoPassBlock(self.facts, of_scope)
                    inside |= {blocks[scope].first, blocks[scope].second}
        if any(isinstance(e, CoefficientAsked) for e in events) and not blocks:
            raise self.of.withheld(
                "the clipping coefficients (get_coeff) are used in no two-pass step that is known: put one "
                "loss.backward() of the criterion that make_private returns in the place of what they serve"
            )
        plain = [e for e in events if isinstance(e, Backward) and e.origin.node not in inside]
        return list(blocks.values()), calls, plain

    def _sites(
        self, blocks: list[TwoPassBlock], calls: list[cst.Call], plain: list[Backward]
    ) -> list[LossSite]:
        expressions: list[cst.CSTNode] = [b.losses for b in blocks]
        for call in calls:
            losses = losses_of_double_backward(call)
            if losses is None:
                raise Withheld(
                    "double_backward has its losses from a * or **: write loss.backward() on the losses "
                    "that the returned criterion makes in its place",
                    self.facts.module_of(call),
                    call,
                )
            expressions.append(losses)
        for event in plain:
            if event.loss == "returned-criterion":
                continue
            node = event.origin.node
            if (
                not isinstance(node, cst.Call)
                or not isinstance(node.func, cst.Attribute)
                or event.via != "backward"
            ):
                raise Withheld(
                    f"the loss goes backward through {event.via}, which knows nothing of ghost clipping: "
                    "write loss.backward() on what the returned criterion makes",
                    event.origin.module,
                    node,
                )
            expressions.append(node.func.value)
        sites: dict[cst.CSTNode, LossSite] = {}
        for expression in expressions:
            for site in origins(self.facts, expression, self.of.guard):
                sites.setdefault(site.call, site)
        if not sites and not plain:
            raise self.of.withheld(
                "no loop is seen that trains with what this call returns: let the third object that it "
                "returns make the losses there, and call backward() on them"
            )
        return list(sites.values())

    def _tell_of_shapes(self, sites: list[LossSite]) -> None:
        """Say where it hangs on a shape, which code does not tell, that there is one loss per example."""
        for site in sites:
            maker = site.maker
            short = maker.name.rpartition(".")[2] if isinstance(maker, Thing) else ""
            if short in ELEMENTWISE and not isinstance(maker, Instance):
                place = site.module.place(site.call)
                self.notices.append(
                    f"{place.shown}: {short} has one loss for each element: where the output has "
                    "shape (batch, 1) and not (batch,), squeeze it first, or clipping is wrong"
                )
                return

    def _notices(self) -> None:
        norm = next((r.argument("max_grad_norm") for r in self.of.ghost), None)
        constants = {w.value if isinstance(w, Constant) else None for w in norm.each} if norm else set()
        clipped = [w for r in self.of.ghost for w in r.argument("clipping").each]
        others = constants - {1}
        if Constant("ghost") in clipped and others:
            all_known = None not in others
            text = ", ".join(str(c) for c in others) if all_known else "what max_grad_norm says"
            place = self.of.module.place(self.of.call)
            self.notices.append(
                f"{place.shown}: gradients are now clipped at {text}; "
                "Opacus before 1.5.3 clipped at 1 here, whatever max_grad_norm said"
            )


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


__all__ = ["UpgradePlan", "upgraded"]
