"""The tool that plants faults: what it believes when a process of its own dies."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.mutation import planting


def session(kept: Path) -> Any:
    """What the tool asks of pytest's session; no test is in it."""
    return SimpleNamespace(config=SimpleNamespace(getoption=lambda _: str(kept)), items=[])


def test_a_process_that_dies_is_told_from_one_that_answers() -> None:
    assert planting.in_fork(lambda: True) is True
    assert planting.in_fork(lambda: False) is False
    assert planting.in_fork(lambda: os._exit(1)) == planting.DIED


def test_lines_of_a_process_that_died_are_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planting, "reach", lambda _: os._exit(1))
    with pytest.raises(pytest.UsageError, match="died"):
        planting._reached(session(tmp_path / "kept.json"))
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr(planting, "reach", lambda _: {"tests": [], "lines": {}})
    assert planting._reached(session(tmp_path / "kept.json")) == {"tests": [], "lines": {}}
    assert planting._reached(session(tmp_path / "kept.json")) == {"tests": [], "lines": {}}
