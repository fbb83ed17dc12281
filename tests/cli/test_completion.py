"""Completion in a real shell, and what the commands say of themselves."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dpmigrate.cli import COMMANDS
from tests.cli.conftest import Run
from tests.opacus_releases import CHECKOUT


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ``dpmigrate`` for the shell to find."""
    path = tmp_path_factory.mktemp("bin") / "dpmigrate"
    path.write_text(f'#!/bin/sh\nexec {sys.executable} -m dpmigrate "$@"\n', encoding="utf-8")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("sc", ["scan"]),
        ("scan --for", ["--format", "--force-exclude"]),
        ("scan --format ju", ["junit"]),
        ("scan --select DPM10", ["DPM101", "DPM102", "DPM103"]),
        ("scan --ignore DPM203,DPM90", ["DPM203,DPM901", "DPM203,DPM902"]),
        ("scan --select ghost-batch", ["ghost-batch-memory-manager"]),
        ("scan --report sar", ["sarif="]),
        ("explain DPM90", ["DPM901", "DPM902"]),
    ],
)
def test_bash_offers(program: Path, tmp_path: Path, typed: str, offered: list[str]) -> None:
    assert set(offered) <= set(completed(program, tmp_path, typed))


@pytest.mark.parametrize("command", ["scan", "fix", "inventory"])
def test_paths_are_left_to_the_shell(program: Path, tmp_path: Path, command: str) -> None:
    (tmp_path / "train.py").touch()
    (tmp_path / "src").mkdir()
    assert completed(program, tmp_path, f"{command} tr") == ["train.py"]
    assert completed(program, tmp_path, f"{command} s") == ["src"]


def completed(program: Path, folder: Path, typed: str) -> list[str]:
    """What bash offers for a command line as far as it is typed."""
    words = ["dpmigrate", *typed.split(" ")]
    # Outside of a prompt bash has no compopt, by which a completion leaves files to bash.
    script = (
        'compopt() { COMPREPLY=($(compgen -f -- "${COMP_WORDS[COMP_CWORD]}")); }\n'
        'eval "$(_DPMIGRATE_COMPLETE=bash_source dpmigrate)"\n'
        f"COMP_WORDS=({' '.join(words)}); COMP_CWORD={len(words) - 1}\n"
        '_dpmigrate_completion dpmigrate\nprintf "%s\\n" "${COMPREPLY[@]}"\n'
    )
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=folder,
        env={**os.environ, "PATH": f"{program.parent}:{os.environ['PATH']}", "PYTHONPATH": str(CHECKOUT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout.split()


def test_the_program_alone_prints_its_help(run: Run) -> None:
    outcome = run()
    assert (outcome.status, outcome.err) == (0, "")
    assert outcome.out == run("--help").out
    assert all(name in outcome.out for name in COMMANDS)


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_every_help_has_an_example(run: Run, command: str) -> None:
    outcome = run(command, "--help")
    assert outcome.status == 0
    assert "Example" in outcome.out
    assert f"dpmigrate {command}" in outcome.out.partition("Example")[2]
