"""Epsilons that a program works with: which engine spent them, and what becomes of several of them.

An epsilon is unknown; what is noted is by which symbol it goes.
"""

from __future__ import annotations

import re
from collections.abc import Hashable
from dataclasses import dataclass, replace

import libcst as cst

from dpmigrate.analysis.core import Interpreter
from dpmigrate.analysis.domain.atoms import Const, External, Obj, Unknown, deeper
from dpmigrate.analysis.domain.values import NOTHING, Bound, Entry, Function, Partial, Seq, Value
from dpmigrate.analysis.language.calls import call_method, call_value
from dpmigrate.analysis.language.classes import BASE_KINDS, find_member
from dpmigrate.analysis.language.functions import unknown_call
from dpmigrate.analysis.ledger import Turn
from dpmigrate.analysis.ledger.accounting import EpsilonAsked, EpsilonsAdded, EpsilonsCombined
from dpmigrate.analysis.ledger.circumstances import Circumstances
from dpmigrate.analysis.library.records import records_of
from dpmigrate.analysis.library.torch.names import real
from dpmigrate.analysis.notes import Slot
from dpmigrate.analysis.registry import CallInfo, function, method, prefix
from dpmigrate.analysis.source.once import read_once
from dpmigrate.analysis.source.tree import every

_SPENT: Slot[dict[Hashable, _Spent]] = Slot(dict)
"""By its symbol: what an unknown number is of the epsilons of engines."""
_ARRAYS: Slot[dict[Hashable, list[_Spent]]] = Slot(dict)
"""By its symbol: the epsilons in an array, or in a column of a table."""
_REPORTED: Slot[dict[tuple[cst.CSTNode, int], tuple[Circumstances, str]]] = Slot(dict)
"""By node and context: what a server makes of the epsilons that clients report, and how."""
_COMBINING = {
    "numpy.mean": "mean",
    "numpy.average": "mean",
    "numpy.nanmean": "mean",
    "statistics.mean": "mean",
    "statistics.fmean": "mean",
    "numpy.median": "median",
    "statistics.median": "median",
    "numpy.min": "smallest",
    "numpy.amin": "smallest",
    "numpy.nanmin": "smallest",
    "numpy.nanmedian": "median",
}
"""What makes one number, smaller than the largest, of several."""


@dataclass(frozen=True, slots=True)
class _Spent:
    """What one unknown number is: the epsilon of some engines, or (``total``) the sum of several.

    Without engines it is what each client of a federation reports.
    """

    engines: frozenset[Obj]
    loops: tuple[Turn, ...]
    """The loops around the place that asks for it."""
    total: bool = False
    weighted: bool = False
    """Whether it was multiplied with something, as with a number of examples."""
    part: bool = False
    """Whether it is what was spent from one time to another."""


def spent(ip: Interpreter, engine: Obj, node: cst.CSTNode) -> Value:
    """The epsilon that an engine says it has spent."""
    value = ip.unknown(node, "an epsilon")
    spent_by_symbol = _SPENT.of(ip)
    for symbol in _symbols(value):
        before = spent_by_symbol[symbol].engines if symbol in spent_by_symbol else frozenset()
        spent_by_symbol[symbol] = _Spent(before | {engine}, tuple(ip.loops))
    _tell_of_reports(ip)
    return value


def _symbols(value: Value) -> list[Hashable]:
    return [a.symbol for a in value.atoms if isinstance(a, Unknown)]


def _among(ip: Interpreter, value: Value) -> list[_Spent]:
    """The epsilons among what a value can be: an engine's, or what clients of Flower report by that name."""
    spent_by_symbol, symbols = _SPENT.of(ip), _symbols(value)
    held = [spent_by_symbol[symbol] for symbol in symbols if symbol in spent_by_symbol]
    if any(map(_is_called_epsilon, symbols)) and b"flwr" in ip.module.source.data:
        held.append(_Spent(frozenset(), ()))
    return held


_NAMED = re.compile(r"'(\w+_)?eps(ilon)?(_\w+)?'")


def _is_called_epsilon(symbol: Hashable) -> bool:
    """Whether something unknown is an entry of something unknown under a name of epsilon."""
    entry = symbol[2] if isinstance(symbol, tuple) and len(symbol) == 3 and symbol[1] == "." else None
    return isinstance(entry, str) and _NAMED.fullmatch(entry) is not None


def rounded(ip: Interpreter, given: Value, result: Value) -> Value:
    """A number that stands for another one: what is known of that is known of it."""
    for one in _among(ip, given):
        _SPENT.of(ip).update(dict.fromkeys(_symbols(result), one))
    return result


def total_of(ip: Interpreter, node: cst.CSTNode, element: Value) -> Value:
    """What ``sum(...)`` makes of elements; empty where they are no epsilons."""
    held = _among(ip, element)
    return _total(ip, node, ip.unknown(node, "a total"), held) if held else NOTHING


def _total(ip: Interpreter, node: cst.CSTNode, result: Value, held: list[_Spent]) -> Value:
    engines = frozenset(engine for one in held for engine in one.engines)
    loops = max((one.loops for one in held), key=len)
    total = _Spent(engines, loops, total=True, weighted=any(one.weighted for one in held))
    _SPENT.of(ip).update(dict.fromkeys(_symbols(result), total))
    for run in ip.runs.values():
        if run.engine in engines and not total.weighted:  # weights may make a mean of it
            ip.happen(run, EpsilonsAdded(ip.at(node)))
    return result


@function("<arithmetic>")
def _computed(ip: Interpreter, info: CallInfo) -> Value:
    """``total += epsilon``, ``examples * epsilon``, and ``total / len(...)``."""
    left, right, result = info.positional
    held = _among(ip, left)
    if info.name == "Add" and (held or _among(ip, right)):
        _total(ip, info.node, result, [*held, *_among(ip, right)])
    elif info.name == "Multiply":
        for one in (*held, *_among(ip, right)):
            _SPENT.of(ip).update(dict.fromkeys(_symbols(result), replace(one, weighted=True)))
    elif info.name == "Subtract" and _among(ip, right):
        for one in held:
            _SPENT.of(ip).update(dict.fromkeys(_symbols(result), replace(one, part=True)))
    elif info.name == "Divide" and _counts(right) and not _is_a_share(ip, info.node):
        totals = [one for one in held if one.total and (one.weighted or not _is_a_sum(ip, info.node))]
        if totals:
            _combined(ip, info.node, totals, "mean")
    return NOTHING


_AN_AMOUNT = re.compile(r"(\w+_)?(eps(ilon)?|budget)(_\w+)?")


def _is_a_share(ip: Interpreter, division: cst.CSTNode) -> bool:
    """Whether a total is divided by an epsilon or a budget, or stands beside its part as it is."""
    if not isinstance(division, cst.BinaryOperation):
        return False
    name = division.right.attr if isinstance(division.right, cst.Attribute) else division.right
    if isinstance(name, cst.Name) and _AN_AMOUNT.fullmatch(name.value):
        return True
    around = ip.frame.code
    return any(_is_itself(node, division.left) for node in read_once(ip, _told_in, around))


def _told_in(around: cst.CSTNode) -> list[cst.FormattedStringExpression | cst.DictElement]:
    """What stands in formatted strings and dicts."""
    kinds = (cst.FormattedStringExpression, cst.DictElement)
    return [node for node in every(around) if isinstance(node, kinds)]


def _is_itself(told: cst.FormattedStringExpression | cst.DictElement, total: cst.BaseExpression) -> bool:
    """Whether a total is what is told, as it is or by way of ``float(...)``."""
    node = told.expression if isinstance(told, cst.FormattedStringExpression) else told.value
    if (
        isinstance(node, cst.Call)
        and isinstance(node.func, cst.Name)
        and node.func.value in ("float", "round")
    ):
        node = node.args[0].value if node.args else node
    return node.deep_equals(total)


def _is_a_sum(ip: Interpreter, division: cst.CSTNode) -> bool:
    """Whether something is divided by the sum of other amounts (of budgets, say), as its text has it."""
    over = division.right if isinstance(division, cst.BinaryOperation) else None
    if isinstance(over, cst.Name):
        around = ip.frame.code
        given = [
            node.value
            for node in every(around)
            if isinstance(node, cst.Assign) and any(over.deep_equals(t.target) for t in node.targets)
        ]
        over = given[0] if len(given) == 1 else None
    if not isinstance(over, cst.Call) or not isinstance(over.func, cst.Name) or over.func.value != "sum":
        return False
    of_what = over.args[0].value if over.args else None
    return not (isinstance(of_what, cst.GeneratorExp) and isinstance(of_what.elt, cst.Integer))


def _counts(value: Value) -> bool:
    """Whether a value can be a number of things: something unknown, or a whole number above 1."""
    numbers = [a.value for a in value.atoms if isinstance(a, Const)]
    whole = any(isinstance(number, int) and number > 1 for number in numbers)
    return whole or any(isinstance(a, Unknown) for a in value.atoms)


@function(*_COMBINING)
def _combine(ip: Interpreter, info: CallInfo) -> Value:
    combined(ip, info, _COMBINING[info.name])
    return unknown_call(ip, External(info.name), info)


@function("numpy.percentile", "numpy.quantile", "numpy.nanpercentile", "numpy.nanquantile")
def _percentile(ip: Interpreter, info: CallInfo) -> Value:
    """``np.percentile(epsilons, 50)``; that of 100 is the largest."""
    asked = info.argument(1, "q").only
    largest = 1 if info.name.endswith("quantile") else 100
    if isinstance(asked, Const) and isinstance(asked.value, (int, float)) and asked.value < largest:
        combined(ip, info, "median" if asked.value * 2 == largest else "percentile")
    return unknown_call(ip, External(info.name), info)


def combined(ip: Interpreter, info: CallInfo, how: str) -> None:
    """Tell of epsilons in a sequence of which one number is made."""
    held = _held_by(ip, info.argument(0, "a") or info.argument(None, "data"))
    if held and not _largest_told_too(ip, info.node):
        _combined(ip, info.node, held, how)


def _held_by(ip: Interpreter, given: Value) -> list[_Spent]:
    """The epsilons in a sequence, or in what an array was made of."""
    arrays = _ARRAYS.of(ip)
    held = [one for a in given.atoms if isinstance(a, Seq) for one in _among(ip, a.each())]
    return held + [one for symbol in _symbols(given) for one in arrays.get(symbol, ())]


@function(
    *("numpy.array", "numpy.asarray", "numpy.stack", "torch.tensor", "torch.as_tensor", "torch.FloatTensor"),
    *("pandas.Series",),
)
def _make_array(ip: Interpreter, info: CallInfo) -> Value:
    """An array of epsilons, of which one number may be made."""
    made = unknown_call(ip, External(info.name), info)
    held = _held_by(ip, info.argument(0, "data") or info.argument(None, "object"))
    if held:
        _ARRAYS.of(ip).update(dict.fromkeys(_symbols(made), held))
    return made


@function("<item assigned>")
def _put_into_an_array(ip: Interpreter, info: CallInfo) -> Value:
    """``epsilons[i] = engine.get_epsilon(delta)``, of an array that was made with zeros."""
    held = _among(ip, info.argument(None, "value"))
    for symbol in _symbols(info.positional[0]) if held else ():
        there = _ARRAYS.of(ip).setdefault(symbol, [])
        there.extend(one for one in held if one not in there)
    return NOTHING


@function("pandas.DataFrame")
def _make_table(ip: Interpreter, info: CallInfo) -> Value:
    """A table of records, or of columns: ``table["epsilon"]`` and ``table.epsilon`` are an array of them."""
    made = unknown_call(ip, External(info.name), info)
    rows = info.argument(0, "data")
    tables = [
        atom for given in rows.atoms for atom in (given.each() if isinstance(given, Seq) else rows).atoms
    ]
    for table in tables:
        slots = ip.store.keys(table) if isinstance(table, Obj) and table.kind == "dict" else ()
        for slot in slots:
            held = ip.read(table, slot) or NOTHING
            spent_there = [*_among(ip, held), *_held_by(ip, held)]
            if not spent_there or not isinstance(slot, tuple):
                continue
            for symbol in _symbols(made):
                for name in (slot[1], repr(slot[1])):
                    _ARRAYS.of(ip)[deeper(symbol, name)] = spent_there
    return made


@method("unknown", "mean", "median", "min")
def _made_of_an_array(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    """``epsilons.mean()``."""
    held = _held_by(ip, Value((e,)))
    if held and not _largest_told_too(ip, info.node):
        _combined(ip, info.node, held, _COMBINING[f"numpy.{info.name}"])
    return unknown_call(ip, e.atom, info)


def _largest_told_too(ip: Interpreter, node: cst.CSTNode) -> bool:
    """Whether the same code makes the largest of the same numbers, so that this is one of several figures."""
    told = _taken_from(node)
    around = ip.frame.code
    return told is not None and _takes_the_largest(around, told)


def _taken_from(node: cst.CSTNode) -> cst.BaseExpression | None:
    """What a call makes one number of: ``np.mean(epsilons)``, ``np.array(epsilons).mean()``."""
    if not isinstance(node, cst.Call):
        return None
    if node.args and isinstance(node.func, cst.Attribute):
        return _taken_from(node.args[0].value) or node.args[0].value
    if node.args:
        return node.args[0].value
    array = node.func.value if isinstance(node.func, cst.Attribute) else None
    return _taken_from(array) or array if array is not None else None


def _takes_the_largest(root: cst.CSTNode, of: cst.BaseExpression) -> bool:
    for call in every(root):
        if isinstance(call, cst.Call) and len(call.args) < 2:
            name = call.func.attr if isinstance(call.func, cst.Attribute) else call.func
            largest = isinstance(name, cst.Name) and name.value in ("max", "amax", "nanmax")
            taken = _taken_from(call) if largest else None
            if taken is not None and taken.deep_equals(of):
                return True
    return False


def _combined(ip: Interpreter, node: cst.CSTNode, held: list[_Spent], how: str) -> None:
    engines = frozenset(engine for one in held for engine in one.engines)
    series = len(engines) == 1 and (len(held) > 1 or all(_again(ip, one) for one in held))
    if how == "smallest" and not series:
        return  # The smaller of two accountants' bounds on one run holds as well.
    if not engines:
        _REPORTED.of(ip)[node, ip.context] = (ip.at(node), how)
        _tell_of_reports(ip)
    runs = [run for run in ip.runs.values() if run.engine in engines]
    records = {records_of(ip, run) for run in runs}
    # Two loaders that come in from outside may hold the same.
    open_ones = {None, *(run.argument("data_loader").only for run in runs)}
    apart = len(runs) > 1 and len(records - open_ones) == len(runs)
    for run in runs:
        parts = all(one.part for one in held)
        ip.happen(run, EpsilonsCombined(ip.at(node), how, series, apart, parts))


def _tell_of_reports(ip: Interpreter) -> None:
    """Record on runs whose epsilon is asked for what a server makes of those that clients report."""
    for there, how in _REPORTED.of(ip).values():
        for run in list(ip.runs.values()):
            if any(not event.aimed for event in run.happened(EpsilonAsked)):
                ip.happen(run, EpsilonsCombined(there, how, series=False))


_PLACES = ("flwr.server.strategy.", "flwr.serverapp.strategy.")
_STRATEGIES = ("Strategy", "FedAvg", "FedAvgM", "FedProx", "FedAdam", "FedAdagrad", "FedYogi", "FedOpt")
BASE_KINDS.update({f"{place}{name}": "flower-strategy" for place in _PLACES for name in _STRATEGIES})
_AGGREGATING = ("aggregate_fit", "aggregate_evaluate", "aggregate_train")


@prefix(*_PLACES)
def _strategy(ip: Interpreter, info: CallInfo) -> Value:
    """A strategy of Flower calls the functions that it is given with what all clients reported."""
    reported = ip.unknown(info.node, "all clients' metrics")
    for name in ("fit_metrics_aggregation_fn", "evaluate_metrics_aggregation_fn"):
        for e in info.argument(None, name).entries:
            if isinstance(e.atom, (Function, Bound, Partial)):
                call_value(ip, Value((e,)), CallInfo(info.node, [reported]))
    return unknown_call(ip, External(info.name), info)


@method("flower-strategy", "__init__")
def _own_strategy(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    """In a strategy of the program's own, Flower calls the methods that aggregate as well."""
    strategy = real(e.atom)
    told = [ip.unknown(info.node, what) for what in ("a round", "all clients' results", "failures")]
    for name in _AGGREGATING:
        if isinstance(strategy, Obj) and find_member(ip, strategy.data, name) is not None:
            call_method(ip, strategy, name, CallInfo(info.node, told, name=name))
    return _strategy(ip, info)


def _again(ip: Interpreter, one: _Spent) -> bool:
    """Whether the same engine is asked again and again: in a loop that it was made before."""
    made = [ip.births[engine].loops for engine in one.engines if engine in ip.births]
    return len(made) == 1 and len(one.loops) > len(made[0]) and one.loops[: len(made[0])] == made[0]
