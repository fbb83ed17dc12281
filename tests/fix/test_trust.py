"""What fix never does: write outside, through links, half, twice, or other bytes than it must."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fix.conftest import NEW, OLD, Folder

Make = Callable[..., Folder]


def test_text_without_findings_is_given_back(folder: Make) -> None:
    project = folder(NEW)
    result = project.fix()
    assert (result.diff, result.applied, result.refused) == ("", (), ())
    assert project.read() == NEW


def test_nothing_is_written_without_apply(folder: Make) -> None:
    project = folder(OLD)
    result = project.fix(apply=False)
    assert "-            double_backward(model, optimizer, losses)\n" in result.diff
    assert result.applied == ()
    assert project.read() == OLD


def test_the_plain_case(folder: Make) -> None:
    project = folder(OLD)
    result = project.fix()
    assert result.applied == ("train.py",)
    assert project.read() == NEW
    assert project.fix().diff == ""


def test_rollback_puts_back(folder: Make) -> None:
    project = folder({"train.py": OLD, "requirements.txt": "opacus==1.5.2\n"})
    before = project.snapshot()
    result = project.fix()
    assert result.applied == ("requirements.txt", "train.py")
    result.rollback()
    assert project.snapshot() == before


@pytest.mark.parametrize("encoding", ["utf-8-sig", "latin-1"])
def test_bytes_around_survive(folder: Make, encoding: str) -> None:
    head = "# -*- coding: latin-1 -*-\n" if encoding == "latin-1" else ""
    text = (head + OLD.replace("            print", "            # Größe\n            print")).replace(
        "\n", "\r\n"
    )
    project = folder({"train.py": text.rstrip("\r\n").encode(encoding)})
    assert project.fix().applied == ("train.py",)
    expected = (head + NEW.replace("            print", "            # Größe\n            print")).replace(
        "\n", "\r\n"
    )
    assert (project.path / "train.py").read_bytes() == expected.rstrip("\r\n").encode(encoding)


def test_a_file_that_cannot_be_given_back_is_refused(folder: Make) -> None:
    project = folder(OLD.replace("\n\ndef train", "\n\n\fdef train"))
    before = project.snapshot()
    result = project.fix()
    assert [path for path, _ in result.refused] == ["train.py"]
    assert "byte for byte" in result.refused[0][1]
    assert project.snapshot() == before


def test_a_read_only_file_leaves_everything_as_it_was(folder: Make) -> None:
    project = folder({"train.py": OLD, "requirements.txt": "opacus==1.5.2\n"})
    (project.path / "requirements.txt").chmod(0o444)
    before = project.snapshot()
    result = project.fix()
    assert result.refused == (("requirements.txt", "read-only"),)
    assert project.snapshot() == before


def test_file_mode_is_kept(folder: Make) -> None:
    project = folder(OLD)
    (project.path / "train.py").chmod(0o754)
    project.fix()
    assert (project.path / "train.py").stat().st_mode & 0o777 == 0o754


def test_a_fix_that_needs_a_file_outside_is_withheld_whole(folder: Make) -> None:
    project = folder({"src/train.py": OLD, "requirements.txt": "opacus==1.5.2\n", "setup.cfg": ""})
    before = project.snapshot()
    result = project.fix("src")
    ((path, reason),) = result.refused
    assert path == "src/train.py"
    assert reason == "the fix also needs requirements.txt, which is outside the given paths: name it, too"
    assert project.snapshot() == before
    assert project.fix().applied == ("requirements.txt", "src/train.py")


def test_nothing_is_written_through_a_link(folder: Make, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "train.py"
    elsewhere.write_text(OLD)
    project = folder({"setup.cfg": ""})
    (project.path / "train.py").symlink_to(elsewhere)
    project.fix()
    assert elsewhere.read_text() == OLD
    assert (project.path / "train.py").is_symlink()


@pytest.mark.parametrize("comment", ["# dpmigrate: ignore", "# dpmigrate: ignore[DPM1,DPM4]"])
def test_ignored_lines_are_left_alone(folder: Make, comment: str) -> None:
    lines = [
        f"{line}  {comment}"
        if any(w in line for w in ("make_private", "clipping=", "BatchM", "double_backward("))
        else line
        for line in OLD.splitlines()
    ]
    project = folder("\n".join(lines) + "\n")
    before = project.snapshot()
    assert project.fix().diff == ""
    assert project.snapshot() == before


def test_a_file_that_is_ignored_is_left_alone(folder: Make) -> None:
    project = folder("# dpmigrate: ignore-file\n" + OLD)
    assert project.fix().diff == ""


def test_a_pin_that_an_ignored_line_shares_is_left_with_it(folder: Make) -> None:
    ignored = OLD.replace("as physical:", "as physical:  # dpmigrate: ignore[DPM101]")
    project = folder({"train.py": OLD, "ignored.py": ignored, "requirements.txt": "opacus==1.5.2\n"})
    result = project.fix()
    assert result.applied == ()
    said = "it would change what an ignore comment in ignored.py leaves alone: delete that comment first"
    assert result.refused == (("train.py", said),)


def test_a_comment_that_a_fix_makes_needless_does_not_stop_it(folder: Make) -> None:
    adaptive = """\
from opacus import PrivacyEngine


def train(model, optimizer, loader, loss_of):
    engine = PrivacyEngine(accountant="rdp")
    model, optimizer, loader = engine.make_private(  # dpmigrate: ignore[DPM305]
        module=model,
        optimizer=optimizer,
        data_loader=loader,
        noise_multiplier=1.0,
        max_grad_norm=1.0,
        clipping="adaptive",
        target_unclipped_quantile=0.5,
        clipbound_learning_rate=0.2,
        max_clipbound=5.0,
        min_clipbound=0.05,
        unclipped_num_std=0.6,
    )
    for x, y in loader:
        optimizer.zero_grad()
        loss_of(model(x), y).backward()
        optimizer.step()
    return engine.get_epsilon(1e-5)
"""
    project = folder({"train.py": OLD, "adaptive.py": adaptive, "requirements.txt": "opacus==1.5.2\n"})
    result = project.fix(lower_bound="1.6.0")
    assert (result.refused, set(result.applied)) == ((), {"requirements.txt", "train.py"})
    assert project.read() == NEW


def test_a_broken_file_beside_does_not_stop_it(folder: Make) -> None:
    project = folder({"train.py": OLD, "broken.py": "import opacus\ndef f(:\n"})
    assert project.fix().applied == ("train.py",)
    assert project.read() == NEW


def test_a_link_out_of_the_project_is_refused_and_said(folder: Make, tmp_path: Path) -> None:
    project = folder({"project/requirements.txt": "opacus==1.5.2\n", "real.py": OLD})
    (tmp_path / "project" / "train.py").symlink_to("../real.py")
    inside = Folder(tmp_path / "project")
    result = inside.fix("train.py")
    assert result.refused == (("train.py", "link out of the project"),)
    assert (result.applied, result.remaining) == ((), ())
    assert project.read("real.py") == OLD


@pytest.mark.parametrize(
    ("helper", "hint"),
    [
        ("from data import x", "dp/train.py"),
        ("from dpx.data import x", "dp/train.py"),
        ("from dp.data import x", "-m dp.train"),
        ("from .data import x", "-m dp.train"),
    ],
)
def test_the_verify_command_starts_a_module_as_it_must_be(folder: Make, helper: str, hint: str) -> None:
    main = '\n\nif __name__ == "__main__":\n    train(nn.Linear(2, 2), None, None)\n'
    project = folder({"dp/__init__.py": "", "dp/data.py": "x = 1\n", "dp/train.py": f"{helper}\n{OLD}{main}"})
    assert project.fix().verify_hint == f"dpmigrate verify {hint}"


@pytest.mark.parametrize(
    ("script", "helper", "hint"),
    [
        ("train.py", "from data import x", "dpmigrate verify train.py"),
        ("src/dp/train.py", "from dp.data import x", "PYTHONPATH=src dpmigrate verify -m dp.train"),
        ("scripts/train.py", "from dp.data import x", "PYTHONPATH=src dpmigrate verify scripts/train.py"),
        ("scripts/train.py", "from data import x", "PYTHONPATH=. dpmigrate verify scripts/train.py"),
    ],
)
def test_the_verify_command_finds_what_the_script_imports(
    folder: Make, script: str, helper: str, hint: str
) -> None:
    main = '\n\nif __name__ == "__main__":\n    train(nn.Linear(2, 2), None, None)\n'
    held = (
        {"src/dp/__init__.py": "", "src/dp/data.py": "x = 1\n"} if "dp." in helper else {"data.py": "x = 1\n"}
    )
    assert folder({**held, script: f"{helper}\n{OLD}{main}"}).fix().verify_hint == hint


def test_a_helper_that_only_a_notebook_calls_is_no_script(folder: Make) -> None:
    cells = ["from train import train", "train(nn.Linear(2, 2), None, None)"]
    notebook = {
        "cells": [{"cell_type": "code", "source": [c], "metadata": {}, "outputs": []} for c in cells],
        "metadata": {"language_info": {"name": "python"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    project = folder({"train.py": OLD, "run.ipynb": json.dumps(notebook)})
    result = project.fix()
    assert (result.applied, result.verify_hint) == (("train.py",), None)


def test_the_hint_of_a_path_with_a_space_can_be_pasted(folder: Make) -> None:
    assert folder({"my train.py": OLD}).fix().verify_hint == "dpmigrate verify 'my train.py'"
