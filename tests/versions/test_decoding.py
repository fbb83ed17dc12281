"""Bytes to text and back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpmigrate.versions.decoding import NEEDLES, decode, mentions_opacus, shown_lines


@given(st.binary(max_size=80))
def test_bytes_come_back(data: bytes) -> None:
    try:
        decoded = decode(data)
    except UnicodeDecodeError:
        assert data[:2] in (b"\xff\xfe", b"\xfe\xff") or not data[1:200:2].strip(b"\0")
        return
    assert decoded.encode(decoded.text) == data


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("name", ["opacus", "Opacus", "OPACUS", "oPaCuS"])
def test_the_name_is_found_in_every_encoding(encoding: str, name: str) -> None:
    data = f"torch\n{name}==1.5.2\n".encode(encoding)
    assert mentions_opacus(data)
    assert name == "oPaCuS" or any(needle in data for needle in NEEDLES)
    assert not mentions_opacus("torch\n".encode(encoding))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_lines_are_shown_as_editors_count_them(encoding: str) -> None:
    text = "a\x0cb\r\nopacus\u2028 # \u00e4\n"
    assert shown_lines(text.encode(encoding)) == ("a\x0cb", "opacus\u2028 # \u00e4")


@pytest.mark.parametrize("data", [b"a\xffb\nc", b"\xff\xfea\0b"])
def test_lines_of_anything_can_be_shown(data: bytes) -> None:
    "".join(shown_lines(data)).encode()
