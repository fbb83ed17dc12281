"""Positions are those of LibCST's own provider, whatever a file looks like."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import libcst as cst
import pytest
from libcst.metadata import MetadataWrapper, PositionProvider

from dpmigrate.analysis.source import positions
from dpmigrate.analysis.source.positions import _BLANK, Positions

ROOT = Path(__file__).parents[2]
TEXTS = {
    "empty": "",
    "no final newline": "x = 1",
    "carriage returns": "if x:\r\n    y = (1,\r\n  2)\r\nz = 3\r\n",
    "mixed line ends": "a = 1\rb = 2\nc = '''x\r\ny'''\r\n",
    "semicolons and tabs": "if x: a; b\nclass C:\n\tdef f(self): return 1 ; pass\n",
    "parentheses": "f( (yield), *[ (a) ], k = ( b ) ) [ 1 : 2 , ... ]\n",
    "decorators": "@d\n# why\n@e(1)\nasync def f(a, /, b=1, *, c: int = 2, **k) -> int:\n    await x\n",
    "strings": "x = 'ä' f'{a!r:>{w}}' 'b'\n",
}


def assert_same(text: str) -> None:
    module = cst.parse_module(text)
    ours = Positions(module)
    for node, theirs in MetadataWrapper(module, unsafe_skip_copy=True).resolve(PositionProvider).items():
        # Of a module without a final newline LibCST counts one that it takes back afterwards.
        if type(node) not in _BLANK and node is not module:
            start, end = theirs.start, theirs.end
            assert ours[node] == (start.line, start.column, end.line, end.column), type(node).__name__


@pytest.mark.parametrize("name", TEXTS)
def test_of_a_text(name: str) -> None:
    assert_same(TEXTS[name])


@pytest.mark.parametrize(
    "path", sorted((ROOT / "dpmigrate" / "analysis" / "language").glob("*.py")), ids=lambda p: p.name
)
def test_of_real_code(path: Path) -> None:
    assert_same(path.read_text(encoding="utf-8"))


def test_a_node_of_another_tree_has_none() -> None:
    with pytest.raises(KeyError):
        Positions(cst.parse_module("x"))[cst.parse_module("x").body[0]]


def test_an_interrupt_is_no_error_of_the_module(monkeypatch: pytest.MonkeyPatch) -> None:
    module = cst.parse_module("if a:\n    def f(b):\n        return [b]\n")
    told = positions._Counting.add_token
    for moment in range(12):
        left = iter(range(moment))

        def interrupted(self: positions._Counting, value: str, left: Iterator[int] = left) -> None:
            if next(left, None) is None:
                raise KeyboardInterrupt
            told(self, value)

        monkeypatch.setattr(positions._Counting, "add_token", interrupted)
        with pytest.raises(KeyboardInterrupt):
            Positions(module)
