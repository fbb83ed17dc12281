"""Fixed programs on real Opacus releases, for the tests of fix."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.fixtures_support import recorder

PARITY = 1e-5
"""Largest relative error of a clipped sum that counts as rounding in float32."""


def recorded(
    version: str,
    project: Path,
    script: str,
    arguments: Sequence[str] = (),
    *,
    out: Path,
    hooks: bool = False,
    oracle: Path | None = None,
) -> dict[str, Any]:
    """Run a script (or module) of a project on a release, seeded: the account of ``tests.fixtures_recorder``.

    ``hooks`` runs it a second time in hooks mode. ``oracle`` is a file with the per-example loss (one that
    is not there stands for cross-entropy); without it no oracle is asked.
    """
    options = ["--project", str(project), "--script", script, "--out", str(out), "--seed", "0"]
    options += ["--hooks"] * hooks
    options += ["--oracle-steps", "0"] if oracle is None else ["--oracle", str(oracle)]
    recorder(version).run([*options, "--", *arguments])
    account: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
    return account
