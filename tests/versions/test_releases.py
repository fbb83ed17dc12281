"""Sets of versions: construction, operations, and specifiers there and back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpmigrate.versions.releases import (
    BEFORE_WRAPPED_CRITERION,
    GIT_FAULTY,
    GIT_UNKNOWN,
    MEMBERS,
    NEWER,
    RELEASES,
    WRAPPED_CRITERION,
    VersionSet,
    between,
    everything,
    nothing,
    universe,
)
from dpmigrate.versions.specifiers import parse_specifier
from tests.versions import MEMORY_MANAGER_FAULT

version_sets = st.sets(st.sampled_from(MEMBERS)).map(VersionSet.of)
index_sets = st.sets(st.sampled_from([*RELEASES, NEWER])).map(VersionSet.of)


def test_everything_has_no_specifier() -> None:
    assert everything().spec() is None
    assert universe().spec() is None
    assert parse_specifier("") == parse_specifier("*") == parse_specifier(">=0.1") == everything()


def test_a_plain_install_never_gives_a_commit() -> None:
    assert GIT_FAULTY not in everything()
    assert NEWER in everything()
    assert universe() - everything() == VersionSet.of([GIT_FAULTY, GIT_UNKNOWN])


def test_the_empty_set_is_false_and_still_has_a_specifier() -> None:
    assert not nothing()
    assert parse_specifier(nothing().spec() or "") == nothing()
    assert (nothing().oldest, nothing().newest) == (None, None)


@pytest.mark.parametrize(
    ("text", "rendered"),
    [
        (">=1.5,<1.5.3", ">=1.5,<1.5.3"),
        ("==1.5.2", "==1.5.2"),
        ("1.5.2", "==1.5.2"),
        ("==v1.4.1", "==1.4.1"),
        ("===1.5.2", "==1.5.2"),
        ("~=1.5.1", ">=1.5.1,<1.6.0"),
        ("~=1.5", ">=1.5"),
        ("==1.5.*", ">=1.5,<1.6.0"),
        ("!=1.5.2", "<1.5.2 || >=1.5.3"),
        ("<=1.6.0", "<=1.6.0"),
        (">=1.5.4,<=1.6.0", ">=1.5.4,<=1.6.0"),
        (">1.6.0", ">1.6.0"),
        ("==1.7.3", ">1.6.0"),
        ("==1.7.*", ">1.6.0"),
        ("<0.9", "<0"),
        ("==1.4.0 || ==1.5.2", "==1.4.0 || ==1.5.2"),
        ("git+main", "git+main"),
        ("git+unknown commit", "git+unknown commit"),
        ("git+faulty commit", "git+faulty commit"),
        ("git+36f7a34c", "git+36f7a34c"),
        ("git+v1.5.2", "==1.5.2"),
    ],
)
def test_a_specifier_comes_back_as_the_shortest(text: str, rendered: str) -> None:
    assert parse_specifier(text).spec() == rendered


@pytest.mark.parametrize("text", ["=1.5", "about 1.5", ">=", "^1.5", "1.5 beta or so", ">=1.5.*", "==1.5.2;"])
def test_what_is_no_specifier_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"version|operator"):
        parse_specifier(text)


def test_an_unknown_member_is_an_error() -> None:
    with pytest.raises(KeyError):
        VersionSet.of(["1.5.9"])
    with pytest.raises(ValueError, match="not in"):
        between("1.5.9")


def test_between_agrees_with_specifiers() -> None:
    assert between("1.5", "1.5.3") == parse_specifier(">=1.5,<1.5.3")
    assert between("1.5.3") == parse_specifier(">=1.5.3")
    assert between(None, "1.5") == parse_specifier("<1.5")
    assert between(None) == everything()


def test_the_faulty_window_has_the_new_api_and_the_old_fault() -> None:
    window = parse_specifier("git+36f7a34c")
    assert window <= WRAPPED_CRITERION
    assert window <= MEMORY_MANAGER_FAULT
    assert not window & BEFORE_WRAPPED_CRITERION
    assert MEMORY_MANAGER_FAULT & everything() == parse_specifier(">=1.5,<1.5.3")


def test_refs_name_git_members_but_make_no_difference() -> None:
    named, nameless = parse_specifier("git+main"), VersionSet.of([GIT_UNKNOWN])
    assert named == nameless
    assert hash(named) == hash(nameless)
    assert (named | parse_specifier("==1.5.2")).spec() == "==1.5.2 || git+main"
    assert (named & everything()).spec() == "<0"


def test_ends_of_a_set() -> None:
    assert (parse_specifier("~=1.5.1").oldest, parse_specifier("~=1.5.1").newest) == ("1.5.1", "1.5.4")
    assert parse_specifier(">=1.5").newest == NEWER
    assert parse_specifier("git+main").newest is None


@given(index_sets)
def test_spec_is_read_back(versions: VersionSet) -> None:
    assert parse_specifier(versions.spec() or "") == versions


@given(version_sets, version_sets)
def test_operations_are_those_of_sets(a: VersionSet, b: VersionSet) -> None:
    assert set(a & b) == set(a) & set(b)
    assert set(a | b) == set(a) | set(b)
    assert set(a - b) == set(a) - set(b)
    assert (a <= b) == (set(a) <= set(b))
    assert (a >= b) == (set(a) >= set(b))
    assert bool(a) == bool(set(a))
    assert len(a) == len(set(a))
    assert all(member in a for member in a)
