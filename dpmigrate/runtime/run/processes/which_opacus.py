"""The Opacus that is judged is the one that the script would import.

The script's folder stands first on Python's path when the script is run alone: an ``opacus`` package in it
goes before an installed one. A script may also change the path; then there is nothing to report.
"""

from __future__ import annotations

import builtins
import sys
from collections.abc import Callable
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any

from dpmigrate.runtime.run.places import folder_of
from dpmigrate.runtime.run.request import Request


def import_opacus(request: Request) -> None:
    """Import the package from the script's folder where there is one; raises what importing raises.

    The folder is on the path for that long only: nothing in it may stand in for what this program imports.
    """
    folder = script_folder(request)
    spec = PathFinder.find_spec("opacus", [folder])
    if spec is None or spec.origin is None or spec.submodule_search_locations is None:
        __import__("opacus")
        return
    sys.path.insert(0, folder)
    try:
        __import__("opacus")
    finally:
        sys.path.remove(folder)


def script_folder(request: Request) -> str:
    """What Python would put first on its path for the script (for a module: the current folder)."""
    if request.kind == "script":
        return str(Path(request.target).resolve().parent)
    return str(Path.cwd())


def watch_import(found: Callable[[str], None]) -> None:
    """Call ``found`` with a folder if the script's first import of Opacus would have loaded it from there.

    To be called before the script begins; looks at that one import and at no other.
    """
    original = builtins.__import__
    looked = False

    def importing(
        name: str, globals: Any = None, locals: Any = None, fromlist: Any = (), level: int = 0
    ) -> Any:
        nonlocal looked
        if not looked and level == 0 and name.split(".", 1)[0] == "opacus":
            importer = str((globals or {}).get("__name__", "")).split(".", 1)[0]
            if importer not in ("opacus", "dpmigrate"):
                looked = True
                if builtins.__import__ is importing:
                    builtins.__import__ = original
                other = _first_on_path()
                if other and Path(other).resolve() != Path(folder_of("opacus")).resolve():
                    found(other)
        return original(name, globals, locals, fromlist, level)

    builtins.__import__ = importing


def _first_on_path() -> str:
    """The folder of the package that ``sys.path`` gives now; empty where it gives none."""
    spec = PathFinder.find_spec("opacus", None)
    return str(Path(spec.origin).parent) if spec is not None and spec.origin else ""
