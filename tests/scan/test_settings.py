"""Modes out of grids, tuners, named tuples and match statements, and functions that others call."""

from __future__ import annotations

from pathlib import Path

import pytest

from dpmigrate import api
from tests.scan.programs import lay_out, right
from tests.scan.test_strings import modes

MATCH = """
match {subject}:
    case "fast" | "quick":
        mode = "ghost"
    case "slow":
        mode = "hooks"
    case _:
        mode = "ew"
"""


@pytest.mark.parametrize(
    ("before", "expression", "wanted"),
    [
        (
            "from collections import namedtuple\nC = namedtuple('C', 'lr mode')\nc = C(1, 'ghost')\n",
            "c.mode",
            "ghost",
        ),
        (
            "from collections import namedtuple\nC = namedtuple('C', ['mode'])\nc = C(mode='ew')\n",
            "c.mode",
            "ew",
        ),
        ("import typing\nC = typing.NamedTuple('C', [('mode', str)])\n", "C('ghost').mode", "ghost"),
        ("import random\n", "random.choice(['ghost', 'hooks'])", "ghost hooks"),
        ("import numpy as np\n", "np.random.choice(('ghost', 'ew'))", "ew ghost"),
        (
            "def f(trial):\n    return trial.suggest_categorical('m', ['ghost', 'ew'])\n",
            "f(input())",
            "ew ghost",
        ),
        (MATCH.format(subject="'fast'"), "mode", "ghost"),
        (MATCH.format(subject="'slow'"), "mode", "hooks"),
        (MATCH.format(subject="'other'"), "mode", "ew"),
        (MATCH.format(subject="input()"), "mode", "ew ghost hooks"),
    ],
)
def test_what_is_chosen(tmp_path: Path, before: str, expression: str, wanted: str) -> None:
    assert modes(tmp_path, expression, before) == tuple(wanted.split())


@pytest.mark.parametrize(
    "call",
    [
        "import itertools\nfor lr, m in itertools.product([1, 2], ['ghost']):\n    train(data, m)",
        "import optuna\noptuna.create_study().optimize(lambda trial: train(data, 'ghost'), n_trials=3)",
        "import ray\nray.get(ray.remote(train).remote(data, 'ghost'))",
        "tasks = [lambda: train(data, 'ghost')]",
    ],
)
def test_who_calls_it(tmp_path: Path, call: str) -> None:
    text = right().replace('mode="ghost"', "mode")
    lay_out(tmp_path, train=f"{text}\ndata = []\n{call}\n")
    (run,) = api.scan(["."], cwd=tmp_path).runs
    assert run.mode == ("ghost",)


def test_a_grid_of_many_rows_is_one_that_stands_for_all(tmp_path: Path) -> None:
    before = (
        "import itertools\nfor a, b, m in itertools.product(range(9), 'xyz', ['ghost', 'ew']):\n    pass\n"
    )
    assert set(modes(tmp_path, "m", before)) >= {"ghost", "ew"}
