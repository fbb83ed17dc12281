"""The command line as a whole: help, version, quick start, readers that go away."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from dpmigrate import __version__
from tests.cli.conftest import Run

HEAVY = ("libcst", "torch", "opacus", "rich", "tomlkit", "packaging", "importlib.metadata")


def child(code: str, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run `code` in a fresh interpreter."""
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_version(run: Run) -> None:
    assert run("--version") == (0, f"dpmigrate {__version__}\n", "")


@pytest.mark.parametrize("arguments", [("--help",), ("-h",)])
def test_help_lists_the_commands(run: Run, arguments: tuple[str, ...]) -> None:
    outcome = run(*arguments)
    assert (outcome.status, outcome.err) == (0, "")
    for command in ("scan", "fix", "verify", "explain"):
        assert f"\n  {command} " in outcome.out


def test_an_unknown_command_is_answered_with_the_nearest(run: Run) -> None:
    outcome = run("scna")
    assert (outcome.status, outcome.out) == (2, "")
    assert (
        outcome.err == "dpmigrate: There is no command 'scna'. Did you mean 'scan'? See: dpmigrate --help\n"
    )


@pytest.mark.parametrize("arguments", [["--version"], ["--help"], ["scan", "plain.py"], ["fix", "plain.py"]])
def test_nothing_heavy_is_imported_where_it_is_not_needed(tmp_path: Path, arguments: list[str]) -> None:
    (tmp_path / "plain.py").write_text("import torch\n", encoding="utf-8")
    done = child(
        "import sys; from dpmigrate.cli import run; status = run(sys.argv[1:])\n"
        f"print(status, sorted(set({HEAVY!r}) & set(sys.modules)), file=sys.stderr)",
        *arguments,
        cwd=tmp_path,
    )
    assert done.stderr.splitlines()[-1] == "0 []"


LATE = ("ast", "pathlib", "dataclasses", "json", "hashlib", "textwrap")
"""What click does without, and a scan too that finds nothing to look at."""


def test_a_scan_of_a_plain_file_starts_quickly(tmp_path: Path) -> None:
    (tmp_path / "plain.py").write_text("import torch\n", encoding="utf-8")
    done = child(
        "import sys, click; before = set(sys.modules)\n"
        "from dpmigrate.cli import run; status = run(sys.argv[1:])\n"
        f"print(status, sorted(set({LATE!r}) & set(sys.modules) - before), file=sys.stderr)",
        *("scan", "plain.py"),
        cwd=tmp_path,
    )
    assert done.stderr.splitlines()[-1] == "0 []"


@pytest.mark.parametrize(
    ("redirected", "status", "said"),
    [
        (">&-", 141, ""),
        (">/dev/full", 2, "dpmigrate: standard output: no space left on device\n"),
        ("2>&- >/dev/null", 0, ""),
    ],
)
def test_an_output_that_is_closed_or_full_is_no_internal_error(
    tmp_path: Path, redirected: str, status: int, said: str
) -> None:
    (tmp_path / "plain.py").write_text("import torch\n", encoding="utf-8")
    command = f"exec {sys.executable} -m dpmigrate scan . {redirected}"
    done = subprocess.run(["sh", "-c", command], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (status, said)


def test_a_reader_that_goes_away_ends_the_command_silently(tmp_path: Path) -> None:
    code = (
        "import sys, click; from dpmigrate import cli; from dpmigrate.cli.output import emit\n"
        "sys.stdin.read(); cli.group.main = lambda *a, **k: emit('x' * 10**6); sys.exit(cli.run([]))"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdin and process.stdout and process.stderr
        process.stdout.close()
        process.stdin.close()
        assert process.wait(timeout=60) == 141
        assert process.stderr.read() == b""


def test_a_character_that_the_terminal_lacks_is_escaped(tmp_path: Path) -> None:
    code = (
        "from dpmigrate.cli import run; from dpmigrate.cli.output import emit\n"
        "run(['--version']); emit('日本\\n')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={"PYTHONIOENCODING": "ascii", "PATH": "", "PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stderr == ""
    assert done.stdout.endswith("\\u65e5\\u672c\n")
