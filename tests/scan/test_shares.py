"""Several processes say what one says, byte for byte."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Literal

import pytest

from dpmigrate import api, scanning
from dpmigrate.model import Finding, Run, Span
from dpmigrate.project import Project
from dpmigrate.report import render
from dpmigrate.report.style import Style
from dpmigrate.scanning import offering, shares
from tests.fixtures_support import fixtures
from tests.scan.programs import lay_out, wrong


@pytest.fixture(autouse=True)
def always_worth_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shares, "WORTH_SHARING", 0)


def reported(folder: Path, jobs: int) -> str:
    return render("json", api.scan(["."], cwd=folder, jobs=jobs), Style())


def test_nothing_to_share(tmp_path: Path) -> None:
    assert reported(tmp_path, 2) == reported(tmp_path, 1)


def test_every_fixture_side_by_side(tmp_path: Path) -> None:
    for fixture in fixtures():
        if fixture.has("before"):
            shutil.copytree(fixture.side("before"), tmp_path / fixture.name)
    alone = reported(tmp_path, 1)
    assert alone.count('"rule"') > 50
    assert reported(tmp_path, 2) == alone
    assert reported(tmp_path, 5) == alone


def _planned_with(monkeypatch: pytest.MonkeyPatch, folder: Path) -> list[tuple[int, bool]]:
    """For every cluster whose offers a scan plans: how many groups it has, and whether all are at hand."""
    seen: list[tuple[int, bool]] = []
    plan = offering.planned_offers

    def noted(project: Project, asked: offering.Asked) -> offering.ClusterPlan:
        groups = asked.cluster.groups
        seen.append((len(groups), all(group in project.known for group in groups)))
        return plan(project, asked)

    monkeypatch.setattr(offering, "planned_offers", noted)
    reported(folder, 1)
    return seen


def test_what_shares_no_pin_is_mended_right_after_its_analysis_and_let_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lay_out(tmp_path, a__train=wrong(), b__train=wrong(), c__train=wrong(), c__other=wrong())
    for name in "abc":
        (tmp_path / name / "requirements.txt").write_text("opacus==1.5.2\n", encoding="utf-8")
    projects: list[Project] = []
    survey = scanning.survey
    monkeypatch.setattr(scanning, "survey", lambda *given: projects.append(survey(*given)) or projects[0])
    assert _planned_with(monkeypatch, tmp_path) == [(1, True), (1, True), (2, True)]
    kept = {key for group in projects[0].known for key in group.members}
    assert kept == {"c/train.py", "c/other.py"}


def test_offers_are_the_same_with_a_pin_for_each_or_one_for_all(tmp_path: Path) -> None:
    together, apart = tmp_path / "together", tmp_path / "apart"
    for folder in (together, apart):
        lay_out(folder, a__train=wrong(), b__train=wrong())
        for name in ("a", "b") if folder is apart else (".",):
            (folder / name / "requirements.txt").write_text("opacus==1.5.2\n", encoding="utf-8")

    def offers(folder: Path) -> list[tuple[str, str, object]]:
        found = json.loads(reported(folder, 1))["findings"]
        return [(f["rule"], f["path"], f["fix"]) for f in found if f["path"].endswith(".py")]

    assert offers(together) == offers(apart)


def test_one_pin_that_several_processes_find(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text(
        "opacus==1.5.2  # dpmigrate: ignore[DPM901]\n", encoding="utf-8"
    )
    lay_out(tmp_path, a__train=wrong(), b__train=wrong(), c__train=wrong())
    (tmp_path / "requirements-dev.txt").write_text("opacus<1.5.4\n", encoding="utf-8")
    alone = reported(tmp_path, 1)
    document = json.loads(alone)
    for key, path in (("findings", "requirements-dev.txt"), ("suppressed", "requirements.txt")):
        assert [(f["path"]) for f in document[key] if f["rule"] == "DPM901"] == [path]
    assert "DPM001" not in alone
    assert reported(tmp_path, 3) == alone


def test_the_surest_finding_of_one_place_is_kept() -> None:
    def share(path: str, certainty: Literal["definite", "possible"]) -> shares.Share:
        span = Span("pins.txt", 1, 1, 1, 2)
        pin = Finding("DPM901", "affected-pin", span, "warning", "none", certainty, "why", run=0)
        return shares.Share([Run(path, 1, None, "make_private", ("ghost",), "definite")], [pin], [], [])

    joined = shares.join([share("b.py", "possible"), share("c.py", "definite"), share("a.py", "definite")])
    assert [run.path for run in joined.runs] == ["a.py", "b.py", "c.py"]
    assert [(f.certainty, f.run) for f in joined.findings] == [("definite", 0)]
