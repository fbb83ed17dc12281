"""A fix leaves no name that nothing binds."""

from __future__ import annotations

from collections.abc import Callable
from symtable import symtable

import pytest

from dpmigrate.fixing import bound, contents
from dpmigrate.fixing.bound import unbound
from tests.fix.conftest import OLD, Folder

Make = Callable[..., Folder]


@pytest.mark.parametrize(
    "text",
    [
        "import a.b as c, d.e\nc, d\n",
        "from a import b as c\nc\n",
        "def f(x, *y, z=1, **k):\n    global g\n    g = x, y, z, k\nprint(g, f)\n",
        "class A:\n    x = 1\n    y = [i + len(str(i)) for i in range(x)]\n",
        "class A:\n    def m(self):\n        return __class__, A\n",
        "try:\n    pass\nexcept ValueError as error:\n    print(error, __file__, __name__)\n",
        "for i in range(3):\n    with open(str(i)) as f:\n        (n := f)\nprint(i, f, n, lambda q: q)\n",
        "import a\ndel a\n",
        "def f():\n    x = 1\n    def g():\n        nonlocal x\n        x += 1\n    return g\n",
        "match print:\n    case [x, *y]:\n        print(x, y)\n",
    ],
)
def test_what_is_bound_somewhere_is_bound(text: str) -> None:
    assert unbound(text) == frozenset()


def test_symbols_are_what_the_library_says_they_are() -> None:
    function = "def f(p, *q):\n    global g\n    g = x\n    return [p for p in q]\n"
    text = f"import a, a.b\nx: int\n{function}class A:\n    y = x\n"
    pending = [symtable(text, "<module>", "exec")]
    while pending:
        table = pending.pop()
        pending += table.get_children()
        own = {s.get_name(): s for s in bound._symbols(table)}
        assert own.keys() == {s.get_name() for s in table.get_symbols()}
        for symbol in table.get_symbols():
            for asked in ("is_referenced", "is_assigned", "is_imported", "is_declared_global"):
                assert getattr(own[symbol.get_name()], asked)() is getattr(symbol, asked)()
            if table.get_type() != "module":
                assert own[symbol.get_name()].is_global() is symbol.is_global()


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("print(a)\n", {"a"}),
        ("def f():\n    return a\n", {"a"}),
        ("def f(a):\n    return a\nprint(a)\n", {"a"}),
        ("class A:\n    x = 1\n    def m(self):\n        return x\n", {"x"}),
        ("@a\ndef f(x=b): ...\n", {"a", "b"}),
    ],
)
def test_what_nothing_binds_is_said(text: str, names: set[str]) -> None:
    assert unbound(text) == names


@pytest.mark.parametrize("text", ["from a import *\nprint(b)\n", "def f(:\n"])
def test_nothing_is_said_where_it_cannot_be(text: str) -> None:
    assert unbound(text) is None


def test_a_name_that_was_unbound_before_keeps_no_fix_back(folder: Make) -> None:
    project = folder(OLD + "\n\ndef late():\n    return made_by_the_notebook\n")
    assert project.fix().applied


def test_a_fix_that_takes_an_import_that_is_used_is_refused(
    folder: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    add = contents.add_imports
    monkeypatch.setattr(
        contents,
        "add_imports",
        lambda tree, imports: add(tree, imports).with_changes(
            body=[line for line in tree.body if "nn" not in tree.code_for_node(line)[:24]]
        ),
    )
    project = folder(OLD)
    before = project.snapshot()
    refused = project.fix().refused
    assert any("the new text would use nn, which nothing in the file binds" in said for _, said in refused)
    assert project.snapshot() == before
