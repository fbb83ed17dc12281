"""Assignment to every kind of target, what is taken apart, and what a loop yields."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence

import libcst as cst

from dpmigrate.analysis import registry
from dpmigrate.analysis.batches import marked
from dpmigrate.analysis.core import Interpreter
from dpmigrate.analysis.domain.atoms import (
    SOME,
    Atom,
    Batch,
    Const,
    Module,
    Obj,
    Params,
    Tensor,
    Unknown,
    deeper,
    dict_key,
)
from dpmigrate.analysis.domain.store import ABSENT
from dpmigrate.analysis.domain.values import (
    Entry,
    Seq,
    Value,
    const,
    join_all,
    merge_entries,
    of,
)
from dpmigrate.analysis.guards import doubt
from dpmigrate.analysis.language.attributes import (
    get_attribute,
    part_of_unknown,
    set_attribute,
    set_part_of_unknown,
    written_to_one,
)
from dpmigrate.analysis.language.classes import named_fields
from dpmigrate.analysis.language.outcomes import Branch, told
from dpmigrate.analysis.language.shared_lists import changed_in_place


def assign_name(ip: Interpreter, name: str, value: Value) -> None:
    """Bind a name in the scope that Python would."""
    ip.store.set(_scope_of(ip, name), name, value)


def _scope_of(ip: Interpreter, name: str) -> Hashable:
    frame = ip.frame
    where = frame.foreign.get(name)
    owner: Hashable = frame.owner
    if where == "global":
        owner = ("module", frame.module.key)
    elif where == "nonlocal":
        scope = frame.closure
        while scope is not None:
            if not scope.is_class_body and ip.store.get(scope.owner, name) is not None:
                owner = scope.owner
                break
            scope = scope.closure
    return owner


def write_told(ip: Interpreter, branch: Branch) -> None:
    """On one way of a test: the names and attributes in it hold what it tells of them."""
    for target, value in branch.rebinds:
        if isinstance(target, cst.Name):
            told(ip, _scope_of(ip, target.value), target.value, value)
        elif isinstance(target, cst.Attribute):
            owner = ip.evaluate(target.value)
            if len(owner.entries) == 1 and isinstance(owner.only, Obj):
                told(ip, owner.only, target.attr.value, value)


def assign_target(ip: Interpreter, target: cst.CSTNode, value: Value) -> None:
    """Assign to any target."""
    if isinstance(target, cst.Name):
        assign_name(ip, target.value, value)
    elif isinstance(target, cst.Attribute):
        set_attribute(ip, ip.evaluate(target.value), target.attr.value, value, target)
    elif isinstance(target, cst.Subscript):
        set_item(ip, target, value)
    elif isinstance(target, (cst.Tuple, cst.List)):
        _assign_many(ip, target, value)
    elif isinstance(target, (cst.StarredElement, cst.Element)):
        assign_target(ip, target.value, value)


def _assign_many(ip: Interpreter, target: cst.Tuple | cst.List, value: Value) -> None:
    stars = [i for i, e in enumerate(target.elements) if isinstance(e, cst.StarredElement)]
    parts = unpack(ip, target, value, len(target.elements), stars[0] if stars else None)
    for element, part in zip(target.elements, parts, strict=True):
        assign_target(ip, element.value, part)


def unpack(ip: Interpreter, node: cst.CSTNode, value: Value, count: int, star: int | None) -> list[Value]:
    """The values that ``count`` targets get; an alternative that does not fit raises, so is left out."""
    columns: list[list[Value]] = [[] for _ in range(count)]
    for e in value.entries:
        row = _unpack_atom(ip, e, node, count, star)
        if row is not None:
            for column, part in zip(columns, row, strict=True):
                column.append(part.guarded(e.guard))
    out = []
    for i, column in enumerate(columns):
        joined = join_all(column)
        out.append(
            joined or of(Unknown(("unpack", id(node), ip.context, i), "unpacked from something unknown"))
        )
    return out


def _unpack_atom(
    ip: Interpreter, e: Entry, node: cst.CSTNode, count: int, star: int | None
) -> list[Value] | None:
    atom = e.atom
    if isinstance(atom, Obj) and atom.kind in ("private-result", "instance"):
        handler = registry.METHODS[atom.kind, "<unpack>"]
        info = registry.CallInfo(node, [const(count), const(star)])
        result = handler(ip, info, e).only
        if atom.kind == "private-result":
            return list(result.items) if isinstance(result, Seq) and result.items is not None else None
        atom = result if isinstance(result, Seq) else atom
    atom = as_tuple(ip, atom, node)
    if isinstance(atom, Seq):
        if atom.items is None:
            return [atom.each()] * count
        n = len(atom.items)
        if star is None:
            return list(atom.items) if n == count else None
        if n < count - 1:
            return None
        tail = count - star - 1
        middle = of(Seq(atom.items[star : n - tail], None, True))
        return [*atom.items[:star], middle, *(atom.items[n - tail :] if tail else ())]
    if isinstance(atom, Const):
        return None
    if isinstance(atom, Tensor):
        return [of(atom)] * count
    if isinstance(atom, Unknown):
        return [of(Unknown(deeper(atom.symbol, i), atom.reason, atom.parts)) for i in range(count)]
    element = iterate(ip, Value((e,)), node)
    return [element] * count


def as_tuple(ip: Interpreter, atom: Atom, node: cst.CSTNode) -> Atom:
    """A named tuple as the plain one that it is; anything else as it came."""
    fields = named_fields(atom)
    if fields is None:
        return atom
    return Seq(tuple(get_attribute(ip, of(atom), name, node) for name in fields))


def iterate(ip: Interpreter, value: Value, node: cst.CSTNode) -> Value:
    """What a loop over the value yields."""
    parts: list[Value] = []
    for e in value.entries:
        atom = e.atom
        if isinstance(atom, Seq):
            parts.append(as_taken(ip, e, atom.any_one(), node).guarded(e.guard))
        elif isinstance(atom, Params):
            parts.append(Value((e,)))
        elif isinstance(atom, Obj):
            handler = registry.ITERATION.get(atom.kind)
            if handler is not None:
                parts.append(handler(ip, e, node).guarded(e.guard))
            else:
                parts.append(of(Unknown((atom.key, "element"), "element")))
        elif isinstance(atom, Unknown):
            put = part_of_unknown(ip, atom, SOME)
            if put:
                parts.append(put.guarded(e.guard | {doubt(atom.symbol, SOME)}))
                continue
            element = of(Unknown(deeper(atom.symbol, "element"), atom.reason, atom.parts), guard=e.guard)
            parts.append(as_taken(ip, e, element, node))
        elif isinstance(atom, Tensor):
            parts.append(Value((e,)))
    return join_all(parts) or ip.unknown(node, "element of something unknown")


def as_taken(ip: Interpreter, e: Entry, element: Value, node: cst.CSTNode) -> Value:
    """An element of something that is no loader by itself, as a batch where runs know it for one."""
    if not ip.runs:
        return element
    told = registry.tell_hooks(ip, "<iterated>", registry.CallInfo(node, [Value((e,))]))
    return marked(element, frozenset(atom for atom in told.atoms if isinstance(atom, Batch)))


def set_item(ip: Interpreter, target: cst.Subscript, value: Value) -> None:
    """``container[key] = value``."""
    inner = target.value
    if isinstance(inner, cst.Attribute) and inner.attr.value == "grad":
        registry.tell_hooks(
            ip, "<gradient assignment>", registry.CallInfo(target, [ip.evaluate(inner.value), value])
        )
    container = ip.evaluate(target.value)
    if any(isinstance(a, Tensor) for a in container.atoms):
        registry.tell_hooks(ip, "<changed by an operator>", registry.CallInfo(target, [container, value]))
    if ip.runs:
        registry.tell_hooks(ip, "<item assigned>", registry.CallInfo(target, [container], {"value": value}))
    key = subscript_key(ip, target)
    put = None
    if _is_part(target):
        put, value = parts_in_order(ip, value, target), iterate(ip, value, target)
    constant = key.only if key is not None else None
    owners = [e for e in container.entries if isinstance(e.atom, Obj)]
    if isinstance(container.only, Unknown):
        part = repr(constant.value) if isinstance(constant, Const) else SOME
        set_part_of_unknown(ip, container.only, part, value)
    if isinstance(container.only, Module) and isinstance(constant, Const) and isinstance(constant.value, str):
        set_attribute(ip, container, constant.value, value, target)
    for e in owners:
        handler = registry.METHODS.get((e.atom.kind, "<set item>")) if isinstance(e.atom, Obj) else None
        if handler is not None and key is not None:
            handler(ip, registry.CallInfo(target, [key, value]), e)
        slot: Hashable = dict_key(constant) or "rest"
        before = ip.store.get(e.atom, slot)
        strong = len(owners) == 1 and slot != "rest"
        if slot == "rest" and _makes_private(value):
            ip.store.set(e.atom, slot, value.guarded(frozenset({doubt("each", e.atom)})))
            continue
        ip.store.set(e.atom, slot, value if strong else written_to_one(ip, e, before or ABSENT, value))
    place = part_of_sequence(ip, target) if put is not None else None
    _change_sequences(ip, target, container, lambda atom: _with_item(atom, constant, value, place, put or ()))


def delete_item(ip: Interpreter, target: cst.Subscript) -> None:
    """``del container[key]``."""
    container, key = ip.evaluate(target.value), subscript_key(ip, target)
    slot = dict_key(key.only) if key is not None else None
    for atom in container.atoms:
        if isinstance(atom, Obj) and slot is not None:
            ip.store.set(atom, slot, ABSENT)
    index = key.only.value if key is not None and isinstance(key.only, Const) else None
    place = slice(index, index + 1 or None) if type(index) is int else part_of_sequence(ip, target)
    _change_sequences(
        ip, target, container, lambda atom: _spliced(atom, place, ()) or _of_unknown_number(atom)
    )


def _change_sequences(
    ip: Interpreter, target: cst.Subscript, container: Value, change: Callable[[Seq], Seq]
) -> None:
    """Assign what a container is after each list in it has changed."""
    if not any(isinstance(a, Seq) for a in container.atoms):
        return
    changed = merge_entries(
        Entry(change(e.atom) if isinstance(e.atom, Seq) else e.atom, e.guard, e.because)
        for e in container.entries
    )
    if isinstance(target.value, cst.Subscript):
        set_item(ip, target.value, changed)
    else:
        changed_in_place(ip, target.value, changed)


def _is_part(node: cst.Subscript) -> bool:
    return len(node.slice) == 1 and isinstance(node.slice[0].slice, cst.Slice)


def part_of_sequence(ip: Interpreter, node: cst.CSTNode) -> slice | None:
    """What ``[1:]`` is about; None where a bound is not known, and for anything else."""
    index = node.slice[0].slice if isinstance(node, cst.Subscript) and len(node.slice) == 1 else None
    if not isinstance(index, cst.Slice):
        return None
    given = (index.lower, index.upper, index.step)
    bounds = [ip.evaluate(bound).only if bound is not None else Const(None) for bound in given]
    numbers = [b.value for b in bounds if isinstance(b, Const) and (b.value is None or type(b.value) is int)]
    return None if len(numbers) < len(given) or numbers[2] == 0 else slice(*numbers)


def _spliced(atom: Seq, place: slice | None, put: Sequence[Value]) -> Seq | None:
    """A list after a part of it was replaced; None where what that leaves is not known, or it is an error."""
    if atom.items is None or place is None:
        return None
    items = list(atom.items)
    try:
        items[place] = put
    except ValueError:
        return None
    return Seq(tuple(items), None, atom.mutable)


def _of_unknown_number(atom: Seq) -> Seq:
    return Seq(None, atom.each(), atom.mutable)


def _makes_private(value: Value) -> bool:
    """Whether objects of a run are put into a container: a loop that does so does it for each of them."""
    return any(isinstance(a, Obj) and a.kind.startswith("dp-") for a in value.atoms)


def _with_item(atom: Seq, key: Atom | None, value: Value, place: slice | None, put: Sequence[Value]) -> Seq:
    """A sequence after an item of it was set to ``value``, or its part at ``place`` to ``put``."""
    if place is not None and (changed := _spliced(atom, place, put)) is not None:
        return changed
    index = key.value if isinstance(key, Const) else None
    if atom.items is None or not isinstance(index, int):
        if index is None and _makes_private(value):
            return Seq(None, value.guarded(frozenset({doubt("each", atom.element)})), atom.mutable)
        return Seq(None, join_all([atom.each(), value]), atom.mutable)
    if not -len(atom.items) <= index < len(atom.items):
        return atom
    items = list(atom.items)
    items[index] = value
    return Seq(tuple(items), None, atom.mutable)


def subscript_key(ip: Interpreter, node: cst.Subscript) -> Value | None:
    """The value of a plain index; None for slices and several indices."""
    if len(node.slice) == 1 and isinstance(node.slice[0].slice, cst.Index):
        return ip.evaluate(node.slice[0].slice.value)
    return None


def parts_in_order(ip: Interpreter, value: Value, node: cst.CSTNode) -> Sequence[Value] | None:
    """What ``*value`` stands for: the items of tuples or lists, or what ``make_private`` returned.

    None where their number is not known.
    """
    rows: list[Sequence[Value]] = []
    for e in value.entries:
        atom: Atom | None = e.atom
        if isinstance(atom, Obj) and atom.kind == "private-result":
            handler = registry.METHODS["private-result", "<spread>"]
            atom = handler(ip, registry.CallInfo(node), e).only
        if not isinstance(atom, Seq) or atom.items is None:
            return None
        rows.append([item.guarded(e.guard) for item in atom.items] if len(value.entries) > 1 else atom.items)
    if len({len(row) for row in rows}) != 1:
        return None
    return [join_all(column) for column in zip(*rows, strict=True)] if len(rows) > 1 else rows[0]
