"""Which rules and releases a scan goes by: the command line over the files, and nothing in silence."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest

from dpmigrate import api
from dpmigrate.cli import run
from dpmigrate.workspace.config import Config
from dpmigrate.workspace.errors import UsageError
from dpmigrate.workspace.settings import Settings
from tests.scan.programs import lay_out, right, wrong

SEEDLESS = wrong().replace("torch.manual_seed(1)", "pass")


def rules_of(folder: Path, *paths: str, **given: Any) -> list[str]:
    """The rules that are found, each once, by options of the command line and the configuration."""
    result = api.scan(paths or (".",), settings=Settings(str(folder), Config(**given)))
    return sorted({f.rule for f in result.findings})


def configure(folder: Path, text: str) -> None:
    (folder / "pyproject.toml").write_text(f"[tool.dpmigrate]\n{text}\n", encoding="utf-8")


@pytest.mark.parametrize(
    ("table", "given", "found"),
    [
        ("", {}, ["DPM103", "DPM203"]),
        ('ignore = ["DPM203"]', {}, ["DPM103"]),
        ('ignore = ["unwrapped-loss"]', {}, ["DPM203"]),
        ('select = ["DPM2"]', {}, ["DPM203"]),
        # What is more specific wins, and of what is alike the one that turns off.
        ('select = ["DPM103"]\nignore = ["DPM1"]', {}, ["DPM103"]),
        ('select = ["DPM1"]\nignore = ["DPM103"]', {}, []),
        ('select = ["DPM103"]\nignore = ["DPM103"]', {}, []),
        ('select = ["DPM103"]\nextend-select = ["DPM2"]', {}, ["DPM103", "DPM203"]),
        # The command line goes over all that a file says.
        ('ignore = ["DPM103"]', {"select": ("DPM103",)}, ["DPM103"]),
        ('ignore = ["DPM103"]', {"extend_select": ("DPM103",)}, ["DPM103", "DPM203"]),
        ('select = ["DPM103"]', {"ignore": ("DPM103",)}, []),
        ('select = ["DPM103"]', {"select": ("DPM203",)}, ["DPM203"]),
        ('select = ["DPM103"]\nignore = ["DPM2"]', {"extend_select": ("DPM203",)}, ["DPM103", "DPM203"]),
        ('ignore = ["DPM203"]', {"ignore": ("DPM103",)}, []),
    ],
)
def test_the_rules_that_are_reported(
    tmp_path: Path, table: str, given: dict[str, Any], found: list[str]
) -> None:
    lay_out(tmp_path, train=SEEDLESS)
    configure(tmp_path, table)
    assert rules_of(tmp_path, **given) == found


@pytest.mark.parametrize(
    ("pattern", "path", "silenced"),
    [
        ("train.py", "train.py", True),
        ("train.py", "deep/train.py", True),
        ("/train.py", "deep/train.py", False),
        ("deep/", "deep/train.py", True),
        ("tests/*", "deep/train.py", False),
        ("!deep/", "deep/train.py", False),
        ("!deep/", "train.py", True),
    ],
)
def test_rules_may_be_ignored_in_some_files(tmp_path: Path, pattern: str, path: str, silenced: bool) -> None:
    lay_out(tmp_path, **{path.removesuffix(".py").replace("/", "__"): wrong()})
    configure(tmp_path, f'per-file-ignores = {{ "{pattern}" = ["DPM1"] }}')
    assert rules_of(tmp_path) == ([] if silenced else ["DPM103"])


def test_the_releases_that_are_given_are_the_only_ones(tmp_path: Path) -> None:
    lay_out(tmp_path, train=right())
    (tmp_path / "requirements.txt").write_text("opacus==1.5.2\n", encoding="utf-8")
    configure(tmp_path, 'opacus = "1.5.3"')
    (run,) = api.scan(["."], settings=Settings(str(tmp_path))).runs
    assert (run.opacus.spec, [s.path for s in run.opacus.sources if s.path != "train.py"]) == ("==1.5.3", [])
    (run,) = api.scan(["."], settings=Settings(str(tmp_path), Config(opacus=">=1.6.0"))).runs
    assert run.opacus.spec == ">=1.6.0"


@pytest.mark.parametrize("spec", ["1.5.22", ">=1.6.1", ">=99", "==1.5.4.post1", "<0.9", "", " ", "latest"])
def test_releases_that_do_not_exist_are_wrong_usage(
    tmp_path: Path, spec: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(lay_out(tmp_path, train=wrong()))
    assert run(["scan", "--opacus", spec]) == 2
    assert capsys.readouterr().err.startswith("dpmigrate: --opacus: ")
    configure(tmp_path, f'opacus = "{spec}"')
    for command in ("scan", "fix"):
        assert run([command]) == 2
        said = capsys.readouterr()
        assert said.out == ""
        assert said.err.startswith("dpmigrate: pyproject.toml: [tool.dpmigrate] opacus: ")


@pytest.mark.parametrize("pin", ["==1.7.0", ">=2", "==1.5.22"])
def test_a_project_s_own_pin_to_a_release_that_is_not_known_is_no_error(tmp_path: Path, pin: str) -> None:
    lay_out(tmp_path, train=wrong())
    (tmp_path / "requirements.txt").write_text(f"opacus{pin}\n", encoding="utf-8")
    assert "DPM103" in rules_of(tmp_path)


@pytest.mark.parametrize("words", ["DPM105", "DPM105,loss-not-one-per-example", "DPM302"])
@pytest.mark.parametrize("where", ["command line", "configuration"])
def test_a_choice_of_what_verify_alone_finds_is_wrong_usage(tmp_path: Path, words: str, where: str) -> None:
    chosen = tuple(words.split(","))
    lay_out(tmp_path, train=wrong())
    if where == "configuration":
        configure(tmp_path, f"select = {list(chosen)}")
        chosen = ()
    with pytest.raises(UsageError, match=f"select: {words[:6]} is found by dpmigrate verify alone"):
        rules_of(tmp_path, select=chosen)
    if where == "command line":
        assert rules_of(tmp_path, select=(*chosen, "DPM103")) == ["DPM103"]


@pytest.mark.parametrize(
    "text",
    ['select = ["DPM9x"]', 'extend-select = ["DPM9x"]', 'per-file-ignores = { "*" = ["DPM9x"] }'],
)
def test_a_wrong_rule_is_told_of_where_nothing_is_to_be_judged(tmp_path: Path, text: str) -> None:
    lay_out(tmp_path, train="x = 1\n")
    configure(tmp_path, text)
    with pytest.raises(UsageError, match="'DPM9x' is no rule"):
        rules_of(tmp_path)


def test_a_wrong_configuration_below_is_told_of_whatever_it_governs(tmp_path: Path) -> None:
    lay_out(tmp_path, a__train=wrong(), b__other="x = 1\n")
    configure(tmp_path / "b", "selekt = []")
    configure(tmp_path, "")
    for path in (".", "a"):
        with pytest.raises(UsageError, match=r"b/pyproject\.toml: \[tool\.dpmigrate\] selekt: unknown key"):
            rules_of(tmp_path, path)


def test_nothing_to_scan_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text").mkdir()
    (tmp_path / "text" / "notes.md").write_text("# Notes\n", encoding="utf-8")
    for paths, said in (((), "this folder"), (("text",), "'text'"), (("text/notes.md",), "'text/notes.md'")):
        assert run(["scan", *paths]) == 0
        err = capsys.readouterr().err
        assert err == (
            f"warning: no Python file, notebook or dependency file below {said}: nothing was scanned.\n"
        )
    lay_out(tmp_path, text__train="x = 1\n")
    assert run(["scan", "text"]) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    "text", ['{"cells": [], "nbformat": 4}', ' {\n "metadata": {}, "nbformat":4,"cells":[]}']
)
def test_a_notebook_on_standard_input_is_said(
    text: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    assert run(["scan", "-"]) == 2
    assert "standard input holds a notebook" in capsys.readouterr().err
