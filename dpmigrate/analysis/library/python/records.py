"""Named tuples that a call makes, and the fields of records, which a class statement of the project makes."""

from __future__ import annotations

from dpmigrate.analysis.core import Interpreter
from dpmigrate.analysis.domain.atoms import Const, Obj, Unknown
from dpmigrate.analysis.domain.values import Class, Entry, Seq, Value, const, of
from dpmigrate.analysis.language.assignment import parts_in_order
from dpmigrate.analysis.language.classes import is_record, record_fields
from dpmigrate.analysis.registry import CallInfo, function, method


@function("collections.namedtuple", "typing.NamedTuple")
def _named_tuple(ip: Interpreter, info: CallInfo) -> Value:
    fields = _fields(info.argument(1, "field_names") or info.argument(1, "fields"))
    if fields is None:
        return ip.unknown(info.node, "a named tuple")
    return of(ip.new("record-type", info.node, fields))


def _fields(value: Value) -> tuple[str, ...] | None:
    """The names in "a b", "a, b", ["a", "b"] or [("a", int), ("b", str)]."""
    only = value.only
    if isinstance(only, Const) and isinstance(only.value, str):
        return tuple(only.value.replace(",", " ").split())
    if not isinstance(only, Seq) or only.items is None:
        return None
    firsts = [v.only.items[0] if isinstance(v.only, Seq) and v.only.items else v for v in only.items]
    names = [v.only.value for v in firsts if isinstance(v.only, Const) and isinstance(v.only.value, str)]
    return tuple(names) if len(names) == len(firsts) else None


@function("dataclasses.fields", "attr.fields", "attrs.fields")
def _fields_of(ip: Interpreter, info: CallInfo) -> Value:
    """``for f in fields(self)``: each with its name."""
    only = info.argument(0, "class_or_instance").only
    cls = only.data if isinstance(only, Obj) and only.kind == "instance" else only
    if not isinstance(cls, Class) or not is_record(cls):
        return ip.unknown(info.node, "fields")
    made: list[Value] = []
    for name in record_fields(cls):
        field = ip.new("namespace", info.node, extra=name)
        ip.store.set(field, "name", const(name))
        made.append(of(field))
    return of(Seq(tuple(made)))


@method("record-type", "_make")
def _make_of(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    """``Pair._make(sequence)``."""
    items = parts_in_order(ip, info.argument(0, "iterable"), info.node)
    given = CallInfo(info.node, list(items or ()), unknown_positional=items is None)
    return _make(ip, given, e)


@method("record-type", "__call__")
def _make(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    assert isinstance(e.atom, Obj)
    made = ip.new("record", info.node, e.atom.data)
    for position, name in enumerate(e.atom.data):
        unknown = of(Unknown((made.key, ".", name), f"field {name}"))
        ip.store.set(made, name, info.argument(position, name) or unknown)
    return of(made)
