"""Reading files quickly: which of many files hold any of a few byte strings.

Speed matters here: the whole of a scan of a project without Opacus is this loop. Bytes are
neither decoded nor read twice.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from dpmigrate.model import NotAnalysed

MOST_BYTES = 100_000_000
"""Bytes of a file that is held."""
MOST_SEARCHED = 1_000_000_000
"""Bytes of a file that is searched."""
_CHUNK = 1 << 16
# Without waiting: what was a file when it was listed may be a pipe that nobody writes to by now.
_FLAGS = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
_NO_LINK = getattr(os, "O_NOFOLLOW", 0)


class Telling(NamedTuple):
    """What :func:`telling` found: bytes of the files that hold a needle, and files it could not read."""

    data: dict[str, bytes]
    not_analysed: tuple[NotAnalysed, ...] = ()
    seen: int = 0


def read_bytes(path: str, needles: Sequence[bytes] = (), follow: bool = True) -> bytes:
    """The whole file; of a very large one without any of the ``needles``, nothing.

    Raises ``OSError``, also for a file that is too large to hold, and for a link unless ``follow``.
    """
    descriptor = os.open(path, _FLAGS if follow else _FLAGS | _NO_LINK)
    try:
        data = os.read(descriptor, _CHUNK)
        if len(data) < _CHUNK:
            return data
        size = os.fstat(descriptor).st_size
        if size > MOST_BYTES:
            if needles and size <= MOST_SEARCHED and not _holds(descriptor, data, needles):
                return b""
            raise OSError(errno.EFBIG, f"too large, {size / 1e6:,.0f} MB")
        parts, size = [data], len(data)
        while data:
            data = os.read(descriptor, 16 * _CHUNK)
            parts.append(data)
            size += len(data)
            if size > MOST_BYTES:  # it grows, or is a device
                raise OSError(errno.EFBIG, "too large")
        return b"".join(parts)
    finally:
        os.close(descriptor)


def holds_exactly(path: str, expected: bytes) -> bool:
    """Whether a file's content is that, a part of it read at a time. Raises ``OSError``."""
    whole = memoryview(expected)
    with open(path, "rb") as stream:  # noqa: PTH123 - pathlib is slow to import
        for start in range(0, len(whole) + 1, 16 * _CHUNK):
            part = whole[start : start + 16 * _CHUNK]
            data = stream.read(16 * _CHUNK)
            if data != part:
                return False
    return True


def read_named(path: str) -> bytes:
    """The whole of a file that somebody named on the command line, which may be a pipe that is written to.

    Raises ``OSError``, also for what is too large to hold, such as a device without end.
    """
    with open(path, "rb") as stream:  # noqa: PTH123 - pathlib is slow to import
        data = stream.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise OSError(errno.EFBIG, "too large")
    return data


def _holds(descriptor: int, data: bytes, needles: Sequence[bytes]) -> bool:
    """Whether an open file, of which ``data`` has been read, holds any needle; it is held in parts."""
    kept = max(map(len, needles)) - 1
    while data:
        if any(needle in data for needle in needles):
            return True
        skipped = _skip_hole(descriptor)
        if skipped is None:
            return False
        more = os.read(descriptor, 64 * _CHUNK)
        data = (b"" if skipped else data[-kept:]) + more if more else b""
    return False


def _skip_hole(descriptor: int) -> int | None:
    """Go on to where a file has data next; the bytes passed over, all of them zero, None where none follow.

    A file of which nearly all was never written takes no room on a disk, and would take as long as any.
    """
    if not hasattr(os, "SEEK_DATA"):
        return 0
    at = os.lseek(descriptor, 0, os.SEEK_CUR)
    try:
        return os.lseek(descriptor, at, os.SEEK_DATA) - at
    except OSError as error:
        # Everything is data to a file system that knows no holes.
        return None if error.errno == errno.ENXIO else 0


def read_at_most(path: str, limit: int) -> bytes | None:
    """A regular file of at most ``limit`` bytes; None for anything else, a link among them."""
    try:
        # Asked first: opening alone can already do something to a device.
        if not stat.S_ISREG(os.lstat(path).st_mode):
            return None
        descriptor = os.open(path, _FLAGS | _NO_LINK)
    except (OSError, ValueError):
        return None
    try:
        if os.fstat(descriptor).st_size > limit:
            return None
        with os.fdopen(descriptor, "rb", closefd=False) as stream:
            return stream.read(limit)
    except OSError:
        return None
    finally:
        os.close(descriptor)


def telling(files: Iterable[str], needles: Sequence[bytes], display: Callable[[str], str] = str) -> Telling:
    """Search every file for every needle.

    ``display`` turns a path into the one that reports show. A file that vanished since it was
    listed is left out and not counted; any other failure becomes a ``NotAnalysed``.
    """
    contents: dict[str, bytes] = {}
    failed: list[NotAnalysed] = []
    seen = 0
    for path in files:
        try:
            # Links were followed when it was listed: one that is there by now may lead out of the project.
            data = read_bytes(path, needles, follow=False)
        except FileNotFoundError:
            continue
        except OSError as error:
            seen += 1
            failed.append(NotAnalysed(display(path), 1, reason_of(error)))
            continue
        seen += 1
        for needle in needles:
            if needle in data:
                contents[path] = data
                break
    return Telling(contents, tuple(failed), seen)


def reason_of(error: OSError) -> str:
    """One clause on why a file could not be read, in the words of the operating system."""
    return f"cannot be read: {(error.strerror or str(error)).lower()}"
