"""Whether one more object in a tuple, dict or record changes what is read of it."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from dpmigrate.analysis.ledger.expressions import Named
from dpmigrate.codemods.editing.edits import Withheld
from dpmigrate.codemods.program.facts import Facts, keys_of

_ALL = frozenset(["values", "items", "keys", "popitem", "copy", "_asdict", "_replace", "_fields", "__dict__"])
"""Members by which everything that is kept is taken."""
_SHOWS = frozenset(
    f"builtins.{name}" for name in ("print", "isinstance", "id", "type", "hasattr", "getattr", "bool")
)
"""What may be given the whole, and does nothing with its parts that another one would change."""


def refuse_taken_whole(
    facts: Facts, value: cst.BaseExpression, name: str, kind: str, place: int | None = None
) -> None:
    """Refuse one part more where all parts are taken: spread, gone through, or handed to other code.

    ``value`` makes the whole, which ``kind`` names; ``name`` is the part, which comes at a ``place`` where
    that is not behind all others. Raises `Withheld`.
    """
    for node in _holders(facts, value):
        if _takes_all(facts, node) or (place is not None and _by_number(facts.parent(node), node, place)):
            raise Withheld(
                f"{name}, the wrapped criterion, has to come back in the {kind} that is made in line "
                f"{facts.position(value)}, and all that is in it is taken here: take the others by name",
                facts.module_of(node),
                node,
            )


def is_taken_whole(facts: Facts, value: cst.BaseExpression, shown: bool = False) -> bool:
    """Whether all that an expression makes is taken, or (``shown``) printed, and not one part by name."""
    keys = keys_of(facts.held(value))
    calls = (n for info in facts.modules for n in facts.inside(info.tree, cst.Call))
    for node in (*_holders(facts, value), *(c for c in calls if keys & keys_of(facts.held(c)))):
        if _takes_all(facts, node) or (shown and _is_shown(facts, node)):
            return True
    return False


def _is_shown(facts: Facts, node: cst.CSTNode) -> bool:
    around = facts.parent(node)
    if isinstance(around, cst.Arg):
        call = facts.parent(around)
        return isinstance(call, cst.Call) and not facts.functions_entered(call)
    return isinstance(around, cst.FormattedStringExpression)


def _holders(facts: Facts, value: cst.BaseExpression) -> Iterator[cst.Name | cst.Attribute]:
    """The variables and attributes that hold what an expression makes, wherever they are read."""
    keys = keys_of(facts.held(value))
    for info in facts.modules:
        nodes: list[cst.Name | cst.Attribute] = list(facts.inside(info.tree, cst.Name))
        for node in (*nodes, *facts.inside(info.tree, cst.Attribute)):
            if keys & keys_of(facts.held(node)):
                yield node


def _takes_all(facts: Facts, node: cst.BaseExpression) -> bool:
    around = facts.parent(node)
    if isinstance(around, cst.Attribute):
        whole = around.value is node and around.attr.value in _ALL
        return whole and not _with_others_named(facts.parent(around))
    if isinstance(around, cst.Subscript):
        return around.value is node and not _by_entry(around)
    if isinstance(around, cst.Arg):
        call = facts.parent(around)
        if around.star or not isinstance(call, cst.Call):
            return True
        shown = {w.name for w in facts.called(call) if isinstance(w, Named)}
        return not facts.functions_entered(call) and not (shown and shown <= _SHOWS)
    if isinstance(around, cst.Assign) and around.value is node:
        return any(isinstance(t.target, (cst.Tuple, cst.List)) for t in around.targets)
    plain = (cst.AssignTarget, cst.AnnAssign, cst.NamedExpr, cst.Return, cst.Expr, cst.Param, cst.Comparison)
    return not isinstance(around, (*plain, cst.FormattedStringExpression, cst.If, cst.Call, cst.FunctionDef))


def _with_others_named(node: cst.CSTNode | None) -> bool:
    """Whether it is ``state._replace(step=1)``, which keeps what is not named."""
    if not isinstance(node, cst.Call) or not isinstance(node.func, cst.Attribute):
        return False
    return node.func.attr.value == "_replace" and all(arg.keyword is not None for arg in node.args)


def _by_number(around: cst.CSTNode | None, node: cst.CSTNode, place: int) -> bool:
    """Whether a part is read by a number that stands for another one where a part is put in at a place."""
    if not isinstance(around, cst.Subscript) or around.value is not node:
        return False
    index = around.slice[0].slice
    number = index.value if isinstance(index, cst.Index) else None
    return isinstance(number, cst.Integer) and number.evaluated_value >= place


def _by_entry(node: cst.Subscript) -> bool:
    """Whether a part is read by a key, or by a number that counts from the front."""
    index = node.slice[0].slice if len(node.slice) == 1 else None
    key = index.value if isinstance(index, cst.Index) else None
    return isinstance(key, (cst.SimpleString, cst.Integer))
