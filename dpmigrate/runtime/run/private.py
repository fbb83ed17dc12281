"""Folders among the temporary files of all users that this one made and nobody else can reach into."""

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
