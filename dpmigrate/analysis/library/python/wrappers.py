"""Copies, partial application and context managers."""

from __future__ import annotations

import libcst as cst

from dpmigrate.analysis import registry
from dpmigrate.analysis.core import Interpreter
from dpmigrate.analysis.domain.atoms import Const, External, Obj, Unknown
from dpmigrate.analysis.domain.values import (
    MAX_DEPTH,
    MAX_NESTED,
    NONE,
    Bound,
    Entry,
    Function,
    Partial,
    Value,
    join_all,
    of,
)
from dpmigrate.analysis.guards import Literal
from dpmigrate.analysis.language.calls import call_value
from dpmigrate.analysis.language.choices import open_value
from dpmigrate.analysis.language.exceptions import OPACUS_MISSING
from dpmigrate.analysis.language.fields import CHOICES
from dpmigrate.analysis.language.functions import unknown_call
from dpmigrate.analysis.language.names import import_module
from dpmigrate.analysis.language.unrolling import exact_items
from dpmigrate.analysis.library import rounds
from dpmigrate.analysis.registry import CallInfo, function, method


@function("copy.deepcopy", "copy.copy")
def copied(ip: Interpreter, info: CallInfo) -> Value:
    out = []
    for e in info.argument(0, "x").entries:
        atom = e.atom
        if isinstance(atom, Obj) and atom.kind in (
            "dict",
            "namespace",
            "record",
            "instance",
            "model",
            "criterion",
            "optimizer",
        ):
            made = Obj(atom.kind, (id(info.node), ip.context, atom.key), ip.module, info.node, atom.data)
            ip.births.setdefault(made, ip.at(info.node))
            for slot in ip.store.keys(atom):
                held = ip.read(atom, slot)
                if held:
                    ip.store.set(made, slot, held)
            if atom.kind in ("model", "instance"):
                rounds.note_copy(ip, atom, made)
            out.append(Entry(made, e.guard, e.because))
        else:
            if isinstance(atom, Unknown):
                rounds.note_copy(ip, atom, atom)
            out.append(e)
    return Value(tuple(out))


@function("dataclasses.replace")
def _replace(ip: Interpreter, info: CallInfo) -> Value:
    return _changed(ip, info, info.argument(0, "obj"))


@method(("unknown", "record"), "_replace")
def _replace_in_tuple(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    """``state._replace(model=private)``, of a named tuple."""
    if isinstance(e.atom, Obj):
        return _changed(ip, info, Value((e,)))
    return unknown_call(ip, e.atom, info)


def _changed(ip: Interpreter, info: CallInfo, value: Value) -> Value:
    """Copies of records with other values in some of their fields."""
    twin = copied(ip, CallInfo(info.node, [value]))
    for atom in twin.atoms:
        for name, held in info.keywords.items():
            ip.store.set(atom, name, held)
    return twin


@function("dataclasses.field", "pydantic.Field", "attr.ib", "attrs.field", "pydantic.fields.Field")
def _field(ip: Interpreter, info: CallInfo) -> Value:
    default = info.argument(0 if "ield" in info.name and "pydantic" in info.name else None, "default")
    if default:
        _keep_choices(ip, info)
        return default.because(ip.origin(info.node, "field default"))
    factory = info.argument(None, "default_factory") or info.argument(None, "factory")
    return call_value(ip, factory, CallInfo(info.node)) if factory else ip.unknown(info.node, "a field")


def _keep_choices(ip: Interpreter, info: CallInfo) -> None:
    """Remember what ``metadata={"choices": [...]}`` allows: parsers of dataclasses hand it to argparse."""
    metadata = info.argument(None, "metadata").only
    held = ip.read(metadata, ("key", "choices")) if isinstance(metadata, Obj) else None
    items = exact_items(ip, held) if held else None
    if items is not None and all(isinstance(item.only, Const) for item in items):
        CHOICES.of(ip)[info.node] = [item.constant for item in items]


@function("typing.cast", "typing.assert_type", "typing.reveal_type")
@function("typing_extensions.cast", "typing_extensions.assert_type", "typing_extensions.reveal_type")
def _for_type_checkers(ip: Interpreter, info: CallInfo) -> Value:
    """What says something to a type checker alone returns its argument."""
    return info.argument(1, "val") if info.name.endswith("cast") else info.argument(0, "val")


@function("functools.partial")
def _partial(ip: Interpreter, info: CallInfo) -> Value:
    made = Partial(info.argument(0, "func"), tuple(info.positional[1:]), tuple(info.keywords.items()))
    size, depth = made.extent
    if size > MAX_NESTED or depth > MAX_DEPTH:
        return ip.unknown(info.node, "too large a value")
    return of(made)


@function("importlib.import_module")
def _import_module(ip: Interpreter, info: CallInfo) -> Value:
    name = info.argument(0, "name").only
    if not (isinstance(name, Const) and isinstance(name.value, str)):
        return ip.unknown(info.node, "an imported module")
    level = len(name.value) - len(name.value.lstrip("."))
    return import_module(ip, name.value.lstrip("."), ip.module, level)


@function("importlib.util.find_spec")
def _find_spec(ip: Interpreter, info: CallInfo) -> Value:
    """Where Opacus is, or None where it is not installed: what is done then is done without privacy."""
    name = info.argument(0, "name").only
    if not isinstance(name, Const) or str(name.value).partition(".")[0] != "opacus":
        return unknown_call(ip, External(info.name), info)
    missing = Literal(("raised", id(info.node), ip.context), ("truth",), True)
    OPACUS_MISSING.of(ip)[missing] = ip.origin(info.node)
    found = of(
        Unknown(("found", id(info.node)), never_none=True), guard=frozenset({missing._replace(holds=False)})
    )
    return join_all([found, NONE.guarded(frozenset({missing}))])


@function("builtins.__import__")
def _dunder_import(ip: Interpreter, info: CallInfo) -> Value:
    """The outermost package of a dotted name; the module itself where names are to come from it."""
    name, wanted = info.argument(0, "name").only, info.argument(3, "fromlist")
    if not (isinstance(name, Const) and isinstance(name.value, str)) or info.argument(4, "level"):
        return ip.unknown(info.node, "an imported module")
    dotted = name.value if wanted else name.value.partition(".")[0]
    return import_module(ip, dotted, ip.module, 0)


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
    """A manager that is put on a stack, which ends it nobody knows where."""
    from dpmigrate.analysis.language.flow import ending_of, enter_context

    manager = info.argument(0, "cm")
    entered = enter_context(ip, manager, info.node, info.name == "enter_async_context")
    ends = ending_of(ip, manager, info.node, info.name == "enter_async_context")
    if ends is not None:
        ip.conditional += 1
        ends()
        ip.conditional -= 1
    return entered


@function("types.MethodType")
def _method_type(ip: Interpreter, info: CallInfo) -> Value:
    out = []
    for e in info.argument(0, "function").entries:
        for r in info.argument(1, "instance").atoms:
            if isinstance(e.atom, Function):
                out.append(Entry(Bound(r, "", e.atom), e.guard, e.because))
    return Value(tuple(out)) if out else info.argument(0, "function")


@function("os.environ.get", "os.getenv")
def _environment(ip: Interpreter, info: CallInfo) -> Value:
    name = info.argument(0, "key").only
    symbol = ("environment", name.value if isinstance(name, Const) else id(info.node))
    default = info.argument(1, "default") or NONE
    return open_value(ip, symbol, default, None, ip.origin(info.node, "environment default"))
