"""``virtual_step`` of Opacus 0.x becomes a batch memory manager, on a loader of logical batches."""

from __future__ import annotations

import libcst as cst

from dpmigrate.codemods.editing.edits import Edits, ProjectEdits, Withheld
from dpmigrate.codemods.editing.imports import spelling
from dpmigrate.codemods.editing.nodes import name_of
from dpmigrate.codemods.program.facts import Facts
from dpmigrate.codemods.program.places import fresh_name
from dpmigrate.codemods.zero_x.engine import AttachedEngine
from dpmigrate.codemods.zero_x.loader import read_by
from dpmigrate.codemods.zero_x.sizes import Sizes

_NO_GRAD = "no_grad"


def take_physical_batches(
    facts: Facts, edits: ProjectEdits, engine: AttachedEngine, node: cst.CSTNode
) -> None:
    """Rewrite the loop around one virtual step, and the batch size of its loader. Raises `Withheld`."""
    module = facts.module_of(node)
    scope = facts.scope(node)
    branch = next((n for n in facts.above(node) if isinstance(n, cst.If)), None)
    loop = next((n for n in facts.above(node) if isinstance(n, cst.For)), None)
    if branch is None or loop is None or facts.scope(branch) is not scope or loop not in facts.above(branch):
        raise Withheld(
            "virtual_step stands in no branch of an if in the loop over the loader: let a "
            "BatchMemoryManager around the loader cut the batches, and call step() on every one",
            module,
            node,
        )
    for leaving in (*facts.own(loop.body, cst.Break), *facts.own(loop.body, cst.Continue)):
        raise Withheld(
            "this leaves the loop, or a batch before its step, and a BatchMemoryManager has to see every "
            "physical batch to its end: let the loop go over all of them, and step on each",
            module,
            leaving,
        )
    kept = _steps_first(facts, branch)
    edits.of(module).change(branch, lambda new: _alone(new, kept))
    loader = read_by(loop)
    optimizer = (
        node.func.value if isinstance(node, cst.Call) and isinstance(node.func, cst.Attribute) else None
    )
    made = facts.made_at(loader, "loader") if loader is not None else None
    if loader is None or optimizer is None:
        raise Withheld(
            "the loader of this loop is made where it is not seen: give it the size of the logical "
            "batches, and let a BatchMemoryManager around it cut them",
            module,
            loop,
        )
    stepped, read = facts.code(optimizer).strip(), facts.code(loader).strip()
    size = Sizes(facts, engine, made, loop, branch.test).enlarge(edits, stepped)
    manager = _manager(edits.of(module), read, size, stepped, engine.may_be_off)
    name = fresh_name(facts, scope, "physical_batches", "batches")
    head = f"with {manager} as {name}:\n    pass\n"
    edits.of(module).replace(loader, name)
    edits.of(module).change(loop, lambda new: _around(new, head, module.tree.config_for_parsing))


def _manager(module_edits: Edits, loader: str, size: str, optimizer: str, may_be_off: bool) -> str:
    """What makes the batch memory manager, of expressions; nothing at all where the run ``may_be_off``."""
    text, needed = spelling(
        module_edits.module.tree, "opacus.utils.batch_memory_manager", "BatchMemoryManager"
    )
    if needed is not None:
        text = "BatchMemoryManager"
        module_edits.need_import(f"from opacus.utils.batch_memory_manager import {text}")
    given = f"data_loader={loader}, max_physical_batch_size={size}, optimizer={optimizer}"
    if not may_be_off:
        return f"{text}(\n    {given}\n)"
    module_edits.need_import("import contextlib")
    private = f'hasattr({optimizer}, "signal_skip_step")'
    return f"(\n    {text}({given})\n    if {private}\n    else contextlib.nullcontext({loader})\n)"


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
    body: list[cst.BaseStatement] = []
    if isinstance(block, cst.SimpleStatementSuite):
        body = [cst.SimpleStatementLine(block.body, trailing_whitespace=block.trailing_whitespace)]
    elif isinstance(block, cst.IndentedBlock):
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
        alone = [name for name in names if name != _NO_GRAD] == ["virtual_step"]
        if alone and steps:
            return first
    raise Withheld(
        "virtual_step is no plain other branch of step() here: let a BatchMemoryManager around the loader "
        "cut the batches, and call step() on every one",
        facts.module_of(branch),
        branch,
    )
