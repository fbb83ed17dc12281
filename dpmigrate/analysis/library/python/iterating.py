"""Loops over objects of the program's own classes: ``__iter__``, and what their library base gives."""

from __future__ import annotations

import libcst as cst

from dpmigrate.analysis.assignment import iterate
from dpmigrate.analysis.atoms import Obj
from dpmigrate.analysis.calls import call_method
from dpmigrate.analysis.classes import external_base, find_member
from dpmigrate.analysis.core import Interpreter
from dpmigrate.analysis.library import registry
from dpmigrate.analysis.library.registry import CallInfo
from dpmigrate.analysis.values import Class, Entry, Function, Value


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
        following = find_member(ip, instance.data, "__next__")
        named = CallInfo(node, name="__next__")
        return call_method(ip, instance, "__next__", named) if following is not None else unknown
    return iterate(ip, given, node)


registry.ITERATION["instance"] = _iterate_instance
