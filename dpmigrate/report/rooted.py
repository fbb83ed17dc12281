"""A result as it is from the root of its repository, whatever folder it was made in."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator

from dpmigrate.model import Finding, ScanResult


def rooted(result: ScanResult) -> ScanResult:
    """`result` with every path of its findings and files relative to its root, which becomes its folder.

    So a report for a machine is the same from every folder, in what its sentences name as well.
    """
    if result.root == ".":
        return result
    from_root = result.from_root
    by_hand = _renamed(set(_paths(result)), from_root)

    def moved(finding: Finding) -> Finding:
        return finding._replace(
            span=finding.span._replace(path=from_root(finding.span.path)),
            because=tuple(reason._replace(path=from_root(reason.path)) for reason in finding.because),
            by_hand=finding.by_hand and by_hand(finding.by_hand),
        )

    return result._replace(
        root=".",
        cwd=posixpath.normpath(posixpath.join(result.cwd, result.root)),
        not_analysed=tuple(item._replace(path=from_root(item.path)) for item in result.not_analysed),
        findings=tuple(map(moved, result.findings)),
        suppressed=tuple(held._replace(finding=moved(held.finding)) for held in result.suppressed),
        lines={(from_root(path), cell): lines for (path, cell), lines in result.lines.items()},
        file_lines={(from_root(path), cell): lines for (path, cell), lines in result.file_lines.items()},
    )


def _paths(result: ScanResult) -> Iterator[str]:
    """Every path that a sentence of `result` may name."""
    yield from result.analysed
    for run in result.runs:
        yield run.path
        yield from (source.path for source in run.opacus.sources)
    for finding in (*result.findings, *(held.finding for held in result.suppressed)):
        yield finding.span.path
        yield from (place.path for place in finding.because)


def _renamed(paths: set[str], from_root: Callable[[str], str]) -> Callable[[str], str]:
    """What names the files of a sentence anew: a path stands between blanks, or before a colon."""
    longest_first = sorted(paths, key=lambda path: (-len(path), path))
    named = re.compile(rf"(?<![^\s(])({'|'.join(map(re.escape, longest_first))})(?![^\s:,;)])")
    return lambda sentence: named.sub(lambda found: from_root(found[1]), sentence) if paths else sentence
