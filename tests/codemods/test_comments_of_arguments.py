"""Arguments that go or change places: each comment stays with its own."""

from __future__ import annotations

import libcst as cst
import pytest

from dpmigrate.codemods.editing.nodes import remove_argument
from dpmigrate.codemods.losses.functional import becomes_call_of


def call(text: str) -> cst.Call:
    node = cst.parse_expression(text)
    assert isinstance(node, cst.Call)
    return node


def code(node: object) -> str:
    assert isinstance(node, cst.CSTNode)
    return cst.Module([]).code_for_node(node)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("f(a=1, b=2)", "f(b=2)"),
        ("f(\n    a=1,  # of a\n    b=2,  # of b\n)", "f(\n    b=2,  # of b\n)"),
        ("f(\n    # above a\n    a=1,\n    # above b\n    b=2,\n)", "f(\n    # above b\n    b=2,\n)"),
        ("f(\n    # above a\n    a=1,\n    b=2,\n)", "f(\n    b=2,\n)"),
        ("f(\n    a=1, b=2,\n)", "f(\n    b=2,\n)"),
    ],
)
def test_the_first_of_several_goes(before: str, after: str) -> None:
    assert code(remove_argument(call(before), "a")) == after


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("F.mse_loss(target=y, input=x)", "criterion(x, y)"),
        (
            "F.mse_loss(\n    target=y,  # of y\n    input=x,  # of x\n)",
            "criterion(\n    x,  # of x\n    y,  # of y\n)",
        ),
        (
            "F.mse_loss(\n    target=y,  # of y\n    input=x\n)",
            "criterion(\n    x,\n    y  # of y\n)",
        ),
    ],
)
def test_two_change_places(before: str, after: str) -> None:
    assert code(becomes_call_of("criterion")(call(before))) == after
