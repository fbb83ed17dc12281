"""Large libraries that a script imports, imported once for all of its runs.

Every run is a fork: what is loaded before the first is there in each. Only libraries that take a fork well
(data loaders fork with them loaded every day) and do nothing on import that a run could miss.
"""

from __future__ import annotations

import ast
from contextlib import suppress
from pathlib import Path

LARGE = {
    "datasets",
    "diffusers",
    "lightning",
    "matplotlib",
    "pandas",
    "peft",
    "PIL",
    "pytorch_lightning",
    "scipy",
    "sklearn",
    "timm",
    "torchmetrics",
    "torchvision",
    "transformers",
}
"""Packages that take a second and more."""


def preload(script: Path, folder: Path) -> None:
    """Carry out the imports of large libraries that stand in a script; one that fails is left to its runs."""
    for statement in imports(script, folder):
        with suppress(Exception):
            exec(compile(statement, "<imports>", "exec"), {})


def imports(script: Path, folder: Path) -> list[str]:
    """The import statements on a script's own level that may be carried out before it.

    None of a script that sets variables of the environment, which a library may read on import, nor of what
    its ``folder`` has a module of that name for.
    """
    try:
        text = _text(script)
        tree = ast.parse(text)
    except (OSError, SyntaxError, ValueError):
        return []
    if "environ" in text or "putenv" in text:
        return []
    statements = []
    for node in tree.body:
        parts: list[tuple[str, ast.stmt]] = []
        if isinstance(node, ast.Import):
            parts = [(alias.name, ast.Import([alias])) for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            parts = [(node.module, node)]
        for name, statement in parts:
            root = name.split(".")[0]
            if root in LARGE and not _own(root, folder):
                statements.append(ast.unparse(statement))
    return statements


def _text(script: Path) -> str:
    if script.suffix != ".ipynb":
        return script.read_text(encoding="utf-8")
    from dpmigrate.workspace.source import load_source as load_source

    return load_source(str(script), Path.cwd()).python


def _own(name: str, folder: Path) -> bool:
    return any((place / name).exists() or (place / f"{name}.py").exists() for place in (folder, Path.cwd()))
