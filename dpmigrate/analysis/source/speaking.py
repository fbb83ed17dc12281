"""What the texts of modules say of Opacus: whether their code does at all, and where their imports lead."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

_IMPORTS_IT = re.compile(rb"^[ \t]*(?:from|import)[ \t]+opacus", re.MULTILINE)
_PROSE = re.compile(
    rb"""\"{3}(?:\\[\s\S]|[^\\])*?\"{3} | '{3}(?:\\[\s\S]|[^\\])*?'{3} | \#[^\n]*
      | (?P<code>"(?:\\.|[^"\\\n])*" | '(?:\\.|[^'\\\n])*')""",
    re.VERBOSE,
)
"""Comments and strings of several lines; any other string may be as good as code."""
_MAKERS = re.compile(
    rb"PrivacyEngine|make_private|FastGradientClipping|DPOptimizer|get_optimizer_class|wrap_model"
    rb"|prepare_module|wrap_data_loader|BatchMemoryManager|double_backward"
    rb"|(?:from|import)[ \t]+opacus(?!\.accountants)"
)
"""What stands in the text of all that has an engine, or makes a private run without one, or has names of
Opacus that a later release may not have. The accountants alone make none."""


def speaks_of_opacus(key: str, text: bytes) -> bool:
    """Whether it is the code of a module that has a telling word, and not its comments alone."""
    if key.endswith(".ipynb") or b"make_private" in text or _IMPORTS_IT.search(text):
        return True
    return b"opacus" in _PROSE.sub(lambda found: found["code"] or b"", text)


def leading_to_makers(
    keys: Iterable[str], imports: Callable[[str], Iterable[str]], text: Callable[[str], bytes]
) -> set[str]:
    """Some modules, and those that they import, from which imports lead to where a run may be made."""
    importers: dict[str, set[str]] = {key: set() for key in keys}
    pending = list(importers)
    while pending:
        key = pending.pop()
        for other in imports(key):
            if other not in importers:
                importers[other] = set()
                pending.append(other)
            importers[other].add(key)
    leading = {key for key in importers if _MAKERS.search(text(key))}
    pending = list(leading)
    while pending:
        more = importers[pending.pop()] - leading
        leading |= more
        pending += more
    return leading
