"""The line about long work."""

from __future__ import annotations

import io
import sys
import time

import pytest

from dpmigrate.cli import progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_nothing_where_there_is_no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "DELAY", 0.0)
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    with progress.said("Working"):
        time.sleep(0.05)
    assert stream.getvalue() == ""


def test_nothing_for_short_work(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    with progress.said("Working"):
        pass
    assert stream.getvalue() == ""


def test_a_line_that_goes_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "DELAY", 0.0)
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    with progress.said("Working"):
        time.sleep(0.2)
    assert stream.getvalue() == "\r\x1b[KWorking ...\r\x1b[K"


def test_a_bar_for_work_that_knows_how_far_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "DELAY", 0.05)
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    with progress.said("Working") as told:
        told(0, 2_000)
        assert stream.getvalue() == ""
        time.sleep(0.3)
        told(1_000, 2_000)
    lines = stream.getvalue().split("\r\x1b[K")
    assert lines == [
        "",
        f"Working 0 of 2,000 [{' ' * 24}]",
        f"Working 1,000 of 2,000 [{'#' * 12}{' ' * 12}]",
        "",
    ]


def test_how_far_it_is_goes_nowhere_without_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    with progress.said("Working") as told:
        told(1, 2)
    assert stream.getvalue() == ""
