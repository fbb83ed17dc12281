"""Arguments, elements and imports in the layout of their neighbours."""

from __future__ import annotations

import libcst as cst
import pytest

from dpmigrate.codemods.editing.imports import add_imports, remove_unused, spelling, used_names
from dpmigrate.codemods.editing.nodes import add_argument, add_element, add_parameter, remove_argument


def call(text: str) -> cst.Call:
    made = cst.parse_expression(text)
    assert isinstance(made, cst.Call)
    return made


def code(node: cst.CSTNode) -> str:
    return cst.Module([]).code_for_node(node)


def test_removing_what_is_not_there() -> None:
    assert code(remove_argument(call("f(a, b=1,)"), "c")) == "f(a, b=1,)"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("f()", "f(c=x)"),
        ("f(a)", "f(a, c=x)"),
        ("f(a=1, b=2)", "f(a=1, c=x, b=2)"),
        ("f(\n    a=1,  # A\n    # B\n    b=2,\n)", "f(\n    a=1,  # A\n    c=x,\n    # B\n    b=2,\n)"),
        ("f(a = 1,b = 2)", "f(a = 1,c = x,b = 2)"),
        ("f(b=1, **k)", "f(b=1, c=x, **k)"),
        ("f(**k)", "f(**k, c=x)"),
        ("f(\n    a=1,  # why\n    b=2,\n)", "f(\n    a=1,  # why\n    c=x,\n    b=2,\n)"),
        ("f(\n    a=1\n)", "f(\n    a=1,\n    c=x\n)"),
    ],
)
def test_an_argument_takes_its_neighbours_layout(before: str, after: str) -> None:
    assert code(add_argument(call(before), "c", "x", ("a",))) == after


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("f(a, c=1)", "f(a)"),
        ("f(a, c=1,)", "f(a,)"),
        ("f(c=1, b=2)", "f(b=2)"),
        ("f(\n  a,\n  c=1,\n)", "f(\n  a,\n)"),
        ("f(\n  a,  # A\n  c=1,  # C\n)", "f(\n  a,  # A\n)"),
        ("f(\n  a,\n  c=1,  # C\n)", "f(\n  a,\n)"),
        ("f(\n  a,  # A\n  c=1  # C\n)", "f(\n  a  # A\n)"),
        (
            "f(\n  a,  # A\n  # for C\n  c=1,  # C\n  # for B\n  b=2,  # B\n)",
            "f(\n  a,  # A\n  # for B\n  b=2,  # B\n)",
        ),
        ("f(\n  a,\n  c=1, b=2\n)", "f(\n  a, b=2\n)"),
        ("f(a, c=1,  # C\n  b=2)", "f(a,\n  b=2)"),
        ("f(a,  # A\n  c=1)", "f(a  # A\n  )"),
        ("f(\n  c=1,  # C\n  b=2,  # B\n)", "f(\n  b=2,  # B\n)"),
    ],
)
def test_an_argument_goes(before: str, after: str) -> None:
    assert code(remove_argument(call(before), "c")) == after


def test_an_element_in_the_middle() -> None:
    made = cst.parse_expression("a,b,d")
    assert isinstance(made, cst.Tuple)
    assert code(add_element(made, 2, "self.c")) == "a,b,self.c,d"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("def f(): pass\n", "def f(c): pass\n"),
        ("def f(a, b): pass\n", "def f(a, b, c): pass\n"),
        ("def f(a, b=1): pass\n", "def f(a, b=1, *, c): pass\n"),
        ("def f(a, *r, b=1): pass\n", "def f(a, *r, b=1, c): pass\n"),
        ("def f(a, **k): pass\n", "def f(a, c, **k): pass\n"),
    ],
)
def test_a_parameter(before: str, after: str) -> None:
    made = cst.parse_statement(before)
    assert isinstance(made, cst.FunctionDef)
    assert code(add_parameter(made, "c")) == after


def test_an_import_that_is_still_read_stays() -> None:
    tree = cst.parse_module("from a import b, c\n__all__ = ['b']\nc()\n")
    assert remove_unused(tree, used_names(tree), set()).code == tree.code


def test_only_the_name_that_lost_its_use_goes() -> None:
    before = used_names(cst.parse_module("import x\nfrom a import b, c\nb()\nc()\n"))
    tree = cst.parse_module("import x\nfrom a import b, c\nb()\n")
    assert remove_unused(tree, before, set()).code == "import x\nfrom a import b\nb()\n"
    assert remove_unused(tree, before, {"c"}).code == tree.code


@pytest.mark.parametrize(
    ("imports", "expected"),
    [
        ("import torch.nn as nn\n", ("nn.MSELoss", None)),
        ("from torch import nn as layers\n", ("layers.MSELoss", None)),
        ("from torch.nn import MSELoss as M\n", ("M", None)),
        ("from torch.nn import Linear\n", ("MSELoss", "from torch.nn import MSELoss")),
        ("import torch\n", ("torch.nn.MSELoss", None)),
        ("import os\n", ("nn.MSELoss", "from torch import nn")),
    ],
)
def test_a_name_is_spelt_as_the_module_spells(imports: str, expected: tuple[str, str | None]) -> None:
    assert spelling(cst.parse_module(imports), "torch.nn", "MSELoss") == expected


def test_an_import_joins_its_package() -> None:
    tree = cst.parse_module("import os\nfrom torch.nn import (\n    Linear,\n    ReLU,\n)\n")
    added = add_imports(tree, ["from torch.nn import MSELoss"]).code
    assert added == "import os\nfrom torch.nn import (\n    Linear,\n    ReLU,\n    MSELoss,\n)\n"
