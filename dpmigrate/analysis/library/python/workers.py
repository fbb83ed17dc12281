"""Functions that are handed to somebody who calls them: processes, threads, pools and launchers."""

from __future__ import annotations

from dpmigrate.analysis.core import Interpreter
from dpmigrate.analysis.domain.atoms import Obj, is_entry
from dpmigrate.analysis.domain.values import NONE, Bound, Entry, Function, Partial, Seq, Value, of
from dpmigrate.analysis.language.calls import call_value
from dpmigrate.analysis.language.functions import unknown_call
from dpmigrate.analysis.registry import CallInfo, function, method

MAX_CALLS = 8
"""How many elements of a list a mapped function is called with."""


@function(
    "torch.multiprocessing.spawn",
    "torch.multiprocessing.spawn.spawn",
    "torch.multiprocessing.start_processes",
)
def _spawn(ip: Interpreter, info: CallInfo) -> Value:
    rank = ip.unknown(info.node, "the process's rank")
    _call_with(ip, info, info.argument(0, "fn"), info.argument(1, "args"), before=[rank])
    return NONE


@function("threading.Thread", "multiprocessing.Process", "torch.multiprocessing.Process")
def _worker(ip: Interpreter, info: CallInfo) -> Value:
    _call_with(
        ip, info, info.argument(None, "target"), info.argument(None, "args"), info.argument(None, "kwargs")
    )
    return ip.unknown(info.node, "a worker")


@function("accelerate.notebook_launcher", "accelerate.launchers.notebook_launcher")
def _launch(ip: Interpreter, info: CallInfo) -> Value:
    _call_with(ip, info, info.argument(0, "function"), info.argument(1, "args"))
    return NONE


@function("joblib.delayed", "joblib.parallel.delayed")
def _delayed(ip: Interpreter, info: CallInfo) -> Value:
    return info.argument(0, "function")


@function("ray.remote")
def _made_remote(ip: Interpreter, info: CallInfo) -> Value:
    return info.argument(0, "function") or ip.unknown(info.node, "a decorator")


@method("function", "remote", "delay")
def _remote(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    """Ray's and Celery's way to have a function called elsewhere."""
    return call_value(ip, Value((e,)), info)


@method("unknown", "submit")
def _submit(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    if info.positional and _is_function(info.positional[0]):
        rest = CallInfo(info.node, info.positional[1:], info.keywords, info.unknown_positional)
        return _future(ip, info, call_value(ip, info.positional[0], rest))
    return unknown_call(ip, e.atom, info)


def _future(ip: Interpreter, info: CallInfo, result: Value) -> Value:
    made = ip.new("future", info.node)
    ip.store.set(made, "<result>", result)
    return of(made)


@method("future", "result", "get", "wait")
def _result(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    return ip.read(e.atom, "<result>") or ip.unknown(info.node, "a result")


@method("unknown", "apply_async")
def _apply(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    if _is_function(info.argument(0, "func")):
        arguments, keywords = info.argument(1, "args"), info.argument(2, "kwds")
        return _future(ip, info, _call_with(ip, info, info.argument(0, "func"), arguments, keywords))
    return unknown_call(ip, e.atom, info)


@method("unknown", "map", "imap", "imap_unordered", "map_async", "starmap", "starmap_async")
def _map(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    mapped = info.argument(0, "func")
    if not _is_function(mapped):
        return unknown_call(ip, e.atom, info)
    items = _items(info.argument(1, "iterable"))
    results = []
    for number, item in enumerate((items or ())[:MAX_CALLS]):
        with ip.inside(info.node, number):
            if info.name.startswith("starmap"):
                results.append(_call_with(ip, info, mapped, item))
            else:
                results.append(call_value(ip, mapped, CallInfo(info.node, [item])))
    if results and len(results) == len(items or ()):
        every = of(Seq(tuple(results)))
        return _future(ip, info, every) if info.name.endswith("async") else every
    # Data sets have a ``map``, too, whose function is not worth following for an element that is not known.
    if len(items or ()) > MAX_CALLS or (items is None and info.name != "map"):
        call_value(ip, mapped, CallInfo(info.node, unknown_positional=True))
    return unknown_call(ip, e.atom, info)


def _call_with(
    ip: Interpreter,
    info: CallInfo,
    callee: Value,
    arguments: Value,
    keywords: Value | None = None,
    before: list[Value] | None = None,
) -> Value:
    """What a function returns that is called with a tuple, and perhaps a dict, of arguments."""
    items = _items(arguments)
    named: dict[str, Value] = {}
    all_named = not keywords
    mapping = keywords.only if keywords else None
    if isinstance(mapping, Obj) and mapping.kind == "dict":
        all_named = not ip.store.get(mapping, "rest")
        for slot in ip.store.keys(mapping):
            if is_entry(slot) and isinstance(slot[1], str):
                named[slot[1]] = ip.read(mapping, slot) or Value()
    given = [*(before or ()), *(items or ())]
    unknown = items is None and bool(arguments)
    return call_value(ip, callee, CallInfo(info.node, given, named, unknown, not all_named))


def _items(value: Value) -> list[Value] | None:
    atom = value.only
    return list(atom.items) if isinstance(atom, Seq) and atom.items is not None else None


def _is_function(value: Value) -> bool:
    return bool(value) and all(isinstance(a, (Function, Bound, Partial)) for a in value.atoms)
