"""Private objects that go into members of another object: the criterion becomes one more member of it.

``client.model, client.optimizer, client.loader = engine.make_private(...)`` in a loop over clients, and
another loop that trains each.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import libcst as cst

from dpmigrate.analysis.ledger.expressions import Instance
from dpmigrate.codemods.criterion.wrapping import Wrapping
from dpmigrate.codemods.editing.edits import ProjectEdits, Withheld
from dpmigrate.codemods.program.binders import binders, bound_by
from dpmigrate.codemods.program.facts import Facts, Scope


def kept_by_holder(
    wrapping: Wrapping, name: str, scope: Scope, needing: Sequence[cst.CSTNode]
) -> tuple[ProjectEdits, list[cst.CSTNode]] | None:
    """Let the object that has the model have its criterion, and what needs one read it there.

    The edits, and what of ``needing`` has its criterion then. None where the result goes into no members of
    one other object in the scope. Raises `Withheld`.
    """
    facts = wrapping.facts
    events = [e for e in wrapping.result.unpacks if facts.scope(e.origin.node) is scope]
    owners = {_owner(e.value) for event in events for e in wrapping.result.targets(event).elements}
    owner = owners.pop() if len(owners) == 1 else ""
    if not owner or owner == "self":
        return None
    made = wrapping.result.targets(events[0])
    if any("slots" in facts.code(cls) for cls in _classes(facts, made)):
        return None
    field = f"private_{name}" if _taken(facts, name) else name
    edits, covered = ProjectEdits(), list[cst.CSTNode]()
    for event in events:
        statement = facts.statement(event.origin.node)
        edits.of(event.origin.module).insert_after(statement, f"{owner}.{field} = {name}")
    for use in needing:
        roots = {_owner(n) for n in wrapping.private_in(use, cst.Name, cst.Attribute, cst.Subscript)}
        root = roots.pop() if len(roots) == 1 else ""
        if not root or root == "self":
            continue
        loop = _loop_of(facts, use, root)
        statement = facts.statement(use)
        if loop is not None and isinstance(loop.body, cst.IndentedBlock):
            edits.of(facts.module_of(use)).insert_before(loop.body.body[0], f"{name} = {root}.{field}")
        elif loop is None and isinstance(statement, cst.SimpleStatementLine):
            edits.of(facts.module_of(use)).insert_before(statement, f"{name} = {root}.{field}")
        else:
            raise Withheld(
                f"{root} has a model with a criterion of its own (line {facts.position(made)}): keep the "
                f"third object that make_private returns in {root}.{field}, and let it make the losses here",
                facts.module_of(use),
                use,
            )
        covered.append(use)
    return edits, covered


def _owner(node: cst.CSTNode) -> str:
    """The variable whose member an expression is; empty for anything else."""
    value = node.value if isinstance(node, cst.Attribute) else None
    return value.value if isinstance(value, cst.Name) else ""


def _classes(facts: Facts, targets: cst.Tuple | cst.List) -> Iterator[cst.ClassDef]:
    """The project's classes whose objects are filled."""
    for name in facts.inside(targets, cst.Name):
        for what in facts.held(name):
            if (
                isinstance(what, Instance)
                and isinstance(what.of.node, cst.ClassDef)
                and facts.knows(what.of.node)
            ):
                yield what.of.node


def _taken(facts: Facts, name: str) -> bool:
    return any(a.attr.value == name for info in facts.modules for a in facts.inside(info.tree, cst.Attribute))


def _loop_of(facts: Facts, use: cst.CSTNode, name: str) -> cst.For | None:
    """The loop around a use that gives a variable its value, and nothing in it another one."""
    scope = facts.scope(use)
    for around in facts.above(use):
        if around is scope:
            return None
        if isinstance(around, cst.For) and name in {n.value for n in facts.inside(around.target, cst.Name)}:
            below = facts.below(around)
            others = [b for b in binders(facts, scope) if name in bound_by(facts, b) and b in below]
            return around if others == [around] else None
    return None
