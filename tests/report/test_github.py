"""``--format github``: workflow commands."""

from __future__ import annotations

from dpmigrate.model import ScanResult
from dpmigrate.report import render
from dpmigrate.report.style import Style


def commands(result: ScanResult) -> list[str]:
    return render("github", result, Style(colour=True, width=40)).splitlines()


def test_no_finding_is_no_output(empty: ScanResult) -> None:
    assert render("github", empty, Style()) == ""


def test_each_finding_and_each_failure_is_one_command(result: ScanResult) -> None:
    assert commands(result) == [
        "::notice file=study.ipynb,line=1,endLine=1,title=DPM203 unseeded-run::"
        "study.ipynb cell 3 line 1: no seed at all"
        "%0Afix [unsafe]: one generator each, from the project's own seed",
        "::error file=train.py,line=5,endLine=6,title=DPM101 ghost-batch-memory-manager::"
        "ghost clipping under BatchMemoryManager with Opacus 1.5.2 (possible)"
        "%0Abecause train.py:2: args.mode may be 'ghost'%0Abecause requirements.txt:4: opacus==1.5.2"
        "%0Afix [safe]: pass criterion=, take four results, require opacus>=1.5.4",
        "::error file=train.py,line=7,endLine=7,col=16,endColumn=55,title=DPM103 unwrapped-loss::"
        "the loss was not made by the returned criterion",
        "::warning file=broken.py,line=3,title=not analysed::syntax error: invalid syntax",
    ]


def test_what_has_a_meaning_in_a_command_is_escaped(result: ScanResult) -> None:
    span = result.findings[0].span._replace(path="a,b:c%.py")
    hostile = result.findings[0]._replace(span=span, message="100% wrong\n::error::no")
    (command,) = commands(result._replace(findings=(hostile,), not_analysed=()))
    assert "file=a%2Cb%3Ac%25.py," in command
    assert command.endswith("::100%25 wrong␊::error::no")
