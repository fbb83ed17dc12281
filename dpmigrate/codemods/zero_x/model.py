"""The model of an engine of Opacus 0.x: what is asked of it by the names of its layers.

``attach()`` hooked the model itself. ``make_private`` returns a wrapper, all of whose names begin with
``_module.``: weights that are saved, sent or loaded by them fit no plain model any more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import libcst as cst

from dpmigrate.codemods.program.facts import Facts, keys_of
from dpmigrate.codemods.program.ways import same_class

if TYPE_CHECKING:
    from dpmigrate.codemods.zero_x.engine import AttachedEngine

_BY_NAME = frozenset(
    [
        *("state_dict", "load_state_dict", "named_parameters", "named_buffers", "named_modules"),
        *("named_children", "children"),
    ]
)
"""What tells or takes names of parameters or layers, or goes by them."""


def ask_behind_the_wrapper(engine: AttachedEngine) -> None:
    """Ask the wrapped model itself, wherever the wrapper may be what is asked by name."""
    facts, module = engine.facts, engine.given["module"]
    models = keys_of(facts.held(module))
    for info in facts.modules:
        for node in _askings(facts, info.tree):
            asked = node.value
            if not isinstance(asked, (cst.Name, cst.Attribute)):
                continue
            text = facts.code(asked).strip()
            scope = facts.scope(node)
            if text == engine.model and scope is engine.scope:
                if _is_ahead(facts, node, engine.statement):
                    continue
            elif not (keys_of(facts.held(asked)) & models) and not (
                text == engine.model and text.startswith("self.") and same_class(facts, scope, engine.scope)
            ):
                continue
            behind = _is_surely_behind(facts, node, engine.statement) and not _is_detached(engine)
            inner = f"{text}._module" if behind else f'getattr({text}, "_module", {text})'
            engine.edits.of(info).replace(asked, inner)


def _askings(facts: Facts, tree: cst.Module) -> list[cst.Attribute | cst.Subscript]:
    """Calls of a model that go by names, and layers that are taken by their place (``model[0]``)."""
    members = [node for node in facts.inside(tree, cst.Attribute) if _is_by_name(facts, node)]
    return [*members, *facts.inside(tree, cst.Subscript)]


def _is_by_name(facts: Facts, node: cst.Attribute) -> bool:
    called = facts.parent(node)
    return node.attr.value in _BY_NAME and isinstance(called, cst.Call) and called.func is node


def _is_ahead(facts: Facts, node: cst.CSTNode, attached: cst.CSTNode) -> bool:
    """Whether a place is only met before the model is attached."""
    loops = [above for above in facts.above(attached) if isinstance(above, (cst.For, cst.While))]
    again = any(above in loops for above in facts.above(node))
    return facts.position(node) < facts.position(attached) and not again


def _is_surely_behind(facts: Facts, node: cst.CSTNode, attached: cst.CSTNode) -> bool:
    """Whether a place is only met after the model is attached: later in the same block, or within it."""
    around = facts.parent(attached)
    same = facts.scope(node) is facts.scope(attached) and any(above is around for above in facts.above(node))
    return same and facts.position(node) > facts.position(attached)


def _is_detached(engine: AttachedEngine) -> bool:
    """Whether the program takes the hooks away again, and the model is the plain one from there on."""
    return any(
        node.attr.value == "detach" and engine.key in keys_of(engine.facts.held(node.value))
        for info in engine.facts.modules
        for node in engine.facts.inside(info.tree, cst.Attribute)
    )
