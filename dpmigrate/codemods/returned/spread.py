"""What ``make_private`` returns as the arguments of a call: ``train(*engine.make_private(...))``.

The function that is called takes the wrapped criterion as one parameter more, after model and optimizer; a
record (``State(*engine.make_private(...))``) has one field more there.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import partial

import libcst as cst

from dpmigrate.analysis.ledger import HandedOnWhole
from dpmigrate.codemods.editing.edits import ProjectEdits, Withheld
from dpmigrate.codemods.editing.nodes import add_parameter
from dpmigrate.codemods.program.assignments import Home, target_text
from dpmigrate.codemods.program.binders import binders, bound_by
from dpmigrate.codemods.program.facts import Facts
from dpmigrate.codemods.program.routes import Routes
from dpmigrate.codemods.program.ways import is_parameter
from dpmigrate.codemods.returned.entries import refuse_taken_whole
from dpmigrate.codemods.returned.record import Record
from dpmigrate.codemods.returned.upgraded_call import UpgradedCall


def filled_records(upgrade: UpgradedCall) -> dict[cst.Call, Record]:
    """The records that the result of a call fills, by the calls that make them."""
    records: dict[cst.Call, Record] = {}
    for argument in {e.origin.node: e for e in upgrade.events if isinstance(e, HandedOnWhole)}:
        call = upgrade.facts.parent(argument)
        record = Record.filled(upgrade.facts, call) if isinstance(call, cst.Call) else None
        if record is not None and not upgrade.mixed:
            records[record.made] = record
    return records


def fill(upgrade: UpgradedCall, record: Record, target: str) -> ProjectEdits:
    """Let a record have the wrapped criterion, and a variable read it where the record is kept.

    A record that is returned at once is read by whoever calls the function. Raises `Withheld`.
    """
    facts, call = upgrade.facts, record.made
    field, module = target.rpartition(".")[2], facts.module_of(record.made)
    refuse_taken_whole(facts, call, field, record.kind, record.place)
    edits = record.declare(field)
    home = facts.parent(call)
    text = target_text(facts, home) if isinstance(home, Home) else ""
    if text:
        edits.of(module).insert_after(facts.statement(call), f"{target} = {text}.{field}")
    elif not isinstance(home, cst.Return) or target != field:
        raise _by_hand(facts, call)
    return edits


def receivers(upgrade: UpgradedCall, records: Collection[cst.Call]) -> dict[cst.FunctionDef, int]:
    """The functions that take the result of a call as their arguments, and which parameter comes third.

    ``records`` are the calls that make a record of it. Raises `Withheld` where another call, a mode with
    three results, or what the function takes beside, would meet the parameter that is put in.
    """
    given: dict[cst.FunctionDef, list[cst.CSTNode]] = {}
    places: dict[cst.FunctionDef, int] = {}
    for argument in {e.origin.node: e for e in upgrade.events if isinstance(e, HandedOnWhole)}:
        call = upgrade.facts.parent(argument)
        assert isinstance(call, cst.Call)
        if call in records:
            continue
        entered = [what.node for what in upgrade.facts.functions_entered(call)]
        function = entered[0] if len(entered) == 1 else None
        place = _third_parameter(upgrade.facts, function, call)
        if not isinstance(function, cst.FunctionDef) or place is None or upgrade.mixed:
            raise _by_hand(upgrade.facts, call)
        given.setdefault(function, []).append(call)
        places[function] = place
    for function, calls in given.items():
        for call, _ in upgrade.facts.callers.get(function, ()):
            if call not in calls:
                raise _by_hand(upgrade.facts, call)
    return places


def _third_parameter(facts: Facts, function: cst.CSTNode | None, call: cst.Call) -> int | None:
    """Where the criterion comes in; None where the three are not the first that the function takes."""
    if not isinstance(function, cst.FunctionDef) or call.args[0].star != "*":
        return None
    plain = [*function.params.posonly_params, *function.params.params]
    third = 2 + (facts.class_of(function) is not None)
    if function.params.posonly_params or len(plain) <= third or plain[third].default is not None:
        return None
    return third


def spread_into(
    routes: Routes, calls: Sequence[cst.CSTNode], call: cst.CSTNode, name: str, place: int
) -> bool:
    """Let ``train`` of ``train(*build())`` take one parameter more, at a place among what comes back.

    False where the result of the call is not spread. ``calls`` are all calls of ``build``. Raises `Withheld`
    where another call of the function would meet the parameter that is put in.
    """
    facts, arg = routes.facts, routes.facts.parent(call)
    outer = facts.parent(arg) if isinstance(arg, cst.Arg) and arg.star == "*" else None
    if not isinstance(arg, cst.Arg) or not isinstance(outer, cst.Call):
        return False
    entered = [what.node for what in facts.functions_entered(outer)]
    function = entered[0] if len(entered) == 1 else None
    if not isinstance(function, cst.FunctionDef) or function.params.posonly_params:
        raise _by_hand(facts, outer)
    method = facts.class_of(function) is not None
    at = method + place + next(i for i, each in enumerate(outer.args) if each is arg)
    spread = {facts.parent(facts.parent(each) or each) for each in calls}
    others = [caller for caller, _ in facts.callers.get(function, ()) if caller not in spread]
    before, plain = [*outer.args[: outer.args.index(arg)]], function.params.params
    by_place = len(plain) >= at and all(p.default is None for p in plain[:at])
    no_rest = len(plain) > at or not isinstance(function.params.star_arg, cst.Param)
    if others or not (by_place and no_rest) or any(a.star or a.keyword for a in before):
        raise _by_hand(facts, outer)
    if function not in routes.routed:
        if function is not routes.freed and name in {
            n for b in binders(facts, function) for n in bound_by(facts, b)
        }:
            raise _name_taken(facts, function, name)
        last = len(plain) == at
        takes_it = partial(add_parameter, name=name) if last else partial(with_parameter, place=at, name=name)
        routes.edits.of(facts.module_of(function)).change(function, takes_it)
        routes.routed.add(function)
    return True


def third_parameter_free(facts: Facts, function: cst.FunctionDef, name: str) -> None:
    """Refuse a parameter whose name the function has for another one. Raises `Withheld`."""
    if is_parameter(facts, name, function):
        raise _name_taken(facts, function, name)


def _name_taken(facts: Facts, function: cst.FunctionDef, name: str) -> Withheld:
    return Withheld(
        f"{name} is a variable here already, and the wrapped criterion comes in as a parameter: name one of "
        "them anew",
        facts.module_of(function),
        function,
    )


def _by_hand(facts: Facts, call: cst.CSTNode) -> Withheld:
    return Withheld(
        "what make_private returns is handed on whole (*), four objects since Opacus 1.5.3: write model, "
        "optimizer, criterion, loader = ... here, and hand on those that are wanted",
        facts.module_of(call),
        call,
    )


def with_parameter(new: cst.CSTNode, place: int, name: str) -> cst.CSTNode:
    """The function with one more parameter at a place that is not its last."""
    assert isinstance(new, cst.FunctionDef)
    params = list(new.params.params)
    like = params[place - 1].comma
    comma = like if isinstance(like, cst.Comma) else cst.Comma(whitespace_after=cst.SimpleWhitespace(" "))
    params.insert(place, cst.Param(cst.Name(name), comma=comma))
    return new.with_changes(params=new.params.with_changes(params=params))
