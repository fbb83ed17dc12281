"""``dpmigrate scan``: a project surveyed, its groups of modules analysed and judged on every core.

``parts``        what is analysed by itself; ``shares`` one scan in several processes
``judging``      some groups of modules analysed, and the advisories matched on them
``offering``     the fixes that are on offer; ``pieces`` those of many groups under one pin, a few at a time,
                 and ``settling`` what all of these decide together
``cache``, ``answers``, ``stored``, ``dependents``   what is kept from one scan to the next
``sifting``      what of the findings is reported; ``baseline`` what is known, ``changes`` what is new
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from dpmigrate.advisories.findings import check_rules
from dpmigrate.model import Certainty, Finding, FindingKey, ScanResult
from dpmigrate.project import Project
from dpmigrate.project.opening import groups, let_go, paused_collector, survey
from dpmigrate.scanning.judging import share_of
from dpmigrate.scanning.parts import TOGETHER, Part, parts_of
from dpmigrate.scanning.shares import Share, Told, each, join, usable_cores
from dpmigrate.workspace.discover import discover
from dpmigrate.workspace.settings import Settings, given_settings
from dpmigrate.workspace.stack import room_for_trees

if TYPE_CHECKING:
    from pathlib import Path

    from dpmigrate.analysis.source.components import Group
    from dpmigrate.scanning.answers import Answers
    from dpmigrate.scanning.baseline import BaselineEntry
    from dpmigrate.scanning.offering import Cluster, Offer, Passes
    from dpmigrate.scanning.settling import Piece


KEPT = 400_000
"""Bytes of source up to which groups are kept, as they were interpreted, that have nothing to mend.

One that is larger than all of these together was the most that was held at once, and is kept, too.
"""


def _nobody(done: int, total: int) -> None:
    """Hears how far a scan is where nobody asks."""


@room_for_trees()
def scan(
    paths: Sequence[str | Path] = (".",),
    *,
    select: Collection[str] = (),
    ignore: Collection[str] = (),
    opacus: str | None = None,
    min_certainty: Certainty = "possible",
    jobs: int | None = None,
    stdin: bytes | None = None,
    cwd: str | Path | None = None,
    exclude: Sequence[str] = (),
    exclude_base: str | Path | None = None,
    settings: Settings | None = None,
    baseline: Sequence[BaselineEntry] = (),
    diff_base: str | None = None,
    stdin_filename: str | None = None,
    cache: str | Path | None = None,
    told: Told = _nobody,
) -> ScanResult:
    """Find privacy faults below some paths, without running any of the code.

    ``select`` and ``ignore`` hold ids, prefixes or names of rules; ``opacus`` overrides what the
    project's own files say of its Opacus version (PEP 440). ``stdin`` is one Python file to scan instead
    of paths. ``exclude`` holds patterns in gitignore syntax, relative to ``exclude_base`` (default:
    ``cwd``). With ``stdin_filename`` it stands for that file of its project, be it there yet or not.
    ``settings`` stand for all of these but ``stdin``, and have each file's own configuration
    read, which is not done otherwise. ``baseline`` are findings that are known and not reported;
    with ``diff_base``, a git revision, only what stands on lines that have changed since is. ``cache`` is a
    folder that keeps answers from one scan to the next; ``told`` hears how many parts, of how many, are
    done. Raises UsageError for a path that does not exist and a wrong option.
    """
    options = settings or given_settings(cwd, select, ignore, opacus, min_certainty, exclude, exclude_base)
    if stdin is not None and stdin_filename is not None:
        workspace = discover([stdin_filename], options, unsaved=stdin_filename)
        project, stdin = survey(workspace, overlay={workspace.target_files[0]: stdin}), None
    else:
        workspace = discover([] if stdin is not None else list(paths), options)
        project = survey(workspace, stdin)
    check_rules(options)
    options.check_patterns()
    if any(config.strategy or config.seed or config.opacus_lower_bound for config in options.configs()):
        from dpmigrate.codemods.options import check as check_what_fixes_go_by

        check_what_fixes_go_by(options)  # as what is on offer goes by it, too
    answers = None
    if cache is not None and project.seeds and not project.overlay:
        from dpmigrate.scanning.answers import Answers

        answers = Answers(str(cache), project)
    result = answers.of_all() if answers is not None else None
    if result is None:
        result = _judged(project, answers, jobs or workspace.config.jobs or usable_cores(), told)
    result = result._replace(
        warnings=() if stdin is not None else workspace.warnings,
        empty=stdin is None and not workspace.not_analysed and not workspace.names_any,
        in_part=stdin is None and not all(map(workspace.is_target, workspace.files)),
        cwd=workspace.cwd.replace(os.sep, "/"),
    )
    if result.findings or result.suppressed or baseline or diff_base is not None:
        from dpmigrate.scanning.sifting import sifted

        result = sifted(result, workspace, baseline, diff_base)
    return result


def _judged(project: Project, answers: Answers | None, jobs: int, told: Told) -> ScanResult:
    """What there is to say of a surveyed project, group by group, those of ``answers`` without a look."""
    of_groups: dict[Group, Share] = {}
    chosen: Sequence[Group] = ()
    fixes = _Fixes(project, answers, jobs, told)
    with paused_collector():
        nothing = share_of(project, ())
        if project.seeds:
            chosen = groups(project)
            if answers is not None:
                of_groups = answers.of_groups(chosen)
            missing = [group for group in chosen if group not in of_groups]
            pending = parts_of(project, missing, chosen)
            for part, answer in each(project, pending, jobs, _of_part, told):
                of_groups.update(zip(part.groups, answer.shares, strict=True))
                fixes.take(part, answer)
        shares = {group: of_groups[group] for group in chosen}
        found = join([nothing, *shares.values()])
        if "-" not in project.seeds and any(finding.fix is not None for finding in found.findings):
            fixes.plan(shares, found.findings)
    result = ScanResult(
        root=project.workspace.display(project.workspace.root),
        files_seen=project.seen,
        files_analysed=len(found.analysed),
        not_analysed=tuple(sorted(found.not_analysed, key=lambda n: n.sort_key)),
        cut_short=tuple(sorted(found.cut_short)),
        runs=tuple(found.runs),
        findings=_with_offers(found.findings, fixes.made),
        suppressed=tuple(found.suppressed),
        lines=found.lines,
        file_lines=found.file_lines,
        analysed=tuple(sorted(found.analysed)),
    )
    if answers is not None:
        answers.keep(of_groups, fixes.made, fixes.passes, result)
    return result


class _Fixes:
    """The fixes on offer: some are planned with the parts that they mend, the others when all are judged."""

    def __init__(self, project: Project, answers: Answers | None, jobs: int, told: Told) -> None:
        self.project = project
        self.answers = answers
        self.jobs = jobs
        self.told = told
        self.made: dict[Cluster, tuple[Offer, ...]] = {}
        self.passes: dict[Cluster, Passes] = {}
        """How those decided that share a pin with others."""
        self._early: dict[Group, Mapping[FindingKey, Offer]] = {}
        self._pieces: list[Piece] = []

    def take(self, part: Part, answer: _Answer) -> None:
        """Keep what was planned with a part."""
        if answer.offers is not None:
            self._early[part.groups[0]] = answer.offers
        if answer.piece is not None:
            self._pieces.append(answer.piece)

    def plan(self, shares: Mapping[Group, Share], findings: Sequence[Finding]) -> None:
        """Plan the fixes of some findings that neither earlier answers nor their parts have."""
        from dpmigrate.scanning.offering import Asked, clusters, known_early, planned_offers

        project, answers = self.project, self.answers
        pending = clusters(project, shares, findings)
        self.made = {} if answers is None else answers.of_clusters(pending, shares)
        self.made.update(known_early(pending, self._early))
        asked = []
        for cluster in (cluster for cluster in pending if cluster not in self.made):
            one = Asked(cluster) if answers is None else answers.asked(cluster, shares)
            if one.earlier is None and len(cluster.groups) > TOGETHER:
                from dpmigrate.scanning.pieces import planned_in_pieces

                plan = planned_in_pieces(project, cluster, shares, self._pieces, self.jobs, self.told)
                if plan is not None:
                    self.made[cluster], self.passes[cluster] = plan
                    continue
            asked.append(one)
        for one, plan in each(project, asked, self.jobs, planned_offers, self.told):
            self.made[one.cluster] = plan.offers
            self.passes[one.cluster] = plan.passes


class _Answer(NamedTuple):
    """What there is to say of a part, and what its findings have on offer where that is known already."""

    shares: tuple[Share, ...]
    offers: Mapping[FindingKey, Offer] | None = None
    piece: Piece | None = None
    """What was planned of groups that share pins with many others."""


def _of_part(project: Project, part: Part) -> _Answer:
    """Some groups of modules, each analysed and judged as if there were no other."""
    if part.leader is not None:
        from dpmigrate.scanning.pieces import of_many

        return _Answer(*of_many(project, part))
    (group,), alone = part.groups, project.afresh()
    share = share_of(alone, (group,))
    if any(project.ready.get(at, info) is not info for at, info in alone.ready.items()):
        # Another group has read one of its files, too, and trees are told by what they are.
        return _Answer((share,))
    size = sum(len(info.source.data) for info in alone.ready.values())
    mended = [finding for finding in share.findings if finding.fix is not None]
    if share.private and part.alone and mended:
        from dpmigrate.scanning.offering import Asked, Cluster, planned_offers

        if alone.program is not None:
            alone.known[group] = alone.program.parts[0]
        made = planned_offers(alone, Asked(Cluster((group,), tuple(mended)))).offers
        offered = dict(zip((finding.key for finding in mended), made, strict=True))
    else:
        offered = None
    if not share.private or part.alone or not (mended or size < KEPT - project.kept or size > project.kept):
        modules = len(alone.ready)
        del alone
        let_go(modules)
    else:
        # For the fixes, which are planned next: those of other groups with the same pins ask for it, too.
        project.ready.update(alone.ready)
        project.kept += size
        if alone.program is not None:
            project.known[group] = alone.program.parts[0]
    return _Answer((share,), offered)


def _with_offers(
    findings: Sequence[Finding], made: Mapping[Cluster, tuple[Offer, ...]]
) -> tuple[Finding, ...]:
    """The findings with the fixes that are really made of this tree; nothing mends standard input."""
    offer_by_finding = {
        id(finding): offer
        for cluster, of_cluster in made.items()
        for finding, offer in zip(cluster.findings, of_cluster, strict=True)
    }
    return tuple(
        f._replace(fix=offer.fix, by_hand=offer.by_hand)
        if (offer := offer_by_finding.get(id(f))) is not None
        else f._replace(fix=None)
        for f in findings
    )
