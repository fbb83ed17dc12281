"""A rule holds for one half of a pair and not for the other, whatever the way in which it is written."""

from __future__ import annotations

from pathlib import Path

import pytest

from dpmigrate import api
from tests.scan.every_way import PAIRS
from tests.scan.ways_of_writing import Pair


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
