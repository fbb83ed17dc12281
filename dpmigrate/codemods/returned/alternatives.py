"""Three objects that are taken apart where the result of ``make_private`` is, on another way to there.

``result = model, optimizer, loader``, then ``if private: result = engine.make_private(...)``: what is taken
apart into four has to have four on every way.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable

import libcst as cst

from dpmigrate.analysis.ledger import Thing, Unpack
from dpmigrate.codemods.editing.edits import ProjectEdits, Withheld
from dpmigrate.codemods.editing.nodes import with_element
from dpmigrate.codemods.program.facts import Facts, keys_of

Literal = cst.Tuple | cst.List


def give_alternatives(
    facts: Facts, event: Unpack, name: str, is_there: Callable[[cst.CSTNode], bool]
) -> ProjectEdits:
    """Put the criterion into each tuple that is taken apart in the place of a result. Raises `Withheld`.

    ``is_there`` says whether ``name`` is the criterion where such a tuple is made.
    """
    if isinstance(facts.parent(event.origin.node), cst.Element):
        return ProjectEdits()  # ``engine, (model, optimizer, loader) = ...``: what is beside is no result.
    assign = facts.nearest(event.origin.node, cst.Assign)
    taken = facts.held(assign.value) if isinstance(assign, cst.Assign) else []
    others = [what for what in taken if isinstance(what, Thing) and what.kind == "seq"]
    literals = _literals(facts, keys_of(others)) if others else []
    made = {key for node in literals for key in keys_of(facts.held(node))}
    if keys_of(others) - made or any(len(n.elements) != 3 or not is_there(n) for n in literals):
        place = literals[0] if literals else event.origin.node
        raise Withheld(
            f"three objects that make_private did not return are taken apart in line "
            f"{facts.position(event.origin.node)}, too: give them the criterion between optimizer and loader",
            facts.module_of(place),
            place,
        )
    edits = ProjectEdits()
    for node in literals:
        edits.of(facts.module_of(node)).change(node, with_element(2, name))
    return edits


def _literals(facts: Facts, keys: set[Hashable]) -> list[Literal]:
    """The tuples and lists, written out, that were seen to be some sequences."""
    nodes: list[Literal] = []
    for info in facts.modules:
        nodes += (*facts.inside(info.tree, cst.Tuple), *facts.inside(info.tree, cst.List))
    return [node for node in nodes if keys & keys_of(facts.held(node))]
