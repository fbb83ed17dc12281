"""Every model and every silent fault on every real release: right code passes, faults are named."""

from __future__ import annotations

from typing import Any

import pytest

from tests.opacus_releases import KNOWN
from tests.runtime import matrix

pytest.importorskip("torch")

pytestmark = [pytest.mark.opacus, pytest.mark.slow]


@pytest.mark.parametrize("version", KNOWN)
def test_right_code_passes_and_silent_faults_are_caught_by_name(version: str) -> None:
    outcomes = matrix.run_release(version)
    _judge_right(version, outcomes["right"])
    _judge_faults(version, outcomes["hazards"])


def _judge_right(version: str, found: dict[str, Any]) -> None:
    """Correct code passes, or is named unsupported."""
    from tests.runtime.right_cases import RIGHT_CASES

    for case in RIGHT_CASES:
        result = found[f"{case.name} {case.mode}"]
        wrong = f"{case.name} {case.mode} on {version}: {result}"
        if version in case.unsupported:
            assert result["verdict"] == "unsupported", wrong
        elif version in case.faulty:
            assert result["verdict"] == "caught", wrong
            assert {"parity-clipped-sum", "parity-norms"} <= set(result["failing"]), wrong
            assert result["rules"] == ["DPM112"], wrong
        else:
            assert result["verdict"] == "passed", wrong
            assert result["error"] <= (1e-12 if "float64" in case.name else 1e-5), wrong


def _judge_faults(version: str, found: dict[str, Any]) -> None:
    """Silent faults are caught by name, and their right twins pass."""
    from tests.runtime.hazards import HAZARDS, TWINS

    for case in TWINS:
        assert found[case.name]["verdict"] == "passed", f"{case.name} on {version}: {found[case.name]}"
    for case in HAZARDS:
        result = found[case.name]
        wrong = f"{case.letter} {case.name} on {version}: {result}"
        if version in case.silent:
            assert result["verdict"] == "caught", wrong
            assert result["rules"] == ([case.rule] if case.rule else []), wrong
            assert any(case.says in detail for detail in result["details"]), wrong
        elif case.right_elsewhere:
            assert result["verdict"] in ("passed", "unsupported"), wrong
        else:
            assert result["verdict"] == "unsupported", wrong
