"""Whatever lies in a folder: a clear reason, the documented status, no traceback, and the rest goes on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.scan.programs import lay_out, wrong

TELLING = "from opacus import PrivacyEngine\n"


def scan(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "dpmigrate", "scan", "--format", "json", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)


def put(name: str, content: str | bytes) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        data = content.encode() if isinstance(content, str) else content
        (folder / name).write_bytes(data)

    return make


def _dangling(folder: Path) -> None:
    (folder / "gone.py").symlink_to("nowhere.py")


def _link_inside(folder: Path) -> None:
    (folder / "again.py").symlink_to("train.py")


def _cycle(folder: Path) -> None:
    lay_out(folder, a=TELLING + "from b import x\n", b=TELLING + "from a import x\n")


SILENT = {
    "nothing else": lambda folder: None,
    "an empty file": put("empty.py", ""),
    "a dangling link": _dangling,
    "a link to a file inside": _link_inside,
    "a binary without the words": put("blob.py", bytes(range(256)) * 64),
    "an empty notebook without the words": put("blank.ipynb", ""),
    "a notebook without cells": put(
        "opacus.ipynb", '{"nbformat": 4, "metadata": {"of": "opacus"}, "cells": []}'
    ),
    "cyclic imports": _cycle,
    "a long chain without the words": put("chain.py", "y = " + " + ".join(["x"] * 20_000)),
}
NAMED = {
    "a large file": (put("large.py", TELLING + "x = 1\n" * 1_700_000), "large.py"),
    "a binary": (put("blob.py", b"\xff\xfe\x00opacus" + bytes(range(256))), "blob.py"),
    "a syntax error": (put("broken.py", TELLING + "def f(:\n"), "broken.py"),
    "a return outside of functions": (put("outside.py", TELLING + "return 1\n"), "outside.py"),
    "an unknown encoding": (put("odd.py", b"# coding: klingon\n" + TELLING.encode()), "odd.py"),
    "deep nesting": (put("deep.py", TELLING + "x = " + "[" * 2000 + "]" * 2000), "deep.py"),
    "a deep chain": (put("chain.py", TELLING + "y = " + " + ".join(["x"] * 20_000)), "chain.py"),
    "a notebook that is no JSON": (put("bad.ipynb", '{"cells": [opacus'), "bad.ipynb"),
    "a notebook that is a list": (put("list.ipynb", '["opacus"]'), "list.ipynb"),
    "a notebook with text for cells": (put("text.ipynb", '{"cells": "opacus"}'), "text.ipynb"),
}


@pytest.mark.parametrize("name", SILENT)
def test_what_needs_no_word(name: str, tmp_path: Path) -> None:
    SILENT[name](lay_out(tmp_path, train=wrong()))
    result = scan(tmp_path)
    report = json.loads(result.stdout)
    assert (result.returncode, result.stderr) == (1, "")
    assert report["files"]["not_analysed"] == []
    found = [(f["rule"], f["path"]) for f in report["findings"] if f["severity"] != "info"]
    assert found == [("DPM103", "train.py")] or found == [("DPM103", "again.py")]


@pytest.mark.parametrize("name", NAMED)
def test_what_could_not_be_analysed(name: str, tmp_path: Path) -> None:
    make, path = NAMED[name]
    make(lay_out(tmp_path, train=wrong()))
    result = scan(tmp_path)
    report = json.loads(result.stdout)
    assert (result.returncode, result.stderr) == (1, "")
    (failed,) = report["files"]["not_analysed"]
    assert failed["path"] == path
    assert failed["line"] >= 1
    assert "\n" not in failed["reason"]
    rules = {f["rule"] for f in report["findings"] if f["severity"] != "info"}
    assert rules == {"DPM000", "DPM103"}
    assert scan(tmp_path, "--exit-zero").returncode == 0


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root reads everything")
def test_a_file_without_permission(tmp_path: Path) -> None:
    lay_out(tmp_path, train=wrong(), secret=TELLING)
    (tmp_path / "secret.py").chmod(0)
    report = json.loads(scan(tmp_path).stdout)
    assert [f["path"] for f in report["files"]["not_analysed"]] == ["secret.py"]


@pytest.mark.parametrize(
    "text", ["[tool.dpmigrate\n", '[tool.dpmigrate]\nselect = "DPM101"\n', "[tool.dpmigrate]\nselct = []\n"]
)
def test_a_broken_configuration_is_wrong_usage(text: str, tmp_path: Path) -> None:
    lay_out(tmp_path, train=wrong())
    (tmp_path / "pyproject.toml").write_text(text, encoding="utf-8")
    result = scan(tmp_path)
    assert (result.returncode, result.stdout) == (2, "")
    assert "pyproject.toml" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("arguments", [["nowhere"], ["--opacus", "latest"], ["--select", "DPM999"]])
def test_wrong_usage(arguments: list[str], tmp_path: Path) -> None:
    result = scan(tmp_path, *arguments)
    assert (result.returncode, result.stdout) == (2, "")
    assert "Traceback" not in result.stderr
