"""Python files of every encoding and layout, read and written back byte for byte."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dpmigrate.workspace.errors import NotLossless, Unreadable
from dpmigrate.workspace.source import MAX_PYTHON_BYTES, from_stdin, load_source


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"x = 1",
        b"x = 1\n",
        b"\xef\xbb\xbfx = 'caf\xc3\xa9'\r\n",
        b"# coding: latin-1\nx = '\xe9'\n",
        b"#!/usr/bin/python\n# -*- coding: cp1252 -*-\r\nx = '\x80'\r",
        b"x = 1\r\ny = 2\nz = 3\r\tw\x0c",
        "# coding: koi8-r\nx = 'жук'\n".encode("koi8-r"),
        "# coding: shift_jis\nx = 'あ'\n".encode("shift_jis"),
    ],
)
def test_unchanged_text_gives_the_same_bytes(data: bytes) -> None:
    source = from_stdin(data)
    assert source.rebuild(source.python) == data
    assert source.rebuild(source.python + "# end") == data + b"# end"


def test_text_has_no_bom_and_keeps_its_newlines() -> None:
    source = from_stdin(b"\xef\xbb\xbfa\r\nb\rc\n")
    assert source.python == "a\r\nb\rc\n"
    assert source.lines() == ("a", "b", "c")
    assert source.locate(2, 5) == (None, 2, 5)


@pytest.mark.parametrize(
    ("data", "line", "reason"),
    [
        (b"x = 1\ny = '\0'", 2, "binary"),
        (b"x = 1\ny = '\xff'\n", 2, "not valid utf-8"),
        (b"# coding: martian\n", 1, "unknown encoding"),
        (b"\xef\xbb\xbf# coding: latin-1\n", 1, "encoding"),
        (b"# coding: rot13\nx = 1\n", 1, "encoding"),
        (b"x = 1\n" * (MAX_PYTHON_BYTES // 6 + 1), 1, "too large"),
    ],
)
def test_what_cannot_be_read_says_why(data: bytes, line: int, reason: str) -> None:
    with pytest.raises(Unreadable, match=reason) as caught:
        from_stdin(data)
    assert caught.value.line == line


def test_a_folder_and_a_missing_file_say_why(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match="directory"):
        load_source(tmp_path, tmp_path)
    with pytest.raises(Unreadable, match="no such file"):
        load_source("gone.py", tmp_path)


def test_a_character_that_the_encoding_lacks_is_refused() -> None:
    source = from_stdin(b"# coding: latin-1\nx = '\xe9'\n")
    with pytest.raises(NotLossless, match="does not fit its encoding"):
        source.rebuild(source.python + "# \u20ac")


def test_an_encoding_that_does_not_round_trip_is_refused_only_for_edits() -> None:
    data = b"# coding: utf-7\nx = '+AGE-'\n"
    source = from_stdin(data)
    assert source.python.endswith("x = 'a'\n")
    assert source.rebuild(source.python) == data
    with pytest.raises(NotLossless, match="same bytes"):
        source.rebuild(source.python + "y = 1\n")


def test_paths_are_posix_and_relative_to_the_current_folder(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b.py").write_text("x = 1\n")
    source = load_source(tmp_path / "a" / "b.py", tmp_path)
    assert source.path == "a/b.py"
    assert load_source("../a/b.py", tmp_path / "a").path == "b.py"
    assert from_stdin(b"").path == "-"


@settings(max_examples=300, deadline=None)
@given(
    bom=st.booleans(),
    cookie=st.sampled_from(["", "# coding: utf-8", "# vim: set fileencoding=latin-1 :", "# coding=cp1252"]),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    body=st.one_of(st.binary(max_size=80), st.text(max_size=60).map(str.encode)),
)
def test_any_bytes_round_trip_or_are_unreadable(bom: bool, cookie: str, end: str, body: bytes) -> None:
    data = (b"\xef\xbb\xbf" if bom else b"") + (cookie + end).encode() + body
    try:
        source = from_stdin(data)
    except Unreadable as error:
        assert error.reason
        return
    assert source.rebuild(source.python) == data
    more = "\nz" if source.export is not None else "z"
    assert source.rebuild(source.python + more) == data + more.encode()
