"""What an Opacus git commit, tag or branch behaves like.

Between #668 (2024-08-29, the wrapped criterion) and 53b3c254 (2025-01-07, the fix of the memory manager
fault) the unreleased code has the new API and the old fault, and calls itself 1.5.2. The commits are data:
``upstream_commits.txt`` beside this module.
"""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path

from .releases import GIT_FAULTY, GIT_UNKNOWN, RELEASES, VersionSet

UPSTREAM_OWNERS = frozenset({"pytorch", "meta-pytorch", "facebookresearch"})
"""Owners under which upstream's repository is or was found; everybody else's is a fork."""

_HASH = re.compile(r"[0-9a-f]{7,40}")
_TAG_SPELLINGS = {"1.3": "1.3.0", "1.4": "1.4.0"}
"""Upstream's tags ``v1.3`` and ``v1.4`` carry the releases 1.3.0 and 1.4.0."""


def classify_commit(ref: str | None, *, upstream: bool = True) -> VersionSet:
    """The versions that a git ref behaves like.

    ``ref`` is a commit hash (at least seven digits), a tag, a branch, or None for the default branch. A
    hash names its content wherever it is found; tags count only where ``upstream`` says that the
    repository is Opacus's own. What is not known is `GIT_UNKNOWN`.
    """
    if ref:
        commit = ref.lower()
        if _HASH.fullmatch(commit):
            versions_like_it = {members for full, members in _commits().items() if full.startswith(commit)}
            if len(versions_like_it) == 1:
                return VersionSet.of(versions_like_it.pop(), ref=ref)
        elif upstream and (release := _tagged(ref)):
            return VersionSet.of([release])
    return VersionSet.of([GIT_UNKNOWN], ref=ref)


def _tagged(ref: str) -> str | None:
    tag = ref.removeprefix("refs/").removeprefix("tags/")
    if not tag.startswith("v"):
        return None
    number = tag[1:].removeprefix(".")  # v.1.1.0 and v.1.5.1 are spelt so
    number = _TAG_SPELLINGS.get(number, number)
    return number if number in RELEASES else None


@lru_cache(maxsize=1)
def _commits() -> dict[str, tuple[str, ...]]:
    """Full hash -> members."""
    text = (Path(__file__).parent / "upstream_commits.txt").read_text(encoding="ascii")
    table: dict[str, tuple[str, ...]] = {}
    for line in text.splitlines():
        if line and not line.startswith("#"):
            commit, *members = line.split()
            table[commit] = (GIT_FAULTY,) if members == ["faulty"] else tuple(members)
    return table
