"""``asyncio``: what is awaited, or run to its end, is what the coroutine returns."""

from __future__ import annotations

from dpmigrate.analysis.core import Interpreter
from dpmigrate.analysis.domain.values import Entry, Seq, Value, of
from dpmigrate.analysis.language.calls import call_value
from dpmigrate.analysis.registry import CallInfo, function, method


@function("asyncio.run", "asyncio.create_task", "asyncio.ensure_future", "asyncio.wait_for", "asyncio.shield")
def _run(ip: Interpreter, info: CallInfo) -> Value:
    return info.argument(0, "coro") or info.argument(0, "fut") or ip.unknown(info.node, "a result")


@method("unknown", "run_until_complete", "create_task")
def _run_by_a_loop(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    return _run(ip, info)


@function("asyncio.gather")
def _gather(ip: Interpreter, info: CallInfo) -> Value:
    """All results, in the order of the coroutines."""
    if info.unknown_positional:
        return ip.unknown(info.node, "results")
    return of(Seq(tuple(info.positional), None, True))


@function("asyncio.to_thread", "anyio.run", "trio.run")
def _call(ip: Interpreter, info: CallInfo) -> Value:
    rest = CallInfo(info.node, info.positional[1:], info.keywords, info.unknown_positional)
    return call_value(ip, info.argument(0, "func"), rest)


@method("unknown", "run_in_executor")
def _call_by_a_loop(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    rest = CallInfo(info.node, info.positional[2:], {}, info.unknown_positional)
    return call_value(ip, info.argument(1, "func"), rest)
