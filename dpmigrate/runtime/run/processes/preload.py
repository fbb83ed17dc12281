"""Large libraries that a script imports, imported once for all of its runs.

Every run is a fork: what is loaded before the first is there in each. Only libraries that take a fork well
(data loaders fork with them loaded every day) and do nothing on import that a run could miss.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

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


COMPILER = "torch._dynamo"

_FOUND: set[str] = set()
"""What is imported where runs begin."""


class _IdleCompiler(ModuleType):
    """Stands for torch's compiler until more is asked of it than not to compile.

    Every optimizer makes torch import it, on the first step: a sixth of all imports, for nothing.
    """

    def graph_break(self, *_: Any, **__: Any) -> None:
        """Where nothing is compiled there is no graph to break."""

    def disable(self, fn: Any = None, *args: Any, **kwargs: Any) -> Any:
        """Nor anything to keep from being compiled."""
        return self.__getattr__("disable")(fn, *args, **kwargs) if fn is None else fn

    def __getattr__(self, name: str) -> Any:
        return getattr(load_compiler(), name)


def idle_compiler() -> None:
    """Let the compiler be imported by those runs alone that make use of it."""
    if COMPILER not in sys.modules:
        idle = _IdleCompiler(COMPILER)
        # Whoever looks through all modules asks for these.
        vars(idle).update(__file__=str(Path(torch.__file__).parent / "_dynamo" / "__init__.py"), __all__=[])
        sys.modules[COMPILER] = torch._dynamo = idle
    _FOUND.update(sys.modules.keys() - {COMPILER})


def load_compiler() -> ModuleType:
    """The compiler itself, imported in the place of the idle one."""
    if isinstance(sys.modules.get(COMPILER), _IdleCompiler):
        del sys.modules[COMPILER]
    return import_module(COMPILER)


def torch_modules() -> list[str]:
    """What is imported of torch beyond what every run finds, in the order in which that began."""
    idle = isinstance(sys.modules.get(COMPILER), _IdleCompiler)
    names = (name for name in list(sys.modules) if name.startswith("torch.") and name not in _FOUND)
    return [name for name in names if not idle or name != COMPILER]


def load_modules(names: Iterable[str]) -> None:
    """Import what a run has imported of torch, once for all runs after it."""
    for name in names:
        with suppress(Exception):
            if name == COMPILER:
                load_compiler()
            elif name not in sys.modules:
                import_module(name)
    _FOUND.update(sys.modules.keys() - {COMPILER}, names)


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
