"""The `patch` strategy: the faulty core repaired when the program runs, for those who cannot upgrade.

A copy of one small file, ``runtime/opacus_core_patch.py``, is put beside the module that makes the run, which
imports and calls it: nothing is to be installed. The import has the form by which the module reaches its
neighbours already.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import libcst as cst
from libcst.helpers import get_full_name_for_node

from dpmigrate.analysis.source.modules import ModuleInfo
from dpmigrate.codemods.editing.edits import Withheld
from dpmigrate.codemods.editing.imports import is_import
from dpmigrate.codemods.jobs import Job
from dpmigrate.codemods.program.facts import Facts
from dpmigrate.workspace.core_patch import MODULE, is_core_patch, patch_text

if TYPE_CHECKING:
    from dpmigrate.project import Project

NAME = "patch_opacus"
RELATIVE = "."
"""The package of a module that is only imported from its own."""


def patch_core(project: Project, facts: Facts, job: Job) -> None:
    """Plan the file, and its call after the imports of the run's module. Raises `Withheld`."""
    module = job.runs[0].module
    body = module.tree.body
    imports = [i for i, line in enumerate(body) if is_import(line)]
    if not imports:
        raise Withheld(
            (
                "this module has no imports after which the patch could be applied: import it at the "
                "top, and call it"
            ),
            module,
        )
    if module.notebook is not None:
        raise Withheld(
            "a cell writes this module: the patch has no file beside it that could be written", module
        )
    package = _package_of(facts, module)
    path = str(PurePosixPath(module.path).with_name(f"{MODULE}.py"))
    absolute = project.workspace.absolute(path)
    if not os.path.lexists(absolute):
        job.created[path] = patch_text()
    elif not is_core_patch(Path(absolute).read_bytes()):
        raise Withheld(
            (f"{path}, which the patch would be written to, is another file: give that one another name"),
            module,
        )
    last = imports[0]
    while last + 1 < len(body) and is_import(body[last + 1]):
        last += 1
    module_edits = job.edits.of(module)
    module_edits.insert_after(body[last], f"\n{NAME}()")
    dotted = f".{MODULE}" if package == RELATIVE else ".".join(filter(None, (package, MODULE)))
    module_edits.need_import(f"from {dotted} import {NAME}")


def is_patched(tree: cst.Module) -> bool:
    """Whether a module calls the patch at its top level."""
    return any(
        isinstance(line, cst.SimpleStatementLine)
        and isinstance(line.body[0], cst.Expr)
        and isinstance(line.body[0].value, cst.Call)
        and isinstance(line.body[0].value.func, cst.Name)
        and line.body[0].value.func.value == NAME
        for line in tree.body
    )


def _package_of(facts: Facts, module: ModuleInfo) -> str:
    """The package by which a module reaches its neighbours: empty for a script. Raises `Withheld`."""
    ways = set(_ways_out(facts, module)) or set(_ways_in(facts, module))
    if not ways and facts.paths.path_of("", module.key, 1) is not None:
        # Nothing in the project says whether a file of a package is started by its path or with -m.
        raise Withheld(
            f"nothing says how it imports its neighbours: copy {MODULE}.py beside it by hand (--strategy "
            f"set-to-none needs no such file)",
            module,
        )
    if len(ways) > 1:
        raise Withheld(
            "it is imported in several ways "
            f"({', '.join(sorted(w or 'by its name alone' for w in ways))}), not all of which find a new "
            "file beside it: import it in one way (--strategy set-to-none needs no such file)",
            module,
        )
    return ways.pop() if ways else ""


def _ways_out(facts: Facts, module: ModuleInfo) -> Iterator[str]:
    """The package of a module, by what it imports of the project itself."""
    folder = PurePosixPath(module.key).parent.parts
    for dotted, level in _imports(facts, module):
        if level:
            yield RELATIVE
            continue
        key = facts.paths.path_of(dotted, module.key)
        if key is None:
            continue
        parts = PurePosixPath(key).with_suffix("").parts
        base = parts[: -1 if parts[-1] == "__init__" else None][: -len(dotted.split("."))]
        if folder[: len(base)] == base:
            yield ".".join(folder[len(base) :])


def _ways_in(facts: Facts, module: ModuleInfo) -> Iterator[str]:
    """The package of a module, by how others import it."""
    for other in facts.modules:
        for dotted, level in _imports(facts, other):
            if facts.paths.path_of(dotted, other.key, level) == module.key:
                yield RELATIVE if level else dotted.rpartition(".")[0]


def _imports(facts: Facts, module: ModuleInfo) -> Iterator[tuple[str, int]]:
    """The dotted names that a module imports, with the dots in front of each."""
    for imported in facts.inside(module.tree, cst.ImportFrom):
        dotted = (get_full_name_for_node(imported.module) if imported.module else "") or ""
        yield dotted, len(imported.relative)
        if not isinstance(imported.names, cst.ImportStar):
            for alias in imported.names:
                yield ".".join(filter(None, (dotted, alias.evaluated_name))), len(imported.relative)
    for plain in facts.inside(module.tree, cst.Import):
        yield from ((alias.evaluated_name, 0) for alias in plain.names)
