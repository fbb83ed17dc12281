"""The criterion of an upgraded run: found or built, given to ``make_private``, used as it comes back."""

from __future__ import annotations

from dataclasses import replace

from dpmigrate.analysis.ledger import Thing
from dpmigrate.analysis.ledger.expressions import Named
from dpmigrate.codemods.criterion.by_caller import each_caller_hands_on
from dpmigrate.codemods.criterion.classes import COUNTERPARTS
from dpmigrate.codemods.criterion.functional import replace_given
from dpmigrate.codemods.criterion.given import computes_what_is_given
from dpmigrate.codemods.criterion.handover import build, free_name, give, receive
from dpmigrate.codemods.criterion.of_each_model import of_each_model
from dpmigrate.codemods.criterion.other_modes import bind_before, has_before, run_on
from dpmigrate.codemods.criterion.own_object import own_object
from dpmigrate.codemods.criterion.wrapping import Wrapped, Wrapping
from dpmigrate.codemods.editing.edits import ProjectEdits, Withheld
from dpmigrate.codemods.editing.imports import spelled
from dpmigrate.codemods.losses.functional import becomes_call_of, functional_arguments
from dpmigrate.codemods.losses.origins import LossSite, is_object
from dpmigrate.codemods.program.facts import Facts, making_node
from dpmigrate.codemods.program.routes import Routes


def wrapped_criterion(wrapping: Wrapping) -> Wrapped:
    """The recipe for where the criterion comes from, as the program makes its losses. Raises `Withheld`."""
    upgrade = wrapping.upgrade
    if upgrade.by_caller:
        if upgrade.has_criterion:
            raise upgrade.withheld("the call has a criterion already: use the third object that it returns")
        return each_caller_hands_on(wrapping)
    given = replace_given(upgrade) if upgrade.has_criterion else ProjectEdits()
    if not wrapping.sites:
        return Wrapped(given if upgrade.has_criterion else _default_given(wrapping))
    _refuse_several(wrapping)
    if upgrade.apart and (one_of_its_own := of_each_model(wrapping)) is not None:
        return one_of_its_own
    if upgrade.has_criterion:
        wrapped = _use_returned(wrapping)
    elif isinstance(wrapping.sites[0].maker, Named):
        wrapped = _of_function(wrapping)
    else:
        wrapped = own_object(wrapping)
    needed = _adaptive_needs_none(wrapping, wrapped.name) if upgrade.adaptive else ProjectEdits()
    return replace(wrapped, edits=ProjectEdits(given, wrapped.edits, needed))


def _refuse_several(wrapping: Wrapping) -> None:
    """Losses that several criteria make cannot be those of one that is wrapped. Raises `Withheld`."""
    makers = {makes_alike(wrapping.facts, site): site for site in reversed(wrapping.sites)}
    if len(makers) > 1:
        where = ", ".join(sorted(s.module.place(s.call).shown for s in makers.values()))
        raise wrapping.upgrade.withheld(
            f"the losses of this run are made by several criteria ({where}), and make_private wraps one: "
            "let one object make them all, or let each caller hand its own to this function; give it to "
            "this call (criterion=) and use the third object that the call returns"
        )


def makes_alike(facts: Facts, site: LossSite) -> object:
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


def _default_given(wrapping: Wrapping) -> ProjectEdits:
    """The criterion that Opacus wraps when it is given none, as an object of this run alone."""
    upgrade, result, edits = wrapping.upgrade, wrapping.result, ProjectEdits()
    module_edits = edits.of(upgrade.module)
    code = f"{spelled(module_edits, 'torch.nn', 'CrossEntropyLoss')}()"
    name = result.criterion_named
    statement = wrapping.facts.statement(upgrade.call)
    if name is None or name == "_" or result.scopes != [upgrade.scope]:
        return ProjectEdits(edits, give(upgrade, code))
    module_edits.insert_before(statement, f"{name} = {code}")
    return ProjectEdits(edits, give(upgrade, name))


def _of_function(wrapping: Wrapping) -> Wrapped:
    """A criterion of ``torch.nn`` for a functional loss, which its calls become. Raises `Withheld`."""
    upgrade, facts, site = wrapping.upgrade, wrapping.facts, wrapping.sites[0]
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
    _, keywords, _ = functional_arguments(facts, site.call, upgrade.call)
    wanted = upgrade.loss_reduction
    if wanted != "mean":
        keywords.append(f'reduction="{wanted}"')
    edits = ProjectEdits()
    code = f"{spelled(edits.of(upgrade.module), 'torch.nn', class_name)}({', '.join(keywords)})"
    name = free_name(wrapping)
    losses = []
    for other in wrapping.sites:
        _, _, reduction = functional_arguments(facts, other.call, upgrade.call)
        losses.append((other.call, reduction != "none"))
        edits.of(other.module).change(other.call, becomes_call_of(name))
    edits.extend(build(wrapping, code, name, wrapping.loss_scopes))
    return Wrapped(edits, tuple(losses), name)


def _use_returned(wrapping: Wrapping) -> Wrapped:
    """The call has a criterion already, but the losses are made by something else. Raises `Withheld`."""
    upgrade, facts, edits = wrapping.upgrade, wrapping.facts, ProjectEdits()
    name = wrapping.result.criterion_named
    if name is None or name == "_":
        name = free_name(wrapping)
    losses, wanted = [], upgrade.loss_reduction
    for site in wrapping.sites:
        computes_what_is_given(upgrade, site, wanted)
        reduced = True
        if isinstance(site.maker, Named):
            _, _, reduction = functional_arguments(facts, site.call, upgrade.call)
            reduced = reduction != "none"
            edits.of(site.module).change(site.call, becomes_call_of(name))
        else:
            edits.of(site.module).replace(site.call.func, name)
        losses.append((site.call, reduced))
    set_at = None
    if run_on(upgrade) and not has_before(wrapping.result, name):
        set_at, bound = bind_before(upgrade, name)
        edits.extend(bound)
    edits.extend(receive(wrapping, name, wrapping.loss_scopes, Routes(facts), set_at))
    return Wrapped(edits, tuple(losses), name)


def _adaptive_needs_none(wrapping: Wrapping, name: str) -> ProjectEdits:
    """Opacus 1.6.0 forgets to ask the adaptive engine's criterion for one loss per example."""
    edits = ProjectEdits()
    for event in wrapping.result.unpacks:
        statement = wrapping.facts.statement(event.origin.node)
        edits.of(event.origin.module).insert_after(statement, f'{name}.criterion.reduction = "none"')
    return edits
