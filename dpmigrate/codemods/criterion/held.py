"""A criterion that an object of the project holds, in reach of the function that calls ``make_private``.

``state.model, state.optimizer, state.loader = engine.make_private(...)``, while another function makes
the losses by ``state.criterion``, or a method of that class by ``self.criterion``.
"""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from dpmigrate.analysis.ledger import What
from dpmigrate.analysis.ledger.expressions import Instance
from dpmigrate.codemods.criterion.wrapping import Wrapping
from dpmigrate.codemods.program.facts import Facts
from dpmigrate.codemods.returned.result import Result


def held_by_name(wrapping: Wrapping) -> str:
    """The member that makes all losses, as the function that calls ``make_private`` says it; else empty."""
    facts, upgrade, result = wrapping.facts, wrapping.upgrade, wrapping.result
    owners: set[What] = set()
    names = set()
    for site in wrapping.sites:
        func = site.call.func
        if not isinstance(func, cst.Attribute):
            return ""
        owners |= set(facts.held(func.value, upgrade.guard))
        names.add(func.attr.value)
    owner = next(iter(owners), None)
    if len(owners) != 1 or len(names) != 1 or result.scopes != [upgrade.scope]:
        return ""
    name = names.pop()
    if not isinstance(owner, Instance) or not _has_from_the_start(facts, owner, name):
        return ""
    for held in _beside(result):
        if isinstance(held.value, cst.Name) and facts.held(held.value) == [owner]:
            return f"{held.value.value}.{name}"
    return ""


def _beside(result: Result) -> Iterator[cst.Attribute]:
    """The members of objects that the call is given, and that its result is put into."""
    for argument in result.upgrade.call.args:
        yield from result.facts.inside(argument.value, cst.Attribute)
    for event in result.unpacks:
        yield from result.facts.inside(event.origin.node, cst.Attribute)


def _has_from_the_start(facts: Facts, owner: Instance, name: str) -> bool:
    """Whether an object has a member as soon as it is made."""
    cls = owner.of.node
    if not facts.knows(cls):
        return False
    if owner.of.record:
        fields = (a.target for a in facts.own(cls, cst.AnnAssign))
        return any(isinstance(f, cst.Name) and f.value == name for f in fields)
    made = (f for f in facts.own(cls, cst.FunctionDef) if f.name.value == "__init__")
    targets = (t.target for function in made for t in facts.own(function, cst.AssignTarget))
    return any(facts.code(target).strip() == f"self.{name}" for target in targets)
