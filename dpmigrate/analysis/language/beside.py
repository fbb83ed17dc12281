"""Calls of code beside the private runs: each has a share of what is left of the budget, and no more.

A framework in the project's own tree (a launcher, a transport, a tracker) would use it all up before the
training that it is there for is come to. No import leads from there to where a run may be made, it makes
nothing of torch, and nothing that a run is made of goes in: what is not followed there counts as a package's
code does. It is said all the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import libcst as cst

from dpmigrate.analysis import core
from dpmigrate.analysis.core import Interpreter
from dpmigrate.analysis.domain.atoms import Atom, Obj, Params, Tensor, Unknown
from dpmigrate.analysis.domain.values import Bound, Class, Function, Partial, Seq, Value
from dpmigrate.analysis.notes import Slot
from dpmigrate.analysis.registry import CallInfo

SHARE = 8
"""A function beside the runs may take one part in so many of the steps of a root, in all of its calls."""
DEPTH = 3
"""How deeply what goes into a call is looked through."""
_HOLDERS = frozenset(["instance", "dict", "namespace", "record"])
"""Kinds of objects that are what their attributes and entries are."""
_PLAIN = frozenset(["enum", "parser", "path", "logger"])
"""Kinds of objects that no run is made of."""


@dataclass(slots=True)
class _Shares:
    """What the calls beside the runs had so far."""

    limit: int | None = None
    """The step beyond which the call that is being followed enters no other; None outside of any."""
    steps: dict[cst.CSTNode, int] = field(default_factory=dict)
    """By function: the steps that its calls took in the current root."""
    used_up: set[cst.CSTNode] = field(default_factory=set)
    """The functions that came to the end of their share in some root: they are not entered again."""
    left_out: bool = False
    """Whether something was not followed in the current root."""


_SHARES: Slot[_Shares] = Slot(_Shares)
"""What the calls beside the runs had so far."""


def root_entered(ip: Interpreter) -> None:
    """Another root is entered, with a budget of its own."""
    shares = _SHARES.of(ip)
    shares.left_out = False
    shares.steps.clear()


def left_something_out(ip: Interpreter) -> bool:
    """Whether a call beside the runs was not followed to its end in the current root."""
    return _SHARES.of(ip).left_out


def had_its_share(ip: Interpreter, fn: Function) -> bool:
    """Whether a function is not entered, since a call beside the runs has had its share of the budget."""
    shares = _SHARES.of(ip)
    beyond = shares.limit is not None and ip.steps > shares.limit
    if beyond or fn.node in shares.used_up:
        shares.left_out = True
        return True
    return False


@contextmanager
def sharing(ip: Interpreter, fn: Function, info: CallInfo, receiver: Atom | None) -> Iterator[None]:
    """Follow a call within its share, where it is one beside the runs; within all that is left elsewhere."""
    shares = _SHARES.of(ip)
    if shares.limit is not None or not _is_beside(ip, fn, info, receiver):
        yield
        return
    begun, before = ip.steps, shares.steps.get(fn.node, 0)
    shares.limit = begun + core.MAX_STEPS // SHARE - before
    try:
        yield
    finally:
        shares.steps[fn.node] = before + ip.steps - begun
        if ip.steps > shares.limit:
            shares.used_up.add(fn.node)
        shares.limit = None


def _is_beside(ip: Interpreter, fn: Function, info: CallInfo, receiver: Atom | None) -> bool:
    if fn.module.key not in ip.beside or (receiver is not None and _matters(ip, receiver, DEPTH)):
        return False
    return not any(_matters(ip, atom, DEPTH) for value in info.everything() for atom in value.atoms)


def _matters(ip: Interpreter, atom: Atom, depth: int) -> bool:
    """Whether something is, or leads to, what a run is made of: objects of torch, code that may make one."""
    if isinstance(atom, (Function, Class)):
        return atom.module.key not in ip.beside
    if isinstance(atom, (Tensor, Params)):
        return True
    if depth == 0:
        return False
    inside: list[Atom] = []
    if isinstance(atom, Obj):
        if atom.kind not in _HOLDERS:
            return atom.kind not in _PLAIN
        if isinstance(atom.data, Class) and atom.data.module.key not in ip.beside:
            return True
        held = [ip.store.get(atom, slot) for slot in ip.store.keys(atom)]
        inside = [a for value in held if value is not None for a in value.atoms]
    elif isinstance(atom, Bound):
        inside = [atom.receiver, *([atom.function] if atom.function is not None else [])]
    elif isinstance(atom, Partial):
        inside = _atoms(atom.function, *atom.positional, *(value for _, value in atom.keywords))
    elif isinstance(atom, Seq):
        inside = list(atom.each().atoms)
    elif isinstance(atom, Unknown):
        inside = list(atom.parts)
    return any(_matters(ip, part, depth - 1) for part in inside)


def _atoms(*values: Value) -> list[Atom]:
    return [atom for value in values for atom in value.atoms]
