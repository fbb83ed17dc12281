"""Fixes on offer where many groups share a pin, planned a few at a time: what planning all at once says."""

from __future__ import annotations

import os
import random
import shutil
from pathlib import Path
from typing import Any

import pytest

from dpmigrate import api, scanning
from dpmigrate.fixing.decisions import Decision, PassOutcome, SharedOutcome
from dpmigrate.report import render
from dpmigrate.report.style import Style
from dpmigrate.scanning import parts, pieces, shares
from dpmigrate.scanning.settling import Piece, representatives_of, settled
from tests.fixtures_support import fixtures
from tests.scan.programs import right, wrong

PINS = ("opacus==1.5.2\n", "opacus>=1.5\n", "opacus>=0.13\n")
SEEDS = int(os.environ.get("DPMIGRATE_SEEDS", "1"))


def reported(folder: Path, together: int, jobs: int = 1) -> str:
    with pytest.MonkeyPatch.context() as patched:
        for module in (parts, pieces, scanning):
            patched.setattr(module, "TOGETHER", together)
        patched.setattr(shares, "WORTH_SHARING", 0)
        return render("json", api.scan(["."], cwd=folder, jobs=jobs), Style())


@pytest.fixture
def agreed(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """For every large cluster: whether its pieces came to an agreement."""
    said: list[bool] = []
    plan = pieces.planned_in_pieces

    def noted(*given: Any) -> Any:
        made = plan(*given)
        said.append(made is not None)
        return made

    monkeypatch.setattr(pieces, "planned_in_pieces", noted)
    return said


@pytest.mark.parametrize("seed", range(SEEDS))
@pytest.mark.parametrize("pin", PINS)
def test_pieces_say_what_all_at_once_say(tmp_path: Path, agreed: list[bool], pin: str, seed: int) -> None:
    sides = [fixture.side("before") for fixture in fixtures() if fixture.has("before")]
    for number, side in enumerate(random.Random(f"{pin}{seed}").choices(sides, k=24)):
        for path in sorted(side.glob("*.py")):
            target = tmp_path / f"part{number}" / path.name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
    (tmp_path / "requirements.txt").write_text(pin, encoding="utf-8")
    whole = reported(tmp_path, 1_000)
    assert not agreed
    assert reported(tmp_path, 5) == whole
    assert reported(tmp_path, 7, jobs=2) == whole
    assert len(agreed) == 2


@pytest.mark.parametrize("refusing", [None, 0, 5])
def test_one_refusal_among_many_is_told_to_all(
    tmp_path: Path, agreed: list[bool], refusing: int | None
) -> None:
    bad = next(f.side("before") for f in fixtures() if f.path.name == "criterion-custom-bad")
    refused = (bad / "train.py").read_text(encoding="utf-8")
    for number in range(8):
        folder = tmp_path / f"part{number}"
        folder.mkdir()
        text = refused if number == refusing else right() if number == 3 else wrong()
        (folder / "train.py").write_text(text, encoding="utf-8")
    (tmp_path / "requirements.txt").write_text("opacus==1.5.2\n", encoding="utf-8")
    whole = reported(tmp_path, 1_000)
    assert (f"part{refusing}/train.py: line" in whole) == (refusing is not None)
    assert reported(tmp_path, 2) == whole
    assert agreed == [True]


def shared(refusal: str, *members: int, refusing: tuple[int, ...] = (), edits: bool = False) -> SharedOutcome:
    edited = ("opacus",) if edits else ()
    return SharedOutcome(Decision(refusal, ("pin",), edited, None), members, refusing)


def piece(own: set[int], *decided: SharedOutcome, beside: set[int] | None = None) -> Piece:
    outcome = PassOutcome(decided)
    return Piece(frozenset(own), frozenset(beside or ()), {}, (outcome, outcome))


def test_pieces_that_decide_nothing_together_are_done() -> None:
    outcome = settled([piece({0}), piece({1, 2})])
    assert outcome.decided == (PassOutcome(()), PassOutcome(()))
    assert not outcome.stale


def test_who_did_not_know_of_a_refusal_is_asked_again() -> None:
    made, refused = shared("", 0, 1, edits=True), shared("no", 2, 3, refusing=(3,))
    first, second, third = piece({0, 1}, made), piece({2, 3}, refused), piece({4})
    outcome = settled([first, second, third])
    assert outcome.stale == (first,)
    assert representatives_of(outcome.decided) == {0, 1, 3}


def test_what_a_raised_pin_brings_is_asked_of_all() -> None:
    first, second = piece({0, 1}, shared("", 0, 1, edits=True)), piece({2})
    assert settled([first, second]).stale == (second,)
    again = piece({2}, shared("", 0, 1, edits=True), beside={0, 1})
    assert not settled([first, again]).stale


def test_of_two_refusals_those_who_refuse_decide_by_themselves() -> None:
    one, other = shared("a", 0, 1, refusing=(1,)), shared("b", 2, 3, refusing=(2,))
    pieces_ = [piece({0, 1}, one), piece({2, 3}, other)]
    assert settled(pieces_).undecided == {0, 1, 2, 3}
    judged_together = piece(set(), shared("b", 0, 1, 2, 3, refusing=(2,)), beside={0, 1, 2, 3})
    assert settled([*pieces_, judged_together]).stale == (pieces_[0],)


def test_what_cannot_be_said_piece_by_piece_is_not_said() -> None:
    intricate = Piece(frozenset({0, 1}), frozenset(), {}, None)
    assert settled([intricate]).decided is None
    refused = piece({2, 3}, shared("no", 2, 3, refusing=(3,)))
    assert settled([intricate, refused]).stale == (intricate,)
