"""One finding for one place, however many runs lead there: the surest that any of them gives."""

from __future__ import annotations

from pathlib import Path

import pytest

from dpmigrate import api

PROGRAM = """\
import sys
from opacus import PrivacyEngine
from torch import nn


def train(model, optimizer, loader, mode):
    model, optimizer, criterion, loader = PrivacyEngine().make_private(
        module=model, optimizer=optimizer, data_loader=loader, criterion=nn.CrossEntropyLoss(),
        noise_multiplier=1.0, max_grad_norm=1.0, grad_sample_mode=mode)
    for x, y in loader:
        nn.functional.cross_entropy(model(x), y).backward(){comment}
        optimizer.step()


def main(model, optimizer, loader, other, others, more):
    train({first})
    train({second})
"""
SURE, OPEN = 'model, optimizer, loader, "ghost"', 'other, others, more, sys.argv[1] or "ghost"'


@pytest.mark.parametrize(("first", "second"), [(SURE, OPEN), (OPEN, SURE)])
def test_what_is_definite_for_one_run_is_definite_at_its_place(
    tmp_path: Path, first: str, second: str
) -> None:
    script = tmp_path / "train.py"
    script.write_text(PROGRAM.format(first=first, second=second, comment=""), encoding="utf-8")
    result = api.scan(["."], cwd=tmp_path, select=["DPM103"], opacus=">=1.5.3")
    assert [(f.span.line, f.certainty) for f in result.findings] == [(11, "definite")]
    ignored = PROGRAM.format(first=first, second=second, comment="  # dpmigrate: ignore[DPM103]")
    script.write_text(ignored, encoding="utf-8")
    result = api.scan(["."], cwd=tmp_path, select=["DPM103"], opacus=">=1.5.3")
    assert result.findings == ()
    assert [(s.finding.span.line, s.finding.certainty, s.by) for s in result.suppressed] == [
        (11, "definite", "comment")
    ]


def test_what_no_run_is_sure_of_is_possible(tmp_path: Path) -> None:
    text = PROGRAM.format(first=OPEN, second=OPEN, comment="")
    (tmp_path / "train.py").write_text(text, encoding="utf-8")
    result = api.scan(["."], cwd=tmp_path, select=["DPM103"], opacus=">=1.5.3")
    assert [(f.span.line, f.certainty) for f in result.findings] == [(11, "possible")]


AT_ODDS = """\
from opacus import PrivacyEngine
from torch import nn


def train(model, optimizer, loader):
    model, optimizer, criterion, loader = PrivacyEngine().make_private(
        module=model, optimizer=optimizer, data_loader=loader, criterion=nn.CrossEntropyLoss(),
        noise_multiplier=1.0, max_grad_norm=1.0, grad_sample_mode="ghost"{more})
    for x, y in loader:
        optimizer.zero_grad()
        criterion(model(x), y).backward()
        optimizer.step()
"""


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ("", "its API needs Opacus 1.5.3 and later"),
        (', clipping="ghost"', "no release has all of the API that it uses"),
    ],
)
def test_a_pin_that_no_code_runs_on_is_told_why(tmp_path: Path, more: str, why: str) -> None:
    (tmp_path / "train.py").write_text(AT_ODDS.format(more=more), encoding="utf-8")
    (tmp_path / "requirements.txt").write_text("opacus==1.4.1\n", encoding="utf-8")
    (finding,) = api.scan(["."], cwd=tmp_path, select=["DPM902"]).findings
    assert why in finding.message


@pytest.mark.parametrize(
    ("pin", "more", "rules"),
    [
        ("opacus==1.5.2", "", {"DPM902"}),
        ("opacus>=1.5,<1.5.3", "", {"DPM902"}),
        ("opacus>=1.5.2", "", {"DPM901"}),
        ("opacus==1.5.4", "", set()),
        # No pin helps here, and the call says so itself (DPM405).
        ("opacus==1.5.4", ', clipping="ghost"', set()),
    ],
)
def test_a_pin_is_told_once_by_what_is_wrong_with_it(
    tmp_path: Path, pin: str, more: str, rules: set[str]
) -> None:
    (tmp_path / "train.py").write_text(AT_ODDS.format(more=more), encoding="utf-8")
    (tmp_path / "requirements.txt").write_text(f"{pin}\n", encoding="utf-8")
    findings = api.scan(["."], cwd=tmp_path, select=["DPM901", "DPM902"]).findings
    assert {finding.rule for finding in findings} == rules
