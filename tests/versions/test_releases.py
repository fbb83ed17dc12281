"""Sets of versions: construction, operations, and specifiers there and back."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.specifiers import SpecifierSet

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
    assert nothing().oldest is None


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
    assert parse_specifier("~=1.5.1").oldest == "1.5.1"
    assert parse_specifier("git+main").oldest is None


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


def admitted(spec: str) -> set[str]:
    """The releases that an alternative admits, as packaging has it; `NEWER` stands for 1.6.1 and 99."""
    held = SpecifierSet(spec)
    numbered = {release for release in RELEASES if release in held}
    return numbered | ({NEWER} if all(version in held for version in ("1.6.1", "99")) else set())


@given(index_sets)
def test_spec_means_to_packaging_what_the_set_holds(versions: VersionSet) -> None:
    spec = versions.spec()
    alternatives = [""] if spec is None else spec.split(" || ")
    assert set(versions) == set().union(*map(admitted, alternatives))
    if versions:
        # The shortest: as many alternatives as the set has gaps, and one.
        inside = [member in versions for member in (*RELEASES, NEWER)]
        starts = sum(now and not before for before, now in pairwise([False, *inside]))
        assert len(alternatives) == starts


@given(index_sets)
def test_the_ends_are_the_first_and_the_last_member(versions: VersionSet) -> None:
    inside = [member for member in (*RELEASES, NEWER) if member in versions]
    assert versions.oldest == (inside[0] if inside else None)
    assert list(versions) == inside
    with_git = versions | VersionSet.of([GIT_FAULTY, GIT_UNKNOWN])
    assert with_git.oldest == versions.oldest
    assert list(with_git) == [*inside, GIT_FAULTY, GIT_UNKNOWN]
    assert with_git.has_git
    assert not versions.has_git


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("==1.5.2", "1.5.2"),
        (">=1.5,<1.5.3", "1.5 to 1.5.2"),
        (">=1.5.3", "1.5.3 and later"),
        ("<=1.6.0", "0.9.0 to 1.6.0"),
        (">1.6.0", "later than 1.6.0"),
        ("==1.6.0", "1.6.0"),
        (">=1.6.0", "1.6.0 and later"),
        ("==1.4.1 || >=1.5.4", "1.4.1 or 1.5.4 and later"),
        ("==1.3.0 || ==1.4.1 || >=1.5.4", "1.3.0, 1.4.1 or 1.5.4 and later"),
        ("git+faulty commit", "git commits before the fix (53b3c254)"),
        ("git+36f7a34c", "git commits before the fix (53b3c254)"),
        ("git+unknown commit", "an unknown git commit"),
        ("git+main || ==1.5.2", "1.5.2 or main"),
        ("==1.5.4.post13", "1.5.4.post13"),
        ("git+main || git+dev", "dev or main"),
        ("<0", "no known version"),
    ],
)
def test_a_set_in_words(spec: str, words: str) -> None:
    assert parse_specifier(spec).words() == words


@pytest.mark.parametrize("member", MEMBERS)
def test_a_set_of_one(member: str) -> None:
    one = VersionSet.of([member])
    assert one
    assert (list(one), len(one)) == ([member], 1)


def test_as_text_a_set_is_its_specifier() -> None:
    assert str(between("1.5", "1.5.3")) == ">=1.5,<1.5.3"
    assert str(everything()) == "any version"


def test_only_refs_of_members_that_stay_are_kept() -> None:
    both = parse_specifier("git+main || git+36f7a34c")
    assert both.refs == {(GIT_UNKNOWN, "main"), (GIT_FAULTY, "36f7a34c")}
    assert (both - VersionSet.of([GIT_FAULTY])).refs == {(GIT_UNKNOWN, "main")}
    assert (VersionSet.of([GIT_UNKNOWN]) & both).refs == {(GIT_UNKNOWN, "main")}
    assert VersionSet.of(["1.5.2"], "main").refs == frozenset()
    assert both.spec() == "git+36f7a34c || git+main"
    assert "" not in both
    assert 1 not in both
