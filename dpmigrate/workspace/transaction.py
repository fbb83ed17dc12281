"""Writing many files so that all change or none does.

Every new content first goes to a temporary file beside its target and to the disk (fsync);
only then are the targets replaced, one atomic rename each. A failure puts back what had been
replaced. A process that is killed leaves every file whole, old or new.
"""

# Names of system calls, one for one: what is promised here is about them.
# ruff: noqa: PTH101, PTH105, PTH108, PTH116, PTH118, PTH119, PTH120

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from dpmigrate.workspace.errors import Refused
from dpmigrate.workspace.names import temporary_name, writer_of
from dpmigrate.workspace.reading import holds_exactly, reason_of

_WRITABLE = stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH


@dataclass(frozen=True, slots=True)
class _Change:
    path: str
    old: bytes | None
    new: bytes | None
    """None where there is no file."""


class Transaction:
    """The writes of one fix.

    ``allowed`` tells whether a path may be written (default: any); ``display`` turns a path
    into the one that messages show. Both get absolute paths.
    """

    def __init__(
        self,
        allowed: Callable[[str], bool] | None = None,
        display: Callable[[str], str] = str,
    ) -> None:
        self._allowed = allowed
        self._display = display
        self._staged: dict[str, _Change] = {}
        self._committed: list[_Change] = []

    @property
    def paths(self) -> tuple[str, ...]:
        """The files that :meth:`commit` will write, or has written, sorted."""
        return tuple(sorted({*self._staged, *(change.path for change in self._committed)}))

    def stage(self, path: str | Path, old: bytes, new: bytes) -> None:
        """Plan to replace the content ``old`` of a file by ``new``.

        Raises :class:`Refused` for a link, a file outside the given paths, a read-only file or
        folder, and a file that no longer holds ``old``. Staging a path again replaces its plan.
        """
        change = _Change(str(path), old, new)
        self._check(change)
        if old == new:
            self._staged.pop(change.path, None)
        else:
            self._staged[change.path] = change

    def create(self, path: str | Path, new: bytes) -> None:
        """Plan to write a file that is not there yet, which may stand beside the allowed ones.

        Raises :class:`Refused` where something has its name, and for a folder that cannot be written.
        """
        change = _Change(str(path), None, new)
        self._check(change)
        self._staged[change.path] = change

    def commit(self) -> None:
        """Write everything that is staged, or raise :class:`Refused` and leave every file as it was."""
        # New files come first, and go last: what imports them is never without.
        changes = sorted(self._staged.values(), key=lambda c: (c.old is not None, c.path))
        for change in changes:
            self._check(change)
        self._replace(changes)
        self._committed += changes
        self._staged.clear()

    def rollback(self) -> None:
        """Put back every committed file, all or none.

        Raises :class:`Refused` when one of them has been changed since by somebody else.
        """
        changes = [_Change(c.path, c.new, c.old) for c in reversed(self._committed)]
        for change in changes:
            self._check(change)
        self._replace(changes)
        self._committed.clear()

    def _check(self, change: _Change) -> None:
        path = change.path
        is_own = None in (change.old, change.new)
        if self._allowed is not None and not is_own and not self._allowed(path):
            raise self._refused(path, "outside the given paths")
        try:
            if change.old is None:
                if os.path.lexists(path):
                    raise self._refused(path, "is there already")
                if os.path.realpath(path) != path:
                    raise self._refused(path, "reached through a link")
                self._check_folder(path)
                return
            mode = os.lstat(path).st_mode
            if stat.S_ISLNK(mode) or os.path.realpath(path) != path:
                raise self._refused(path, "reached through a link")
            if not stat.S_ISREG(mode):
                raise self._refused(path, "not a regular file")
            # The mode is asked as well, because to root everything is writable.
            if not mode & _WRITABLE or not os.access(path, os.W_OK):
                raise self._refused(path, "read-only")
            self._check_folder(path)
            if not holds_exactly(path, change.old):
                raise self._refused(path, "changed on disk since it was read")
        except OSError as error:
            raise self._refused(path, reason_of(error)) from error

    def _check_folder(self, path: str) -> None:
        folder = os.path.dirname(path)
        if not os.stat(folder).st_mode & _WRITABLE or not os.access(folder, os.W_OK | os.X_OK):
            raise self._refused(path, "its folder is read-only")

    def _replace(self, changes: list[_Change]) -> None:
        temporary: dict[str, str] = {}
        replaced: list[_Change] = []
        try:
            # An interrupt may come between any two lines: names are known before the files are there.
            for change in changes:
                if change.new is not None:
                    temporary[change.path] = _name_beside(change.path)
                    _write(temporary[change.path], change.path, change.new)
            for change in changes:
                replaced.append(change)
                if change.new is None:
                    os.unlink(change.path)
                else:
                    os.replace(temporary[change.path], change.path)
            for folder in sorted({os.path.dirname(change.path) for change in changes}):
                _sync_folder(folder)
        except BaseException as error:
            waiting = [p for p, t in temporary.items() if os.path.lexists(t)]
            self._put_back([c for c in replaced if c.path not in waiting])
            if isinstance(error, OSError):
                path = error.filename if isinstance(error.filename, str) else changes[0].path
                target = next((p for p, t in temporary.items() if t == path), path)
                raise self._refused(target, f"cannot be written: {error.strerror or error}") from error
            raise
        finally:
            for left in temporary.values():
                with suppress(FileNotFoundError):
                    os.unlink(left)

    def _put_back(self, replaced: list[_Change]) -> None:
        failed = []
        for change in reversed(replaced):
            try:
                if change.old is None:
                    with suppress(FileNotFoundError):
                        os.unlink(change.path)
                else:
                    beside = _name_beside(change.path)
                    _write(beside, change.path, change.old)
                    os.replace(beside, change.path)
            except OSError as error:
                failed.append(self._refused(change.path, f"cannot be put back: {error.strerror or error}"))
        if failed:
            raise failed[0]

    def _refused(self, path: str, reason: str) -> Refused:
        return Refused(self._display(path), reason)


def remove_left_over(paths: Iterable[str]) -> list[str]:
    """Remove temporary files whose writer was killed; the absolute paths of those that are gone."""
    removed = []
    for path in sorted(paths):
        writer = writer_of(os.path.basename(path))
        try:
            if writer is None or _runs(writer) or not stat.S_ISREG(os.lstat(path).st_mode):
                continue
            os.unlink(path)
        except OSError:
            continue
        removed.append(path)
    return removed


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _name_beside(path: str) -> str:
    folder, base = os.path.split(path)
    return os.path.join(folder, temporary_name(base, os.getpid(), secrets.token_hex(8)))


def _write(name: str, path: str, data: bytes) -> None:
    """Write ``data`` to the new file ``name``, on the disk, with the mode and owner of ``path``.

    Where there is no ``path``, with the mode that the process gives a new file.
    """
    status = os.stat(path) if os.path.lexists(path) else None
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    descriptor = os.open(name, flags, 0o666 if status is None else 0o600)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(descriptor, view) :]
        if status is not None:
            if hasattr(os, "fchown"):
                with suppress(PermissionError):
                    os.fchown(descriptor, status.st_uid, status.st_gid)
            os.chmod(descriptor if os.chmod in os.supports_fd else name, stat.S_IMODE(status.st_mode))
        os.fsync(descriptor)
    except BaseException:
        os.close(descriptor)
        os.unlink(name)
        raise
    os.close(descriptor)


def _sync_folder(folder: str) -> None:
    """Bring the renames in a folder to the disk, where the system has a way to."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    except OSError:  # some network file systems have no fsync for folders; the renames stand
        return
    finally:
        os.close(descriptor)
