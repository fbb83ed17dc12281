"""The wrapped criterion out of the function that makes it, to the callers that make losses with it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

import libcst as cst

from dpmigrate.codemods.editing.edits import Withheld
from dpmigrate.codemods.editing.nodes import add_element, add_entry, add_parameter, with_element
from dpmigrate.codemods.program.assignments import Home, target_text
from dpmigrate.codemods.program.binders import binders, bound_by
from dpmigrate.codemods.program.facts import Facts, Scope
from dpmigrate.codemods.program.places import parameter_of, unread
from dpmigrate.codemods.program.routes import Routes
from dpmigrate.codemods.program.ways import calls_lead, is_parameter
from dpmigrate.codemods.returned.annotations import lengthen
from dpmigrate.codemods.returned.collected import Collected
from dpmigrate.codemods.returned.entries import refuse_taken_whole
from dpmigrate.codemods.returned.record import Record
from dpmigrate.codemods.returned.spread import spread_into
from dpmigrate.codemods.returned.way_back import WayBack, calls_to_whoever_takes, returning_as_it_is


class _Returned(NamedTuple):
    """What a function gives back, as far as one thing more can go into it."""

    value: cst.Tuple | cst.Dict | cst.Call
    tuples: Sequence[cst.Tuple]
    """All tuples that it returns, of one length."""
    kept: bool = False
    """Whether the value is in a variable first, so that other code may read it there."""


Taken = dict[cst.CSTNode, list[cst.BaseExpression]]
"""By the calls whose results are collected, the targets that take them out of there."""


def lead_out(
    routes: Routes,
    name: str,
    inner: Scope,
    having: Collection[Scope],
    filled: Collection[cst.CSTNode] = (),
    uses: Collection[cst.CSTNode] = (),
) -> Taken:
    """Make a function return one variable more, after the optimizer, and its callers in some scopes take it.

    Only where what it returns is a plain tuple that every caller takes apart, or a dict or a record (a named
    tuple, a dataclass) that every caller keeps or hands on. A function that has the variable as a parameter
    may return several tuples, and one that takes what comes back as its parameters has it from then on.
    ``filled`` are the calls that make a record which has it already, and ``uses`` what needs the variable
    where what comes back is collected first. Raises `Withheld`.
    """
    facts, edits = routes.facts, routes.edits
    has_it = inner in routes.routed or is_parameter(facts, name, inner)
    returned = _returned(facts, inner, has_it)
    value = returned.value if returned is not None and isinstance(inner, cst.FunctionDef) else None
    has_field = value in filled
    make = Record.filled if has_field else Record.returned
    record = make(facts, value) if isinstance(value, cst.Call) else None
    if returned is None or value is None or (record is None and isinstance(value, cst.Call)):
        raise Withheld(
            f"{name}, which make_private wraps, has to come back from here to where losses are made: return "
            "it beside the optimizer, and take it where this is called",
            facts.module_of(inner),
            next(iter(given_back(facts, inner)), inner),
        )
    calls = calls_to_whoever_takes(facts, inner)
    collected = _collected(facts, inner, value, [call for call, _ in calls])
    taken = {call: list(bundles.targets) for call, bundles in collected.items()}
    taking = [each for each in calls if facts.scope(each[0]) in having and each[0] not in collected]
    if record is not None:
        for bundles in collected.values():
            edits.extend(bundles.take(name, record.reading, record.place, uses))
        refuse_taken_whole(facts, record.made, name, record.kind, record.place)
        lead = record.read if has_field else record.grow
        edits.extend(lead(name, taking, edits))
    elif isinstance(value, cst.Dict):
        for bundles in collected.values():
            edits.extend(bundles.take(name, f"{{}}[{_key(value, name)}]", 0, uses))
        _out_by_entry(routes, name, value, [call for call, _ in taking])
    else:
        _out_by_element(routes, name, inner, returned, having, collected, uses)
    return taken


def collected_way(facts: Facts, inner: Scope, wanted: Scope) -> WayBack | None:
    """The way of what one function returns, and another one collects and hands on; None: there is none."""
    values = given_back(facts, inner) if isinstance(inner, cst.FunctionDef) else []
    if len(values) != 1:
        return None
    calls = [call for call, _ in calls_to_whoever_takes(facts, inner)]
    collected = _collected(facts, inner, values[0], calls)
    scopes = dict.fromkeys(facts.scope(t) for bundles in collected.values() for t in bundles.targets)
    sources = [s for s in scopes if s is wanted or calls_lead(facts, s, wanted)]
    return WayBack([inner], [*{facts.scope(c): None for c in calls}], sources) if sources else None


def _collected(
    facts: Facts, function: Scope, value: cst.BaseExpression, calls: Sequence[cst.CSTNode]
) -> dict[cst.CSTNode, Collected]:
    """The calls of a function whose results are put into a collection. Raises `Withheld`."""
    size = len(value.elements) if isinstance(value, cst.Tuple) else 0
    yielded = bool(facts.own(function, cst.Yield))
    collected: dict[cst.CSTNode, Collected] = {}
    seen: set[cst.CSTNode] = set()
    for call in calls:
        if (
            not isinstance(call, cst.Call)
            or not facts.gives_back(call)
            or isinstance(facts.parent(call), cst.WithItem)
        ):
            continue
        bundles = Collected.of(facts, call, calls, size, yielded)
        if bundles is not None:
            bundles.targets[:] = [t for t in dict.fromkeys(bundles.targets) if t not in seen]
            seen.update(bundles.targets)
            collected[call] = bundles
    return collected


def _returned(facts: Facts, function: Scope, alike: bool) -> _Returned | None:
    """What a function gives back (``alike``: perhaps several tuples of one length); None for all else."""
    values = given_back(facts, function)
    tuples = [r for r in values if isinstance(r, cst.Tuple)]
    of_one_length = len(tuples) == len(values) and len({len(r.elements) for r in tuples}) == 1
    if not values or not (len(values) == 1 or (alike and of_one_length)):
        return None
    value: cst.BaseExpression | None = values[0]
    kept = isinstance(value, cst.Name)
    if isinstance(value, cst.Name):
        value = _kept_whole(facts, function, value)
        tuples = [value] if isinstance(value, cst.Tuple) else []
    return _Returned(value, tuples, kept) if isinstance(value, (cst.Tuple, cst.Dict, cst.Call)) else None


def _out_by_entry(routes: Routes, name: str, value: cst.Dict, calls: Sequence[cst.CSTNode]) -> None:
    """Return the variable in a dict: an entry that callers read, or a parameter of what takes all entries."""
    facts = routes.facts
    refuse_taken_whole(facts, value, name, "dict")
    spread = {call: _entries_into(routes, call, name) for call in calls}
    for function in spread.values():
        if function is not None:
            routes.routed.add(function)
            edits = routes.edits.of(facts.module_of(function))
            edits.change(function, lambda new: add_parameter(new, name))
    _read_by_key(routes, name, value, [call for call, into in spread.items() if into is None])


def _out_by_element(
    routes: Routes,
    name: str,
    function: Scope,
    returned: _Returned,
    having: Collection[Scope],
    collected: Mapping[cst.CSTNode, Collected],
    uses: Collection[cst.CSTNode],
) -> None:
    """Return the variable in a tuple, after the optimizer or at the end, and let every caller take it."""
    facts, edits = routes.facts, routes.edits
    calls = calls_to_whoever_takes(facts, function)
    count = len(returned.tuples[0].elements)
    elements = [(i, e.value) for each in returned.tuples for i, e in enumerate(each.elements)]
    optimizers = {i for i, element in elements if facts.is_a(element, "dp-optimizer")}
    place = optimizers.pop() + 1 if len(optimizers) == 1 else min(2, count)
    apart = [collected[c].plain if c in collected else _is_taken_apart(facts, c, count) for c, _ in calls]
    if returned.kept or not all(apart):
        place = count  # a starred target, or numbers, mean the same as before
    for each in returned.tuples:
        edits.of(facts.module_of(function)).change(each, lambda new: add_element(new, place, name))
    for annotated in (function, *returning_as_it_is(facts, function)):
        if isinstance(annotated, cst.FunctionDef) and annotated.returns is not None:
            edits.extend(lengthen(facts, annotated.returns, count, place))
    for bundles in collected.values():
        edits.extend(bundles.take(name, f"{{}}[{count}]", place, uses))
    for call, where in calls:
        if call in collected:
            continue
        target, scope = _target(facts, call), facts.scope(call)
        taken = name if scope in having else unread(facts, scope)
        if isinstance(target, (cst.Tuple, cst.List)) and (place == count or len(target.elements) == count):
            at = len(target.elements) if place == count else place
            edits.of(where).change(target, with_element(at, taken))
        elif isinstance(target, (cst.Name, cst.Attribute)) and place == count:
            refuse_taken_whole(facts, returned.value, name, "tuple")
            text = facts.code(target).strip()
            if scope in having:
                edits.of(where).insert_after(facts.statement(call), f"{name} = {text}[{count}]")
        elif scope not in having and isinstance(facts.parent(call), cst.Expr):
            continue
        elif not spread_into(routes, [c for c, _ in calls], call, name, place):
            raise Withheld(
                f"{name}, the wrapped criterion, comes back here as value {place + 1} of {count + 1}: take "
                f"one value more, and let {name} make the losses of the model that came with it",
                where,
                call,
            )


def _kept_whole(facts: Facts, function: Scope, name: cst.Name) -> cst.BaseExpression | None:
    """What a function keeps in a variable and returns; None where that is not seen to have private objects.

    A dict or record that was made before ``make_private`` was called has no criterion to hold yet.
    """
    homes = [b for b in binders(facts, function) if name.value in bound_by(facts, b)]
    home = facts.parent(homes[0]) if len(homes) == 1 and isinstance(homes[0], cst.AssignTarget) else None
    value = home.value if isinstance(home, cst.Assign) and len(home.targets) == 1 else None
    if value is None or not any(facts.is_a(node, "dp-optimizer") for node in facts.inside(value, cst.Name)):
        return value if isinstance(value, cst.Call) and any(a.star for a in value.args) else None
    return value


def given_back(facts: Facts, function: Scope) -> list[cst.BaseExpression]:
    """What a function returns, or yields to the ``with`` statements and loops that it is entered by."""
    by = (cst.WithItem, cst.For, cst.CompFor, cst.Arg)
    entered = [call for call, _ in facts.callers.get(function, ()) if isinstance(facts.parent(call), by)]
    yielded = [y.value for y in facts.own(function, cst.Yield) if isinstance(y.value, cst.BaseExpression)]
    returned = [r.value for r in facts.own(function, cst.Return) if r.value is not None]
    return yielded if entered and yielded else returned


def _target(facts: Facts, call: cst.CSTNode) -> cst.BaseExpression | None:
    """What takes the result of a call, alone."""
    assign = facts.parent(call) if facts.gives_back(call) else None
    while isinstance(assign, cst.Await):
        assign = facts.parent(assign)
    if isinstance(assign, cst.WithItem):
        return assign.asname.name if assign.asname is not None else None
    alone = isinstance(assign, cst.Assign) and len(assign.targets) == 1
    return assign.targets[0].target if isinstance(assign, cst.Assign) and alone else None


def _is_taken_apart(facts: Facts, call: cst.CSTNode, count: int) -> bool:
    """Whether each of so many values has a target of its own."""
    target = _target(facts, call)
    return (
        isinstance(target, (cst.Tuple, cst.List))
        and len(target.elements) == count
        and not any(isinstance(e, cst.StarredElement) for e in target.elements)
    )


def _entries_into(routes: Routes, call: cst.CSTNode, name: str) -> cst.FunctionDef | None:
    """``train`` of ``train(**build())``, where nothing else calls it, or gives it a variable of that name."""
    facts = routes.facts
    around = facts.parent(call)
    outer = facts.parent(around) if isinstance(around, cst.Arg) and around.star == "**" else None
    entered = [what.node for what in facts.functions_entered(outer)] if isinstance(outer, cst.Call) else []
    function = entered[0] if len(entered) == 1 else None
    if not isinstance(function, cst.FunctionDef):
        return None
    if [caller for caller, _ in facts.callers.get(function, ())] != [outer]:
        return None
    bound = any(name in bound_by(facts, b) for b in binders(facts, function))
    return None if bound and function is not routes.freed else function


def _parameter_for(routes: Routes, call: cst.CSTNode, name: str) -> tuple[cst.FunctionDef, str] | None:
    """``train`` of ``train(build())`` and its parameter, where nothing else calls it or binds the name."""
    facts = routes.facts
    arg = facts.parent(call)
    outer = facts.parent(arg) if isinstance(arg, cst.Arg) and not arg.star else None
    if not isinstance(arg, cst.Arg) or not isinstance(outer, cst.Call) or any(a.star for a in outer.args):
        return None
    entered = [what.node for what in facts.functions_entered(outer)]
    function = entered[0] if len(entered) == 1 else None
    parameter = parameter_of(facts, function, outer, arg) if function is not None else None
    if not isinstance(function, cst.FunctionDef) or parameter is None:
        return None
    names = [n for b in binders(facts, function) for n in bound_by(facts, b)]
    alone = [caller for caller, _ in facts.callers.get(function, ())] == [outer]
    free = name not in names or function is routes.freed
    return (function, parameter) if alone and free and names.count(parameter) == 1 else None


def _first_statement(function: cst.FunctionDef) -> cst.CSTNode | None:
    """The first statement of a function's block after its docstring."""
    if not isinstance(function.body, cst.IndentedBlock):
        return None
    documented = function.get_docstring() is not None
    return next(iter(function.body.body[documented:]), None)


def _key(value: cst.Dict, name: str) -> str:
    """The key of one entry more in a dict, as its others are written."""
    first = next((e.key for e in value.elements if isinstance(e, cst.DictElement)), None)
    quote = first.quote if isinstance(first, cst.SimpleString) else '"'
    return f"{quote}{name}{quote}"


def _read_by_key(routes: Routes, name: str, value: cst.Dict, calls: Sequence[cst.CSTNode]) -> None:
    """One entry more in the dict that a function returns, read by each caller into the variable.

    Or by the function that a caller hands the dict to, which has the variable then.
    """
    facts, edits = routes.facts, routes.edits
    keys = [e.key for e in value.elements if isinstance(e, cst.DictElement)]
    if not keys or not all(isinstance(key, cst.SimpleString) for key in keys):
        raise Withheld(
            f"{name}, the wrapped criterion, has to come back in this dict: add it, and read it where "
            "losses are made",
            facts.module_of(value),
            value,
        )
    key = _key(value, name)
    edits.of(facts.module_of(value)).change(value, lambda new: add_entry(new, key, name))
    for call in calls:
        handed = _parameter_for(routes, call, name)
        first = _first_statement(handed[0]) if handed is not None else None
        if handed is not None and first is not None:
            routes.routed.add(handed[0])
            edits.of(facts.module_of(first)).insert_before(first, f"{name} = {handed[1]}[{key}]")
            continue
        assign, module = facts.parent(call), facts.module_of(call)
        text = target_text(facts, assign) if isinstance(assign, Home) else ""
        if not text:
            spread = isinstance(assign, cst.Arg) and assign.star == "**"
            instead = f"give what is called here a parameter {name}, and return {key}: {name} in the dict"
            raise Withheld(
                f"{name}, the wrapped criterion, comes back in this dict: "
                f"{instead if spread else f'keep the dict in a variable, and read its entry {key}'}",
                module,
                call,
            )
        edits.of(module).insert_after(facts.statement(call), f"{name} = {text}[{key}]")
