"""The items of containers: dicts, sequences, and what else takes a key."""

from __future__ import annotations

from collections.abc import Hashable

import libcst as cst

from dpmigrate.analysis import registry
from dpmigrate.analysis.batches import of_taken
from dpmigrate.analysis.core import Interpreter
from dpmigrate.analysis.domain.atoms import (
    A_LENGTH,
    SOME,
    Absent,
    Atom,
    Const,
    External,
    Length,
    Module,
    Obj,
    Params,
    Tensor,
    Unknown,
    deeper,
    dict_key,
    is_entry,
)
from dpmigrate.analysis.domain.store import ABSENT
from dpmigrate.analysis.domain.values import (
    NOTHING,
    Class,
    Entry,
    Seq,
    Value,
    join_all,
    join_guarded,
    of,
)
from dpmigrate.analysis.guards import ALWAYS, Literal, doubt
from dpmigrate.analysis.language.assignment import as_taken, as_tuple, iterate, part_of_sequence
from dpmigrate.analysis.language.attributes import (
    get_attribute,
    part_of_unknown,
)
from dpmigrate.analysis.language.classes import class_attribute, members_of
from dpmigrate.analysis.language.naming import compares


def get_item(ip: Interpreter, container: Value, key: Value | None, node: cst.CSTNode) -> Value:
    """``container[key]``."""
    parts: list[Value] = []
    for e in container.entries:
        value = _item_of(ip, e, key, node).select(lambda a: not isinstance(a, Absent))
        parts.append(value.guarded(e.guard))
    return ip.feasible(join_all(parts)) or ip.unknown(node, "item")


def _item_of(ip: Interpreter, e: Entry, key: Value | None, node: cst.CSTNode) -> Value:
    """An item of one alternative, by what kind of thing that is; nothing where it has none."""
    only = key.only if key is not None else None
    if isinstance(e.atom, Obj) and e.atom.kind == "private-result":
        if key is not None and isinstance(only, Const):
            return registry.METHODS["private-result", "<item>"](ip, registry.CallInfo(node, [key]), e)
        return ip.unknown(node, "an element of the result", frozenset({e.atom}))
    atom = as_tuple(ip, e.atom, node)
    if isinstance(atom, Obj):
        return _item_of_object(ip, e, atom, key, node)
    if isinstance(atom, Seq):
        return _item_of_sequence(ip, atom, key, node)
    if isinstance(atom, Unknown):
        return _item_of_unknown(ip, e, atom, key, node)
    if isinstance(atom, (Tensor, Params)):
        if isinstance(atom, Tensor):
            registry.tell_hooks(ip, "<item of a tensor>", registry.CallInfo(node, [of(atom)]))
        return of(atom)
    if isinstance(atom, Module) and isinstance(only, Const):
        return get_attribute(ip, of(atom), str(only.value), node)
    if isinstance(atom, Class):
        if isinstance(only, Const):
            return class_attribute(ip, atom, str(only.value), node)
        return members_of(ip, atom, node) or of(atom)
    if isinstance(atom, External):
        return _item_of_external(ip, atom, key, node)
    return NOTHING


def _item_of_object(ip: Interpreter, e: Entry, atom: Obj, key: Value | None, node: cst.CSTNode) -> Value:
    """An entry of a dict, or what the library's object gives; an object without items is gone over."""
    if atom.kind in ("dict", "namespace", "record"):
        return dict_items(ip, atom, key)
    handler = registry.METHODS.get((atom.kind, "<item>"))
    if handler is not None:
        return handler(ip, registry.CallInfo(node, [key] if key else []), e)
    return iterate(ip, Value((e,)), node)


def _item_of_sequence(ip: Interpreter, items: Seq, key: Value | None, node: cst.CSTNode) -> Value:
    """An item of a list or tuple, or without a plain index a piece of it."""
    only = key.only if key is not None else None
    if items.items is not None and isinstance(only, Const):
        index = only.value
        known = isinstance(index, int) and -len(items.items) <= index < len(items.items)
        return items.items[index] if known else NOTHING
    if key is not None:
        return items.at(key)
    piece = _piece_of(ip, items, node)
    return of(piece if piece is not None else Seq(None, items.each(), items.mutable))


def _item_of_unknown(ip: Interpreter, e: Entry, atom: Unknown, key: Value | None, node: cst.CSTNode) -> Value:
    """What was put there, a length that is asked for, or a part that is unknown as well."""
    constants = key.constants() if key is not None else []
    part = repr(constants[0]) if len(constants) == 1 else SOME
    put = part_of_unknown(ip, atom, part)
    if put:
        # Which of them was put there, and which is asked for, need not be the same one.
        return put if part != SOME else put.guarded(frozenset({doubt(atom.symbol, SOME)}))
    symbol = deeper(atom.symbol, part)
    length = _length_asked_for(atom, part)
    if length is not None:
        return of(Unknown(symbol, A_LENGTH, atom.parts | {length}), *e.because)
    return as_taken(ip, e, of(Unknown(symbol, atom.reason, atom.parts), *e.because), node)


def _item_of_external(ip: Interpreter, atom: External, key: Value | None, node: cst.CSTNode) -> Value:
    """``Enum["name"]`` of a library's enumeration that is known; else a name of the library's."""
    constants = key.constants() if key is not None else []
    if atom.name in registry.MEMBERS and len(constants) == 1 and isinstance(constants[0], str):
        made = ip.new("namespace", node)
        ip.store.set(made, "value", registry.MEMBERS[atom.name](ip, constants[0]))
        return of(made)
    return of(External(f"{atom.name}[{constants[0]!r}]" if len(constants) == 1 else f"{atom.name}.[]"))


def _length_asked_for(shape: Unknown, index: str) -> Length | None:
    """What ``records.shape[0]`` is the length of."""
    symbol = shape.symbol
    of_shape = index == "0" and isinstance(symbol, tuple) and symbol[1:] == (".", "shape")
    if not of_shape or not isinstance(symbol, tuple):
        return None
    return Length(Unknown(symbol[0], parts=frozenset[Atom](of_taken(symbol[0]))))


def _piece_of(ip: Interpreter, items: Seq, node: cst.CSTNode) -> Seq | None:
    """``items[1:]``, with bounds that are known; None where the part is not."""
    place = part_of_sequence(ip, node)
    if items.items is None or place is None:
        return None
    return Seq(tuple(items.items[place]), None, items.mutable)


def dict_items(ip: Interpreter, atom: Obj, key: Value | None) -> Value:
    """The entry of a dict under a key; with an unknown key any of them. Absent stays among it."""
    parts: list[Value] = []
    slots = [dict_key(k.atom) for k in key.entries] if key is not None else []
    if key is not None and slots and all(slots):
        for k, keyed in zip(key.entries, filter(None, slots), strict=True):
            held = ip.read(atom, keyed if atom.kind == "dict" else keyed[1])
            if held is None:
                held = ip.read(atom, "rest")
                if held and atom.node is not None:
                    asked = registry.CallInfo(atom.node, [of(k.atom), held])
                    held = registry.tell_hooks(ip, "<one of several>", asked) or held
                parts.append(ABSENT if held is None else join_all([ABSENT, held]))
                if held is None and atom.kind != "dict":
                    parts.append(of(Unknown((atom.key, ".", keyed[1]))))
            else:
                parts.append(held.guarded(k.guard))
        return join_all(parts)
    symbols = [a.symbol for a in key.atoms if isinstance(a, Unknown)] if key is not None else []
    for slot in ip.store.keys(atom):
        if key is not None and isinstance(slot, tuple) and not isinstance(slot[1], Obj):
            compares(ip, key, slot[1])
    for slot in ip.store.keys(atom):
        held = ip.read(atom, slot)
        if not held:
            continue
        if len(symbols) == 1 and isinstance(slot, tuple):
            held = held.guarded(frozenset({Literal(symbols[0], ("eq", slot[1]), True)}))
        parts.append(held)
    rest = ip.store.get(atom, "rest")
    if not parts or atom.kind != "dict" or (rest and any(isinstance(a, Unknown) for a in rest.atoms)):
        parts.append(of(Unknown((atom.key, "rest"), "an unknown key")))
    return join_all(parts)


def entries_of(ip: Interpreter, atom: Obj) -> tuple[dict[Hashable, Value], bool]:
    """The known keys of a dict-like object with their values, and whether there may be others."""
    by_key: dict[Hashable, Value] = {}
    for slot in ip.store.keys(atom):
        if slot == "rest" or not (is_entry(slot) or isinstance(slot, str)):
            continue
        name = slot[1] if isinstance(slot, tuple) else slot
        value = ip.read(atom, slot)
        if value and any(a != ABSENT.only for a in value.atoms):  # taken out again by ``pop`` or ``del``
            by_key[name] = value
    rest = ip.read(atom, "rest")
    return by_key, rest is not None and rest.only != ABSENT.only


def update_dict(ip: Interpreter, target: Obj, source: Value) -> None:
    """``target.update(source)`` and ``{**source}``: later entries win where they are present."""
    for e in source.entries:
        if isinstance(e.atom, Obj) and e.atom.kind in ("dict", "namespace", "record"):
            named, more = entries_of(ip, e.atom)
            for name, value in named.items():
                before = ip.store.get(target, ("key", name)) or ABSENT
                absent = [entry.guard for entry in value.entries if entry.atom == ABSENT.only]
                if len(source.entries) > 1:
                    absent = [ALWAYS]
                new = value.select(lambda a: a != ABSENT.only).guarded(e.guard)
                kept = [(before.guarded(guard), guard) for guard in absent]
                ip.store.set(target, ("key", name), join_guarded([(new, e.guard), *kept]) if kept else new)
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
