"""What processes of one user hand each other: folders that nobody else can reach into, and whole files."""

from __future__ import annotations

import os
import stat
from pathlib import Path


def is_private(folder: Path) -> bool:
    """Whether a path is a folder, no link, of this user, that nobody else may look into or write to.

    Where the system knows no owners, every user has temporary files apart.
    """
    try:
        status = folder.lstat()
    except OSError:
        return False
    if not stat.S_ISDIR(status.st_mode) or not hasattr(os, "getuid"):
        return stat.S_ISDIR(status.st_mode)
    return status.st_uid == os.getuid() and not status.st_mode & 0o077


def write_whole(path: Path, text: str) -> None:
    """Write a file that appears whole or not at all, whoever else writes it."""
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)
