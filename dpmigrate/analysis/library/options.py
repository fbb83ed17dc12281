"""Command-line options and annotated parameters: values that somebody sets from outside."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import libcst as cst

from dpmigrate.analysis import registry
from dpmigrate.analysis.core import Interpreter
from dpmigrate.analysis.domain.atoms import Atom, Const, External, Obj, Unknown
from dpmigrate.analysis.domain.values import (
    NONE,
    NOTHING,
    Class,
    Entry,
    Function,
    Seq,
    Value,
    const,
    join_all,
    of,
)
from dpmigrate.analysis.language import decorated
from dpmigrate.analysis.language.choices import open_default, open_value
from dpmigrate.analysis.language.classes import (
    BASE_KINDS,
    external_base,
    find_member,
    is_enum,
    is_record,
    members_of,
)
from dpmigrate.analysis.language.fields import choices_in, subscripted, unquoted
from dpmigrate.analysis.language.functions import instantiate
from dpmigrate.analysis.language.unrolling import exact_items
from dpmigrate.analysis.library.filled_in import set_from_outside
from dpmigrate.analysis.notes import Slot
from dpmigrate.analysis.registry import CallInfo, function, method

_SWITCHES: Slot[dict[tuple[Atom, str], list[bool]]] = Slot(dict)
"""By parser and option: what a switch on the command line makes of it."""
_WITH_COMMANDS: Slot[set[Atom]] = Slot(set)
"""Parsers that have commands of their own."""
_INSTANCES: Slot[dict[Hashable, Value]] = Slot(dict)
"""By class (its key): an instance that comes from outside."""

# -- argparse ---------------------------------------------------------------------------------


@function("argparse.ArgumentParser", "configargparse.ArgumentParser", "configargparse.ArgParser", "tap.Tap")
@function("jsonargparse.ArgumentParser", "simple_parsing.ArgumentParser", "absl.flags.FlagValues")
def _parser(ip: Interpreter, info: CallInfo) -> Value:
    return of(ip.new("parser", info.node))


@method("parser", "add_argument_group", "add_mutually_exclusive_group", "add_parser", "add_subparsers")
def _group(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    if info.name in ("add_parser", "add_subparsers"):
        _WITH_COMMANDS.of(ip).add(e.atom)
    return of(e.atom)


@method("parser", "add_argument")
def _add_argument(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    dest = _destination(info)
    if dest is None:
        return NONE
    origin = ip.origin(info.node, "argparse default")
    symbol = ("option", _key(e), dest)
    action = info.argument(None, "action").only
    default = info.argument(None, "default")
    word = action.value if isinstance(action, Const) else None
    kind = info.argument(None, "type").only
    if isinstance(kind, Class) and is_enum(kind):
        value = join_all([default or NONE, members_of(ip, kind, info.node)])
    elif word in ("store_true", "store_false") or (
        isinstance(action, External) and "BooleanOptional" in action.name
    ):
        value = open_value(ip, symbol, default or const(word == "store_false"), [True, False], origin)
        _SWITCHES.of(ip)[e.atom, dest] = [word == "store_true"] if word is not None else [True, False]
    else:
        unset = NOTHING if _must_be_given(info) else NONE
        value = open_value(ip, symbol, default or unset, _choices(ip, info.argument(None, "choices")), origin)
    ip.store.set(e.atom, dest, value)
    return of(ip.new("action", info.node))


def _must_be_given(info: CallInfo) -> bool:
    """Whether a program does not start without the argument, so that it has no default."""
    if info.argument(None, "required").only == Const(True):
        return True
    names = [v.only for v in info.positional]
    positional = bool(names) and all(isinstance(n, Const) and not str(n.value).startswith("-") for n in names)
    return positional and "nargs" not in info.keywords


def _key(e: Entry) -> Any:
    return e.atom.key if isinstance(e.atom, Obj) else None


def _destination(info: CallInfo) -> str | None:
    given = info.argument(None, "dest").only
    if isinstance(given, Const):
        return str(given.value)
    names = [
        v.only.value for v in info.positional if isinstance(v.only, Const) and isinstance(v.only.value, str)
    ]
    chosen = next((n for n in names if n.startswith("--")), names[0] if names else None)
    return chosen.lstrip("-").replace("-", "_") if chosen else None


def _choices(ip: Interpreter, value: Value) -> list[Any] | None:
    items = exact_items(ip, value)
    if items is None:
        return None
    constants = [v.only.value for v in items if isinstance(v.only, Const)]
    return constants if len(constants) == len(items) else None


@method("parser", "add_arguments")
def _add_record(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    """``add_arguments(Config, dest="config")`` of simple_parsing."""
    cls, dest = info.argument(0, "dataclass").only, info.argument(1, "dest").only
    if isinstance(cls, Class) and isinstance(dest, Const) and isinstance(dest.value, str):
        ip.store.set(e.atom, dest.value, set_from_outside(ip, cls, info.node))
    return NONE


@method("parser", "set_defaults")
def _set_defaults(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    for name, value in info.keywords.items():
        ways = _SWITCHES.of(ip).pop((e.atom, name), None)
        if ways is not None and e.atom not in _WITH_COMMANDS.of(ip):  # else the default of one command
            origin = ip.origin(info.node, "argparse default")
            switch = open_value(ip, ("option", _key(e), name), value, ways, origin)
            ip.store.set(e.atom, name, switch)
        else:
            ip.store.set(e.atom, name, join_all([value, ip.read(e.atom, name) or NOTHING]))
    return NONE


@method("parser", "parse_args", "parse_known_args")
def _parse(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    made = Obj("namespace", ("arguments", _key(e)), ip.module, info.node)
    for slot in ip.store.keys(e.atom):
        held = ip.read(e.atom, slot)
        if held:
            ip.store.set(made, slot, held)
    if info.name == "parse_known_args":
        return of(Seq((of(made), ip.unknown(info.node, "the rest of the arguments"))))
    return of(made)


@method("unknown", "suggest_categorical")
def _suggested(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    """What a trial of Optuna chooses."""
    choices = _choices(ip, info.argument(1, "choices"))
    symbol = ("chosen", id(info.node), ip.context)
    return open_value(ip, symbol, NOTHING, choices, ip.origin(info.node, "one of the choices"))


@function("random.choice", "numpy.random.choice")
def _chosen(ip: Interpreter, info: CallInfo) -> Value:
    return _suggested(ip, CallInfo(info.node, [NOTHING, info.argument(0, "seq")]), Entry(Const(None)))


# -- parameters of functions that nothing in the project calls --------------------------------

_LIBRARY_KINDS = {
    "torch.Generator": "generator-parameter",
    "torch.utils.data.DataLoader": "loader",
    "torch.nn.Module": "model",
    "torch.optim.Optimizer": "optimizer",
}


@function("<given by a decorator>")
def _by_a_decorator(ip: Interpreter, info: CallInfo) -> Value:
    """What a function that is called without an argument it needs gets from the decorator of a package."""
    fn, param = info.positional[0].only, info.node
    assert isinstance(fn, Function) and isinstance(param, cst.Param)
    return outside_parameter(ip, fn, param, None)


def outside_parameter(ip: Interpreter, fn: Function, param: cst.Param, default: Value | None) -> Value:
    """What a parameter can be when the function is entered from outside the project."""
    name = param.name.value
    symbol = ("param", fn.key, name)
    origin = ip.origin(param, "parameter default" if default is not None else "parameter")
    clicked = ip.store.get(("options", fn.key), name)
    if clicked is not None:
        return clicked
    annotated = _from_annotation(ip, fn, param)
    if annotated is not None:
        return annotated if default is None or default.only == Const(None) else join_all([annotated, default])
    return open_default(ip, symbol, default or NOTHING, origin)


def _from_annotation(ip: Interpreter, fn: Function, param: cst.Param) -> Value | None:
    if param.annotation is None:
        return None
    return _of_type(ip, fn, param, param.annotation.annotation)


def _of_type(ip: Interpreter, fn: Function, param: cst.Param, node: cst.BaseExpression) -> Value | None:
    symbol = ("param", fn.key, param.name.value)
    origin = ip.origin(param, "annotated parameter")
    unquoted_node = unquoted(node)
    if unquoted_node is None:
        return None
    node = unquoted_node
    choices = choices_in(ip, node)
    if isinstance(choices, list):
        return open_value(ip, symbol, NOTHING, choices, origin)
    if isinstance(node, cst.BinaryOperation) and isinstance(node.operator, cst.BitOr):
        return _of_type(ip, fn, param, node.left) or _of_type(ip, fn, param, node.right)
    base, inner = subscripted(node)
    if base in ("Optional", "Annotated", "Final") and inner:
        return _of_type(ip, fn, param, inner[0])
    if not isinstance(node, (cst.Name, cst.Attribute)):
        return None
    atom = ip.evaluate(node).only
    if isinstance(atom, External):
        return _library_parameter(atom, symbol, ip, param, fn)
    if isinstance(atom, Class):
        return _project_parameter(ip, atom, param)
    return None


def _library_parameter(
    atom: External, symbol: Any, ip: Interpreter, param: cst.Param, fn: Function
) -> Value | None:
    if atom.name == "builtins.bool":
        return open_value(ip, symbol, NOTHING, [True, False], ip.origin(param, "a bool parameter"))
    kind = BASE_KINDS.get(atom.name) or _LIBRARY_KINDS.get(atom.name)
    if kind in ("engine", "adaptive-engine", "model", "optimizer", "loader", "dataset"):
        return of(Obj(kind, symbol, ip.module, param))
    return None


def _project_parameter(ip: Interpreter, cls: Class, param: cst.Param) -> Value | None:
    if is_enum(cls):
        return members_of(ip, cls, param) or None
    if is_record(cls) and find_member(ip, cls, "__init__") is None:
        return set_from_outside(ip, cls, param)
    if external_base(ip, cls) is not None or find_member(ip, cls, "__init__") is not None:
        instances = _INSTANCES.of(ip)
        if cls.key not in instances:
            # Its own parameters may be of this class again.
            instances[cls.key] = of(Unknown(("instance", cls.key), f"an instance of {cls.node.name.value}"))
            instances[cls.key] = instantiate(
                ip, cls, CallInfo(param, unknown_positional=True, unknown_keywords=True)
            )
        return instances[cls.key]
    return None


# -- click and typer --------------------------------------------------------------------------


@function("click.option", "rich_click.option", "asyncclick.option", "click.argument")
def _click_option(ip: Interpreter, info: CallInfo) -> Value:
    dest = _click_destination(info)
    origin = ip.origin(info.node, "click default")
    default = info.argument(None, "default") or NONE
    choices: list[Any] | None = None
    kind = info.argument(None, "type").only
    if isinstance(kind, Obj) and kind.kind == "click-choice":
        choices = kind.data
    flag = info.argument(None, "is_flag").only == Const(True) or (dest or "").count("/") > 0
    if flag or any(isinstance(c, bool) for c in default.constants()):
        default, choices = (default if default != NONE else const(False)), [True, False]
    value = open_value(ip, ("click", id(info.node)), default, choices, origin)
    decorated.give(ip, info.node, (dest or "").split("/")[0], value)
    return ip.unknown(info.node, "a decorator")


def _click_destination(info: CallInfo) -> str | None:
    names = [
        v.only.value for v in info.positional if isinstance(v.only, Const) and isinstance(v.only.value, str)
    ]
    plain = [n for n in names if not n.startswith("-")]
    if plain:
        return plain[0]
    long = [n for n in names if n.startswith("--")]
    return long[0].lstrip("-").replace("-", "_") if long else None


@function("click.Choice")
def _click_choice(ip: Interpreter, info: CallInfo) -> Value:
    return of(ip.new("click-choice", info.node, _choices(ip, info.argument(0, "choices"))))


@function("typer.Option", "typer.Argument")
def _typer_option(ip: Interpreter, info: CallInfo) -> Value:
    return open_value(
        ip,
        ("typer", id(info.node)),
        info.argument(0, "default") or NONE,
        None,
        ip.origin(info.node, "typer default"),
    )


# -- absl flags -------------------------------------------------------------------------------


@registry.prefix("absl.flags.DEFINE_")
def _define_flag(ip: Interpreter, info: CallInfo) -> Value:
    name = info.argument(0, "name").only
    default = info.argument(1, "default") or NONE
    choices = _choices(ip, info.argument(2, "enum_values")) if info.name.endswith("enum") else None
    if info.name.endswith("bool") or info.name.endswith("boolean"):
        choices = [True, False]
    text = name.value if isinstance(name, Const) else id(info.node)
    symbol = registry.symbol_of_name(f"{FLAGS}.{text}")
    kind = info.argument(2, "enum_class").only
    if info.name.endswith("enum_class") and isinstance(kind, Class):
        value = members_of(ip, kind, info.node) or ip.unknown(info.node, "a member")
    else:
        value = open_value(ip, symbol, default, choices, ip.origin(info.node, "flag default"))
    ip.store.set(("flags",), text, value)
    made = ip.new("namespace", info.node)
    ip.store.set(made, "value", value)
    ip.store.set(made, "default", default)
    return of(made)


FLAGS = "absl.flags.FLAGS"


@registry.members(FLAGS)
def _flag(ip: Interpreter, name: str) -> Value:
    """``FLAGS.mode``, and ``FLAGS["mode"]``, which has a value."""
    held = ip.store.get(("flags",), name)
    return held if held is not None else of(External(f"{FLAGS}.{name}"))
