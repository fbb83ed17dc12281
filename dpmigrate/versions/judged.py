"""A release that was run, held against what the dependency files ask for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from dpmigrate.versions.project import load_declarations
from dpmigrate.versions.releases import everything
from dpmigrate.workspace.names import is_dependency_file
from dpmigrate.workspace.roots import Roots


def other_than_pinned(folder: Path, version: str, shown: Callable[[str], str], start: Path) -> str | None:
    """Where the pins that govern a script in ``folder`` exclude a version: the pin and the version, in words.

    Looks at the folder and those above it up to its project root; ``shown`` gives a path as it is printed,
    relative to ``start``. None where the pins admit the version, and where nothing is known of it.
    """
    if version not in everything():
        return None
    root = Path(Roots().root_of(str(folder)))
    folders = [f for f in (folder, *folder.parents) if f == root or root in f.parents]
    files = [p for f in folders for p in sorted(f.iterdir()) if is_dependency_file(str(p)) and p.is_file()]
    declarations, _ = load_declarations(
        [(shown(str(p)), p.read_bytes()) for p in files], folder=start.as_posix()
    )
    declared = declarations.declared_for(shown(str(folder / "script.py")))
    if not declared.pins or version in declared.versions:
        return None
    pin = next((p for p in declared.pins if version not in p.versions), declared.pins[0])
    return f"{pin.path}:{pin.line} asks for {pin.text.strip()}, and this is about Opacus {version}"
