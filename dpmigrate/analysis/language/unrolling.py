"""Which iterables are short and telling enough to be followed item by item."""

from __future__ import annotations

from collections.abc import Sequence

from dpmigrate.analysis.core import MAX_UNROLL, Interpreter
from dpmigrate.analysis.domain.atoms import Absent, Const, External, Obj
from dpmigrate.analysis.domain.values import Bound, Class, Function, Partial, Seq, Value, const, of
from dpmigrate.analysis.language.classes import is_enum, members_of
from dpmigrate.analysis.language.items import entries_of


def worth_unrolling(ip: Interpreter, value: Value) -> Sequence[Value] | None:
    """The items of something iterated over, each on its own; None where one stands for all."""
    items = exact_items(ip, value)
    if items is None or not 0 < len(items) <= MAX_UNROLL:
        return None
    return items if len(items) == 1 or any(map(_telling, items)) else None


def exact_items(ip: Interpreter, value: Value) -> Sequence[Value] | None:
    """Every item of something iterated over, in order; None where they are not all known."""
    atom = value.only
    if isinstance(atom, Seq):
        return atom.items
    if isinstance(atom, Const) and isinstance(atom.value, str) and len(atom.value) <= MAX_UNROLL:
        return [const(letter) for letter in atom.value]
    if isinstance(atom, Class) and is_enum(atom):
        members = [of(e.atom, *e.because) for e in members_of(ip, atom, atom.node).entries]
        return members or None
    if not isinstance(atom, Obj) or atom.kind not in ("dict", "dict-items"):
        return None
    named, more = entries_of(ip, atom if atom.kind == "dict" else atom.data)
    if more or any(isinstance(a, Absent) for held in named.values() for a in held.atoms):
        return None
    if atom.kind == "dict":
        return [const(key) for key in named]
    return [of(Seq((const(key), held))) for key, held in named.items()]


def _telling(value: Value) -> bool:
    return any(
        isinstance(a, (Function, Bound, Partial, Class, Obj, External))
        or (isinstance(a, Const) and isinstance(a.value, (str, bool)))
        or (isinstance(a, Seq) and a.items is not None and any(map(_telling, a.items)))
        for a in value.atoms
    )
