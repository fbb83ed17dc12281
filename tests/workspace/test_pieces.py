"""A text that is parsed in pieces has the tree that it has as a whole."""

from __future__ import annotations

import ast
import subprocess
import sys

import libcst as cst
import pytest

from dpmigrate.workspace import pieces
from tests.opacus_releases import CHECKOUT

REAL = [CHECKOUT / "dpmigrate" / "codemods" / name for name in ("criterion/upgraded.py", "losses/uses.py")]
CUT = {
    "comments between": "# a\n\n# b\nx = 1\n\n# c\ny = 2\n\n\n# d\n\nz = 3\n# e\n",
    "comments alone first": "# a\n# b\n# c\nx = 1\ny = 2\n",
    "comments that are indented": "if a:\n    b\n    # c\n  # d\n# e\nf = 1\n",
    "indented by two": "x = 1\ny = 2\nif a:\n  b\nz = 1\nif c:\n  d\n",
    "indented by tabs": "x = 1\nwhile a:\n\tb\nelse:\n\tc\nfor i in j:\n\tk\n",
    "line ends of Windows": "x = 1\r\n# a\r\nif b:\r\n  c\r\ny = 2\r\n",
    "no line end at the end": "x = 1\ny = 2\nz = 3",
    "a match": "match a:\n  case 1:\n    b\nmatch a:\n  case 2:\n    b\n",
    "blank lines of spaces": "x = 1\n  \n\t\ny = 2\n   # a\nz = 3\n",
}
UNCUT = {
    "branches": "if a:\n    b\nelif c:\n    d\nelse:\n    e\n",
    "ways to fail": "try:\n    b\nexcept c:\n    d\nfinally:\n    e\n",
    "a text over lines": 'x = f"""\na {b} c\nd {e}\n"""\n',
    "a bracket over lines": "x = (\na,\nb,\n)\n",
    "a line that goes on": "x = 1 + \\\ny\nz = \\\n0\n",
    "decorators": "@a\n@b(\nc,\n)\ndef d():\n    pass\n@e\n\n# f\nclass G:\n    pass\n",
    "line ends of both kinds": "x = 1\ny = 2\r\nz = 3\n",
}


def is_joined(text: str, starts: list[int]) -> bool:
    """Whether the pieces of a text are parsed one by one, and not the whole after all."""
    ends = [*starts[1:], len(text)]
    return pieces._joined([text[a:b] for a, b in zip(starts, ends, strict=True)]) is not None


def starts_of(text: str, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    monkeypatch.setattr(pieces, "LENGTH", 1)
    code = compile(text, "<text>", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    tree, whole = pieces.parsed(text, code), cst.parse_module(text)
    assert tree.deep_equals(whole)
    assert tree.code == whole.code
    for name in ("encoding", "default_indent", "default_newline", "has_trailing_newline"):
        assert getattr(tree, name) == getattr(whole, name)
    return list(pieces._starts(text, code))


@pytest.mark.parametrize("name", CUT)
def test_a_text_in_pieces(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    starts = starts_of(CUT[name], monkeypatch)
    assert len(starts) > 1
    assert is_joined(CUT[name], starts)


@pytest.mark.parametrize("name", UNCUT)
def test_a_statement_over_several_lines_stays_whole(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    starts_of(UNCUT[name], monkeypatch)


@pytest.mark.parametrize("path", REAL, ids=lambda path: path.stem)
def test_ordinary_code_in_pieces(path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    text = path.read_text(encoding="utf-8")  # type: ignore[attr-defined]
    starts = starts_of(text, monkeypatch)
    assert len(starts) > 5
    assert is_joined(text, starts)


def test_what_stands_between_pieces_is_no_statement_of_the_text() -> None:
    assert pieces._joined(["x = \\\n", "y\n"]) is None
    assert pieces._joined(["x = (\n", "y)\n"]) is None
    assert pieces._joined(["x = 1\n", "y = 2; \\\n", "z = 3\n"]) is None
    assert pieces._joined(["if a:\n    b\n", "else:\n    c\n"]) is None


@pytest.mark.skipif(sys.platform != "linux", reason="reads the memory of a process as Linux tells it")
def test_a_long_text_takes_a_share_of_the_memory() -> None:
    program = (
        "import re, pathlib\n"
        "from dpmigrate.workspace.parse import parse\n"
        "from dpmigrate.workspace.source import from_stdin\n"
        "parse(from_stdin(b'print(1)\\n' * 15_000))\n"
        "print(re.search(r'VmHWM:\\s*(\\d+)', pathlib.Path('/proc/self/status').read_text())[1])\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 110_000
