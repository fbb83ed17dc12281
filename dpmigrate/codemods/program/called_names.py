"""Which of a library's names a call calls, in code that nothing leads to as well."""

from __future__ import annotations

import libcst as cst
from libcst.helpers import get_full_name_for_node

from dpmigrate.analysis.ledger.expressions import Named
from dpmigrate.codemods.editing.imports import bindings
from dpmigrate.codemods.program.binders import binders, bound_by
from dpmigrate.codemods.program.facts import Facts


def names_called(facts: Facts, call: cst.Call) -> set[str]:
    """The dotted names that a call was seen to call; where it was not seen, what is imported as that."""
    seen = facts.called(call)
    if seen:
        return {what.name for what in seen if isinstance(what, Named)}
    written = get_full_name_for_node(call.func) or ""
    root = written.partition(".")[0]
    if not root or _bound_around(facts, call, root):
        return set()
    dotted_by_bound = bindings(facts.module_of(call).tree)
    longest = sorted(dotted_by_bound, key=len, reverse=True)
    bound = next((name for name in longest if f"{written}.".startswith(f"{name}.")), "")
    return {dotted_by_bound[bound] + written.removeprefix(bound)} if bound else set()


def _bound_around(facts: Facts, node: cst.CSTNode, name: str) -> bool:
    """Whether a function around a node has a variable of that name."""
    scope = facts.scope(node)
    while not isinstance(scope, cst.Module):
        if any(name in bound_by(facts, binder) for binder in binders(facts, scope)):
            return True
        scope = facts.scope(scope)
    return False
