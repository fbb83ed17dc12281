"""Which files a git repository tracks, read from its index without running git.

git itself can be made to run a program by the configuration of the very repository that it lists
(``core.fsmonitor``, a promisor remote's ``core.sshCommand``), and it matches ignore patterns in
exponential time. Only names are taken from the index, and only to tell what an ignore file does not
hide; no name in it leads anywhere. Formats: https://git-scm.com/docs/index-format, versions 2 to 4.
"""

# Part of every scan, where pathlib is several times slower.
# ruff: noqa: PTH114, PTH118, PTH120

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from typing import NamedTuple

from dpmigrate.workspace.reading import read_at_most

MOST_BYTES = 100_000_000
"""Bytes of an index that are read; a million files take about as many."""
_LONGEST = 4_096
"""Bytes of a name in an index; no system call takes longer ones."""
_SMALL = 10_000
"""Bytes of the small files of a repository that are read."""
_HASHES = (20, 32)
"""Bytes of a name of an object: SHA-1, SHA-256."""


class Tracked(NamedTuple):
    """The names in an index, POSIX and relative to the repository: files, and all folders that hold them.

    A submodule is among the folders.
    """

    files: frozenset[str] = frozenset()
    folders: frozenset[str] = frozenset()


def git_folder(root: str) -> str | None:
    """The folder in which git keeps what it knows of the repository at ``root``; None if there is none.

    A link or a file named .git may name a folder elsewhere. That counts only where the folder says
    that it belongs to this very tree, as those of submodules and of further worktrees do.
    """
    place = root.rstrip("/") + "/.git"
    try:
        mode = os.lstat(place).st_mode
    except OSError:
        return None
    if stat.S_ISDIR(mode):
        return place
    if not stat.S_ISREG(mode):
        return None
    text = read_at_most(place, _SMALL)
    if text is None or not text.startswith(b"gitdir:"):
        return None
    named = os.fsdecode(text[len(b"gitdir:") :].split(b"\n")[0].strip())
    if not named or "\0" in named:
        return None
    folder = os.path.normpath(os.path.join(root, named))
    return folder if _belongs(folder, place) else None


def _belongs(folder: str, place: str) -> bool:
    back = _line(folder + "/gitdir")
    if back is not None:
        return os.path.normpath(os.path.join(folder, back)) == os.path.normpath(place)
    if "/.git/modules/" not in folder:
        return False
    for line in (read_at_most(folder + "/config", _SMALL) or b"").splitlines():
        key, _, value = line.partition(b"=")
        if key.strip().lower() == b"worktree":
            tree = os.path.join(folder, os.fsdecode(value.strip().strip(b'"')))
            return os.path.realpath(tree) == os.path.realpath(place[: -len("/.git")])
    return False


def exclude_file(folder: str) -> str | None:
    """The ``info/exclude`` of a repository, shared by its worktrees; None where it lies elsewhere."""
    common = os.path.normpath(os.path.join(folder, _line(folder + "/commondir") or "."))
    if common != folder and os.path.dirname(folder) != common + "/worktrees":
        common = folder
    return None if os.path.islink(common + "/info") else common + "/info/exclude"


def _line(path: str) -> str | None:
    """The first line of a small file; None where there is none."""
    text = read_at_most(path, _SMALL)
    return None if not text or b"\0" in text else os.fsdecode(text.split(b"\n")[0].strip())


def tracked(folder: str, matters: Callable[[str], bool]) -> Tracked:
    """What the index in a repository's git folder names of files that matter; nothing where it is damaged."""
    index = read_at_most(folder + "/index", MOST_BYTES)
    if index is None:
        return Tracked()
    names = _names(index)
    shared = _shared_index(index)
    if shared is not None:
        names |= _names(read_at_most(f"{folder}/sharedindex.{shared}", MOST_BYTES) or b"")
    files: set[str] = set()
    folders: set[str] = set()
    for raw, submodule in names:
        name = os.fsdecode(raw)
        if submodule:
            folders.add(name)
        elif matters(name):
            files.add(name)
        else:
            continue
        at = name.rfind("/")
        while at > 0 and name[:at] not in folders:
            folders.add(name[:at])
            at = name.rfind("/", 0, at)
    return Tracked(frozenset(files), frozenset(folders))


def _names(index: bytes) -> set[tuple[bytes, bool]]:
    """Names of entries, and whether each is a submodule."""
    if index[:4] != b"DIRC" or len(index) < 12:
        return set()
    version, count = int.from_bytes(index[4:8], "big"), int.from_bytes(index[8:12], "big")
    for hash_size in _HASHES:
        entries = _entries(index, version, count, hash_size)
        if entries is not None:
            return entries
    return set()


def _entries(index: bytes, version: int, count: int, hash_size: int) -> set[tuple[bytes, bool]] | None:
    """The entries of an index whose hashes have this size; None where they cannot have."""
    entries: set[tuple[bytes, bool]] = set()
    at, name = 12, b""
    flags_at = 40 + hash_size
    for _ in range(count):
        flags = int.from_bytes(index[at + flags_at : at + flags_at + 2], "big")
        start = at + flags_at + (4 if flags & 0x4000 else 2)
        if version == 4:
            dropped, start = _varint(index, start)
            if dropped > len(name):
                return None
            name = name[: len(name) - dropped]
        end = index.find(b"\0", start)
        if end < 0:
            return None
        name = name + index[start:end] if version == 4 else index[start:end]
        if len(name) > _LONGEST or (flags & 0xFFF) not in (0xFFF, len(name)):
            return None
        # An entry that replaces one of the shared index has no name of its own.
        if name:
            entries.add((name, index[at + 24 : at + 28] == b"\0\0\xe0\0"))
        at = end + 1 if version == 4 else at + (end - at + 8) // 8 * 8
    return entries


def _varint(index: bytes, at: int) -> tuple[int, int]:
    """A number in git's offset encoding, and where it ends; far too large where it has no end."""
    value = -1
    for end in range(at, min(at + 8, len(index))):
        value = (value + 1) << 7 | index[end] & 0x7F
        if not index[end] & 0x80:
            return value, end + 1
    return MOST_BYTES + 1, at


def _shared_index(index: bytes) -> str | None:
    """The name in the ``link`` extension of a split index."""
    at = index.rfind(b"link\0\0")
    if at < 0:
        return None
    size = int.from_bytes(index[at + 4 : at + 8], "big")
    for hash_size in _HASHES:
        named = index[at + 8 : at + 8 + hash_size]
        if size >= hash_size and len(named) == hash_size and any(named):
            return named.hex()
    return None
