"""Small random programs that choose a mode: strategies for them, and what running one does."""

from __future__ import annotations

import itertools
from argparse import Namespace
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from hypothesis import strategies as st

from tests.scan.stand_ins import replaced_modules

FLAGS = ("a", "b")
COUNTS = (1, 2, 3)
MAX_DEPTH = 3
HEAD = """\
import argparse
import copy
import dataclasses
import functools
from contextlib import contextmanager
from enum import Enum
from opacus import PrivacyEngine

parser = argparse.ArgumentParser()
parser.add_argument("--a", action="store_true")
parser.add_argument("--b", action="store_true")
parser.add_argument("--n", type=int)
args = parser.parse_args()


class Box:
    kind = "hooks"

    def __init__(self, mode):
        self.mode = mode

    def put(self, mode, really=True):
        if really:
            self.mode = mode
        return self


class Sub(Box):
    kind = "ew"

    @property
    def both(self):
        return self.mode

    @classmethod
    def make(cls, mode):
        return cls(mode)

    def put(self, mode, really=True):
        self.last = mode
        return super().put(mode, really)


@dataclasses.dataclass
class Conf:
    mode: str = "hooks"
    flag: bool = False


class Kind(Enum):
    FAST = "ghost"
    SLOW = "hooks"


def outer(mode):
    def inner(really=False):
        nonlocal mode
        if really:
            mode = "ew"
        return mode

    return inner


def star(*args, **kwargs):
    return kwargs.get("mode", args[0] if args else "ew")


def logged(f):
    @functools.wraps(f)
    def wrapper(*args, **kwargs):
        return f(*args, **kwargs)

    return wrapper


@logged
def same(mode):
    return mode


def each(modes):
    for mode in modes:
        yield mode


@contextmanager
def using(mode):
    yield mode


def early(flag, mode):
    for m in ("ew", mode):
        if flag:
            return m
    return "ghost"


def pick(flag, mode):
    if flag:
        return "ghost"
    return mode


def change(table, mode="ew"):
    table["mode"] = mode


def private(mode):
    PrivacyEngine().make_private(module=None, optimizer=None, data_loader=None, grad_sample_mode=mode)


mode = other = "hooks"
k, on = 0, False
table, box, items = {"mode": "hooks"}, Box("hooks"), ["hooks"]
spare, crate, row = {}, Box("ew"), []
conf, keep = Conf(), outer("hooks")
"""
TEXTS = st.sampled_from(
    [
        "'ghost'",
        "'hooks'",
        "'ew'",
        "mode",
        "other",
        "table['mode']",
        "table.get('mode', 'ew')",
        "spare.get('mode', 'ew')",
        "box.mode",
        "crate.mode",
        "box.kind",
        "items[-1]",
        "items[0]",
        "pick(args.a, mode)",
        "pick(on, 'ew')",
        "('ghost' if args.b else mode)",
        "('ghost' if on else other)",
        "(mode if k > 1 else 'ew')",
        "(args.a and 'ghost' or other)",
        "('hooks', 'ghost')[args.a]",
        "{True: 'ghost', False: other}[args.b]",
        "getattr(box, 'mode', 'ew')",
        "(lambda x: x)(mode)",
        "[m for m in (mode, other)][0]",
        "next(iter([other]))",
        "max(mode, other)",
        "(mode + other)[:6]",
        "Sub(mode).both",
        "Sub.make(other).mode",
        "Sub(mode).put('ghost', on).both",
        "Sub.kind",
        "conf.mode",
        "Conf(mode).mode",
        "dataclasses.replace(conf, mode=other).mode",
        "Kind.FAST.value",
        "Kind(mode).value",
        "outer(mode)()",
        "outer(mode)(on)",
        "keep()",
        "star(mode)",
        "star(mode=other)",
        "star(**table)",
        "star(*items)",
        "same(mode)",
        "list(each(items))[0]",
        "next(each([mode, other]))",
        "(new := mode)",
        "vars(box)['mode']",
        "str(mode)",
        "dict(a=mode)['a']",
        "[*items, mode][-1]",
        "items[-1:][0]",
        "{m: m for m in items}[items[0]]",
        "copy.deepcopy(table)['mode']",
        "copy.copy(box).mode",
        "early(on, mode)",
        "(table | spare)['mode']",
        "functools.partial(pick, mode='ew')(on)",
        "''.join([mode])",
    ]
)
TESTS = st.sampled_from(
    [
        "args.a",
        "args.b",
        "not args.a",
        "args.a and args.b",
        "args.a or args.b",
        "on",
        "not on",
        "k == 1",
        "k % 2 == 0",
        "k > args.n",
        "mode == 'ghost'",
        "mode != other",
        "mode in ('ghost', 'ew')",
        "'mode' in spare",
        "table['mode'] is not None",
        "len(items) > 1",
        "isinstance(box, Box)",
        "box is crate",
        "args.n == 2",
        "mode.startswith('g')",
        "other",
        "row",
        "conf.flag",
        "conf.mode == Kind.FAST.value",
        "hasattr(box, 'last')",
        "any(m == 'ghost' for m in items)",
        "all([on, args.a])",
        "bool(spare)",
        "k in (1, 2)",
        "1 < k < 3",
        "(size := len(items)) > 1",
        "isinstance(mode, str)",
        "callable(keep)",
    ]
)
SIMPLE = st.one_of(
    st.builds("mode = {}".format, TEXTS),
    st.builds("other = {}".format, TEXTS),
    st.builds("on = {}".format, TESTS),
    st.builds(
        "k = {}".format, st.sampled_from(["0", "k + 1", "args.n", "len(items)", "int(on)", "k * 2 - 1"])
    ),
    st.builds("table['mode'] = {}".format, TEXTS),
    st.builds("spare['mode'] = {}".format, TEXTS),
    st.builds("box.mode = {}".format, TEXTS),
    st.builds("crate.mode = {}".format, TEXTS),
    st.builds("Box.kind = {}".format, TEXTS),
    st.builds("box.kind = {}".format, TEXTS),
    st.builds("items.append({})".format, TEXTS),
    st.builds("items[0] = {}".format, TEXTS),
    st.builds("row = [{}]".format, TEXTS),
    st.builds("change(table, {})".format, TEXTS),
    st.builds("change(spare)".format),
    st.builds("box.put({}, {})".format, TEXTS, TESTS),
    st.builds("mode = box.put({}).mode".format, TEXTS),
    st.builds("table.update(mode={})".format, TEXTS),
    st.builds("table = dict(table, mode={})".format, TEXTS),
    st.builds("table = {{**table, **spare}}".format),
    st.builds("setattr(box, 'mode', {})".format, TEXTS),
    st.builds("box = Box({})".format, TEXTS),
    st.builds("k, mode = 1, {}".format, TEXTS),
    st.builds("*row, mode = other, {}".format, TEXTS),
    st.builds("conf.mode = {}".format, TEXTS),
    st.builds("conf.flag = {}".format, TESTS),
    st.builds("conf = dataclasses.replace(conf, mode={})".format, TEXTS),
    st.builds("keep = outer({})".format, TEXTS),
    st.builds("keep({})".format, TESTS),
    st.builds("with using({}) as mode: pass".format, TEXTS),
    st.builds("box = Sub({})".format, TEXTS),
    st.builds("table |= dict(mode={})".format, TEXTS),
    st.builds("items += [{}]".format, TEXTS),
    st.builds("items[-1:] = [{}]".format, TEXTS),
    st.builds("table.setdefault('mode', {})".format, TEXTS),
    st.builds("globals()['mode'] = {}".format, TEXTS),
    st.sampled_from(
        [
            "k += 1",
            "k -= 1",
            "mode, other = other, mode",
            "table = spare",
            "spare = table",
            "spare = table.copy()",
            "box = crate",
            "box = copy.copy(crate)",
            "for i, mode in enumerate(items): pass",
            "for key, mode in table.items(): pass",
            "for mode in reversed(items): pass",
            "items.reverse()",
            "items.insert(0, mode)",
            "items.extend([mode, other])",
            "items.clear() if len(items) > 2 else None",
            "items = sorted(items)",
            "items = [m for m in items if m != mode] or ['hooks']",
            "spare.update(table)",
            "spare.clear()",
            "del box.mode",
            "box.mode, conf.mode = conf.mode, box.mode",
            "(mode, other), k = (other, mode), 2",
            "crate = box",
            "items = items + [mode]",
            "items = items[1:] or ['ew']",
            "items.pop() if len(items) > 1 else None",
            "spare.pop('mode', None)",
            "private(mode)",
            "private(table['mode'])",
            "private(box.mode)",
        ]
    ),
)


@st.composite
def blocks(draw: st.DrawFn, depth: int = 0, in_loop: bool = False) -> list[str]:
    """Some statements, each as lines that are indented below one another."""
    lines: list[str] = []
    for _ in range(draw(st.integers(1, 4 if depth else 6))):
        kind = draw(st.sampled_from(["simple"] * 4 + ["if", "loop", "while", "try", "def"]))
        if in_loop and kind == "def":
            kind = "leave"
        if depth == MAX_DEPTH and kind != "leave":
            kind = "simple"
        if kind == "simple":
            lines.append(draw(SIMPLE))
        elif kind == "leave":
            lines += [f"if {draw(TESTS)}:", "    " + draw(st.sampled_from(["break", "continue"]))]
        elif kind == "if":
            lines += [f"if {draw(TESTS)}:", *_inside(draw(blocks(depth + 1, in_loop)))]
            if draw(st.booleans()):
                lines += [f"elif {draw(TESTS)}:", *_inside(draw(blocks(depth + 1, in_loop)))]
            if draw(st.booleans()):
                lines += ["else:", *_inside(draw(blocks(depth + 1, in_loop)))]
        elif kind == "loop":
            head = draw(
                st.sampled_from(
                    [
                        "for _ in range(args.n):",
                        "for mode in ('ghost', 'hooks'):",
                        "for other in list(items):",
                    ]
                )
            )
            lines += [head, *_inside(draw(blocks(depth + 1, True)))]
        elif kind == "while":
            # The counter that ends it is its own, so that every program ends.
            name = f"turns{depth}"
            inner = draw(blocks(depth + 1, True))
            lines += [f"{name} = 0", f"while {name} < args.n:", f"    {name} += 1", *_inside(inner)]
        elif kind == "try":
            lines += ["try:", *_inside(draw(blocks(depth + 1, in_loop)))]
            if draw(st.booleans()):
                lines += [f"    if {draw(TESTS)}:", "        raise KeyError"]
            lines += ["except Exception:", *_inside(draw(blocks(depth + 1, in_loop)))]
            if draw(st.booleans()):
                lines += ["finally:", *_inside([draw(SIMPLE)])]
        else:
            inner = draw(blocks(MAX_DEPTH))
            lines += [
                "def step(mode, flag=args.b):",
                "    global other, k, on, table, box, items, spare, crate, row, conf, keep",
                *_inside(inner),
                f"    return {draw(TEXTS)}",
                f"mode = step({draw(TEXTS)})",
            ]
    return lines


def _inside(lines: list[str]) -> list[str]:
    return ["    " + line for line in lines]


PROGRAMS = blocks().map(lambda lines: HEAD + "\n".join([*lines, "private(mode)"]) + "\n")


def outcomes(program: str) -> set[str]:
    """The modes that a program makes runs in, under any of its arguments; what raises ends there."""
    seen: set[str] = set()
    code = compile(program, "train.py", "exec")
    for a, b, n in itertools.product((False, True), (False, True), COUNTS):
        _run(code, Namespace(a=a, b=b, n=n), seen.add)
    return seen


def _run(code: Any, arguments: Namespace, record: Callable[[str], None]) -> None:
    class PrivacyEngine:
        def make_private(self, **given: Any) -> None:
            record(given["grad_sample_mode"])

    class ArgumentParser:
        def add_argument(self, *_: Any, **__: Any) -> None: ...

        def parse_args(self) -> Namespace:
            return arguments

    stand_ins = {
        "opacus": {"PrivacyEngine": PrivacyEngine},
        "argparse": {"ArgumentParser": ArgumentParser},
    }
    with replaced_modules(stand_ins), suppress(LookupError, AttributeError, TypeError, ValueError):
        exec(code, {"__name__": "__main__"})
