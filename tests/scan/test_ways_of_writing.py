"""A rule holds for one half of a pair and not for the other, whatever the way in which it is written."""

from __future__ import annotations

from pathlib import Path

import pytest

from dpmigrate import api
from tests.scan.ways_again import AGAIN
from tests.scan.ways_beside import ASIDE
from tests.scan.ways_in_turns import IN_TURNS
from tests.scan.ways_left_over import LEFT_OVER
from tests.scan.ways_of_accounting import OF_THE_REST
from tests.scan.ways_of_beginning import BEGUN
from tests.scan.ways_of_building import PUT_TOGETHER
from tests.scan.ways_of_rounds import GOING_ON
from tests.scan.ways_of_writing import OF_THE_SUM, Pair
from tests.scan.ways_round_about import ROUND_ABOUT
from tests.scan.ways_within import WITHIN

PAIRS = (
    *OF_THE_SUM,
    *OF_THE_REST,
    *ROUND_ABOUT,
    *WITHIN,
    *PUT_TOGETHER,
    *GOING_ON,
    *AGAIN,
    *ASIDE,
    *LEFT_OVER,
    *IN_TURNS,
    *BEGUN,
)


def rules_of(folder: Path, pair: Pair, fact: str) -> set[str]:
    (folder / "train.py").write_text(pair.program.replace("FACT", fact), encoding="utf-8")
    return {finding.rule for finding in api.scan(["."], cwd=folder, opacus=pair.opacus).findings}


@pytest.mark.parametrize("pair", PAIRS, ids=str)
def test_found_where_it_is_wrong(pair: Pair, tmp_path: Path) -> None:
    assert pair.rule in rules_of(tmp_path, pair, pair.wrong)


@pytest.mark.parametrize("pair", PAIRS, ids=str)
def test_nothing_of_it_where_it_is_right(pair: Pair, tmp_path: Path) -> None:
    assert pair.rule not in rules_of(tmp_path, pair, pair.right)


def test_the_halves_of_a_pair_differ() -> None:
    assert all(pair.wrong != pair.right and "FACT" in pair.program for pair in PAIRS)
    assert len({str(pair) for pair in PAIRS}) == len(PAIRS)
