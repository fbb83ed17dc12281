"""A rule holds for one half of a pair and not for the other, whatever the way in which it is written."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

import pytest

from dpmigrate import api
from dpmigrate.advisories.doubts import UNSAID
from dpmigrate.model import Finding
from tests.scan import ways
from tests.scan.ways import PAIRS
from tests.scan.ways.programs import Pair


def findings_of(folder: Path, pair: Pair, fact: str) -> list[Finding]:
    """The findings of the pair's own rule."""
    (folder / "train.py").write_text(pair.program.replace("FACT", fact), encoding="utf-8")
    every = api.scan(["."], cwd=folder, opacus=pair.opacus).findings
    return [finding for finding in every if finding.rule == pair.rule]


@pytest.mark.parametrize("pair", PAIRS, ids=str)
def test_found_where_it_is_wrong(pair: Pair, tmp_path: Path) -> None:
    findings = findings_of(tmp_path, pair, pair.wrong)
    assert findings
    assert not any(UNSAID in place.text for finding in findings for place in finding.because)


@pytest.mark.parametrize("pair", PAIRS, ids=str)
def test_nothing_of_it_where_it_is_right(pair: Pair, tmp_path: Path) -> None:
    assert not findings_of(tmp_path, pair, pair.right)


def test_the_halves_of_a_pair_differ() -> None:
    assert all(pair.wrong != pair.right and "FACT" in pair.program for pair in PAIRS)
    assert len({str(pair) for pair in PAIRS}) == len(PAIRS)


@pytest.mark.parametrize("module", [found.name for found in iter_modules(ways.__path__)])
def test_a_pair_stands_in_the_module_of_its_rule(module: str) -> None:
    pairs = getattr(import_module(f"{ways.__name__}.{module}"), "PAIRS", ())
    assert {pair.rule.lower() for pair in pairs} == ({module.partition("_")[0]} if pairs else set())
