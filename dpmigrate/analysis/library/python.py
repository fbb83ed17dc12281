"""Builtins and the standard library, as far as training code leans on them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import libcst as cst

from dpmigrate.analysis.binding import (
    assign_name,
    dict_items,
    entries_of,
    get_attribute,
    iterate,
    set_attribute,
)
from dpmigrate.analysis.calls import call_value
from dpmigrate.analysis.core import Interpreter
from dpmigrate.analysis.expressions import update_dict
from dpmigrate.analysis.library import registry
from dpmigrate.analysis.library.registry import CallInfo, attribute, function, method
from dpmigrate.analysis.store import ABSENT
from dpmigrate.analysis.values import (
    NONE,
    NOTHING,
    Absent,
    Bound,
    Const,
    Entry,
    Function,
    Literal,
    Obj,
    Partial,
    Seq,
    Tensor,
    Unknown,
    Value,
    const,
    join_all,
    of,
    shorten,
)

# -- builtins ---------------------------------------------------------------------------------


@function("builtins.super")
def _super(ip: Interpreter, info: CallInfo) -> Value:
    frame = ip.frame
    return of(
        Obj("super", (id(info.node), ip.context), ip.module, info.node, (frame.receiver, frame.defining))
    )


@function("builtins.getattr")
def _getattr(ip: Interpreter, info: CallInfo) -> Value:
    owner, name, default = info.argument(0, "o"), info.argument(1, "name"), info.argument(2, "default")
    text = name.only
    if not (isinstance(text, Const) and isinstance(text.value, str)):
        return join_all([ip.unknown(info.node, "getattr"), default])
    found = get_attribute(ip, owner, text.value, info.node)
    if default and (not found or any(isinstance(a, Unknown) for a in found.atoms)):
        return join_all([default.because(ip.origin(info.node, "getattr default")), found])
    return found


@function("builtins.setattr")
def _setattr(ip: Interpreter, info: CallInfo) -> Value:
    name = info.argument(1, "name").only
    if isinstance(name, Const) and isinstance(name.value, str):
        set_attribute(ip, info.argument(0, "o"), name.value, info.argument(2, "value"), info.node)
    return NONE


@function("builtins.dict", "collections.OrderedDict", "addict.Dict", "easydict.EasyDict", "munch.Munch")
def _dict(ip: Interpreter, info: CallInfo) -> Value:
    made = ip.new("dict", info.node)
    for value in info.positional:
        update_dict(ip, made, value)
    for name, value in info.keywords.items():
        ip.store.set(made, ("key", name), value)
    if info.unknown_keywords:
        ip.store.set(made, "rest", of(Unknown((made.key, "rest"), "unknown entries")))
    return of(made)


@function("types.SimpleNamespace", "argparse.Namespace")
def _namespace(ip: Interpreter, info: CallInfo) -> Value:
    made = ip.new("namespace", info.node)
    for name, value in info.keywords.items():
        ip.store.set(made, name, value)
    return of(made)


@function("builtins.vars", "dataclasses.asdict", "attr.asdict", "attrs.asdict")
def _vars(ip: Interpreter, info: CallInfo) -> Value:
    made = ip.new("dict", info.node, extra="vars")
    for atom in info.argument(0, "obj").atoms:
        if isinstance(atom, Obj):
            for slot in ip.store.keys(atom):
                if isinstance(slot, str):
                    ip.store.set(made, ("key", slot), ip.read(atom, slot) or NOTHING)
    ip.store.set(made, "rest", of(Unknown((made.key, "rest"), "other attributes")))
    return of(made)


@function("builtins.list", "builtins.tuple", "builtins.set", "builtins.sorted", "builtins.reversed")
def _sequence(ip: Interpreter, info: CallInfo) -> Value:
    given = info.argument(0, "iterable")
    atom = given.only
    if isinstance(atom, Seq):
        items = tuple(reversed(atom.items)) if atom.items and info.name.endswith("reversed") else atom.items
        return of(Seq(items, atom.element, info.name != "builtins.tuple"))
    if isinstance(atom, Obj) and atom.kind == "private-result":
        return given
    if not given:
        return of(Seq((), None, True))
    return of(Seq(None, iterate(ip, given, info.node), True))


@function("builtins.str", "builtins.int", "builtins.float", "builtins.bool")
def _convert(ip: Interpreter, info: CallInfo) -> Value:
    kinds: dict[str, Callable[[Any], Any]] = {"str": str, "int": int, "float": float, "bool": bool}
    convert = kinds[info.name.rpartition(".")[2]]
    parts = []
    for e in info.argument(0, "object").entries:
        atom = e.atom
        if isinstance(atom, Const) and isinstance(atom.value, (str, int, float, bool)):
            try:
                parts.append(Entry(Const(convert(atom.value)), e.guard, e.because))
                continue
            except ValueError:
                return ip.unknown(info.node, "a conversion")
        if isinstance(atom, Unknown) or (isinstance(atom, Obj) and atom.kind == "enum"):
            parts.append(e)
    return Value(tuple(parts)) if parts else ip.unknown(info.node, "a conversion")


@function("builtins.enumerate")
def _enumerate(ip: Interpreter, info: CallInfo) -> Value:
    given = info.argument(0, "iterable")
    atom = given.only
    if isinstance(atom, Seq) and atom.items is not None:
        return of(Seq(tuple(of(Seq((const(i), v))) for i, v in enumerate(atom.items))))
    return of(Seq(None, of(Seq((ip.unknown(info.node, "a counter"), iterate(ip, given, info.node))))))


@function("builtins.zip", "itertools.zip_longest")
def _zip(ip: Interpreter, info: CallInfo) -> Value:
    columns = [v.only for v in info.positional]
    exact = [c.items for c in columns if isinstance(c, Seq) and c.items is not None]
    if exact and len(exact) == len(columns):
        return of(Seq(tuple(of(Seq(row)) for row in zip(*exact, strict=False))))
    return of(Seq(None, of(Seq(tuple(iterate(ip, v, info.node) for v in info.positional)))))


@function(
    "builtins.next", "builtins.iter", "builtins.filter", "itertools.cycle", "itertools.islice", "tqdm.tqdm"
)
@function(
    "tqdm", "tqdm.auto.tqdm", "tqdm.notebook.tqdm", "tqdm.rich.tqdm", "rich.progress.track", "tqdm.trange"
)
@function(
    "tqdm.notebook",
    "tqdm.asyncio.tqdm",
    "tqdm.autonotebook.tqdm",
    "tqdm.tqdm_notebook",
    "alive_progress.alive_it",
)
def _pass_through(ip: Interpreter, info: CallInfo) -> Value:
    last = info.name.rpartition(".")[2]
    given = info.argument(1 if last == "filter" else 0, "iterable")
    if last == "next":
        return iterate(ip, given, info.node)
    return given or ip.unknown(info.node, last)


@function(
    "builtins.len", "builtins.range", "builtins.print", "builtins.isinstance", "builtins.type", "builtins.id"
)
@function("builtins.min", "builtins.max", "builtins.abs", "builtins.round", "builtins.repr", "builtins.open")
@function("builtins.hasattr", "builtins.callable", "builtins.any", "builtins.all")
def _plain(ip: Interpreter, info: CallInfo) -> Value:
    if info.name == "builtins.len":
        only = info.argument(0, "obj").only
        if isinstance(only, Seq) and only.items is not None:
            return const(len(only.items))
        if isinstance(only, Obj):
            return of(Unknown(("len", only.key), "a length", frozenset({only})))
    if info.name in ("builtins.min", "builtins.max") and len(info.positional) > 1:
        return join_all([*info.positional, ip.unknown(info.node, "an extreme")])
    return ip.unknown(info.node, f"result of {info.name.removeprefix('builtins.')}")


@function("builtins.sum")
def _sum(ip: Interpreter, info: CallInfo) -> Value:
    element = iterate(ip, info.argument(0, "iterable"), info.node)
    tensors = [e for e in element.entries if isinstance(e.atom, Tensor)]
    return Value(tuple(tensors)) if tensors else element


@function("builtins.map")
def _map(ip: Interpreter, info: CallInfo) -> Value:
    arguments = [iterate(ip, v, info.node) for v in info.positional[1:]]
    result = call_value(ip, info.argument(0, "func"), CallInfo(info.node, arguments))
    return of(Seq(None, result))


# -- copies, partial application, contexts ----------------------------------------------------


@function("copy.deepcopy", "copy.copy")
def _copy(ip: Interpreter, info: CallInfo) -> Value:
    out = []
    for e in info.argument(0, "x").entries:
        atom = e.atom
        if isinstance(atom, Obj) and atom.kind in (
            "dict",
            "namespace",
            "instance",
            "model",
            "criterion",
            "optimizer",
        ):
            made = Obj(atom.kind, (id(info.node), ip.context, atom.key), ip.module, info.node, atom.data)
            for slot in ip.store.keys(atom):
                held = ip.read(atom, slot)
                if held:
                    ip.store.set(made, slot, held)
            out.append(Entry(made, e.guard, e.because))
        else:
            out.append(e)
    return Value(tuple(out))


@function("dataclasses.replace")
def _replace(ip: Interpreter, info: CallInfo) -> Value:
    copied = _copy(ip, CallInfo(info.node, info.positional[:1]))
    for atom in copied.atoms:
        for name, value in info.keywords.items():
            ip.store.set(atom, name, value)
    return copied


@function("dataclasses.field", "pydantic.Field", "attr.ib", "attrs.field", "pydantic.fields.Field")
def _field(ip: Interpreter, info: CallInfo) -> Value:
    default = info.argument(0 if "ield" in info.name and "pydantic" in info.name else None, "default")
    if default:
        return default.because(ip.origin(info.node, "field default"))
    factory = info.argument(None, "default_factory") or info.argument(None, "factory")
    return call_value(ip, factory, CallInfo(info.node)) if factory else ip.unknown(info.node, "a field")


@function("functools.partial")
def _partial(ip: Interpreter, info: CallInfo) -> Value:
    return of(Partial(info.argument(0, "func"), tuple(info.positional[1:]), tuple(info.keywords.items())))


@function("contextlib.nullcontext")
def _nullcontext(ip: Interpreter, info: CallInfo) -> Value:
    return of(
        Obj(
            "null-context",
            (id(info.node), ip.context),
            ip.module,
            info.node,
            info.argument(0, "enter_result"),
        )
    )


def _enter_null(ip: Interpreter, e: Entry, node: cst.CSTNode) -> Value:
    assert isinstance(e.atom, Obj)
    return e.atom.data or NONE


registry.ENTERING["null-context"] = _enter_null


@method("unknown", "enter_context", "enter_async_context")
def _enter_context(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    from dpmigrate.analysis.statements import enter_context

    return enter_context(ip, info.argument(0, "cm"), info.node)


@function("types.MethodType")
def _method_type(ip: Interpreter, info: CallInfo) -> Value:
    out = []
    for e in info.argument(0, "function").entries:
        for r in info.argument(1, "instance").atoms:
            if isinstance(e.atom, Function):
                out.append(Entry(Bound(r, "", e.atom), e.guard, e.because))
    return Value(tuple(out)) if out else info.argument(0, "function")


@function(
    "torch.multiprocessing.spawn",
    "torch.multiprocessing.spawn.spawn",
    "torch.multiprocessing.start_processes",
)
def _spawn(ip: Interpreter, info: CallInfo) -> Value:
    arguments = info.argument(1, "args").only
    items = list(arguments.items) if isinstance(arguments, Seq) and arguments.items is not None else []
    rank = ip.unknown(info.node, "the process's rank")
    unknown = not items and bool(info.argument(1, "args"))
    call_value(ip, info.argument(0, "fn"), CallInfo(info.node, [rank, *items], unknown_positional=unknown))
    return NONE


@function("threading.Thread", "multiprocessing.Process", "torch.multiprocessing.Process")
def _worker(ip: Interpreter, info: CallInfo) -> Value:
    arguments = info.argument(None, "args").only
    items = list(arguments.items) if isinstance(arguments, Seq) and arguments.items is not None else []
    call_value(ip, info.argument(None, "target"), CallInfo(info.node, items))
    return ip.unknown(info.node, "a worker")


@function("os.environ.get", "os.getenv")
def _environment(ip: Interpreter, info: CallInfo) -> Value:
    name = info.argument(0, "key").only
    symbol = ("environment", name.value if isinstance(name, Const) else id(info.node))
    default = info.argument(1, "default") or NONE
    return open_value(ip, symbol, default, None, ip.origin(info.node, "environment default"))


# -- dicts, strings, sequences, enums ---------------------------------------------------------


@method(("dict", "namespace", "record"), "get", "pop", "setdefault")
def _dict_get(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    atom = e.atom
    assert isinstance(atom, Obj)
    found = dict_items(ip, atom, info.argument(0, "key"))
    default = info.argument(1, "default") or NONE
    present = found.select(lambda a: not isinstance(a, Absent))
    missing = not found or any(isinstance(a, Absent) for a in found.atoms)
    result = (
        join_all([present, default.because(ip.origin(info.node, f"{info.name} default"))])
        if missing
        else present
    )
    key = info.argument(0, "key").only
    if isinstance(key, Const) and info.name != "get":
        ip.store.set(atom, ("key", key.value), ABSENT if info.name == "pop" else result)
    return result


@method("dict", "update")
def _dict_update(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    assert isinstance(e.atom, Obj)
    for value in info.positional:
        update_dict(ip, e.atom, value)
    for name, value in info.keywords.items():
        ip.store.set(e.atom, ("key", name), value)
    if info.unknown_keywords:
        ip.store.set(e.atom, "rest", of(Unknown((e.atom.key, "rest"), "unknown entries")))
    return NONE


@method(("dict", "namespace"), "copy")
def _dict_copy(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    return _copy(ip, CallInfo(info.node, [Value((e,))]))


@method("dict", "items")
def _dict_items(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    assert isinstance(e.atom, Obj)
    return of(Obj("dict-items", (e.atom.key, "items"), ip.module, info.node, e.atom))


def _iterate_items(ip: Interpreter, e: Entry, node: cst.CSTNode) -> Value:
    assert isinstance(e.atom, Obj)
    known, _ = entries_of(ip, e.atom.data)
    return of(Seq((ip.unknown(node, "a key"), join_all(known.values()) or ip.unknown(node, "a value"))))


registry.ITERATION["dict-items"] = _iterate_items


@method("dict", "values")
def _dict_values(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    assert isinstance(e.atom, Obj)
    known, more = entries_of(ip, e.atom)
    return of(Seq(None if more else tuple(known.values()), join_all(known.values())))


@method("dict", "keys")
def _dict_keys(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    assert isinstance(e.atom, Obj)
    known, more = entries_of(ip, e.atom)
    keys = tuple(const(k) for k in known)
    return of(Seq(None, join_all(keys)) if more else Seq(keys))


registry.ITERATION["dict"] = lambda ip, e, node: (
    join_all(
        [const(k) for k in entries_of(ip, e.atom)[0]]  # type: ignore[arg-type]
    )
    or ip.unknown(node, "a key")
)


@method("constant", "lower", "upper", "strip", "replace", "removeprefix", "removesuffix", "title", "format")
def _string(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    assert isinstance(e.atom, Const)
    arguments = [v.only for v in info.positional]
    known = [a.value for a in arguments if isinstance(a, Const)]
    if isinstance(e.atom.value, str) and len(known) == len(arguments) and not info.keywords:
        try:
            return of(Const(getattr(e.atom.value, info.name)(*known)), *e.because, guard=e.guard)
        except (TypeError, ValueError, IndexError, KeyError):
            return ip.unknown(info.node, "a string")
    return ip.unknown(info.node, "a string")


@method("unknown", "lower", "upper", "strip")
def _unknown_string(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    return Value((e,))


@method("sequence", "append", "extend", "insert", "add")
def _append(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    seq = e.atom
    assert isinstance(seq, Seq)
    new = info.argument(len(info.positional) - 1, "item") if info.positional else NOTHING
    func = info.node.func if isinstance(info.node, cst.Call) else None
    target = func.value if isinstance(func, cst.Attribute) else None
    if info.name == "extend":
        only = new.only
        if isinstance(only, Seq) and only.items is not None and seq.items is not None:
            changed = Seq((*seq.items, *only.items), None, True)
        else:
            changed = Seq(None, join_all([seq.each(), iterate(ip, new, info.node)]), True)
    elif seq.items is not None and len(seq.items) < 12 and info.name == "append" and not ip.loops:
        changed = Seq((*seq.items, new), None, True)
    else:
        changed = Seq(None, join_all([seq.each(), new]), True)
    if isinstance(target, cst.Name):
        assign_name(ip, target.value, of(changed))
    elif isinstance(target, cst.Attribute):
        set_attribute(ip, ip.evaluate(target.value), target.attr.value, of(changed), info.node)
    return NONE


@method("sequence", "copy")
def _sequence_copy(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    return Value((e,))


@attribute("enum", "value")
def _enum_value(ip: Interpreter, e: Entry, node: cst.CSTNode) -> Value:
    assert isinstance(e.atom, Obj)
    held: Value = e.atom.data[2]
    return held.guarded(e.guard)


@attribute("enum", "name")
def _enum_name(ip: Interpreter, e: Entry, node: cst.CSTNode) -> Value:
    assert isinstance(e.atom, Obj)
    return const(e.atom.data[1])


@attribute("instance", "__dict__")
def _instance_dict(ip: Interpreter, e: Entry, node: cst.CSTNode) -> Value:
    return _vars(ip, CallInfo(node, [Value((e,))]))


def open_value(ip: Interpreter, symbol: Any, default: Value, choices: list[Any] | None, origin: Any) -> Value:
    """A value that the user of the program sets: its default, its choices, or anything.

    Each constant is guarded by the assumption that the user chose it, so that everything that
    depends on the same option stays correlated.
    """
    known: dict[Any, Entry] = {}
    for e in default.entries:
        if isinstance(e.atom, Const):
            literal = Literal(symbol, ("eq", e.atom.value), True)
            known[type(e.atom.value), e.atom.value] = Entry(e.atom, frozenset({literal}), (origin,))
    extra = list(choices) if choices is not None else sorted(ip.tested.get(symbol, ()))
    for c in extra:
        literal = Literal(symbol, ("eq", c), True)
        known.setdefault((type(c), c), Entry(Const(c), frozenset({literal}), (origin,)))
    entries = list(known.values())
    entries.extend(e for e in default.entries if not isinstance(e.atom, Const))
    if choices is None:
        others = frozenset(
            Literal(symbol, ("eq", e.atom.value), False) for e in known.values() if isinstance(e.atom, Const)
        )
        entries.append(Entry(Unknown(symbol, "set by the user"), shorten(others, 6), (origin,)))
    return Value(tuple(entries))


__all__ = ["open_value"]
