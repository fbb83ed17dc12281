"""Batches of loaders, and what is made of them: which loader fed a model is known from values.

What a loader gives is an unknown that has a `Batch` among its parts, and whatever is computed from it keeps
that, sizes and the like apart. A model that is given it makes a tensor that remembers the `ForwardPass`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import libcst as cst

from dpmigrate.analysis.atoms import Atom, Batch, Const, ForwardPass, Obj, Tensor, Unknown
from dpmigrate.analysis.core import Interpreter
from dpmigrate.analysis.guards import ALWAYS, Guard, contradict, together
from dpmigrate.analysis.library.registry import CallInfo
from dpmigrate.analysis.values import MAX_CASES, Entry, Seq, Value, merge_entries

MAX_PASSES = 8
"""Forward passes that are told apart; beyond them nothing is known of what fed a tensor."""
_NONE: frozenset[Batch] = frozenset()

NO_RECORDS = frozenset(
    [
        *("size", "dim", "ndim", "shape", "numel", "nelement", "ndimension", "stride", "element_size"),
        *("device", "dtype", "get_device", "is_cuda", "requires_grad", "keys", "index"),
        *("new_zeros", "new_ones", "new_empty", "new_full"),
    ]
)
"""What has nothing of the records in it: sizes and kinds of a tensor, and new tensors of its size."""


def without_records(name: str) -> bool:
    """Whether what a name gives of a batch has nothing of its records in it."""
    return name in NO_RECORDS or name.endswith("_like")


def taken(ip: Interpreter, loader: Atom, node: cst.CSTNode) -> Batch:
    """The mark of a batch that is taken of a loader at a node."""
    return Batch(loader, ip.origin(node), (id(node), ip.context))


def marked(value: Value, batches: frozenset[Batch]) -> Value:
    """A value as what was made of batches."""
    if not batches:
        return value
    return merge_entries(Entry(_marked(e.atom, batches), e.guard, e.because) for e in value.entries)


def _marked(atom: Atom, batches: frozenset[Batch]) -> Atom:
    if isinstance(atom, Unknown) and not batches <= atom.parts:
        return Unknown((atom.symbol, "of", batches), atom.reason, atom.parts | batches)
    if isinstance(atom, Seq):
        items = tuple(marked(item, batches) for item in atom.items) if atom.items is not None else None
        return replace(atom, items=items, element=marked(atom.element, batches) if atom.element else None)
    if isinstance(atom, Const):
        return Unknown((atom, "of", batches), "a record", batches)
    return atom


def batches_in(ip: Interpreter, atom: Atom, depth: int = 3) -> frozenset[Batch]:
    """The batches that something was made of."""
    if isinstance(atom, Unknown):
        return frozenset(part for part in atom.parts if isinstance(part, Batch)) if atom.parts else _NONE
    if isinstance(atom, Tensor):
        return _NONE.union(*(one.batches for one in atom.passes)) if atom.passes else _NONE
    if not depth:
        return _NONE
    if isinstance(atom, Seq):
        held = atom.items if atom.items is not None else (atom.element,)
        return batches_of(ip, (value for value in held if value), depth - 1)
    if isinstance(atom, Obj) and atom.kind == "dict":
        slots = (ip.read(atom, slot) for slot in ip.store.keys(atom))
        return batches_of(ip, (value for value in slots if value), depth - 1)
    return _NONE


def batches_of(ip: Interpreter, values: Iterable[Value], depth: int = 3) -> frozenset[Batch]:
    """The batches that any of some values was made of."""
    return _NONE.union(*(batches_in(ip, a, depth) for value in values for a in value.atoms))


def passes_through(ip: Interpreter, model: Atom, info: CallInfo) -> frozenset[ForwardPass]:
    """The passes behind what a model makes of its arguments, the one through the model itself included."""
    arguments = [*info.everything(), *info.spread]
    before = passes_behind(arguments)
    ways: list[tuple[Guard, frozenset[Batch]]] = [(ALWAYS, _NONE)]
    for value in arguments:
        given = {(batches_in(ip, e.atom), e.guard) for e in value.entries}
        told = {batches for batches, _ in given}
        if told <= {_NONE}:
            continue
        if len(told) == 1:
            given = {(told.pop(), frozenset.intersection(*(guard for _, guard in given)))}
        ways = [
            (together(guard, more), batches | those)
            for guard, batches in ways
            for those, more in given
            if not contradict(guard, more)
        ]
        if len(ways) > MAX_CASES:
            return frozenset()
    through = (ForwardPass(model, batches, guard) for guard, batches in ways if batches)
    return _few(before.union(through))


def passes_behind(values: Iterable[Value]) -> frozenset[ForwardPass]:
    """The passes behind what several values make together, each where the value is the tensor that it fed."""
    return _few(
        frozenset(
            replace(one, guard=together(one.guard, e.guard)) if e.guard else one
            for value in values
            for e in value.entries
            if isinstance(e.atom, Tensor)
            for one in e.atom.passes
        )
    )


def joined(tensors: Iterable[Tensor]) -> frozenset[ForwardPass]:
    """The passes behind what several tensors make that are all there."""
    return _few(frozenset[ForwardPass]().union(*(t.passes for t in tensors)))


def _few(passes: frozenset[ForwardPass]) -> frozenset[ForwardPass]:
    return passes if len(passes) <= MAX_PASSES else frozenset()
