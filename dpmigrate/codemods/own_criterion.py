"""The project's own criterion object: whether it will do, and its ``reduction="none"`` lifted."""

from __future__ import annotations

from collections.abc import Collection
from typing import TypeGuard

import libcst as cst

from dpmigrate.analysis.atoms import Atom, Obj
from dpmigrate.analysis.ledger import Constant
from dpmigrate.analysis.values import Class
from dpmigrate.codemods.assignments import Home
from dpmigrate.codemods.edits import Withheld
from dpmigrate.codemods.nodes import add_argument, remove_argument
from dpmigrate.codemods.program_facts import Facts
from dpmigrate.codemods.upgraded_call import UpgradedCall


class OwnCriterion:
    """What is asked of, and done to, the call that makes the project's criterion."""

    def __init__(self, upgrade: UpgradedCall) -> None:
        self.upgrade = upgrade
        self.facts = upgrade.facts
        self.edits = upgrade.edits
        self.module = upgrade.module
        self.call = upgrade.call

    def check(self, maker: Obj) -> None:
        """Raise `Withheld` for one of the project's classes that would not give one loss per example."""
        if maker.kind != "instance":
            return
        assert isinstance(maker.data, Class)
        if not self.facts.honours_reduction(maker.data):
            name = maker.data.node.name.value
            raise Withheld(
                f'{name} does not give one loss per example when its reduction is "none" (Opacus 1.6.0 would '
                "then clip nothing and say nothing): let it keep a self.reduction and honour it as the "
                "losses of torch.nn do",
                maker.data.module,
                maker.data.node,
            )

    def reduction_of(self, maker: Obj, constructor: cst.Call) -> object:
        """The reduction that the criterion is made with in ghost mode. Raises `Withheld`."""
        for arg in constructor.args:
            if arg.keyword is not None and arg.keyword.value == "reduction":
                value = arg.value
                if isinstance(value, cst.SimpleString):
                    return value.evaluated_value
                if _alternatives(value) == {"none", self.wanted}:
                    return "none"
                raise Withheld(
                    "reduction= of this criterion is no literal: leave it out, as the wrapped criterion "
                    "takes care of one loss per example by itself",
                    self.facts.module_of(constructor),
                    constructor,
                )
            if arg.keyword is not None and arg.keyword.value in ("reduce", "size_average"):
                raise Withheld(
                    f"{arg.keyword.value}= of this criterion is deprecated in torch: leave it out, or write "
                    "reduction=",
                    self.facts.module_of(constructor),
                    constructor,
                )
        if maker.kind == "instance" and isinstance(maker.data, Class):
            return self.facts.reduction_default(maker.data)
        return "mean"

    @property
    def wanted(self) -> str:
        """The reduction that the run's ``loss_reduction`` asks the criterion to have."""
        values = [w for r in self.upgrade.ghost for w in r.argument("loss_reduction").each]
        constants = {w.value if isinstance(w, Constant) else None for w in values} or {"mean"}
        if len(constants) != 1 or None in constants:
            raise self.upgrade.withheld('loss_reduction= of this call is no literal: write "mean" or "sum"')
        return str(constants.pop())

    def lift(self, maker: Obj, constructor: cst.Call) -> None:
        """Give the criterion the reduction that ``make_private`` expects. Raises `Withheld`."""
        wanted = self.wanted
        own = self.edits.of(self.facts.module_of(constructor))
        default = "mean"
        if maker.kind == "instance" and isinstance(maker.data, Class):
            default = self.facts.reduction_default(maker.data) or "mean"
        literal = next(
            (a.value for a in constructor.args if a.keyword and a.keyword.value == "reduction"), None
        )
        if isinstance(literal, cst.IfExp):
            own.change(constructor, lambda new: remove_argument(new, "reduction"))
        elif isinstance(literal, cst.SimpleString):
            if literal.evaluated_value == wanted:
                return
            if wanted == default:
                own.change(constructor, lambda new: remove_argument(new, "reduction"))
            else:
                quote = literal.quote
                own.change(literal, lambda new: new.with_changes(value=f"{quote}{wanted}{quote}"))
        elif default != wanted:
            own.change(constructor, lambda new: add_argument(new, "reduction", f'"{wanted}"', ()))

    def binding(self, constructor: cst.Call) -> Home | None:
        """The assignment that keeps the criterion, through ``.to(device)`` and the like."""
        node: cst.CSTNode = constructor
        parent = self.facts.parent(node)
        while isinstance(parent, cst.Attribute):
            call = self.facts.parent(parent)
            if not isinstance(call, cst.Call):
                return None
            node, parent = call, self.facts.parent(call)
        return parent if isinstance(parent, (cst.Assign, cst.AnnAssign, cst.NamedExpr)) else None

    def calls_of(self, constructors: Collection[cst.CSTNode]) -> list[cst.Call]:
        """Every call of some criteria themselves. Raises `Withheld` for one that may be of another."""
        facts = self.facts
        found = facts.in_order(c for made in constructors for c in facts.once(_calls_of_made).get(made, ()))
        for call in found:
            if not all(_is_made(a) and a.node in constructors for a in facts.callee_atoms(call)):
                what = facts.code(call.func).strip()
                raise Withheld(
                    f"{what} is the private run's criterion here, or another one: give the other "
                    "one a name and a call of its own",
                    facts.module_of(call),
                    call,
                )
        return found


def _calls_of_made(facts: Facts) -> dict[cst.CSTNode, list[cst.Call]]:
    """By the node that makes an object, the calls of that object itself."""
    found: dict[cst.CSTNode, list[cst.Call]] = {}
    for info in facts.modules:
        for call in facts.inside(info.tree, cst.Call):
            for atom in facts.callee_atoms(call):
                if _is_made(atom) and atom.node is not None:
                    found.setdefault(atom.node, []).append(call)
    return found


def _is_made(atom: Atom) -> TypeGuard[Obj]:
    """Whether it is an object that is not, and does not wrap, the criterion that Opacus returns."""
    return isinstance(atom, Obj) and atom.kind != "dp-criterion"


def _alternatives(value: cst.BaseExpression) -> set[object]:
    """The strings that a conditional expression chooses from; empty for anything else."""
    if not isinstance(value, cst.IfExp):
        return set()
    return {
        v.evaluated_value if isinstance(v, cst.SimpleString) else None for v in (value.body, value.orelse)
    }
