"""Private objects that a loop makes and keeps: each model is trained by the criterion that came with it.

A variable has the criterion of the last turn alone. Behind the loop it is right where the model is that of
the last turn as well.
"""

from __future__ import annotations

from collections.abc import Iterable

import libcst as cst

from dpmigrate.codemods.editing.edits import Withheld
from dpmigrate.codemods.editing.nodes import name_of
from dpmigrate.codemods.program.facts import Facts

_COLLECTS = frozenset(["append", "appendleft", "add", "insert", "extend", "put", "setdefault"])
"""Methods that put what they are given among what is there."""


def refuse_last_of_many(facts: Facts, bound_at: Iterable[cst.CSTNode], uses: Iterable[cst.CSTNode]) -> None:
    """Each use of a criterion stands in the loop that binds it, or uses what is bound beside it.

    ``bound_at`` are nodes in what takes the private objects, and ``uses`` calls that make losses or lead to
    where they are made, of the same scope. Raises `Withheld`.
    """
    uses = list(uses)
    for node in bound_at:
        loops = _loops(facts, node)
        beside = _plain_names(facts, node)
        for use in uses if loops else ():
            around = set(facts.above(use))
            if all(loop in around for loop in loops):
                continue
            if beside.isdisjoint(n.value for n in facts.inside(use, cst.Name)):
                raise Withheld(
                    f"each turn of the loop in line {facts.position(loops[0])} makes a model private, with a "
                    "criterion of its own, and one that was kept is trained here: keep the criterion beside "
                    "its model, and make the losses by that",
                    facts.module_of(use),
                    use,
                )


def refuse_kept_among_others(facts: Facts, bound_at: Iterable[cst.CSTNode], name: str) -> None:
    """A member of an object is the criterion of one model, and not of each that the object collects.

    Raises `Withheld` where what is bound beside it is put into a container.
    """
    for node in bound_at:
        beside = _plain_names(facts, node)
        for call in facts.own(facts.scope(node), cst.Call):
            inside = {n.value for arg in call.args for n in facts.inside(arg.value, cst.Name)}
            if name_of(call.func) in _COLLECTS and len(beside & inside) > 1:
                raise Withheld(
                    f"models that are made private are collected here, and {name} would be the criterion of "
                    "the last of them: keep the criterion beside its model, and make the losses by that",
                    facts.module_of(call),
                    call,
                )


def _loops(facts: Facts, node: cst.CSTNode) -> list[cst.For | cst.While]:
    """The loops around a node, as far as its scope goes, the innermost first."""
    scope = facts.scope(node)
    found: list[cst.For | cst.While] = []
    for around in facts.above(node):
        if around is scope:
            break
        if isinstance(around, (cst.For, cst.While)):
            found.append(around)
    return found


def _plain_names(facts: Facts, node: cst.CSTNode) -> set[str]:
    """The variables that a statement binds, members and entries of other objects left out."""
    statement = facts.statement(node)
    targets = [t.target for t in facts.inside(statement, cst.AssignTarget)]
    elements = [e.value for t in targets if isinstance(t, (cst.Tuple, cst.List)) for e in t.elements]
    return {n.value for n in (*targets, *elements) if isinstance(n, cst.Name)}
