"""One scan in several processes: each takes some components of the project, the answers are joined.

The result is the same, byte for byte, as that of one process: components have nothing to do
with one another, and what several of them say of one dependency pin is settled as the matching
itself settles it.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from dpmigrate.model import CutShort, Finding, NotAnalysed, Run, Span, Suppressed

if TYPE_CHECKING:
    from dpmigrate.analysis.components import Group
    from dpmigrate.project import Project

WORTH_SHARING = 400_000
"""Bytes of telling source below which starting processes costs more than it saves."""


class Share(NamedTuple):
    """What one process found out about its components; plain data."""

    runs: list[Run]
    findings: list[Finding]
    suppressed: list[Suppressed]
    not_analysed: list[NotAnalysed]
    analysed: frozenset[str] = frozenset()
    cut_short: tuple[CutShort, ...] = ()
    used_ignores: frozenset[tuple[str, int]] = frozenset()
    """Path and line of ignore comments that suppressed something."""
    unused_ignores: frozenset[Span] = frozenset()
    """The findings that are about a comment which suppressed nothing here."""
    lines: Mapping[tuple[str, int | None], tuple[str, ...]] = MappingProxyType({})
    file_lines: Mapping[tuple[str, int], tuple[int, ...]] = MappingProxyType({})


Judge = Callable[["Project", Sequence["Group"]], Share]
"""Analyses some groups of modules of a surveyed project and says what there is."""

_task: tuple[Project, Judge] | None = None


def _begin(project: Project, judge: Judge, parent: int) -> None:
    global _task
    _task = project, judge
    for name in ("SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_DFL)
    threading.Thread(target=_follow, args=(parent,), daemon=True).start()


def _follow(parent: int) -> None:
    """End this process once its parent is gone, killed or not: a pool would wait for work for ever."""
    while os.getppid() == parent:
        time.sleep(1.0)
    os._exit(1)


def _work(chosen: Sequence[Group]) -> Share:
    assert _task is not None
    project, judge = _task
    return judge(project, chosen)


def judge_shared(project: Project, chosen: list[Group], jobs: int, judge: Judge) -> Share:
    """Judge every group in up to ``jobs`` processes, in this one when that is not worth their start."""
    size = sum(map(len, project.seeds.values()))
    if jobs < 2 or len(chosen) < 2 or size < WORTH_SHARING:
        return judge(project, chosen)
    bins = _balanced(chosen, min(jobs, len(chosen)))
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    # Forked children have what is read and imported so far; elsewhere that is neither safe nor there.
    context = get_context("fork" if sys.platform == "linux" else "spawn")
    with ProcessPoolExecutor(len(bins), context, _begin, (project, judge, os.getpid())) as pool:
        return join(list(pool.map(_work, bins)))


def usable_cores() -> int:
    """The processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _balanced(chosen: Iterable[Group], count: int) -> list[list[Group]]:
    """The groups in ``count`` bins of about as many modules."""
    bins: list[list[Group]] = [[] for _ in range(count)]
    for group in sorted(chosen, key=lambda g: len(g.members), reverse=True):
        min(bins, key=lambda held: sum(len(g.members) for g in held)).append(group)
    return bins


def join(shares: Sequence[Share]) -> Share:
    """One answer out of several."""
    placed = sorted(
        ((s, i, run) for s, share in enumerate(shares) for i, run in enumerate(share.runs)),
        key=lambda found: (found[2].path, -1 if found[2].cell is None else found[2].cell, found[2].line),
    )
    number = {(s, i): n for n, (s, i, _) in enumerate(placed)}
    used = frozenset[tuple[str, int]]().union(*(share.used_ignores for share in shares))
    merged: dict[tuple[object, ...], Finding] = {}
    kept_back: dict[tuple[object, ...], Suppressed] = {}
    for s, share in enumerate(shares):
        for finding in share.findings:
            comment = finding.span.path, finding.span.line
            if finding.span in share.unused_ignores and comment in used:
                continue
            finding = _numbered(finding, s, number)
            key = (finding.rule, finding.span)
            old = merged.get(key)
            merged[key] = finding if old is None else min(old, finding, key=_surest_first)
        for held in share.suppressed:
            finding = _numbered(held.finding, s, number)
            key = (finding.rule, finding.span)
            known = kept_back.get(key)
            if known is None or _surest_first(finding) < _surest_first(known.finding):
                kept_back[key] = Suppressed(finding, held.by)
    return Share(
        runs=[run for _, _, run in placed],
        findings=sorted(merged.values(), key=lambda f: f.sort_key),
        suppressed=sorted(kept_back.values(), key=lambda held: held.finding.sort_key),
        not_analysed=list(dict.fromkeys(n for share in shares for n in share.not_analysed)),
        analysed=frozenset[str]().union(*(share.analysed for share in shares)),
        cut_short=tuple(cut for share in shares for cut in share.cut_short),
        used_ignores=used,
        unused_ignores=frozenset[Span]().union(*(share.unused_ignores for share in shares)),
        lines={key: lines for share in shares for key, lines in share.lines.items()},
        file_lines={key: lines for share in shares for key, lines in share.file_lines.items()},
    )


def _numbered(finding: Finding, share: int, number: Mapping[tuple[int, int], int]) -> Finding:
    """A finding of a share with its run's number among those of all."""
    return finding if finding.run is None else finding._replace(run=number[share, finding.run])


def _surest_first(finding: Finding) -> tuple[bool, int]:
    return finding.certainty == "possible", -1 if finding.run is None else finding.run
