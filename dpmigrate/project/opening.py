"""From a workspace to an analysed project: the telling files, the modules that hang on them, the pins."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from dpmigrate.model import CutShort
from dpmigrate.project import Project
from dpmigrate.project.dependencies import declare, governed_by_target
from dpmigrate.project.texts import Texts
from dpmigrate.workspace.core_patch import is_core_patch
from dpmigrate.workspace.discover import Workspace
from dpmigrate.workspace.reading import telling

if TYPE_CHECKING:
    from dpmigrate.analysis.program import Program
    from dpmigrate.analysis.source.components import Group

TELLING = (b"opacus", b"make_private")
"""Bytes of the files where an analysis begins; each one more is another pass over every file."""
AT_ONCE = 40
"""Modules that are let go before their memory is freed: it costs a look at all that is held."""
MAKERS = (b"make_private", b"FastGradientClipping", b"DPOptimizer", b"get_optimizer_class")
"""Bytes of the files that make private runs."""


def open_project(
    workspace: Workspace, stdin: bytes | None = None, overlay: Mapping[str, bytes] | None = None
) -> Project:
    """Read the workspace, analyse what matters in it, and read its dependency files.

    ``overlay`` holds contents, by absolute path, that stand for what is on disk: the project as
    it would be after a fix. Nothing is parsed, and LibCST is not imported, where no file has telling bytes.
    """
    project = survey(workspace, stdin, overlay)
    if project.seeds:
        analyse_groups(project, groups(project))
    return project


def survey(
    workspace: Workspace, stdin: bytes | None = None, overlay: Mapping[str, bytes] | None = None
) -> Project:
    """A project of which only the telling files are known; nothing is parsed."""
    project = Project(workspace, overlay or {})
    project.unreadable += workspace.not_analysed
    files = () if stdin is not None else workspace.files
    files_read = telling(files, TELLING, workspace.display)
    if stdin is None:
        project.unreadable += workspace.unlisted
    project.seen = files_read.seen + (stdin is not None)
    project.unreadable += [
        n for n in files_read.not_analysed if workspace.is_target(workspace.absolute(n.path))
    ]
    project.seeds = {path: text for path, text in files_read.data.items() if not is_core_patch(text)}
    if stdin is not None and any(t in stdin for t in TELLING):
        project.seeds["-"] = stdin
    for path, data in project.overlay.items():
        if path not in files:
            continue
        if any(t in data for t in TELLING):
            project.seeds[path] = data
        else:
            project.seeds.pop(path, None)
    return project


def groups(project: Project) -> list[Group]:
    """The modules to analyse, in groups that have nothing to do with one another.

    Where PATH names a part of the project, only the groups that reach into it, or that a
    dependency file in it governs.
    """
    from dpmigrate.analysis.program import groups_of

    texts = Texts(project)
    found = groups_of(texts.modules(), [texts.key(path) for path in project.seeds], texts)
    workspace = project.workspace
    paths = [[texts.absolute[key] for key in g.members] for g in found]
    reaches = [any(map(workspace.is_target, members)) for members in paths]
    if "-" in project.seeds or all(reaches):
        return found
    governed = governed_by_target(workspace)
    return [
        g
        for g, inside, members in zip(found, reaches, paths, strict=True)
        if inside or any(map(governed, members))
    ]


def analyse_groups(project: Project, chosen: Sequence[Group]) -> None:
    """Interpret some groups of modules, and read the dependency files where something private was found."""
    from dpmigrate.analysis.program import analyse

    texts = Texts(project)
    modules = texts.modules()
    with paused_collector():
        for group in chosen:
            if group in project.known:
                for key in project.known[group].modules.asked:
                    modules.get(key)
        program = analyse(modules, chosen, project.known)
    keep_analysis(project, texts, program, chosen)


def keep_analysis(project: Project, texts: Texts, program: Program, chosen: Sequence[Group]) -> None:
    """Keep an analysis: its modules, what it could not follow, and the dependency files that it asks for."""
    project.program, project.groups = program, tuple(chosen)
    project.modules = {m.path: m for m in program.modules.loaded() if m.notebook is None}
    for key in sorted({key.partition(":")[0] for key in program.too_deep}):
        texts.note(texts.absolute[key], 1, "code nested too deeply to follow")
    for key, reason in sorted({(key.partition(":")[0], reason) for key, reason in program.failures}):
        texts.note(texts.absolute[key], 1, reason)
    for origin in program.not_reached:
        place = origin.module.place(origin.node)
        path = texts.absolute[origin.module.key.partition(":")[0]]
        texts.note(
            path,
            place.line,
            "the code before this call, which makes a private run, takes too long to follow",
            place.cell,
        )
    for name in dict.fromkeys(program.exhausted):
        key, _, entry = name.partition(":")
        if key not in program.too_deep:
            path = project.workspace.display(texts.absolute[key])
            project.cut_short.append(CutShort(path, entry, _leads_to_runs(texts, program, key)))
    project.asked = frozenset(texts.asked)
    declare(project)


def _leads_to_runs(texts: Texts, program: Program, key: str) -> bool:
    """Whether a module, or one that it imports, has a private run or the text of a call that makes one."""
    from dpmigrate.analysis.source.components import imports_in

    with_runs = {run.module.key for run in program.runs}
    pending, seen = [key], {key}
    while pending:
        key = pending.pop()
        text = texts.text(key)
        if key in with_runs or any(maker in text for maker in MAKERS):
            return True
        imported = {k for k in imports_in(program.modules, key, text) if program.modules.is_followed(k)}
        pending += imported - seen
        seen |= imported
    return False


_let_go = 0


def let_go(modules: int) -> None:
    """Note that so many modules are no longer needed while the collector is paused."""
    global _let_go
    _let_go += modules


def free_what_was_let_go() -> None:
    """Free them, where they are many, before something else is begun: after the last nobody needs the room.

    Trees and values point at one another, so that nothing but the collector would.
    """
    global _let_go
    if _let_go >= AT_ONCE:
        _let_go = 0
        gc.collect()
        gc.freeze()  # what lives on is not gone through each time, until the pause ends


@contextmanager
def paused_collector() -> Iterator[None]:
    """Without garbage collection: trees are many small objects that live on, and it only costs.

    Afterwards all of them count as old, so that the first collection of what is new passes them over.
    """
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.unfreeze()
        if collecting:
            gc.enable()
