"""DPM901: dependency files that admit an affected Opacus version where ghost clipping is used."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from dpmigrate.advisories.cases import affected_versions
from dpmigrate.advisories.catalogue import Advisory
from dpmigrate.advisories.evidence import Assumed, same_calls, versions_of
from dpmigrate.advisories.loud_facts import can_only_raise
from dpmigrate.advisories.matching import Match, made_by
from dpmigrate.analysis.ledger import PrivateRun
from dpmigrate.analysis.ledger.models import SequenceLayer
from dpmigrate.model import Place
from dpmigrate.versions.releases import between, everything

if TYPE_CHECKING:
    from dpmigrate.project import Project


FOR_SEQUENCES = between("1.5.3", "1.5.4")
"""Releases on which ghost clipping is right but for the bias of a Linear on sequences (DPM112)."""

BEFORE_WRAPPED_RELEASES = between("1.5", "1.5.3")
"""Code that only runs on these is reported by DPM4xx where the pins forbid them."""


def match_pins(project: Project, advisory: Advisory, assumed: Assumed) -> Iterator[Match]:
    """The pins to change, each once, with the surest run that asks for it."""
    program, declarations = project.program, project.declarations
    if program is None or declarations is None:
        return
    affected = affected_versions(advisory, advisory.match)
    found: dict[tuple[str, int | None, int], Match] = {}
    alike = same_calls(program.runs)
    own = (
        r for r in program.runs if r.ghost and not r.guessed and not program.modules.in_library(r.module.key)
    )
    for run in sorted(own, key=_surest_first):
        if assumed(run.module.path) is not None:
            continue
        declared = declarations.declared_for(run.module.path)
        versions = versions_of(run, declarations, None, alike(run))
        if can_only_raise(run, versions) and not versions.disagree:
            continue
        faulty = affected | FOR_SEQUENCES if any(run.happened(SequenceLayer)) else affected
        for pin in declared.admitting(faulty):
            key = (pin.path, pin.cell, pin.line)
            if key not in found:
                hit = pin.versions & faulty
                message = advisory.match["message"].format(
                    pin=pin.text.strip(), hit=hit.spec() or "every version"
                )
                found[key] = Match(
                    advisory,
                    run,
                    run.certainty(),
                    message,
                    _because(run),
                    pin=pin,
                    fixable=pin.kind != "metadata",
                    versions=versions,
                )
        if versions.disagree and not versions.evidence & BEFORE_WRAPPED_RELEASES:
            for pin in declared.pins:
                key = (pin.path, pin.cell, pin.line)
                if key not in found:
                    message = advisory.match["disagree"].format(
                        pin=pin.text.strip(),
                        evidence=(versions.evidence & everything()).spec() or "another version",
                    )
                    proofs = tuple(p.place for p in versions.proofs)
                    found[key] = Match(
                        advisory, run, run.certainty(), message, proofs, pin=pin, versions=versions
                    )
    yield from found.values()


def _surest_first(run: PrivateRun) -> tuple[bool, str, int, int]:
    place = run.module.place(run.origin.node)
    return run.certainty() == "possible", place.path, -1 if place.cell is None else place.cell, place.line


def _because(run: PrivateRun) -> tuple[Place, ...]:
    return (run.module.place(run.origin.node, made_by(run, "ghost clipping is used here")),)
