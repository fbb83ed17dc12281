"""A criterion built anew before the call of ``make_private``, which the project's variable does not reach."""

from __future__ import annotations

from collections.abc import Iterable

import libcst as cst

from dpmigrate.codemods.criterion.handover import NAMES, build, comes_as_member, free_name
from dpmigrate.codemods.criterion.kept import Kept, built, lifted
from dpmigrate.codemods.criterion.own import of_another
from dpmigrate.codemods.criterion.wrapping import Wrapped, Wrapping
from dpmigrate.codemods.editing.edits import ProjectEdits
from dpmigrate.codemods.losses.origins import LossSite
from dpmigrate.codemods.program.assignments import targets_of
from dpmigrate.codemods.program.facts import Facts
from dpmigrate.codemods.program.routes import keeps_what_is_given
from dpmigrate.codemods.program.ways import is_parameter, same_class


def rebuilt(wrapping: Wrapping, kept: Kept) -> Wrapped:
    """Another object like the project's, made before the call. Raises `Withheld`.

    The project's variable goes with it where nothing else reads it.
    """
    upgrade, facts = wrapping.upgrade, wrapping.facts
    if kept.shared is not None:
        raise of_another(facts, kept.shared)
    kept_in = kept.scope(facts)
    code, edits = built(upgrade, kept, upgrade.call)
    alone = isinstance(kept_in, cst.FunctionDef) and {facts.scope(c) for c in kept.calls} == {kept_in}
    apart = upgrade.apart or (kept_in is not None and same_class(facts, kept_in, upgrade.scope))
    if kept_in is not None and alone and kept_in is not upgrade.scope and len(kept.homes) == 1 and not apart:
        freed = None
        assert isinstance(kept_in, cst.FunctionDef)
        if is_parameter(facts, kept.name, kept_in) and keeps_what_is_given(facts, kept_in, kept.name):
            edits.extend(lifted(upgrade, kept))
        else:
            edits.of(facts.module_of(kept.homes[0])).remove(facts.removable(kept.homes[0]))
            freed = kept_in
        name = f"self.{kept.name}" if comes_as_member(wrapping, kept_in) else kept.name
        edits.extend(build(wrapping, code, name, {kept_in}, freed))
        return Wrapped(edits, kept.losses, name)
    name = free_name(wrapping, NAMES[::-1] if upgrade.apart else NAMES)
    for site in wrapping.sites:
        edits.of(site.module).replace(site.call.func, name)
    edits.extend(_without_unused(facts, kept, wrapping.sites))
    edits.extend(build(wrapping, code, name, wrapping.loss_scopes))
    return Wrapped(edits, tuple((s.call, not kept.per_example) for s in wrapping.sites), name)


def _without_unused(facts: Facts, kept: Kept, sites: Iterable[LossSite]) -> ProjectEdits:
    """Take out the project's own variable where nothing reads it any more."""
    edits = ProjectEdits()
    calls = {site.call for site in sites}
    if len(kept.homes) != 1 or not kept.name.isidentifier() or not set(kept.calls) <= calls:
        return edits
    home = kept.homes[0]
    module = facts.module_of(home)
    gone = [*(call.func for call in calls), *targets_of(home)]
    kept_in = kept.scope(facts)
    roots = [kept_in] if isinstance(kept_in, cst.FunctionDef) else [info.tree for info in facts.modules]
    names = [n for root in roots for n in facts.inside(root, cst.Name) if n.value == kept.name]
    elsewhere = (cst.ImportAlias, cst.Attribute)
    if all(
        n in gone or not (facts.module_of(n) is module or isinstance(facts.parent(n), elsewhere))
        for n in names
    ):
        edits.of(module).remove(facts.removable(home))
    return edits
