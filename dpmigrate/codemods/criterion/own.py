"""The project's own criterion object: whether it will do, and its ``reduction="none"`` lifted."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

import libcst as cst

from dpmigrate.analysis.ledger import Constant, Thing, What
from dpmigrate.analysis.ledger.expressions import Defined, Instance
from dpmigrate.codemods.editing.edits import ProjectEdits, Withheld
from dpmigrate.codemods.editing.nodes import add_argument, remove_argument, with_variable
from dpmigrate.codemods.program.assignments import Home
from dpmigrate.codemods.program.facts import Facts, making_node
from dpmigrate.codemods.returned.upgraded_call import UpgradedCall


class Calls(NamedTuple):
    """The calls of a criterion itself."""

    calls: list[cst.Call]
    shared: cst.Call | None
    """One that is of another criterion in another branch, which is to stay what it is."""


def check(facts: Facts, maker: Thing) -> None:
    """Raise `Withheld` for one of the project's classes that would not give one loss per example."""
    of = _own_class(maker)
    if of is None or not isinstance(maker, Instance):
        return
    if not facts.expressions.honours_reduction(maker):
        raise Withheld(
            f'{of.name} does not give one loss per example when its reduction is "none" (Opacus 1.6.0 '
            "would then clip nothing and say nothing): let it keep a self.reduction and honour it as the "
            "losses of torch.nn do",
            of.module,
            of.node,
        )


def reduction_of(upgrade: UpgradedCall, maker: Thing, constructor: cst.Call) -> object:
    """The reduction that the criterion is made with in ghost mode. Raises `Withheld`."""
    facts, given = upgrade.facts, _given_reduction(maker, constructor)
    if isinstance(given, cst.SimpleString):
        return given.evaluated_value
    if given is not None:
        if _alternatives(given) == {"none", upgrade.loss_reduction}:
            return "none"
        raise Withheld(
            "reduction= of this criterion is no literal: leave it out, as the wrapped criterion "
            "takes care of one loss per example by itself",
            facts.module_of(constructor),
            constructor,
        )
    for arg in constructor.args:
        if arg.keyword is not None and arg.keyword.value in ("reduce", "size_average"):
            raise Withheld(
                f"{arg.keyword.value}= of this criterion is deprecated in torch: leave it out, or write "
                "reduction=",
                facts.module_of(constructor),
                constructor,
            )
    of = _own_class(maker)
    if of is None:
        return "mean"
    if _lacks_reduction(facts, constructor):
        return "none"
    default = facts.expressions.reduction_default(of)
    if default is None and not _says(facts, constructor, wanted := upgrade.loss_reduction):
        raise Withheld(
            f'{of.name} sets its reduction itself, and make_private expects "{wanted}" of it: '
            f'let its __init__ take reduction="{wanted}" and keep that as self.reduction',
            of.module,
            of.node,
        )
    return default


def _lacks_reduction(facts: Facts, constructor: cst.Call) -> bool:
    """Whether the objects of a project's class, which `check` let pass, have no ``reduction``."""
    return not facts.expressions.members(constructor, "reduction")


def _says(facts: Facts, constructor: cst.Call, reduction: str) -> bool:
    """Whether nothing but this was seen to be the ``reduction`` of the objects that a call makes."""
    held = facts.expressions.members(constructor, "reduction")
    return all(isinstance(what, Constant) and what.value == reduction for what in held)


def lifted(upgrade: UpgradedCall, maker: Thing, constructor: cst.Call) -> ProjectEdits:
    """Give the criterion the reduction that ``make_private`` expects. Raises `Withheld`."""
    facts, wanted, edits = upgrade.facts, upgrade.loss_reduction, ProjectEdits()
    module_edits = edits.of(facts.module_of(constructor))
    of = _own_class(maker)
    if of is not None and _lacks_reduction(facts, constructor):
        return _name_reduction(of, wanted)
    default = (facts.expressions.reduction_default(of) if of is not None else None) or "mean"
    given = _given_reduction(maker, constructor)
    by_keyword = any(arg.value is given and arg.keyword is not None for arg in constructor.args)
    if isinstance(given, cst.SimpleString) and given.evaluated_value == wanted:
        return edits
    if given is not None and by_keyword and (wanted == default or isinstance(given, cst.IfExp)):
        module_edits.change(constructor, lambda new: remove_argument(new, "reduction"))
    elif isinstance(given, cst.SimpleString):
        quote = given.quote
        module_edits.change(given, lambda new: new.with_changes(value=f"{quote}{wanted}{quote}"))
    elif given is not None:
        module_edits.replace(given, f'"{wanted}"')
    elif default != wanted:
        module_edits.change(constructor, lambda new: add_argument(new, "reduction", f'"{wanted}"', ()))
    return edits


def _name_reduction(of: Defined, wanted: str) -> ProjectEdits:
    """Let a class of losses per example say a reduction, which Opacus 1.5.3 and 1.5.4 ask for."""
    body = of.node.body
    if not isinstance(body, cst.IndentedBlock):
        raise Withheld(
            f"{of.name} has no reduction, which Opacus 1.5.3 and 1.5.4 ask the criterion for: write "
            f'reduction = "{wanted}" on a line of its own in the class',
            of.module,
            of.node,
        )
    edits = ProjectEdits()
    edits.of(of.module).change(of.node, with_variable("reduction", f'"{wanted}"'))
    return edits


def binding(facts: Facts, constructor: cst.Call) -> Home | None:
    """The assignment that keeps the criterion, through ``.to(device)`` and the like."""
    node: cst.CSTNode = constructor
    parent = facts.parent(node)
    while isinstance(parent, cst.Attribute):
        call = facts.parent(parent)
        if not isinstance(call, cst.Call):
            return None
        node, parent = call, facts.parent(call)
    return parent if isinstance(parent, (cst.Assign, cst.AnnAssign, cst.NamedExpr)) else None


def calls_of(upgrade: UpgradedCall, constructors: Collection[cst.CSTNode]) -> Calls:
    """Every call of some criteria themselves.

    Raises `Withheld` for one that may be of another, unless that gives what the wrapped criterion does:
    one number, reduced alike.
    """
    facts = upgrade.facts
    shared = None
    calls = facts.in_order(c for made in constructors for c in facts.once(_calls_of_made).get(made, ()))
    for call in calls:
        others = [w for w in facts.called(call) if _maker(w) not in constructors]
        if others:
            shared = call
            if not all(_reduced_alike(upgrade, w) for w in others):
                raise of_another(facts, call)
    return Calls(calls, shared)


def of_another(facts: Facts, call: cst.Call) -> Withheld:
    """Why a call that may be of another criterion, too, stays as it is."""
    return Withheld(
        f"{facts.code(call.func).strip()} is the private run's criterion here, or another one: give "
        "the other one a name and a call of its own",
        facts.module_of(call),
        call,
    )


def _reduced_alike(upgrade: UpgradedCall, other: What) -> bool:
    """Whether a criterion of torch gives the one number that the wrapped criterion stands for."""
    made = making_node(other) if isinstance(other, Thing) and other.kind == "criterion" else None
    if not isinstance(made, cst.Call) or not upgrade.facts.knows(made):
        return False
    given = {a.keyword.value: a.value for a in made.args if a.keyword is not None}
    if not given.keys().isdisjoint(("reduce", "size_average")):
        return False
    reduction = given.get("reduction")
    value = reduction.evaluated_value if isinstance(reduction, cst.SimpleString) else None
    return upgrade.loss_reduction == (value if reduction is not None else "mean")


def _calls_of_made(facts: Facts) -> dict[cst.CSTNode, list[cst.Call]]:
    """By the node that makes an object, the calls of that object itself."""
    calls_by_maker: dict[cst.CSTNode, list[cst.Call]] = {}
    for info in facts.modules:
        for call in facts.inside(info.tree, cst.Call):
            for what in facts.called(call):
                if (made := _maker(what)) is not None:
                    calls_by_maker.setdefault(made, []).append(call)
    return calls_by_maker


def _maker(what: What) -> cst.CSTNode | None:
    """The node that makes an object, unless it is, or wraps, the criterion that Opacus returns."""
    return making_node(what) if isinstance(what, Thing) and what.kind != "dp-criterion" else None


def _own_class(maker: Thing) -> Defined | None:
    """The project's class that a criterion is of; None for one of torch, and what descends from one."""
    return maker.of if isinstance(maker, Instance) and maker.kind == "instance" else None


def _given_reduction(maker: Thing, constructor: cst.Call) -> cst.BaseExpression | None:
    """What the call that makes a criterion gives for ``reduction``, by keyword or at its place.

    What is unpacked there (``*options``) may hold it.
    """
    for arg in constructor.args:
        if arg.keyword is not None and arg.keyword.value == "reduction":
            return arg.value
    of = _own_class(maker)
    names = _parameters(of.node) if of is not None else []
    place = names.index("reduction") if "reduction" in names else len(constructor.args)
    before = constructor.args[: place + 1]
    if any(arg.star == "*" for arg in before):
        return next(arg.value for arg in before if arg.star == "*")
    last = before[place] if len(before) > place else None
    return last.value if last is not None and last.keyword is None and not last.star else None


def _parameters(of: cst.CSTNode) -> list[str]:
    """The names that the ``__init__`` of a class itself takes by place, ``self`` left out."""
    body = of.body.body if isinstance(of, cst.ClassDef) else ()
    for statement in body:
        if isinstance(statement, cst.FunctionDef) and statement.name.value == "__init__":
            taken = (*statement.params.posonly_params, *statement.params.params)
            return [parameter.name.value for parameter in taken[1:]]
    return []


def _alternatives(value: cst.BaseExpression) -> set[object]:
    """The strings that a conditional expression chooses from; empty for anything else."""
    if not isinstance(value, cst.IfExp):
        return set()
    return {
        v.evaluated_value if isinstance(v, cst.SimpleString) else None for v in (value.body, value.orelse)
    }
