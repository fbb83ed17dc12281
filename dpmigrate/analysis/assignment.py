"""Assignment to every kind of target, and the items of containers."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import libcst as cst

from dpmigrate.analysis.atoms import (
    Absent,
    Atom,
    Const,
    External,
    Module,
    Obj,
    Params,
    Tensor,
    Unknown,
    dict_key,
)
from dpmigrate.analysis.attributes import (
    deeper,
    get_attribute,
    part_of_unknown,
    set_attribute,
    set_part_of_unknown,
)
from dpmigrate.analysis.classes import class_attribute, members_of, named_fields
from dpmigrate.analysis.core import Interpreter
from dpmigrate.analysis.guards import ALWAYS, Literal, doubt
from dpmigrate.analysis.library import registry
from dpmigrate.analysis.naming import compares
from dpmigrate.analysis.outcomes import told
from dpmigrate.analysis.store import ABSENT
from dpmigrate.analysis.values import (
    NOTHING,
    Class,
    Entry,
    Seq,
    Value,
    const,
    join_all,
    join_guarded,
    merge,
    of,
)

SOME = "[]"
"""What stands for the index of some item that cannot be known."""


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


def assign_target(ip: Interpreter, target: cst.CSTNode, value: Value, narrowing: bool = False) -> None:
    """Assign to any target; ``narrowing`` only writes what a test already told."""
    if isinstance(target, cst.Name):
        if narrowing:
            told(ip, _scope_of(ip, target.value), target.value, value)
        else:
            assign_name(ip, target.value, value)
    elif isinstance(target, cst.Attribute):
        owner = ip.evaluate(target.value)
        if narrowing:
            if len(owner.entries) == 1 and isinstance(owner.only, Obj):
                told(ip, owner.only, target.attr.value, value)
            return
        set_attribute(ip, owner, target.attr.value, value, target)
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
    atom = _as_tuple(ip, atom, node)
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


def _as_tuple(ip: Interpreter, atom: Atom, node: cst.CSTNode) -> Atom:
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
            parts.append(atom.any_one().guarded(e.guard))
        elif isinstance(atom, Params):
            parts.append(Value((e,)))
        elif isinstance(atom, Obj):
            handler = registry.ITERATION.get(atom.kind)
            if handler is not None:
                parts.append(handler(ip, e, node).guarded(e.guard))
            else:
                parts.append(of(Unknown((atom.key, "element"), "element")))
        elif isinstance(atom, Unknown):
            registry.tell(ip, "<iterated>", registry.CallInfo(node, [Value((e,))]))
            put = part_of_unknown(ip, atom, SOME)
            if put:
                parts.append(put.guarded(e.guard | {doubt(atom.symbol, SOME)}))
                continue
            parts.append(of(Unknown(deeper(atom.symbol, "element"), atom.reason, atom.parts), guard=e.guard))
        elif isinstance(atom, Tensor):
            parts.append(Value((e,)))
    return join_all(parts) or ip.unknown(node, "element of something unknown")


def set_item(ip: Interpreter, target: cst.Subscript, value: Value) -> None:
    """``container[key] = value``."""
    inner = target.value
    if isinstance(inner, cst.Attribute) and inner.attr.value == "grad":
        registry.tell(
            ip, "<gradient assignment>", registry.CallInfo(target, [ip.evaluate(inner.value), value])
        )
    container = ip.evaluate(target.value)
    key = subscript_key(ip, target)
    known = key.only if key is not None else None
    owners = [e for e in container.entries if isinstance(e.atom, Obj)]
    if isinstance(container.only, Unknown):
        part = repr(known.value) if isinstance(known, Const) else SOME
        set_part_of_unknown(ip, container.only, part, value)
    if isinstance(container.only, Module) and isinstance(known, Const) and isinstance(known.value, str):
        set_attribute(ip, container, known.value, value, target)
    for e in owners:
        handler = registry.METHODS.get((e.atom.kind, "<set item>")) if isinstance(e.atom, Obj) else None
        if handler is not None and key is not None:
            handler(ip, registry.CallInfo(target, [key, value]), e)
        slot: Hashable = dict_key(known) or "rest"
        before = ip.store.get(e.atom, slot)
        strong = len(owners) == 1 and slot != "rest"
        if slot == "rest" and _makes_private(value):
            ip.store.set(e.atom, slot, value.guarded(frozenset({doubt("each", e.atom)})))
            continue
        ip.store.set(e.atom, slot, value if strong else join_all([before or ABSENT, value]))
    if any(isinstance(a, Seq) for a in container.atoms) and isinstance(
        target.value, (cst.Name, cst.Attribute)
    ):
        changed = (Entry(_with_item(e.atom, known, value), e.guard, e.because) for e in container.entries)
        assign_target(ip, target.value, merge(changed))


def _makes_private(value: Value) -> bool:
    """Whether objects of a run are put into a container: a loop that does so does it for each of them."""
    return any(isinstance(a, Obj) and a.kind.startswith("dp-") for a in value.atoms)


def _with_item(atom: Atom, key: Atom | None, value: Value) -> Atom:
    """A sequence after an item of it was set; any other atom as it is."""
    if not isinstance(atom, Seq):
        return atom
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


def get_item(ip: Interpreter, container: Value, key: Value | None, node: cst.CSTNode) -> Value:
    """``container[key]``."""
    parts: list[Value] = []
    for e in container.entries:
        found = _item_of(ip, e, key, node).select(lambda a: not isinstance(a, Absent))
        parts.append(found.guarded(e.guard))
    return ip.feasible(join_all(parts)) or ip.unknown(node, "item")


def _item_of(ip: Interpreter, e: Entry, key: Value | None, node: cst.CSTNode) -> Value:
    atom = e.atom
    known = [a.value for a in key.atoms if isinstance(a, Const)] if key is not None else []
    if isinstance(atom, Obj) and atom.kind == "private-result":
        if key is not None and isinstance(key.only, Const):
            info = registry.CallInfo(node, [key])
            return registry.METHODS["private-result", "<item>"](ip, info, e)
        return ip.unknown(node, "an element of the result", frozenset({atom}))
    atom = _as_tuple(ip, atom, node)
    if isinstance(atom, Obj) and atom.kind in ("dict", "namespace", "record"):
        return dict_items(ip, atom, key)
    if isinstance(atom, Obj):
        handler = registry.METHODS.get((atom.kind, "<item>"))
        if handler is not None:
            return handler(ip, registry.CallInfo(node, [key] if key else []), e)
        return iterate(ip, Value((e,)), node)
    if isinstance(atom, Seq):
        if atom.items is not None and key is not None and isinstance(key.only, Const) and known:
            index = known[0]
            if isinstance(index, int) and -len(atom.items) <= index < len(atom.items):
                return atom.items[index]
            return NOTHING
        if key is not None:
            return atom.at(key)
        piece = _piece_of(ip, atom, node)
        return of(piece if piece is not None else Seq(None, atom.each(), atom.mutable))
    if isinstance(atom, Unknown):
        part = repr(known[0]) if len(known) == 1 else SOME
        put = part_of_unknown(ip, atom, part)
        if put:
            # Which of them was put there, and which is asked for, need not be the same one.
            return put if part != SOME else put.guarded(frozenset({doubt(atom.symbol, SOME)}))
        return of(Unknown(deeper(atom.symbol, part), atom.reason, atom.parts), *e.because)
    if isinstance(atom, (Tensor, Params)):
        return of(atom)
    if isinstance(atom, Module) and key is not None and isinstance(key.only, Const):
        return get_attribute(ip, of(atom), str(known[0]), node)
    if isinstance(atom, Class):
        if key is not None and isinstance(key.only, Const):
            return class_attribute(ip, atom, str(known[0]), node)
        return members_of(ip, atom, node) or of(atom)
    if isinstance(atom, External):
        if atom.name in registry.MEMBERS and len(known) == 1 and isinstance(known[0], str):
            made = ip.new("namespace", node)
            ip.store.set(made, "value", registry.MEMBERS[atom.name](ip, known[0]))
            return of(made)
        return of(External(f"{atom.name}[{known[0]!r}]" if len(known) == 1 else f"{atom.name}.[]"))
    return NOTHING


def _piece_of(ip: Interpreter, items: Seq, node: cst.CSTNode) -> Seq | None:
    """``items[1:]``, with bounds that are known; None where the part is not."""
    index = node.slice[0].slice if isinstance(node, cst.Subscript) and len(node.slice) == 1 else None
    if items.items is None or not isinstance(index, cst.Slice):
        return None
    given = (index.lower, index.upper, index.step)
    bounds = [ip.evaluate(bound).only if bound is not None else Const(None) for bound in given]
    numbers = [b.value for b in bounds if isinstance(b, Const) and (b.value is None or type(b.value) is int)]
    if len(numbers) < len(given) or numbers[2] == 0:
        return None
    return Seq(tuple(items.items[slice(*numbers)]), None, items.mutable)


def dict_items(ip: Interpreter, atom: Obj, key: Value | None) -> Value:
    """The entry of a dict under a key; with an unknown key any of them. Absent stays among it."""
    parts: list[Value] = []
    slots = [dict_key(k.atom) for k in key.entries] if key is not None else []
    if key is not None and slots and all(slots):
        for k, keyed in zip(key.entries, filter(None, slots), strict=True):
            found = ip.read(atom, keyed if atom.kind == "dict" else keyed[1])
            if found is None:
                found = ip.read(atom, "rest")
                parts.append(ABSENT if found is None else join_all([ABSENT, found]))
                if found is None and atom.kind != "dict":
                    parts.append(of(Unknown((atom.key, ".", keyed[1]))))
            else:
                parts.append(found.guarded(k.guard))
        return join_all(parts)
    symbols = [a.symbol for a in key.atoms if isinstance(a, Unknown)] if key is not None else []
    for slot in ip.store.keys(atom):
        if key is not None and isinstance(slot, tuple) and not isinstance(slot[1], Obj):
            compares(ip, key, slot[1])
    for slot in ip.store.keys(atom):
        found = ip.read(atom, slot)
        if not found:
            continue
        if len(symbols) == 1 and isinstance(slot, tuple):
            found = found.guarded(frozenset({Literal(symbols[0], ("eq", slot[1]), True)}))
        parts.append(found)
    if not parts or ip.store.get(atom, "rest") or atom.kind != "dict":
        parts.append(of(Unknown((atom.key, "rest"), "an unknown key")))
    return join_all(parts)


def entries_of(ip: Interpreter, atom: Obj) -> tuple[dict[str, Value], bool]:
    """The string keys of a dict-like object with their values, and whether there may be others."""
    known: dict[str, Value] = {}
    for slot in ip.store.keys(atom):
        name = slot[1] if isinstance(slot, tuple) and slot[0] == "key" else slot
        if atom.kind != "dict" and isinstance(slot, str):
            name = slot
        if not isinstance(name, str) or name == "rest":
            continue
        value = ip.read(atom, slot)
        if value:
            known[name] = value
    return known, ip.read(atom, "rest") is not None


def update_dict(ip: Interpreter, target: Obj, source: Value) -> None:
    """``target.update(source)`` and ``{**source}``: later entries win where they are present."""
    for e in source.entries:
        if isinstance(e.atom, Obj) and e.atom.kind in ("dict", "namespace", "record"):
            known, more = entries_of(ip, e.atom)
            for name, value in known.items():
                before = ip.store.get(target, ("key", name)) or ABSENT
                sometimes = len(source.entries) > 1 or any(a == ABSENT.only for a in value.atoms)
                new = value.select(lambda a: a != ABSENT.only).guarded(e.guard)
                merged = join_guarded([(new, e.guard), (before, ALWAYS)]) if sometimes else new
                ip.store.set(target, ("key", name), merged)
            if more:
                ip.store.set(target, "rest", ip.read(e.atom, "rest") or NOTHING)
        elif (pairs := _pairs_in(e.atom)) is not None and len(source.entries) == 1:
            for name, value in pairs:
                ip.store.set(target, ("key", name), value)
        elif not (isinstance(e.atom, Const) and e.atom.value is None):
            ip.store.set(target, "rest", of(Unknown((target.key, "rest"), "unknown entries")))


def _pairs_in(atom: Atom) -> list[tuple[str, Value]] | None:
    """The names and values of ``[("first", a), ("second", b)]``; None for anything else."""
    if not isinstance(atom, Seq) or atom.items is None:
        return None
    items = [item.only.items for item in atom.items if isinstance(item.only, Seq) and item.only.items]
    names = [item[0].only for item in items if len(item) == 2]
    strings = [name for name in names if isinstance(name, Const) and isinstance(name.value, str)]
    if len(strings) != len(atom.items):
        return None
    return [(name.value, item[1]) for name, item in zip(strings, items, strict=True)]
