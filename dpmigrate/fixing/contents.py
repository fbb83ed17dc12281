"""From planned jobs to the new bytes of every file that they change."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath

import libcst as cst
from libcst.helpers import get_full_name_for_node

from dpmigrate.analysis.source.modules import ModuleInfo
from dpmigrate.analysis.source.tree import children
from dpmigrate.codemods.editing.edits import Edits, ProjectEdits, Withheld, rewritten_tree
from dpmigrate.codemods.editing.imports import add_imports, remove_unused, used_names
from dpmigrate.codemods.jobs import Job
from dpmigrate.fixing.bound import unbound
from dpmigrate.project import Project
from dpmigrate.versions.edit import Edit, apply_edits
from dpmigrate.versions.edit import rewritten_bytes as rewrite_dependency


def new_contents(project: Project, jobs: Sequence[Job]) -> dict[str, bytes]:
    """The new bytes by path. Raises `Withheld` and NotLossless."""
    edits = ProjectEdits()
    pins: dict[str, dict[Edit, None]] = {}
    for job in jobs:
        edits.merge(job.edits)
        for path, planned in job.pins.edits.items():
            pins.setdefault(path, {}).update(planned)
    contents: dict[str, bytes] = {}
    touched: dict[str, list[Edits]] = {}
    for module_edits in edits.touched():
        touched.setdefault(module_edits.module.path, []).append(module_edits)
    for path, parts in touched.items():
        source = project.sources[path]
        raised = pins.pop(path, {})
        installs = _edited_installs(project, path, raised) if source.is_notebook else {}
        texts = {
            module_edits.module.source.label: _new_python(module_edits, _exported(project, module_edits))
            for module_edits in parts
        }
        if raised and not source.is_notebook:
            texts[""] = _with_requirements(texts[""], raised, parts[0].module)
        contents[path] = source.rebuild(texts.pop("", source.python), installs, texts)
    for path, raised in pins.items():
        notebook = project.sources.get(path)
        if notebook is not None and notebook.is_notebook:
            contents[path] = notebook.rebuild(notebook.python, _edited_installs(project, path, raised))
        else:
            # A setup.py is a dependency file although it is Python; so is a script with metadata.
            contents[path] = rewrite_dependency(project.data(path), list(raised))
    changed = {path: data for path, data in contents.items() if data != project.data(path)}
    if changed:
        for job in jobs:
            changed.update(job.created)
    return changed


def old_content(project: Project, path: str) -> bytes | None:
    """The bytes of a file before a fix; None where the fix makes it."""
    is_there = path in project.sources or path in project.dependencies
    return project.data(path) if is_there else None


def _exported(project: Project, edits: Edits) -> set[str]:
    """The names that other modules of the project import from this one."""
    if project.program is None:
        return set()
    modules = project.program.modules
    part = project.program.part_of(edits.module)
    reached = part.executed if part is not None else ()
    names: set[str] = set()
    stem = PurePosixPath(edits.module.key).stem
    # Who imports from it writes its name, but for a package's, which `from . import x` leaves out.
    name = stem.encode() if stem.isascii() and not edits.module.is_package else b"import"
    for info in (m for whole in project.modules.values() for m in (whole, *whole.written)):
        if info is edits.module or info.key not in reached or name not in info.source.data:
            continue
        stack: list[cst.CSTNode] = [info.tree]
        while stack:
            node = stack.pop()
            if isinstance(node, cst.ImportFrom) and not isinstance(node.names, cst.ImportStar):
                dotted = get_full_name_for_node(node.module) if node.module else ""
                if modules.path_of(dotted or "", info.key, len(node.relative)) == edits.module.key:
                    names |= {alias.evaluated_name for alias in node.names}
            stack.extend(
                c
                for c in children(node)
                if isinstance(c, (cst.BaseStatement, cst.BaseSmallStatement, cst.BaseSuite))
            )
    return names


def _new_python(edits: Edits, exported: set[str]) -> str:
    """The module's text after its edits. Raises `Withheld` when it would not parse or lose bytes.

    ``exported`` holds the names that other modules import from this one.
    """
    module = edits.module
    if not module.is_lossless:
        raise Withheld(
            "its text cannot be given back byte for byte (a form feed, or a lone carriage return at its end)",
            module,
        )
    before = used_names(module.tree) | set(edits.stale)
    tree: cst.Module = rewritten_tree(edits)
    tree = add_imports(tree, edits.imports)
    tree = remove_unused(tree, before, exported)
    text = tree.code
    error = _why_no_python(text)
    if error is not None and _why_no_python(module.source.python) is None:
        raise Withheld(f"the new text would not be Python: {error}", module) from error
    missing = sorted((unbound(text) or frozenset()) - (unbound(module.source.python) or frozenset()))
    if missing:
        raise Withheld(
            f"the new text would use {', '.join(missing)}, which nothing in the file binds", module
        )
    return text


def _with_requirements(text: str, edits: Iterable[Edit], module: ModuleInfo) -> str:
    """A script's new text with the requirements in it raised, which stand above all that has changed.

    Raises `Withheld` where they do not.
    """
    end = max(edit.end for edit in edits)
    if text[:end] != module.source.python[:end]:
        raise Withheld("its own code and the requirement in it would both change: do one by hand", module)
    return apply_edits(text, edits)


def _why_no_python(text: str) -> SyntaxError | ValueError | None:
    """What the compiler says of a module: more than its grammar, such as a parameter that is there twice."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            compile(text, "<module>", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
        except (SyntaxError, ValueError) as error:
            return error
    return None


def _edited_installs(project: Project, path: str, edits: Iterable[Edit]) -> dict[tuple[int, int], str]:
    """The new text of a notebook's install commands, by cell and line, as `Source.rebuild` wants it."""
    source = project.sources[path]
    by_cell: dict[int, list[Edit]] = {}
    for edit in edits:
        assert edit.cell is not None
        by_cell.setdefault(edit.cell, []).append(edit)
    texts: dict[tuple[int, int], str] = {}
    for install in source.install_lines():
        if install.cell not in by_cell:
            continue
        text = apply_edits("\n".join(source.lines(install.cell)), by_cell[install.cell])
        first = install.line - 1
        lines = text.split("\n")[first : first + install.text.count("\n") + 1]
        texts[install.cell, install.line] = "\n".join(lines)
    return texts
