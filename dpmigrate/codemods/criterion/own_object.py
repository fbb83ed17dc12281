"""The criterion that the project makes and keeps in a variable, given to the call by that variable."""

from __future__ import annotations

from dataclasses import replace

import libcst as cst

from dpmigrate.codemods.criterion.handover import give, name_result, receive
from dpmigrate.codemods.criterion.held import held_by_name
from dpmigrate.codemods.criterion.inline import own_line
from dpmigrate.codemods.criterion.kept import Kept, kept_by, lifted
from dpmigrate.codemods.criterion.one_for_each import refilled
from dpmigrate.codemods.criterion.rebuilt import rebuilt
from dpmigrate.codemods.criterion.wrapping import Wrapped, Wrapping
from dpmigrate.codemods.editing.edits import ProjectEdits, Withheld
from dpmigrate.codemods.editing.nodes import add_name
from dpmigrate.codemods.program.binders import binders, bound_by
from dpmigrate.codemods.program.facts import Scope
from dpmigrate.codemods.program.places import is_called_by_name
from dpmigrate.codemods.program.routes import Routes
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


def own_object(wrapping: Wrapping) -> Wrapped:
    """Give the call the project's criterion, by its variable where that can be led there. Raises `Withheld`.

    Where it cannot, the call gets another one like it (`rebuilt`).
    """
    upgrade, facts = wrapping.upgrade, wrapping.facts
    kept = kept_by(upgrade, wrapping.sites)
    taken = _taken_as(wrapping, kept)
    if taken and not upgrade.apart:
        return _by_variable(wrapping, kept, taken, upgrade.scope, Routes(facts))
    if any(of_torch_module(facts, call.func) for call in kept.calls):
        return rebuilt(wrapping, kept)
    line = own_line(upgrade, kept)
    kept_in = line.scope if line is not None else kept.scope(facts)
    name = line.name if line is not None else kept.name
    member = name.startswith("self.")
    held = held_by_name(wrapping) if not name or member else ""
    of_the_call = kept_in is not None and same_class(facts, kept_in, upgrade.scope)
    if held and not upgrade.apart and not of_the_call:
        edits = ProjectEdits(lifted(upgrade, kept), give(upgrade, held))
        edits.extend(name_result(wrapping, held, Routes(facts)))
        return Wrapped(edits, kept.losses, held)
    once = (*kept.homes, *kept.constructors) if line is None and not member else ()
    again = (
        repeats(facts, upgrade.call, once) if once else member and refilled(facts, upgrade.call, kept.homes)
    )
    if not name or upgrade.apart or again:
        return rebuilt(wrapping, kept)
    assert kept_in is not None
    routes, kept = Routes(facts), replace(kept, name=name)
    way = _to_the_call(wrapping, kept, kept_in, routes)
    if way is None and line is None:
        way = _bound_globally(wrapping, kept, kept_in)
    if way is None:
        return rebuilt(wrapping, kept if line is None else replace(kept, name=""))
    made = line.written(upgrade, kept) if line is not None else lifted(upgrade, kept)
    wrapped = _by_variable(wrapping, kept, name, kept_in, routes, made)
    return replace(wrapped, edits=ProjectEdits(way, wrapped.edits))


def _by_variable(
    wrapping: Wrapping,
    kept: Kept,
    name: str,
    kept_in: Scope,
    routes: Routes,
    made: ProjectEdits | None = None,
) -> Wrapped:
    """Give the criterion by a variable, into which what comes back goes; ``made``: how it is made now."""
    edits = ProjectEdits(made if made is not None else lifted(wrapping.upgrade, kept))
    edits.extend(give(wrapping.upgrade, name))
    edits.extend(receive(wrapping, name, [kept_in], routes))
    return Wrapped(edits, kept.losses, name)


def _taken_as(wrapping: Wrapping, kept: Kept) -> str:
    """The parameter of ``fit(model, optimizer, Loss())``, which makes run and losses; else empty."""
    facts, scope = wrapping.facts, wrapping.upgrade.scope
    names = {facts.code(call.func).strip() for call in kept.calls}
    name = names.pop() if len(names) == 1 and not kept.name else ""
    bound = [b for b in binders(facts, scope) if name in bound_by(facts, b)]
    only = len(bound) == 1 and isinstance(bound[0], cst.Param) and is_parameter(facts, name, scope)
    inside = all(facts.scope(call) is scope for call in kept.calls)
    given = all(isinstance(facts.parent(made), cst.Arg) for made in kept.constructors)
    return name if only and inside and given and wrapping.result.scopes == [scope] else ""


def _to_the_call(wrapping: Wrapping, kept: Kept, kept_in: Scope, routes: Routes) -> ProjectEdits | None:
    """Let the variable be there where the call is, and what comes back come back to it; None: it cannot be.

    It is made before the call, or before what leads there from its scope. Raises `Withheld`.
    """
    facts, upgrade = wrapping.facts, wrapping.upgrade
    if kept_in is upgrade.scope:
        return ProjectEdits(*(make_before(facts, home, upgrade.call) for home in kept.homes))
    if kept.name.startswith("self."):
        if not same_class(facts, kept_in, upgrade.scope):
            raise Withheld(
                f"{kept.name} belongs to another object than the one that calls make_private: hand it "
                "on to there, give it as criterion=, and put the third object that comes back into its "
                "place",
                facts.module_of(kept.homes[0]),
                kept.homes[0],
            )
        for call in leading_calls(facts, upgrade.scope, kept_in)[:1]:
            if not facts.is_before(call, upgrade.call):  # ``super().__init__()`` behind it
                raise Withheld(
                    f"{kept.name} is made by {facts.code(call.func).strip()}, after make_private (line "
                    f"{facts.position(upgrade.call)}), which has to be given it: call that before",
                    facts.module_of(call),
                    call,
                )
        return ProjectEdits() if is_method(facts, upgrade.scope) else None
    around = _bound_around(wrapping, kept, kept_in)
    if around is None and not _hands_on(wrapping, kept, kept_in):
        return None
    edits = around if around is not None else ProjectEdits()
    for call in leading_calls(facts, kept_in, upgrade.scope)[:1]:
        for home in kept.homes:
            edits.extend(make_before(facts, home, call))
    if around is None:
        routes.lead(kept.name, [kept_in], upgrade.scope)
    return edits


def _hands_on(wrapping: Wrapping, kept: Kept, kept_in: Scope) -> bool:
    """Whether the variable can be handed from its scope to the call, and what comes back to it.

    A function may also read a module's variable unasked: then only the module's own may be bound anew.
    """
    facts, scope = wrapping.facts, wrapping.upgrade.scope
    unnamed = isinstance(scope, cst.FunctionDef) and not is_called_by_name(facts, scope)
    if (
        unnamed
        or not isinstance(kept_in, (cst.FunctionDef, cst.Module))
        or not calls_lead(facts, kept_in, scope)
    ):
        return False
    if isinstance(kept_in, cst.FunctionDef) or all(s is kept_in for s in wrapping.result.scopes):
        return True
    return all(is_parameter(facts, kept.name, facts.scope(call)) for call in kept.calls)


def _bound_globally(wrapping: Wrapping, kept: Kept, kept_in: Scope) -> ProjectEdits | None:
    """One more ``global`` of the call's function, where it sets variables of the module; else None."""
    facts, upgrade = wrapping.facts, wrapping.upgrade
    statements = declared_global(facts, upgrade.scope)
    if kept_in is not upgrade.module.tree or wrapping.result.scopes != [upgrade.scope] or not statements:
        return None
    if any(kept.name in bound_by(facts, b) for s in _readers(wrapping, kept) for b in binders(facts, s)):
        return None
    edits = ProjectEdits()
    names = {n.value for s in statements for n in facts.inside(s, cst.Name)}
    if kept.name not in names:
        edits.of(upgrade.module).change(statements[0], lambda new: add_name(new, kept.name))
    return edits


def _bound_around(wrapping: Wrapping, kept: Kept, kept_in: Scope) -> ProjectEdits | None:
    """One more ``nonlocal`` of it, where it sets variables of the function around it; else None."""
    facts, upgrade = wrapping.facts, wrapping.upgrade
    scope = upgrade.scope
    statements = declared_nonlocal(facts, scope)
    if not statements or facts.scope(scope) is not kept_in or wrapping.result.scopes != [scope]:
        return None
    readers = _readers(wrapping, kept) - {kept_in}
    if any(kept.name in bound_by(facts, b) for s in readers for b in binders(facts, s)):
        return None
    edits = ProjectEdits()
    edits.of(upgrade.module).change(statements[0], lambda new: add_name(new, kept.name))
    return edits


def _readers(wrapping: Wrapping, kept: Kept) -> set[Scope]:
    """The functions that call a module's criterion."""
    scopes = {wrapping.facts.scope(call) for call in kept.calls} | {wrapping.upgrade.scope}
    return {scope for scope in scopes if not isinstance(scope, cst.Module)}
