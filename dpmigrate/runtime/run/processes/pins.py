"""What the project's dependency files ask for, held against the Opacus that was judged."""

from __future__ import annotations

from pathlib import Path

from dpmigrate.runtime.run.places import STARTED_IN, shown_path
from dpmigrate.runtime.run.processes.which_opacus import script_folder
from dpmigrate.runtime.run.request import Request
from dpmigrate.versions.project import load_declarations
from dpmigrate.versions.releases import everything
from dpmigrate.workspace.names import is_dependency_file
from dpmigrate.workspace.roots import Roots


def other_than_pinned(request: Request, version: str) -> str | None:
    """Where the pins that govern the script exclude this version: the pin and what was judged, in words.

    Looks at the script's folder and those above it up to its project root. None where the pins admit the
    version, and where nothing is known of it.
    """
    if version not in everything():
        return None
    folder = Path(script_folder(request)).resolve()
    root = Path(Roots().root_of(str(folder)))
    folders = [f for f in (folder, *folder.parents) if f == root or root in f.parents]
    files = [p for f in folders for p in sorted(f.iterdir()) if is_dependency_file(str(p)) and p.is_file()]
    declarations, _ = load_declarations(
        [(shown_path(str(p)), p.read_bytes()) for p in files], folder=STARTED_IN.as_posix()
    )
    declared = declarations.declared_for(shown_path(str(folder / "script.py")))
    if not declared.pins or version in declared.versions:
        return None
    pin = next((p for p in declared.pins if version not in p.versions), declared.pins[0])
    return f"{pin.path}:{pin.line} asks for {pin.text.strip()}, and this is about Opacus {version}"
