"""The project's own criterion as an upgrade finds it: what it computes, where it is kept, who calls it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import libcst as cst

from dpmigrate.analysis.ledger import Thing, What
from dpmigrate.analysis.ledger.expressions import Instance
from dpmigrate.codemods.criterion.classes import COUNTERPARTS
from dpmigrate.codemods.criterion.own import binding, calls_of, check, reduction_of
from dpmigrate.codemods.criterion.own import lifted as reduction_lifted
from dpmigrate.codemods.editing.edits import ProjectEdits, Withheld
from dpmigrate.codemods.editing.imports import spelled
from dpmigrate.codemods.editing.nodes import name_of
from dpmigrate.codemods.losses.functional import portable_arguments
from dpmigrate.codemods.losses.homes import homes_of
from dpmigrate.codemods.losses.origins import LossSite, functional_behind, is_object
from dpmigrate.codemods.program.assignments import Home, target_text
from dpmigrate.codemods.program.facts import Facts, Scope, making_node
from dpmigrate.codemods.returned.upgraded_call import UpgradedCall


@dataclass(frozen=True, eq=False, slots=True)
class Kept:
    """A criterion, or several that one variable may hold, made by the project."""

    makers: tuple[What, ...]
    per_example: bool
    """Whether it gives one loss per example now."""
    name: str
    """The variable that it is called by, as text; empty where that is not plain."""
    homes: list[Home]
    """The assignments of that variable."""
    calls: list[cst.Call]
    class_name: str | None
    """The class of ``torch.nn`` to build another one of; None where there is none."""
    arguments: Sequence[cst.Arg]
    constructors: list[cst.Call]
    """The calls that make it; none for ``partial(F.x)`` and lambdas."""
    shared: cst.Call | None = None
    """A call that is of another criterion in another branch, which is to stay what it is."""

    def scope(self, facts: Facts) -> Scope | None:
        """The scope that binds the variable."""
        return facts.scope(self.homes[0]) if self.homes else None

    @property
    def losses(self) -> tuple[tuple[cst.Call, bool], ...]:
        """The calls that make losses by it, and whether those are one number."""
        return tuple((call, not self.per_example) for call in self.calls)


def kept_by(upgrade: UpgradedCall, sites: Sequence[LossSite]) -> Kept:
    """The criterion behind some calls that all have the same makers. Raises `Withheld`."""
    facts, makers = upgrade.facts, sites[0].makers
    homes = homes_of(facts, sites[0].call.func, makers)
    for site in sites[1:]:
        if homes_of(facts, site.call.func, makers) != homes:
            homes = []
    objects = [m for m in makers if isinstance(m, Thing) and is_object(m)]
    if len(objects) == len(makers):
        return _objects(upgrade, objects, homes)
    return _stand_in(upgrade, makers[0], homes)


def _objects(upgrade: UpgradedCall, makers: Sequence[Thing], homes: list[Home]) -> Kept:
    """One or several objects that calls of the project make."""
    facts = upgrade.facts
    constructors: dict[cst.Call, Thing] = {}
    for maker in makers:
        call = making_node(maker)
        if not isinstance(call, cst.Call) or not facts.knows(call):
            raise upgrade.withheld(
                "the criterion that makes the losses is made outside of this project: make one of "
                "torch.nn here, and give it to this call as criterion="
            )
        check(facts, maker)
        constructors.setdefault(call, maker)
    kinds = {reduction_of(upgrade, m, c) == "none" for c, m in constructors.items()}
    if len(kinds) > 1:
        raise upgrade.withheld(
            'the variable of the criterion holds one with reduction="none" in one case and a reduced '
            "one in another: leave reduction= out of all of them, and give the variable as criterion="
        )
    first, maker = next(iter(constructors.items()))
    home = binding(facts, first)
    if not homes and len(constructors) == 1 and home is not None and target_text(facts, home):
        homes = [home]
    calls = calls_of(upgrade, constructors)
    one = len(constructors) == 1 and maker.kind == "criterion" and not isinstance(maker, Instance)
    return Kept(
        tuple(makers),
        kinds.pop(),
        target_text(facts, homes[0]) if homes else "",
        homes,
        calls.calls,
        maker.name.rpartition(".")[2] if one else None,
        first.args,
        list(constructors),
        calls.shared,
    )


def _stand_in(upgrade: UpgradedCall, maker: What, homes: list[Home]) -> Kept:
    """``partial(F.x, ...)`` or a lambda around a functional loss."""
    facts = upgrade.facts
    functional = functional_behind(facts, maker)
    class_name = COUNTERPARTS.get(functional.rpartition(".")[2])
    value = homes[0].value if len(homes) == 1 else None
    if isinstance(value, cst.Lambda):
        value = value.body
        skipped = 2
    else:
        skipped = 1
    if class_name is None or not isinstance(value, cst.Call):
        raise upgrade.withheld(
            "the losses are made by a function, and make_private wraps a module: build the criterion as "
            "one of torch.nn, give it as criterion=, and call the third object that comes back"
        )
    arguments = value.args[skipped:]
    reductions = [a.value for a in arguments if a.keyword is not None and a.keyword.value == "reduction"]
    literal = reductions[0] if reductions else None
    if literal is not None and not isinstance(literal, cst.SimpleString):
        raise Withheld(
            "reduction= of this criterion is no literal: leave it out, as the wrapped criterion takes "
            "care of one loss per example by itself",
            facts.module_of(value),
            value,
        )
    calls = [
        call
        for info in facts.modules
        for call in facts.inside(info.tree, cst.Call)
        if maker in facts.called(call)
    ]
    per_example = literal is not None and literal.evaluated_value == "none"
    name = target_text(facts, homes[0])
    return Kept((maker,), per_example, name, homes, calls, class_name, arguments, [])


def lifted(upgrade: UpgradedCall, kept: Kept) -> ProjectEdits:
    """Give it the reduction that ``make_private`` expects, as a module of ``torch.nn``."""
    edits = ProjectEdits()
    makers = {making_node(m): m for m in kept.makers if isinstance(m, Thing)}
    for constructor in kept.constructors:
        maker = makers[constructor]
        alike = _beside(upgrade.facts, constructor) if maker.kind == "criterion" else []
        for call in (constructor, *alike):
            edits.extend(reduction_lifted(upgrade, maker, call))
    if not kept.constructors:
        value = kept.homes[0].value
        assert value is not None
        code, imported = built(upgrade, kept, value)
        edits.extend(imported)
        edits.of(upgrade.facts.module_of(value)).replace(value, code)
    return edits


def _beside(facts: Facts, constructor: cst.Call) -> list[cst.Call]:
    """Criteria of the same dict or function that nothing in sight chooses, and a user may."""
    around = facts.parent(constructor)
    values: list[cst.BaseExpression | None] = []
    if isinstance(around, cst.DictElement):
        table = facts.parent(around)
        values = [e.value for e in table.elements] if isinstance(table, cst.Dict) else []
    elif isinstance(around, cst.Return):
        values = [r.value for r in facts.own(facts.scope(constructor), cst.Return)]
    return [
        v
        for v in values
        if isinstance(v, cst.Call)
        and v is not constructor
        and v not in facts.called_places
        and _gives_each(v)
    ]


def built(upgrade: UpgradedCall, kept: Kept, at: cst.CSTNode) -> tuple[str, ProjectEdits]:
    """The text that builds such a criterion at a place, and the import that it needs. Raises `Withheld`."""
    facts = upgrade.facts
    module = facts.module_of(at)
    if len(kept.constructors) > 1:
        where = ", ".join(facts.module_of(c).place(c).shown for c in kept.constructors)
        raise Withheld(
            f"make_private needs one criterion, and several make the losses, none before it ({where}): "
            "make one before this call, give it as criterion=, and hand the third object that comes back "
            "to where losses are made",
            module,
            at,
        )
    if kept.class_name is None:
        raise Withheld(
            "make_private needs the criterion, which is made elsewhere by a class of the project: make "
            "it here, give it as criterion=, and hand the third object that comes back to where losses "
            "are made",
            module,
            at,
        )
    arguments = portable_arguments(facts, kept.arguments, at)
    if upgrade.loss_reduction != "mean":
        arguments.append(f'reduction="{upgrade.loss_reduction}"')
    edits = ProjectEdits()
    text = spelled(edits.of(module), "torch.nn", kept.class_name)
    return f"{text}({', '.join(arguments)})", edits


def _gives_each(call: cst.Call) -> bool:
    """Whether a call makes a loss of torch with ``reduction="none"``."""
    given = (a.value for a in call.args if a.keyword is not None and a.keyword.value == "reduction")
    value = next(given, None)
    none = isinstance(value, cst.SimpleString) and value.evaluated_value == "none"
    return none and name_of(call.func) in COUNTERPARTS.values()
