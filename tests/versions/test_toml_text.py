"""Places of strings in TOML."""

from __future__ import annotations

from typing import Any

import pytest
import tomlkit
from hypothesis import given
from hypothesis import strategies as st

from dpmigrate.versions.parsers.toml_text import TomlError, toml_strings
from tests.fixtures_support import tomllib


@pytest.mark.parametrize(
    "text", ["", "# only a comment", "a = 1\n", "[t]\nb = [1, 2.5, true]\n", "d = 1979-05-27 07:32:00Z\n"]
)
def test_no_strings(text: str) -> None:
    assert toml_strings(text) == []


def test_every_kind_of_place() -> None:
    text = (
        "a = 'x' # c\r\n"
        '"q k".b = "y" # \'no\'\n'
        "[t . u]\n"
        "l = [ 'p', # ]\n  [\"q\"], {r = 's', v.w = 't'} ]\n"
        "n = 1979-05-27 07:32:00\n"
        '[[arr]]\nm = """one"""\n'
        "[[arr]]\nm = '''two'''\n[arr.sub]\no = 'three'\n[[arr.deep]]\np = 'four'\n"
    )
    found = {string.keys: string for string in toml_strings(text)}
    assert {keys: string.value for keys, string in found.items()} == {
        ("a",): "x",
        ("q k", "b"): "y",
        ("t", "u", "l", 0): "p",
        ("t", "u", "l", 1, 0): "q",
        ("t", "u", "l", 2, "r"): "s",
        ("t", "u", "l", 2, "v", "w"): "t",
        ("arr", 0, "m"): "one",
        ("arr", 1, "m"): "two",
        ("arr", 1, "sub", "o"): "three",
        ("arr", 1, "deep", 0, "p"): "four",
    }
    assert all(text[s.start : s.end] == s.value for s in found.values())


def test_escapes_are_read_but_are_no_plain_text() -> None:
    (string,) = toml_strings('a = "opacus\\u003e=1.5"\n')
    assert (string.value, string.plain) == ("opacus>=1.5", False)


@pytest.mark.parametrize(("text", "line"), [("a = \n", 1), ("ok = 1\n[x\n", 2), ("a = 1\na = 2\n", 2)])
def test_what_is_not_toml(text: str, line: int) -> None:
    with pytest.raises(TomlError, match="invalid TOML") as caught:
        toml_strings(text)
    assert caught.value.line in (1, line)


def _walk(value: Any, keys: tuple[str | int, ...] = ()) -> dict[tuple[str | int, ...], str]:
    if isinstance(value, str):
        return {keys: value}
    if isinstance(value, dict):
        return {k: v for key, item in value.items() for k, v in _walk(item, (*keys, key)).items()}
    if isinstance(value, list):
        return {k: v for index, item in enumerate(value) for k, v in _walk(item, (*keys, index)).items()}
    return {}


_words = st.text(alphabet="abopacus .-=\"'\\#[]{},\u00e9", max_size=8)
_values = st.recursive(
    st.one_of(_words, st.integers(-5, 5), st.booleans(), st.floats(allow_nan=False, allow_infinity=False)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(_words.filter(bool), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(st.dictionaries(_words.filter(bool), _values, max_size=4))
def test_agrees_with_tomllib(document: dict[str, Any]) -> None:
    text = tomlkit.dumps(document)
    found = {string.keys: string.value for string in toml_strings(text)}
    assert found == _walk(tomllib.loads(text))
