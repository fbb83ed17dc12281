"""Builtin functions."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import reduce
from math import prod
from typing import Any

import libcst as cst

from dpmigrate.analysis.batches import batches_of
from dpmigrate.analysis.core import MAX_UNROLL, Interpreter
from dpmigrate.analysis.domain.atoms import A_LENGTH, Const, External, Length, Module, Obj, Tensor, Unknown
from dpmigrate.analysis.domain.values import NONE, NOTHING, Class, Entry, Seq, Value, const, join_all, of
from dpmigrate.analysis.guards import ALWAYS, DOUBT, denial, doubt
from dpmigrate.analysis.language.assignment import iterate, parts_in_order
from dpmigrate.analysis.language.attributes import BY_ATTRIBUTE, get_attribute, set_attribute
from dpmigrate.analysis.language.calls import call_own, call_value
from dpmigrate.analysis.language.choices import open_value
from dpmigrate.analysis.language.classes import is_record
from dpmigrate.analysis.language.constants import computed
from dpmigrate.analysis.language.counting import counted_by_a_sum, kept_above_zero
from dpmigrate.analysis.language.holding import MODEL_KINDS, hold
from dpmigrate.analysis.language.items import update_dict
from dpmigrate.analysis.language.operators import arithmetic, batches_counted, is_penalty
from dpmigrate.analysis.language.outcomes import split_by_truth
from dpmigrate.analysis.language.unrolling import exact_items
from dpmigrate.analysis.library.epsilons import combined, rounded, total_of
from dpmigrate.analysis.library.python.paths import one_of_the_files
from dpmigrate.analysis.registry import ATTRIBUTES_OF, CallInfo, function, tell_hooks
from dpmigrate.analysis.source.tree import in_a_line


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
        names = [e for e in name.entries if isinstance(e.atom, Const) and isinstance(e.atom.value, str)]
        each = [replace(info, positional=[owner, Value((e,)), *info.positional[2:]]) for e in names]
        known = [_getattr(ip, one).guarded(e.guard) for one, e in zip(each, names, strict=True)]
        open_ways = [e.guard for e in name.entries if e not in names] if known else [ALWAYS]
        other = join_all([ip.unknown(info.node, "getattr"), default])  # ``getattr(models, args.model)``
        return join_all([*known, *(other.guarded(guard) for guard in open_ways)])
    attribute = get_attribute(ip, owner, text.value, info.node)
    unknown = attribute.only
    if default and isinstance(unknown, Unknown):
        return open_value(ip, unknown.symbol, default, None, ip.origin(info.node, "getattr default"))
    if default and (not attribute or any(isinstance(a, Unknown) for a in attribute.atoms)):
        default = default.because(ip.origin(info.node, "getattr default"))
        gaps = [e.guard for e in attribute.entries if isinstance(e.atom, Unknown)] or [ALWAYS]
        return join_all([attribute, *(default.guarded(guard) for guard in gaps)])
    return attribute


@function("builtins.globals")
def _globals(ip: Interpreter, info: CallInfo) -> Value:
    """The variables of a module, by their names: an item of it is an attribute of the module."""
    return of(Module(ip.module))


@function("builtins.setattr")
def _setattr(ip: Interpreter, info: CallInfo) -> Value:
    name = info.argument(1, "name").only
    if isinstance(name, Const) and isinstance(name.value, str):
        set_attribute(ip, info.argument(0, "o"), name.value, info.argument(2, "value"), info.node)
    else:
        parts = [a for a in info.argument(2, "value").atoms if isinstance(a, Obj) and a.kind in MODEL_KINDS]
        for owner in info.argument(0, "o").atoms:
            hold(ip, owner, parts)
    return NONE


@function("addict.Dict", "easydict.EasyDict", "munch.Munch", "box.Box", "ml_collections.ConfigDict")
def dict_by_attribute(ip: Interpreter, info: CallInfo) -> Value:
    """A dict whose entries are attributes as well, ``config.delta``."""
    made = _dict(ip, info)
    BY_ATTRIBUTE.of(ip).update(made.atoms)
    return made


@function("builtins.dict", "collections.OrderedDict")
def _dict(ip: Interpreter, info: CallInfo) -> Value:
    made = ip.new("dict", info.node)
    for value in info.positional:
        update_dict(ip, made, value)
    for name, value in info.keywords.items():
        ip.store.set(made, ("key", name), value)
    if info.unknown_keywords:
        ip.store.set(made, "rest", of(Unknown((made.key, "rest"), "unknown entries")))
    return of(made)


@function("collections.defaultdict")
def _dict_with_a_default(ip: Interpreter, info: CallInfo) -> Value:
    """What no key was given yet is what the factory makes: an empty list, or something unknown."""
    made = _dict(ip, replace(info, positional=info.positional[1:]))
    lists = info.argument(0, "default_factory").only == External("builtins.list")
    missing = Seq((), None, True) if lists else Unknown(("default", info.node, ip.context), "a default")
    for atom in made.atoms:
        ip.store.set(atom, "rest", of(missing))
    return made


@function("types.SimpleNamespace", "argparse.Namespace")
def _namespace(ip: Interpreter, info: CallInfo) -> Value:
    made = ip.new("namespace", info.node)
    for name, value in info.keywords.items():
        ip.store.set(made, name, value)
    return of(made)


@function("builtins.vars", "dataclasses.asdict", "attr.asdict", "attrs.asdict")
def dict_of(ip: Interpreter, info: CallInfo) -> Value:
    made = ip.new("dict", info.node, extra="vars")
    only = info.argument(0, "obj").only
    has_attributes = isinstance(only, Obj) and only.kind in ("instance", "namespace", "record")
    if isinstance(only, Obj) and has_attributes and not info.name.endswith("asdict"):
        ATTRIBUTES_OF.of(ip)[made] = only
    for atom in info.argument(0, "obj").atoms:
        if isinstance(atom, Obj):
            for slot in ip.store.keys(atom):
                if isinstance(slot, str):
                    ip.store.set(made, ("key", slot), ip.read(atom, slot) or NOTHING)
    if not (isinstance(only, Obj) and isinstance(only.data, Class) and is_record(only.data)):
        ip.store.set(made, "rest", of(Unknown((made.key, "rest"), "other attributes")))
    return of(made)


@function("builtins.sorted")
def _sorted(ip: Interpreter, info: CallInfo) -> Value:
    """In order where all are numbers, or all are texts, and nothing else says what the order is."""
    exact = exact_items(ip, info.argument(0, "iterable"))
    if exact is None or len(exact) < 2:
        return _sequence(ip, info)
    constants = [item.only.value for item in exact if isinstance(item.only, Const)]
    in_any_order = of(Seq(None, join_all(exact), True))
    if info.keywords or len(constants) < len(exact):
        return in_any_order
    try:
        order = sorted(range(len(exact)), key=constants.__getitem__)
    except TypeError:
        return in_any_order
    return of(Seq(tuple(exact[place] for place in order), None, True))


@function("collections.deque")
def _deque(ip: Interpreter, info: CallInfo) -> Value:
    """As a list; of which not everything may be kept where it has a length."""
    made = _sequence(ip, info)
    has_length = info.given(1, "maxlen") is not False and isinstance(made.only, Seq)
    return of(Seq(None, made.only.each(), True)) if has_length and isinstance(made.only, Seq) else made


@function("builtins.list", "builtins.tuple", "builtins.set", "builtins.reversed", "builtins.frozenset")
def _sequence(ip: Interpreter, info: CallInfo) -> Value:
    given = info.argument(0, "iterable")
    atom = given.only
    if isinstance(atom, Seq):
        items = tuple(reversed(atom.items)) if atom.items and info.name.endswith("reversed") else atom.items
        return of(Seq(items, atom.element, info.name != "builtins.tuple"))
    kept = "loader" if info.name in ("builtins.list", "builtins.tuple") else ""
    if isinstance(atom, Obj) and atom.kind in ("private-result", kept):
        return given  # batches that are kept in a list are those of the loader all the same
    if not given:
        return of(Seq((), None, True))
    exact = exact_items(ip, given)
    if exact is not None:
        return of(Seq(tuple(exact), None, info.name != "builtins.tuple"))
    return of(Seq(None, iterate(ip, given, info.node), True))


@function("builtins.str", "builtins.int", "builtins.float", "builtins.bool")
def _convert(ip: Interpreter, info: CallInfo) -> Value:
    kinds: dict[str, Callable[[Any], Any]] = {"str": str, "int": int, "float": float, "bool": bool}
    convert = kinds[info.name.rpartition(".")[2]]
    if convert in (int, float):
        tell_hooks(ip, "<tensor given>", CallInfo(info.node, info.positional[:1], name=convert.__name__))
    parts: list[Entry] = []
    for e in info.argument(0, "object").entries:
        atom = e.atom
        if isinstance(atom, Const) and isinstance(atom.value, (str, int, float, bool)):
            try:
                converted = convert(atom.value)
            except (ValueError, ArithmeticError):
                return ip.unknown(info.node, "a conversion")
            parts += const(converted, *e.because).guarded(e.guard).entries
            continue
        if isinstance(atom, Unknown) or (isinstance(atom, Obj) and atom.kind == "enum"):
            parts.append(e)
    return Value(tuple(parts)) if parts else ip.unknown(info.node, "a conversion")


@function("math.ceil", "math.floor", "numpy.ceil")
def _whole(ip: Interpreter, info: CallInfo) -> Value:
    """``math.ceil(len(records) / 64)`` is the number of batches that ``len(records) // 64`` is."""
    arg = info.node.args[0].value if isinstance(info.node, cst.Call) and info.node.args else None
    if isinstance(arg, cst.BinaryOperation) and isinstance(arg.operator, cst.Divide):
        size = ip.evaluate(arg.right).only
        in_batches = isinstance(size, Const) or "batch" in in_a_line(arg.right).lower()  # and not in clients
        counted = batches_counted(ip.evaluate(arg.left).only, size, info.node) if in_batches else None
        if counted is not None:
            return counted
    compute = math.floor if info.name == "math.floor" else math.ceil
    return computed(ip, info.node, [info.argument(0, "x")], compute)


@function("builtins.enumerate")
def _enumerate(ip: Interpreter, info: CallInfo) -> Value:
    given = info.argument(0, "iterable")
    atom = given.only
    if isinstance(atom, Seq) and atom.items is not None:
        return of(Seq(tuple(of(Seq((const(i), v))) for i, v in enumerate(atom.items))))
    return of(Seq(None, of(Seq((ip.unknown(info.node, "a counter"), iterate(ip, given, info.node))))))


@function("builtins.zip", "itertools.zip_longest")
def _zip(ip: Interpreter, info: CallInfo) -> Value:
    columns = [exact_items(ip, v) or parts_in_order(ip, v, info.node) for v in info.positional]
    exact = [items for items in columns if items is not None]
    if exact and len(exact) == len(columns):
        return of(Seq(tuple(of(Seq(row)) for row in zip(*exact, strict=False))))
    return of(Seq(None, of(Seq(tuple(iterate(ip, v, info.node) for v in info.positional)))))


@function("itertools.product")
def _product(ip: Interpreter, info: CallInfo) -> Value:
    """Every row where there are few, as a grid of settings has; else one that stands for all."""
    columns = [v.only for v in info.positional]
    exact = [c.items for c in columns if isinstance(c, Seq) and c.items is not None]
    if len(exact) == len(columns) and not info.keywords and prod(map(len, exact)) <= MAX_UNROLL:
        return of(Seq(tuple(of(Seq(row)) for row in itertools.product(*exact))))
    return of(Seq(None, of(Seq(tuple(iterate(ip, v, info.node) for v in info.positional)))))


@function("itertools.chain", "itertools.chain.from_iterable")
def _chain(ip: Interpreter, info: CallInfo) -> Value:
    """Several iterables one after the other: by themselves, or as the items of one."""
    if info.name.endswith("from_iterable"):
        return of(Seq(None, iterate(ip, iterate(ip, info.argument(0, "iterable"), info.node), info.node)))
    return of(Seq(None, join_all([iterate(ip, v, info.node) for v in [*info.positional, *info.spread]])))


_CHOOSING = {"filter": 1, "filterfalse": 1, "takewhile": 1, "dropwhile": 1, "compress": 0, "islice": 0}
"""What hands on some of what it goes over, and which argument that is."""


@function("builtins.filter", *(f"itertools.{name}" for name in _CHOOSING if name != "filter"))
def _choose(ip: Interpreter, info: CallInfo) -> Value:
    name = info.name.rpartition(".")[2]
    given = info.argument(_CHOOSING[name], "data" if name == "compress" else "iterable")
    tell_hooks(ip, "<some left out>", CallInfo(info.node, [given], name=name))
    if isinstance(given.only, Seq) and given.only.items:
        return of(Seq(_kept(ip, info, given.only.items) if name == "filter" else None, given.only.each()))
    return given or ip.unknown(info.node, name)


def _kept(ip: Interpreter, info: CallInfo, items: Sequence[Value]) -> tuple[Value, ...] | None:
    """The items that a filter lets through; None where that cannot be told of each."""
    test = info.argument(0, "function")
    kept: list[Value] = []
    for item in items if len(items) <= MAX_UNROLL else ():
        asked = item if test.only == Const(None) else call_value(ip, test, CallInfo(info.node, [item]))
        yes, no = split_by_truth(ip, asked)
        if bool(yes) == bool(no):
            return None
        kept += [item] if yes else []
    return tuple(kept) if len(items) <= MAX_UNROLL else None


@function("builtins.next", "builtins.iter", "itertools.cycle", "tqdm.tqdm")
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
    given = info.argument(0, "iterable")
    if last == "next":
        following = call_own(ip, given.only, "__next__", CallInfo(info.node, name="__next__"))
        taken = following if following is not None else iterate(ip, given, info.node)
        return join_all([taken, _instead_of(ip, info, taken)])
    return given or ip.unknown(info.node, last)


def _instead_of(ip: Interpreter, info: CallInfo, taken: Value) -> Value:
    """The default of ``next(items, default)``: it is given where nothing of the items is there."""
    default = info.positional[1] if len(info.positional) > 1 else NOTHING
    none_there = [denial(e.guard - ip.path) for e in taken.entries]
    if not default or None in none_there:
        return default.guarded(frozenset({doubt("next", id(info.node), ip.context)}))
    return default.guarded(ALWAYS.union(*filter(None, none_there)))


@function(
    "builtins.len", "builtins.range", "builtins.print", "builtins.type", "builtins.id", "builtins.callable"
)
@function("builtins.min", "builtins.max", "builtins.abs", "builtins.round", "builtins.repr", "builtins.open")
def _plain(ip: Interpreter, info: CallInfo) -> Value:
    if info.name == "builtins.len":
        only = info.argument(0, "obj").only
        if isinstance(only, Seq) and only.items is not None:
            return const(len(only.items))
        if isinstance(only, Obj):
            return of(Unknown(("len", only.key), A_LENGTH, frozenset({only, Length(only)})))
        if isinstance(only, Unknown):
            return ip.unknown(info.node, A_LENGTH, frozenset({Length(only)}))
    if info.name in ("builtins.min", "builtins.max") and len(info.positional) > 1:
        length = kept_above_zero(info.positional) if info.name == "builtins.max" else NOTHING
        return length or join_all([*info.positional, ip.unknown(info.node, "an extreme")])
    if info.name in ("builtins.min", "builtins.max") and len(info.positional) == 1:
        among = iterate(ip, info.positional[0], info.node)
        if one_of_the_files(among):  # ``max(os.listdir(folder), key=number)``
            return among
    result = ip.unknown(info.node, f"result of {info.name.removeprefix('builtins.')}")
    if info.name == "builtins.round":
        return rounded(ip, info.argument(0, "number"), result)
    if info.name == "builtins.min":
        combined(ip, info, "smallest")
    return result


@function("builtins.sum")
def _sum(ip: Interpreter, info: CallInfo) -> Value:
    element = iterate(ip, info.argument(0, "iterable"), info.node)
    tensors = [e for e in element.entries if isinstance(e.atom, Tensor)]
    counted = counted_by_a_sum(ip, info.node) if not tensors else NOTHING
    if counted:
        return counted
    terms = exact_items(ip, info.argument(0, "iterable")) or ()
    constants = any(isinstance(atom, Const) for atom in element.atoms)
    if terms and (tensors or constants):
        begun = () if tensors else (info.argument(1, "start") or const(0),)
        total: Value = reduce(lambda a, b: arithmetic(ip, "Add", a, b, info.node), [*begun, *terms])
        return total
    if constants:
        return ip.unknown(info.node, "a sum", batches_of(ip, [element]))
    penalties = Value(tuple(e for e in element.entries if is_penalty(e.atom)))
    if tensors and penalties:  # how many there are of which is not known
        both = arithmetic(ip, "Add", Value(tuple(tensors)), penalties, info.node)
        return join_all([Value(tuple(tensors)), both.guarded(frozenset({DOUBT}))])
    return Value(tuple(tensors)) if tensors else total_of(ip, info.node, element) or element


@function("builtins.map")
def _map(ip: Interpreter, info: CallInfo) -> Value:
    arguments = [iterate(ip, v, info.node) for v in info.positional[1:]]
    result = call_value(ip, info.argument(0, "func"), CallInfo(info.node, arguments))
    return of(Seq(None, result))
