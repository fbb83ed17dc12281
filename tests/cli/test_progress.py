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
    assert stream.getvalue() == "Working ...\r\x1b[K"
