"""Where the strings of a TOML file stand: tomllib checks the file, this finds the offsets.

tomlkit keeps style but has no positions, and dumping a document again may move bytes that are nobody's
business. So pins are read from, and spliced into, the text itself.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from dpmigrate.workspace.toml import parse_toml

_STRING = re.compile(
    r'"""(?P<ml>(?:[^"\\]|\\.|"{1,2}(?!"))*)"""'
    r"|'''(?P<mll>.*?)'''"
    r'|"(?P<b>(?:[^"\\\n]|\\.)*)"'
    r"|'(?P<l>[^'\n]*)'",
    re.DOTALL,
)
_BLANK = re.compile(r"(?:\s|#[^\n]*)*")
_SPACE = re.compile(r"[ \t]*")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_SCALAR = re.compile(r"[^\s,\]}#]+(?: \d[^\s,\]}#]*)?")

TomlKey = str | int


@dataclass(frozen=True, slots=True)
class TomlString:
    """A string value: its key path (integers index arrays), and its content's offsets in the text.

    ``plain`` tells whether the content stands in the text letter for letter, without escapes.
    """

    keys: tuple[TomlKey, ...]
    value: str
    start: int
    end: int
    plain: bool


class TomlError(ValueError):
    """The text is not TOML; ``line`` is 1-based."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.line = line


def toml_strings(text: str) -> list[TomlString]:
    """Every string value of a document in order. Raises TomlError where it is not TOML."""
    normal = text.replace("\r\n", "\n")
    try:
        parse_toml(normal)
    except ValueError as error:  # also of a number with too many digits
        match = re.search(r"at line (\d+)", str(error))
        raise TomlError(f"invalid TOML: {error}", int(match[1]) if match else 1) from error
    except RecursionError as error:
        raise TomlError("invalid TOML: nested too deeply", 1) from error
    return _Scanner(text).document()


class _Scanner:
    """A reader of text that is known to be valid TOML."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0
        self.strings: list[TomlString] = []

    def document(self) -> list[TomlString]:
        table: tuple[TomlKey, ...] = ()
        counts: dict[tuple[TomlKey, ...], int] = {}
        while True:
            self._skip(_BLANK)
            if self.position >= len(self.text):
                return self.strings
            if self.text.startswith("[[", self.position):
                self.position += 2
                table = self._resolve(self._key(), counts)
                counts[table] = counts.get(table, -1) + 1
                table = (*table, counts[table])
                self._expect("]]")
            elif self.text[self.position] == "[":
                self.position += 1
                table = self._resolve(self._key(), counts)
                self._expect("]")
            else:
                self._pair(table)

    @staticmethod
    def _resolve(keys: tuple[TomlKey, ...], counts: dict[tuple[TomlKey, ...], int]) -> tuple[TomlKey, ...]:
        """A header's path with the index of each array of tables that it passes through."""
        path: tuple[TomlKey, ...] = ()
        for index, key in enumerate(keys):
            path = (*path, key)
            if index < len(keys) - 1 and path in counts:
                path = (*path, counts[path])
        return path

    def _skip(self, pattern: re.Pattern[str]) -> None:
        match = pattern.match(self.text, self.position)
        self.position = match.end() if match else self.position

    def _expect(self, token: str) -> None:
        self._skip(_SPACE)
        self.position += len(token)

    def _key(self) -> tuple[TomlKey, ...]:
        keys: list[TomlKey] = []
        while True:
            self._skip(_SPACE)
            if self.text[self.position] in "\"'":
                start = self.position
                match = _STRING.match(self.text, start)
                assert match is not None
                self.position = match.end()
                keys.append(_unescaped(match[0]))
            else:
                match = _BARE_KEY.match(self.text, self.position)
                assert match is not None
                self.position = match.end()
                keys.append(match[0])
            self._skip(_SPACE)
            if not self.text.startswith(".", self.position):
                return tuple(keys)
            self.position += 1

    def _pair(self, table: tuple[TomlKey, ...]) -> None:
        keys = (*table, *self._key())
        self._expect("=")
        self._skip(_SPACE)
        self._value(keys)

    def _value(self, keys: tuple[TomlKey, ...]) -> None:
        start = self.text[self.position]
        if start in "\"'":
            self._string(keys)
        elif start == "[":
            self._array(keys)
        elif start == "{":
            self._inline_table(keys)
        else:
            self._skip(_SCALAR)

    def _string(self, keys: tuple[TomlKey, ...]) -> None:
        match = _STRING.match(self.text, self.position)
        assert match is not None
        group = match.lastgroup or "b"
        raw, (first, last) = match[group], match.span(group)
        self.position = match.end()
        plain = "\n" not in raw and ("\\" not in raw or group in ("l", "mll"))
        self.strings.append(TomlString(keys, raw if plain else _unescaped(match[0]), first, last, plain))

    def _array(self, keys: tuple[TomlKey, ...]) -> None:
        self.position += 1
        index = 0
        while True:
            self._skip(_BLANK)
            if self.text[self.position] == "]":
                self.position += 1
                return
            self._value((*keys, index))
            index += 1
            self._skip(_BLANK)
            if self.text[self.position] == ",":
                self.position += 1

    def _inline_table(self, keys: tuple[TomlKey, ...]) -> None:
        self.position += 1
        while True:
            self._skip(_BLANK)
            if self.text[self.position] == "}":
                self.position += 1
                return
            self._pair(keys)
            self._skip(_BLANK)
            if self.text[self.position] == ",":
                self.position += 1


def _unescaped(literal: str) -> str:
    value = parse_toml(f"x = {literal}".replace("\r\n", "\n"))["x"]
    assert isinstance(value, str)
    return value
