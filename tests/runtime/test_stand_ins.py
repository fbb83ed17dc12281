"""Modules that stand in for missing ones, and what is imported from below them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

from dpmigrate.runtime.run.processes.stand_ins import put_in_place

DRAWS = "class Figure:\n    def show(self):\n        return 'shown'\n\n\n"


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    modules, finders = set(sys.modules), list(sys.meta_path)
    yield
    sys.meta_path[:] = finders
    for name in set(sys.modules) - modules:
        del sys.modules[name]


def _file(folder: Path, text: str) -> str:
    path = folder / "given.py"
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_a_part_is_what_the_module_has_by_that_name(tmp_path: Path) -> None:
    put_in_place([("plotting", _file(tmp_path, DRAWS + "pyplot = Figure()\n"))])
    assert import_module("plotting.pyplot").show() == "shown"
    assert import_module("plotting").pyplot.show() == "shown"


def test_a_part_may_be_given_itself(tmp_path: Path) -> None:
    put_in_place([("plotting.pyplot", _file(tmp_path, "def show():\n    return 'shown'\n"))])
    assert import_module("plotting.pyplot").show() == "shown"
    assert import_module("plotting").pyplot.show() == "shown"


def test_a_part_of_a_library_that_is_there_leaves_the_library(tmp_path: Path) -> None:
    put_in_place([("json.nowhere", _file(tmp_path, "SIZE = 3\n"))])
    assert import_module("json").loads("[1]") == [1]
    assert import_module("json.nowhere").SIZE == 3


def test_it_goes_over_a_library_that_was_imported_ahead(tmp_path: Path) -> None:
    import_module("wsgiref.util")
    put_in_place([("wsgiref", _file(tmp_path, DRAWS + "util = Figure()\n"))])
    assert import_module("wsgiref.util").show() == "shown"


def test_what_the_module_does_not_have_is_missing(tmp_path: Path) -> None:
    put_in_place([("plotting", _file(tmp_path, DRAWS))])
    with pytest.raises(ModuleNotFoundError, match=r"plotting\.pyplot"):
        import_module("plotting.pyplot")


def test_data_is_copied_to_where_it_is_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "small.csv").write_text("1,2\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    put_in_place([("data/a.csv", str(tmp_path / "small.csv"))])
    assert Path("data/a.csv").read_text(encoding="utf-8") == "1,2\n"
