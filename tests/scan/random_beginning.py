"""What random programs that choose a mode begin with: options, classes, functions, and first values."""

from __future__ import annotations

HEAD = """\
import argparse
import copy
import dataclasses
import functools
import sys
from contextlib import contextmanager, suppress
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


class Guarded:
    __slots__ = ("_mode", "asked")
    made = 0

    def __init__(self, mode):
        self._mode, self.asked = mode, 0
        Guarded.made += 1

    @property
    def mode(self):
        self.asked += 1
        return self._mode

    @mode.setter
    def mode(self, mode):
        if mode != "ew":
            self._mode = mode

    def __call__(self, mode):
        return self._mode if mode == "hooks" else mode

    def __getitem__(self, name):
        return self._mode if name == "mode" else "ew"

    def __bool__(self):
        return self._mode == "ghost"

    def __contains__(self, mode):
        return self._mode == mode

    def __enter__(self):
        return self._mode

    def __exit__(self, kind, error, trace):
        self._mode = "hooks"
        return kind is KeyError


def down(turns, mode):
    if turns <= 0:
        return mode
    return down(turns - 1, "ghost" if mode == "hooks" else mode)


def counted():
    times = 0

    def count(mode):
        nonlocal times
        times += 1
        return "ghost" if times > 2 else mode

    return count


def found(modes, flag):
    for mode in modes:
        if flag and mode == "hooks":
            continue
        return mode
    else:
        return "ew"


def risky(flag, mode):
    try:
        if flag:
            raise ValueError(mode)
        return "hooks"
    except ValueError as error:
        return error.args[0]
    finally:
        Box.last_risk = mode


def some(modes):
    for mode in modes:
        if mode != "ew":
            yield mode
    yield from modes[:1]


def kept(mode, seen=[]):
    seen.append(mode)
    return seen[0]


def fill(modes, mode):
    modes.append(mode)
    return modes


def filled(mode):
    items.append(mode)
    return items[0]


def named(first, /, *rest, flag=False, **more):
    return (more["mode"] if flag else first) if more else (rest or (first,))[-1]


def private(mode):
    PrivacyEngine().make_private(module=None, optimizer=None, data_loader=None, grad_sample_mode=mode)


mode = other = "hooks"
k, on = 0, False
table, box, items = {"mode": "hooks"}, Box("hooks"), ["hooks"]
spare, crate, row = {}, Box("ew"), []
conf, keep = Conf(), outer("hooks")
guarded, bump = Guarded("hooks"), counted()
"""
