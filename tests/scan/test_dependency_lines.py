"""Findings in dependency files stand on the line and the characters that an editor shows."""

from __future__ import annotations

from pathlib import Path

import pytest

from dpmigrate import api
from dpmigrate.model import Finding, ScanResult
from tests.scan.programs import lay_out, right

PINS = "torch\x0c\n# \u2028\n  opacus==1.5.2  # why\n"


def scanned(project: Path, pins: bytes) -> ScanResult:
    (project / "requirements.txt").write_bytes(pins)
    return api.scan(["."], cwd=lay_out(project, train=right()), select=["DPM902", "DPM001"])


def pin_of(result: ScanResult) -> Finding:
    (finding,) = result.findings
    return finding


def test_a_right_pin_has_no_finding(tmp_path: Path) -> None:
    assert scanned(tmp_path, b"opacus==1.5.4\n").findings == ()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_the_span_and_the_frame_are_of_the_pin(tmp_path: Path, encoding: str) -> None:
    result = scanned(tmp_path, PINS.encode(encoding))
    span = pin_of(result).span
    line = result.lines["requirements.txt", None][span.line - 1]
    assert (span.line, line[span.column - 1 : span.end_column - 1]) == (3, "opacus==1.5.2")


def test_a_byte_order_mark_takes_no_column(tmp_path: Path) -> None:
    result = scanned(tmp_path, b"\xef\xbb\xbfopacus==1.5.2\n")
    assert result.lines["requirements.txt", None] == ("opacus==1.5.2",)
    assert pin_of(result).span.column == 1


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
@pytest.mark.parametrize("comment", ["# dpmigrate: ignore", "#dpmigrate:ignore[dpm9]"])
def test_an_ignore_comment(tmp_path: Path, encoding: str, comment: str) -> None:
    assert scanned(tmp_path, f"torch\x0c\nopacus==1.5.2  {comment}\n".encode(encoding)).findings == ()


@pytest.mark.parametrize("comment", ["#dpmigrate:ignore", "# DPMigrate:  Ignore[DPM103]"])
def test_an_ignore_comment_in_code_may_be_spelled_freely(tmp_path: Path, comment: str) -> None:
    text = right(loss="loss = nn.functional.cross_entropy(model(x), y)")
    project = lay_out(tmp_path, train=text.replace("loss.backward()", f"loss.backward()  {comment}"))
    assert api.scan(["."], cwd=project, select=["DPM103", "DPM001"]).findings == ()
