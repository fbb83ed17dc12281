"""What a program asks of the model itself, whose names have "_module." in front once it is private."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from dpmigrate.codemods.program_facts import keys_of
from dpmigrate.codemods.ways import same_class
from dpmigrate.codemods.zero_x_engine import AttachedEngine

_BY_NAME = frozenset(
    [
        *("state_dict", "load_state_dict", "named_parameters", "named_buffers", "named_modules"),
        *("named_children", "children"),
    ]
)
"""Methods that tell or take names of parameters or layers, or go by them."""


def reach_the_module(engine: AttachedEngine) -> None:
    """Ask the module inside for what the wrapped model names otherwise, as 0.x, which wrapped nothing."""
    facts, model = engine.facts, engine.given.get("module")
    meant = keys_of(facts.held(model)) if model is not None else set()
    for node in _asked(engine):
        if not meant & keys_of(facts.held(node)):
            continue
        text = facts.code(node).strip()
        moment = _moment(engine, node, text)
        if moment != "before":
            inside = f"{text}._module" if moment == "behind" else f'getattr({text}, "_module", {text})'
            engine.edits.of(facts.module_of(node)).replace(node, inside)


def _asked(engine: AttachedEngine) -> Iterator[cst.Name | cst.Attribute]:
    """The models whose names are asked for, or whose layers by their place (``model[0]``)."""
    facts = engine.facts
    for info in facts.modules:
        for member in facts.inside(info.tree, cst.Attribute):
            called = isinstance(facts.parent(member), cst.Call)
            if (
                called
                and member.attr.value in _BY_NAME
                and isinstance(member.value, (cst.Name, cst.Attribute))
            ):
                yield member.value
        for part in facts.inside(info.tree, cst.Subscript):
            if isinstance(part.value, (cst.Name, cst.Attribute)):
                yield part.value


def _moment(engine: AttachedEngine, node: cst.CSTNode, text: str) -> str:
    """Whether a place is come to "before" the model is private, "behind" that, or "either"."""
    facts, scope = engine.facts, engine.facts.scope(node)
    if engine.early or engine.is_made_elsewhere or engine.is_let_go:
        return "either"
    if scope is engine.scope and text == engine.model:
        loops = [n for n in facts.above(node) if isinstance(n, (cst.For, cst.While))]
        if facts.is_before(node, engine.attached):
            return "either" if any(n in loops for n in facts.above(engine.attached)) else "before"
        return "either" if engine.may_be_off else "behind"
    made_first = isinstance(engine.scope, cst.FunctionDef) and engine.scope.name.value == "__init__"
    if (
        made_first
        and text == engine.model
        and same_class(facts, scope, engine.scope)
        and not engine.may_be_off
    ):
        return "behind"
    return "either"
