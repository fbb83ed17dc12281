"""The parser's guards: no input crashes or hangs it, and every refusal says why."""

from __future__ import annotations

import subprocess
import sys

import pytest

from dpmigrate.analysis.source.modules import ModuleInfo
from dpmigrate.workspace.errors import Unparsable
from dpmigrate.workspace.parse import parse
from dpmigrate.workspace.source import from_stdin


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x = " + "(" * 150 + ")" * 150,
        "x = [" + "1, -2, a.b.c,\n" * 3_000 + "]",
        "x = " + " + 1" * 150,
        "if a: pass\n" + "elif b: pass\n" * 150,
        "x = '" + "(" * 5_000 + "'",
        "f(a.b)\n" * 2_000,
        "x = (" + "'a'\n" * 200 + ")",
        "async def f():\n    await g()\n",
    ],
)
def test_ordinary_shapes_parse(text: str) -> None:
    source = from_stdin(text.encode())
    assert parse(source).code == source.python


_DEEP = {
    "brackets": "x = {}1{}".format("(" * 2_000, ")" * 2_000),
    "brackets-in-faulty-code": "print 'x'\nx = {}1{}".format("[" * 3_000, "]" * 3_000),
    "signs": "x = " + "-" * 20_000 + "1",
    "words": "x = " + "not " * 20_000 + "1",
    "words-in-faulty-code": "print 'x'\nx = " + "not " * 20_000 + "1",
    "sum": "x = 1" + " + 1" * 20_000,
    "sum-over-lines": "x = (1" + "\n + 1" * 20_000 + ")",
    "attributes": "x = a" + ".b" * 20_000,
    "calls": "x = a" + "()" * 5_000,
    "subscripts": "x = a" + "[0]" * 5_000,
    "elif": "if a: pass\n" + "elif b: pass\n" * 20_000,
    "choices": "x = " + "1 if a else " * 5_000 + "1",
    "strings": "x = (" + "'a'\n" * 2_500 + ")",
    "blocks": "".join(" " * i + "if a:\n" for i in range(150)) + " " * 150 + "pass\n",
}


@pytest.mark.parametrize("name", _DEEP)
def test_exhausting_text_is_refused_in_a_process_that_lives_on(name: str) -> None:
    program = (
        "import sys\n"
        "from dpmigrate.workspace.parse import parse\n"
        "from dpmigrate.workspace.source import from_stdin\n"
        "from dpmigrate.workspace.errors import Unparsable\n"
        "try:\n    parse(from_stdin(sys.stdin.buffer.read()))\n"
        "except Unparsable as error:\n    print(error.reason)\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], input=_DEEP[name].encode(), capture_output=True, timeout=60
    )
    assert result.returncode == 0, result.stderr[-300:]
    assert result.stdout.startswith(b"syntax error: ")


@pytest.mark.parametrize(
    ("text", "line"),
    [("x = 1\nfor x i y:\n    pass\n", 2), ("apt install opacus\nimport opacus\n", 1), ("x = (\n", 1)],
)
def test_a_syntax_error_names_its_line(text: str, line: int) -> None:
    with pytest.raises(Unparsable, match=r"^syntax error: \S") as caught:
        parse(from_stdin(text.encode()))
    assert caught.value.line == line


@pytest.mark.parametrize("text", ["x = 1\n\x0cy = 2\n", "x = 1\r"])
def test_text_that_the_tree_does_not_give_back_is_told(text: str) -> None:
    source = from_stdin(text.encode())
    assert not ModuleInfo("train.py", source, parse(source)).is_lossless


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("x = 1\nreturn x\n", 2),
        ("for x in y:\n    pass\nbreak\n", 3),
        ("def f(a, a):\n    pass\n", 1),
        ("f(a=1, a=2)\n", 1),
        ("nonlocal x\n", 1),
        ("def f():\n    print(x)\n    global x\n", 3),
        ("x = 1\nfrom __future__ import annotations\n", 2),
        ("[x := 1 for x in y]\n", 1),
        ("*a = b\n", 1),
        ("x = b'\u00e9'\n", 1),
        ("x = '\\N{no such name}'\n", 1),
        ("x = '\\xZZ'\n", 1),
        ("x = 'a' b'b'\n", 1),
        ("x = 1 if(a)else(b) or(not(c)) if x\n", 1),
    ],
)
def test_what_no_python_compiles_is_a_syntax_error(text: str, line: int) -> None:
    with pytest.raises(Unparsable, match=r"^syntax error: \S") as caught:
        parse(from_stdin(text.encode()))
    assert caught.value.line == line


@pytest.mark.parametrize(
    "text",
    [
        "await x\n",  # what was exported from a notebook
        "async with a as b:\n    [await c async for c in b]\n",
        "'\\d'\n",
        "if x is 'a':\n    assert (x, 'never')\n",
        "type X[T: int = str] = list[T]\n",  # Python 3.13
        "try:\n    pass\nexcept* A:\n    pass\n",
        "print(f'{a['b']}')\n",
    ],
)
def test_what_some_python_compiles_is_parsed(text: str) -> None:
    parse(from_stdin(text.encode()))


def test_what_only_the_parser_does_not_know_is_called_no_error_of_the_file() -> None:
    with pytest.raises(Unparsable, match=r"^Python that LibCST") as caught:
        parse(from_stdin(b"x = 1\n(x): int = 1\n"))
    assert caught.value.line == 2
