"""Completion in a real shell, and what the commands say of themselves."""

from __future__ import annotations

import os
import pty
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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
        ("verify --checks parity-n", ["parity-norms"]),
    ],
)
def test_bash_offers(program: Path, tmp_path: Path, typed: str, offered: list[str]) -> None:
    assert set(offered) <= set(completed(program, tmp_path, typed))


OFFERS = [
    ("sc", ["scan"]),
    ("scan --format ju", ["junit"]),
    ("scan --select DPM90", ["DPM901", "DPM902"]),
    ("scan --ignore DPM203,DPM90", ["DPM203,DPM901", "DPM203,DPM902"]),
    ("explain ghost-b", ["ghost-batch-memory-manager"]),
    ("scan tra", ["train.py", "trained"]),
    ("verify tra", ["train.py", "trained"]),
    ("merge tra", ["train.py", "trained"]),
    ("inventory --check tra", ["train.py", "trained"]),
    ("verify --checks noise-fresh,reprod", ["noise-fresh,reproducible"]),
]


@pytest.mark.skipif(shutil.which("fish") is None, reason="fish is not installed")
@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        *OFFERS,
        ("scan --report sarif=tra", ["sarif=train.py", "sarif=trained"]),
        ("verify --with digits=tra", ["digits=train.py", "digits=trained"]),
    ],
)
def test_fish_offers(program: Path, tmp_path: Path, typed: str, offered: list[str]) -> None:
    lay_out(tmp_path)
    script = f"_DPMIGRATE_COMPLETE=fish_source dpmigrate | source; complete -C 'dpmigrate {typed}'"
    done = subprocess.run(
        ["fish", "--no-config", "-c", script],
        cwd=tmp_path,
        env=environment(program),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    values = [line.split("\t")[0].rstrip("/") for line in done.stdout.splitlines()]
    assert values == offered


@pytest.mark.skipif(shutil.which("zsh") is None, reason="zsh is not installed")
@pytest.mark.parametrize(("typed", "offered"), OFFERS)
def test_zsh_offers(program: Path, tmp_path: Path, typed: str, offered: list[str]) -> None:
    lay_out(tmp_path)
    lines = [
        "PS1= ; stty -echo; unsetopt zle_bracketed_paste 2>/dev/null",
        "autoload -Uz compinit; compinit -u -D",
        "setopt auto_list no_list_ambiguous; LISTMAX=0",
        'eval "$(_DPMIGRATE_COMPLETE=zsh_source dpmigrate)"',
        "print -r -- rea''dy",
    ]
    with terminal(["zsh", "-f", "-i"], tmp_path, environment(program)) as (write, read_until):
        write("\n".join(lines) + "\n")
        read_until("ready")
        write(f"dpmigrate {typed}\t\t")
        shown = read_until(*offered)
    assert all(value in shown for value in offered)


def lay_out(folder: Path) -> None:
    (folder / "train.py").touch()
    (folder / "trained").mkdir()


@contextmanager
def terminal(
    command: list[str], folder: Path, env: dict[str, str]
) -> Iterator[tuple[Callable[[str], None], Callable[..., str]]]:
    """A program on a terminal of its own: what types into it, and what reads until all texts are there."""
    pid, descriptor = pty.fork()
    if pid == 0:
        os.chdir(folder)
        os.execvpe(command[0], command, {**env, "TERM": "dumb", "COLUMNS": "200"})

    def write(text: str) -> None:
        os.write(descriptor, text.encode())

    def read_until(*texts: str) -> str:
        shown, deadline = "", time.monotonic() + 60
        while not all(text in shown for text in texts):
            assert time.monotonic() < deadline, shown
            if select.select([descriptor], [], [], 1)[0]:
                shown += os.read(descriptor, 4096).decode("utf-8", "replace")
        return shown

    try:
        yield write, read_until
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(descriptor)


def environment(program: Path) -> dict[str, str]:
    return {**os.environ, "PATH": f"{program.parent}:{os.environ['PATH']}", "PYTHONPATH": str(CHECKOUT)}


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
        env=environment(program),
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
