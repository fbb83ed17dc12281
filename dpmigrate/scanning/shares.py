"""One scan in parts: each group of modules is judged by itself, in several processes, and the answers joined.

The result is the same, byte for byte, in whatever order they come: groups have nothing to do with one
another, and what several of them say of one dependency pin is settled as the matching itself settles it.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar

from dpmigrate.model import CutShort, Finding, NotAnalysed, Run, Span, Suppressed
from dpmigrate.project.opening import free_what_was_let_go, let_go
from dpmigrate.workspace.stack import room_for_trees

if TYPE_CHECKING:
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
    asked: frozenset[str] = frozenset()
    """Keys of the files whose text or tree the analysis asked for."""
    private: bool = False
    """Whether there is a private run, or something of Opacus that a release may have dropped."""
    lines: Mapping[tuple[str, int | None], tuple[str, ...]] = MappingProxyType({})
    file_lines: Mapping[tuple[str, int], tuple[int, ...]] = MappingProxyType({})


class Sized(Protocol):
    """A part of a project that is worked on by itself; hashable."""

    @property
    def size(self) -> int:
        """The number of its modules."""


Part = TypeVar("Part", bound=Sized)
Answer = TypeVar("Answer")
Work = Callable[["Project", Part], Answer]
"""What is done with one part of a surveyed project."""
Told = Callable[[int, int], None]
"""Hears how many parts of how many are done."""

_task: tuple[Project, Work[Any, Any]] | None = None


def _begin(project: Project, work: Work[Any, Any], parent: int) -> None:
    global _task
    _task = project, work
    for name in ("SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_DFL)
    threading.Thread(target=_follow, args=(parent,), daemon=True).start()


def _follow(parent: int) -> None:
    """End this process once its parent is gone, killed or not: a pool would wait for work for ever."""
    while os.getppid() == parent:
        time.sleep(1.0)
    os._exit(1)


def _done(part: Any) -> Any:
    assert _task is not None
    project, work = _task
    free_what_was_let_go()
    with room_for_trees():
        answer = work(project.afresh(), part)  # what is kept with it would be lost with this process
    let_go(part.size)
    return answer


def each(
    project: Project,
    parts: Sequence[Part],
    jobs: int,
    work: Work[Part, Answer],
    told: Told,
) -> Iterator[tuple[Part, Answer]]:
    """Do the work on every part by itself in up to ``jobs`` processes, in this one where that is quicker.

    Answers come as they are ready.
    """
    if jobs < 2 or len(parts) < 2 or sum(map(len, project.seeds.values())) < WORTH_SHARING:
        for done, part in enumerate(parts):
            told(done, len(parts))
            free_what_was_let_go()
            yield part, work(project, part)
        return
    from concurrent.futures import ProcessPoolExecutor, as_completed
    from multiprocessing import get_context

    # Forked children have what is read and imported so far; elsewhere that is neither safe nor there.
    context = get_context("fork" if sys.platform == "linux" else "spawn")
    given = project, work, os.getpid()
    with ProcessPoolExecutor(min(jobs, len(parts)), context, _begin, given) as pool:
        # The largest first, so that none of them is left to one process at the end.
        ordered = sorted(parts, key=lambda part: part.size, reverse=True)
        pending = {pool.submit(_done, part): part for part in ordered}
        for done, answer in enumerate(as_completed(pending)):
            told(done, len(parts))
            yield pending[answer], answer.result()


def usable_cores() -> int:
    """The processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def join(shares: Sequence[Share]) -> Share:
    """One answer out of several."""
    placed = sorted(
        ((s, i, run) for s, share in enumerate(shares) for i, run in enumerate(share.runs)),
        key=lambda found: (found[2].path, -1 if found[2].cell is None else found[2].cell, found[2].line),
    )
    number = {(s, i): n for n, (s, i, _) in enumerate(placed)}
    runs = [run for _, _, run in placed]
    used = frozenset[tuple[str, int]]().union(*(share.used_ignores for share in shares))
    merged: dict[tuple[object, ...], Finding] = {}
    kept_back: dict[tuple[object, ...], Suppressed] = {}
    for s, share in enumerate(shares):
        for finding in share.findings:
            comment = finding.span.path, finding.span.line
            if finding.span in share.unused_ignores and comment in used:
                continue
            finding = _numbered(finding, s, number)
            key = finding.key
            old = merged.get(key)
            # Runs are numbered in the order of their places, also those that the given paths leave out.
            merged[key] = finding if old is None else min(old, finding, key=partial(_surest_first, runs))
        for held in share.suppressed:
            finding = _numbered(held.finding, s, number)
            key = finding.key
            known = kept_back.get(key)
            if known is None or _surest_first(runs, finding) < _surest_first(runs, known.finding):
                kept_back[key] = Suppressed(finding, held.by)
    return Share(
        runs=runs,
        findings=sorted(merged.values(), key=lambda f: f.sort_key),
        suppressed=sorted(kept_back.values(), key=lambda held: held.finding.sort_key),
        not_analysed=list(dict.fromkeys(n for share in shares for n in share.not_analysed)),
        analysed=frozenset[str]().union(*(share.analysed for share in shares)),
        cut_short=tuple(cut for share in shares for cut in share.cut_short),
        used_ignores=used,
        unused_ignores=frozenset[Span]().union(*(share.unused_ignores for share in shares)),
        lines={key: lines for share in shares for key, lines in share.lines.items()},
        file_lines={key: lines for share in shares for key, lines in share.file_lines.items()},
        asked=frozenset[str]().union(*(share.asked for share in shares)),
    )


def _numbered(finding: Finding, share: int, number: Mapping[tuple[int, int], int]) -> Finding:
    """A finding of a share with its run's number among those of all."""
    return finding if finding.run is None else finding._replace(run=number[share, finding.run])


def _surest_first(runs: Sequence[Run], finding: Finding) -> tuple[bool, str, int, int]:
    made = finding.run_elsewhere if finding.run is None else runs[finding.run]
    if made is None:
        return finding.certainty == "possible", "", -1, -1
    return finding.certainty == "possible", made.path, -1 if made.cell is None else made.cell, made.line
