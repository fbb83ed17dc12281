"""The reasons that a finding lists: the mode, the versions, the run, each told once."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from dpmigrate.advisories.matching import _because, _by_version
from dpmigrate.model import Place
from dpmigrate.versions.releases import VersionSet, between, everything, nothing
from dpmigrate.versions.specifiers import parse_specifier


class Module:
    """Says where a node, here a line, stands."""

    def place(self, line: int, text: str = "") -> Place:
        return Place("train.py", line, text)


MODULE = Module()
SOURCES = tuple(Place("requirements.txt", line, f"pin {line}") for line in range(1, 7))
PROOF = Place("train.py", 30, "double_backward (Opacus 1.5.2)")


def origin(line: int, text: str = "") -> Any:
    return SimpleNamespace(module=MODULE, node=line, text=text)


def reasons(
    asked: str, at: int = 50, *, mode: tuple[Any, ...] = (), sources: Any = SOURCES, when: str = "ghost"
) -> list[Place]:
    run = SimpleNamespace(
        mode_because=mode,
        shown_mode="ghost",
        origin=origin(40),
        module=MODULE,
        manual=False,
        call="make_private",
        turned=(),
    )
    versions = SimpleNamespace(sources=sources, proofs=(SimpleNamespace(place=PROOF),))
    subject = SimpleNamespace(run=run, versions=versions, origin=origin(at), module=MODULE, shown=[])
    case = SimpleNamespace(versions=asked, message="of the loop", when=when)
    return list(_because(case, subject))  # type: ignore[arg-type]


RUN = Place("train.py", 40, "the private run (make_private)")


def test_pins_and_proofs_stand_where_versions_were_asked_for() -> None:
    assert reasons("any") == [RUN]
    assert reasons("declared") == [*SOURCES[:4], RUN]
    assert reasons("together") == [*SOURCES[:4], PROOF, RUN]


def test_the_run_is_no_reason_for_itself() -> None:
    assert reasons("any", at=40) == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("literal", "mode 'ghost' is written here"),
        ("argparse default", "mode 'ghost' is the default of this option"),
        ("one of the choices", "mode 'ghost' is a choice of this option"),
        ("a parameter", "mode 'ghost': a parameter"),
    ],
)
def test_where_the_mode_comes_from_is_told_in_words(text: str, said: str) -> None:
    assert reasons("any", mode=(origin(7, text),)) == [Place("train.py", 7, said), RUN]


def test_what_holds_in_every_mode_has_no_reason_in_the_mode() -> None:
    assert reasons("any", mode=(origin(7, "literal"),), when="in_training_loop") == [RUN]


def test_each_place_is_told_once_with_its_words() -> None:
    twice = (origin(7, "literal"), origin(7, "literal"), origin(7, "a parameter"))
    assert [place.text for place in reasons("any", mode=twice)] == [
        "mode 'ghost' is written here",
        "mode 'ghost': a parameter",
        RUN.text,
    ]


def test_the_very_line_of_the_finding_is_told_only_with_words() -> None:
    here, elsewhere = Place("train.py", 50, ""), Place("train.py", 51, "")
    other_cell, other_file = Place("train.py", 50, "", 1), Place("a.py", 50, "")
    told = reasons("declared", sources=(here, elsewhere, other_cell, other_file))
    assert told == [elsewhere, other_cell, other_file, RUN]
    with_words = Place("train.py", 50, "pinned here")
    assert reasons("declared", sources=(with_words,)) == [with_words, RUN]


OLD, NEW, BOTH = parse_specifier("==1.5.2"), parse_specifier(">=1.5.4"), parse_specifier(">=1.5")
AFFECTED = between("1.5", "1.5.3")


def by_version(how: str, declared: VersionSet, evidence: VersionSet, target: VersionSet | None = None) -> Any:
    versions = SimpleNamespace(
        declared=declared, evidence=evidence, together=declared & evidence, target=target
    )
    return _by_version(SimpleNamespace(versions=how, affected=AFFECTED), versions)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("how", "declared", "evidence", "target", "truth"),
    [
        ("any", NEW, NEW, None, True),
        ("declared", OLD, NEW, None, True),
        ("declared", NEW, OLD, None, False),
        ("declared", BOTH, OLD, None, None),
        ("declared", NEW, NEW, OLD, True),
        ("declared", NEW, NEW, NEW, False),
        ("together", NEW, NEW, OLD, False),
        ("together", BOTH, OLD, None, True),
        ("together", BOTH, NEW, None, False),
        ("together", BOTH, everything(), None, None),
        ("together", NEW, OLD, None, None),
        ("together", OLD, NEW, None, False),
        ("declared", nothing(), OLD, None, False),
    ],
)
def test_versions_are_affected_all_some_or_none(
    how: str, declared: VersionSet, evidence: VersionSet, target: VersionSet | None, truth: bool | None
) -> None:
    assert by_version(how, declared, evidence, target) is truth
