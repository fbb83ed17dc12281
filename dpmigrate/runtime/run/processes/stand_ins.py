"""What stands in for modules and data that a script asks for and that are not here (``--with NAME=FILE``)."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterable, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType


def put_in_place(stand_ins: Iterable[tuple[str, str]]) -> None:
    """Make modules of the Python files that are given, and copy the others to where the script looks."""
    modules: set[str] = set()
    for name, given in stand_ins:
        if not given.endswith(".py") or name.endswith(".py"):
            Path(name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(given, name)
            continue
        module = _package(name)
        module.__file__ = given
        modules.add(name)
        exec(compile(Path(given).read_bytes(), given, "exec", dont_inherit=True), vars(module))
    if modules:
        sys.meta_path.append(_Parts(modules))


def _package(name: str) -> ModuleType:
    """A module that may have parts, in packages that are made where there are none."""
    parent, _, last = name.rpartition(".")
    if parent and parent not in sys.modules and find_spec(parent.partition(".")[0]) is None:
        _package(parent)
    for part in [loaded for loaded in sys.modules if loaded.startswith(f"{name}.")]:
        del sys.modules[part]
    module = sys.modules[name] = ModuleType(name)
    module.__path__ = []
    if parent in sys.modules:
        setattr(sys.modules[parent], last, module)
    return module


class _Parts(MetaPathFinder):
    """Finds ``name.part`` where the module that stands in for ``name`` has a ``part``."""

    def __init__(self, modules: set[str]) -> None:
        self.modules = modules

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        parent, _, last = fullname.rpartition(".")
        if not any(parent == name or parent.startswith(f"{name}.") for name in self.modules):
            return None
        part = getattr(sys.modules[parent], last, None)
        return None if part is None else ModuleSpec(fullname, _Part(part), is_package=True)


class _Part(Loader):
    """Makes a module that has what something else has."""

    def __init__(self, part: object) -> None:
        self.part = part

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = ModuleType(spec.name)
        module.__getattr__ = lambda name: getattr(self.part, name)  # type: ignore[method-assign]
        return module

    def exec_module(self, module: ModuleType) -> None:
        """There is nothing to run: all is there."""
