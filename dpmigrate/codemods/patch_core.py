"""The `patch` strategy: the faulty core repaired when the program runs, for those who cannot upgrade.

``patch_opacus()`` replaces ``accumulate`` of the imported Opacus by one that keeps a copy of the
clipped sum, on the releases that need it and on no other. The program then needs dpmigrate at run
time, which its dependency files must say.
"""

from __future__ import annotations

import libcst as cst

from dpmigrate.analysis.modules import ModuleInfo
from dpmigrate.codemods.edits import ProjectEdits, Withheld
from dpmigrate.codemods.imports import is_import

REQUIREMENT = "dpmigrate[verify]"
PACKAGE = "dpmigrate.runtime"
NAME = "patch_opacus"


def patch_core(edits: ProjectEdits, module: ModuleInfo) -> None:
    """Plan the call of ``patch_opacus`` behind the imports of the run's module. Raises `Withheld`."""
    body = module.tree.body
    imports = [i for i, line in enumerate(body) if is_import(line)]
    if not imports:
        raise Withheld("the module has no imports behind which the patch could stand", module)
    last = imports[0]
    while last + 1 < len(body) and is_import(body[last + 1]):
        last += 1
    own = edits.of(module)
    own.insert_after(body[last], f"\n{NAME}()")
    own.need_import(f"from {PACKAGE} import {NAME}")


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
