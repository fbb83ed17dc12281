"""Ignore patterns mean what they mean to git, and none of them takes long."""

from __future__ import annotations

import gc
import subprocess
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dpmigrate.workspace.gitignore import MOST_WILD, Gitignore
from tests.costs import allowed

PIECES = [
    "a",
    "b",
    "*",
    "?",
    "**",
    "/",
    "[ab]",
    "[!a]",
    "[^b]",
    "[a-c]",
    "[[:digit:]]",
    "[]a]",
    ".py",
    "*.py",
]
PIECES += ["\\*", "\\", " ", "é", "-", "!", "#", "[", "]", "x1", "{a}"]
NAMES = ["a", "b", "ab", "a.py", "b.py", "ab.py", "x1.py", "a b", "[a]", "a*", "é.py", "!a", "#a"]

pattern = st.lists(st.sampled_from(PIECES), min_size=1, max_size=6).map("".join)
path = st.lists(st.sampled_from(NAMES), min_size=1, max_size=4).map("/".join)


def by_git(tmp_path: Path, patterns: list[str], paths: list[str]) -> dict[str, bool]:
    """What git itself says of each path."""
    if not (tmp_path / ".git").exists():
        subprocess.run(["git", "init", "-q", tmp_path], check=True)
    (tmp_path / ".gitignore").write_text("".join(f"{line}\n" for line in patterns))
    asked = "".join(f"{path}\0" for path in paths)
    command = ["git", "check-ignore", "--no-index", "-z", "--stdin"]
    done = subprocess.run(command, cwd=tmp_path, input=asked, capture_output=True, text=True, check=False)
    ignored = set(done.stdout.split("\0"))
    return {path: path in ignored for path in paths}


def by_us(patterns: list[str], path: str) -> bool:
    """A path is ignored if any folder on the way is, as in a walk."""
    rules = Gitignore("/r/", patterns)
    parts = path.split("/")
    folders = ["/r/" + "/".join(parts[:n]) for n in range(1, len(parts))]
    return any(rules.says(folder, folder=True) for folder in folders) or rules.says(f"/r/{path}")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(pattern, min_size=1, max_size=4), st.lists(path, min_size=1, max_size=20, unique=True))
def test_every_path_is_ignored_exactly_where_git_ignores_it(
    tmp_path: Path, patterns: list[str], paths: list[str]
) -> None:
    assert {path: by_us(patterns, path) for path in paths} == by_git(tmp_path, patterns, paths)


@pytest.mark.parametrize(
    "line",
    ["*a" * 20 + "b", "**/" * 100 + "b", "a/**/" * 50 + "b", "*" * 900, "*?" * 400 + "b", "[a]*" * 200 + "b"],
)
def test_no_pattern_takes_long(line: str) -> None:
    rules = Gitignore("/r/", [line])
    names = ["a" * 250 + ".py", "a/" * 1_500 + "a.py", "/".join(["a" * 250] * 16)]
    start = time.process_time()
    assert not any(rules.says(f"/r/{name}") for name in names) or line == "*" * 900
    assert time.process_time() - start < allowed(1)


def test_many_patterns_cost_no_more_than_their_bytes_and_the_bound_is_said() -> None:
    said: list[tuple[int, str]] = []
    gc.freeze()  # What other tests left is not gone over while this one is measured.
    start = time.process_time()
    lines = [f"name{n}.py\n*.e{n}\n/a/b{n}/\n".split() for n in range(50_000)]
    rules = Gitignore("/r/", [line for three in lines for line in three], warn=lambda *w: said.append(w))
    assert rules.says("/r/a/name49999.py")
    assert rules.says("/r/a/b7", folder=True)
    assert not rules.says("/r/a/b7")
    assert said == []
    Gitignore("/r/", [f"a*b{n}*c" for n in range(MOST_WILD + 5)], warn=lambda *w: said.append(w))
    assert [number for number, _ in said] == [MOST_WILD + 1]
    spent = time.process_time() - start
    gc.unfreeze()
    assert spent < allowed(3)
