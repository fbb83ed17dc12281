"""Statements about exceptions: what may have been done by the time that a handler begins."""

from __future__ import annotations

from collections.abc import Sequence

import libcst as cst

from dpmigrate.analysis.assignment import assign_target
from dpmigrate.analysis.core import Attempt, Interpreter, statement
from dpmigrate.analysis.guards import ALWAYS, Guard, Literal, shorten
from dpmigrate.analysis.store import Delta


@statement(cst.Raise)
def _raise(ip: Interpreter, node: cst.Raise) -> bool:
    if node.exc is not None:
        ip.evaluate(node.exc)
    if ip.attempts:
        attempt = ip.attempts[-1]
        attempt.states.append((ip.store.snapshot(attempt.depth), ALWAYS))
    return False


def _tried(ip: Interpreter, body: Sequence[cst.CSTNode], attempt: Attempt) -> bool:
    """Execute the body of a try; anything may raise after each of its statements."""
    for part in body:
        alive = ip.execute(part)
        attempt.states.append((ip.store.snapshot(attempt.depth), ALWAYS))
        if not alive:
            return False
    return True


@statement(cst.Try, cst.TryStar)
def _try(ip: Interpreter, node: cst.Try | cst.TryStar) -> bool:
    saved, known = ip.path, set(ip.runs)
    raised = Literal(("raised", id(node), ip.context), ("truth",), True)
    ip.store.push()
    attempt = Attempt(ip.store.depth - 1)
    ip.attempts.append(attempt)
    try:
        alive = _tried(ip, node.body.body, attempt)
    finally:
        ip.attempts.pop()
    try:
        if alive and node.orelse is not None:
            alive = ip.execute(node.orelse.body)
    finally:
        after_body = ip.path
        body = ip.store.pop()
        ip.path = saved
    survivors: list[tuple[Delta, Guard]] = []
    if alive:
        survivors.append((body, frozenset({raised._replace(holds=False)})))
    in_body = [run for key, run in ip.runs.items() if key not in known]
    for handler in node.handlers:
        ip.store.push()
        try:
            ip.store.join([({}, ALWAYS), *attempt.states])
            if handler.name is not None:
                assign_target(ip, handler.name.name, ip.unknown(handler, "an exception"))
            ip.conditional += 1
            alive_here = ip.execute(handler.body)
        finally:
            ip.conditional -= 1
            delta = ip.store.pop()
            ip.path = saved
        if alive_here:
            survivors.append((delta, frozenset({raised})))
    in_handlers = [run for key, run in ip.runs.items() if key not in known and run not in in_body]
    if in_body or in_handlers:
        # Which of them there is, is known by what raised: what follows belongs to one or the other.
        for runs, holds in ((in_body, False), (in_handlers, True)):
            for run in runs:
                run.guard = shorten(run.guard | {raised._replace(holds=holds)})
    else:
        survivors = [(delta, ALWAYS) for delta, _ in survivors]
    if survivors:
        ip.store.join(survivors)
        if len(survivors) == 1 and alive:
            ip.path = after_body
    if node.finalbody is not None and not ip.execute(node.finalbody.body):
        return False
    return bool(survivors)
