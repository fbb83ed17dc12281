"""Pipes, sockets, devices, folders and links to nowhere, in the place of every file that is looked for."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.opacus_releases import CHECKOUT

FAULTY = CHECKOUT / "fixtures" / "single-script" / "before"
PLACES = (
    ".gitignore",
    ".gitmodules",
    ".git/index",
    ".git/config",
    ".git/info/exclude",
    "sub/.git",
    "sub/.gitignore",
    "sub/.dpmigrateignore",
    "sub/pyproject.toml",
    "sub/setup.py",
    "sub/setup.cfg",
    "sub/requirements.txt",
    "sub/environment.yml",
    "sub/Pipfile.lock",
    "sub/poetry.lock",
    "sub/train.py",
    "sub/opacus_core_patch.py",
    "sub/study.ipynb",
    "opacus.py",
)
"""Files that a scan reads where they are there, or may."""

COMMANDS = (
    ("scan", "--no-cache", "."),
    ("scan", "--no-cache", "--format", "sarif", "."),
    ("inventory", "."),
    ("fix", "."),
    ("fix", "--apply", "."),
)


def pipe(path: Path) -> None:
    os.mkfifo(path)


def listener(path: Path) -> None:
    here = Path.cwd()
    os.chdir(path.parent)  # the whole name may be too long for a socket
    try:
        with socket.socket(socket.AF_UNIX) as bound:
            bound.bind(path.name)
    finally:
        os.chdir(here)


def device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def circle(path: Path) -> None:
    path.symlink_to(path.name)


def nowhere(path: Path) -> None:
    path.symlink_to("is/not/there")


def outside(path: Path) -> None:
    path.symlink_to(path.anchor)


def folder(path: Path) -> None:
    path.mkdir()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="has no named pipes")
@pytest.mark.parametrize("odd", [pipe, listener, device, circle, nowhere, outside, folder])
def test_what_is_no_file_stops_and_hides_nothing(tmp_path: Path, odd: Callable[[Path], None]) -> None:
    root = tmp_path / "project"
    shutil.copytree(FAULTY, root)
    (root / "pyproject.toml").touch()
    for place in PLACES:
        (root / place).parent.mkdir(parents=True, exist_ok=True)
        odd(root / place)
    (root / ".git" / "HEAD").write_text("ref: refs/heads/main\n")
    program = (
        "import sys\nfrom dpmigrate.cli import run\n"
        "for line in sys.argv[1:]:\n    print('status', run(line.split()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *map(" ".join, COMMANDS)],
        cwd=root,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    said = done.stdout + done.stderr
    statuses = [line.split()[1] for line in said.splitlines() if line.startswith("status ")]
    # A configuration that is none is wrong usage, and so is told before anything else.
    assert statuses in (["1", "1", "0", "1", "0"], ["1", "1", "1", "1", "1"], ["2"] * 5)
    assert "Traceback" not in said
    assert "nternal error" not in said
    if statuses[0] == "1":
        assert "DPM101" in said
    else:
        assert "sub/pyproject.toml" in said
