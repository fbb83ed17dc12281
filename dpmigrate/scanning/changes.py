"""Which lines changed since a revision: the files as they are, held against git's objects.

Where the revision's branch went on since, what counts is where the two parted, as for a pull request.
A file that has another name now is held against what it was under its old one.

Only ``rev-parse``, ``merge-base``, ``ls-tree`` and ``cat-file`` are asked, which run no filter, no driver and
no program that a repository names, and fetch nothing.
"""

# ruff: noqa: PTH113, PTH118, PTH119, PTH120, PTH122 - paths are text here, as everywhere where files are listed

from __future__ import annotations

import os
import subprocess
from collections import Counter
from collections.abc import Sequence
from functools import cache

from dpmigrate.model import Finding, ScanResult
from dpmigrate.workspace.errors import UsageError
from dpmigrate.workspace.reading import read_bytes
from dpmigrate.workspace.settings import Settings
from dpmigrate.workspace.stretches import stretches_changed

SECONDS = 45
ALIKE = 0.5
"""The part of the lines of a file that another one shares which it was renamed from; git's own measure."""
MOST_GONE = 200
"""Files that went away which are looked at, to tell under which name a new one was there before."""


class Changes:
    """The lines of each file that are not as they were at a revision. Raises UsageError for none such."""

    def __init__(self, revision: str, settings: Settings, roots: Sequence[str]) -> None:
        self._settings = settings
        self._revision = revision
        self._commits: dict[str, str | None] = {}
        self._changed: dict[str, frozenset[int] | None] = {}
        self._gone: dict[str, tuple[str, ...]] = {}
        for root in roots:
            if self._commit(root) is None:
                raise UsageError(
                    f"--diff-base: {revision!r} is no revision of a git repository at {root}{_shallow(root)}."
                )

    def only(self, result: ScanResult) -> ScanResult:
        """What of a result stands on changed lines; of files that could not be analysed, the changed ones."""
        findings = tuple(f for f in result.findings if self._touches(f, result))
        return result._replace(
            findings=findings,
            unchanged=len(result.findings) - len(findings),
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
        try:
            after = read_bytes(path).splitlines()
        except OSError:
            return None
        name = path.removeprefix(root.rstrip("/") + "/")
        before = _lines_at(root, commit, name)
        if before is None:
            before = self._renamed_from(root, commit, name, after)
        return None if before is None else changed_lines(before, after)

    def _renamed_from(
        self, root: str, commit: str, name: str, after: Sequence[bytes]
    ) -> Sequence[bytes] | None:
        """The lines of the file that is gone since and has most in common with a new one, if half of them."""
        if root not in self._gone:
            listed = _git(root, "ls-tree", "-r", "-z", "--name-only", "--full-tree", commit) or b""
            paths = map(os.fsdecode, filter(None, listed.split(b"\0")))
            self._gone[root] = tuple(path for path in paths if not os.path.lexists(f"{root}/{path}"))
        base, suffix = os.path.basename(name), os.path.splitext(name)[1]
        likely = sorted(
            (path for path in self._gone[root] if os.path.splitext(path)[1] == suffix),
            key=lambda path: os.path.basename(path) != base,
        )
        best: tuple[float, Sequence[bytes] | None] = (0.0, None)
        for path in likely[:MOST_GONE]:
            before = _lines_at(root, commit, path)
            if before is not None and (shared := _shared(before, after)) > best[0]:
                best = (shared, before)
            if best[0] == 1:
                break
        return best[1] if best[0] >= ALIKE else None

    def _commit(self, root: str) -> str | None:
        """The commit to compare with: where HEAD and the revision parted, else the revision itself."""
        if root not in self._commits:
            asked = ("rev-parse", "--verify", "--quiet", "--end-of-options", f"{self._revision}^{{commit}}")
            commit = _named(_git(root, *asked))
            parted = None if commit is None else _named(_git(root, "merge-base", commit, "HEAD"))
            self._commits[root] = parted or commit
        return self._commits[root]


def changed_lines(before: Sequence[bytes], after: Sequence[bytes]) -> frozenset[int]:
    """The 1-based numbers of the lines of ``after`` that are new or other than in ``before``."""
    return frozenset(
        number + 1
        for part in stretches_changed(before, after)
        for number in range(part.new_start, part.new_end)
    )


def _shared(before: Sequence[bytes], after: Sequence[bytes]) -> float:
    """How much two texts have in common: the lines that both have, of those of the longer one, 0 to 1."""
    common = Counter(before) & Counter(after)
    return common.total() / max(len(before), len(after), 1)


def _lines_at(root: str, commit: str, name: str) -> Sequence[bytes] | None:
    """The lines of a file as a commit has it; None where it does not."""
    blob = _git(root, "cat-file", "blob", f"{commit}:{name}")
    return None if blob is None else blob.splitlines()


def _named(said: bytes | None) -> str | None:
    """The commit that git printed, if it did."""
    return None if said is None else said.decode("ascii", "replace").strip() or None


def _shallow(root: str) -> str:
    """What to do about a clone without its history, after the name of its folder; empty for all others."""
    if _named(_git(root, "rev-parse", "--is-shallow-repository")) != "true":
        return ""
    fetched = "git fetch --unshallow; in a GitHub workflow fetch-depth: 0"
    return f", which was cloned without its history: fetch that ({fetched})"


@cache
def _program() -> str | None:
    """git, from the absolute folders of ``PATH`` alone: never one that lies in the folder at hand."""
    folders = filter(os.path.isabs, os.environ.get("PATH", os.defpath).split(os.pathsep))
    suffix = ".exe" if os.name == "nt" else ""
    places = (os.path.join(folder, f"git{suffix}") for folder in folders)
    return next((place for place in places if os.path.isfile(place) and os.access(place, os.X_OK)), None)


def _git(root: str, *arguments: str) -> bytes | None:
    """What a git command says in a folder; None where it fails or there is no git.

    Raises UsageError where it says nothing in time, as in a repository whose files are pipes.
    """
    program = _program()
    if program is None:
        return None
    environment = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
    environment |= {"GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0"}
    # The first is known to git 2.44 and later.
    environment |= {"GIT_NO_LAZY_FETCH": "1", "GIT_ALLOW_PROTOCOL": "none"}
    try:
        done = subprocess.run(
            [program, "-c", "core.fsmonitor=false", "-c", "safe.bareRepository=explicit", *arguments],
            cwd=root,
            env=environment,
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise UsageError(f"--diff-base: git gave no answer within {SECONDS} seconds in {root}.") from error
    except OSError:
        return None
    return done.stdout if done.returncode == 0 else None
