"""Statements about exceptions: what may have been done by the time that a handler begins."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import libcst as cst
from libcst.helpers import get_full_name_for_node

from dpmigrate.analysis.core import Interpreter, statement
from dpmigrate.analysis.domain.atoms import Const
from dpmigrate.analysis.domain.store import Delta
from dpmigrate.analysis.frames import Attempt
from dpmigrate.analysis.guards import ALWAYS, Guard, Literal, shorten
from dpmigrate.analysis.language import narrowing, retried
from dpmigrate.analysis.language.assignment import assign_target
from dpmigrate.analysis.language.outcomes import Branch
from dpmigrate.analysis.ledger import Origin
from dpmigrate.analysis.ledger.accounting import MadeInstead
from dpmigrate.analysis.notes import Slot
from dpmigrate.analysis.source.once import read_once
from dpmigrate.analysis.source.tree import catches, every
from dpmigrate.analysis.training import Fallback, TrainingRun

OPACUS_MISSING: Slot[dict[Literal, Origin]] = Slot(dict)
"""By the assumption that importing Opacus raises: where that is handled."""
"""The note of a handler that goes on without Opacus, by the literal of its exception."""


@statement(cst.Raise)
def _raise(ip: Interpreter, node: cst.Raise) -> bool:
    if node.exc is not None:
        ip.evaluate(node.exc)
        if get_full_name_for_node(node.exc) == "SystemExit":
            ip.store.leave()
    raised(ip)
    return False


def raised(ip: Interpreter) -> None:
    """Something is raised here: a handler around may begin with what was done by now."""
    if ip.attempts:
        attempt = ip.attempts[-1]
        attempt.states.append((ip.store.snapshot(attempt.depth), ALWAYS))


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
    ways_out = WaysOut(ip)
    unpacking = _unpacking(node)
    alive = unpacking.execute(ip) if unpacking else _try_and_handle(ip, node)
    if node.finalbody is None:
        return alive
    body = node.finalbody.body
    ways_out.go_through(lambda: ip.execute(body))
    return ip.execute(body) and alive


class WaysOut:
    """The states with which ``break``, ``continue`` and ``return`` leave what is executed from here on."""

    def __init__(self, ip: Interpreter) -> None:
        self.ip = ip
        loops = ip.frame.loops[-1:]
        self.lists = [
            (ip.frame.exits, ip.frame.depth, len(ip.frame.exits)),
            *((loop.breaks, loop.depth, len(loop.breaks)) for loop in loops),
            *((loop.continues, loop.depth, len(loop.continues)) for loop in loops),
        ]

    def go_through(self, action: Callable[[], bool]) -> None:
        """Do something on every way out; one that does not get through it is none."""
        store, path = self.ip.store, self.ip.path
        for states, depth, before in self.lists:
            leaving = states[before:]
            del states[before:]
            for delta, guard in leaving:
                try:
                    with store.standing_on(depth, delta):
                        if action():
                            states.append((store.snapshot(depth), guard))
                finally:
                    self.ip.path = path


@dataclass(frozen=True, slots=True)
class _Unpacking:
    """A try that does nothing but unpack a variable: a test of how many objects it holds."""

    node: cst.Try | cst.TryStar
    value: cst.BaseExpression
    count: int

    def execute(self, ip: Interpreter) -> bool:
        """Unpack where the number fits, and go to the handler where it does not."""
        outcome = narrowing.narrow_length(ip, self.value, ("len", self.count), self.count.__eq__)
        bodies = [self.node.body, *(h.body for h in self.node.handlers if catches(h, "ValueError"))][:2]
        branches: list[tuple[Guard, Callable[[], bool]]] = []
        for branch, body in zip((outcome.true, outcome.false), bodies, strict=False):
            if branch.possible:
                branches.append((branch.guard, partial(_entered, ip, branch, body)))
        return ip.alternatives(branches)


def _unpacking(node: cst.Try | cst.TryStar) -> _Unpacking | None:
    body: cst.BaseSuite | cst.BaseStatement = node.body
    if isinstance(body, cst.IndentedBlock) and len(body.body) == 1:
        body = body.body[0]
    if not isinstance(body, (cst.SimpleStatementLine, cst.SimpleStatementSuite)) or len(body.body) > 1:
        return None
    assign = body.body[0]
    if node.orelse is not None or not isinstance(assign, cst.Assign):
        return None
    target = assign.targets[0].target
    if len(assign.targets) > 1 or not isinstance(target, (cst.Tuple, cst.List)):
        return None
    if any(isinstance(element, cst.StarredElement) for element in target.elements):
        return None
    if not isinstance(assign.value, (cst.Name, cst.Attribute)):
        return None
    return _Unpacking(node, assign.value, len(target.elements))


def _entered(ip: Interpreter, branch: Branch, body: cst.BaseSuite) -> bool:
    return narrowing.enter(ip, branch) and ip.execute(body)


class _Making:
    """Which runs are made from here on, for the first time or, in another turn of a loop, again."""

    def __init__(self, ip: Interpreter) -> None:
        self.ip = ip
        self.known = set(ip.runs)
        self.remade = len(ip.remade)

    def now(self) -> list[TrainingRun]:
        """Those so far."""
        again = set(map(id, self.ip.remade[self.remade :]))
        return [run for key, run in self.ip.runs.items() if key not in self.known or id(run) in again]


def suppressed(ip: Interpreter, node: cst.With) -> bool:
    """Execute ``with suppress(Exception): ...``: a try whose handler does nothing."""
    call = node.items[0].item
    assert isinstance(call, cst.Call)
    return _try_and_handle(ip, read_once(ip, _as_try, node), call)


def _as_try(node: cst.With) -> cst.Try:
    """The ``try`` that a ``with suppress(...)`` stands for."""
    call = node.items[0].item
    assert isinstance(call, cst.Call)
    kinds = [cst.Element(arg.value) for arg in call.args]
    nothing = cst.ExceptHandler(cst.SimpleStatementSuite([cst.Pass()]), cst.Tuple(kinds))
    return cst.Try(node.body, [nothing])


def _try_and_handle(
    ip: Interpreter, node: cst.Try | cst.TryStar, handled_at: cst.CSTNode | None = None
) -> bool:
    """Execute a try and its handlers (reported at ``handled_at``, if given); says whether control goes on."""
    saved, made_by = ip.path, _Making(ip)
    without = _goes_on_without_opacus(node)
    raised = Literal(("raised", id(node), ip.context), ("truth",), True)
    not_raised = raised._replace(holds=False)
    handler_returns = any(map(_returns, node.handlers))
    attempt = Attempt(ip.store.depth)
    if without:  # what it returns, it returns where nothing was raised
        ip.path = shorten(saved | {not_raised})
    returned_before = len(ip.frame.returns), len(ip.frame.exits)
    left_by_body, after_body, alive = _attempted(ip, node, attempt, saved)
    survivors = [(left_by_body, frozenset({not_raised}))] if alive else []
    in_body = made_by.now()
    if handler_returns:
        _assume_of_returned(ip, returned_before, not_raised)
    for handler in node.handlers:
        known = raised if in_body or without or _returns(handler) else None
        delta = _handled(ip, node, handler, attempt, in_body, known)
        there = ip.origin(handled_at or handler)
        if without:
            OPACUS_MISSING.of(ip)[raised] = there
        if in_body:
            of_imports = catches(handler, "ImportError") and not catches(handler, "ValueError")
            ip.fallbacks[raised] = Fallback(there, tuple(in_body), delta is not None, of_imports)
        if delta is not None:
            survivors.append((delta, frozenset({raised})))
    in_handlers = [run for run in made_by.now() if run not in in_body]
    # Which of the runs there is, is known by what raised: what follows belongs to one or the other.
    for run in in_body:
        run.assume(not_raised)
    for run in in_handlers:
        run.assume(raised)
    if not (in_body or in_handlers or without):
        survivors = [(delta, ALWAYS) for delta, _ in survivors]
    if survivors:
        ip.store.join(survivors)
        if len(survivors) == 1 and alive:
            # What a handler has returned is not what is returned further on.
            ip.path = shorten(after_body | {not_raised}) if handler_returns else after_body
        elif not alive and in_body:
            # What was tried has returned: what comes after it is done only where it raised.
            ip.path = shorten(ip.path | {raised})
    return bool(survivors)


def _attempted(
    ip: Interpreter, node: cst.Try | cst.TryStar, attempt: Attempt, path: Guard
) -> tuple[Delta, Guard, bool]:
    """Execute the body of a try, and its ``else``: what they leave, under which path, and whether it goes on.

    The path is ``path`` again from there.
    """
    ip.store.push()
    try:
        ip.attempts.append(attempt)
        try:
            alive = _tried(ip, node.body.body, attempt)
        finally:
            ip.attempts.pop()
        if alive and node.orelse is not None:
            alive = ip.execute(node.orelse.body)
    finally:
        after_body = ip.path
        left = ip.store.pop()
        ip.path = path
    return left, after_body, alive


def _handled(
    ip: Interpreter,
    node: cst.Try | cst.TryStar,
    handler: cst.ExceptHandler | cst.ExceptStarHandler,
    attempt: Attempt,
    in_body: list[TrainingRun],
    known: Literal | None,
) -> Delta | None:
    """Execute a handler, and tell its runs in whose place they are made; what it leaves, if it goes on.

    ``in_body``: the runs that were tried to be made; ``known``: what is assumed in the handler.
    """
    saved, made_by = ip.path, _Making(ip)
    if known is not None:
        ip.path = shorten(saved | {known})
    delta = _handle(ip, handler, attempt)
    ip.path = saved
    wide = catches(handler, "Exception")
    if wide:
        _made_instead(ip, handler, in_body, made_by.now())
    retried.tell_of_another_try(ip, node, handler, in_body, wide)
    return delta


def _goes_on_without_opacus(node: cst.Try | cst.TryStar) -> bool:
    """Whether a try does nothing but import Opacus, and what is left without it is told by what it binds."""
    lines = [
        part for line in node.body.body if isinstance(line, cst.SimpleStatementLine) for part in line.body
    ]
    imported = (
        get_full_name_for_node(name) or ""
        for part in lines
        for name in (
            [alias.name for alias in part.names]
            if isinstance(part, cst.Import)
            else [part.module]
            if isinstance(part, cst.ImportFrom) and part.module is not None
            else []
        )
    )
    by_call = (_imported_by_call(part) for part in lines)
    return any(name.partition(".")[0] == "opacus" for name in (*imported, *by_call)) and any(
        catches(handler, name) for handler in node.handlers for name in ("ImportError", "ModuleNotFoundError")
    )


def _imported_by_call(line: cst.BaseSmallStatement) -> str:
    """What ``opacus = importlib.import_module("opacus")`` imports; empty for anything else."""
    call = line.value if isinstance(line, (cst.Assign, cst.Expr)) else None
    if (
        not isinstance(call, cst.Call)
        or not call.args
        or not isinstance(call.args[0].value, cst.SimpleString)
    ):
        return ""
    called = (get_full_name_for_node(call.func) or "").rpartition(".")[2]
    name = call.args[0].value.evaluated_value
    return name if called in ("import_module", "__import__") and isinstance(name, str) else ""


def _assume_of_returned(ip: Interpreter, before: tuple[int, int], literal: Literal) -> None:
    """What a body has returned, it returns where nothing was raised: a handler returns something else."""
    returns, exits = ip.frame.returns, ip.frame.exits
    assumed = frozenset({literal})
    returns[before[0] :] = [value.guarded(assumed) for value in returns[before[0] :]]
    exits[before[1] :] = [(delta, guard | assumed) for delta, guard in exits[before[1] :]]


def _returns(handler: cst.ExceptHandler | cst.ExceptStarHandler) -> bool:
    """Whether a handler ends in a ``return``."""
    last: cst.CSTNode = handler.body.body[-1]
    if isinstance(last, cst.SimpleStatementLine):
        last = last.body[-1]
    return isinstance(last, cst.Return)


def _made_instead(
    ip: Interpreter, handler: cst.CSTNode, failed: list[TrainingRun], made: list[TrainingRun]
) -> None:
    """Tell runs that a wide handler makes of the runs in whose place it makes them.

    A handler that fixes the model takes the failure for the validator's, which comes before any hook.
    """
    fixes = any(isinstance(n, cst.Attribute) and n.attr.value == "fix" for n in every(handler))
    for run in made:
        again = not fixes and any(run.raw_models & other.raw_models for other in failed)
        weaker = any(_is_weaker(run, other) for other in failed)
        there = replace(ip.at(run.origin.node), origin=run.origin)
        if failed:
            ip.happen(run, MadeInstead(there, again, weaker))


def _is_weaker(run: TrainingRun, other: TrainingRun) -> bool:
    """Whether a run promises less than another: no target where that has one, or a larger one."""
    if other.call != "make_private_with_epsilon":
        return False
    if run.call == "make_private":
        return True
    larger, asked = (r.argument("target_epsilon").only for r in (run, other))
    return isinstance(larger, Const) and isinstance(asked, Const) and larger.value > asked.value


def _handle(
    ip: Interpreter, handler: cst.ExceptHandler | cst.ExceptStarHandler, attempt: Attempt
) -> Delta | None:
    """Execute a handler on whatever the attempt had done when it raised; what it leaves, if it goes on."""
    ip.store.push()
    ip.conditional += 1
    try:
        ip.store.join([({}, ALWAYS), *attempt.states])
        if handler.name is not None:
            assign_target(ip, handler.name.name, ip.unknown(handler, "an exception"))
        alive = ip.execute(handler.body)
    finally:
        ip.conditional -= 1
        delta = ip.store.pop()
    return delta if alive else None
