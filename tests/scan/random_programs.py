"""Small random programs that choose a mode: strategies for them, and what running one does."""

from __future__ import annotations

import itertools
import sys
from argparse import Namespace
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from hypothesis import strategies as st

from tests.scan.random_beginning import HEAD
from tests.scan.random_pieces import MADE, SIMPLE, TESTS, TEXTS
from tests.scan.stand_ins import replaced_modules

COUNTS = (1, 2, 3)
MAX_DEPTH = 3


SIMPLE_KINDS = ["simple"] * 6
COMPOUND_KINDS = ["if", "loop", "while", "try", "def", "match", "with", "either"]
LOOPS = ["for _ in range(args.n):", "for mode in ('ghost', 'hooks'):", "for other in list(items):"]
LOOPS += ["for i, other in zip(range(args.n), items):", "for mode in some([mode, other, 'ew']):"]
CAUGHT = ["Exception", "Exception", "KeyError", "(KeyError, ValueError)", "AssertionError", "SystemExit"]
CONTEXTS = ["suppress(KeyError, AssertionError)", "using(mode) as other", "guarded as mode", "Guarded('ew')"]
SUBJECTS = {
    "mode": ["'ghost'", "'hooks' | 'ew'", "'hooks' if args.a", "str() if on"],
    "(args.a, on)": ["(True, False)", "(True, _)", "[False, chosen] if chosen"],
    "k": ["0", "1 | 2", "int() if k > 1"],
    "spare": ["{'mode': 'ghost'}", "{'mode': other}", "{}"],
    "items": ["[mode]", "['hooks', *row]", "[_, mode, *_]"],
    "conf": ["Conf('ghost')", "Conf(mode='hooks', flag=True)", "Conf(mode=other) if on"],
    "box": ["Sub(mode='ghost')", "Sub()", "Box(mode=other)"],
}


@st.composite
def blocks(draw: st.DrawFn, depth: int = 0, in_loop: bool = False) -> list[str]:
    """Some statements, each as lines that are indented below one another."""
    lines: list[str] = []
    for _ in range(draw(st.integers(1, 4 if depth else 6))):
        kind = draw(st.sampled_from([*SIMPLE_KINDS, *COMPOUND_KINDS]))
        if in_loop and kind in ("def", "either"):
            kind = "leave"
        if depth == MAX_DEPTH and kind != "leave":
            kind = "simple"
        lines += draw(_statement(kind, depth, in_loop))
    return lines


@st.composite
def _statement(draw: st.DrawFn, kind: str, depth: int, in_loop: bool) -> list[str]:
    def suite(in_loop: bool = in_loop) -> list[str]:
        return _inside(draw(blocks(depth + 1, in_loop)))

    if kind == "simple":
        return [draw(SIMPLE)]
    if kind == "leave":
        return [f"if {draw(TESTS)}:", "    " + draw(st.sampled_from(["break", "continue"]))]
    if kind == "if":
        lines = [f"if {draw(TESTS)}:", *suite()]
        lines += [f"elif {draw(TESTS)}:", *suite()] if draw(st.booleans()) else []
        return lines + (["else:", *suite()] if draw(st.booleans()) else [])
    if kind in ("loop", "while"):
        # The counter that ends it is its own, so that every program ends.
        turns = f"turns{depth}"
        lines = [f"{turns} = 0", f"while {turns} < args.n:", f"    {turns} += 1"]
        lines = [draw(st.sampled_from(LOOPS))] if kind == "loop" else lines
        lines += suite(True)
        return lines + (["else:", *suite()] if draw(st.integers(0, 3)) == 0 else [])
    if kind == "try":
        return draw(_try(suite))
    if kind == "with":
        return [f"with {draw(st.sampled_from(CONTEXTS))}:", *suite()]
    if kind == "match":
        subject = draw(st.sampled_from(sorted(SUBJECTS)))
        lines = [f"match {subject}:"]
        for pattern in draw(st.lists(st.sampled_from(SUBJECTS[subject]), min_size=1, max_size=2)):
            lines += _inside([f"case {pattern}:", *suite()])
        return lines + (_inside(["case _:", *suite()]) if draw(st.booleans()) else [])
    if kind == "either":
        first, second = (f"    def chosen(mode): return {draw(TEXTS)}" for _ in range(2))
        return [f"if {draw(TESTS)}:", first, "else:", second, f"mode = chosen({draw(TEXTS)})"]
    return draw(_function())


@st.composite
def _try(draw: st.DrawFn, suite: Callable[[], list[str]]) -> list[str]:
    lines = ["try:", *suite()]
    if draw(st.booleans()):
        raised = draw(st.sampled_from(["KeyError", "ValueError(mode)", "KeyError(other)", "SystemExit"]))
        lines += [f"    if {draw(TESTS)}:", f"        raise {raised}"]
    lines += [f"except {draw(st.sampled_from(CAUGHT))} as error:", *suite()]
    more = ["mode = str(error.args[0]) if error.args else mode", "raise", "sys.exit()"]
    if draw(st.integers(0, 2)) == 0:
        lines += [f"    if {draw(TESTS)}:", "        " + draw(st.sampled_from(more))]
    lines += ["else:", *suite()] if draw(st.integers(0, 3)) == 0 else []
    return lines + (["finally:", *_inside([draw(SIMPLE)])] if draw(st.booleans()) else [])


@st.composite
def _function(draw: st.DrawFn) -> list[str]:
    names = "other, k, on, table, box, items, spare, crate, row, conf, keep, guarded, bump, pick"
    lines = ["def step(mode, flag=args.b):", f"    global {names}"]
    for _ in range(draw(st.integers(1, 3))):
        lines += _inside(draw(blocks(MAX_DEPTH)))
        leaving = [f"if {draw(TESTS)}:", f"    return {draw(TEXTS)}"]
        how = draw(st.sampled_from(["no", "if", "loop", "try", "with"]))
        if how == "loop":
            leaving = ["for mode in items:", *_inside(leaving)]
        elif how == "try":
            leaving = ["try:", *_inside(leaving), "finally:", *_inside([draw(SIMPLE)])]
        elif how == "with":
            leaving = [f"with {draw(st.sampled_from(CONTEXTS))}:", *_inside(leaving)]
        lines += _inside(leaving) if how != "no" else []
    return [*lines, f"    return {draw(TEXTS)}", f"mode = step({draw(TEXTS)})"]


def _inside(lines: list[str]) -> list[str]:
    return ["    " + line for line in lines]


PROGRAMS = (
    st.integers(0, 2)
    .flatmap(blocks)
    .map(lambda lines: HEAD + "\n".join([*lines, MADE.format("mode")]) + "\n")
)


def outcomes(program: str) -> dict[int, set[str]]:
    """The modes in which each line makes a run, under any of the arguments; what raises ends there."""
    seen: dict[int, set[str]] = {}
    code = compile(program, "train.py", "exec")
    for a, b, n in itertools.product((False, True), (False, True), COUNTS):
        _run(code, Namespace(a=a, b=b, n=n), seen)
    return seen


def _run(code: Any, arguments: Namespace, seen: dict[int, set[str]]) -> None:
    class PrivacyEngine:
        def make_private(self, **given: Any) -> None:
            seen.setdefault(sys._getframe(1).f_lineno, set()).add(given["grad_sample_mode"])

    class ArgumentParser:
        def add_argument(self, *_: Any, **__: Any) -> None: ...

        def parse_args(self) -> Namespace:
            return arguments

    stand_ins = {
        "opacus": {"PrivacyEngine": PrivacyEngine},
        "argparse": {"ArgumentParser": ArgumentParser},
    }
    with replaced_modules(stand_ins), suppress(Exception, SystemExit):
        exec(code, {"__name__": "__main__"})
