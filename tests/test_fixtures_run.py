"""Every fixture runs on real Opacus releases: ``before`` does the harm it claims, the rest is right.

The reference is the clipped sum of plain per-example autograd over the same logical batch, and, for code that
was corrected, the same script in hooks mode with the same seed.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from _pytest.mark.structures import ParameterSet

from tests.fixtures_figures import KINDS, LIMITS
from tests.fixtures_support import Fixture, Harm, fixtures, numbers, run

pytestmark = pytest.mark.opacus

PARITY = 1e-5
"""Largest relative error of a clipped sum that counts as rounding in float32."""


def corrected() -> Iterator[ParameterSet]:
    for fixture in fixtures():
        for side in ("after", "clean"):
            for version in fixture.versions(side):
                yield pytest.param(fixture, side, version, id=f"{fixture.name}-{side}-{version}")


def harmful(kind: str) -> Iterator[ParameterSet]:
    for fixture in fixtures():
        for harm in fixture.harms():
            for version in harm.opacus if harm.kind == kind else ():
                yield pytest.param(fixture, harm, version, id=f"{fixture.name}-{version}")


def sides_of_figures() -> Iterator[ParameterSet]:
    for fixture in fixtures():
        for harm in (h for h in fixture.harms() if h.kind in KINDS):
            for side in ("before", "after", "clean"):
                for version in harm.opacus if side == "before" else fixture.versions(side):
                    yield pytest.param(
                        fixture, harm, side, version, id=f"{fixture.name}-{harm.figure}-{side}-{version}"
                    )


def unseeded() -> Iterator[ParameterSet]:
    for fixture in fixtures():
        for harm in (h for h in fixture.harms() if h.kind == "noise"):
            sides = {"before": harm.repeats, "after": harm.after_repeats, "clean": harm.clean_repeats}
            for side, wanted in sides.items():
                for version in harm.opacus if fixture.has(side) else ():
                    yield pytest.param(fixture, side, wanted, version, id=f"{fixture.name}-{side}-{version}")


@pytest.mark.parametrize(("fixture", "side", "version"), list(corrected()))
def test_corrected_code_clips_as_the_oracle_and_as_hooks(fixture: Fixture, side: str, version: str) -> None:
    account = run(fixture, side, version, hooks=fixture.hooks_reference)
    written = account["run"]
    assert written["error"] is None, written["message"]
    assert written["steps"] > 0
    assert max(written["oracle_errors"]) <= PARITY
    if fixture.hooks_reference:
        assert account["hooks"]["error"] is None, account["hooks"]["message"]
        assert len(account["hooks_errors"]) == written["steps"] == account["hooks"]["steps"]
        assert max(account["hooks_errors"]) <= PARITY
        assert numbers(written["printed"]) == pytest.approx(numbers(account["hooks"]["printed"]), abs=2e-3)


@pytest.mark.parametrize(("fixture", "harm", "version"), list(harmful("none")))
def test_right_code_is_right(fixture: Fixture, harm: Harm, version: str) -> None:
    written = run(fixture, "before", version)["run"]
    assert written["error"] is None, written["message"]
    assert max(written["oracle_errors"]) <= PARITY


@pytest.mark.parametrize(("fixture", "harm", "version"), list(harmful("clipped-sum")))
def test_faulty_code_clips_wrongly(fixture: Fixture, harm: Harm, version: str) -> None:
    written = run(fixture, "before", version)["run"]
    assert written["error"] is None, written["message"]
    assert min(written["oracle_errors"]) >= harm.error_at_least > 1e-2


@pytest.mark.parametrize(("fixture", "harm", "version"), list(harmful("raises")))
def test_stale_code_raises(fixture: Fixture, harm: Harm, version: str) -> None:
    written = run(fixture, "before", version)["run"]
    assert written["error"] == harm.error, written["message"]


@pytest.mark.parametrize(("fixture", "side", "wanted", "version"), list(unseeded()))
def test_randomness_repeats_where_it_is_said_to(
    fixture: Fixture, side: str, wanted: tuple[str, ...], version: str
) -> None:
    first, second = (run(fixture, side, version, keep_noise=True, seed=None)["run"] for _ in range(2))
    assert first["error"] is second["error"] is None
    assert {stream for stream in ("noise", "batches") if first[stream] == second[stream]} == set(wanted)


@pytest.mark.parametrize(("fixture", "harm", "side", "version"), list(sides_of_figures()))
def test_a_figure_tells_faulty_code_from_right_code(
    fixture: Fixture, harm: Harm, side: str, version: str
) -> None:
    written = run(fixture, side, version)["run"]
    assert written["error"] is None, written["message"]
    figure = written["figures"][harm.figure]
    if side == "before":
        assert figure >= harm.at_least
    else:
        assert figure <= LIMITS.get(harm.figure, 0.0)
