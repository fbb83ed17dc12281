"""Whether every way through some code passes one of some statements."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

import libcst as cst

from dpmigrate.codemods.program.facts import Facts

_LEAVES = (cst.Return, cst.Raise, cst.Continue, cst.Break)

Code = cst.BaseSuite | Sequence[cst.CSTNode]


def always_passed(code: Code, some: Collection[cst.CSTNode]) -> bool:
    """Whether one of some statements runs on every way through a block that goes on after it.

    What stands in a loop or a ``with`` counts as run: without a turn nothing after it has anything to read.
    """
    return any(_passed(s, some) for s in (code.body if isinstance(code, cst.BaseSuite) else code))


def passed_before(facts: Facts, node: cst.CSTNode, some: Collection[cst.CSTNode]) -> bool:
    """Whether one of some statements runs on every way to a statement from where its function begins."""
    return any(always_passed(before, some) for before, _ in _around(facts, node))


def comes_to(facts: Facts, start: cst.CSTNode, end: cst.CSTNode) -> bool:
    """Whether a way leads from one statement of a function to another, which stands behind it."""
    above = {end, *facts.above(end)}
    for _, behind in _around(facts, start):
        if not above.isdisjoint(behind):
            return True
        if always_passed(behind, ()):
            return False
    return False


def _around(facts: Facts, node: cst.CSTNode) -> Iterator[tuple[Sequence[cst.CSTNode], Sequence[cst.CSTNode]]]:
    """What stands before a statement and behind it: in its block, in that around it, up to its function's."""
    while not isinstance(node, (cst.FunctionDef, cst.Module)) and (block := facts.parent(node)) is not None:
        if isinstance(block, (cst.IndentedBlock, cst.Module)):
            place = next(i for i, statement in enumerate(block.body) if statement is node)
            yield block.body[:place], block.body[place + 1 :]
        node = block


def _passed(node: cst.CSTNode, some: Collection[cst.CSTNode]) -> bool:
    if node in some or isinstance(node, _LEAVES):
        return True
    if isinstance(node, cst.SimpleStatementLine):
        return any(isinstance(s, _LEAVES) for s in node.body)
    if isinstance(node, cst.If):
        if _is_no_condition(node.test):
            return always_passed(node.body, some)
        return node.orelse is not None and always_passed(node.body, some) and _passed(node.orelse, some)
    if isinstance(node, cst.Match):
        last = node.cases[-1] if node.cases else None
        whatever = last is not None and isinstance(last.pattern, cst.MatchAs) and last.pattern.pattern is None
        return (
            whatever
            and last is not None
            and last.guard is None
            and all(always_passed(c.body, some) for c in node.cases)
        )
    if isinstance(node, (cst.Try, cst.TryStar)):
        if node.finalbody is not None and always_passed(node.finalbody.body, some):
            return True
        tried = always_passed(node.body, some) or (
            node.orelse is not None and always_passed(node.orelse.body, some)
        )
        return tried and all(always_passed(h.body, some) for h in node.handlers)
    if isinstance(node, (cst.Else, cst.For, cst.While, cst.With)):
        return always_passed(node.body, some)
    return False


def _is_no_condition(test: cst.BaseExpression) -> bool:
    """Whether it is ``True``, or ``__name__ == "__main__"``, which holds wherever the program is run."""
    if isinstance(test, cst.Comparison) and len(test.comparisons) == 1:
        compared, sides = test.comparisons[0], (test.left, test.comparisons[0].comparator)
        names = {side.value for side in sides if isinstance(side, cst.Name)}
        texts = {side.evaluated_value for side in sides if isinstance(side, cst.SimpleString)}
        return isinstance(compared.operator, cst.Equal) and names == {"__name__"} and texts == {"__main__"}
    return isinstance(test, cst.Name) and test.value == "True"
