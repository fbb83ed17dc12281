"""Data sets that seed torch's default generator for each record, in the process that trains.

The noise of a step is drawn after the last record of its batch, from the generator that this record left.
Measured on Opacus 1.5.2, 1.5.4 and 1.6.0: 24 steps drew 10 different noises where ``__getitem__(i)`` calls
``torch.manual_seed(i)``, and one where it calls ``torch.manual_seed(0)``. With ``num_workers`` the seeds are
those of other processes, and do no harm.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import replace

import libcst as cst

from dpmigrate.analysis.core import Interpreter
from dpmigrate.analysis.domain.atoms import Atom, Const, Obj
from dpmigrate.analysis.domain.values import NOTHING, Class, Function, Value, const
from dpmigrate.analysis.guards import ALWAYS, Guard
from dpmigrate.analysis.language.calls import call_own, call_value
from dpmigrate.analysis.language.classes import find_member
from dpmigrate.analysis.ledger.events import SeededByRecords
from dpmigrate.analysis.library.records import dataset_of
from dpmigrate.analysis.library.seeds import SeedOfRecord, may_seed, runs_of_the_global, seeds_set_by
from dpmigrate.analysis.library.torch.data import wholes_of
from dpmigrate.analysis.notes import Slot
from dpmigrate.analysis.registry import CallInfo
from dpmigrate.analysis.training import TrainingRun

_TOLD: Slot[set[object]] = Slot(set)
"""The loaders whose records were asked for the seeds that they set."""


def tell_of_seeding_records(
    ip: Interpreter, run: TrainingRun, node: cst.CSTNode, guard: Guard, loop: cst.For | None
) -> None:
    """``loop`` goes over a private loader: its run is told of the seeds that the records set meanwhile."""
    told = _TOLD.of(ip)
    drawn = runs_of_the_global(ip).get(run)
    if drawn is None:
        return
    for loader in run.raw_loaders:
        if (run, loader, node) in told:
            continue
        told.add((run, loader, node))
        for here in _in_this_process(ip, loader):
            for seed, assumed, differs in _seeds_of(ip, loader, node):
                there = ip.at(node, guard | drawn | here | seed.at.guard | assumed)
                at = replace(
                    there, origin=seed.at.origin, conditional=there.conditional or seed.at.conditional
                )
                ip.happen(run, SeededByRecords(at, differs, ip.origin(loop) if loop is not None else None))


def _in_this_process(ip: Interpreter, loader: Atom) -> Iterator[Guard]:
    """The assumptions under which a loader fetches its records without processes of their own."""
    held = ip.read(loader, "num_workers")
    if not held:
        yield ALWAYS
        return
    for e in held.entries:
        if isinstance(e.atom, Const) and not e.atom.value:
            yield e.guard


def _seeds_of(ip: Interpreter, loader: Atom, node: cst.CSTNode) -> Iterator[tuple[SeedOfRecord, Guard, bool]]:
    """The seeds that a batch leaves, their assumptions, and whether they go by the record: two are asked."""
    first, second = (_seeds_of_record(ip, loader, node, number) for number in (0, 1))
    others = {seed.at.origin.node: seed for seed in second}
    for seed in first:
        other = others.get(seed.at.origin.node)
        if other is None:
            continue
        if seed.worked_out_of and other.worked_out_of:
            yield seed, ALWAYS, seed.worked_out_of != other.worked_out_of
            continue
        numbers = _numbers(other.value)
        for guard, number in _numbers(seed.value).items():
            if guard in numbers:
                yield seed, guard, number != numbers[guard]


def _numbers(seed: Value) -> dict[Guard, Hashable]:
    """What a seed is known to be, by the assumptions under which it is that."""
    return {e.guard: e.atom.value for e in seed.entries if isinstance(e.atom, Const)}


def _seeds_of_record(ip: Interpreter, loader: Atom, node: cst.CSTNode, number: int) -> list[SeedOfRecord]:
    dataset = dataset_of(ip, loader).only
    with seeds_set_by(ip) as seeds:
        for whole in wholes_of(ip, dataset) if dataset is not None else ():
            if _has_seeding_records(ip, whole):
                call_own(ip, whole, "__getitem__", CallInfo(node, [const(number)]))
        collate = ip.read(loader, "collate_fn")
        if collate and isinstance(collate.only, Function) and may_seed(ip, collate.only.node):
            call_value(ip, collate, CallInfo(node, [ip.unknown(node, "records")]))
    return seeds


def _has_seeding_records(ip: Interpreter, dataset: Atom) -> bool:
    if not isinstance(dataset, Obj) or not isinstance(dataset.data, Class) or dataset.kind != "instance":
        return False
    if find_member(ip, dataset.data, "__getitem__") is None:
        return False
    return any(may_seed(ip, code) for code in _code_of(ip, dataset, dataset.data))


def _code_of(ip: Interpreter, dataset: Obj, cls: Class) -> Iterator[cst.CSTNode]:
    """A data set's class, and the functions and objects that it holds: what transforms its records."""
    yield cls.node
    for slot in ip.store.keys(dataset):
        for atom in (ip.read(dataset, slot) or NOTHING).atoms:
            if isinstance(atom, Function):
                yield atom.node
            elif isinstance(atom, Obj) and isinstance(atom.data, Class):
                yield atom.data.node
