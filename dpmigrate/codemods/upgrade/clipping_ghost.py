"""``clipping="ghost"``, which Opacus 1.5.3 removed, taken out of a call and of the dicts that feed it."""

from __future__ import annotations

from collections.abc import Sequence

import libcst as cst

from dpmigrate.analysis.ledger import Constant, Missing, PrivateRun
from dpmigrate.codemods.editing.edits import ProjectEdits, Withheld
from dpmigrate.codemods.editing.listed import without
from dpmigrate.codemods.editing.nodes import remove_argument
from dpmigrate.codemods.program.facts import Facts


def drop_clipping(facts: Facts, runs: Sequence[PrivateRun], call: cst.Call) -> ProjectEdits:
    """The removal; another clipping that other modes ask for stays. Raises `Withheld`."""
    edits = ProjectEdits()
    values = [w for r in runs for w in r.argument("clipping").each]
    constants = {w.value for w in values if isinstance(w, Constant)}
    if "ghost" not in constants:
        return edits
    direct = next((a for a in call.args if a.keyword and a.keyword.value == "clipping"), None)
    others = constants - {"ghost", "flat", None}
    given = all(isinstance(w, (Constant, Missing)) for w in values)
    if direct is not None and not given and constants != {"ghost"}:
        raise Withheld(
            'clipping= of this call is an option, and may be another value than "ghost", which is gone '
            'since Opacus 1.5.3: take "ghost" out of what it can be, and set grad_sample_mode="ghost" '
            "instead",
            facts.module_of(call),
            call,
        )
    if direct is not None and not others:
        edits.of(facts.module_of(call)).change(call, lambda new: remove_argument(new, "clipping"))
        return edits
    literals = {
        o.node
        for r in runs
        for e in r.argument("clipping").options
        if e.what == Constant("ghost")
        for o in e.because
        if isinstance(o.node, cst.SimpleString) and o.node.evaluated_value == "ghost"
    }
    if not literals:
        raise Withheld(
            'this call gets clipping="ghost" from a place that cannot be followed: take it out there, '
            "since Opacus 1.5.3 knows it no more",
            facts.module_of(call),
            call,
        )
    for literal in literals:
        if others or direct is not None:
            edits.of(facts.module_of(literal)).change(literal, _flat)
        else:
            edits.extend(_without_entry(facts, literal))
    return edits


def _flat(new: cst.CSTNode) -> cst.CSTNode:
    assert isinstance(new, cst.SimpleString)
    return cst.SimpleString(f"{new.prefix}{new.quote}flat{new.quote}")


def _without_entry(facts: Facts, literal: cst.CSTNode) -> ProjectEdits:
    edits = ProjectEdits()
    module_edits = edits.of(facts.module_of(literal))
    parent = facts.parent(literal)
    while isinstance(parent, cst.IfExp):
        parent = facts.parent(parent)
    if isinstance(parent, cst.DictElement):
        container = facts.parent(parent)
        assert isinstance(container, cst.Dict)
        module_edits.change(container, _without_key)
    elif isinstance(parent, cst.Arg) and parent.keyword is not None and parent.keyword.value == "clipping":
        around = facts.parent(parent)
        assert around is not None
        module_edits.change(around, lambda new: remove_argument(new, "clipping"))
    elif isinstance(parent, cst.Assign) and isinstance(parent.targets[0].target, cst.Subscript):
        module_edits.remove(facts.removable(parent))
    else:
        module_edits.change(literal, _flat)
    return edits


def _without_key(new: cst.CSTNode) -> cst.CSTNode:
    assert isinstance(new, cst.Dict)
    elements = list(new.elements)
    for place in reversed(range(len(elements))):
        if _is_clipping(elements[place]):
            elements = without(elements, place)
    return new.with_changes(elements=elements)


def _is_clipping(element: cst.BaseDictElement) -> bool:
    return (
        isinstance(element, cst.DictElement)
        and isinstance(element.key, cst.SimpleString)
        and element.key.evaluated_value == "clipping"
    )
