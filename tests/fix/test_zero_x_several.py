"""One function that trains for several engines of Opacus 0.x: what it asks is asked of the right one."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from tests.fix.conftest import Folder
from tests.fix.test_zero_x import ATTACH, ENGINE, HEAD, LOOP, PRIVATE, project
from tests.fix.test_zero_x_shapes import SIZES, VIRTUAL, indented

Make = Callable[..., Folder]

TRAIN = f"""
def train(net, loader, opt, delta=1e-5):
{indented(LOOP)}    print({{asked}})


"""
AGAIN = "".join(line for line in HEAD.splitlines(keepends=True) if " = " in line)
CALL = "train(net, loader, opt)\n"


def two(asked: str, first: str, second: str, last: str) -> str:
    """Two models trained one after the other; ``last`` is the name of the second one's engine."""
    other = re.sub(r"(?<!_)engine\b", last, second)
    return HEAD + TRAIN.format(asked=asked) + first + CALL + AGAIN + other + CALL


def given(alphas: str) -> str:
    return ENGINE.replace("noise", f"alphas={alphas}, noise") + ATTACH


@pytest.mark.parametrize("last", ["engine", "other"])
def test_epsilon_is_asked_through_the_optimizer(folder: Make, last: str) -> None:
    asked = "opt.privacy_engine.get_privacy_spent(delta)"
    made = project(folder, two(asked, given("[2, 8]"), given("[4]"), last))
    assert made.fix(unsafe=True).refused == ()
    orders = "engine.accountant.DEFAULT_ALPHAS = {}\nnet,"
    first, second = (
        PRIVATE.replace("net,", orders.format(alphas), 1) + "opt.privacy_engine = engine\n"
        for alphas in ("[2, 8]", "[4]")
    )
    told = "opt.privacy_engine.accountant.get_privacy_spent(delta=delta)"
    assert made.read() == two(told, first, second, last)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("opt.privacy_engine.noise_multiplier, opt.privacy_engine.sample_rate", "sample_rate of the engine"),
        ("engine.clipper", "clipper of the engine"),
    ],
)
def test_what_only_one_of_them_is_known_by_is_left(folder: Make, asked: str, said: str) -> None:
    made = project(folder, two(asked, ENGINE + ATTACH, ENGINE + ATTACH, "other"))
    assert said in " ".join(reason for _, reason in made.fix(unsafe=True).refused)


def test_virtual_steps_of_several_loaders_are_left(folder: Make) -> None:
    engine = ENGINE.replace("sample_rate=0.1", "sample_rate=4 / 40 * k") + ATTACH
    text = HEAD + SIZES + "\n\ndef train(net, loader, opt):\n" + indented(VIRTUAL) + "\n\n"
    made = project(folder, text + engine + CALL + AGAIN + engine + CALL)
    assert "this virtual_step is of several engines" in made.fix(unsafe=True).refused[0][1]
