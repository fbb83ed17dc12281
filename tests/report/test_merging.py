"""Reports of parts joined: what one scan of all of them says, byte for byte."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from dpmigrate import api
from dpmigrate.model import ScanResult
from dpmigrate.report import render
from dpmigrate.report.lines_on_disk import with_lines
from dpmigrate.report.merging import merged
from dpmigrate.report.reading import ReportError, read
from dpmigrate.report.style import Style
from tests.fixtures_support import fixtures
from tests.scan.programs import lay_out, right, wrong


def scanned(folder: Path, *paths: str) -> ScanResult:
    return api.scan(paths, cwd=folder, jobs=1)


def text_of(result: ScanResult) -> str:
    return render("json", result, Style())


def joined(folder: Path, *parts: tuple[str, ...]) -> ScanResult:
    """The reports of some parts, written and read and joined."""
    return merged([read(text_of(scanned(folder, *paths))) for paths in parts])


def test_a_report_read_back_is_the_same_report(result: ScanResult, empty: ScanResult) -> None:
    for given in (result, empty):
        assert text_of(read(text_of(given))) == text_of(given)
        assert text_of(merged([read(text_of(given))])) == text_of(given)


def test_parts_of_every_fixture_are_the_whole(tmp_path: Path) -> None:
    names = []
    for fixture in fixtures():
        if fixture.has("before"):
            shutil.copytree(fixture.side("before"), tmp_path / fixture.name)
            names.append(fixture.name)
    (tmp_path / ".git").mkdir()
    whole = scanned(tmp_path, *names)
    assert len(whole.findings) > 50
    whole_text = text_of(whole)
    result = joined(tmp_path, tuple(names[::2]), tuple(names[1::2]))
    assert text_of(result) == whole_text
    assert text_of(joined(tmp_path, *((name,) for name in names))) == whole_text
    for name in ("text", "html", "github"):
        lines = with_lines(result, str(tmp_path))
        assert render(name, lines, Style()) == render(name, whole, Style())


@pytest.mark.parametrize(
    "parts",
    [
        [("a",), ("b",), ("c",), ("requirements.txt",)],
        [("requirements.txt",), ("c", "b"), ("a",)],
        [("a/loop.py",), ("a/main.py", "requirements.txt"), ("b", "c")],
    ],
)
def test_a_finding_finds_its_run_in_another_part(tmp_path: Path, parts: list[tuple[str, ...]]) -> None:
    lay_out(
        tmp_path,
        a__main="from a import loop\nfrom opacus import PrivacyEngine\nloop.train([])\n",
        a__loop=wrong(),
        b__use="from a import loop\nfrom opacus import PrivacyEngine\nloop.train([], mode='ghost')\n",
        c__other=wrong(),
    )
    (tmp_path / "requirements.txt").write_text("opacus>=1.5\n", encoding="utf-8")
    (tmp_path / ".git").mkdir()
    whole = scanned(tmp_path, ".")
    assert {f.span.path for f in whole.findings} >= {"requirements.txt", "a/loop.py", "c/other.py"}
    assert text_of(joined(tmp_path, *parts)) == text_of(whole)


def test_a_part_that_is_missing_leaves_its_runs_elsewhere(tmp_path: Path) -> None:
    lay_out(tmp_path, a__train=wrong())
    (tmp_path / "requirements.txt").write_text("opacus==1.5.2\n", encoding="utf-8")
    (tmp_path / ".git").mkdir()
    alone = read(text_of(scanned(tmp_path, "requirements.txt")))
    (pin,) = (f for f in alone.findings if f.rule == "DPM902")
    assert pin.run is None
    assert pin.run_elsewhere is not None and pin.run_elsewhere.path == "a/train.py"
    assert text_of(merged([alone])) == text_of(alone)


def test_files_that_fail_and_files_that_are_right(tmp_path: Path) -> None:
    lay_out(tmp_path, a__train=right(), b__broken="import opacus\ndef (:\n", c__plain="x = 1\n")
    (tmp_path / ".git").mkdir()
    assert text_of(joined(tmp_path, ("a",), ("b",), ("c",))) == text_of(scanned(tmp_path, "a", "b", "c"))


def test_overlapping_parts_count_once(tmp_path: Path) -> None:
    lay_out(tmp_path, a__train=wrong(), b__train=wrong())
    (tmp_path / ".git").mkdir()
    assert text_of(joined(tmp_path, (".",), ("a",))) == text_of(scanned(tmp_path, "."))


def test_parts_of_two_projects_stand_below_what_holds_both(tmp_path: Path) -> None:
    lay_out(tmp_path, one__a__train=wrong(), one__b__train=wrong())
    for name in ("a", "b"):
        (tmp_path / "one" / name / ".git").mkdir()
    whole = scanned(tmp_path, "one/a", "one/b")
    assert whole.root == "one"
    assert text_of(joined(tmp_path, ("one/a",), ("one/b",))) == text_of(whole)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "is not JSON"),
        ("[]", "is no report"),
        ('{"schema": 1, "runs": []}', "is no report"),
        ('{"schema": 9, "findings": []}', "has schema 9"),
        ('{"schema": 1, "dpmigrate": "0.0.1", "findings": []}', 'was written by dpmigrate "0.0.1"'),
    ],
)
def test_what_is_no_report_of_this_version_is_told(text: str, why: str) -> None:
    with pytest.raises(ReportError, match=why):
        read(text)


def test_a_report_that_is_not_whole_is_told(result: ScanResult) -> None:
    held = json.loads(text_of(result))
    for broken in ({**held, "files": {}}, {**held, "findings": [{}]}, {**held, "runs": [3]}):
        with pytest.raises(ReportError, match="is not whole"):
            read(json.dumps(broken))
