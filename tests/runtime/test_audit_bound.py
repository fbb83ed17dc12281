"""The arithmetic of an audit: exact where that is known, never above the truth, and not far below it."""

from __future__ import annotations

import math

import pytest

torch = pytest.importorskip("torch")

from dpmigrate.runtime.run.experiments.audit_bound import (  # noqa: E402
    Guesses,
    epsilon_shown,
    gap_shown,
    most_likely_wrong,
)

GAP = 1.0


def normal(z: float) -> float:
    return 0.5 * math.erfc(-z / math.sqrt(2))


@pytest.mark.parametrize("drawn", [50, 10_000])
def test_rate_where_no_guess_is_wrong(drawn: int) -> None:
    assert most_likely_wrong(Guesses(drawn, 0), 1e-3) == pytest.approx(1 - 1e-3 ** (1 / drawn), rel=1e-6)


def test_rate_where_every_guess_is_wrong() -> None:
    assert most_likely_wrong(Guesses(7, 7), 1e-3) == 1


def test_the_rate_found_is_the_one_that_makes_the_count_just_credible() -> None:
    rate = most_likely_wrong(Guesses(40, 6), 0.01)
    tail = sum(math.comb(40, k) * rate**k * (1 - rate) ** (40 - k) for k in range(7))
    assert tail == pytest.approx(0.01, rel=1e-6)


def test_gap_is_above_the_truth_no_more_often_than_it_says() -> None:
    # 500 audits of noise that leaves a gap of exactly one: a tenth of them may say more.
    doubt, audits, drawn = 0.1, 500, 400
    generator = torch.Generator().manual_seed(1)
    wrong = torch.full((audits, 2), normal(-GAP / 2))
    counts = torch.binomial(torch.full((audits, 2), float(drawn)), wrong, generator=generator)
    shown = [gap_shown(Guesses(drawn, int(a)), Guesses(drawn, int(b)), doubt) for a, b in counts.tolist()]
    above = sum(gap > GAP for gap in shown)
    assert above <= doubt * audits
    assert sum(shown) / audits > 0.7 * GAP, "the bound is worth something"


def test_guesses_that_are_no_better_than_chance_show_nothing() -> None:
    assert gap_shown(Guesses(1000, 500), Guesses(1000, 500), 1e-3) == 0
    assert gap_shown(Guesses(0, 0), Guesses(0, 0), 1e-3) == 0


@pytest.mark.parametrize("gap", [0.5, 1.0, 4.0])
def test_epsilon_of_one_gaussian_is_the_closed_form(gap: float) -> None:
    shown = epsilon_shown([(gap, 1.0)], 1e-5)

    def delta(epsilon: float) -> float:
        return normal(gap / 2 - epsilon / gap) - math.exp(epsilon) * normal(-gap / 2 - epsilon / gap)

    assert delta(shown) >= 1e-5 * (1 - 1e-6), "a bound from below"
    assert delta(shown + 0.005) < 1e-5, "and no more than the grid is lost"


def test_epsilon_of_steps_is_that_of_one_with_the_gap_of_all() -> None:
    together = epsilon_shown([(2.0, 1.0)], 1e-5)
    assert epsilon_shown([(1.0, 1.0)] * 4, 1e-5) == pytest.approx(together, abs=0.01)
    assert epsilon_shown([(1.0, 1.0)] * 4, 1e-5) <= together


def test_steps_in_which_nothing_was_shown_add_nothing() -> None:
    assert epsilon_shown([(0.0, 0.5), (1.0, 0.0)], 1e-5) == 0
    assert epsilon_shown([(1.0, 0.5), (0.0, 0.5)], 1e-5) == epsilon_shown([(1.0, 0.5)], 1e-5)


@pytest.mark.parametrize(("multiplier", "rate", "steps"), [(1.0, 0.1, 3), (0.5, 0.01, 3), (3.0, 0.2, 8)])
def test_epsilon_is_a_little_below_what_the_accountant_says(
    multiplier: float, rate: float, steps: int
) -> None:
    accountants = pytest.importorskip("opacus.accountants")
    accountant = accountants.PRVAccountant()
    accountant.history = [(multiplier, rate, steps)]
    said = accountant.get_epsilon(1e-5)
    shown = epsilon_shown([(1 / multiplier, rate)] * steps, 1e-5)
    assert said - 0.05 < shown <= said
