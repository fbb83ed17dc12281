"""Modules are analysed with those that they import, and with nothing else."""

from __future__ import annotations

import pytest

from dpmigrate.analysis.source.components import components, imports_in
from dpmigrate.analysis.source.modules import Modules
from dpmigrate.analysis.source.speaking import leading_to_makers, speaks_of_opacus

FILES = ("main.py", "pkg/__init__.py", "pkg/engine.py", "pkg/data.py", "other/engine.py", "notes.ipynb")
MODULES = Modules(FILES, lambda key, library_path: None)


@pytest.mark.parametrize(
    ("key", "text", "found"),
    [
        ("main.py", "import torch\nfrom numpy import array\n", set()),
        ("main.py", "# from pkg.engine import train\n", set()),
        ("main.py", "import pkg.engine as e, sys\n", {"pkg/__init__.py", "pkg/engine.py"}),
        ("main.py", "    from pkg import data\n", {"pkg/__init__.py", "pkg/data.py"}),
        ("main.py", "from pkg import (\n    data,\n    engine as e,\n)\n", {*FILES[1:4]}),
        ("main.py", "try: from other.engine import *\nexcept ImportError: pass\n", {"other/engine.py"}),
        ("pkg/engine.py", "from .data import load\n", {"pkg/data.py"}),
        ("pkg/engine.py", "from . import data\r\n", {"pkg/__init__.py", "pkg/data.py"}),
        ("pkg/engine.py", "from ..other import engine\n", {"other/engine.py"}),
        (
            "notes.ipynb",
            '["import torch\\n",\n "from pkg.data import load"]',
            {"pkg/__init__.py", "pkg/data.py"},
        ),
        (
            "notes.ipynb",
            r'"import sys\nfrom other.engine import a\nfrom pkg.data import (\nload\n)\nload()\n"',
            {"pkg/__init__.py", "pkg/data.py", "other/engine.py"},
        ),
        ("main.py", "from pkg import ()\n", {"pkg/__init__.py"}),
        ("notes.ipynb", '["%run -i ../other/engine.py\\n",\n "x"]', {"other/engine.py"}),
    ],
)
def test_what_a_text_imports(key: str, text: str, found: set[str]) -> None:
    assert set(imports_in(MODULES, key, text.encode())) == found


def test_no_entries_no_components() -> None:
    assert components([], lambda key: ()) == []


def test_what_shares_an_import_belongs_together() -> None:
    graph = {"a": ["util"], "b": ["deep"], "deep": ["util"], "c": ["alone"], "d": []}
    found = components(["c", "a", "d", "b"], lambda key: graph.get(key, []))
    assert [group.entries for group in found] == [("c",), ("a", "b"), ("d",)]
    assert [group.members for group in found] == [{"c", "alone"}, {"a", "b", "util", "deep"}, {"d"}]


def test_cyclic_imports_end() -> None:
    graph = {"a": ["b"], "b": ["a"]}
    assert [group.entries for group in components(["a", "b"], lambda key: graph[key])] == [("a", "b")]


@pytest.mark.parametrize(
    ("text", "speaks"),
    [
        ("# as opacus does\nx = 1  # opacus\n", False),
        ('"""After https://github.com/pytorch/opacus"""\n', False),
        ("def f():\n    '''A \\''' of opacus.'''\n    return '#'\n", False),
        ("# opacus\nimport opacus.utils\n", True),
        ("from utils import train_opacus\n", True),
        ("use('opacus')  # its name\n", True),
        ("x = '#' + opacus_of(y)\n", True),
        ('x = "\\"#" + args.opacus\n', True),
        ("def f(e):\n    # of opacus\n    return e.make_private()\n", True),
    ],
)
def test_comments_alone_are_not_telling(text: str, speaks: bool) -> None:
    assert speaks_of_opacus("a.py", text.encode()) is speaks
    assert speaks_of_opacus("a.ipynb", text.encode())


def test_where_imports_lead() -> None:
    graph = {
        "main": ["train", "plot"],
        "train": ["engine"],
        "engine": ["train"],
        "sweep": ["plot"],
        "plot": ["dp"],
    }
    texts = {"engine": b"PrivacyEngine()", "dp": b"from opacus.accountants import RDPAccountant"}
    leading = leading_to_makers(
        ["main", "sweep"], lambda key: graph.get(key, []), lambda key: texts.get(key, b"")
    )
    assert leading == {"main", "train", "engine"}
