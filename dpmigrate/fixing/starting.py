"""How a script is started under verify, so that what it imports of the project is found."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

import libcst as cst

from dpmigrate.analysis.ledger import PrivateRun
from dpmigrate.analysis.source.modules import ModuleInfo, Modules
from dpmigrate.workspace.names import path_typed

_ABSOLUTE = re.compile(rb"^[ \t]*(?:from[ \t]+(\w[\w.]*)[ \t]+import\b|import[ \t]+(\w[\w.]*))", re.M)
_RELATIVE = re.compile(rb"^[ \t]*from[ \t]+\.", re.M)


def verify_command(modules: Modules, script: ModuleInfo) -> str:
    """The command for a script, in the folder that its path starts from.

    With ``-m module`` where it imports from the package that it is part of, and with the folder on PYTHONPATH
    that holds what it imports, where Python looks into another one (``src``).
    """
    *folder, name = script.path.removesuffix(".py").split("/")
    package, root = [], ""
    if folder[:1] != [".."]:
        roots = dict(_roots(modules, script))
        inside = [i for i in range(len(folder)) if roots.get(folder[i]) == folder[:i]]
        relative = _RELATIVE.search(script.source.data) is not None
        start = inside[0] if inside else 0 if relative else len(folder)
        package = folder[start:]
        here = [] if package else folder
        apart = ["/".join(parts) or "." for parts in roots.values() if parts != here]
        root = next((r for r in apart if package == [] or r != "."), "")
    module = ".".join([*package, name]).removesuffix(".__main__")
    started = f"-m {module}" if package else path_typed(script.path)
    return f"{f'PYTHONPATH={shlex.quote(root)} ' if root else ''}dpmigrate verify {started}"


def start_of(run: PrivateRun) -> str:
    """The file whose own code, outside of functions, leads to a run; empty where none is seen."""
    first = run.chain[0].through if run.chain else run.origin
    inside = any(isinstance(n, cst.FunctionDef) for n in first.module.nesting.above(first.node))
    return "" if inside else first.module.path


def _roots(modules: Modules, script: ModuleInfo) -> Iterator[tuple[str, list[str]]]:
    """What a script imports of the project, by its first name, and the folder that this stands in."""
    if script.path != script.key:
        return
    for statement in _ABSOLUTE.finditer(script.source.data):
        names = (statement[1] or statement[2]).decode("ascii", "replace").split(".")
        path = modules.path_of(".".join(names), script.key)
        if path is not None:
            parts = path.removesuffix(".py").removesuffix("/__init__").split("/")
            yield names[0], parts[: -len(names)]
