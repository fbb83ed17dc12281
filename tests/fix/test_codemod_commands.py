"""The recipes as LibCST commands."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import libcst as cst
import pytest
from libcst.codemod import CodemodContext, SkipFile

from dpmigrate.fixing.commands import GeneratorEntropy, Hooks, SetToNone, Upgrade
from tests.fix.conftest import NEW, OLD, Folder

Make = Callable[..., Folder]


def run(command: type, project: Folder, name: str = "train.py") -> str:
    context = CodemodContext(filename=str(project.path / name))
    return command(context).transform_module(cst.parse_module(project.read(name))).code


def test_right_code_is_skipped(folder: Make) -> None:
    with pytest.raises(SkipFile, match="nothing to change"):
        run(Upgrade, folder(NEW))


def test_only_the_asked_recipe_runs(folder: Make) -> None:
    with pytest.raises(SkipFile):
        run(GeneratorEntropy, folder(OLD))


def test_upgrade(folder: Make) -> None:
    assert run(Upgrade, folder(OLD)) == NEW


def test_set_to_none(folder: Make) -> None:
    assert run(SetToNone, folder(OLD)) == OLD.replace("zero_grad()", "zero_grad(set_to_none=True)")


def test_hooks(folder: Make) -> None:
    assert "losses.mean().backward()" in run(Hooks, folder(OLD))


def test_libcst_tool_runs_it(folder: Make) -> None:
    project = folder(OLD)
    command = [sys.executable, "-m", "libcst.tool", "codemod", "-x"]
    done = subprocess.run(
        [*command, "dpmigrate.fixing.commands.Upgrade", "--no-format", "--jobs=1", "train.py"],
        cwd=project.path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert project.read() == NEW, done.stderr
