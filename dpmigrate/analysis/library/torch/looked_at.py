"""Whether a number is there to be looked at: it leaves the graph, or is told, where it is computed."""

from __future__ import annotations

import libcst as cst

from dpmigrate.analysis.core import Interpreter

_LEAVES = frozenset(["item", "detach", "tolist", "cpu", "numpy", "data"])
_TELLING = frozenset(["print", "log", "info", "debug", "append", "add_scalar", "float", "log_dict", "update"])


def is_looked_at(ip: Interpreter, node: cst.CSTNode) -> bool:
    """Whether a number leaves the graph, or is told, in the statement that computes it."""
    if node not in ip.module.nesting:
        return False
    for above in ip.module.nesting.above(node):
        if isinstance(above, cst.BaseStatement):
            return False
        if isinstance(above, cst.FormattedStringExpression):
            return True
        if isinstance(above, cst.Attribute) and above.attr.value in _LEAVES:
            return True
        name = above.func if isinstance(above, cst.Call) else None
        name = name.attr if isinstance(name, cst.Attribute) else name
        if isinstance(name, cst.Name) and name.value in _TELLING:
            return True
    return False
