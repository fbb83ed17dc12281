"""What became of every finding that a fix is on offer for: mended, or the reason why not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from dpmigrate.advisories.catalogue import advisory
from dpmigrate.codemods.jobs import Job
from dpmigrate.codemods.options import Options

if TYPE_CHECKING:
    from dpmigrate.model import Finding


NEEDS_UNSAFE = "needs --unsafe"
"""How the reason begins where nothing but the user's leave is missing."""


def unmade(
    offered: Iterable[Finding],
    jobs: Sequence[Job],
    kept: Sequence[Job],
    reasons: dict[int, str],
    after: Iterable[Finding],
    options: Options,
) -> tuple[tuple[Finding, str], ...]:
    """The findings with a fix on offer that is not made, each with the reason, in the order of reports.

    ``reasons`` holds those of refused jobs by ``id`` of the finding; ``after`` is what a second
    analysis finds: what is gone counts as mended, whoever did it.
    """
    mended = {id(f) for job in kept for f, _ in job.matched if job.changes}
    planned = {id(f): job for job in jobs for f, _ in job.matched}
    left = Counter((f.rule, f.span.path) for f in after)
    reasons_by_finding = []
    for finding in sorted(offered, key=lambda f: f.sort_key):
        if id(finding) in mended or not left[finding.rule, finding.span.path]:
            continue
        reason = reasons.get(id(finding)) or _why_unplanned(finding, planned.get(id(finding)), options)
        reasons_by_finding.append((finding, reason))
    return tuple(reasons_by_finding)


def _why_unplanned(finding: Finding, job: Job | None, options: Options) -> str:
    assert finding.fix is not None
    if finding.fix.applicability == "unsafe" and not options.unsafe:
        return f"{NEEDS_UNSAFE}: {finding.fix.summary}"
    strategy = options.at(finding.span.path).strategy
    policy = advisory(finding.rule).fix
    if strategy != "upgrade" and policy.concerns == "clipping" and strategy not in policy.strategies:
        return f"the {strategy} strategy leaves it; --strategy upgrade mends it"
    if job is not None and job.withheld is not None:
        return job.reason
    return policy.no_edit or "it is only possible, and no edit of the code is certain to be right"
