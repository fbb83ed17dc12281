"""Which Opacus versions a run can meet: what the project declares, and what the code's own API proves."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass

from dpmigrate.advisories.imported import releases_imported
from dpmigrate.analysis.ledger import CoefficientAsked, Constant, DoubleBackward, PrivateRun, Unpack, Wrapped
from dpmigrate.analysis.source.tree import keyword_node
from dpmigrate.model import Place
from dpmigrate.versions.project import Declarations
from dpmigrate.versions.releases import (
    BEFORE_WRAPPED_CRITERION,
    DOUBLE_BACKWARD,
    GHOST_CAPABLE,
    UNKNOWN_GIT,
    WRAPPED_CRITERION,
    VersionSet,
    between,
    everything,
    universe,
)

NON_WRAPPING = between("1.6.0") | UNKNOWN_GIT
"""Evidence of ``wrap_model=False``, which no commit with the memory manager fault has."""


@dataclass(frozen=True, slots=True)
class Proof:
    """A piece of API in the code, and the versions that have it."""

    versions: VersionSet
    place: Place

    @classmethod
    def of(cls, versions: VersionSet, place: Place) -> Proof:
        """A proof whose text says what it proves: ``four results (Opacus 1.5.3 and later)``."""
        releases = (versions & everything()).words()
        return cls(versions, place._replace(text=f"{place.text} (Opacus {releases})"))


@dataclass(frozen=True, slots=True)
class Versions:
    """What the project declares, and what the code itself proves, kept apart."""

    declared: VersionSet
    evidence: VersionSet
    sources: tuple[Place, ...] = ()
    proofs: tuple[Proof, ...] = ()
    csprng: bool = False
    """Whether a dependency file names torchcsprng."""
    target: VersionSet | None = None
    """The release that the code is to be ready for: it counts where ``declared`` alone does."""

    @property
    def together(self) -> VersionSet:
        """What both admit; empty where code and pins disagree."""
        return self.declared & self.evidence

    @property
    def disagree(self) -> bool:
        """Whether the pins admit no version on which the code can run."""
        return bool(self.declared) and not self.together

    @property
    def key(self) -> Hashable:
        """What tells two apart that lead to other findings, the git refs that they name included."""
        return self, self.declared.refs, self.evidence.refs

    @property
    def known(self) -> bool:
        """Whether anything narrows the versions at all."""
        return self.together != everything()


Assumed = Callable[[str], "VersionSet | None"]
"""The releases that the options say to assume for a file, by its path as reports show it, whatever the
project's pins say; None: by those."""


def proofs(run: PrivateRun) -> Iterator[Proof]:
    """The API that the run's code uses, as far as it tells versions apart."""
    call = run.origin.node
    module = run.module

    def at_argument(name: str, versions: VersionSet, text: str) -> Proof:
        return Proof.of(versions, module.place(keyword_node(call, name) or call, text))

    if run.ghost and run.shown_mode != "?":
        yield Proof.of(GHOST_CAPABLE, module.place(call, f"{run.mode} mode"))
    if not run.manual:
        if run.argument("criterion").surely:
            yield at_argument("criterion", WRAPPED_CRITERION, "criterion=")
        for name in ("wrap_model", "rand_on_empty"):
            if run.argument(name).surely:
                yield at_argument(name, NON_WRAPPING, f"{name}=")
        if run.mode in ("ghost_fsdp", "ghost_fsdp_tp"):
            yield Proof.of(NON_WRAPPING, module.place(call, run.mode))
        if run.ghost and run.argument("clipping").only == Constant("ghost"):
            yield at_argument("clipping", BEFORE_WRAPPED_CRITERION, 'clipping="ghost"')
    elif run.argument("wrap_model").surely:
        yield at_argument("wrap_model", NON_WRAPPING, "wrap_model=")
    for name, node, versions in releases_imported(module):
        yield Proof.of(versions, module.place(node, f"import of {name}"))
    for event in run.events:
        place = event.origin.module.place
        if event.guard and not run.guard and not isinstance(event, Unpack):
            continue
        if isinstance(event, Unpack):
            if run.ghost and event.count == 4 and event.star is None:
                yield Proof.of(WRAPPED_CRITERION, place(event.origin.node, "four results"))
        elif isinstance(event, DoubleBackward):
            yield Proof.of(DOUBLE_BACKWARD, place(event.origin.node, "double_backward"))
        elif isinstance(event, CoefficientAsked) and event.name != "get_norm_sample":
            had_it = BEFORE_WRAPPED_CRITERION if event.name == "get_coeff" else WRAPPED_CRITERION
            yield Proof.of(had_it, place(event.origin.node, event.name))
        elif isinstance(event, Wrapped):
            yield Proof.of(WRAPPED_CRITERION, place(event.origin.node, event.wrapper))


def _proofs_of(run: PrivateRun) -> tuple[Proof, ...]:
    """The same, told once for each run: every other record of its call asks, too."""
    if proofs not in run.known:
        run.known[proofs] = tuple(proofs(run))
    proofs_told: tuple[Proof, ...] = run.known[proofs]
    return proofs_told


def _evidence_of(run: PrivateRun, others: Iterable[PrivateRun]) -> tuple[tuple[Proof, ...], VersionSet]:
    """The proofs of a run and of other records of its call, and the releases that agree with them all."""
    records = (run, *others)
    asked = _evidence_of, tuple(map(id, records))
    if asked not in run.known:
        every_proof = tuple(dict.fromkeys(proof for r in records for proof in _proofs_of(r)))
        evidence = universe()
        for proof in every_proof:
            evidence &= proof.versions
        run.known[asked] = every_proof, evidence
    told: tuple[tuple[Proof, ...], VersionSet] = run.known[asked]
    return told


def same_calls(runs: Iterable[PrivateRun]) -> Callable[[PrivateRun], list[PrivateRun]]:
    """For each run, the records of its call in every context and the same mode: one release runs them all."""
    together: dict[tuple[int, str], list[PrivateRun]] = {}
    for run in runs:
        together.setdefault((id(run.origin.node), run.mode), []).append(run)
    return lambda run: together[id(run.origin.node), run.mode]


def versions_of(
    run: PrivateRun,
    declarations: Declarations | None,
    override: VersionSet | None,
    others: Iterable[PrivateRun] = (),
) -> Versions:
    """What the project declares for the run's file, and what the run's own code proves.

    ``others`` may hold records of the same call in other contexts (:func:`same_calls`).
    """
    code_proofs, evidence = _evidence_of(run, others)
    if override is not None:
        # What an option says is meant, also where the code was written for other releases.
        return Versions(override, evidence if override & evidence else universe(), (), code_proofs)
    if declarations is None:
        return Versions(everything(), evidence, (), code_proofs)
    declared = declarations.declared_for(run.module.path)
    return Versions(declared.versions, evidence, declared.places, code_proofs)
