"""What pytest gives the functions that it calls: rows of arguments, and what fixtures make."""

from __future__ import annotations

from collections.abc import Hashable

import libcst as cst

from dpmigrate.analysis.core import Interpreter
from dpmigrate.analysis.domain.atoms import Const
from dpmigrate.analysis.domain.values import Class, Function, Seq, Value, join_all, of
from dpmigrate.analysis.guards import Literal
from dpmigrate.analysis.language.assignment import iterate
from dpmigrate.analysis.language.classes import find_member
from dpmigrate.analysis.language.decorated import given
from dpmigrate.analysis.language.functions import enter_function
from dpmigrate.analysis.library.options import outside_parameter
from dpmigrate.analysis.registry import CallInfo
from dpmigrate.analysis.source.tree import every

MAX_DEPTH = 4
"""Fixtures that ask for fixtures."""


def argument_rows(ip: Interpreter, fn: Function) -> list[dict[str, Value]]:
    """The arguments that ``pytest.mark.parametrize`` or click give a function, one set per call."""
    if not isinstance(fn.node, cst.FunctionDef):
        return [{}]
    out: list[dict[str, Value]] = [{}]
    for decorator in fn.node.decorators:
        call = decorator.decorator
        if not isinstance(call, cst.Call) or not isinstance(call.func, cst.Attribute):
            continue
        if call.func.attr.value != "parametrize" or len(call.args) < 2:
            continue
        names, rows = ip.evaluate(call.args[0].value).only, ip.evaluate(call.args[1].value).only
        if not isinstance(rows, Seq) or rows.items is None:
            continue
        columns = _column_names(names)
        expanded = []
        for before in out[:6]:
            for row in rows.items[:6]:
                expanded.append({**before, **_row(columns, row)})
        out = expanded or out
    return [{**given(ip, fn), **row} for row in out]


def _column_names(names: object) -> list[str]:
    if isinstance(names, Const) and isinstance(names.value, str):
        return [n.strip() for n in names.value.split(",")]
    if isinstance(names, Seq) and names.items is not None:
        return [str(v.only.value) for v in names.items if isinstance(v.only, Const)]
    return []


def _row(columns: list[str], row: Value) -> dict[str, Value]:
    if len(columns) == 1:
        return {columns[0]: row}
    atom = row.only
    if isinstance(atom, Seq) and atom.items is not None:
        return dict(zip(columns, atom.items, strict=False))
    return {}


def of_a_fixture(ip: Interpreter, fn: Function, name: str, depth: int = 0) -> Value | None:
    """What the fixture of a name makes, for a function of its module; None where there is none.

    A fixture is executed for each function that asks for it, and may ask for others itself.
    """
    fixture = _fixture(ip, fn, name)
    if fixture is None or depth == MAX_DEPTH:
        return None
    params = fixture.node.params
    keywords: dict[str, Value] = {}
    for param in (*params.params, *params.kwonly_params):
        asked = param.name.value
        if asked in ("self", "cls"):
            continue
        told = _request(ip, fixture) if asked == "request" else of_a_fixture(ip, fixture, asked, depth + 1)
        keywords[asked] = told or outside_parameter(ip, fixture, param, None)
    receiver = ip.frame.receiver if fixture.owner is not None else None
    with ip.inside(fn.node):
        made = enter_function(ip, fixture, CallInfo(fixture.node, [], keywords), receiver=receiver)
    yields = any(isinstance(node, cst.Yield) for node in every(fixture.node.body))
    return iterate(ip, made, fixture.node) if yields else made


def _fixture(ip: Interpreter, fn: Function, name: str) -> Function | None:
    """The fixture that a function means by a name: of its class, or of its module."""
    held = find_member(ip, fn.owner, name) if isinstance(fn.owner, Class) else None
    held = held or ip.store.get(("module", fn.module.key), name)
    only = held.only if held is not None else None
    if not isinstance(only, Function) or only.key == fn.key:
        return None
    return only if _is_fixture(only) else None


def _is_fixture(fn: Function) -> bool:
    return any(d.rpartition(".")[2] == "fixture" for d in fn.decorators)


def _keyword(fixture: Function, name: str) -> cst.BaseExpression | None:
    """An argument of the call that makes the fixture."""
    decorators = fixture.node.decorators if isinstance(fixture.node, cst.FunctionDef) else ()
    calls = [d.decorator for d in decorators if isinstance(d.decorator, cst.Call)]
    arguments = [arg for call in calls for arg in call.args]
    return next((arg.value for arg in arguments if arg.keyword and arg.keyword.value == name), None)


def _request(ip: Interpreter, fixture: Function) -> Value:
    """The ``request`` of a fixture: its ``param`` is one of those that the decorator names."""
    made = ip.new("namespace", fixture.node, extra="request")
    rows = _keyword(fixture, "params")
    items = ip.evaluate(rows).only if rows is not None else None
    if isinstance(items, Seq) and items.items is not None:
        cases = enumerate(items.items)
        param = join_all(row.guarded(frozenset({_case(fixture.key, k)})) for k, row in cases)
        ip.store.set(made, "param", param)
    return of(made)


def _case(fixture: Hashable, number: int) -> Literal:
    """The assumption that a fixture is asked for with one of its parameters."""
    return Literal(("param of a fixture", fixture), ("eq", number), True)
