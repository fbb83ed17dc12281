"""The strategies that keep the Opacus release."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from dpmigrate import __version__
from dpmigrate.api import fix, scan
from dpmigrate.workspace.core_patch import patch_text
from dpmigrate.workspace.errors import UsageError
from dpmigrate.workspace.settings import Settings
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
    assert "--seed EXPR" in reasons["DPM203"]
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


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ('seed = "args.s d"', "seed: 'args.s d' is no Python expression"),
        ('opacus-lower-bound = "1.2"', "1.2 is older"),
    ],
)
def test_what_a_fix_cannot_go_by_is_wrong_in_a_scan_as_well(folder: Make, option: str, said: str) -> None:
    project = folder({"train.py": OLD, "pyproject.toml": f"[tool.dpmigrate]\n{option}\n"})
    for command in (scan, fix):
        with pytest.raises(UsageError, match=re.escape(said)):
            command(settings=Settings(str(project.path)))


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


PATCH = "opacus_core_patch.py"
OF_CALL = "from torch import nn\n{}\n\npatch_opacus()\n"


def patched(text: str, line: str = "from opacus_core_patch import patch_opacus") -> str:
    return text.replace("from torch import nn\n", OF_CALL.format(line))


@pytest.mark.parametrize("given", ["", "train.py"])
def test_patch_puts_its_file_beside_the_run(folder: Make, given: str) -> None:
    project = folder({"train.py": OLD, "requirements.txt": "torch\nopacus==1.5.2  # old\n"})
    shown = project.fix(strategy="patch", apply=False)
    assert f"--- /dev/null\n+++ b/{PATCH}\n@@ -0,0 +1," in shown.diff
    assert not (project.path / PATCH).exists()
    result = project.fix(*filter(None, [given]), strategy="patch")
    assert result.applied == (PATCH, "train.py")
    assert project.read("requirements.txt") == "torch\nopacus==1.5.2  # old\n"
    lines = [line for line in project.read().splitlines() if line]
    expected = patched(OLD).splitlines()
    assert sorted(lines) == sorted(line for line in expected if line)
    assert (project.path / PATCH).read_bytes() == patch_text()
    assert project.fix(strategy="patch").diff == ""


def test_the_patch_says_where_it_is_from_and_needs_nothing_more() -> None:
    text = patch_text().decode()
    assert text.startswith(f"# SPDX-License-Identifier: Apache-2.0\n# Written by dpmigrate {__version__} ")
    imported = set(re.findall(r"^(?:from|import) ([a-z_]+)", text, re.MULTILINE))
    assert imported == {"__future__", "functools", "re", "typing", "opacus", "torch"}


def test_the_patch_is_no_run_and_quiets_what_it_repairs(folder: Make) -> None:
    project = folder({"train.py": OLD, "requirements.txt": "opacus==1.5.2\n"})
    project.fix(strategy="patch")
    for _ in range(2):
        result = scan([project.path], cwd=project.path)
        assert [run.path for run in result.runs] == ["train.py"]
        assert "DPM101" not in {f.rule for f in result.findings}
        text = (project.path / PATCH).read_text()
        # Comments and layout are the project's own.
        (project.path / PATCH).write_text("# ours\n" + text.replace("\n\n\n", "\n\n"))


def test_a_changed_patch_is_not_believed(folder: Make) -> None:
    project = folder({"train.py": OLD, "requirements.txt": "opacus==1.5.2\n"})
    project.fix(strategy="patch")
    text = (project.path / PATCH).read_text()
    (project.path / PATCH).write_text(text.replace(".detach().clone()", ".detach()"))
    assert "DPM101" in {f.rule for f in scan([project.path], cwd=project.path).findings}


@pytest.mark.parametrize(
    ("path", "others", "line"),
    [
        ("train.py", {}, "from opacus_core_patch import patch_opacus"),
        ("src/train.py", {}, "from opacus_core_patch import patch_opacus"),
        ("src/train.py", {"main.py": "from src.train import train\n"}, "from src.opacus_core_patch import"),
        ("pkg/train.py", {"pkg/__init__.py": "from .train import train\n"}, "from .opacus_core_patch import"),
    ],
)
def test_the_patch_is_imported_as_its_neighbours_are(
    folder: Make, path: str, others: dict[str, str], line: str
) -> None:
    project = folder({path: OLD, "requirements.txt": "opacus==1.5.2\n", **others})
    result = project.fix(strategy="patch")
    assert path in result.applied and not result.refused
    assert line in project.read(path)
    assert (project.path / path).with_name(PATCH).read_bytes() == patch_text()
    assert project.fix(strategy="patch").diff == ""


def test_the_patch_is_withheld_where_it_could_not_be_imported(folder: Make) -> None:
    for files, reason in (
        ({"train.py": OLD, PATCH: "x = 1\n"}, "is another file"),
        ({"pkg/train.py": OLD, "pkg/__init__.py": ""}, "nothing says how it imports its neighbours"),
    ):
        project = folder({**files, "requirements.txt": "opacus==1.5.2\n"})
        before = project.snapshot()
        refused = project.fix(strategy="patch", select=["DPM101"]).refused
        assert [reason in said for _, said in refused] == [True]
        assert project.snapshot() == before
        (project.path / PATCH).unlink(missing_ok=True)
        (project.path / "train.py").unlink(missing_ok=True)
