"""TOML as the standard library reads it, within bounds."""

from __future__ import annotations

import re
import sys
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

MOST_PARTS = 500
"""Parts of one key (``a.b.c`` has three): time and memory of the parser grow with their square."""
_PART = re.compile(r"""\s*(?:[\w-]+|"[^"]*"|'[^']*')\s*""")


def parse_toml(text: str) -> dict[str, Any]:
    """A document. Raises ValueError, mostly with its line, for what is none, and RecursionError."""
    for number, line in enumerate(text.split("\n"), 1):
        if line.count(".") >= MOST_PARTS and _longest_key(line) >= MOST_PARTS:
            raise ValueError(f"a key has {MOST_PARTS} parts or more (at line {number}, column 1)")
    return tomllib.loads(text)


def _longest_key(line: str) -> int:
    """The most parts in a row that dots join on a line."""
    longest = run = 0
    for part in line.split("."):
        run = run + 1 if _PART.fullmatch(part) else 0
        longest = max(longest, run)
    return longest
