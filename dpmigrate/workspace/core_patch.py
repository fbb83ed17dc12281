"""The file that ``fix --strategy patch`` puts into a project, told from a file that only has its name.

It is known by its statements: comments, layout and line ends are the project's own.
"""

from __future__ import annotations

from functools import cache

MODULE = "opacus_core_patch"
"""Its name, beside the module that makes the run."""
MARK = b"NORM_SAMPLERS"
"""Bytes of the file that hardly any other has: it is looked at closer only with them."""


@cache
def patch_text() -> bytes:
    """The file as it is written."""
    from pathlib import Path

    # Read, not imported: it imports Opacus.
    return (Path(__file__).parents[1] / "runtime" / f"{MODULE}.py").read_bytes()


@cache
def _statements() -> str:
    import ast

    return ast.dump(ast.parse(patch_text()))


def is_core_patch(text: bytes) -> bool:
    """Whether a file is that file."""
    if MARK not in text:
        return False
    import ast

    try:
        return ast.dump(ast.parse(text)) == _statements()
    except (SyntaxError, ValueError, RecursionError):
        return False
