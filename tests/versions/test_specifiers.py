"""Poetry's and conda's dialects of version specifiers."""

from __future__ import annotations

import pytest

from dpmigrate.versions.releases import GIT_UNKNOWN, VersionSet
from dpmigrate.versions.specifiers import Dialect, admits, assumed, parse_specifier


@pytest.mark.parametrize(
    ("text", "pep440"),
    [
        ("*", ""),
        ("^1.3.0", ">=1.3.0,<2"),
        ("^1", ">=1,<2"),
        ("^0.13.0", ">=0.13.0,<0.14"),
        ("^0.0.3", ">=0.0.3,<0.0.4"),
        ("^0", "<1"),
        ("~1.5", ">=1.5,<1.6"),
        ("~1.5.2", ">=1.5.2,<1.6"),
        ("~1", ">=1,<2"),
        ("1.5.2", "==1.5.2"),
        ("=1.5.2", "==1.5.2"),
        ("1.5.*", "==1.5.*"),
        (">=1.3 <1.5.4", ">=1.3,<1.5.4"),
        (">=1.3,<1.5.4", ">=1.3,<1.5.4"),
        ("^1.4 || 0.15.0", "==0.15.0||>=1.4,<2"),
    ],
)
def test_poetry(text: str, pep440: str) -> None:
    assert parse_specifier(text, "poetry") == parse_specifier(pep440)


@pytest.mark.parametrize(
    ("text", "pep440"),
    [
        ("", ""),
        ("=1.5", "==1.5.*"),
        ("=1.5.2", "==1.5.2"),
        ("==1.5.2", "==1.5.2"),
        ("==1.5", "==1.5"),
        ("1.5.2", "==1.5.2"),
        ("1.5*", "==1.5.*"),
        ("1.5.*", "==1.5.*"),
        (">=1.5.*", ">=1.5"),
        (">=1.4,<1.5.3", ">=1.4,<1.5.3"),
        ("1.4.1|1.5.2", "==1.4.1||==1.5.2"),
    ],
)
def test_conda(text: str, pep440: str) -> None:
    assert parse_specifier(text, "conda") == parse_specifier(pep440)


@pytest.mark.parametrize(
    ("text", "dialect"), [("^x", "poetry"), ("~", "poetry"), ("=py_0", "conda"), ("=1.5", "pep440")]
)
def test_what_is_no_specifier_is_an_error(text: str, dialect: Dialect) -> None:
    with pytest.raises(ValueError, match=r"version|operator"):
        parse_specifier(text, dialect)


def test_admits_versions_that_are_no_release_yet() -> None:
    assert admits("<2", "1.9.1")
    assert not admits("^1.5", "2.0", "poetry")
    assert admits("*", "3.0")


@pytest.mark.parametrize("text", ["1.5.2", " >=1.5,<1.5.3 ", "git+unknown commit", ">=1.5"])
def test_what_admits_a_release_can_be_assumed(text: str) -> None:
    assert assumed(text) == parse_specifier(text.strip())


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "it is empty"),
        ("  ", "it is empty"),
        ("latest", "is not a version"),
        ("==1.5.2.post7", "admits no release"),
        (">1.5.2,<1.5.2", "admits no release"),
        (">=99", "admits no release"),
    ],
)
def test_what_admits_no_release_cannot(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        assumed(text)


def test_a_version_before_a_release_is_admitted_by_what_admits_the_release() -> None:
    assert admits(">=1.5", "1.6.0rc1")
    assert not admits(">=1.6", "1.6.0rc1")


def test_a_text_that_is_far_too_long_is_no_specifier() -> None:
    assert parse_specifier(",".join([">=1.5"] * 100)) == parse_specifier(">=1.5")
    with pytest.raises(ValueError, match="not a version specifier"):
        parse_specifier(",".join([">=1.5"] * 1000))


def test_a_version_that_is_none_of_the_index_is_somebodys_own() -> None:
    own = parse_specifier("==1.5.4.post1")
    assert own == VersionSet.of([GIT_UNKNOWN])
    assert own.refs == {(GIT_UNKNOWN, "==1.5.4.post1")}
    assert parse_specifier("==1.5.2rc1").refs == {(GIT_UNKNOWN, "==1.5.2rc1")}
    # Neither of these names one version.
    assert not parse_specifier("==1.5.9.*")
    assert not parse_specifier("==1.5.4.post1,==1.5.4.post2")
    assert not parse_specifier("===1.5.2-of-ours")
