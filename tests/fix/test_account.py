"""What scan offers, fix makes, or it names the finding and says why not."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from _pytest.mark.structures import ParameterSet

from dpmigrate.advisories.catalogue import mended_by
from dpmigrate.api import scan
from dpmigrate.model import STRATEGIES, Finding
from tests.fix.conftest import NEW, Folder
from tests.fixtures_support import Fixture, Shape, fixtures, shapes


def account(folder: Path, strategy: str = "upgrade", opacus: str | None = None) -> None:
    """Hold what scan says of a folder to what fix makes of it, and what is left to what it says then."""
    said = scan(["."], cwd=folder, opacus=opacus).findings
    with_unsafe = Folder(folder).fix(apply=False, unsafe=True, strategy=strategy, opacus=opacus)
    result = Folder(folder).fix(strategy=strategy, opacus=opacus)
    if strategy == "upgrade":
        offered = {"safe": set(map(place, result.mended))}
        offered["unsafe"] = set(map(place, with_unsafe.mended)) - offered["safe"]
        for applicability, places in offered.items():
            assert places == {place(f) for f in said if f.fix and f.fix.applicability == applicability}
    assert all(f.fix is not None or f.by_hand for f in said)
    assert all(reason for _, reason in result.unmade)
    left = Counter((f.rule, f.span.path) for f in scan(["."], cwd=folder, opacus=opacus).findings)
    for finding, _ in result.unmade:
        assert left[finding.rule, finding.span.path]
    for finding in result.mended:
        still = [f for f, _ in result.unmade if (f.rule, f.span.path) == (finding.rule, finding.span.path)]
        assert left[finding.rule, finding.span.path] <= len(still)


def place(finding: Finding) -> tuple[str, int, int, int, str]:
    span = finding.span
    return (span.path, -1 if span.cell is None else span.cell, span.line, span.column, finding.rule)


def strategies_of_fixtures() -> Iterator[ParameterSet]:
    """Every fixture with the default, and with each other strategy where a finding is of those it mends."""
    about_clipping = frozenset[str]().union(*map(mended_by, STRATEGIES))
    for fixture in fixtures():
        choice = about_clipping & {finding.rule for finding in fixture.expected()}
        for strategy in STRATEGIES if choice else STRATEGIES[:1]:
            yield pytest.param(fixture, strategy, id=f"{fixture.name}-{strategy}")


@pytest.mark.parametrize(("fixture", "strategy"), list(strategies_of_fixtures()))
def test_fixtures(fixture: Fixture, strategy: str, tmp_path: Path) -> None:
    folder = tmp_path / fixture.name
    shutil.copytree(fixture.side("before"), folder, ignore=shutil.ignore_patterns("__pycache__"))
    account(folder, strategy)


@pytest.mark.parametrize("shape", [s for s in shapes() if s.expected], ids=lambda s: s.name)
def test_shapes(shape: Shape, tmp_path: Path) -> None:
    shape.lay_out(tmp_path)
    shutil.copy(shape.path, tmp_path / shape.path.name)
    account(tmp_path, opacus=shape.opacus or None)


@pytest.mark.parametrize(
    ("call", "rule", "reason"),
    [
        (
            "criterion=criterion, clipping=args.clipping",
            "DPM405",
            "line 18: clipping= of this call is an option",
        ),
        (
            "**({'criterion': criterion} if args.clipping else {})",
            "DPM404",
            "criterion= is given on some paths",
        ),
    ],
)
def test_what_is_only_possible_is_left_for_what_it_is(
    tmp_path: Path, call: str, rule: str, reason: str
) -> None:
    option = "import argparse\n\nparser = argparse.ArgumentParser()\nparser.add_argument('--clipping')\n"
    tested = 'args = parser.parse_args()\nif args.clipping == "ghost":\n    print("as before")\n'
    text = NEW.replace("criterion=criterion", call).replace(
        "\n\ndef train", f"\n{option}{tested}\n\ndef train"
    )
    result = Folder(tmp_path).write({"train.py": text}).fix()
    reasons = {finding.rule: why for finding, why in result.unmade}
    assert reasons[rule].startswith(reason)
