"""Git refs: the faulty window, release tags, and what nothing is known about."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import dpmigrate.versions
from dpmigrate.versions.faulty_commits import classify_commit
from dpmigrate.versions.releases import FAULTY_GIT, UNKNOWN_GIT
from dpmigrate.versions.specifiers import parse_specifier
from tests.versions import MEMORY_MANAGER_FAULT

FIRST_FAULTY = "36f7a34c904af228b2ec2f0e727b64fc55cbd98c"
LAST_FAULTY = "6b756a7c506c9d610487e5a6b5e66771df87e720"
BEFORE_WINDOW = "27e6a1d3f6cbbe259975d346722a73e237457cde"
THE_FIX = "53b3c25432bb75dd92b22131d02fcdc39c8dbe5f"


@pytest.mark.parametrize(
    "ref", [None, "", "main", "dpdm", "v9.9", "refs/tags/nightly", "deadbeef" * 5, "1.5.2"]
)
def test_what_is_not_known(ref: str | None) -> None:
    assert classify_commit(ref) == UNKNOWN_GIT


def test_the_window_has_the_right_ends() -> None:
    assert classify_commit(BEFORE_WINDOW) == UNKNOWN_GIT
    assert classify_commit(FIRST_FAULTY) == FAULTY_GIT
    assert classify_commit(LAST_FAULTY) == FAULTY_GIT
    assert not classify_commit(THE_FIX) & MEMORY_MANAGER_FAULT
    assert classify_commit(THE_FIX) <= parse_specifier(">=1.5.3")


def test_a_hash_may_be_abbreviated_to_seven_digits() -> None:
    assert classify_commit(FIRST_FAULTY[:7]) == FAULTY_GIT
    assert classify_commit(FIRST_FAULTY[:7].upper()) == FAULTY_GIT
    assert classify_commit(FIRST_FAULTY[:6]) == UNKNOWN_GIT


@pytest.mark.parametrize(
    ("tag", "release"),
    [
        ("v1.5.2", "1.5.2"),
        ("refs/tags/v1.5.4", "1.5.4"),
        ("v.1.5.1", "1.5.1"),
        ("v1.4", "1.4.0"),
        ("v1.5", "1.5"),
    ],
)
def test_tags_are_their_releases(tag: str, release: str) -> None:
    assert classify_commit(tag) == parse_specifier(f"=={release}")


def test_a_fork_has_tags_of_its_own_but_no_hashes_of_its_own() -> None:
    assert classify_commit("v1.5.2", upstream=False) == UNKNOWN_GIT
    assert classify_commit(FIRST_FAULTY, upstream=False) == FAULTY_GIT


def test_the_commit_of_a_tag_is_its_release() -> None:
    assert classify_commit("f1412fa4fa8f1842006653632ea807ea2cb7a53e") == parse_specifier("==1.5.2")


def test_the_data_is_well_formed() -> None:
    folder = Path(dpmigrate.versions.__file__).parent
    lines = (folder / "upstream_commits.txt").read_text(encoding="ascii").splitlines()
    rows = [line.split() for line in lines if not line.startswith("#")]
    assert all(re.fullmatch(r"[0-9a-f]{40}", row[0]) for row in rows)
    assert len({row[0] for row in rows}) == len(rows)
    assert all(classify_commit(row[0]) for row in rows)
