"""What a script overwrites or leaves behind while it is verified is put back and taken away."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LARGEST, MOST = 20_000_000, 20_000
"""Bytes of a file that is put back or taken away (what is larger is data), and files below the folder."""


@contextmanager
def taken_back(folder: Path) -> Iterator[None]:
    """Run a block, then put the files below ``folder`` back, telling on standard error of each."""
    before = _files(folder)
    if len(before) > MOST:
        print(f"dpmigrate verify: {folder} has too many files to be put back afterwards", file=sys.stderr)
        yield
        return
    with tempfile.TemporaryDirectory(prefix="dpmigrate-") as kept:
        for number, (path, (size, _)) in enumerate(before.items()):
            if size <= LARGEST:
                shutil.copy2(path, Path(kept, str(number)))
        try:
            yield
        finally:
            after = _files(folder)
            for number, (path, state) in enumerate(before.items()):
                if after.get(path) != state and state[0] <= LARGEST:
                    shutil.copy2(Path(kept, str(number)), path)
                    print(f"dpmigrate verify: the script changed {path}, which was put back", file=sys.stderr)
            for path in after.keys() - before.keys():
                if after[path][0] <= LARGEST:
                    path.unlink(missing_ok=True)


def _files(folder: Path) -> dict[Path, tuple[int, int]]:
    """Size and time of every file below a folder, hidden and installed ones left out."""
    found = {}
    for place, folders, names in os.walk(folder):
        folders[:] = [
            f for f in folders if not f.startswith(".") and f not in ("__pycache__", "site-packages")
        ]
        for path in (Path(place, name) for name in names):
            if path.is_file() and not path.is_symlink():
                found[path] = (path.stat().st_size, path.stat().st_mtime_ns)
        if len(found) > MOST:
            break
    return found
