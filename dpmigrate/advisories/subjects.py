"""What a finding can be about: the run itself, or one of the things that happen in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from dpmigrate.advisories.evidence import Versions
from dpmigrate.analysis.ledger import (
    ALWAYS,
    NOT_GIVEN,
    Backward,
    CoefficientAsked,
    Event,
    Generator,
    Given,
    Guard,
    HooksSwitched,
    Origin,
    PrivateRun,
    Thing,
    Unpack,
)
from dpmigrate.analysis.source.modules import ModuleInfo
from dpmigrate.analysis.source.tree import keyword_node
from dpmigrate.model import Tri


@dataclass(slots=True)
class Subject:
    """One thing that an advisory may apply to."""

    run: PrivateRun
    versions: Versions
    origin: Origin
    """Where a finding about it stands."""
    event: Event | None = None
    given: Given = NOT_GIVEN
    """The argument that it is about."""
    thing: Thing | None = None
    """The object that it is about."""
    guard: Guard = ALWAYS
    notes: dict[str, str] = field(default_factory=dict)
    """Words for the message, left by the facts."""
    doubts: list[str] = field(default_factory=list)
    """Why facts about it are not certain."""
    shown: list[Origin] = field(default_factory=list)
    """Where else the facts point, with a word on what is there."""

    def unsure(self, why: str) -> Tri:
        """The answer of a fact that is not certain, which says why."""
        if why not in self.doubts:
            self.doubts.append(why)
        return None

    @property
    def module(self) -> ModuleInfo:
        """The module that a finding about it stands in."""
        return self.origin.module


SubjectMaker = Callable[[PrivateRun, Versions], Iterator[Subject]]
SUBJECTS: dict[str, SubjectMaker] = {}


def subject(name: str) -> Callable[[SubjectMaker], SubjectMaker]:
    """Register how the subjects of a kind are found in a run."""

    def register(maker: SubjectMaker) -> SubjectMaker:
        SUBJECTS[name] = maker
        return maker

    return register


def of_kind(kind: type[Event], run: PrivateRun, versions: Versions) -> Iterator[Subject]:
    """The events of a kind."""
    for event in run.happened(kind):
        yield Subject(run, versions, event.origin, event, guard=event.guard)


def _argument(run: PrivateRun, versions: Versions, name: str) -> Iterator[Subject]:
    if given := run.argument(name):
        node = keyword_node(run.origin.node, name)
        origin = Origin(run.module, node, name) if node is not None else run.origin
        yield Subject(run, versions, origin, given=given)


@subject("run")
def _run(run: PrivateRun, versions: Versions) -> Iterator[Subject]:
    yield Subject(run, versions, run.origin)


@subject("engine")
def _engine(run: PrivateRun, versions: Versions) -> Iterator[Subject]:
    """The engine, where it is made."""
    made = run.engine.made if run.engine is not None else None
    if made is not None:
        yield Subject(run, versions, made.origin, thing=run.engine)


@subject("unpack")
def _unpacks(run: PrivateRun, versions: Versions) -> Iterator[Subject]:
    for unpacking in of_kind(Unpack, run, versions):
        if unpacking.event is not None and unpacking.module is run.module and _near(unpacking, run):
            unpacking.origin = Origin(run.module, run.origin.node, "unpacked here")
        yield unpacking


def _near(unpacking: Subject, run: PrivateRun) -> bool:
    """Whether the result is taken apart in the very statement of the call."""
    return abs(run.module.line(unpacking.origin.node) - run.module.line(run.origin.node)) <= 1


@subject("two-pass")
def _two_passes(run: PrivateRun, versions: Versions) -> Iterator[Subject]:
    """A loop written by hand: reported once, at its first pass where that is known."""
    asked = list(run.happened(CoefficientAsked))
    if not asked or (_wraps_its_losses(run) and not any(run.happened(HooksSwitched))):
        return
    first = [e for e in run.happened(Backward) if e.loss == "other" and e.retained]
    for event in first or asked:
        yield Subject(run, versions, event.origin, event, guard=event.guard)


def _wraps_its_losses(run: PrivateRun) -> bool:
    """Whether the losses are made by the criterion of 1.5.3: a coefficient is then asked for to be shown."""
    return any(e.loss == "returned-criterion" for e in run.happened(Backward))


@subject("criterion")
def _criterion(run: PrivateRun, versions: Versions) -> Iterator[Subject]:
    yield from _argument(run, versions, "criterion")


@subject("clipping-argument")
def _clipping(run: PrivateRun, versions: Versions) -> Iterator[Subject]:
    yield from _argument(run, versions, "clipping")


def _generators(run: PrivateRun, versions: Versions, given: Given) -> Iterator[Subject]:
    for option in given.options:
        if isinstance(option.what, Generator) and option.what.made is not None:
            origin = option.what.made.origin._replace(text="torch.Generator()")
            yield Subject(run, versions, origin, thing=option.what, guard=option.guard - run.guard)


@subject("noise-generator")
def _noise_generators(run: PrivateRun, versions: Versions) -> Iterator[Subject]:
    yield from _generators(run, versions, run.draws_from)


@subject("loader-generator")
def _loader_generators(run: PrivateRun, versions: Versions) -> Iterator[Subject]:
    for loader in run.loaders:
        yield from _generators(run, versions, loader.generator)
