"""Python files that were exported from a notebook with its shell commands and magics left as they were."""

from __future__ import annotations

import re
from dataclasses import dataclass

from dpmigrate.workspace.errors import NotLossless
from dpmigrate.workspace.magics import LINE, Magics, is_statement

_MAGIC = re.compile(
    r"^[ \t]*(?:[!%]|[^\W\d][\w, ]*=[ \t]*[!%]|(?:pip3?|conda|mamba|uv)[ \t]+[a-z])", re.MULTILINE
)
_CELL = re.compile(r"#\s*(?:%%|In\s*\[|<codecell>)")
_TAG = "dpmigrate-magic"


@dataclass(frozen=True, slots=True)
class Export:
    """Such a file: its ``text``, and the Python that stands for it, line for line."""

    text: str
    python: str
    magics: Magics

    def rebuild(self, python: str) -> str:
        """The text after edits to :attr:`python`. Raises :class:`NotLossless` where a magic is lost."""
        if sorted(self.magics.numbers(python)) != list(range(len(self.magics.kept))):
            raise NotLossless("an edit would lose a shell command or a magic")
        return self.magics.restore(python, {})


def exported(text: str) -> Export | None:
    """A Python file that only parses once its magics are replaced; None for any other."""
    if _MAGIC.search(text) is None or is_statement(text) or _TAG in text:
        return None
    lines = LINE.findall(text)
    starts = [i for i, line in enumerate(lines) if i and _CELL.match(line)]
    for automagic in (False, True):
        magics, replaced = Magics(_TAG), list[str]()
        for cell, (start, end) in enumerate(zip([0, *starts], [*starts, len(lines)], strict=True)):
            head = 1 if start in starts else 0
            replaced += lines[start : start + head]
            body = lines[start + head : end]
            without = magics.hide_automagic(cell, body) if automagic else None
            replaced += magics.neutralise(cell, body if without is None else without)
        python = "".join(replaced)
        if is_statement(python):
            return Export(text, python, magics)
    return None
