"""Colour and width: only what the place that the text goes to can take."""

from __future__ import annotations

import io

import pytest

from dpmigrate.report.style import Style, style_for


class Terminal(io.StringIO):
    """A stream that says it is a terminal (and has no descriptor to ask for its size)."""

    def isatty(self) -> bool:
        return True


def test_a_pipe_gets_neither_colour_nor_width() -> None:
    assert style_for(io.StringIO(), {"TERM": "xterm", "COLUMNS": "70"}) == Style(colour=False, width=None)


@pytest.mark.parametrize(
    ("environment", "colour"),
    [
        ({}, True),
        ({"TERM": "xterm-256color"}, True),
        ({"TERM": "dumb"}, False),
        ({"NO_COLOR": "1"}, False),
        ({"NO_COLOR": ""}, True),
        ({"NO_COLOR": "1", "FORCE_COLOR": "1"}, False),
        ({"TERM": "dumb", "FORCE_COLOR": "1"}, True),
    ],
)
def test_colour_on_a_terminal(environment: dict[str, str], colour: bool) -> None:
    assert style_for(Terminal(), environment).colour is colour


@pytest.mark.parametrize(("value", "colour"), [("1", True), ("0", False), ("", False)])
def test_colour_can_be_asked_for_where_there_is_no_terminal(value: str, colour: bool) -> None:
    assert style_for(io.StringIO(), {"FORCE_COLOR": value}).colour is colour


@pytest.mark.parametrize(("columns", "width"), [("70", 70), ("3", 40), ("x", 80), ("", 80)])
def test_width_is_what_the_terminal_says(columns: str, width: int) -> None:
    assert style_for(Terminal(), {"COLUMNS": columns}).width == width


def test_paint_leaves_text_alone_without_colour() -> None:
    assert Style().paint("x", "red") == "x"
    assert Style(colour=True).paint("x", "red") == "\x1b[1;31mx\x1b[0m"
    assert Style(colour=True).paint("", "red") == ""
