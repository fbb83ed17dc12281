"""A helper that makes private what its callers train: each hands on its own criterion, and gets it back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import libcst as cst

from dpmigrate.analysis.ledger import Thing
from dpmigrate.analysis.ledger.expressions import Instance
from dpmigrate.codemods.criterion.own import OwnCriterion
from dpmigrate.codemods.editing.edits import Withheld
from dpmigrate.codemods.editing.imports import spelling
from dpmigrate.codemods.editing.nodes import (
    add_argument,
    add_parameter,
    name_of,
    remove_argument,
    with_element,
)
from dpmigrate.codemods.losses.origins import LossSite, is_object
from dpmigrate.codemods.program.assignments import target_text
from dpmigrate.codemods.program.facts import Facts, Scope, making_node
from dpmigrate.codemods.program.places import fresh_name
from dpmigrate.codemods.program.ways import make_before
from dpmigrate.codemods.returned.alternatives import give_alternatives
from dpmigrate.codemods.returned.annotations import lengthen, result_annotations
from dpmigrate.codemods.returned.unpack import ResultPlan
from dpmigrate.codemods.returned.upgraded_call import UpgradedCall


@dataclass(frozen=True)
class _Caller:
    """One call of the helper, and the criterion of its scope; None where it makes no losses."""

    call: cst.Call
    scope: Scope
    made: cst.Call | None
    name: str


class ByCaller:
    """The plan for a helper whose callers have criteria of their own. Planning raises `Withheld`."""

    def __init__(self, upgrade: UpgradedCall, sites: Sequence[LossSite], result: ResultPlan) -> None:
        self.upgrade = upgrade
        self.facts: Facts = upgrade.facts
        self.edits = upgrade.edits
        self.sites = sites
        self.result = result
        self.own = OwnCriterion(upgrade)
        self.helper = self.facts.scope(upgrade.call)

    def plan(self) -> list[tuple[cst.Call, bool]]:
        """Collect the edits; the calls whose losses change, as `CriterionPlan.affected` has them."""
        facts, edits, helper = self.facts, self.edits, self.helper
        if not isinstance(helper, cst.FunctionDef) or self.upgrade.mixed or self.upgrade.runs[0].adaptive:
            raise self._unusual()
        makers = self._makers()
        per_example = {self.own.reduction_of(maker, made) == "none" for made, maker in makers.items()}
        affected = self.own.calls_of(makers)
        if len(per_example) != 1 or self.own.shared:
            raise self._unusual()
        callers = self._callers(makers)
        for made, maker in makers.items():
            if self.own.binding(made) is not None:
                self.own.lift(maker, made)
        name = fresh_name(facts, helper, "criterion", "loss_fn")
        edits.of(self.upgrade.module).change(helper, lambda new: add_parameter(new, name))
        edits.of(self.upgrade.module).change(
            self.upgrade.call, lambda new: add_argument(new, "criterion", name, ("module", "optimizer"))
        )
        for caller in callers:
            self._hand_on(caller, name)
        self._return(callers, helper, name)
        return [(call, not per_example.copy().pop()) for call in affected]

    def _unusual(self) -> Withheld:
        return self.upgrade.withheld(
            "not every caller of this function has one criterion of its own, in a variable: let each hand "
            "its own on, give it to this call (criterion=), and return the third object that the call returns"
        )

    def _makers(self) -> dict[cst.Call, Thing]:
        """The criteria of all callers, by the call that makes each."""
        makers: dict[cst.Call, Thing] = {}
        for maker in (m for site in self.sites for m in site.makers):
            made = making_node(maker) if isinstance(maker, Thing) and is_object(maker) else None
            if not isinstance(maker, Thing) or not isinstance(made, cst.Call) or not self.facts.knows(made):
                raise self._unusual()
            self.own.check(maker)
            makers[made] = maker
        if not makers:
            raise self._unusual()
        return makers

    def _callers(self, makers: dict[cst.Call, Thing]) -> list[_Caller]:
        """Every call of the helper with the one criterion that is made in its scope."""
        facts, helper = self.facts, self.helper
        assert isinstance(helper, cst.FunctionDef)
        by_scope: dict[Scope, cst.Call] = {}
        for made, maker in makers.items():
            home = self.own.binding(made)
            named = home is not None and target_text(facts, home).isidentifier()
            if not (named or self._is_argument(maker, made)) or facts.scope(made) in by_scope:
                raise self._unusual()
            by_scope[facts.scope(made)] = made
        callers = []
        for call, _ in facts.callers.get(helper, ()):
            if not isinstance(call, cst.Call) or name_of(call.func) != helper.name.value:
                raise self._unusual()
            made_there = by_scope.get(facts.scope(call))
            callers.append(_Caller(call, facts.scope(call), made_there, self._name(made_there)))
        scopes = {caller.scope for caller in callers}
        if len(scopes) != len(callers) or not by_scope.keys() <= scopes or helper in scopes:
            raise self._unusual()
        return callers

    def _is_argument(self, maker: Thing, made: cst.Call) -> bool:
        """Whether one of torch's criteria is made among the arguments of a call, of nothing but literals."""
        of_torch = maker.kind == "criterion" and not isinstance(maker, Instance)
        literal = all(
            a.keyword and isinstance(a.value, (cst.SimpleString, cst.BaseNumber)) for a in made.args
        )
        return of_torch and literal and isinstance(self.facts.parent(made), cst.Arg)

    def _name(self, made: cst.Call | None) -> str:
        """The variable of a caller's criterion, a new one where it has none."""
        home = self.own.binding(made) if made is not None else None
        if home is not None:
            return target_text(self.facts, home)
        if made is None:
            return "_"
        return fresh_name(self.facts, self.facts.scope(made), "criterion", "loss_fn")

    def _put_before(self, made: cst.Call, caller: _Caller) -> None:
        """A line for a criterion that is made among the arguments of a later call. Raises `Withheld`."""
        facts, anchor = self.facts, self.facts.statement(caller.call)
        blocks = set(facts.above(made))
        if not facts.is_before(caller.call, made) or facts.parent(anchor) not in blocks or anchor in blocks:
            raise self._unusual()
        edits = self.edits.of(facts.module_of(made))
        lifted = remove_argument(made, "reduction")
        if self.own.wanted != "mean":
            lifted = add_argument(lifted, "reduction", f'"{self.own.wanted}"', ())
        text = facts.module_of(made).tree.code_for_node(lifted)
        edits.insert_before(anchor, f"{caller.name} = {text}")
        edits.replace(made, caller.name)

    def _hand_on(self, caller: _Caller, parameter: str) -> None:
        """Give a call of the helper its scope's criterion, or one that stands for the default of Opacus."""
        module = self.facts.module_of(caller.call)
        text = caller.name
        home = self.own.binding(caller.made) if caller.made is not None else None
        if home is not None:
            make_before(self.facts, self.edits, home, caller.call)
        elif caller.made is not None:
            self._put_before(caller.made, caller)
        else:
            spelt, needed = spelling(module.tree, "torch.nn", "CrossEntropyLoss")
            text = f"{spelt}()"
            if needed is not None:
                self.edits.of(module).need_import(needed)
        self.edits.of(module).change(caller.call, lambda new: add_argument(new, parameter, text, ()))

    def _return(self, callers: Sequence[_Caller], helper: cst.FunctionDef, name: str) -> None:
        """Make three four where the result is taken apart: in each caller, or in the helper, too."""
        facts, edits = self.facts, self.edits
        if self.result.items or self.result.receivers:
            raise self._unusual()
        result_annotations(facts, edits, self.upgrade.call)
        names = {caller.scope: caller.name for caller in callers}
        for event in self.result.unpacks:
            scope = facts.scope(event.origin.node)
            target = name if scope is helper else names.get(scope)
            if target is None or event.count != 3 or event.star is not None:
                raise self._unusual()
            give_alternatives(facts, edits, event, target, lambda _: False)
            edits.of(event.origin.module).change(self.result.targets(event), with_element(2, target))
        if all(facts.scope(event.origin.node) is not helper for event in self.result.unpacks):
            return
        returned = [r.value for r in facts.own(helper, cst.Return) if r.value is not None]
        value = returned[0] if len(returned) == 1 else None
        if not isinstance(value, cst.Tuple) or any(
            isinstance(e.value, cst.StarredElement) for e in value.elements
        ):
            raise self._unusual()
        count = len(value.elements)
        place = next(
            (i + 1 for i, e in enumerate(value.elements) if facts.is_a(e.value, "dp-optimizer")), count
        )
        edits.of(self.upgrade.module).change(value, with_element(place, name))
        if helper.returns is not None:
            lengthen(facts, edits, helper.returns, count, place)
        for caller in callers:
            assign = facts.parent(caller.call)
            taken = (
                assign.targets[0].target
                if isinstance(assign, cst.Assign) and len(assign.targets) == 1
                else None
            )
            if not isinstance(taken, (cst.Tuple, cst.List)) or len(taken.elements) != count:
                raise self._unusual()
            edits.of(facts.module_of(taken)).change(taken, with_element(place, caller.name))
