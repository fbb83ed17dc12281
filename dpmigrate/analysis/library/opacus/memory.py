"""Batch memory managers: which run's optimizer or loader they are given."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import replace

import libcst as cst

from dpmigrate.analysis import registry
from dpmigrate.analysis.batches import taken
from dpmigrate.analysis.core import Interpreter
from dpmigrate.analysis.describing import amount_of
from dpmigrate.analysis.domain.atoms import Obj
from dpmigrate.analysis.domain.values import NONE, NOTHING, Entry, Value, join_all, of
from dpmigrate.analysis.guards import ALWAYS, DOUBT, Guard
from dpmigrate.analysis.language import narrowing
from dpmigrate.analysis.language.assignment import iterate
from dpmigrate.analysis.ledger import Manager, ManagerUsed
from dpmigrate.analysis.ledger.sampling import BatchSkipped
from dpmigrate.analysis.library.opacus.empty_batches import (
    Skip,
    left_out_of,
    skips_of_empty_batches,
)
from dpmigrate.analysis.library.torch.names import real
from dpmigrate.analysis.library.torch.record_seeds import tell_of_seeding_records
from dpmigrate.analysis.registry import CallInfo, function, method
from dpmigrate.analysis.source.tree import assigned_in, contains, every, names_in
from dpmigrate.analysis.training import entries_of_kind


@function("opacus.BatchMemoryManager")
def _memory_manager(ip: Interpreter, info: CallInfo) -> Value:
    made = ip.new("memory-manager", info.node)
    manage(ip, info, "BatchMemoryManager", info.argument(None, "max_physical_batch_size"))
    ip.store.set(made, "<loader>", info.argument(0, "data_loader"))
    return of(made)


@method("memory-manager", "__init__")
def _init_manager(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    manage(ip, info, "BatchMemoryManager", info.argument(None, "max_physical_batch_size"))
    ip.store.set(real(e.atom), "<loader>", info.argument(0, "data_loader"))
    return NONE


def _enter_manager(ip: Interpreter, e: Entry, node: cst.CSTNode) -> Value:
    loader = ip.read(real(e.atom), "<loader>") or NOTHING
    return of(Obj("managed-loader", (real(e.atom), "loader"), ip.module, node, loader))


registry.ENTERING["memory-manager"] = _enter_manager


@method("memory-manager", "__enter__")
def _enter_by_hand(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    return _enter_manager(ip, e, info.node)


@method("memory-manager", "__exit__")
def _leave_by_hand(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    return NONE


@function("opacus.wrap_data_loader")
def _wrap_loader(ip: Interpreter, info: CallInfo) -> Value:
    manage(ip, info, "wrap_data_loader", info.argument(None, "max_batch_size"))
    return of(
        Obj(
            "managed-loader",
            (id(info.node), ip.context),
            ip.module,
            info.node,
            info.argument(0, "data_loader"),
        )
    )


def manage(ip: Interpreter, info: CallInfo, manager: Manager, maximum: Value) -> None:
    optimizer = info.argument(None, "optimizer")
    told: set[int] = set()
    for entry, obj in entries_of_kind(optimizer, "dp-optimizer"):
        ip.happen(obj.data, ManagerUsed(ip.at(info.node, entry.guard), manager, amount_of(maximum)))
        told.add(id(obj.data))
    if told:
        return
    for entry, obj in entries_of_kind(info.argument(0, "data_loader"), "dp-loader"):
        ip.happen(obj.data, ManagerUsed(ip.at(info.node, entry.guard), manager, amount_of(maximum)))


def _iterate_managed(ip: Interpreter, e: Entry, node: cst.CSTNode) -> Value:
    assert isinstance(e.atom, Obj)
    parts: list[Value] = []
    for entry in (e.atom.data or NOTHING).entries:
        guard = entry.guard | e.guard
        if isinstance(entry.atom, Obj) and entry.atom.kind == "dp-loader":
            run = entry.atom.data
            parts.append(
                ip.unknown(node, "a batch", frozenset({taken(ip, entry.atom, node)})).guarded(entry.guard)
            )
            tell_of_seeding_records(ip, run, node, guard, loop_over(ip, node))
            for skip in skips_of_empty_batches(loop_over(ip, node), ip.module.tree):
                tested = guard_of_tests(ip, skip)
                if tested is not None:
                    there = replace(ip.at(node, guard | tested), origin=ip.origin(skip.node))
                    last = _ends_all(ip, node, skip)
                    ip.happen(run, BatchSkipped(there, skip.how, skip.empty, last, skip.stepped))
        else:
            parts.append(iterate(ip, Value((entry,)), node).guarded(entry.guard))
    return join_all(parts) or ip.unknown(node, "a batch")


@function("<some left out>")
def _some_left_out(ip: Interpreter, info: CallInfo) -> Value:
    """Something hands on some batches of a managed loader: the others get no step."""
    managed = list(entries_of_kind(info.positional[0], "managed-loader"))
    skip = left_out_of(info.node, info.name, ip.module.tree) if managed else None
    if skip is None:
        return NOTHING
    last = skip.how == "break" and _ends_all(ip, info.node, skip)
    for e, loader in managed:
        for each, returned in entries_of_kind(loader.data or NOTHING, "dp-loader"):
            there = replace(ip.at(info.node, each.guard | e.guard), origin=ip.origin(skip.node))
            ip.happen(returned.data, BatchSkipped(there, skip.how, skip.empty, last))
    return NOTHING


def guard_of_tests(ip: Interpreter, skip: Skip) -> Guard | None:
    """What the tests around a skip assume; None where they cannot hold."""
    assumed = ALWAYS
    for test, holds in skip.tests:
        if any(isinstance(part, cst.Call) for part in every(test)):
            assumed |= {DOUBT}
            continue
        outcome = narrowing.narrow(ip, test)
        branch, other = (outcome.true, outcome.false) if holds else (outcome.false, outcome.true)
        if not branch.possible:
            return None
        told = not other.possible or (outcome.telling and branch.guard and DOUBT not in branch.guard)
        assumed |= branch.guard if told else branch.guard | {DOUBT}
    return assumed


def _ends_all(ip: Interpreter, iterated: cst.CSTNode, skip: Skip) -> bool:
    """Whether the loop around the one over a managed loader is left as well, or there is none.

    One that is left for a reason of its own (``if epoch == 9: break``) goes on where the inner one was left.
    """
    if not ip.loops or _ends_by_its_test(ip.loops[-1].loop.node, skip.node):
        return True
    body = getattr(ip.loops[-1].loop.node, "body", cst.IndentedBlock([])).body
    inner = [statement for statement in body if contains(statement, iterated)]
    tested = names_in(skip.node.test) if isinstance(skip.node, cst.If) else set()
    told = tested.union(*(name.split(".") for statement in inner for name in assigned_in(statement)))
    return any(_leaves(statement, told) for statement in body if not any(statement is one for one in inner))


def _ends_by_its_test(around: cst.CSTNode, left_by: cst.CSTNode) -> bool:
    """Whether the loop around asks what the inner one was left for, ``while not done``."""
    if not isinstance(around, cst.While) or not isinstance(left_by, cst.If):
        return False
    asked, told = around.test, left_by.test
    if not names_in(asked).isdisjoint(assigned_in(left_by)):
        return True
    if not (isinstance(asked, cst.Comparison) and isinstance(told, cst.Comparison)):
        return False
    ends = [(each.left, *(part.comparator for part in each.comparisons)) for each in (asked, told)]
    return len(ends[0]) == len(ends[1]) and all(a.deep_equals(b) for a, b in zip(*ends, strict=True))


def _leaves(statement: cst.CSTNode, told: Set[str]) -> bool:
    """Whether a statement leaves the loop, always or by a test of what the loop inside has to do with."""
    if isinstance(statement, cst.If):
        by_itself = not told & names_in(statement.test) and not any(
            isinstance(part, (cst.Call, cst.Attribute)) for part in every(statement.test)
        )
        if by_itself:
            return False
    return any(isinstance(part, (cst.Break, cst.Return)) for part in every(statement))


def loop_over(ip: Interpreter, node: cst.CSTNode) -> cst.For | None:
    """The loop that goes over a node, which stands after its ``in``."""
    root = ip.frame.code
    loop, inside = None, node
    for above in ip.module.nesting.above(node) if node in ip.module.nesting else ():
        if isinstance(above, cst.For) and above.iter is inside:
            loop = above
        if above is root:
            return loop
        inside = above
    return None


registry.ITERATION["managed-loader"] = _iterate_managed
