"""Which lines changed since a revision: the files as they are, held against git's objects.

Only ``rev-parse`` and ``cat-file`` are asked, which run no filter, no driver and no program that a repository
names, and fetch nothing.
"""

# ruff: noqa: PTH120 - paths are text here, as everywhere where files are listed

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence

from dpmigrate.model import Finding, ScanResult
from dpmigrate.workspace.errors import UsageError
from dpmigrate.workspace.reading import read_bytes
from dpmigrate.workspace.settings import Settings
from dpmigrate.workspace.stretches import changed

SECONDS = 60


class Changes:
    """The lines of each file that are not as they were at a revision. Raises UsageError for none such."""

    def __init__(self, revision: str, settings: Settings, roots: Sequence[str]) -> None:
        self._settings = settings
        self._revision = revision
        self._commits: dict[str, str | None] = {}
        self._changed: dict[str, frozenset[int] | None] = {}
        for root in roots:
            if self._commit(root) is None:
                raise UsageError(f"--diff-base: {revision!r} is no revision of a git repository at {root}.")

    def only(self, result: ScanResult) -> ScanResult:
        """What of a result stands on changed lines; of files that could not be analysed, the changed ones."""
        return result._replace(
            findings=tuple(f for f in result.findings if self._touches(f, result)),
            suppressed=tuple(s for s in result.suppressed if self._touches(s.finding, result)),
            not_analysed=tuple(n for n in result.not_analysed if self._is_changed(n.path)),
        )

    def _touches(self, finding: Finding, result: ScanResult) -> bool:
        span = finding.span
        changed = self._lines(span.path)
        if changed is None:
            return True
        first = result.file_line(span.path, span.cell, span.line)
        last = result.file_line(span.path, span.cell, span.end_line)
        return any(number in changed for number in range(first, last + 1))

    def _is_changed(self, shown: str) -> bool:
        changed = self._lines(shown)
        return changed is None or bool(changed)

    def _lines(self, shown: str) -> frozenset[int] | None:
        """The 1-based numbers of a file's changed lines; None where all are new."""
        if shown not in self._changed:
            self._changed[shown] = self._compared(shown)
        return self._changed[shown]

    def _compared(self, shown: str) -> frozenset[int] | None:
        path = self._settings.absolute(shown)
        root = self._settings.roots.root_of(os.path.dirname(path))
        commit = self._commit(root)
        if commit is None:
            return None
        name = path.removeprefix(root.rstrip("/") + "/")
        before = _git(root, "cat-file", "blob", f"{commit}:{name}")
        if before is None:
            return None
        try:
            after = read_bytes(path)
        except OSError:
            return None
        return changed_lines(before.splitlines(), after.splitlines())

    def _commit(self, root: str) -> str | None:
        if root not in self._commits:
            asked = ("rev-parse", "--verify", "--quiet", "--end-of-options", f"{self._revision}^{{commit}}")
            said = _git(root, *asked)
            self._commits[root] = None if said is None else said.decode("ascii", "replace").strip()
        return self._commits[root]


def changed_lines(before: Sequence[bytes], after: Sequence[bytes]) -> frozenset[int]:
    """The 1-based numbers of the lines of ``after`` that are new or other than in ``before``."""
    return frozenset(
        number + 1 for part in changed(before, after) for number in range(part.new_start, part.new_end)
    )


def _git(root: str, *arguments: str) -> bytes | None:
    """What a git command says in a folder; None where it fails or there is no git."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
    environment |= {"GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0"}
    # The first is known to git 2.44 and later.
    environment |= {"GIT_NO_LAZY_FETCH": "1", "GIT_ALLOW_PROTOCOL": "none"}
    try:
        done = subprocess.run(
            ["git", "-c", "core.fsmonitor=false", *arguments],
            cwd=root,
            env=environment,
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
