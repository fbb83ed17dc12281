"""``virtual_step`` of Opacus 0.x becomes a batch memory manager, on a loader of logical batches."""

from __future__ import annotations

import libcst as cst

from dpmigrate.codemods.edits import ProjectEdits, Withheld
from dpmigrate.codemods.generators import visible
from dpmigrate.codemods.imports import spelling
from dpmigrate.codemods.nodes import name_of
from dpmigrate.codemods.places import fresh_name
from dpmigrate.codemods.program_facts import Facts
from dpmigrate.codemods.zero_x_engine import AttachedEngine, argument_of, read_by


def take_physical_batches(
    facts: Facts, edits: ProjectEdits, engine: AttachedEngine, node: cst.CSTNode
) -> None:
    """Rewrite the loop around one virtual step, and the batch size of its loader. Raises `Withheld`."""
    module = facts.module_of(node)
    scope = facts.scope(node)
    branch = next((n for n in facts.above(node) if isinstance(n, cst.If)), None)
    loops = [n for n in facts.above(node) if isinstance(n, cst.For)]
    if (
        branch is None
        or not loops
        or facts.scope(branch) is not scope
        or facts.parent(facts.parent(branch) or branch) is not loops[0]
    ):
        raise Withheld(
            "virtual_step stands in no branch of an if in the loop over the loader: let a "
            "BatchMemoryManager around the loader cut the batches, and call step() on every one",
            module,
            node,
        )
    kept = _steps_first(facts, branch)
    edits.of(module).change(branch, lambda new: _alone(new, kept))
    loop = loops[0]
    loader = read_by(loop)
    optimizer = (
        node.func.value if isinstance(node, cst.Call) and isinstance(node.func, cst.Attribute) else None
    )
    made = facts.made_at(loader, "loader") if loader is not None else None
    if loader is None or optimizer is None or not isinstance(made, cst.Call) or not facts.knows(made):
        raise Withheld(
            "the loader of this loop is made where it is not seen: give it the size of the logical "
            "batches, and let a BatchMemoryManager around it cut them",
            module,
            loop,
        )
    physical = argument_of(made, 1, "batch_size")
    logical = _logical(engine)
    if physical is None or not visible(facts, made, facts.code(logical).strip()):
        raise Withheld(
            f"{facts.code(logical).strip()}, the size of the logical batches, is not known where this "
            "loader is made: give it to the loader as batch_size, and the old batch_size to a "
            "BatchMemoryManager around it",
            facts.module_of(made),
            made,
        )
    size = facts.code(physical).strip()
    if not visible(facts, loop, size):
        raise Withheld(
            f"{size}, the size of the physical batches, is not known here, where the BatchMemoryManager has "
            "to be made: hand it on",
            module,
            loop,
        )
    edits.of(facts.module_of(made)).replace(physical, facts.code(logical).strip())
    text, needed = spelling(module.tree, "opacus.utils.batch_memory_manager", "BatchMemoryManager")
    if needed is not None:
        text = "BatchMemoryManager"
        edits.of(module).need_import(f"from opacus.utils.batch_memory_manager import {text}")
    name = fresh_name(facts, scope, "physical_batches", "batches")
    given = (
        f"data_loader={facts.code(loader).strip()}, max_physical_batch_size={size}, "
        f"optimizer={facts.code(optimizer).strip()}"
    )
    head = f"with {text}(\n    {given}\n) as {name}:\n    pass\n"
    edits.of(module).replace(loader, name)
    edits.of(module).change(loop, lambda new: _around(new, head, module.tree.config_for_parsing))


def _around(new: cst.CSTNode, head: str, config: cst.PartialParserConfig) -> cst.CSTNode:
    assert isinstance(new, cst.For)
    manager = cst.parse_statement(head, config=config)
    assert isinstance(manager, cst.With) and isinstance(manager.body, cst.IndentedBlock)
    inner = new.with_changes(leading_lines=[])
    return manager.with_changes(leading_lines=new.leading_lines, body=manager.body.with_changes(body=[inner]))


def _alone(new: cst.CSTNode, first: bool) -> cst.FlattenSentinel[cst.BaseStatement]:
    """The statements of one branch, in the place of the whole."""
    assert isinstance(new, cst.If)
    block = new.body if first else new.orelse.body if isinstance(new.orelse, cst.Else) else new.body
    assert isinstance(block, cst.IndentedBlock)
    body = list(block.body)
    first_one = body[0]
    assert isinstance(first_one, cst.SimpleStatementLine | cst.BaseCompoundStatement)
    body[0] = first_one.with_changes(leading_lines=[*new.leading_lines, *first_one.leading_lines])
    return cst.FlattenSentinel(body)


def _steps_first(facts: Facts, branch: cst.If) -> bool:
    """Whether the first block closes a logical batch, the other stepping virtually. Raises `Withheld`."""
    other = branch.orelse.body if isinstance(branch.orelse, cst.Else) else None
    for first, block, virtual in ((True, branch.body, other), (False, other, branch.body)):
        if block is None or virtual is None:
            continue
        names = [name_of(c.func) for c in facts.inside(virtual, cst.Call)]
        steps = [c for c in facts.inside(block, cst.Call) if name_of(c.func) == "step"]
        if names == ["virtual_step"] and steps and isinstance(block, cst.IndentedBlock):
            return first
    raise Withheld(
        "virtual_step is no plain other branch of step() here: let a BatchMemoryManager around the loader "
        "cut the batches, and call step() on every one",
        facts.module_of(branch),
        branch,
    )


def _logical(engine: AttachedEngine) -> cst.BaseExpression:
    """The size of a logical batch, as the engine was told it. Raises `Withheld`."""
    size = engine.given.get("batch_size")
    rate = engine.given.get("sample_rate")
    if size is not None:
        return size
    if isinstance(rate, cst.BinaryOperation) and isinstance(rate.operator, cst.Divide):
        return rate.left
    raise engine.withheld(
        "this engine is told neither batch_size nor sample_rate as a quotient, so that the size of a "
        "logical batch is not known: give the loader that size, and let a BatchMemoryManager around it cut "
        "the batches"
    )
