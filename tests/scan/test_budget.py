"""Where the analysis gives up it says so, and what makes runs is looked at all the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from dpmigrate import api
from dpmigrate.analysis import core
from dpmigrate.model import CutShort
from tests.scan.programs import lay_out, wrong

LONG = "".join(f"def step_{i}(x):\n    return step_{i + 1}(x)\n" for i in range(40)) + "step_0(1)\n"


def test_small_programs_are_followed_to_the_end(tmp_path: Path) -> None:
    assert api.scan(cwd=lay_out(tmp_path, train=wrong())).cut_short == ()


def test_a_root_beyond_its_budget_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(core, "MAX_STEPS", 12)
    result = api.scan(cwd=lay_out(tmp_path, train=wrong()))
    assert result.cut_short == (CutShort("train.py", "train"),)


@pytest.mark.parametrize(
    ("files", "private"),
    [
        ({"main": "import opacus\n" + LONG}, False),
        ({"main": "import opacus, helper\n" + LONG, "helper": "x = 1\n"}, False),
        ({"main": "import opacus, helper\n" + LONG, "helper": "def f(e, m):\n    e.make_private(m)\n"}, True),
        ({"main": "import opacus\n" + LONG + "engine.make_private(**given)\n"}, True),
    ],
)
def test_it_is_told_whether_a_run_can_be_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: dict[str, str], private: bool
) -> None:
    monkeypatch.setattr(core, "MAX_STEPS", 12)
    result = api.scan(cwd=lay_out(tmp_path, **files))
    assert {cut.private for cut in result.cut_short if cut.path == "main.py"} == {private}


def test_what_makes_runs_is_entered_when_the_budget_of_the_whole_is_used_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(core, "MAX_TOTAL", 60)
    before_it = "import opacus\nfrom train import train\n" + LONG
    result = api.scan(cwd=lay_out(tmp_path, a_main=before_it, train=wrong()))
    assert result.cut_short
    assert [f.rule for f in result.findings if f.severity != "info"] == ["DPM103"]
