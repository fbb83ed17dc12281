"""Answers kept on disk from one scan to the next, one file each, by a key of all that they depend on.

An entry is used only when it is whole: its first line holds its key and the digest of the rest. It is
written beside its place and renamed, so that processes that share a folder see it whole or not at all.
Entries are plain JSON, and nothing in them is ever run; what another user wrote is not read. A folder that
cannot be used costs speed, no answer.
"""

# Where the folder is every scan asks: json and hashlib wait for one that has anything to look at, and
# pathlib is slow to import.
# ruff: noqa: PTH103, PTH105, PTH108, PTH118, PTH120, PTH123, PTH204

from __future__ import annotations

import os
import stat
import sys
import time
from contextlib import suppress
from typing import Any

from dpmigrate.workspace.reading import read_bytes

KEPT_FOR = 30 * 24 * 3600
"""Seconds after its last use for which an entry is kept."""
_SWEPT_EVERY = 24 * 3600
_TAG = "Signature: 8a477f597d28d172789f06886806bc55\n# A cache of dpmigrate; it may be deleted at any time.\n"
"""By which backups know a folder of this kind (https://bford.info/cachedir/)."""


def bytes_digest(*parts: bytes) -> str:
    """A digest of several byte strings, which are kept apart."""
    from hashlib import blake2b

    held = blake2b(digest_size=20)
    for part in parts:
        held.update(len(part).to_bytes(8, "big"))
        held.update(part)
    return held.hexdigest()


def default_folder() -> str | None:
    """The platform's folder for caches of this tool; None where there is no home to have one in.

    Three lines of what platformdirs knows, whose import takes longer than a scan that is answered from here.
    """
    home = os.path.expanduser("~")  # noqa: PTH111
    if not os.path.isabs(home):  # noqa: PTH117
        return None
    base = {"darwin": "Library/Caches", "win32": "AppData/Local"}.get(sys.platform, ".cache")
    asked = os.environ.get("LOCALAPPDATA" if sys.platform == "win32" else "XDG_CACHE_HOME", "")
    # A relative XDG_CACHE_HOME is to be ignored, says its specification.
    return os.path.join(asked if os.path.isabs(asked) else os.path.join(home, base), "dpmigrate")  # noqa: PTH117


class Cache:
    """The entries in one folder, which is made when the first is written."""

    def __init__(self, folder: str) -> None:
        self.folder = os.path.abspath(folder)  # noqa: PTH100

    def get(self, key: str) -> Any:
        """What was put under a key, as JSON gives it back; None where there is nothing whole."""
        import json

        path = self._path(key)
        try:
            if not _is_ours(os.lstat(path)):
                return None
            head, _, body = read_bytes(path).partition(b"\n")
            if head.decode("ascii") != _head(key, body):
                return None
            os.utime(path)
            return json.loads(body)
        except (OSError, ValueError, RecursionError):
            return None

    def put(self, key: str, value: Any) -> None:
        """Keep a value of plain JSON under a key."""
        import json

        body = json.dumps(value, separators=(",", ":")).encode("ascii")
        path = self._path(key)
        beside = f"{path}.{os.getpid()}.{time.monotonic_ns()}"
        with suppress(OSError):
            self._make(os.path.dirname(path))
            try:
                with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
                    stream.write(_head(key, body).encode("ascii") + b"\n" + body)
                os.replace(beside, path)
            except OSError:
                with suppress(OSError):
                    os.unlink(beside)
            self._sweep()

    def _path(self, key: str) -> str:
        return os.path.join(self.folder, key[:2], key[2:])

    def _make(self, folder: str) -> None:
        if os.path.isdir(folder):  # noqa: PTH112
            return
        os.makedirs(folder, mode=0o700, exist_ok=True)
        for name, text in (("CACHEDIR.TAG", _TAG), (".gitignore", "*\n")):
            with suppress(FileExistsError), open(os.path.join(self.folder, name), "x") as stream:
                stream.write(text)

    def _sweep(self) -> None:
        """Once a day, remove what was not used for long."""
        tag, now = os.path.join(self.folder, "CACHEDIR.TAG"), time.time()
        if now - os.path.getmtime(tag) < _SWEPT_EVERY:
            return
        os.utime(tag)
        for shelf in os.scandir(self.folder):
            for entry in os.scandir(shelf.path) if shelf.is_dir() and len(shelf.name) == 2 else ():
                with suppress(OSError):
                    if now - entry.stat().st_mtime > KEPT_FOR:
                        os.unlink(entry.path)


def _is_ours(entry: os.stat_result) -> bool:
    """Whether a file, which is no link and no pipe, is this user's."""
    mine = getattr(os, "geteuid", lambda: entry.st_uid)()
    return stat.S_ISREG(entry.st_mode) and entry.st_uid == mine


def _head(key: str, body: bytes) -> str:
    return f"{key} {bytes_digest(body)}"
