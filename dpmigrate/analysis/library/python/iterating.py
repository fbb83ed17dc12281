"""Loops over objects of the program's own classes, and their items: ``__iter__``, ``__getitem__``."""

from __future__ import annotations

import libcst as cst

from dpmigrate.analysis import registry
from dpmigrate.analysis.core import Interpreter
from dpmigrate.analysis.domain.atoms import Obj
from dpmigrate.analysis.domain.values import NONE, NOTHING, Class, Entry, Function, Value
from dpmigrate.analysis.language.assignment import iterate
from dpmigrate.analysis.language.calls import call_method, call_own
from dpmigrate.analysis.language.classes import external_base, find_member
from dpmigrate.analysis.registry import CallInfo, method


@method("instance", "<unpack>")
def _unpack_instance(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    """What ``a, b = instance`` takes apart: the items in their order, where ``__iter__`` gives them so."""
    return call_own(ip, e.atom, "__iter__", CallInfo(info.node, name="__iter__")) or NOTHING


def _iterate_instance(ip: Interpreter, e: Entry, node: cst.CSTNode) -> Value:
    instance = e.atom
    assert isinstance(instance, Obj)
    unknown = ip.unknown(node, "an element")
    if not isinstance(instance.data, Class):
        return unknown
    member = find_member(ip, instance.data, "__iter__")
    if member is None:
        handler = registry.ITERATION.get(external_base(ip, instance.data) or "")
        return handler(ip, e, node) if handler is not None else unknown
    if not isinstance(member.only, Function):
        return unknown
    given = call_method(ip, instance, "__iter__", CallInfo(node, name="__iter__"))
    if given.only == instance:
        return call_own(ip, instance, "__next__", CallInfo(node, name="__next__")) or unknown
    return iterate(ip, given, node)


registry.ITERATION["instance"] = _iterate_instance


@method("instance", "<item>")
def _item_of_instance(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    """``instance[key]``: what the class's own method gives, or an element as a loop gets it."""
    held = call_own(ip, e.atom, "__getitem__", CallInfo(info.node, info.positional))
    return held if held is not None else iterate(ip, Value((e,)), info.node)


@method("instance", "<set item>")
def _set_item_of_instance(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    call_own(ip, e.atom, "__setitem__", CallInfo(info.node, info.positional))
    return NONE
