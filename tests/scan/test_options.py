"""Which rules and releases a scan goes by: the command line over the files, and nothing in silence."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dpmigrate import api
from dpmigrate.advisories import catalogue, choice
from dpmigrate.advisories.catalogue import advisories
from dpmigrate.cli import run
from dpmigrate.workspace.config import Config
from dpmigrate.workspace.errors import UsageError
from dpmigrate.workspace.settings import Settings
from tests.fixtures_support import FIXTURES
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


VERIFY_ALONE = next(a for a in advisories() if a.id == "DPM107")
"""Some rule, which the test takes for one that scan cannot find: there need not be any."""


@pytest.mark.parametrize("words", [VERIFY_ALONE.id, f"{VERIFY_ALONE.id},{VERIFY_ALONE.name}"])
@pytest.mark.parametrize("where", ["command line", "configuration"])
def test_a_choice_of_what_verify_alone_finds_is_wrong_usage(
    tmp_path: Path, words: str, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rules = tuple(replace(a, reported="verify") if a.id == VERIFY_ALONE.id else a for a in advisories())
    monkeypatch.setattr(catalogue, "advisories", lambda: rules)
    monkeypatch.setattr(choice, "advisories", lambda: rules)
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


def test_severities_may_be_other_ones(tmp_path: Path) -> None:
    lay_out(tmp_path, train=SEEDLESS)
    configure(tmp_path, 'severity = { DPM1 = "info", DPM103 = "warning", unseeded-run = "error" }')
    result = api.scan(["."], settings=Settings(str(tmp_path)))
    assert {f.rule: f.severity for f in result.findings} == {"DPM103": "warning", "DPM203": "error"}


def test_code_may_be_judged_for_a_release_that_is_to_come(tmp_path: Path) -> None:
    lay_out(tmp_path, train=(FIXTURES / "single-script" / "before" / "train.py").read_text(encoding="utf-8"))
    (tmp_path / "requirements.txt").write_text("opacus==1.5.2\n", encoding="utf-8")
    today = rules_of(tmp_path)
    assert not [rule for rule in today if rule.startswith("DPM4")]
    ready = rules_of(tmp_path, target_version="1.6.0")
    assert {"DPM401", "DPM405"} <= set(ready)
    assert [rule for rule in ready if not rule.startswith("DPM4")] == today
    assert rules_of(tmp_path, target_version="1.5.2") == today
    configure(tmp_path, 'target-version = "1.6.0"')
    assert rules_of(tmp_path) == ready


def test_the_opacus_of_an_option_is_meant_also_where_the_code_is_for_another(tmp_path: Path) -> None:
    before = FIXTURES / "digits-story" / "before"
    lay_out(tmp_path, train=(before / "train.py").read_text(encoding="utf-8"))
    assert "DPM101" in {f.rule for f in api.scan(["."], cwd=tmp_path, opacus="1.5.2").findings}
    later = {f.rule for f in api.scan(["."], cwd=tmp_path, opacus="1.6.0").findings}
    assert "DPM401" in later
    assert "DPM101" not in later


@pytest.mark.parametrize("version", ["", "new", ">=1.6", "1.5.22", "9"])
def test_a_target_that_is_no_release_is_wrong_usage(tmp_path: Path, version: str) -> None:
    lay_out(tmp_path, train="x = 1\n")
    with pytest.raises(UsageError, match="--target-version: "):
        rules_of(tmp_path, target_version=version)


def test_what_is_suppressed_is_listed_with_what_does_it(tmp_path: Path) -> None:
    silenced = wrong().replace("loss.backward()", "loss.backward()  # dpmigrate: ignore[DPM103]")
    lay_out(tmp_path, a=silenced, b=wrong(), c=SEEDLESS)
    configure(tmp_path, 'ignore = ["DPM203"]\nper-file-ignores = { "b.py" = ["DPM1"] }')
    result = api.scan(["."], settings=Settings(str(tmp_path)))
    assert [(f.rule, f.span.path) for f in result.findings] == [("DPM103", "c.py")]
    held = [(s.finding.rule, s.finding.span.path, s.by) for s in result.suppressed]
    assert held == [
        ("DPM103", "a.py", "comment"),
        ("DPM103", "b.py", "configuration"),
        ("DPM203", "c.py", "configuration"),
    ]
    # What was not asked for is not suppressed.
    chosen = api.scan(["."], settings=Settings(str(tmp_path), Config(select=("DPM203",))))
    assert [(f.rule, f.span.path) for f in chosen.findings] == [("DPM203", "c.py")]
    assert chosen.suppressed == ()


@pytest.mark.parametrize(
    ("comment", "said"),
    [
        (
            "ignore DPM103",
            "without brackets this comment suppresses nothing: write # dpmigrate: ignore[DPM103]",
        ),
        ("ignore: DPM103, DPM1", "write # dpmigrate: ignore[DPM103, DPM1]"),
        ("ignore unwrapped-loss", "write # dpmigrate: ignore[unwrapped-loss]"),
        ("ignore[DPM1O3]", "this comment suppresses nothing: 'DPM1O3' is no rule. Did you mean 'DPM103'?"),
        ("ignore[unwraped-loss]", "Did you mean 'unwrapped-loss'?"),
        ("ignored[DPM103]", "write # dpmigrate: ignore[DPM103], or # dpmigrate: ignore-file"),
        ("disable=DPM103", "write # dpmigrate: ignore[DPM103], or # dpmigrate: ignore-file"),
        ("igonre[DPM103]", "write # dpmigrate: ignore[DPM103], or # dpmigrate: ignore-file"),
        ("igonre", "write # dpmigrate: ignore[RULE], or # dpmigrate: ignore-file"),
        ("ignore[]", "write # dpmigrate: ignore[RULE], or # dpmigrate: ignore-file"),
        ("ignore[DPM103", "write # dpmigrate: ignore[DPM103]"),
        ("ignore[DPM201]", "this comment suppresses nothing (DPM201): remove it"),
    ],
)
def test_a_comment_that_suppresses_nothing_gets_a_word_that_helps(
    tmp_path: Path, comment: str, said: str
) -> None:
    lay_out(tmp_path, train=wrong().replace("loss.backward()", f"loss.backward()  # dpmigrate: {comment}"))
    found = {f.rule: f.message for f in api.scan(["."], cwd=tmp_path).findings}
    assert set(found) == {"DPM001", "DPM103"}
    assert said in found["DPM001"]


@pytest.mark.parametrize(
    "comment",
    [
        "noqa: DPM103",
        "noqa: E501, DPM103",
        "type: ignore[DPM103]",
        "dpmigrate ignore[DPM103]",
        "dp-migrate: ignore[DPM103]",
        "pylint: disable=DPM103",
    ],
)
def test_the_comment_of_another_tool_gets_the_one_that_does_it(tmp_path: Path, comment: str) -> None:
    lay_out(tmp_path, train=wrong().replace("loss.backward()", f"loss.backward()  # {comment}"))
    messages = {f.rule: f.message for f in api.scan(["."], cwd=tmp_path).findings}
    assert set(messages) == {"DPM001", "DPM103"}
    assert "write # dpmigrate: ignore[DPM103]" in messages["DPM001"]


@pytest.mark.parametrize(
    "comment",
    ["noqa: E501", "type: ignore[DPM]", "we cannot skip DPM103 here", "DPM103 is right: ignore", "ignore me"],
)
def test_a_comment_that_silences_nothing_of_ours_gets_none(tmp_path: Path, comment: str) -> None:
    lay_out(tmp_path, train=wrong().replace("loss.backward()", f"loss.backward()  # {comment}"))
    assert [f.rule for f in api.scan(["."], cwd=tmp_path).findings] == ["DPM103"]


@pytest.mark.parametrize(
    "comment", ["ignore", "ignore[DPM103]", "ignore because of a reason", "see the docs"]
)
def test_other_comments_get_none(tmp_path: Path, comment: str) -> None:
    lay_out(tmp_path, train=wrong().replace("loss.backward()", f"loss.backward()  # dpmigrate: {comment}"))
    expected = {"DPM103"} if comment == "see the docs" else set()
    assert {f.rule for f in api.scan(["."], cwd=tmp_path).findings} == expected


@pytest.mark.parametrize("rules", ["", "[DPM103]", "[DPM1]"])
def test_a_comment_above_is_told_where_it_belongs(tmp_path: Path, rules: str) -> None:
    above = f"        # dpmigrate: ignore{rules}\n        # and why\n        loss.backward()"
    lay_out(tmp_path, train=wrong().replace("        loss.backward()", above))
    found = {f.rule: f for f in api.scan(["."], cwd=tmp_path).findings}
    line = found["DPM103"].span.line
    assert found["DPM001"].span.line == line - 2
    assert found["DPM001"].message.endswith(f"put it at the end of line {line}, where DPM103 is found")


@pytest.mark.parametrize("there", [True, False])
def test_what_is_typed_stands_for_a_file_of_its_project(tmp_path: Path, there: bool) -> None:
    lay_out(tmp_path, pkg__helper=wrong(), **({"pkg__train": "x = 1\n"} if there else {}))
    configure(tmp_path, "")
    typed = b"from helper import train\ntrain([], 'ghost')\n\n" + wrong().encode()
    options = {"stdin": typed, "stdin_filename": "pkg/train.py", "settings": Settings(str(tmp_path))}
    result = api.scan(["-"], **options)
    assert [(f.rule, f.span.path) for f in result.findings] == [("DPM103", "pkg/train.py")]
    assert [run.path for run in result.runs] == ["pkg/train.py"]


def test_a_notebook_may_be_typed_too(tmp_path: Path) -> None:
    cells = [{"cell_type": "code", "source": wrong()}]
    typed = json.dumps({"cells": cells, "nbformat": 4}).encode()
    result = api.scan(["-"], stdin=typed, stdin_filename="a.ipynb", settings=Settings(str(tmp_path)))
    assert [(f.rule, f.span.path, f.span.cell) for f in result.findings] == [("DPM103", "a.ipynb", 0)]
