"""Whether the code behind the making of a generator seeds it, whichever way it takes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import libcst as cst
from libcst.helpers import get_full_name_for_node

from dpmigrate.analysis.ledger import Generator
from dpmigrate.analysis.source.tree import contains, every

_SEEDS = frozenset(["manual_seed", "seed"])


def seeded_behind(generator: Generator) -> bool:
    """Whether a statement after the one that makes it, in the same block or one around, seeds its variable.

    What such a statement does in all executions, an analysis that gave assumptions up may know of some alone.
    """
    if generator.made is None:
        return False
    made = generator.made.origin
    blocks = list(_blocks_around(made.module.tree, made.node))
    name = next((n for block, at in reversed(blocks) for n in _assigned(block[at], made.node)), None)
    return name is not None and any(_seeds(line, name) for block, at in blocks for line in block[at + 1 :])


def _blocks_around(
    tree: cst.Module, node: cst.CSTNode
) -> Iterator[tuple[Sequence[cst.BaseStatement | cst.BaseSmallStatement], int]]:
    """The blocks of the innermost function around a node, outermost first, and where the node is in each."""
    inside: cst.CSTNode = tree
    for function in every(tree):
        if isinstance(function, cst.FunctionDef) and contains(function, node):
            inside = function
    for part in every(inside):
        if isinstance(part, (cst.IndentedBlock, cst.Module)):
            at = next((i for i, line in enumerate(part.body) if contains(line, node)), None)
            if at is not None:
                yield part.body, at


def _assigned(statement: cst.CSTNode, made: cst.CSTNode) -> Iterator[str]:
    """The variable that a statement of one line puts what is made into."""
    for part in statement.body if isinstance(statement, cst.SimpleStatementLine) else ():
        if isinstance(part, cst.Assign) and part.value is made and len(part.targets) == 1:
            name = get_full_name_for_node(part.targets[0].target)
            if name is not None:
                yield name


def _seeds(statement: cst.CSTNode, name: str) -> bool:
    """Whether a statement of one line seeds a variable."""
    calls = statement.body if isinstance(statement, cst.SimpleStatementLine) else ()
    return any(
        isinstance(part, cst.Expr)
        and isinstance(part.value, cst.Call)
        and isinstance(part.value.func, cst.Attribute)
        and part.value.func.attr.value in _SEEDS
        and get_full_name_for_node(part.value.func.value) == name
        for part in calls
    )
