"""Runs ``dpmigrate verify`` on one Opacus release, as a user would, and reads what it prints."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.opacus_releases import environment

HERE = Path(__file__).parent

PATIENCE = 900.0
"""Seconds after which a call hangs: one of five seconds takes minutes where all cores are in use."""


@dataclass(frozen=True)
class Verified:
    """Exit status, JSON report (empty without a verdict) and standard error of one call."""

    status: int
    report: dict[str, Any]
    stderr: str

    def check(self, name: str, engine: int = 0) -> dict[str, Any]:
        """The first check of that name (the one against the oracle, where there are several)."""
        return next(c for c in self.report["checks"] if c["name"] == name and c["engine"] == engine)

    @property
    def failing(self) -> set[tuple[str, str | None]]:
        """(check name, rule) of every check that failed."""
        return {(c["name"], c["rule"]) for c in self.report["checks"] if c["passed"] is False}


def verify(version: str, *arguments: str, cwd: Path = HERE, timeout: float = PATIENCE) -> Verified:
    """``dpmigrate verify ARGUMENTS --format json`` with this Opacus; two logical steps by default."""
    done = subprocess.run(
        [sys.executable, "-m", "dpmigrate", "verify", "--format", "json", *with_steps(arguments)],
        cwd=cwd,
        env=environment(version),
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    report = json.loads(done.stdout) if done.stdout.strip() else {}
    return Verified(done.returncode, report, done.stderr)


def with_steps(arguments: Sequence[str]) -> list[str]:
    """The arguments, with two logical steps where they say nothing of steps."""
    return [*([] if "--steps" in arguments else ["--steps", "2"]), *arguments]
