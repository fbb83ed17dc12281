"""A result as it is from the root of its repository, whatever folder it was made in."""

from __future__ import annotations

import posixpath

from dpmigrate.model import Finding, ScanResult


def rooted(result: ScanResult) -> ScanResult:
    """`result` with every path of its findings and files relative to its root, which becomes its folder.

    So a report for a machine is the same from every folder, in what its sentences name as well.
    """
    if result.root == ".":
        return result
    from_root = result.from_root

    def moved(finding: Finding) -> Finding:
        return finding._replace(
            span=finding.span._replace(path=from_root(finding.span.path)),
            because=tuple(reason._replace(path=from_root(reason.path)) for reason in finding.because),
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
