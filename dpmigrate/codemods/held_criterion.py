"""A criterion that an object of the project holds, in reach of the function that calls ``make_private``.

``state.model, state.optimizer, state.loader = engine.make_private(...)``, while another function makes
the losses by ``state.criterion``, or a method of that class by ``self.criterion``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import libcst as cst

from dpmigrate.analysis.atoms import Obj
from dpmigrate.analysis.classes import is_record, record_fields
from dpmigrate.analysis.values import Class
from dpmigrate.codemods.losses import LossSite
from dpmigrate.codemods.unpack import ResultPlan
from dpmigrate.codemods.upgraded_call import UpgradedCall


def held_by_name(upgrade: UpgradedCall, sites: Sequence[LossSite], result: ResultPlan) -> str:
    """The member that makes all losses, as the function that calls ``make_private`` says it; else empty."""
    facts = upgrade.facts
    scope = facts.scope(upgrade.call)
    owners, names = set(), set()
    for site in sites:
        func = site.call.func
        if not isinstance(func, cst.Attribute):
            return ""
        owners |= set(facts.atoms(func.value, upgrade.guard))
        names.add(func.attr.value)
    owner = next(iter(owners), None)
    if len(owners) != 1 or len(names) != 1 or result.scopes != [scope]:
        return ""
    name = names.pop()
    if not isinstance(owner, Obj) or not _has_from_the_start(upgrade, owner, name):
        return ""
    for held in _beside(upgrade, result):
        if isinstance(held.value, cst.Name) and facts.atoms(held.value) == [owner]:
            return f"{held.value.value}.{name}"
    return ""


def _beside(upgrade: UpgradedCall, result: ResultPlan) -> Iterator[cst.Attribute]:
    """The members of objects that the call is given, and that its result is put into."""
    for argument in upgrade.call.args:
        yield from upgrade.facts.inside(argument.value, cst.Attribute)
    for event in result.unpacks:
        yield from upgrade.facts.inside(event.origin.node, cst.Attribute)


def _has_from_the_start(upgrade: UpgradedCall, owner: Obj, name: str) -> bool:
    """Whether an object has a member as soon as it is made."""
    cls = owner.data
    if not isinstance(cls, Class) or owner.kind != "instance" or not upgrade.facts.knows(cls.node):
        return False
    if is_record(cls) and name in record_fields(cls):
        return True
    made = [f for f in upgrade.facts.own(cls.node, cst.FunctionDef) if f.name.value == "__init__"]
    return any(
        upgrade.facts.code(target.target).strip() == f"self.{name}"
        for function in made
        for target in upgrade.facts.own(function, cst.AssignTarget)
    )
