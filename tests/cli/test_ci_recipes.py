"""The recipes of docs/ci.md: their steps are run, and what they hand on is there and in order."""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree import ElementTree

import pytest
import yaml
from jsonschema import Draft4Validator

from tests.fixtures_support import FIXTURES
from tests.opacus_releases import CHECKOUT
from tests.report.test_sarif import PUBLISHED

RECIPES = {
    block.partition("\n")[0].removeprefix("# "): yaml.safe_load(block)
    for block in re.findall(
        r"^```yaml\n(.*?)^```", (CHECKOUT / "docs" / "ci.md").read_text(encoding="utf-8"), re.M | re.S
    )
}
GITHUB = RECIPES[".github/workflows/dpmigrate.yml"]["jobs"]["scan"]["steps"]
GITLAB = RECIPES[".gitlab-ci.yml"]["dpmigrate"]


class Runner(NamedTuple):
    """A checkout of a project on a machine of a CI server."""

    folder: Path
    env: dict[str, str]
    installed: Path

    def steps(self, commands: list[str]) -> list[subprocess.CompletedProcess[str]]:
        """The steps in their order, up to the first that fails."""
        done = []
        for command in commands:
            ran = subprocess.run(
                ["bash", "-eo", "pipefail", "-c", command],
                cwd=self.folder,
                env=self.env,
                capture_output=True,
                text=True,
                timeout=120,
                check=False,
            )
            done.append(ran)
            if ran.returncode:
                break
        return done

    def read(self, name: str) -> str:
        return (self.folder / name).read_text(encoding="utf-8")


@pytest.fixture(params=["before", "after"])
def runner(request: pytest.FixtureRequest, tmp_path: Path) -> Runner:
    """A repository; ``pip`` notes what it is asked for, and dpmigrate is there already."""
    folder, programs = tmp_path / "checkout", tmp_path / "bin"
    shutil.copytree(FIXTURES / "single-script" / request.param, folder / "project")
    subprocess.run(["git", "init", "--quiet", str(folder)], check=True, timeout=30)
    programs.mkdir()
    installed = tmp_path / "installed"
    for name, text in {
        "pip": f'printf "%s\\n" "$@" >> {installed}',
        "dpmigrate": f'exec {sys.executable} -m dpmigrate "$@"',
    }.items():
        program = programs / name
        program.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("GIT_", "FORCE_COLOR"))}
    env = kept | {"PATH": f"{programs}:{os.environ['PATH']}", "PYTHONPATH": str(CHECKOUT)}
    return Runner(folder, env, installed)


def is_faulty(runner: Runner) -> bool:
    return "1.5.2" in runner.read("project/requirements.txt")


def assert_outcome(runner: Runner, commands: list[str]) -> subprocess.CompletedProcess[str]:
    """The last step, a scan, whose status is that of the project."""
    done = runner.steps(commands)
    assert [ran.returncode for ran in done] == [0] * (len(commands) - 1) + [int(is_faulty(runner))]
    assert runner.installed.read_text(encoding="utf-8").splitlines()[0] == "install"
    return done[-1]


def test_the_steps_for_github(runner: Runner) -> None:
    done = assert_outcome(runner, [step["run"] for step in GITHUB if "run" in step])
    lines = [line for line in done.stdout.splitlines() if "DPM101" in line]
    assert [line.startswith("::error file=project/train.py,line=") for line in lines] == [True] * len(lines)
    assert bool(lines) is is_faulty(runner)
    uses = {step["uses"].partition("@")[0]: step for step in GITHUB if "uses" in step}
    log = json.loads(runner.read(uses["github/codeql-action/upload-sarif"]["with"]["sarif_file"]))
    Draft4Validator(PUBLISHED).validate(log)
    assert bool(log["runs"][0]["results"]) is is_faulty(runner)
    page = runner.read(uses["actions/upload-artifact"]["with"]["path"])
    assert page.lower().startswith("<!doctype html>")
    for name in ("github/codeql-action/upload-sarif", "actions/upload-artifact"):
        assert uses[name]["if"] == "success() || failure()"  # also, and above all, where the scan failed


def test_the_steps_for_gitlab(runner: Runner) -> None:
    assert_outcome(runner, GITLAB["script"])
    assert GITLAB["artifacts"]["when"] == "always"
    reports = GITLAB["artifacts"]["reports"]
    issues: list[dict[str, Any]] = json.loads(runner.read(reports["codequality"]))
    assert {issue["location"]["path"] for issue in issues} <= {"project/train.py", "project/requirements.txt"}
    assert any(issue["severity"] == "critical" for issue in issues) is is_faulty(runner)
    top = ElementTree.fromstring(runner.read(reports["junit"]))
    assert (int(top.attrib["failures"]) > 0) is is_faulty(runner)
