"""No control character, bidirectional mark or line end of a name or of code reaches a terminal or a log."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from dpmigrate.report import FORMATS
from dpmigrate.report.inventory import FORMATS as INVENTORIES
from dpmigrate.report.layout import clean, clean_lines
from tests.opacus_releases import CHECKOUT

FAULTY = CHECKOUT / "fixtures" / "single-script" / "before"
NASTY = "\x1b[31m\x1b]0;owned\x07\u202e\u2066\u200f\x9b2J\x08\x0c\x7f\u2028"
HARMFUL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f]")
NAME = "train\n::error::\x1b[2J\u202e\udcff.py"


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A faulty project whose names, code, comments, configuration and dependency files are hostile."""
    root = tmp_path_factory.mktemp("tree")
    shutil.copytree(FAULTY, root, dirs_exist_ok=True)
    code = (root / "train.py").read_text(encoding="utf-8").replace("\x0c", "")
    lines = code.splitlines()
    # In comments and texts, where Python lets them stand: on and around every line at fault.
    noisy = "\n".join(
        line if line.rstrip().endswith(("\\", '"""')) or not line.strip() else f"{line}  # {NASTY}"
        for line in lines
    )
    noisy = noisy.replace("\x0c", "").replace("\u2028", "")
    (root / "train.py").write_text(noisy + "\n", encoding="utf-8")
    (root / NAME).write_text(noisy + "\n", encoding="utf-8")
    (root / f"broken{NAME}").write_text("import opacus\nx = (\n", encoding="utf-8")
    (root / f"{NAME}.requirements.txt").write_text(f"opacus==1.5.2  # {NASTY}\n", encoding="utf-8")
    (root / ".gitignore").write_text(f"!\n[{NASTY}\n", encoding="utf-8")
    return root


def said(cwd: Path, *command: str, **environment: str) -> tuple[int, str]:
    """Exit status, and all that a command writes on both streams."""
    done = subprocess.run(
        [sys.executable, "-m", "dpmigrate", *command],
        cwd=cwd,
        env=os.environ | {"PYTHONIOENCODING": "utf-8"} | environment,
        capture_output=True,
        timeout=120,
        check=False,
    )
    return done.returncode, (done.stdout + done.stderr).decode("utf-8").replace("\r\n", "\n")


def without_colours(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;]+m", "", text)


@pytest.mark.parametrize("format_", FORMATS)
def test_scan(tree: Path, format_: str) -> None:
    status, text = said(tree, "scan", "--format", format_, ".")
    assert status == 1
    assert HARMFUL.findall(text) == []
    assert "\n::error::" not in text.replace("\n::error file=", "")


@pytest.mark.parametrize("format_", INVENTORIES)
def test_inventory(tree: Path, format_: str) -> None:
    status, text = said(tree, "inventory", "--format", format_, ".")
    assert status == 0
    assert HARMFUL.findall(text) == []


@pytest.mark.parametrize("colour", ["", "1"])
def test_fix(tree: Path, tmp_path: Path, colour: str) -> None:
    shutil.copytree(tree, tmp_path / "copy")
    for command in (["fix", "--unsafe", "."], ["fix", "--apply", "--unsafe", "."]):
        _, text = said(tmp_path / "copy", *command, FORCE_COLOR=colour)
        text = without_colours(text) if colour else text
        assert "Internal error" not in text
        assert HARMFUL.findall(text) == []
        assert "\n::error::" not in text
    assert NASTY[:4] in (tmp_path / "copy" / "train.py").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "text",
    [
        f'[tool.dpmigrate]\n"key{chr(27)}" = 1\n',
        '[tool.dpmigrate]\n"key\\u001b\\u202e\\n::error::" = 1\n',
        '[tool.dpmigrate]\nselect = ["DPM\\u001b[2J\\u202e"]\n',
        '[tool.dpmigrate]\nopacus = "\\u001b[2J\\n\\u202e"\n',
        '[tool.dpmigrate]\nmin-certainty = "\\u001b[2J\\n\\u202e"\n',
        '[tool.dpmigrate]\nexclude = ["!", "[\\u001b[2J\\n\\u202e"]\n',
    ],
)
def test_configuration(tmp_path: Path, text: str) -> None:
    (tmp_path / "pyproject.toml").write_text(text, encoding="utf-8")
    folder = tmp_path / "\x1b[2J\n\u202e"
    folder.mkdir()
    for cwd, path in ((tmp_path, "."), (folder, "."), (tmp_path, folder.name)):
        status, shown = said(cwd, "scan", path)
        assert status == (0 if "exclude" in text else 2)
        assert HARMFUL.findall(shown) == []
        assert "\n::error::" not in shown


def test_a_baseline_with_a_hostile_name(tree: Path, tmp_path: Path) -> None:
    kept = str(tmp_path / f"kept{NAME}")
    for options, status in ((("--write-baseline", kept), 0), (("--baseline", kept), 1)):
        found, text = said(tree, "scan", *options, "--no-cache", ".")
        assert found == status  # what could not be read is in no baseline
        assert HARMFUL.findall(text) == []
        assert "\n::error::" not in text


def test_a_path_that_is_not_there(tmp_path: Path) -> None:
    for command in (("scan",), ("fix",), ("inventory",), ("verify",), ("explain",), ("scan", "--select")):
        status, shown = said(tmp_path, *command, "\x1b[2J\n\u202e")
        assert status == 2
        assert HARMFUL.findall(shown) == []


COMMANDS = ("::add-mask::train.py", "##[add-mask]train.py", "##vso[task.complete result=Succeeded;]train.py")
OBEYED = re.compile(r"^\s*::\w|##\[|##vso\[", re.MULTILINE)
"""What GitHub's runner and Azure's take for commands in the output of a job."""


@pytest.fixture(scope="module")
def commanding(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A faulty project whose names and lines of code are commands to the CI server that scans it."""
    root = tmp_path_factory.mktemp("commanding")
    (root / ".git").mkdir()
    code = (FAULTY / "train.py").read_text(encoding="utf-8")
    for name in COMMANDS:
        (root / name).write_text(code.replace("def main", f"# {name}\ndef main"), encoding="utf-8")
    at = code.index("    with Batch")
    noisy = "".join(f"    {name!r}\n" for name in COMMANDS) + code[at:].replace(":\n", ":  # ##[group]\n", 1)
    (root / "noisy.py").write_text(code[:at] + noisy, encoding="utf-8")
    (root / "requirements.txt").write_text("opacus==1.5.2  # ##[error]\n", encoding="utf-8")
    return root


@pytest.mark.parametrize("form", ["text", "concise", "github"])
def test_no_name_and_no_line_commands_a_ci_server(commanding: Path, form: str) -> None:
    _, shown = said(commanding, "scan", "--no-cache", "--format", form, ".")
    assert "train.py" in shown
    shown = re.sub(r"^::(error|warning|notice) file=", "", shown, flags=re.MULTILINE)
    assert OBEYED.findall(shown) == []


def test_no_name_commands_a_ci_server_from_other_commands(commanding: Path, tmp_path: Path) -> None:
    shutil.copytree(commanding, tmp_path / "copy")
    for command in (
        ["inventory", "."],
        ["scan", "-v", "--show-runs", "."],
        ["fix", "."],
        ["fix", "--apply", "."],
    ):
        _, shown = said(tmp_path / "copy", *command)
        assert "train.py" in shown
        assert OBEYED.findall(shown) == []


def test_what_does_no_harm_is_left_as_it_is() -> None:
    text = "naïve 模型 👩‍🔬 \t a\u0301 \u05d0"
    assert clean(text) == clean_lines(text) == text
    assert clean("a::b # ::\n:: ") == "a::b # ::␊:: "
    assert clean(" ::a::") == " \\u003a:a::"
    assert clean("\u3164\u180e") == "\\u3164\\u180e"
    assert clean("a\x1b[31m\n\u202e\udce9\x9b") == "a␛[31m␊\\u202e\\udce9\\u009b"
    assert clean_lines("a\r\n\x1b[1;31mb\x1b[0m\x1b[2J\r") == "a\r\n\x1b[1;31mb\x1b[0m␛[2J␍"
