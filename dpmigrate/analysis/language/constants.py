"""What constants compute to, for every combination of what the operands can be."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from math import prod
from typing import Any

import libcst as cst

from dpmigrate.analysis.batches import batches_of
from dpmigrate.analysis.core import Interpreter
from dpmigrate.analysis.domain.atoms import Atom, Batch, Const, Params, Unknown
from dpmigrate.analysis.domain.values import Entry, Seq, Value, is_large, merge_entries, of
from dpmigrate.analysis.guards import ALWAYS, Guard, contradict, shorten
from dpmigrate.analysis.language.holding import parameter_of
from dpmigrate.analysis.ledger import OF_CONSTANTS

MAX_COMBINATIONS = 8
"""Beyond these the result is unknown."""


def of_constants(values: Iterable[Value]) -> bool:
    """Whether whoever reads the program can work out all of these values."""
    return all(
        bool(value)
        and all(
            (isinstance(a, Const) and a.value is not None)
            or (isinstance(a, Unknown) and a.reason == OF_CONSTANTS)
            for a in value.atoms
        )
        for value in values
    )


def computed(
    ip: Interpreter,
    node: cst.CSTNode,
    operands: Sequence[Value],
    compute: Callable[..., Any],
    text: str = "computed",
) -> Value:
    """The results of ``compute`` on every combination of constants, each under its assumptions.

    Combinations that hold something else, or that ``compute`` refuses, are one unknown.
    """
    combinations = prod(len(operand.entries) for operand in operands)
    # In a loop, one of several values may be what was computed the time before.
    unsettled = ip.loops and any(operand.only is None for operand in operands)
    if not 0 < combinations <= MAX_COMBINATIONS or unsettled:
        return opaque(ip, node, operands)
    origin = ip.origin(node, text)
    entries_made: list[Entry] = []
    for entries in itertools.product(*(operand.entries for operand in operands)):
        guard: Guard = ALWAYS
        for e in entries:
            if contradict(guard, e.guard):
                break
            guard |= e.guard
        else:
            guard = shorten(guard)
            values = [e.atom.value for e in entries if isinstance(e.atom, Const)]
            try:
                if len(values) < len(entries):
                    raise TypeError("not all of them are constants")
                result = compute(*values)
                if is_large(result):
                    raise ValueError("too large a value")
                because = tuple(dict.fromkeys(o for e in entries for o in e.because))[-3:]
                entries_made.append(Entry(Const(result), guard, (*because, origin)))
            except (TypeError, ValueError, ArithmeticError, LookupError, AttributeError):
                entries_made += opaque(ip, node, [Value((e,)) for e in entries]).guarded(guard).entries
    return merge_entries(entries_made)


LEAVES_THE_GRAPH = ("item", "tolist", "numpy", "size", "dim", "numel", "argmax")
"""What gives numbers of a tensor that have no gradient."""


def params_in_value(value: Value) -> Iterator[Params]:
    """The parameters that are in a value, or went into what is unknown of it; not their gradients or data."""
    for atom in value.atoms:
        parts: Iterable[Atom | None] = (atom,)
        if isinstance(atom, Unknown):
            parts = (*atom.parts, parameter_of(atom))
        of_parameters = (part for part in parts if isinstance(part, Params))
        yield from (part for part in of_parameters if not part.of_gradient and not part.detached)


def opaque(
    ip: Interpreter, node: cst.CSTNode, operands: Sequence[Value], *, never_none: bool = True
) -> Value:
    """The unknown result of a computation, which keeps what a penalty would come from, and its batches."""
    parts: set[Atom] = set()
    for atom in (a for operand in operands for a in operand.atoms):
        if isinstance(atom, Unknown):
            parts |= {part for part in atom.parts if not isinstance(part, Batch)}
        inner = atom.each() if isinstance(atom, Seq) else of(atom)
        parts |= set(params_in_value(inner))
    reason = OF_CONSTANTS if of_constants(operands) else "a computation"
    return ip.unknown(node, reason, batches_of(ip, operands).union(parts), never_none)
