"""The criterion of an upgraded run: found or built, given to ``make_private``, used as it comes back."""

from __future__ import annotations

from collections.abc import Collection

import libcst as cst

from dpmigrate.analysis.values import External, Obj
from dpmigrate.codemods.criteria import COUNTERPARTS
from dpmigrate.codemods.edits import Withheld
from dpmigrate.codemods.functional_criterion import replace_given
from dpmigrate.codemods.functional_losses import becomes_call_of, functional_arguments
from dpmigrate.codemods.given_criterion import computes_what_is_given
from dpmigrate.codemods.imports import spelling
from dpmigrate.codemods.kept_criterion import Kept, KeptCriteria
from dpmigrate.codemods.losses import LossSite
from dpmigrate.codemods.nodes import add_argument
from dpmigrate.codemods.other_modes import OtherModes
from dpmigrate.codemods.own_criterion import OwnCriterion
from dpmigrate.codemods.places import fresh_name, route, route_out, variables_in
from dpmigrate.codemods.program_facts import Facts, Scope
from dpmigrate.codemods.unpack import ResultPlan
from dpmigrate.codemods.upgraded_call import UpgradedCall

NEIGHBOURS = ("module", "optimizer")
"""Keywords behind which ``criterion=`` reads well."""
NAMES = ("criterion", "loss_fn", "private_criterion")
MAX_CALLERS = 4


class CriterionPlan:
    """Where the criterion of one ``make_private`` call comes from and how its wrapped form is reached."""

    def __init__(self, upgrade: UpgradedCall, sites: list[LossSite], result: ResultPlan | None) -> None:
        self.upgrade = upgrade
        self.facts = upgrade.facts
        self.edits = upgrade.edits
        self.sites = [s for s in sites if not (isinstance(s.maker, Obj) and s.maker.kind == "dp-criterion")]
        self._result = result
        self.call = upgrade.call
        self.module = upgrade.module
        self.scope: Scope = upgrade.facts.scope(upgrade.call)
        self.own = OwnCriterion(upgrade)
        self.kept = KeptCriteria(upgrade, self.own)
        self.routed: set[cst.CSTNode] = set()
        self.freed: cst.CSTNode | None = None
        self._affected: list[tuple[cst.Call, bool]] = []
        self.modes = OtherModes(upgrade)

    @property
    def result(self) -> ResultPlan:
        """How the result of the call is taken apart; a hand-made pair has none."""
        assert self._result is not None
        return self._result

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
        if given:
            replace_given(self.upgrade)
        if not self.sites:
            if not given:
                self._give_default()
            return
        makers = {_key(self.facts, s) for s in self.sites}
        if len(makers) > 1:
            raise self.upgrade.withheld(
                "the losses are made by several criteria: give make_private the one that trains"
            )
        if given:
            self._use_returned()
        elif isinstance(self.sites[0].maker, External):
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
            self._give(f"{text}()", needed)
            return
        if needed is not None:
            self.edits.of(self.module).need_import(needed)
        self.edits.of(self.module).insert_before(statement, f"{name} = {text}()")
        self._give(name)

    # -- the project's own criterion ------------------------------------------------------

    def own_constructor(self) -> tuple[cst.Call, str]:
        """The call that makes the project's criterion, lifted, and its variable. Raises `Withheld`."""
        if len({_key(self.facts, s) for s in self.sites}) != 1 or isinstance(self.sites[0].maker, External):
            raise self.upgrade.withheld("where the criterion is made cannot be seen")
        kept = self.kept.of(self.sites)
        if not kept.name or len(kept.constructors) != 1:
            raise self.upgrade.withheld("the criterion is not kept in a variable")
        self.kept.lift(kept)
        self._affected = [(c, not kept.per_example) for c in kept.calls]
        return kept.constructors[0], kept.name

    def _own_object(self, kept: Kept) -> None:
        own = self.kept.scope(kept)
        member = kept.name.startswith("self.")
        if not kept.name or self.upgrade.apart or (not member and self._repeats(kept)):
            self._rebuild(kept)
            return
        assert own is not None
        if own is self.scope:
            self._move_if_late(kept)
        elif member:
            if not self._same_class(own, self.scope):
                raise Withheld(
                    "the criterion is not kept in a variable that make_private can be given",
                    self.facts.module_of(kept.homes[0]),
                    kept.homes[0],
                )
        elif self._hands_on(kept, own):
            route(self.facts, self.edits, own, self.scope, kept.name, self.routed)
        else:
            self._rebuild(kept)
            return
        self.kept.lift(kept)
        self._affected = [(c, not kept.per_example) for c in kept.calls]
        self._give(kept.name)
        self._receive(kept.name, own)

    def _hands_on(self, kept: Kept, own: Scope) -> bool:
        """Whether the variable can be handed from its scope to the call, and what comes back to it.

        A function may also read a module's variable unasked: then only the module's own may be bound anew.
        """
        if not isinstance(own, (cst.FunctionDef, cst.Module)) or not self._calls_lead(own, self.scope):
            return False
        if isinstance(own, cst.FunctionDef) or all(scope is own for scope in self.result.scopes):
            return True
        return all(self._is_parameter(kept.name, self.facts.scope(call)) for call in kept.calls)

    def _is_parameter(self, name: str, scope: Scope) -> bool:
        return isinstance(scope, cst.FunctionDef) and any(
            p.name.value == name for p in self.facts.inside(scope.params, cst.Param)
        )

    def _repeats(self, kept: Kept) -> bool:
        """Whether the call repeats while the criterion is made once: its second wrapping would fail."""
        made = {self.facts.scope(n): n for n in (*kept.homes, *kept.constructors)}
        around = {n for m in made.values() for n in self.facts.above(m)}
        return self._in_foreign_loop(self.call, made, around, MAX_CALLERS)

    def _in_foreign_loop(
        self, call: cst.CSTNode, made: Collection[Scope], around: Collection[cst.CSTNode], depth: int
    ) -> bool:
        scope = self.facts.scope(call)
        for node in self.facts.above(call):
            if node is scope:
                break
            if isinstance(node, (cst.For, cst.While)) and node not in around:
                return True
        if all(s is scope for s in made) or depth == 0:
            return False
        callers = self.facts.callers.get(scope, ())
        return any(self._in_foreign_loop(c, made, around, depth - 1) for c, _ in callers)

    def _move_if_late(self, kept: Kept) -> None:
        facts = self.facts
        call = facts.statement(self.call)
        for home in kept.homes:
            statement = facts.statement(home)
            if facts.position(statement) < facts.position(call):
                continue
            names = {n.value for n in facts.inside(home.value, cst.Name)}
            bound_between = {
                n.value
                for t in facts.own(self.scope, cst.AssignTarget)
                if facts.position(call) <= facts.position(t) < facts.position(statement)
                for n in facts.inside(t.target, cst.Name)
            }
            if names & bound_between or facts.parent(statement) is not facts.parent(call):
                raise Withheld(
                    "the criterion is made behind make_private: make it before", facts.module_of(home), home
                )
            self.edits.of(facts.module_of(home)).move_before(call, statement)

    def _same_class(self, a: Scope, b: Scope) -> bool:
        one = self.facts.class_of(a) if isinstance(a, cst.FunctionDef) else None
        return one is not None and isinstance(b, cst.FunctionDef) and self.facts.class_of(b) is one

    def _calls_lead(self, source: Scope, target: Scope, depth: int = 4) -> bool:
        """Whether some chain of calls leads from one function to another."""
        if target is source:
            return True
        return depth > 0 and any(
            self._calls_lead(source, self.facts.scope(call), depth - 1)
            for call, _ in self.facts.callers.get(target, ())
        )

    def _rebuild(self, kept: Kept) -> None:
        """Build the criterion where ``make_private`` is called, which its own variable does not reach."""
        facts = self.facts
        own = self.kept.scope(kept)
        code = self.kept.built(kept, self.call)
        alone = isinstance(own, cst.FunctionDef) and {facts.scope(c) for c in kept.calls} == {own}
        if alone and own is not self.scope and len(kept.homes) == 1 and not self.upgrade.apart:
            assert own is not None
            self.edits.of(facts.module_of(kept.homes[0])).remove(facts.statement(kept.homes[0]))
            self.freed = own
            self._affected = [(c, not kept.per_example) for c in kept.calls]
            self._build(code, kept.name, {own})
            return
        scopes = {facts.scope(s.call) for s in self.sites}
        names = {n for s in (self.scope, *self.result.scopes, *scopes) for n in variables_in(facts, s)}
        wanted = reversed(NAMES) if self.upgrade.apart else NAMES
        name = next((n for n in wanted if n not in names), "private_criterion_")
        if all(self._same_class(s, self.scope) for s in scopes):
            name = self._functional_name(scopes)
        self._affected = [(s.call, not kept.per_example) for s in self.sites]
        for site in self.sites:
            self.edits.of(site.module).replace(site.call.func, name)
        self._remove_if_unused(kept)
        self._build(code, name, scopes)

    def _remove_if_unused(self, kept: Kept) -> None:
        """The project's own variable goes where nothing reads it any more."""
        facts = self.facts
        calls = {s.call for s in self.sites}
        if len(kept.homes) != 1 or not kept.name.isidentifier() or not set(kept.calls) <= calls:
            return
        home = kept.homes[0]
        module = facts.module_of(home)
        funcs = {c.func for c in calls}
        used = [
            n
            for info in facts.modules
            for n in facts.inside(info.tree, cst.Name)
            if n.value == kept.name and n not in funcs and n is not home.targets[0].target
        ]
        if not used:
            self.edits.of(module).remove(facts.statement(home))

    # -- a functional loss ----------------------------------------------------------------

    def _functional(self) -> None:
        site = self.sites[0]
        assert isinstance(site.maker, External)
        short = site.maker.name.rpartition(".")[2]
        class_name = COUNTERPARTS.get(short)
        if class_name is None:
            raise Withheld(
                f"F.{short} has no module counterpart: write a criterion class that honours self.reduction",
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
        name = self._functional_name(scopes)
        for each in self.sites:
            _, _, kind = functional_arguments(self.facts, each.call, self.call)
            self._affected.append((each.call, kind != "none"))
            self.edits.of(each.module).change(each.call, becomes_call_of(name))
        self._build(code, name, scopes)

    def _functional_name(self, scopes: set[Scope]) -> str:
        if any(s is not self.scope for s in scopes) and all(self._same_class(s, self.scope) for s in scopes):
            owner = self.facts.class_of(self.scope)
            assert owner is not None
            taken = {a.attr.value for a in self.facts.inside(owner, cst.Attribute)}
            return "self." + next((n for n in NAMES if n not in taken), "dp_criterion")
        taken = {n for s in (self.scope, *self.result.scopes, *scopes) for n in variables_in(self.facts, s)}
        found = next((n for n in NAMES if n not in taken), None)
        return found or fresh_name(self.facts, self.module.tree, "private_criterion")

    # -- giving and receiving -------------------------------------------------------------

    def _build(self, code: str, name: str, loss_scopes: set[Scope]) -> None:
        own = self.edits.of(self.module)
        statement = self.facts.statement(self.call)
        if not isinstance(statement, cst.SimpleStatementLine):
            raise self.upgrade.withheld("the call stands in the head of a statement")
        own.insert_before(statement, f"{name} = {code}")
        self.modes.set_before_call = True
        self._give(name)
        for scope in loss_scopes or {self.scope}:
            self._receive(name, scope)

    def _give(self, text: str, needed: str | None = None) -> None:
        own = self.edits.of(self.module)
        if needed is not None:
            own.need_import(needed)
        own.change(self.call, lambda new: add_argument(new, "criterion", text, NEIGHBOURS))

    def _receive(self, name: str, wanted_in: Scope) -> None:
        """Name the wrapped criterion where the result is taken apart, and lead it to a scope."""
        self.result.give_criterion_once(name)
        if name.startswith("self."):
            return
        facts = self.facts
        for scope in self.result.scopes:
            uses = [site.call for site in self.sites if self.facts.scope(site.call) is scope]
            self.modes.check_reads(name, scope, uses, handed_on=scope is not wanted_in, result=self.result)
            if scope is wanted_in:
                continue
            if isinstance(scope, cst.Module) and facts.module_of(scope) is facts.module_of(wanted_in):
                continue
            if self._is_parameter(name, scope) and all(
                self._calls_lead(scope, facts.scope(site.call)) for site in self.sites
            ):
                continue
            if self._calls_lead(wanted_in, scope):
                route_out(facts, self.edits, scope, wanted_in, name)
            else:
                route(facts, self.edits, scope, wanted_in, name, self.routed, self.freed)

    def _use_returned(self) -> None:
        """The call has a criterion already, but the losses are made by something else."""
        scopes = {self.facts.scope(s.call) for s in self.sites}
        name = self.result.names_four
        if name in (None, "_"):
            name = self._functional_name(scopes)
        assert name is not None
        for site in self.sites:
            computes_what_is_given(self.upgrade, site, self.own.wanted)
            reduced = True
            if isinstance(site.maker, External):
                _, _, kind = functional_arguments(self.facts, site.call, self.call)
                reduced = kind != "none"
                self.edits.of(site.module).change(site.call, becomes_call_of(name))
            else:
                self.edits.of(site.module).replace(site.call.func, name)
            self._affected.append((site.call, reduced))
        if self.modes.run_on() and not self.modes.have(name, self.result):
            self.modes.bind(name)
        for scope in scopes:
            self._receive(name, scope)

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
    if isinstance(site.maker, Obj):
        return frozenset(m.node for m in site.makers if isinstance(m, Obj))
    if isinstance(site.maker, External):
        extra = [
            facts.code(a).strip().rstrip(",")
            for a in site.call.args
            if a.keyword is not None and a.keyword.value not in ("input", "target")
        ]
        return (site.maker.name, tuple(sorted(extra)))
    return site.maker
