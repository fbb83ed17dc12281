"""What a finding can be about: the run itself, or one of the things that happen in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import libcst as cst

from dpmigrate.advisories.evidence import Versions
from dpmigrate.analysis.core import Interpreter
from dpmigrate.analysis.guards import ALWAYS, Guard
from dpmigrate.analysis.ledger import (
    Backward,
    CoefficientAsked,
    DoubleBackward,
    Event,
    ManagerUsed,
    Origin,
    Unpack,
)
from dpmigrate.analysis.modules import ModuleInfo
from dpmigrate.analysis.training import TrainingRun
from dpmigrate.analysis.tree import keyword_node
from dpmigrate.analysis.values import Obj, Value


@dataclass(slots=True)
class Subject:
    """One thing that an advisory may apply to."""

    run: TrainingRun
    versions: Versions
    ip: Interpreter
    origin: Origin
    """Where a finding about it stands."""
    event: Event | None = None
    value: Any = None
    guard: Guard = ALWAYS
    notes: dict[str, Any] = field(default_factory=dict)
    """Words for the message and places for the reasons, left by the facts."""

    @property
    def module(self) -> ModuleInfo:
        """The module that a finding about it stands in."""
        return self.origin.module


Maker = Callable[[TrainingRun, Versions, Interpreter], Iterator[Subject]]
SUBJECTS: dict[str, Maker] = {}


def subject(name: str) -> Callable[[Maker], Maker]:
    """Register how the subjects of a kind are found in a run."""

    def register(maker: Maker) -> Maker:
        SUBJECTS[name] = maker
        return maker

    return register


def _event_subjects(
    run: TrainingRun, versions: Versions, ip: Interpreter, kind: type[Event]
) -> Iterator[Subject]:
    for event in run.happened(kind):
        yield Subject(run, versions, ip, event.origin, event, guard=event.guard)


def _at_argument(run: TrainingRun, name: str) -> Origin:
    node = keyword_node(run.origin.node, name)
    return Origin(run.module, node, name) if node is not None else run.origin


@subject("run")
def _run(run: TrainingRun, versions: Versions, ip: Interpreter) -> Iterator[Subject]:
    yield Subject(run, versions, ip, run.origin)


@subject("memory-manager")
def _managers(run: TrainingRun, versions: Versions, ip: Interpreter) -> Iterator[Subject]:
    yield from _event_subjects(run, versions, ip, ManagerUsed)


@subject("backward")
def _backwards(run: TrainingRun, versions: Versions, ip: Interpreter) -> Iterator[Subject]:
    yield from _event_subjects(run, versions, ip, Backward)


@subject("unpack")
def _unpacks(run: TrainingRun, versions: Versions, ip: Interpreter) -> Iterator[Subject]:
    for found in _event_subjects(run, versions, ip, Unpack):
        if found.event is not None and found.module is run.module and _near(found, run):
            found.origin = Origin(run.module, run.origin.node, "unpacked here")
        yield found


def _near(found: Subject, run: TrainingRun) -> bool:
    """Whether the result is taken apart in the very statement of the call."""
    return abs(run.module.line(found.origin.node) - run.module.line(run.origin.node)) <= 1


@subject("double-backward")
def _double_backwards(run: TrainingRun, versions: Versions, ip: Interpreter) -> Iterator[Subject]:
    yield from _event_subjects(run, versions, ip, DoubleBackward)


@subject("two-pass")
def _two_passes(run: TrainingRun, versions: Versions, ip: Interpreter) -> Iterator[Subject]:
    """A loop written by hand: reported once, at its first pass where that is known."""
    asked = list(run.happened(CoefficientAsked))
    if not asked:
        return
    first = [e for e in run.happened(Backward) if e.loss == "other" and e.retained]
    for event in first or asked:
        yield Subject(run, versions, ip, event.origin, event, guard=event.guard)


@subject("criterion")
def _criterion(run: TrainingRun, versions: Versions, ip: Interpreter) -> Iterator[Subject]:
    value = run.argument("criterion")
    if value:
        yield Subject(run, versions, ip, _at_argument(run, "criterion"), value=value)


@subject("clipping-argument")
def _clipping(run: TrainingRun, versions: Versions, ip: Interpreter) -> Iterator[Subject]:
    if run.argument("clipping"):
        yield Subject(run, versions, ip, _at_argument(run, "clipping"), value=run.argument("clipping"))


def _generators(run: TrainingRun, versions: Versions, ip: Interpreter, value: Value) -> Iterator[Subject]:
    for e in value.entries:
        if isinstance(e.atom, Obj) and e.atom.kind == "generator" and e.atom.module is not None:
            node = e.atom.node
            assert isinstance(node, cst.CSTNode)
            origin = Origin(e.atom.module, node, "torch.Generator()")
            beyond = frozenset(lit for lit in e.guard if lit not in run.guard)
            yield Subject(run, versions, ip, origin, value=e.atom, guard=beyond)


@subject("noise-generator")
def _noise_generators(run: TrainingRun, versions: Versions, ip: Interpreter) -> Iterator[Subject]:
    yield from _generators(run, versions, ip, run.argument("noise_generator"))


@subject("loader-generator")
def _loader_generators(run: TrainingRun, versions: Versions, ip: Interpreter) -> Iterator[Subject]:
    for loader in run.raw_loaders:
        yield from _generators(run, versions, ip, ip.store.get(loader, "generator") or Value())
