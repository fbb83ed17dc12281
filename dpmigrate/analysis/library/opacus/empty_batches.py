"""Loops that take no step for an empty batch, as their text has it.

Whether a batch is empty is chance: the test for it cannot be followed as a value. So the loop's own
statements are read: a test of a length, a shape or a count of something that the loop binds.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import libcst as cst

from dpmigrate.analysis.source.tree import children, every

_SIZES = frozenset(["size", "numel", "nelement", "dim"])
_EMPTY = {"Equal": (0,), "LessThan": (1, 2), "LessThanEqual": (0, 1)}
_FULL = {"NotEqual": (0,), "GreaterThan": (0, 1), "GreaterThanEqual": (1, 2)}
"""Comparisons of a size with which a batch is told to be empty (or of one example, which skips as well)."""


class _Bound(NamedTuple):
    """The variables that hold a batch or a part of it, and those that hold the size of one."""

    names: frozenset[str]
    sizes: frozenset[str] = frozenset()
    module: cst.CSTNode | None = None
    """Where the functions stand that a test may call."""


@dataclass(frozen=True, slots=True)
class Skip:
    """A statement by which a loop takes no step for an empty batch."""

    node: cst.CSTNode
    how: Literal["continue", "break", "if", "return"]
    empty: bool = True
    """Whether it is for an empty batch that it does so, and for no other reason."""
    stepped: bool = False
    """Whether it comes after the step: the batch has been added up, and the loop is left."""
    tests: tuple[tuple[cst.BaseExpression, bool], ...] = ()
    """The tests around it in the body of the loop, and whether each holds there."""


def skips_of_empty_batches(loop: cst.For | None, module: cst.CSTNode) -> Iterator[Skip]:
    """The statements of a loop that leave out the step for an empty batch."""
    if loop is None:
        return
    bound = _Bound(_names(loop.target), module=module)
    skips = list(_first_skip(loop.body.body, bound, ("continue", "break", "if")))
    yield from skips or _steps_left_out(loop)
    yield from _left_after_the_step(loop)


def left_out_of(node: cst.CSTNode, name: str, module: cst.CSTNode) -> Skip | None:
    """What ``filter(usable, batches)``, ``islice(batches, 20)``, a comprehension with an ``if`` leave out."""
    if isinstance(node, cst.CompFor):
        bound = _Bound(_names(node.target), module=module)
        full = any(_tells(each.test, bound, _FULL, negated=False) for each in node.ifs)
        return Skip(node.ifs[0], "continue", empty=full)
    given = [argument.value for argument in node.args] if isinstance(node, cst.Call) else []
    if len(given) < 2 or any(isinstance(one, cst.Name) and one.value in ("None", "True") for one in given):
        return None
    if name in ("takewhile", "islice") and len(given) == 2:
        return Skip(node, "break", empty=False)
    told = _told_by(given[0], module) if name in ("filter", "filterfalse") else None
    if told is None:
        return Skip(node, "continue", empty=False)
    full = name == "filter"
    return Skip(node, "continue", _tells(*told, _FULL if full else _EMPTY, negated=not full))


def _told_by(choice: cst.BaseExpression, module: cst.CSTNode) -> tuple[cst.BaseExpression, _Bound] | None:
    """What a function that is given a batch returns, and what it calls the batch."""
    if isinstance(choice, cst.Lambda):
        return choice.body, _Bound(frozenset(p.name.value for p in choice.params.params), module=module)
    call = cst.Call(choice, [cst.Arg(cst.Name(_ANY_BATCH))])
    return _returned_by(call, _Bound(frozenset({_ANY_BATCH}), module=module))


_ANY_BATCH = "batch"


def _left_after_the_step(loop: cst.For) -> Iterator[Skip]:
    """The statements by which a loop is left once the step was called, whether or not it was a step yet.

    A loop that asks the optimizer for that may well be left between two logical batches.
    """
    called = False
    if any(isinstance(node, cst.Name) and node.value == _STEP_NOT_YET for node in every(loop.body)):
        return
    for statement in loop.body.body:
        if called and isinstance(statement, cst.If) and isinstance(_last(statement.body), cst.Break):
            yield Skip(statement, "break", empty=False, stepped=True)
        called = called or _takes(statement)


_STEP_NOT_YET = "_is_last_step_skipped"
"""The attribute of the private optimizer that says whether ``step()`` only added up a physical batch."""


def _steps_left_out(loop: cst.For) -> Iterator[Skip]:
    """The statements by which a loop leaves out the step for a batch, whatever the reason."""
    before: list[Skip] = []
    for statement in loop.body.body:
        if isinstance(statement, cst.If) and not _takes(statement):
            last = _last(statement.body)
            if isinstance(last, (cst.Continue, cst.Break)) and not _asks_for_none(statement.test, loop):
                how: Literal["continue", "break"] = "continue" if isinstance(last, cst.Continue) else "break"
                before.append(Skip(statement, how, empty=False))
        before += _left_where_something_failed(statement)
        if _takes(statement):
            yield from before
            return


def _left_where_something_failed(statement: cst.CSTNode) -> Iterator[Skip]:
    """Handlers by which a loop goes on to the next batch where this one has raised."""
    for handler in statement.handlers if isinstance(statement, (cst.Try, cst.TryStar)) else ():
        if isinstance(_last(handler.body), cst.Continue) and not _takes(handler.body):
            yield Skip(handler, "continue", empty=False)


def _asks_for_none(test: cst.BaseExpression, loop: cst.For) -> bool:
    """Whether a test asks for a part of the batch that is None, which no private loader gives."""
    if not isinstance(test, cst.Comparison) or len(test.comparisons) != 1:
        return False
    target = test.comparisons[0]
    none = isinstance(target.comparator, cst.Name) and target.comparator.value == "None"
    batch = _names(loop.target)
    for assign in (a for statement in loop.body.body for a in _assignments(statement)):
        if any(isinstance(part, cst.Name) and part.value in batch for part in every(assign.value)):
            batch |= _names(assign.targets[0].target)
    return none and _root(test.left) in batch


def skips_of_an_empty_batch(function: cst.FunctionDef, module: cst.CSTNode) -> Iterator[Skip]:
    """The statement by which a function that steps for the batch that it is given leaves before."""
    params = function.params
    bound = frozenset(param.name.value for param in (*params.posonly_params, *params.params))
    yield from _first_skip(function.body.body, _Bound(bound - {"self"}, module=module), ("return",))


def _first_skip(body: Sequence[cst.CSTNode], bound: _Bound, ways: tuple[str, ...]) -> Iterator[Skip]:
    for statement in body:
        if isinstance(statement, cst.If):
            how = _skips(statement, bound)
            if how in ways:
                yield Skip(statement, how)
                return
            outright = tuple(way for way in ways if way != "if")
            for body_of_branch, holds in _branches(statement):
                for skip in _first_skip(body_of_branch, bound, outright):
                    yield replace(skip, tests=((statement.test, holds), *skip.tests))
        elif isinstance(statement, cst.Match) and _is_size(statement.subject, bound):
            for case in statement.cases:
                how = _left_by(case.body) if _is_nothing(case) else None
                if how in ways:
                    yield Skip(case, how)
                    return
        if _takes(statement):
            return
        for assign in _assignments(statement):
            bound = _after(assign, bound)


def _branches(node: cst.If) -> Iterator[tuple[Sequence[cst.CSTNode], bool]]:
    """What is done where a test holds, and where it does not."""
    yield node.body.body, True
    if isinstance(node.orelse, cst.Else):
        yield node.orelse.body.body, False


def _after(assign: cst.Assign, bound: _Bound) -> _Bound:
    """What the variables hold after an assignment."""
    names = frozenset[str]().union(*(_names(target.target) for target in assign.targets))
    if _is_size(assign.value, bound):
        return bound._replace(names=bound.names - names, sizes=bound.sizes | names)
    return bound._replace(names=bound.names | names, sizes=bound.sizes - names)


def _skips(node: cst.If, bound: _Bound) -> Literal["continue", "break", "if", "return"] | None:
    if _tells(node.test, bound, _EMPTY, negated=True):
        return _left_by(node.body)
    if _tells(node.test, bound, _FULL, negated=False) and node.orelse is None and _steps(node.body, bound):
        return "if"
    return None


def _left_by(body: cst.BaseSuite) -> Literal["continue", "break", "return"] | None:
    """How what stands around some statements is left by the last of them, where none takes a step."""
    last = _last(body)
    if _takes(body):
        return None
    if isinstance(last, cst.Continue):
        return "continue"
    return "break" if isinstance(last, cst.Break) else "return" if isinstance(last, cst.Return) else None


def _is_nothing(case: cst.MatchCase) -> bool:
    """Whether a case is that of the number 0."""
    value = case.pattern.value if isinstance(case.pattern, cst.MatchValue) else None
    return case.guard is None and isinstance(value, cst.Integer) and int(value.value, 0) == 0


def _last(body: cst.BaseSuite) -> cst.CSTNode | None:
    statement = body.body[-1] if body.body else None
    return statement.body[-1] if isinstance(statement, cst.SimpleStatementLine) else statement


def _tells(test: cst.BaseExpression, bound: _Bound, table: dict[str, tuple[int, ...]], negated: bool) -> bool:
    """Whether a test says of a batch that it is empty (``negated``), or that it is not."""
    if isinstance(test, cst.BooleanOperation):
        parts = (test.left, test.right)
        return any(_tells(part, bound, table, negated) for part in parts)
    if isinstance(test, cst.UnaryOperation) and isinstance(test.operator, cst.Not):
        return negated and _is_size(test.expression, bound)
    if isinstance(test, cst.Call) and isinstance(test.func, cst.Name) and test.func.value in ("any", "all"):
        each = test.args[0].value if len(test.args) == 1 else None
        if isinstance(each, (cst.GeneratorExp, cst.ListComp)) and _root(each.for_in.iter) in bound.names:
            return _tells(each.elt, _Bound(bound.names | _names(each.for_in.target)), table, negated)
        return False
    if isinstance(test, cst.Comparison) and len(test.comparisons) == 1:
        target = test.comparisons[0]
        number = target.comparator
        wanted = table.get(type(target.operator).__name__, ())
        return (
            isinstance(number, cst.Integer) and int(number.value, 0) in wanted and _is_size(test.left, bound)
        )
    said = _returned_by(test, bound)
    if said is not None:
        return _tells(*said, table, negated)
    return _says_empty(test, bound) if negated else _is_size(test, bound)


def _steps(body: cst.CSTNode, bound: _Bound) -> bool:
    """Whether a step is taken, here or in a function of the program that is called here."""
    if _takes(body) or bound.module is None:
        return _takes(body)
    called = {_name_of(call) for call in every(body) if isinstance(call, cst.Call)} - {""}
    functions = (f for f in every(bound.module) if isinstance(f, cst.FunctionDef) and f.name.value in called)
    return any(_takes(function.body) for function in functions)


def _name_of(call: cst.Call) -> str:
    """The function that a call names, by itself or as a method of ``self``; empty for any other call."""
    name = call.func
    if isinstance(name, cst.Attribute) and isinstance(name.value, cst.Name) and name.value.value == "self":
        name = name.attr
    return name.value if isinstance(name, cst.Name) else ""


def _returned_by(test: cst.BaseExpression, bound: _Bound) -> tuple[cst.BaseExpression, _Bound] | None:
    """What a function of the program that is given a batch returns: ``usable(batch)``, ``self.usable(x)``."""
    name = _name_of(test) if isinstance(test, cst.Call) else ""
    if not isinstance(test, cst.Call) or not name or bound.module is None:
        return None
    for function in every(bound.module):
        if not isinstance(function, cst.FunctionDef) or function.name.value != name:
            continue
        last = _last(function.body)
        if len(function.body.body) > 2 or not isinstance(last, cst.Return) or last.value is None:
            return None
        parameters = [p.name.value for p in function.params.params if p.name.value not in ("self", "cls")]
        pairs = zip(parameters, test.args, strict=False)
        given = frozenset(p for p, arg in pairs if _root(arg.value) in bound.names)
        return (last.value, _Bound(given)) if given else None
    return None


def _says_empty(test: cst.BaseExpression, bound: _Bound) -> bool:
    """Whether a test asks a function of the program whether a batch is empty: ``self.is_empty(batch)``."""
    if not isinstance(test, cst.Call) or not test.args:
        return False
    name = test.func.attr if isinstance(test.func, cst.Attribute) else test.func
    asks = isinstance(name, cst.Name) and name.value.removeprefix("_") in ("is_empty", "empty", "empty_batch")
    return asks and _root(test.args[0].value) in bound.names


def _is_size(node: cst.BaseExpression, bound: _Bound) -> bool:
    """Whether an expression is the size of something that the loop binds: ``len(x)``, ``x.shape[0]``..."""
    if isinstance(node, cst.Name):
        return node.value in bound.sizes
    if isinstance(node, cst.Subscript):
        node = node.value
        if isinstance(node, cst.Attribute) and node.attr.value == "shape":
            return _root(node) in bound.names
    if not isinstance(node, cst.Call):
        return False
    if isinstance(node.func, cst.Name) and node.func.value == "len" and node.args:
        return _root(node.args[0].value) in bound.names
    return (
        isinstance(node.func, cst.Attribute) and node.func.attr.value in _SIZES and _root(node) in bound.names
    )


def _root(node: cst.CSTNode) -> str:
    """The name that an expression of attributes, items and calls begins with."""
    while not isinstance(node, cst.Name):
        if isinstance(node, (cst.Attribute, cst.Subscript)):
            node = node.value
        elif isinstance(node, cst.Call):
            node = node.func
        else:
            return ""
    return node.value


def _assignments(statement: cst.CSTNode) -> Iterator[cst.Assign]:
    if isinstance(statement, cst.SimpleStatementLine):
        yield from (part for part in statement.body if isinstance(part, cst.Assign))


def _names(target: cst.CSTNode) -> frozenset[str]:
    if isinstance(target, cst.Name):
        return frozenset({target.value})
    if isinstance(target, (cst.Tuple, cst.List)):
        return frozenset().union(*(_names(element.value) for element in target.elements))
    return frozenset()


def _takes(node: cst.CSTNode) -> bool:
    """Whether a step is called, or a generator hands the batch on to a loop that does so."""
    if isinstance(node, cst.Yield):
        return True
    if isinstance(node, cst.Call) and isinstance(node.func, cst.Attribute) and node.func.attr.value == "step":
        return True
    return any(map(_takes, children(node)))
