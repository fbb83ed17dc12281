"""What a project declares of Opacus: its dependency files, and the installs in its notebooks."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from dpmigrate.project import Project
from dpmigrate.workspace.discover import Workspace
from dpmigrate.workspace.reading import telling

if TYPE_CHECKING:
    from dpmigrate.workspace.source import Source


def governed_by_target(workspace: Workspace) -> Callable[[str], bool]:
    """Whether a dependency file inside PATH has a say in the source file at an absolute path."""
    if not any(map(workspace.is_target, workspace.dependency_files)):
        return lambda path: False
    from dpmigrate.versions.project import load_declarations

    declarations, _ = load_declarations(_dependencies(workspace).items(), folder=_posix(workspace.cwd))
    own = {pin.path for pin in declarations.pins if workspace.is_target(workspace.absolute(pin.path))}

    def governed(path: str) -> bool:
        return any(pin.path in own for pin in declarations.declared_for(workspace.display(path)).pins)

    return governed


def telling_dependencies(project: Project) -> dict[str, bytes]:
    """The dependency files that name Opacus, by the path that reports show; read at most once."""
    if project.telling_dependencies is None:
        project.telling_dependencies = _dependencies(project.workspace)
    return project.telling_dependencies


def _dependencies(workspace: Workspace) -> dict[str, bytes]:
    """The dependency files that name Opacus, or torchcsprng, by the path that reports show."""
    from dpmigrate.versions.decoding import NAMES_CSPRNG, NEEDLES

    files_read = telling(workspace.dependency_files, (*NEEDLES, *NAMES_CSPRNG), workspace.display)
    return {workspace.display(path): data for path, data in files_read.data.items()}


def installed_with(project: Project, path: str) -> tuple[str, ...]:
    """The dependency files that are installed together with one, and name torch or numpy.

    What includes it (``-r``, ``-c``), and all that those include: which pins of Opacus govern a file is asked
    without them, so they are read here, and are files of the project from then on.
    """
    workspace, includes = project.workspace, _includes(project)
    roots = [root for root in (path, *includes) if path in _reached(root, includes)]
    together = set().union(*(_reached(root, includes) for root in roots)) - {path}
    listed = [file for file in workspace.dependency_files if workspace.display(file) in together]
    beside = telling(listed, (b"torch", b"numpy"), workspace.display).data
    for file, data in beside.items():
        project.dependencies.setdefault(workspace.display(file), project.overlay.get(file, data))
    return tuple(sorted(map(workspace.display, beside)))


_INCLUDING = (b"-r", b"-c", b"--requirement", b"--constraint")


def _includes(project: Project) -> dict[str, set[str]]:
    """The files that each dependency file includes, by the paths that reports show; read once."""
    from dpmigrate.versions.parsers import includes_in

    if project.includes is None:
        show = project.workspace.display
        files = telling(project.workspace.dependency_files, _INCLUDING, show).data
        project.includes = {show(file): includes_in(show(file), data) for file, data in files.items()}
    return project.includes


def _reached(root: str, includes: dict[str, set[str]]) -> set[str]:
    """A file and all that it includes."""
    reached, waiting = {root}, [root]
    while waiting:
        further = includes.get(waiting.pop(), set()) - reached
        reached |= further
        waiting += further
    return reached


def declare(project: Project) -> None:
    """Read the dependency files; only worth it where something private was found."""
    workspace = project.workspace
    if project.program is None or not project.program.is_private:
        return
    from dpmigrate.versions.project import load_declarations

    project.dependencies = {
        path: project.overlay.get(workspace.absolute(path), data)
        for path, data in telling_dependencies(project).items()
    }
    notebooks = [(s.path, _cells(s)) for s in project.sources.values() if s.is_notebook]
    scripts = [(s.path, s.declaring_text) for s in project.sources.values() if s.declaring_text]
    project.declarations, problems = load_declarations(
        tuple(project.dependencies.items()),
        notebooks,
        _posix(workspace.cwd),
        scripts,
        project.parsed_dependencies,
    )
    project.broken += problems


def _posix(folder: str) -> str:
    return folder.replace(os.sep, "/")


def _cells(source: Source) -> Sequence[tuple[int, str]]:
    """The cells that install something, whole, so that lines and offsets count inside the cell."""
    cells = dict.fromkeys(install.cell for install in source.install_lines())
    return [(cell, "\n".join(source.lines(cell))) for cell in cells]
