"""``--format gitlab``, ``junit`` and ``concise``: what CI servers and editors read."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from xmlschema import XMLSchema

from dpmigrate.api import scan
from dpmigrate.model import NotAnalysed, ScanResult, Span, Suppressed
from dpmigrate.report import render
from dpmigrate.report.style import Style
from tests.fix.test_refusals import HELPER, MAIN
from tests.fixtures_support import FIXTURES

COUNTS = {"failures": "failure", "errors": "error", "skipped": "skipped"}
SCHEMA = XMLSchema(Path(__file__).parent / "data" / "junit-10.xsd")
"""That of Jenkins' xUnit plugin, as pytest carries it: what CI servers read under the name of JUnit."""


@pytest.fixture
def everything(result: ScanResult) -> ScanResult:
    """The result, something suppressed, and scanned from a folder below the root."""
    held = Suppressed(result.findings[0]._replace(span=Span("held.py", 1, 1, 1, 2)), "baseline")
    return result._replace(
        suppressed=(held,), cwd="/p/pkg", root="..", file_lines={("study.ipynb", 2): (21, 22, 23)}
    )


@pytest.mark.parametrize("form", ["sarif", "github", "gitlab", "junit"])
def test_a_report_is_the_same_from_every_folder(tmp_path: Path, form: str) -> None:
    (tmp_path / ".git").mkdir()
    for name in ("notebook", "digits-story"):
        shutil.copytree(FIXTURES / name / "before", tmp_path / "pkg" / name)
    for name, text in (("train.py", MAIN), ("privacy.py", HELPER), ("requirements.txt", "opacus==1.5.2\n")):
        (tmp_path / "pkg" / name).write_text(text, encoding="utf-8")
    (tmp_path / "other").mkdir()
    from_root = render(form, scan([tmp_path], cwd=tmp_path, jobs=1), Style())
    assert render(form, scan([tmp_path], cwd=tmp_path / "other", jobs=1), Style()) == from_root
    assert "../" not in from_root
    assert form == "gitlab" or "(not by dpmigrate fix: pkg/privacy.py: line 15: " in from_root


class TestGitlab:
    """The fields that GitLab asks for (https://docs.gitlab.com/ci/testing/code_quality/)."""

    def issues(self, result: ScanResult) -> list[dict[str, Any]]:
        issues: list[dict[str, Any]] = json.loads(render("gitlab", result, Style()))
        return issues

    def test_no_finding_is_an_empty_list(self, empty: ScanResult) -> None:
        assert self.issues(empty) == []

    def test_every_issue_has_what_gitlab_asks_for(self, everything: ScanResult) -> None:
        issues = self.issues(everything)
        assert len(issues) == len(everything.findings) + 1
        for issue in issues:
            assert set(issue) == {"description", "check_name", "fingerprint", "severity", "location"}
            assert issue["severity"] in ("info", "minor", "major", "critical", "blocker")
            assert not issue["location"]["path"].startswith(("/", "./", "../"))
            assert issue["location"]["lines"]["begin"] >= 1
        assert len({issue["fingerprint"] for issue in issues}) == len(issues)

    def test_places_are_those_of_the_repository(self, everything: ScanResult) -> None:
        places = {i["check_name"][:6]: i["location"] for i in self.issues(everything)}
        assert places["DPM101"] == {"path": "pkg/train.py", "lines": {"begin": 5, "end": 6}}
        assert places["DPM203"] == {"path": "pkg/study.ipynb", "lines": {"begin": 21, "end": 21}}


class TestJunit:
    """The structure that CI servers agree on: suites of tests, each test with at most one outcome."""

    def document(self, result: ScanResult) -> ElementTree.Element:
        return ElementTree.fromstring(render("junit", result, Style()))

    def assert_well_formed(self, top: ElementTree.Element) -> None:
        SCHEMA.validate(top)
        assert top.tag == "testsuites"
        suites = list(top)
        assert suites
        assert {suite.tag for suite in suites} == {"testsuite"}
        for whole in (top, *suites):
            cases = list(whole.iter("testcase"))
            assert whole.get("name")
            assert whole.get("tests") == str(len(cases))
            for count, tag in COUNTS.items():
                if count != "skipped" or whole is not top:
                    assert whole.get(count) == str(sum(case.find(tag) is not None for case in cases))
        for case in top.iter("testcase"):
            assert case.get("name")
            assert case.get("classname")
            assert len(case) <= 1

    def test_no_finding_is_one_test_that_passed(self, empty: ScanResult) -> None:
        top = self.document(empty)
        self.assert_well_formed(top)
        assert [(case.get("name"), len(case)) for case in top.iter("testcase")] == [("no findings", 0)]

    def test_every_outcome(self, everything: ScanResult) -> None:
        top = self.document(everything)
        self.assert_well_formed(top)
        outcomes = {case.get("name"): [child.tag for child in case] for case in top.iter("testcase")}
        assert outcomes == {
            "DPM203 unseeded-run (cell 3 line 1:1)": ["system-out"],
            "DPM101 ghost-batch-memory-manager (5:7)": ["failure"],
            "DPM103 unwrapped-loss (7:16)": ["failure"],
            f"{everything.findings[0].rule} {everything.findings[0].name} (1:1)": ["skipped"],
            "DPM000 (3)": ["error"],
        }
        assert [suite.get("name") for suite in top] == sorted(
            f"pkg/{path}" for path in ("study.ipynb", "train.py", "held.py", "broken.py")
        )

    def test_nothing_that_stands_in_a_file_breaks_it(self, result: ScanResult) -> None:
        hostile = result.findings[0]._replace(
            message="<![CDATA[ & ]]> \x00\x1b[31m \ufffe \udcff", span=Span('a"<&\udcff.py', 1, 1, 1, 2)
        )
        broken = NotAnalysed("\x01.py", 1, "\x0b <error>")
        self.assert_well_formed(self.document(result._replace(findings=(hostile,), not_analysed=(broken,))))


class TestConcise:
    """One line each."""

    def test_no_finding_is_no_output(self, empty: ScanResult) -> None:
        assert render("concise", empty, Style()) == ""

    def test_every_line_is_a_place_and_a_finding(self, result: ScanResult) -> None:
        lines = render("concise", result, Style(colour=True, width=40)).splitlines()
        assert lines == [
            "study.ipynb:cell 3:1:1: DPM203 no seed at all",
            "train.py:5:7: DPM101 ghost clipping under BatchMemoryManager with Opacus 1.5.2 (possible)",
            "train.py:7:16: DPM103 the loss was not made by the returned criterion",
            "broken.py:3:1: not analysed: syntax error: invalid syntax",
        ]
        assert all(re.match(r"[^:]+:(cell \d+:)?\d+:\d+: ", line) for line in lines)
