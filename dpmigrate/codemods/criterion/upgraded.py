"""The criterion of an upgraded run: found or built, given to ``make_private``, used as it comes back."""

from __future__ import annotations

from itertools import product

import libcst as cst

from dpmigrate.analysis.ledger import Thing
from dpmigrate.analysis.ledger.expressions import Named
from dpmigrate.codemods.criterion.by_caller import ByCaller
from dpmigrate.codemods.criterion.classes import COUNTERPARTS
from dpmigrate.codemods.criterion.functional import replace_given
from dpmigrate.codemods.criterion.given import computes_what_is_given
from dpmigrate.codemods.criterion.handover import NAMES, Handover
from dpmigrate.codemods.criterion.held import held_by_name
from dpmigrate.codemods.criterion.inline import own_line
from dpmigrate.codemods.criterion.kept import Kept, KeptCriteria
from dpmigrate.codemods.criterion.other_modes import OtherModes
from dpmigrate.codemods.criterion.own import OwnCriterion
from dpmigrate.codemods.editing.edits import Withheld
from dpmigrate.codemods.editing.imports import spelling
from dpmigrate.codemods.editing.nodes import add_name
from dpmigrate.codemods.losses.functional import becomes_call_of, functional_arguments
from dpmigrate.codemods.losses.origins import LossSite, is_object
from dpmigrate.codemods.program.binders import binders, bound_by
from dpmigrate.codemods.program.facts import Facts, Scope, making_node
from dpmigrate.codemods.program.places import is_called_by_name
from dpmigrate.codemods.program.routes import keeps_what_is_given
from dpmigrate.codemods.program.ways import (
    calls_lead,
    declared_global,
    declared_nonlocal,
    is_method,
    is_parameter,
    leading_calls,
    make_before,
    of_torch_module,
    repeats,
    same_class,
)
from dpmigrate.codemods.returned.unpack import ResultPlan
from dpmigrate.codemods.returned.upgraded_call import UpgradedCall


class CriterionPlan:
    """Where the criterion of one ``make_private`` call comes from and how its wrapped form is reached."""

    def __init__(self, upgrade: UpgradedCall, sites: list[LossSite], result: ResultPlan | None) -> None:
        self.upgrade = upgrade
        self.facts = upgrade.facts
        self.edits = upgrade.edits
        self.sites = [s for s in sites if not (isinstance(s.maker, Thing) and s.maker.kind == "dp-criterion")]
        self.call = upgrade.call
        self.module = upgrade.module
        self.scope: Scope = upgrade.facts.scope(upgrade.call)
        self.own = OwnCriterion(upgrade)
        self.kept = KeptCriteria(upgrade, self.own)
        self._affected: list[tuple[cst.Call, bool]] = []
        self.modes = OtherModes(upgrade)
        self.handover = Handover(upgrade, self.sites, result, self.modes)

    @property
    def result(self) -> ResultPlan:
        """How the result of the call is taken apart."""
        return self.handover.result

    @property
    def reduction(self) -> str:
        """What one number of the wrapped criterion's losses is over the examples."""
        return self.own.wanted if self.sites else "mean"

    def affected(self) -> list[tuple[cst.Call, bool]]:
        """The calls whose losses the wrapped criterion will make; whether they were one number."""
        return self._affected

    def plan(self) -> None:
        """Collect the edits. Raises `Withheld`."""
        given = any(r.argument("criterion") for r in self.upgrade.ghost)
        if self.upgrade.by_caller:
            if given:
                raise self.upgrade.withheld(
                    "the call has a criterion already: use the third object that it returns"
                )
            self._affected = ByCaller(self.upgrade, self.sites, self.result).plan()
            return
        if given:
            replace_given(self.upgrade)
        if not self.sites:
            if not given:
                self._give_default()
            return
        makers = {_key(self.facts, s): s for s in reversed(self.sites)}
        if len(makers) > 1:
            where = ", ".join(sorted(s.module.place(s.call).shown for s in makers.values()))
            raise self.upgrade.withheld(
                f"the losses of this run are made by several criteria ({where}), and make_private wraps one: "
                "let one object make them all, or let each caller hand its own to this function; give it to "
                "this call (criterion=) and use the third object that the call returns"
            )
        if given:
            self._use_returned()
        elif isinstance(self.sites[0].maker, Named):
            self._functional()
        else:
            self._own_object(self.kept.of(self.sites))
        if self.upgrade.runs[0].adaptive:
            self._adaptive_needs_none()

    def _give_default(self) -> None:
        """The criterion that Opacus wraps when it is given none, as an object of this run alone."""
        text, needed = spelling(self.module.tree, "torch.nn", "CrossEntropyLoss")
        name = self.result.names_four
        statement = self.facts.statement(self.call)
        if name is None or name == "_" or self.result.scopes != [self.scope]:
            self.handover.give(f"{text}()", needed)
            return
        if needed is not None:
            self.edits.of(self.module).need_import(needed)
        self.edits.of(self.module).insert_before(statement, f"{name} = {text}()")
        self.handover.give(name)

    # -- the project's own criterion ------------------------------------------------------

    def own_constructor(self) -> tuple[cst.Call, str]:
        """The call that makes the project's criterion, lifted, and its variable. Raises `Withheld`."""
        if len({_key(self.facts, s) for s in self.sites}) != 1 or isinstance(self.sites[0].maker, Named):
            raise self.upgrade.withheld(
                "the losses of this pair are made by no one object of the project: make one criterion of "
                "torch.nn, and wrap it in DPLossFastGradientClipping(model, optimizer, criterion)"
            )
        kept = self.kept.of(self.sites)
        if not kept.name or len(kept.constructors) != 1:
            raise self.upgrade.withheld(
                "the criterion of this pair has no variable of its own: assign it once, before the loop, so "
                "that it can be wrapped in DPLossFastGradientClipping(model, optimizer, criterion)"
            )
        if self.own.shared:
            raise self.own.of_another()
        self.kept.lift(kept)
        self._affected = [(c, not kept.per_example) for c in kept.calls]
        return kept.constructors[0], kept.name

    def _own_object(self, kept: Kept) -> None:
        """Give the call the criterion that the project makes, by its variable where that can be led there."""
        taken = self._taken_as(kept)
        if taken and not self.upgrade.apart:
            self.kept.lift(kept)
            self._affected = [(c, not kept.per_example) for c in kept.calls]
            self.handover.give(taken)
            self.handover.receive(taken, self.scope)
            return
        if any(of_torch_module(self.facts, call.func) for call in kept.calls):
            self._rebuild(kept)
            return
        line = own_line(self.upgrade, kept)
        kept_in = line.scope if line is not None else self.kept.scope(kept)
        kept.name = line.name if line is not None else kept.name
        member = kept.name.startswith("self.")
        held = held_by_name(self.upgrade, self.sites, self.result) if not kept.name or member else ""
        if (
            held
            and not self.upgrade.apart
            and not (kept_in is not None and same_class(self.facts, kept_in, self.scope))
        ):
            self._hold(kept, held)
            return
        once = (*kept.homes, *kept.constructors) if line is None and not member else ()
        if not kept.name or self.upgrade.apart or (once and repeats(self.facts, self.call, once)):
            self._rebuild(kept)
            return
        assert kept_in is not None
        if not self._reaches_the_call(kept, kept_in) and (
            line is not None or not self._binds_globally(kept, kept_in)
        ):
            kept.name = kept.name if line is None else ""
            self._rebuild(kept)
            return
        if line is not None:
            line.write(self.upgrade, self.kept, kept)
        else:
            self.kept.lift(kept)
        self._affected = [(c, not kept.per_example) for c in kept.calls]
        self.handover.give(kept.name)
        self.handover.receive(kept.name, kept_in)

    def _reaches_the_call(self, kept: Kept, kept_in: Scope) -> bool:
        """Let the variable be there where the call is, and what comes back come back to it, where it can be.

        It is made before the call, or before what leads there from its scope. Raises `Withheld`.
        """
        if kept_in is self.scope:
            for home in kept.homes:
                make_before(self.facts, self.edits, home, self.call)
            return True
        if kept.name.startswith("self."):
            if not same_class(self.facts, kept_in, self.scope):
                raise Withheld(
                    f"{kept.name} belongs to another object than the one that calls make_private: hand it "
                    "on to there, give it as criterion=, and put the third object that comes back into its "
                    "place",
                    self.facts.module_of(kept.homes[0]),
                    kept.homes[0],
                )
            return is_method(self.facts, self.scope)
        around = self._binds_around(kept, kept_in)
        if not around and not self._hands_on(kept, kept_in):
            return False
        for home, call in product(kept.homes, leading_calls(self.facts, kept_in, self.scope)[:1]):
            make_before(self.facts, self.edits, home, call)
        if not around:
            self.handover.routes.lead(kept.name, [kept_in], self.scope)
        return True

    def _hold(self, kept: Kept, name: str) -> None:
        """Take the member of an object that holds it, and put what comes back into its place."""
        self.kept.lift(kept)
        self._affected = [(c, not kept.per_example) for c in kept.calls]
        self.handover.give(name)
        self.handover.name_result(name)

    def _taken_as(self, kept: Kept) -> str:
        """The parameter of ``fit(model, optimizer, Loss())``, which makes run and losses; else empty."""
        facts, scope = self.facts, self.scope
        names = {facts.code(call.func).strip() for call in kept.calls}
        name = names.pop() if len(names) == 1 and not kept.name else ""
        bound = [b for b in binders(facts, scope) if name in bound_by(facts, b)]
        only = len(bound) == 1 and isinstance(bound[0], cst.Param) and is_parameter(facts, name, scope)
        inside = all(facts.scope(call) is scope for call in kept.calls)
        given = all(isinstance(facts.parent(made), cst.Arg) for made in kept.constructors)
        return name if only and inside and given and self.result.scopes == [scope] else ""

    def _hands_on(self, kept: Kept, kept_in: Scope) -> bool:
        """Whether the variable can be handed from its scope to the call, and what comes back to it.

        A function may also read a module's variable unasked: then only the module's own may be bound anew.
        """
        unnamed = isinstance(self.scope, cst.FunctionDef) and not is_called_by_name(self.facts, self.scope)
        if (
            unnamed
            or not isinstance(kept_in, (cst.FunctionDef, cst.Module))
            or not calls_lead(self.facts, kept_in, self.scope)
        ):
            return False
        if isinstance(kept_in, cst.FunctionDef) or all(scope is kept_in for scope in self.result.scopes):
            return True
        return all(is_parameter(self.facts, kept.name, self.facts.scope(call)) for call in kept.calls)

    def _binds_globally(self, kept: Kept, kept_in: Scope) -> bool:
        """Whether the call's function sets variables of the module: the criterion is then one more."""
        facts = self.facts
        statements = declared_global(facts, self.scope)
        if kept_in is not self.module.tree or self.result.scopes != [self.scope] or not statements:
            return False
        if any(kept.name in bound_by(facts, b) for s in self._readers(kept) for b in binders(facts, s)):
            return False
        names = {n.value for s in statements for n in facts.inside(s, cst.Name)}
        if kept.name not in names:
            self.edits.of(self.module).change(statements[0], lambda new: add_name(new, kept.name))
        return True

    def _binds_around(self, kept: Kept, kept_in: Scope) -> bool:
        """Whether the call's function sets variables of the one around it: the criterion is then one more."""
        facts = self.facts
        statements = declared_nonlocal(facts, self.scope)
        if not statements or facts.scope(self.scope) is not kept_in or self.result.scopes != [self.scope]:
            return False
        if any(
            kept.name in bound_by(facts, b)
            for s in self._readers(kept) - {kept_in}
            for b in binders(facts, s)
        ):
            return False
        self.edits.of(self.module).change(statements[0], lambda new: add_name(new, kept.name))
        return True

    def _readers(self, kept: Kept) -> set[Scope]:
        """The functions that call a module's criterion."""
        scopes = {self.facts.scope(call) for call in kept.calls} | {self.scope}
        return {scope for scope in scopes if not isinstance(scope, cst.Module)}

    def _rebuild(self, kept: Kept) -> None:
        """Build the criterion where ``make_private`` is called, which its own variable does not reach."""
        facts = self.facts
        if self.own.shared:
            raise self.own.of_another()
        kept_in = self.kept.scope(kept)
        code = self.kept.built(kept, self.call)
        alone = isinstance(kept_in, cst.FunctionDef) and {facts.scope(c) for c in kept.calls} == {kept_in}
        apart = self.upgrade.apart or (kept_in is not None and same_class(facts, kept_in, self.scope))
        if alone and kept_in is not self.scope and len(kept.homes) == 1 and not apart:
            assert isinstance(kept_in, cst.FunctionDef)
            if is_parameter(facts, kept.name, kept_in) and keeps_what_is_given(facts, kept_in, kept.name):
                self.kept.lift(kept)
            else:
                self.edits.of(facts.module_of(kept.homes[0])).remove(facts.removable(kept.homes[0]))
                self.handover.routes.freed = kept_in
            self._affected = [(c, not kept.per_example) for c in kept.calls]
            member = self.handover.comes_as_member(kept_in)
            self.handover.build(code, f"self.{kept.name}" if member else kept.name, {kept_in})
            return
        scopes = {facts.scope(s.call) for s in self.sites}
        name = self.handover.free_name(scopes, NAMES[::-1] if self.upgrade.apart else NAMES)
        self._affected = [(s.call, not kept.per_example) for s in self.sites]
        for site in self.sites:
            self.edits.of(site.module).replace(site.call.func, name)
        self.kept.remove_if_unused(kept, {s.call for s in self.sites})
        self.handover.build(code, name, scopes)

    # -- a functional loss ----------------------------------------------------------------

    def _functional(self) -> None:
        site = self.sites[0]
        assert isinstance(site.maker, Named)
        short = site.maker.name.rpartition(".")[2]
        class_name = COUNTERPARTS.get(short)
        if class_name is None:
            raise Withheld(
                f"F.{short} has no class in torch.nn that make_private could wrap: write a module that keeps "
                'self.reduction and gives one loss per example when it is "none", and give it as criterion=',
                site.module,
                site.call,
            )
        _, keywords, _ = functional_arguments(self.facts, site.call, self.call)
        wanted = self.own.wanted
        if wanted != "mean":
            keywords.append(f'reduction="{wanted}"')
        text, needed = spelling(self.module.tree, "torch.nn", class_name)
        if needed is not None:
            self.edits.of(self.module).need_import(needed)
        code = f"{text}({', '.join(keywords)})"
        scopes = {self.facts.scope(s.call) for s in self.sites}
        name = self.handover.free_name(scopes)
        for each in self.sites:
            _, _, kind = functional_arguments(self.facts, each.call, self.call)
            self._affected.append((each.call, kind != "none"))
            self.edits.of(each.module).change(each.call, becomes_call_of(name))
        self.handover.build(code, name, scopes)

    def _use_returned(self) -> None:
        """The call has a criterion already, but the losses are made by something else."""
        scopes = {self.facts.scope(s.call) for s in self.sites}
        name = self.result.names_four
        if name in (None, "_"):
            name = self.handover.free_name(scopes)
        assert name is not None
        for site in self.sites:
            computes_what_is_given(self.upgrade, site, self.own.wanted)
            reduced = True
            if isinstance(site.maker, Named):
                _, _, kind = functional_arguments(self.facts, site.call, self.call)
                reduced = kind != "none"
                self.edits.of(site.module).change(site.call, becomes_call_of(name))
            else:
                self.edits.of(site.module).replace(site.call.func, name)
            self._affected.append((site.call, reduced))
        if self.modes.run_on() and not self.modes.have(name, self.result):
            self.modes.bind(name)
        for scope in scopes:
            self.handover.receive(name, scope)

    def _adaptive_needs_none(self) -> None:
        """Opacus 1.6.0 forgets to ask the adaptive engine's criterion for one loss per example."""
        for event in self.result.unpacks:
            name = self.result.target
            if name is not None:
                self.edits.of(event.origin.module).insert_after(
                    self.facts.statement(event.origin.node), f'{name}.criterion.reduction = "none"'
                )


def _key(facts: Facts, site: LossSite) -> object:
    """What two calls must share to be made by the same criterion."""
    if is_object(site.maker):
        return frozenset(making_node(m) for m in site.makers if isinstance(m, Thing))
    if isinstance(site.maker, Named):
        extra = [
            facts.code(a).strip().rstrip(",")
            for a in site.call.args
            if a.keyword is not None and a.keyword.value not in ("input", "target")
        ]
        return (site.maker.name, tuple(sorted(extra)))
    return site.maker
