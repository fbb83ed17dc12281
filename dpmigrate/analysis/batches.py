"""Batches of loaders, and what is made of them: which loader fed a model is known from values.

What a loader gives is an unknown that has a `Batch` among its parts, and whatever is computed from it keeps
that, sizes and the like apart. A model that is given it makes a tensor that remembers the `ForwardPass`.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import replace

import libcst as cst

from dpmigrate.analysis.core import Interpreter
from dpmigrate.analysis.domain.atoms import (
    A_LENGTH,
    Atom,
    Batch,
    Const,
    ForwardPass,
    Length,
    Obj,
    Tensor,
    Unknown,
    is_number,
)
from dpmigrate.analysis.domain.values import Entry, Seq, Value, merge_entries
from dpmigrate.analysis.guards import Guard, contradict, together
from dpmigrate.analysis.registry import CallInfo

MAX_TOGETHER = 8
"""Batches, and forward passes, behind one value; beyond them nothing is known of what fed it."""
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


def kind_of_number(atom: Atom) -> str:
    """What a number is to a loss: "-size", that of its batch, "-number", always the same, or neither, ""."""
    if isinstance(atom, Const) and is_number(atom.value):
        return "-number"
    lengths = [part for part in atom.parts if isinstance(part, Length)] if isinstance(atom, Unknown) else []
    if len(lengths) != 1 or not isinstance(atom, Unknown) or atom.reason != A_LENGTH:
        return ""
    length, whole = lengths[0], lengths[0].of
    if isinstance(whole, Obj) and (whole.kind == "dataset" or whole.kind.endswith("loader")):
        return "-number"
    of_batch = isinstance(whole, Unknown) and any(isinstance(part, Batch) for part in whole.parts)
    return "-size" if of_batch and length.power == 1 and not (length.in_batches or length.over_one) else ""


def of_taken(symbol: Hashable) -> frozenset[Batch]:
    """The batches that something unknown was made of, as its symbol has them, which its size has not."""
    while isinstance(symbol, tuple) and len(symbol) == 3 and symbol[1] == ".":
        symbol = symbol[0]
    held = [part for part in symbol if isinstance(part, frozenset)] if isinstance(symbol, tuple) else []
    return frozenset(part for parts in held for part in parts if isinstance(part, Batch))


def batches_of(ip: Interpreter, values: Iterable[Value], depth: int = 3) -> frozenset[Batch]:
    """The batches that some values together were made of, each with what has to be so for it."""
    made_of: set[Batch] = set()
    for value in values:
        ways = [(batches_in(ip, e.atom, depth), e.guard) for e in value.entries]
        everywhere = frozenset.intersection(*(batches for batches, _ in ways)) if ways else _NONE
        if everywhere:
            made_of |= _under(everywhere, frozenset.intersection(*(guard for _, guard in ways)))
        for batches, guard in ways:
            made_of |= _under(batches - everywhere, guard)
    return frozenset(made_of) if len(made_of) <= MAX_TOGETHER else _NONE


def _under(batches: frozenset[Batch], guard: Guard) -> frozenset[Batch]:
    """Batches under one more assumption."""
    if not guard:
        return batches
    return frozenset(
        replace(batch, guard=together(batch.guard, guard))
        for batch in batches
        if not contradict(batch.guard, guard)
    )


def passes_through(ip: Interpreter, model: Atom, info: CallInfo) -> frozenset[ForwardPass]:
    """The passes behind what a model makes of its arguments, the one through the model itself included."""
    arguments = [*info.everything(), *info.spread]
    batches = batches_of(ip, arguments)
    through = [ForwardPass(model, batches)] if batches else []
    return _few(passes_behind(arguments).union(through))


def passes_behind(values: Iterable[Value]) -> frozenset[ForwardPass]:
    """The passes behind what several values make together, each where the value is the tensor that it fed."""
    tensors = [(e.atom, e.guard) for value in values for e in value.entries if isinstance(e.atom, Tensor)]
    graphs = _with_a_graph([tensor for tensor, _ in tensors])
    each = [(one, guard) for tensor, guard in tensors if tensor in graphs for one in tensor.passes]
    return _few(
        frozenset(replace(one, batches=_under(one.batches, guard)) if guard else one for one, guard in each)
    )


def joined(tensors: Iterable[Tensor]) -> frozenset[ForwardPass]:
    """The passes behind what several tensors make that are all there."""
    return _few(frozenset[ForwardPass]().union(*(t.passes for t in _with_a_graph(list(tensors)))))


def _with_a_graph(tensors: list[Tensor]) -> list[Tensor]:
    """Those through which a gradient flows; where there is none, what all of them were made of."""
    return [tensor for tensor in tensors if not tensor.detached] or tensors


def _few(passes: frozenset[ForwardPass]) -> frozenset[ForwardPass]:
    return passes if len(passes) <= MAX_TOGETHER else frozenset()
