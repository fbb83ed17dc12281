"""Running the command line in this process, over a library whose answers the test decides."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import pytest

import dpmigrate
from dpmigrate import cli
from dpmigrate.model import Finding, FixOffer, NotAnalysed, ScanResult, Span


class Outcome(NamedTuple):
    """What a command left: exit status, standard output, standard error."""

    status: int
    out: str
    err: str


Run = Callable[..., Outcome]


class FakeApi(ModuleType):
    """Stands where `dpmigrate.api` is: remembers how it was called and answers as told."""

    def __init__(self) -> None:
        super().__init__("dpmigrate.api")
        self.calls: list[dict[str, Any]] = []
        self.answer: ScanResult | Exception = ScanResult(root=".", files_seen=1, files_analysed=0)

    def scan(self, paths: tuple[str, ...], **options: Any) -> ScanResult:
        self.calls.append({"paths": paths, **options})
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> FakeApi:
    """A library that answers what the test puts into ``api.answer``."""
    fake = FakeApi()
    monkeypatch.setitem(sys.modules, "dpmigrate.api", fake)
    monkeypatch.setattr(dpmigrate, "api", fake, raising=False)
    return fake


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """Run a command line in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    for name in ("NO_COLOR", "FORCE_COLOR", "DPMIGRATE_DEBUG"):
        monkeypatch.delenv(name, raising=False)

    def call(*arguments: str) -> Outcome:
        capfd.readouterr()
        status = cli.run(arguments)
        return Outcome(status, *capfd.readouterr())

    return call


def finding(severity: str = "error", certainty: str = "definite", rule: str = "DPM101") -> Finding:
    """A finding of the given severity and certainty."""
    return Finding(
        rule=rule,
        name="ghost-batch-memory-manager",
        span=Span("train.py", 1, 1, 1, 2),
        severity=severity,  # type: ignore[arg-type]
        impact="privacy",
        certainty=certainty,  # type: ignore[arg-type]
        message="ghost clipping under a batch memory manager",
        fix=FixOffer("safe", "upgrade"),
    )


def scanned(*findings: Finding, not_analysed: tuple[NotAnalysed, ...] = ()) -> ScanResult:
    """The result of a scan of one file that found `findings`."""
    return ScanResult(
        root=".",
        files_seen=1,
        files_analysed=1,
        findings=findings,
        not_analysed=not_analysed,
        analysed=("train.py",),
    )
