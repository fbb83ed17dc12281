"""DPM901 and DPM902: dependency files that admit an affected Opacus, or none that the code can run on.

The ``[match]`` table of such a rule has ``about = "pins"`` and a ``message`` with {pin} and {hit}, or, where
``disagree = true``, with {pin}, {what} (the code, or one mode of it) and {why}.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from dpmigrate.advisories.cases import affected_versions
from dpmigrate.advisories.catalogue import Advisory
from dpmigrate.advisories.evidence import Assumed, Versions, same_calls, versions_of
from dpmigrate.advisories.facts.loud import can_only_raise
from dpmigrate.advisories.matching import Match, made_by
from dpmigrate.analysis.ledger import PrivateRun
from dpmigrate.analysis.ledger.models import SequenceLayer
from dpmigrate.model import Place
from dpmigrate.versions.releases import WRAPPED_CRITERION, between, everything

if TYPE_CHECKING:
    from dpmigrate.project import Project
    from dpmigrate.versions.project import Declared


FOR_SEQUENCES = between("1.5.3", "1.5.4")
"""Releases on which ghost clipping is right but for the bias of a Linear on sequences (DPM112)."""

BEFORE_WRAPPED_RELEASES = between("1.5", "1.5.3")
"""Code that only runs on these is reported by DPM4xx where the pins forbid them."""


PinKey = tuple[str, int | None, int]
"""A pin by its file, cell and line."""


def match_pins(project: Project, advisory: Advisory, assumed: Assumed) -> Iterator[Match]:
    """The pins to change, each once, with the surest run that asks for it."""
    program, declarations = project.program, project.declarations
    if program is None or declarations is None:
        return
    by_place: dict[PinKey, Match] = {}
    alike = same_calls(program.runs)

    def met_by(run: PrivateRun) -> Versions:
        return versions_of(run, declarations, None, alike(run))

    def matches_of(run: PrivateRun, declared: Declared) -> Iterator[Match]:
        if not advisory.match.get("disagree"):
            return _affected(advisory, run, met_by(run), declared)
        in_other_modes = (r for r in program.runs if r.origin.node is run.origin.node and r.mode != run.mode)
        runs_otherwise = any(not met_by(r).disagree for r in in_other_modes)
        what = f"mode '{run.mode}'" if runs_otherwise else "the code"
        return _disagreeing(advisory, run, met_by(run), declared, what)

    runs_concerned = (
        r for r in program.runs if r.ghost and not r.guessed and not program.modules.in_library(r.module.key)
    )
    for run in sorted(runs_concerned, key=_surest_first):
        if assumed(run.module.path) is None:
            for match in matches_of(run, declarations.declared_for(run.module.path)):
                assert match.pin is not None
                by_place.setdefault((match.pin.path, match.pin.cell, match.pin.line), match)
    yield from by_place.values()


def _affected(advisory: Advisory, run: PrivateRun, versions: Versions, declared: Declared) -> Iterator[Match]:
    """DPM901: the pins of a run that admit what is wrong for it."""
    if _written_for_later_releases(versions) or (can_only_raise(run, versions) and not versions.disagree):
        return
    faulty = affected_versions(advisory, advisory.match)
    if any(run.happened(SequenceLayer)):
        faulty = faulty | FOR_SEQUENCES
    for pin in declared.admitting(faulty):
        admitted = (pin.versions & faulty).words()
        message = advisory.match["message"].format(pin=pin.text.strip(), hit=admitted)
        yield Match(
            advisory,
            run,
            run.certainty(),
            message,
            _because(run),
            pin=pin,
            fixable=pin.kind != "metadata",
            versions=versions,
        )


def _disagreeing(
    advisory: Advisory, run: PrivateRun, versions: Versions, declared: Declared, what: str
) -> Iterator[Match]:
    """DPM902: the pins of a run that admit no release on which its code, or its mode alone, can run."""
    if not _written_for_later_releases(versions):
        return
    wanted = versions.evidence & everything()
    why = f"its API needs Opacus {wanted.words()}" if wanted else "no release has all of the API that it uses"
    for pin in declared.pins:
        message = advisory.match["message"].format(pin=pin.text.strip(), what=what, why=why)
        places = tuple(p.place for p in versions.proofs)
        yield Match(
            advisory,
            run,
            run.certainty(),
            message,
            places,
            pin=pin,
            fixable=pin.kind != "metadata",
            versions=versions,
        )


def _written_for_later_releases(versions: Versions) -> bool:
    """Whether no admitted release runs the code, and nothing but the pins can be at fault.

    What else the code needs (an API that was dropped) is a DPM4xx at its own place, where the pins admit
    releases that have dropped it.
    """
    if not versions.disagree or versions.evidence & BEFORE_WRAPPED_RELEASES:
        return False
    return bool(versions.evidence & everything()) or not versions.declared & WRAPPED_CRITERION


def _surest_first(run: PrivateRun) -> tuple[bool, str, int, int]:
    place = run.module.place(run.origin.node)
    return run.certainty() == "possible", place.path, -1 if place.cell is None else place.cell, place.line


def _because(run: PrivateRun) -> tuple[Place, ...]:
    return (run.module.place(run.origin.node, made_by(run, "ghost clipping is used here")),)
