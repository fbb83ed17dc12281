"""The strategies that keep the Opacus release."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from dpmigrate.workspace.errors import UsageError
from tests.fix.conftest import NEW, OLD, Folder

Make = Callable[..., Folder]


@pytest.mark.parametrize("strategy", ["set-to-none", "patch", "hooks"])
def test_right_code_is_left_alone(folder: Make, strategy: str) -> None:
    project = folder({"train.py": NEW, "requirements.txt": "opacus>=1.5.4\n"})
    assert project.fix(strategy=strategy).diff == ""


def test_set_to_none_changes_the_clearing_only(folder: Make) -> None:
    project = folder({"train.py": OLD, "requirements.txt": "opacus==1.5.2\n"})
    result = project.fix(strategy="set-to-none")
    assert result.applied == ("train.py",)
    assert project.read() == OLD.replace("zero_grad()", "zero_grad(set_to_none=True)")
    reasons = {f.rule: why for f, why in result.unmade}
    assert set(reasons) == {"DPM901", "DPM203"}
    assert "--strategy upgrade mends it" in reasons["DPM901"]
    assert "--unsafe" in reasons["DPM203"]
    assert project.fix(strategy="set-to-none").diff == ""


def test_set_to_none_adds_the_clearing_where_there_is_none(folder: Make) -> None:
    project = folder(OLD.replace("            optimizer.zero_grad()\n", ""))
    project.fix(strategy="set-to-none")
    assert "optimizer.step()\n            optimizer.zero_grad(set_to_none=True)\n" in project.read()
    assert project.fix(strategy="set-to-none").diff == ""


@pytest.mark.parametrize("given", ["**options", "*options"])
def test_set_to_none_is_withheld_where_the_arguments_cannot_be_seen(folder: Make, given: str) -> None:
    project = folder(
        OLD.replace("zero_grad()", f"zero_grad({given})").replace("loader):", "loader, options):")
    )
    before = project.snapshot()
    result = project.fix(strategy="set-to-none", select=["DPM101"])
    assert [reason for _, reason in result.refused] == [
        "line 22: zero_grad is given arguments that cannot be seen: write set_to_none=True there"
    ]
    assert project.snapshot() == before


def test_set_to_none_sees_its_argument_beside_others(folder: Make) -> None:
    project = folder(OLD.replace("zero_grad()", "zero_grad(set_to_none=False, **options)"))
    project.fix(strategy="set-to-none", select=["DPM101"])
    assert "zero_grad(set_to_none=True, **options)" in project.read()


def test_an_unknown_strategy_is_wrong_usage(folder: Make) -> None:
    with pytest.raises(UsageError, match="'upgarde' is none of upgrade, set-to-none, patch, hooks"):
        folder(OLD).fix(strategy="upgarde")


def test_hooks_takes_ghost_clipping_out(folder: Make) -> None:
    project = folder({"train.py": OLD, "requirements.txt": "opacus==1.5.2\n"})
    result = project.fix(strategy="hooks")
    assert (result.applied, result.remaining) == (("train.py",), ())
    expected = OLD.replace('        grad_sample_mode="ghost",\n        clipping="ghost",\n', "")
    expected = expected.replace("double_backward(model, optimizer, losses)", "losses.mean().backward()")
    expected = expected.replace("from opacus.utils.fast_gradient_clipping_utils import double_backward\n", "")
    assert project.read() == expected
    assert project.fix(strategy="hooks").diff == ""


def test_hooks_is_withheld_where_the_mode_is_an_option(folder: Make) -> None:
    text = OLD.replace("loader):\n", "loader, mode='ghost'):\n", 1).replace('mode="ghost"', "mode=mode")
    project = folder(text)
    before = project.snapshot()
    result = project.fix(strategy="hooks")
    assert "chosen when the program runs" in result.refused[0][1]
    assert project.snapshot() == before


def test_patch_repairs_at_run_time_and_declares_it(folder: Make) -> None:
    project = folder({"train.py": OLD, "requirements.txt": "torch\nopacus==1.5.2  # old\n"})
    result = project.fix(strategy="patch")
    assert result.applied == ("requirements.txt", "train.py")
    assert project.read("requirements.txt") == "torch\nopacus==1.5.2  # old\ndpmigrate[verify]\n"
    patched = "from torch import nn\nfrom dpmigrate.runtime import patch_opacus\n\npatch_opacus()\n"
    assert project.read() == OLD.replace("from torch import nn\n", patched)
    assert project.fix(strategy="patch").diff == ""
