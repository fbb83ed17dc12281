"""What a script overwrites or leaves behind while it is verified is put back and taken away.

The process that runs the script puts it back, and the one that waits for it does so in its place should it
die: what is kept lies in a folder that both know. Where both were killed, the next call says where it lies.
Others may write in the same folder meanwhile: what the script was not heard to write is told of, and left.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from dpmigrate.report.layout import clean
from dpmigrate.workspace.private import is_private, write_whole

LARGEST, MOST, NAMED = 20_000_000, 20_000, 5
"""Bytes of a file that is put back or taken away (what is larger is data), files below the folder, and new
ones that are named."""

MANIFEST = "manifest.json"
"""Of what is kept: written last, so that a folder that has it is whole."""

SOURCES = (".py", ".pyi", ".ipynb", ".toml", ".md", ".sh", ".cfg")
"""What people write, perhaps while the script runs: told of, and left as it is."""

KEPT = "kept"
"""Name of the folder of what is kept, in the ``dpmigrate-*`` folder of a call."""

HEARD = "heard"
"""Of what is kept: the paths that the script's processes have written, made or removed."""

WRITES = {"os.rename": (0, 1), "os.link": (1,)} | dict.fromkeys(
    ("open", "os.mkdir", "os.remove", "shutil.rmtree", "sqlite3.connect"), (0,)
)
"""Python's audit events that name what is written, and which of their arguments do."""


@contextmanager
def taken_back(folder: Path, kept: Path) -> Iterator[None]:
    """Run a block, then put the files below ``folder`` back, telling on standard error of each.

    ``kept``: where their copies lie meanwhile.
    """
    keep(folder, kept)
    try:
        yield
    finally:
        put_back(kept)


def keep(folder: Path, kept: Path) -> None:
    """Copy the files below ``folder`` to ``kept``, which must not exist."""
    files, folders = _below(folder)
    if len(files) > MOST:
        _tell(f"{folder} has too many files to be put back afterwards")
        return
    kept.mkdir()
    for number, (path, (size, _)) in enumerate(files.items()):
        if size <= LARGEST:
            shutil.copy2(path, kept / str(number))
    manifest = {
        "folder": str(folder.absolute()),
        "process": os.getpid(),
        "files": [[path, *state] for path, state in files.items()],
        "folders": sorted(folders),
    }
    write_whole(kept / MANIFEST, json.dumps(manifest))
    _listen(kept / HEARD)


def _listen(log: Path) -> None:
    """Note what this process, and every fork of it, writes from now on."""
    known: set[bytes] = set()
    out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def hear(event: str, given: tuple[Any, ...]) -> None:
        if event not in WRITES:
            return
        with suppress(Exception):  # it would be raised at the script
            if event != "open" or given[2] & (os.O_WRONLY | os.O_RDWR):
                for path in {os.path.realpath(os.fsencode(given[place])) for place in WRITES[event]} - known:
                    known.add(path)
                    os.write(out, path + b"\0")

    sys.addaudithook(hear)


def _heard(log: Path, folders: set[str]) -> Callable[[str], bool]:
    """Whether the script's processes have written a path, or one of ``folders`` that it lies in."""
    paths = {os.fsdecode(name) for name in log.read_bytes().split(b"\0")} if log.exists() else set()
    whole = paths & set(map(os.path.realpath, folders))

    def heard(path: str) -> bool:
        real = Path(os.path.realpath(path))
        return str(real) in paths or not whole.isdisjoint(map(str, real.parents))

    return heard


def put_back(kept: Path) -> None:
    """Undo what has changed since :func:`keep`, and remove what it kept; nothing where that is gone.

    May be called again where an earlier call was cut short.
    """
    manifest = _manifest(kept)
    if manifest is None:
        return
    before = {path: (number, (size, time)) for number, (path, size, time) in enumerate(manifest["files"])}
    after, folders = _below(Path(manifest["folder"]))
    heard = _heard(kept / HEARD, folders ^ set(manifest["folders"]))
    for path, (number, state) in before.items():
        # What was empty may be what a shell or tee writes this very call's output to: nothing was lost.
        if after.get(path) == state or state[0] > LARGEST or state[0] == 0 < after.get(path, state)[0]:
            continue
        if path.endswith(SOURCES):
            _tell(f"{path} was changed meanwhile, and is left as it is")
        elif heard(path):
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(kept / str(number), path)
            _tell(f"the script changed {path}, which was put back")
        else:
            former = Path(tempfile.mkdtemp(prefix="dpmigrate-former-"), Path(path).name)
            shutil.copy2(kept / str(number), former)
            _tell(f"{path} was changed, perhaps not by the script, and is left; as it was: {former}")
    new = sorted(p for p in after if p not in before and after[p][0] <= LARGEST and not p.endswith(SOURCES))
    own = list(filter(heard, new))
    for path in own:
        Path(path).unlink(missing_ok=True)
    _tell_of(own, "new files were removed ({}; --in-place keeps them)", manifest["folder"])
    others = [path for path in new if path not in own]
    _tell_of(others, "new files were left ({}; the script was not seen to write them)", manifest["folder"])
    for made in sorted(filter(heard, folders - set(manifest["folders"])), reverse=True):
        with suppress(OSError):  # what is not taken away keeps its folder
            Path(made).rmdir()
    shutil.rmtree(kept, ignore_errors=True)


def _tell_of(paths: list[str], what: str, folder: str) -> None:
    if paths:
        named = ", ".join(os.path.relpath(path, folder) for path in paths[:NAMED])
        _tell(f"{what.format(len(paths))}: {named}")


def _tell(words: str) -> None:
    print(f"dpmigrate verify: {clean(words)}", file=sys.stderr)


def left_behind(folder: Path) -> list[Path]:
    """What earlier calls in ``folder`` kept and were killed before they could put back."""
    folders = []
    for kept in Path(tempfile.gettempdir()).glob(f"dpmigrate-*/{KEPT}"):
        # What another user has planted there is not opened: it may have no end, or be told of as one's own.
        manifest = _manifest(kept) if is_private(kept.parent) else None
        if manifest is None or manifest["folder"] != str(folder.absolute()):
            continue
        try:
            os.kill(manifest["process"], 0)
        except ProcessLookupError:
            folders.append(kept)
        except OSError:
            pass
    return folders


def _manifest(kept: Path) -> dict[str, Any] | None:
    try:
        manifest: dict[str, Any] = json.loads((kept / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return manifest


def _below(folder: Path) -> tuple[dict[str, tuple[int, int]], set[str]]:
    """Size and time of every file below a folder, and the folders; hidden and installed ones left out, and
    what this process prints to."""
    files: dict[str, tuple[int, int]] = {}
    printed = []
    for number in (1, 2):
        with suppress(OSError):  # closed
            printed.append(os.fstat(number))
    seen: set[str] = set()
    for place, folders, names in os.walk(folder.absolute()):
        folders[:] = [
            f for f in folders if not f.startswith(".") and f not in ("__pycache__", "site-packages")
        ]
        seen.update(str(Path(place, f)) for f in folders)
        for path in (Path(place, name) for name in names):
            if path.is_file() and not path.is_symlink():
                state = path.stat()
                if not any(os.path.samestat(state, output) for output in printed):
                    files[str(path)] = (state.st_size, state.st_mtime_ns)
        if len(files) > MOST:
            break
    return files, seen
