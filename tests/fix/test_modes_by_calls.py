"""Ghost and standard clipping by calls of their own, of whose results one piece of code takes either."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.fix.conftest import Folder

Make = Callable[..., Folder]

PROGRAM = """\
import sys

import torch
from opacus import PrivacyEngine
from opacus.utils.fast_gradient_clipping_utils import double_backward
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

mode = sys.argv[1]
{helper}

def main():
    engine = PrivacyEngine()
    model = nn.Linear(3, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    loader = DataLoader(TensorDataset(torch.randn(40, 3), torch.randint(0, 2, (40,))), batch_size=20)
    criterion = nn.CrossEntropyLoss(reduction="none")
{taken}
    for x, y in loader:
        optimizer.zero_grad()
        losses = criterion(model(x), y)
        if mode == "ghost":
            double_backward(model, optimizer, losses)
        else:
            losses.mean().backward()
        optimizer.step()


main()
"""
GIVEN = "module=model, optimizer=optimizer, {}data_loader=loader, noise_multiplier=1.0, max_grad_norm=0.5"
HOOKS = f"engine.make_private({GIVEN.format('')})"
OLD = f'engine.make_private({GIVEN.format("")}, grad_sample_mode="ghost", clipping="ghost")'
NEW = f'engine.make_private({GIVEN.format("criterion=criterion, ")}, grad_sample_mode="ghost")'
HANDED = "helper(engine, model, optimizer, loader"
HELPER = f"""

def {HANDED}%s):
    if mode == "ghost":
        %s
    %s
"""
EITHER = """\
    {made} = {value}
    if len({made}) == 4:
        model, optimizer, criterion, loader = {made}
    else:
        model, optimizer, loader = {made}"""


def moved(text: str) -> str:
    """What becomes of the rest of the program."""
    text = text.replace("from opacus.utils.fast_gradient_clipping_utils import double_backward\n", "")
    text = text.replace('Loss(reduction="none")', "Loss()")
    return text.replace("double_backward(model, optimizer, losses)", "losses.backward()")


def helper(parameter: str, ghost: str, hooks: str) -> str:
    return HELPER % (parameter, ghost, hooks)


def unpacked(value: str, *names: str) -> str:
    return f"{', '.join(names)} = {value}"


THREE = ("model", "optimizer", "loader")
FOUR = ("model", "optimizer", "criterion", "loader")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param(
            (helper("", f"return {OLD}", f"return {HOOKS}"), "    " + unpacked(f"{HANDED})", *THREE)),
            (
                helper(", criterion", f"return {NEW}", f"return {HOOKS}"),
                EITHER.format(made="private", value=f"{HANDED}, criterion=criterion)"),
            ),
            id="what a helper returns",
        ),
        pytest.param(
            (
                helper(
                    "",
                    f"{unpacked(OLD, *THREE)}\n        return {', '.join(THREE)}",
                    f"{unpacked(HOOKS, *THREE)}\n    return {', '.join(THREE)}",
                ),
                "    " + unpacked(f"{HANDED})", *THREE),
            ),
            (
                helper(
                    ", criterion",
                    f"{unpacked(NEW, *FOUR)}\n        return {', '.join(FOUR)}",
                    f"{unpacked(HOOKS, *THREE)}\n    return {', '.join(FOUR)}",
                ),
                "    " + unpacked(f"{HANDED}, criterion=criterion)", *FOUR),
            ),
            id="a helper that returns twice",
        ),
        pytest.param(
            (
                "",
                f'    if mode == "ghost":\n        made = {OLD}\n    else:\n        made = {HOOKS}\n'
                "    model, optimizer, loader = made",
            ),
            (
                "",
                f'    if mode == "ghost":\n        made = {NEW}\n    else:\n        made = {HOOKS}\n'
                + EITHER.partition("\n")[2].format(made="made"),
            ),
            id="a variable",
        ),
    ],
)
def test_either_result_is_taken_apart(folder: Make, before: tuple[str, str], after: tuple[str, str]) -> None:
    project = folder(PROGRAM.format(helper=before[0], taken=before[1]))
    assert project.fix().refused == ()
    assert project.read() == moved(PROGRAM).format(helper=after[0], taken=after[1])
    assert project.fix().diff == ""


def test_returns_of_several_kinds_are_left(folder: Make) -> None:
    two = helper(
        "",
        f"{unpacked(OLD, *THREE)}\n        return {', '.join(THREE)}",
        f"return {HOOKS}",
    )
    program = PROGRAM.format(helper=two, taken="    " + unpacked(f"{HANDED})", *THREE))
    project = folder(program)
    assert "return it beside the optimizer" in project.fix().refused[0][1]
    assert project.read() == program
