"""Where a criterion is made for a run that a condition may leave out: before that condition."""

from __future__ import annotations

import libcst as cst

from dpmigrate.codemods.editing.edits import Withheld
from dpmigrate.codemods.program.binders import binders, bound_by
from dpmigrate.codemods.program.facts import Facts, Scope
from dpmigrate.codemods.program.ways import leading_calls


def before_conditions(facts: Facts, call: cst.Call, name: str, code: str) -> cst.CSTNode:
    """The statement before which ``name = code`` stands, so that the criterion is there without privacy, too.

    An attribute is made in ``__init__``, where that calls the method under a condition. Loops are not left:
    each turn has a criterion of its own. Raises `Withheld` where the code needs what is not there yet.
    """
    scope, statement = facts.scope(call), facts.statement(call)
    anchor = _outermost(facts, statement)
    if name.startswith("self."):
        start = _constructor(facts, scope)
        leading = leading_calls(facts, start, scope) if start is not None and start is not scope else []
        if leading and start is not None:
            first = facts.statement(leading[0])
            outer = _outermost(facts, first)
            if outer is not first or anchor is not statement:
                _refuse_unknown(facts, start, outer, name, code)
                return outer
    if anchor is not statement:
        _refuse_unknown(facts, scope, anchor, name, code)
    return anchor


def _outermost(facts: Facts, statement: cst.CSTNode) -> cst.CSTNode:
    """The outermost ``if`` around a statement that no loop or block of another kind is in between."""
    anchor = statement
    for around in facts.above(statement):
        if isinstance(around, cst.If):
            anchor = around
        elif not isinstance(around, (cst.IndentedBlock, cst.Else)):
            break
    # An ``elif`` is an If in the ``orelse`` of another one, which its own climb has reached.
    return anchor


def _constructor(facts: Facts, scope: Scope) -> cst.FunctionDef | None:
    owner = facts.class_of(scope) if isinstance(scope, cst.FunctionDef) else None
    methods = facts.own(owner, cst.FunctionDef) if owner is not None else []
    return next((m for m in methods if m.name.value == "__init__"), None)


def _refuse_unknown(facts: Facts, scope: Scope, anchor: cst.CSTNode, name: str, code: str) -> None:
    """What the criterion is made of has to be there. Raises `Withheld`."""
    made = cst.parse_expression(code)
    arguments = made.args if isinstance(made, cst.Call) else ()
    read = {n for argument in arguments for n in _names(argument.value)}
    first = facts.position(anchor)
    late = {
        bound for b in binders(facts, scope) for bound in bound_by(facts, b) if facts.position(b) >= first
    }
    own = {bound for b in binders(facts, scope) for bound in bound_by(facts, b)}
    top = {bound for b in binders(facts, facts.module_of(anchor).tree) for bound in bound_by(facts, b)}
    if read & late or read - own - top:
        raise Withheld(
            f"{name} has to be there where the run is not private, too: make it of "
            f"{', '.join(sorted(read))} before this condition",
            facts.module_of(anchor),
            anchor,
        )


def _names(node: cst.CSTNode) -> set[str]:
    if isinstance(node, cst.Attribute):
        return _names(node.value)
    if isinstance(node, cst.Name):
        return set() if node.value in ("True", "False", "None", "self") else {node.value}
    return {name for child in node.children for name in _names(child)}
