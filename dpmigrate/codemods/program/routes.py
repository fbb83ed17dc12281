"""The wrapped criterion's variable, handed into the functions that need it by the calls that lead there."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import partial

import libcst as cst

from dpmigrate.analysis.source.modules import ModuleInfo
from dpmigrate.codemods.editing.edits import ProjectEdits, Withheld
from dpmigrate.codemods.editing.nodes import add_argument, add_parameter
from dpmigrate.codemods.program.binders import binders, bound_by
from dpmigrate.codemods.program.facts import Facts, Scope
from dpmigrate.codemods.program.places import is_called_by_name, parameter_of
from dpmigrate.codemods.program.ways import is_method

MAX_ROUTE = 4
"""Calls through which a variable is handed on."""


class Routes:
    """The ways on which one variable is led, and the edits that lead it there."""

    def __init__(self, facts: Facts, freed: cst.CSTNode | None = None) -> None:
        self.facts = facts
        self.edits = ProjectEdits()
        self.routed: set[cst.CSTNode] = set()
        """The functions that have it as a parameter now."""
        self.freed = freed
        """The function whose own variable of that name goes."""
        self.member_of: cst.ClassDef | None = None
        """The class whose objects have it as a member."""

    def lead(self, name: str, sources: Collection[Scope], target: Scope, depth: int = MAX_ROUTE) -> None:
        """Make the variable ``name`` of some scopes a parameter of ``target``, passed on by every caller.

        Raises `Withheld` where some caller cannot be seen or does not lead back to one of ``sources`` by
        ``depth`` calls.
        """
        if target in sources or target in self.routed:
            return
        facts, function = self.facts, self._function(target, name, depth)
        calls = self._calls_of(function, name)
        bound = any(name in bound_by(facts, b) for b in binders(facts, function))
        if function is not self.freed and bound:
            lacking = self._lacking(function, name, calls)
        else:
            lacking = [call for call, _ in calls]
            self.edits.of(facts.module_of(function)).change(function, lambda node: add_parameter(node, name))
        self.routed.add(function)
        for call, module in calls:
            given = self._member(facts.scope(call), name)
            if not given:
                self.lead(name, sources, facts.scope(call), depth - 1)
            if call in lacking:
                hand_on = partial(add_argument, keyword=name, value=given or name, after=())
                self.edits.of(module).change(call, hand_on)

    def _member(self, scope: Scope, name: str) -> str:
        """The variable as a method reads it of its object; empty for any other scope."""
        its_own = self.member_of is not None and is_method(self.facts, scope)
        return f"self.{name}" if its_own and self.facts.class_of(scope) is self.member_of else ""

    def _function(self, target: Scope, name: str, depth: int) -> cst.FunctionDef:
        """The function that a scope is. Raises `Withheld` for any other, and at the end of the depth."""
        if isinstance(target, cst.FunctionDef) and depth:
            return target
        where = getattr(getattr(target, "name", None), "value", "the module's own code")
        raise Withheld(
            f"{where} needs {name}, which make_private wraps, and no chain of calls from where that is done "
            f"leads here: return {name} beside the optimizer, and hand it on to here",
            self.facts.module_of(target),
            target if isinstance(target, cst.FunctionDef) else None,
        )

    def _calls_of(self, function: cst.FunctionDef, name: str) -> Sequence[tuple[cst.CSTNode, ModuleInfo]]:
        """Every call of a function. Raises `Withheld` where not all of them are seen."""
        if is_called_by_name(self.facts, function):
            return self.facts.callers[function]
        raise Withheld(
            f"{function.name.value} needs {name}, which make_private wraps, and not every call of it is "
            f"seen: give it a parameter {name}, and hand the wrapped criterion to it wherever it is called",
            self.facts.module_of(function),
            function,
        )

    def _lacking(
        self, function: cst.FunctionDef, name: str, calls: Sequence[tuple[cst.CSTNode, ModuleInfo]]
    ) -> list[cst.CSTNode]:
        """The calls that do not hand the variable to a function with a parameter of that name.

        Raises `Withheld` where the function has that name for something else.
        """
        method = self.facts.class_of(function) is not None
        lacking = [call for call, _ in calls if _leaves_out(self.facts, call, function, name)]
        handing = [call for call, _ in calls if _hands_on(call, function, name, method)]
        if len(lacking) + len(handing) == len(calls):
            return lacking
        raise Withheld(
            f"{function.name.value} needs the wrapped criterion {name}, and uses that name for something "
            "else: rename its own variable",
            self.facts.module_of(function),
            function,
        )


def _leaves_out(facts: Facts, call: cst.CSTNode, fn: cst.FunctionDef, name: str) -> bool:
    """Whether a call leaves a parameter of that name, which nothing else binds, to its default."""
    params = (*fn.params.params, *fn.params.kwonly_params)
    param = next((p for p in params if p.name.value == name and p.default is not None), None)
    if param is None or not isinstance(call, cst.Call) or any(a.star for a in call.args):
        return False
    if not keeps_what_is_given(facts, fn, name):
        return False
    return all(parameter_of(facts, fn, call, arg) != name for arg in call.args)


def _hands_on(call: cst.CSTNode, fn: cst.FunctionDef, name: str, method: bool) -> bool:
    """Whether a call gives a parameter of that name the variable of that name already."""
    if not isinstance(call, cst.Call) or any(arg.star for arg in call.args):
        return False
    positional = [p.name.value for p in (*fn.params.posonly_params, *fn.params.params)][method:]
    given = dict(zip(positional, (a.value for a in call.args if a.keyword is None), strict=False))
    given |= {arg.keyword.value: arg.value for arg in call.args if arg.keyword is not None}
    value = given.get(name)
    return isinstance(value, cst.Name) and value.value == name


def keeps_what_is_given(facts: Facts, function: cst.FunctionDef, name: str) -> bool:
    """Whether a parameter is bound anew at most where nothing was given (``if criterion is None:``)."""
    bound = [b for b in binders(facts, function) if name in bound_by(facts, b)]
    return sum(isinstance(b, cst.Param) for b in bound) == 1 and all(
        isinstance(b, cst.Param) or _only_for_none(facts, b, name) for b in bound
    )


def _only_for_none(facts: Facts, binder: cst.CSTNode, name: str) -> bool:
    line = facts.statement(binder)
    block = facts.parent(line)
    branch = facts.parent(block) if block is not None else None
    if isinstance(branch, cst.If) and branch.body is block and _is_none(branch.test, name):
        return True
    assign = facts.parent(binder)
    value = assign.value if isinstance(assign, cst.Assign) and len(assign.targets) == 1 else None
    return (
        isinstance(value, cst.BooleanOperation)
        and isinstance(value.operator, cst.Or)
        and _is(value.left, name)
    )


def _is_none(test: cst.BaseExpression, name: str) -> bool:
    if not isinstance(test, cst.Comparison) or len(test.comparisons) != 1 or not _is(test.left, name):
        return False
    compared = test.comparisons[0]
    return isinstance(compared.operator, cst.Is) and _is(compared.comparator, "None")


def _is(node: cst.BaseExpression, name: str) -> bool:
    return isinstance(node, cst.Name) and node.value == name
