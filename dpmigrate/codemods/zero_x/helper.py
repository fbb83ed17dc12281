"""A helper that attaches a 0.x engine for its caller: it takes the loader, and returns three objects.

The model and the optimizer are what it is given, or makes and returns.
"""

from __future__ import annotations

from dataclasses import dataclass

import libcst as cst

from dpmigrate.codemods.editing.edits import NodeChange, ProjectEdits
from dpmigrate.codemods.editing.nodes import add_argument, add_element, add_parameter
from dpmigrate.codemods.losses.origins import argument_for
from dpmigrate.codemods.program.binders import binders, bound_by
from dpmigrate.codemods.program.facts import Facts, Scope
from dpmigrate.codemods.program.ways import is_parameter


@dataclass(frozen=True)
class Helper:
    """The function, its only call, and the variables there that take what make_private returns."""

    facts: Facts
    function: cst.FunctionDef
    call: cst.Call
    inside: tuple[str, str, str]
    """Model, optimizer and loader as the function writes them."""
    outside: tuple[str, str, str]
    """The same as its caller writes them."""

    @classmethod
    def around(cls, facts: Facts, scope: Scope, model: str, optimizer: str, loader: str) -> Helper | None:
        """The helper that a scope is, where its one caller has the loader; None for anything else."""
        calls = facts.callers.get(scope, [])
        call = calls[0][0] if len(calls) == 1 else None
        if not isinstance(scope, cst.FunctionDef) or not isinstance(call, cst.Call):
            return None
        bound_here = {name for b in binders(facts, scope) for name in bound_by(facts, b)}
        taken = is_parameter(facts, loader, scope)
        if (loader in bound_here) != taken or facts.class_of(scope) is not None:
            return None
        helper = cls(facts, scope, call, (model, optimizer, loader), (model, optimizer, loader))
        if helper._returned() is None or helper._taken() is None:
            return None
        there = [helper._there(name) for name in (model, optimizer)]
        there.append(helper._there(loader) if taken else loader)
        if not all(there) or not helper._has_by_then(there[2]):
            return None
        return cls(facts, scope, call, helper.inside, (there[0], there[1], there[2]))

    def _there(self, name: str) -> str:
        """The caller's variable of what the function is given, or makes and returns; empty without one."""
        given = argument_for(self.facts, self.call, self.function, name)
        if is_parameter(self.facts, name, self.function):
            return given.value if isinstance(given, cst.Name) else ""
        returned, taken = self._returned(), self._taken()
        value = returned.value if isinstance(returned, cst.Return) else None
        target = taken.targets[0].target if isinstance(taken, cst.Assign) else None
        if not isinstance(value, cst.Tuple) or not isinstance(target, cst.Tuple):
            return ""
        texts = [self.facts.code(element.value).strip() for element in value.elements]
        outer = target.elements[texts.index(name)].value if name in texts else None
        return outer.value if isinstance(outer, cst.Name) else ""

    def _has_by_then(self, loader: str) -> bool:
        """Whether the caller has the loader before it calls the function."""
        around = self.facts.scope(self.call)
        ours = [b for b in binders(self.facts, around) if loader in bound_by(self.facts, b)]
        return any(isinstance(b, cst.Param) or self.facts.is_before(b, self.call) for b in ours)

    def _returned(self) -> cst.Return | cst.BaseStatement | None:
        """The one return at the end of the function, or its last statement where it has none."""
        body = self.function.body
        returns = list(self.facts.own(self.function, cst.Return))
        last = body.body[-1] if isinstance(body, cst.IndentedBlock) else None
        if not returns:
            return last if isinstance(last, cst.BaseStatement) else None
        plain = isinstance(returns[0].value, (cst.Name, cst.Tuple))
        alone = isinstance(last, cst.SimpleStatementLine) and returns[0] in last.body
        return returns[0] if len(returns) == 1 and plain and alone else None

    def _taken(self) -> cst.Expr | cst.Assign | None:
        """The statement of the call, where it takes what the function returns in a plain way."""
        statement, returned = self.facts.parent(self.call), self._returned()
        value = returned.value if isinstance(returned, cst.Return) else None
        if isinstance(statement, cst.Expr):
            return statement if value is None else None
        if not isinstance(statement, cst.Assign) or len(statement.targets) != 1 or value is None:
            return None
        target = statement.targets[0].target
        if isinstance(value, cst.Name):
            return statement if isinstance(target, cst.Name) else None
        tuples = isinstance(target, cst.Tuple) and isinstance(value, cst.Tuple)
        return statement if tuples and _length(target) == _length(value) else None

    def rewrite(self, edits: ProjectEdits) -> None:
        """The parameter, the argument, and what comes back."""
        facts, loader = self.facts, self.inside[2]
        function_edits, call_edits = (
            edits.of(facts.module_of(self.function)),
            edits.of(facts.module_of(self.call)),
        )
        if not is_parameter(facts, loader, self.function):
            function_edits.change(self.function, lambda new: add_parameter(new, loader))
            call_edits.change(self.call, lambda new: add_argument(new, loader, loader, ()))
        returned, taken = self._returned(), self._taken()
        assert returned is not None and taken is not None
        if not isinstance(returned, cst.Return):
            function_edits.insert_after(returned, f"return {', '.join(self.inside)}")
            call_edits.change(taken, _assigned(", ".join(self.outside)))
            return
        value = returned.value
        assert isinstance(value, (cst.Name, cst.Tuple)) and isinstance(taken, cst.Assign)
        elements = value.elements if isinstance(value, cst.Tuple) else ()
        there = {facts.code(element.value).strip() for element in elements}
        for name, outer in zip(self.inside, self.outside, strict=True):
            if name not in there:
                function_edits.change(value, _longer(name))
                call_edits.change(taken.targets[0].target, _longer(outer))


def _length(node: cst.CSTNode) -> int:
    return len(node.elements) if isinstance(node, cst.Tuple) else 1


def _assigned(targets: str) -> NodeChange:
    parsed = cst.parse_statement(f"{targets} = None")
    assert isinstance(parsed, cst.SimpleStatementLine)
    assign = parsed.body[0]
    assert isinstance(assign, cst.Assign)

    def change(new: cst.CSTNode) -> cst.CSTNode:
        assert isinstance(new, cst.Expr)
        return assign.with_changes(value=new.value, semicolon=new.semicolon)

    return change


def _longer(name: str) -> NodeChange:
    """A name, or several, with one more at the end."""

    def change(new: cst.CSTNode) -> cst.CSTNode:
        if isinstance(new, cst.Tuple):
            return add_element(new, len(new.elements), name)
        assert isinstance(new, cst.BaseExpression)
        return cst.Tuple([cst.Element(new), cst.Element(cst.Name(name))], lpar=[], rpar=[])

    return change
