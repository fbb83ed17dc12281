"""Dicts, strings, sequences and enums."""

from __future__ import annotations

import libcst as cst

from dpmigrate.analysis import registry
from dpmigrate.analysis.core import Interpreter
from dpmigrate.analysis.domain.atoms import Absent, Const, Obj, Unknown, deeper, dict_key, is_entry
from dpmigrate.analysis.domain.store import ABSENT
from dpmigrate.analysis.domain.values import NONE, NOTHING, Entry, Seq, Value, const, join_all, of
from dpmigrate.analysis.guards import ALWAYS
from dpmigrate.analysis.language import strings
from dpmigrate.analysis.language.assignment import iterate, set_item
from dpmigrate.analysis.language.attributes import set_part_of_unknown
from dpmigrate.analysis.language.choices import open_value
from dpmigrate.analysis.language.functions import unknown_call
from dpmigrate.analysis.language.items import dict_items, entries_of, update_dict
from dpmigrate.analysis.language.sets import OPERATORS, combined
from dpmigrate.analysis.language.shared_lists import changed_in_place
from dpmigrate.analysis.library.python.attribute_dicts import update_attributes
from dpmigrate.analysis.library.python.builtins import dict_of
from dpmigrate.analysis.library.python.wrappers import copied
from dpmigrate.analysis.registry import CallInfo, attribute, function, method


@method(("dict", "namespace", "record"), "get", "pop", "setdefault")
def _dict_get(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    atom = e.atom
    assert isinstance(atom, Obj)
    value = dict_items(ip, atom, info.argument(0, "key"))
    default = (info.argument(1, "default") or NONE).because(ip.origin(info.node, f"{info.name} default"))
    absent = [entry.guard for entry in value.entries if isinstance(entry.atom, Absent)]
    if not value or (info.name == "setdefault" and dict_key(info.argument(0, "key").only) is None):
        absent = [ALWAYS]  # for setdefault: the first time that this key comes
    result = join_all(
        [value.select(lambda a: not isinstance(a, Absent)), *(default.guarded(guard) for guard in absent)]
    )
    slot = dict_key(info.argument(0, "key").only)
    if slot is not None and info.name != "get":
        ip.store.set(atom, slot, ABSENT if info.name == "pop" else result)
    elif info.name == "setdefault":
        ip.store.set(atom, "rest", join_all([ip.read(atom, "rest") or NOTHING, result]))
    return result


@method("unknown", "get", "pop", "setdefault")
def _unknown_get(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    """An entry of something that cannot be known, such as a parsed file: what it holds, or the default.

    An instance whose class has a base outside the project is one, too.
    """
    key, atom = info.argument(0, "key").only, e.atom
    told = atom if isinstance(atom, Unknown) else Unknown(atom, "an entry", frozenset({atom}))
    if not (isinstance(key, Const) and isinstance(key.value, str)):
        return ip.unknown(info.node, f"result of {info.name}", told.parts)
    symbol = deeper(told.symbol, repr(key.value))
    default = info.argument(1, "default")
    if not default:
        return of(Unknown(symbol, told.reason, told.parts), *e.because)
    return open_value(ip, symbol, default, None, ip.origin(info.node, f"{info.name} default"))


@method("unknown", "update")
def _unknown_update(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    """``config = json.load(file)``, ``config.update({"delta": 1e-5})``: these entries are known."""
    source = info.argument(0, "other").only
    given = dict(info.keywords)
    if isinstance(source, Obj) and source.kind == "dict":
        entries, _ = entries_of(ip, source)
        given.update((name, held) for name, held in entries.items() if isinstance(name, str))
    if isinstance(e.atom, Unknown):
        for name, value in given.items():
            set_part_of_unknown(ip, e.atom, repr(name), value)
    return unknown_call(ip, e.atom, info)


@method("dict", "update")
def _dict_update(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    assert isinstance(e.atom, Obj)
    update_attributes(ip, e.atom, info)
    for value in info.positional:
        update_dict(ip, e.atom, value)
    for name, value in info.keywords.items():
        ip.store.set(e.atom, ("key", name), value)
    if info.unknown_keywords:
        ip.store.set(e.atom, "rest", of(Unknown((e.atom.key, "rest"), "unknown entries")))
    return NONE


@method("dict", "clear", "popitem")
def _dict_shrinks(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    """Without any entry, or without one of which it is not known which one that is."""
    assert isinstance(e.atom, Obj)
    values, _ = _values_of(ip, e.atom)
    for slot in ip.store.keys(e.atom):
        held = ip.read(e.atom, slot)
        if held and (slot == "rest" or is_entry(slot)):
            left = ABSENT if info.name == "clear" else join_all([held, ABSENT])
            ip.store.set(e.atom, slot, left)
    if info.name == "clear":
        return NONE
    return of(Seq((ip.unknown(info.node, "a key"), join_all(values) or ip.unknown(info.node, "a value"))))


@function("collections.ChainMap")
def _chain_map(ip: Interpreter, info: CallInfo) -> Value:
    """Dicts looked up one after the other: of two entries the first one's."""
    made = ip.new("dict", info.node)
    for value in reversed(info.positional):
        update_dict(ip, made, value)
    return of(made)


@function("contextvars.ContextVar")
def _context_variable(ip: Interpreter, info: CallInfo) -> Value:
    made = ip.new("context-variable", info.node)
    default = info.argument(None, "default")
    if default:
        ip.store.set(made, "value", default)
    return of(made)


@method("context-variable", "set", "get")
def _of_context_variable(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    if info.name == "set":
        ip.store.set(e.atom, "value", info.argument(0, "value"))
        return ip.unknown(info.node, "a token")
    return ip.read(e.atom, "value") or info.argument(0, "default") or ip.unknown(info.node, "a value")


@method(("dict", "namespace"), "copy")
def _dict_copy(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    return copied(ip, CallInfo(info.node, [Value((e,))]))


@method("dict", "items")
def _dict_items(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    assert isinstance(e.atom, Obj)
    return of(Obj("dict-items", (e.atom.key, "items"), ip.module, info.node, e.atom))


def _iterate_items(ip: Interpreter, e: Entry, node: cst.CSTNode) -> Value:
    assert isinstance(e.atom, Obj)
    values, _ = _values_of(ip, e.atom.data)
    return of(Seq((ip.unknown(node, "a key"), join_all(values) or ip.unknown(node, "a value"))))


def _values_of(ip: Interpreter, atom: Obj) -> tuple[tuple[Value, ...], bool]:
    """What a dict holds, what it may hold under keys that are not known last; and whether there is such."""
    named, more = entries_of(ip, atom)
    rest = ip.read(atom, "rest") or NOTHING
    return (*named.values(), *([rest] if more else [])), more


registry.ITERATION["dict-items"] = _iterate_items


@method("dict", "values")
def _dict_values(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    assert isinstance(e.atom, Obj)
    values, more = _values_of(ip, e.atom)
    return of(Seq(None if more else values, join_all(values)))


@method("dict", "keys")
def _dict_keys(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    assert isinstance(e.atom, Obj)
    named, more = entries_of(ip, e.atom)
    keys = tuple(const(k) for k in named)
    return of(Seq(None, join_all(keys)) if more else Seq(keys))


def _iterate_dict(ip: Interpreter, e: Entry, node: cst.CSTNode) -> Value:
    assert isinstance(e.atom, Obj)
    named, more = entries_of(ip, e.atom)
    unknown = [ip.unknown(node, "a key")] if more or not named else []
    return join_all([*(const(k) for k in named), *unknown])


registry.ITERATION["dict"] = _iterate_dict


@method("constant", *strings.METHODS, "format")
def _string(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    arguments, names = [*info.positional, *info.keywords.values()], tuple(info.keywords)
    if info.unknown_positional or info.unknown_keywords:
        return ip.unknown(info.node, "a string")
    return strings.method_result(ip, info.node, info.name, Value((e,)), arguments, names)


@method("constant", "join")
def _join(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    return strings.joined_text(ip, info.node, Value((e,)), info.argument(0, "iterable"))


@method("constant", "split", "rsplit", "partition", "rpartition")
def _split(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    given = [v.only for v in info.everything()]
    if isinstance(e.atom, Const) and isinstance(e.atom.value, str) and not info.keywords:
        try:
            parts = getattr(e.atom.value, info.name)(*(a.value for a in given if isinstance(a, Const)))
        except (TypeError, ValueError):
            return ip.unknown(info.node, "parts of a string")
        if all(isinstance(a, Const) for a in given):
            origin = ip.origin(info.node, "part of a string")
            return of(Seq(tuple(const(part, *e.because, origin) for part in parts)), guard=e.guard)
    return ip.unknown(info.node, "parts of a string")


@method("unknown", "lower", "upper", "strip")
def _unknown_string(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    return Value((e,))


@method("sequence", "append", "appendleft", "extend", "extendleft", "insert", "add", "update")
def _append(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    seq = e.atom
    assert isinstance(seq, Seq)
    new = info.argument(len(info.positional) - 1, "item") if info.positional else NOTHING
    exact = ip.in_one_turn
    if info.name in ("extend", "update", "extendleft"):
        only = new.only
        in_order = exact and info.name != "extendleft"
        if isinstance(only, Seq) and only.items is not None and seq.items is not None and in_order:
            changed = Seq((*seq.items, *only.items), None, True)
        else:
            changed = Seq(None, join_all([seq.each(), iterate(ip, new, info.node)]), True)
    elif seq.items is not None and len(seq.items) < 12 and info.name.startswith("append") and exact:
        changed = Seq((new, *seq.items) if info.name == "appendleft" else (*seq.items, new), None, True)
    else:
        changed = Seq(None, join_all([seq.each(), new]), True)
    _becomes(ip, info, changed)
    return NONE


@method("sequence", "pop", "popleft", "remove", "discard", "clear", "reverse", "sort", "rotate")
def _shrink(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    """What takes items away or moves them; one at a place that is known is taken exactly."""
    seq = e.atom
    assert isinstance(seq, Seq)
    taken = seq.each()
    place = _place_taken(info)
    if info.name == "clear":
        changed = Seq((), None, True)
    elif place is not None and seq.items and -len(seq.items) <= place < len(seq.items) and ip.in_one_turn:
        taken = seq.items[place]
        rest = list(seq.items)
        del rest[place]
        changed = Seq(tuple(rest), None, True)
    else:
        changed = Seq(None, seq.each(), True)
    _becomes(ip, info, changed)
    if place is None and info.name != "pop":
        return NONE
    return taken or ip.unknown(info.node, "an element of something unknown")


def _place_taken(info: CallInfo) -> int | None:
    """Where ``pop()``, ``pop(0)`` or ``popleft()`` takes an item; None where it is not known."""
    if info.name == "popleft":
        return 0
    index = info.argument(0, "index").only if info.positional else Const(-1)
    if info.name != "pop" or not isinstance(index, Const) or type(index.value) is not int:
        return None
    return index.value


def _becomes(ip: Interpreter, info: CallInfo, changed: Seq) -> None:
    """Give the variable or attribute whose method was called its changed sequence."""
    func = info.node.func if isinstance(info.node, cst.Call) else None
    target = func.value if isinstance(func, cst.Attribute) else None
    if isinstance(target, (cst.Name, cst.Attribute)):
        changed_in_place(ip, target, of(changed))
    elif isinstance(target, cst.Subscript) and _is_dict(ip.evaluate(target.value)):
        set_item(ip, target, of(changed))
    elif isinstance(target, cst.Call) and isinstance(target.func, cst.Attribute) and target.args:
        grouped = ip.evaluate(target.func.value).only if target.func.attr.value == "setdefault" else None
        if isinstance(grouped, Obj) and grouped.kind == "dict":  # groups.setdefault(key, []).append(item)
            slot = dict_key(ip.evaluate(target.args[0].value).only) or "rest"
            ip.store.set(grouped, slot, of(changed))


def _is_dict(value: Value) -> bool:
    return isinstance(value.only, Obj) and value.only.kind == "dict"


@method("sequence", "copy")
def _sequence_copy(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    return Value((e,))


@method("sequence", *OPERATORS.values())
def _combined(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    if info.keywords or info.unknown_positional:
        return ip.unknown(info.node, "a set")
    made = combined(info.name, [e.atom, *(value.only for value in info.positional)])
    return ip.unknown(info.node, "a set") if made is None else made


@attribute("enum", "value")
def _enum_value(ip: Interpreter, e: Entry, node: cst.CSTNode) -> Value:
    assert isinstance(e.atom, Obj)
    held: Value = e.atom.data[2]
    return held.guarded(e.guard)


@attribute("enum", "name")
def _enum_name(ip: Interpreter, e: Entry, node: cst.CSTNode) -> Value:
    assert isinstance(e.atom, Obj)
    return const(e.atom.data[1])


@attribute(("instance", "namespace", "record"), "__dict__")
def _attributes(ip: Interpreter, e: Entry, node: cst.CSTNode) -> Value:
    return dict_of(ip, CallInfo(node, [Value((e,))]))
