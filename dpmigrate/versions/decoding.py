"""Bytes of a dependency file to text and lines, and back, byte for byte."""

from __future__ import annotations

import codecs
import re
from bisect import bisect_right
from dataclasses import dataclass
from functools import lru_cache

_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)

_LINE_END = re.compile(r"\r\n|\r|\n")
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")

NEEDLES: tuple[bytes, ...] = tuple(
    name.encode(encoding)
    for name in ("opacus", "Opacus", "OPACUS")
    for encoding in ("utf-8", "utf-16-le", "utf-16-be")
)
"""Byte strings, one of which is in every dependency file that names Opacus (PowerShell writes UTF-16)."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """The text of a file without its byte order mark, line ends as they are."""

    text: str
    encoding: str
    bom: bytes = b""

    def encode(self, text: str) -> bytes:
        """``text`` as bytes in the file's own encoding. Raises UnicodeEncodeError."""
        return self.bom + text.encode(self.encoding, self.errors)

    @property
    def errors(self) -> str:
        """The error handler: bytes that are not UTF-8 survive in comments and other lines."""
        return "surrogateescape" if self.encoding == "utf-8" else "strict"


def decode(data: bytes) -> Decoded:
    """Read UTF-8 (with stray bytes kept), or UTF-16 with or without a byte order mark.

    Raises UnicodeDecodeError for broken UTF-16.
    """
    for bom, encoding in _BOMS:
        if data.startswith(bom):
            decoded = Decoded("", encoding, bom)
            break
    else:
        head = data[:200]
        if len(head) >= 4 and not head[1::2].strip(b"\0") and head[0::2].strip(b"\0"):
            decoded = Decoded("", "utf-16-le")
        else:
            decoded = Decoded("", "utf-8")
    text = data[len(decoded.bom) :].decode(decoded.encoding, decoded.errors)
    return Decoded(text, decoded.encoding, decoded.bom)


NAMES_CSPRNG: tuple[bytes, ...] = tuple(
    name.encode(encoding) for name in ("csprng", "CSPRNG") for encoding in ("utf-8", "utf-16-le", "utf-16-be")
)
"""The same for torchcsprng, which Opacus needs in secure mode and does not itself require."""


def mentions_opacus(data: bytes) -> bool:
    """Whether the bytes name Opacus, without case, in UTF-8 or UTF-16."""
    lowered = data.lower()
    return any(needle in lowered for needle in NEEDLES[:3])


def line_at(text: str, offset: int) -> int:
    """The 1-based line that holds ``offset``."""
    return bisect_right(_line_ends(text), offset) + 1


@lru_cache(maxsize=4)
def _line_ends(text: str) -> list[int]:
    """Where each line but the last ends, in a text whose lines are asked for again and again."""
    return [match.end() for match in _LINE_END.finditer(text)]


def lines_of(text: str) -> list[str]:
    """The lines with their ends, cut only where editors cut: not at form feeds and their like."""
    return _LINE.findall(text)


@lru_cache(maxsize=16)
def shown_lines(data: bytes) -> tuple[str, ...]:
    """The lines of a dependency file as people read them, numbered as pins are; never raises."""
    try:
        text = decode(data).text
    except UnicodeDecodeError:
        text = data.decode("utf-8", "replace")
    # Stray bytes are kept for writing back, but cannot be printed.
    text = text.encode("utf-8", "replace").decode("utf-8")
    return tuple(line.rstrip("\r\n") for line in lines_of(text))
