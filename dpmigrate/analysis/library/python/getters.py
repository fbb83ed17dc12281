"""What ``operator`` takes out of things, and ``functools.reduce`` puts together."""

from __future__ import annotations

from dpmigrate.analysis.core import Interpreter
from dpmigrate.analysis.domain.atoms import Const, External, Obj, Params, Tensor
from dpmigrate.analysis.domain.values import Entry, Seq, Value, of
from dpmigrate.analysis.language.assignment import iterate
from dpmigrate.analysis.language.attributes import get_attribute
from dpmigrate.analysis.language.calls import call_attribute, call_value
from dpmigrate.analysis.language.items import get_item
from dpmigrate.analysis.language.operators import arithmetic
from dpmigrate.analysis.language.unrolling import exact_items
from dpmigrate.analysis.library.epsilons import total_of
from dpmigrate.analysis.registry import CallInfo, function, method

MAX_FOLDED = 8
"""How many items are put together one after the other."""


@function("operator.itemgetter", "operator.attrgetter", "operator.methodcaller")
def _make_getter(ip: Interpreter, info: CallInfo) -> Value:
    made = ip.new("getter", info.node, (info.name.rpartition(".")[2], info))
    return of(made)


@method("getter", "__call__")
def _get(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    assert isinstance(e.atom, Obj)
    what, asked = e.atom.data
    owner = info.argument(0, "obj")
    if what == "methodcaller":
        name = asked.positional[0].only if asked.positional else None
        if not isinstance(name, Const):
            return ip.unknown(info.node, "result of a method")
        given = CallInfo(info.node, asked.positional[1:], asked.keywords)
        return call_attribute(ip, owner, str(name.value), given)
    parts = [_part(ip, what, owner, key, info) for key in asked.positional]
    return parts[0] if len(parts) == 1 else of(Seq(tuple(parts)))


def _part(ip: Interpreter, what: str, owner: Value, key: Value, info: CallInfo) -> Value:
    if what == "itemgetter":
        return get_item(ip, owner, key, info.node)
    name = key.only
    if not isinstance(name, Const):
        return ip.unknown(info.node, "an attribute")
    for part in str(name.value).split("."):
        owner = get_attribute(ip, owner, part, info.node)
    return owner


@function("operator.add", "operator.mul", "operator.sub", "operator.truediv")
def _operator(ip: Interpreter, info: CallInfo) -> Value:
    name = {"add": "Add", "mul": "Multiply", "sub": "Subtract", "truediv": "Divide"}[info.name[9:]]
    return arithmetic(ip, name, info.argument(0, "a"), info.argument(1, "b"), info.node)


@function("functools.reduce")
def _reduce(ip: Interpreter, info: CallInfo) -> Value:
    if info.argument(0, "function").only == External("operator.add"):
        summed = total_of(ip, info.node, iterate(ip, info.argument(1, "iterable"), info.node))
        if summed:
            return summed
    items = exact_items(ip, info.argument(1, "iterable"))
    start = info.argument(2, "initial")
    rest = [*([start] if start else []), *items] if items is not None else []
    if items is None:
        # Of tensors whose number is not known two stand for all: what they are made of is in the result.
        element = iterate(ip, info.argument(1, "iterable"), info.node)
        if element.entries and all(isinstance(a, (Params, Tensor)) for a in element.atoms):
            rest = [start or element, element]
    if not 0 < len(rest) <= MAX_FOLDED:
        return ip.unknown(info.node, "result of reduce")
    folded = rest[0]
    for number, item in enumerate(rest[1:]):
        with ip.inside(info.node, number):
            folded = call_value(ip, info.argument(0, "function"), CallInfo(info.node, [folded, item]))
    return folded
