"""The criterion that one call is given, and the wrapped one, led from its result to where losses are made."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import libcst as cst

from dpmigrate.codemods.criterion.one_for_each import refuse_kept_among_others, refuse_last_of_many
from dpmigrate.codemods.criterion.other_modes import OtherModes
from dpmigrate.codemods.criterion.unconditional import before_conditions
from dpmigrate.codemods.editing.nodes import add_argument, with_statement
from dpmigrate.codemods.losses.origins import LossSite
from dpmigrate.codemods.program.binders import binders, bound_by
from dpmigrate.codemods.program.facts import Scope
from dpmigrate.codemods.program.places import fresh_name, variables_in
from dpmigrate.codemods.program.routes import Routes
from dpmigrate.codemods.program.ways import (
    calls_lead,
    declared_global,
    declared_nonlocal,
    is_method,
    is_parameter,
    leading_calls,
    method_of_torch_module,
    same_class,
)
from dpmigrate.codemods.returned.alternatives import give_alternatives
from dpmigrate.codemods.returned.unpack import ResultPlan
from dpmigrate.codemods.returned.upgraded_call import UpgradedCall
from dpmigrate.codemods.returned.way_back import way_back
from dpmigrate.codemods.returned.ways_out import lead_out

NEIGHBOURS = ("module", "optimizer")
"""Keywords after which ``criterion=`` reads well."""
NAMES = ("criterion", "loss_fn", "private_criterion")


class Handover:
    """What one ``make_private`` call is given, and the way of what it returns."""

    def __init__(
        self, upgrade: UpgradedCall, sites: Sequence[LossSite], result: ResultPlan | None, modes: OtherModes
    ) -> None:
        self.upgrade = upgrade
        self.facts = upgrade.facts
        self.edits = upgrade.edits
        self.call = upgrade.call
        self.module = upgrade.module
        self.scope: Scope = upgrade.facts.scope(upgrade.call)
        self.sites = sites
        self.modes = modes
        self._result = result
        self.routes = Routes(upgrade.facts, upgrade.edits)
        self.made_at: cst.CSTNode | None = None
        """Before which statement a criterion is made, where that is made for the call."""

    @property
    def result(self) -> ResultPlan:
        """How the result of the call is taken apart; a hand-made pair has none."""
        assert self._result is not None
        return self._result

    def free_name(self, scopes: set[Scope], names: Sequence[str] = NAMES) -> str:
        """The first of some names that is free wherever the wrapped criterion is to be read."""
        if any(s is not self.scope for s in scopes) and all(
            same_class(self.facts, s, self.scope) for s in scopes
        ):
            owner = self.facts.class_of(self.scope)
            assert owner is not None
            taken = {a.attr.value for a in self.facts.inside(owner, cst.Attribute)}
            return "self." + next((n for n in names if n not in taken), "dp_criterion")
        ways = [way_back(self.facts, s, other) for s in self.result.scopes for other in scopes]
        on_the_way = (s for way in ways if way is not None for s in way.having)
        places = {self.scope, *self.result.scopes, *scopes, *on_the_way}
        taken = {n for s in places for n in variables_in(self.facts, s)}
        free = next((n for n in names if n not in taken), None)
        return free or fresh_name(self.facts, self.module.tree, "private_criterion")

    def comes_as_member(self, wanted_in: Scope) -> bool:
        """Whether the call fills an object, whose methods alone lead to where losses are made."""
        facts, scopes = self.facts, self.result.scopes
        owner = facts.class_of(scopes[0]) if len(scopes) == 1 and is_method(facts, scopes[0]) else None
        targets = [self.result.targets(event) for event in self.result.unpacks]
        filled = [facts.code(e.value).strip() for each in targets for e in each.elements]
        if owner is None or not filled or not all(text.startswith("self.") for text in filled):
            return False
        if calls_lead(facts, scopes[0], wanted_in):
            return False
        callers = [facts.scope(call) for call, _ in facts.callers.get(wanted_in, ())]
        return bool(callers) and all(facts.class_of(s) is owner and is_method(facts, s) for s in callers)

    def build(self, code: str, name: str, loss_scopes: set[Scope]) -> None:
        """Make a criterion on a line before the call, give it, and lead what comes back to some scopes."""
        module_edits = self.edits.of(self.module)
        if name.startswith("self.") and not is_method(self.facts, self.scope):
            self.give(code)
            for scope in loss_scopes:
                self.receive(name, scope)
            return
        if name.startswith("self.") and method_of_torch_module(self.facts, self.scope):
            if self.modes.run_on():
                raise self.upgrade.withheld(
                    f"{name} would be a module of this one in another mode, whose place the wrapped "
                    "criterion cannot take: keep the third object that the call returns outside of it"
                )
            self.give(code)
            for scope in loss_scopes:
                self.receive(name, scope)
            return
        anchor = before_conditions(self.facts, self.call, name, code)
        if isinstance(anchor, cst.SimpleStatementSuite):
            place = anchor.body.index(self.facts.removable(self.call))
            module_edits.change(anchor, with_statement(place, f"{name} = {code}"))
        elif isinstance(anchor, (cst.SimpleStatementLine, cst.If)):
            module_edits.insert_before(anchor, f"{name} = {code}")
        else:
            raise self.upgrade.withheld(
                "make_private is called in the head of a compound statement, before which no criterion can "
                "be made: assign what it returns on a line of its own first"
            )
        self.modes.set_at = self.made_at = anchor
        self.give(name)
        for scope in loss_scopes or {self.scope}:
            self.receive(name, scope)

    def give(self, text: str, needed: str | None = None) -> None:
        """Let the call have ``criterion=text``, for which an import may be needed."""
        module_edits = self.edits.of(self.module)
        if needed is not None:
            module_edits.need_import(needed)
        module_edits.change(self.call, lambda new: add_argument(new, "criterion", text, NEIGHBOURS))

    def name_result(self, name: str) -> None:
        """Name the wrapped criterion where the result, or what stands for it, is taken apart."""
        if self.result.target is None and not self.upgrade.mixed:
            for event in self.result.taken_by_three:
                give_alternatives(self.facts, self.edits, event, name, partial(self._has, name))
        self.result.give_criterion_once(name)

    def _has(self, name: str, at: cst.CSTNode) -> bool:
        """Whether a variable is the criterion at a place, before the call or beside it."""
        facts, scope = self.facts, self.facts.scope(at)
        if scope in self.routes.routed:
            return True
        if self.made_at is not None:
            return scope is self.scope and not facts.is_before(at, self.made_at)
        if name.startswith("self."):
            return same_class(facts, scope, self.scope) and self.modes.have(name, self.result)
        bound = [b for b in binders(facts, scope) if name in bound_by(facts, b)]
        return any(isinstance(b, cst.Param) or facts.is_before(b, at) for b in bound)

    def receive(self, name: str, wanted_in: Scope) -> None:
        """Name the wrapped criterion where the result is taken apart, and lead it to a scope."""
        self.name_result(name)
        facts = self.facts
        if name.startswith("self."):
            owner = facts.class_of(self.result.scopes[0])
            if wanted_in is not self.scope:
                refuse_kept_among_others(facts, (e.origin.node for e in self.result.unpacks), name)
            if not same_class(facts, self.result.scopes[0], wanted_in):
                self.routes.member_of = owner
                self.routes.lead(name.removeprefix("self."), [], wanted_in)
            return
        for scope in self.result.scopes:
            uses = [site.call for site in self.sites if self.facts.scope(site.call) is scope]
            self.modes.check_reads(name, scope, uses, handed_on=scope is not wanted_in, result=self.result)
            taken_at = [e.origin.node for e in (*self.result.unpacks, *self.result.items)]
            self._one_for_each(scope, [node for node in taken_at if facts.scope(node) is scope], wanted_in)
            if scope is wanted_in:
                continue
            if isinstance(scope, cst.Module) and facts.module_of(scope) is facts.module_of(wanted_in):
                continue
            if is_parameter(facts, name, scope) and all(
                calls_lead(facts, scope, facts.scope(site.call)) for site in self.sites
            ):
                continue
            if declared_global(facts, scope) and wanted_in is facts.module_of(scope).tree:
                continue
            if declared_nonlocal(facts, scope) and wanted_in is facts.scope(scope):
                continue
            way = way_back(facts, scope, wanted_in)
            if way is None:
                self.routes.lead(name, [scope], wanted_in)
                continue
            for function in way.returning:
                lead_out(self.routes, name, function, way.having, self.result.records)
            for source in way.sources:
                calls = (call for each in way.returning for call, _ in facts.callers.get(each, ()))
                self._one_for_each(source, [c for c in calls if facts.scope(c) is source], wanted_in)
            self.routes.lead(name, way.sources, wanted_in)

    def _one_for_each(self, scope: Scope, taken_at: Sequence[cst.CSTNode], wanted_in: Scope) -> None:
        """What is taken in a loop is used in it, or with the model of the last turn. Raises `Withheld`."""
        uses = [site.call for site in self.sites if self.facts.scope(site.call) is scope]
        handing = leading_calls(self.facts, scope, wanted_in) if scope is not wanted_in else []
        refuse_last_of_many(self.facts, taken_at, [*uses, *handing])
