"""Which fixes a scan may put on offer: those that ``dpmigrate fix`` makes of this very tree.

A rule says that its fault can be mended; whether it can here is known only once the edit was planned and
the result analysed again. So that is done, for the groups of modules that make private runs, before a
finding says "fix". Where nothing can be mended nothing of this is imported.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from dpmigrate.advisories.findings import findings_of
from dpmigrate.codemods.options import Options
from dpmigrate.fixing.decisions import PassOutcome
from dpmigrate.fixing.making import Fixing
from dpmigrate.fixing.rehearsal import Rehearsals
from dpmigrate.model import Applicability, Finding, FindingKey, FixOffer
from dpmigrate.project import Project
from dpmigrate.project.opening import analyse_groups

if TYPE_CHECKING:
    from dpmigrate.analysis.source.components import Group


class Planned(NamedTuple):
    """Findings with what they have on offer, and what each pass of planning decided for all groups."""

    findings: list[Finding]
    passes: tuple[PassOutcome | None, ...]


def with_offers(
    findings: Sequence[Finding], project: Project, groups: Sequence[Group], least_passes: int = 1
) -> Planned:
    """The findings of a scan, each with the fix that is really made of it, or with what to do by hand.

    ``groups`` of the surveyed ``project`` are those that the findings are in, and all that a fix of them can
    reach. The second pass, with unsafe fixes, is for what the first does not make, or where it is asked for.
    """
    analyse_groups(project, groups)
    settings = project.workspace.settings
    made: dict[FindingKey, Applicability] = {}
    reasons: dict[FindingKey, str] = {}
    passes: list[PassOutcome | None] = []
    candidates, rehearsals = findings_of(project), Rehearsals(project)
    for unsafe in (False, True):
        fixing = Fixing(project, candidates, findings_of, Options(unsafe, settings), rehearsals)
        outcome = fixing.offers()
        passes.append(fixing.decided)
        for finding, _ in candidates.matches:
            place = finding.key
            if id(finding) not in outcome or place in made:
                continue
            reason = outcome[id(finding)]
            if reason is None:
                made[place] = "unsafe" if unsafe else "safe"
            else:
                reasons[place] = reason
        done = all(f.key in made for f in findings if f.fix is not None)
        if done and len(passes) >= least_passes:
            break
    told = [_told(f, made.get(f.key), reasons.get(f.key)) for f in findings]
    return Planned(told, tuple(passes))


def _told(finding: Finding, made: Applicability | None, reason: str | None) -> Finding:
    """A finding with its fix as it is made, or with what to do instead and why there is none."""
    if finding.fix is None:
        return finding
    if made is not None:
        return finding._replace(fix=FixOffer(made, finding.fix.summary))
    by_hand = finding.by_hand or finding.fix.summary
    if reason and not reason.endswith(finding.message):  # What is wrong need not be said twice.
        by_hand += f" (not by dpmigrate fix: {reason})"
    return finding._replace(fix=None, by_hand=by_hand)
