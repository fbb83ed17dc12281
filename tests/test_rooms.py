"""The rooms of the package stand as CONTRIBUTING.md lists them: imports point one way and close no circle.

Imports inside functions and for type checkers count: they tie files together all the same.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from dpmigrate.cli import COMMANDS
from tests.opacus_releases import CHECKOUT

PACKAGE = CHECKOUT / "dpmigrate"
FACES = ("__init__", "__main__", "pytest_plugin")
"""Modules at the top that are a way in from outside, or the version; they are no rooms."""


def name_of(path: Path) -> str:
    parts = path.relative_to(CHECKOUT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def imports(module: str) -> Iterator[str]:
    """The modules of the package that one imports anywhere in its text."""
    path = MODULES[module]
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in MODULES)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: 1 - node.level or None] if node.level else []
            origin = ".".join([*above, *([node.module] if node.module else [])])
            for alias in node.names:
                named = f"{origin}.{alias.name}"
                yield from {named if named in MODULES else origin} & MODULES.keys()


def room(module: str) -> str:
    return (module.split(".")[1:] or ["__init__"])[0]


def order() -> list[str]:
    """The rooms from the ground up, as the design lists them."""
    text = (CHECKOUT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    block = re.search(r"^```\n(model\.py .*?)^```", text, flags=re.MULTILINE | re.DOTALL)
    assert block is not None
    return [line.split()[0].removesuffix(".py") for line in block[1].splitlines() if line[0] != " "]


def test_every_room_is_in_the_design() -> None:
    assert {room(module) for module in MODULES} - set(FACES) == set(order())


def of_itself(path: Path) -> str:
    """The first line of a module, which says what it is for."""
    return (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").partition("\n")[0]


ROOMS = sorted(path.parent for path in PACKAGE.rglob("*/__init__.py"))


@pytest.mark.parametrize("folder", ROOMS, ids=lambda folder: folder.relative_to(PACKAGE).as_posix())
def test_a_room_says_what_each_of_its_modules_is_for(folder: Path) -> None:
    said = ast.get_docstring(ast.parse((folder / "__init__.py").read_text(encoding="utf-8"))) or ""
    there = {
        path.stem for path in folder.iterdir() if path.suffix == ".py" or (path / "__init__.py").is_file()
    }
    commands = {path.stem for path in folder.glob("*.py")} & set(COMMANDS) if folder.name == "cli" else set()
    named = set(re.findall(r"``(\w+)``", said))
    handlers = folder.is_relative_to(PACKAGE / "analysis" / "library")
    says_itself = {path.stem for path in folder.glob("*.py") if handlers and of_itself(path)}
    assert there - {"__init__"} - commands - named - says_itself == set()
    listed = "\n".join(re.findall(r"^(?:A command.* )?((?:``\w+``,? *)+)", said, flags=re.MULTILINE))
    assert set(re.findall(r"``(\w+)``", listed)) - there == set()


def test_imports_point_to_rooms_below() -> None:
    floors = {name: floor for floor, name in enumerate(["__init__", *order()])}
    inside = (module for module in MODULES if room(module) in floors)
    above = [(m, other) for m in inside for other in imports(m) if floors[room(other)] > floors[room(m)]]
    assert above == []


def test_no_imports_close_a_circle() -> None:
    graph = {module: {other for other in imports(module) if other != module} for module in MODULES}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def folder(module: str) -> Path:
    return MODULES[module].parent


def test_folders_close_no_circle() -> None:
    """A module that stands beside folders may be below one and above another; two folders may not."""
    ties = {(folder(module), folder(other)) for module in MODULES for other in imports(module)}
    beside = {(a, b) for a, b in ties if a not in b.parents and b not in a.parents}
    assert {(a, b) for a, b in beside if a < b and (b, a) in ties} == set()


SEEN_FROM_OUTSIDE = ("ledger", "source.modules", "source.tree")
"""What rules, fixes and reports see of the analysis: what it found out, whose text that is, and trees."""

WHO_STARTS_IT = ("project", "fixing", "scanning")
"""Rooms that also choose which modules are analysed together, and start that."""


def inside_the_analysis(module: str) -> set[str]:
    """The modules of the analysis that one imports and that are not for its room."""
    prefix = "dpmigrate.analysis."
    seen = {*SEEN_FROM_OUTSIDE, *(("source.components", "program") if room(module) in WHO_STARTS_IT else ())}
    parts = (name.removeprefix(prefix) for name in imports(module) if name.startswith(prefix))
    return {part for part in parts if not any(f"{part}.".startswith(f"{name}.") for name in seen)}


OUTSIDE = [module for module in MODULES if room(module) != "analysis"]


def test_nobody_outside_imports_the_interpreters_inside() -> None:
    inside = {module: inside_the_analysis(module) for module in OUTSIDE}
    assert {module: names for module, names in inside.items() if names} == {}


def test_nobody_outside_reaches_the_interpreter_through_an_attribute() -> None:
    reached = {
        (module, node.attr)
        for module in OUTSIDE
        for node in ast.walk(ast.parse(MODULES[module].read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and node.attr in ("interpreter", "observed", "callees", "store")
    }
    assert reached == set()


def words_of(module: str) -> Iterator[str]:
    """The string constants of a module's code, docstrings left out."""
    tree = ast.parse(MODULES[module].read_text(encoding="utf-8"))
    docs = {node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in docs:
            yield node.value


@pytest.mark.parametrize("unaware", ["analysis", "codemods", "fixing", "report"])
def test_a_rules_policy_stands_in_its_file_and_nowhere_in_code(unaware: str) -> None:
    named = {
        (module, word)
        for module in MODULES
        if module.startswith(f"dpmigrate.{unaware}.")
        for word in words_of(module)
        if re.search(r"DPM\d", word)
    }
    assert named == set()
