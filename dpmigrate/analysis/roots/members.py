"""The classes of a project and their methods, as they are entered when no call reaches them."""

from __future__ import annotations

import libcst as cst

from dpmigrate.analysis.core import Interpreter
from dpmigrate.analysis.domain.values import Class, Function
from dpmigrate.analysis.language.classes import external_base, linear
from dpmigrate.analysis.roots.leading import MAKERS
from dpmigrate.analysis.source.mentions import MENTIONS


def mixins_last(ip: Interpreter) -> list[Class]:
    """The classes, those behind that are nothing by themselves: bases that a library's class completes."""
    mixins = {
        base
        for cls in ip.classes
        if external_base(ip, cls) is not None
        for base in linear(cls)
        if not base.bases and base != cls
    }
    return [c for c in ip.classes if c not in mixins] + [c for c in ip.classes if c in mixins]


def names_a_ghost_mode(cls: Class) -> bool:
    """Whether a class speaks of ghost mode itself, so that inherited methods may do so on it."""
    return b"ghost" in cls.module.source.data and "ghost" in cls.module.tree.code_for_node(cls.node)


def methods_of(ip: Interpreter, cls: Class) -> list[Function]:
    """The class's methods, inherited ones included, each name once, in order of definition."""
    methods: dict[str, Function] = {}
    for current in linear(cls):
        for slot in ip.store.keys(("class", current.key)):
            value = ip.store.get(("class", current.key), slot)
            for atom in value.atoms if value is not None else ():
                if (
                    isinstance(atom, Function)
                    and isinstance(atom.node, cst.FunctionDef)
                    and isinstance(slot, str)
                ):
                    methods.setdefault(slot, atom)
    return list(methods.values())


def makes_runs(ip: Interpreter, cls: Class) -> bool:
    """Whether a class of the project, or one that it descends from, makes private runs itself."""
    return any(MENTIONS.of(ip).of(each.node) & MAKERS for each in linear(cls))


def fills_in(ip: Interpreter, cls: Class, method: Function) -> bool:
    """Whether a class has anew what a method that it inherits calls on itself, through others or not.

    What such a method was seen to do for the class that defines it is not what it does for this one.
    """
    if method.owner is None or method.owner == cls:
        return False
    here = {each.name: each for each in methods_of(ip, cls)}
    there = {each.name: each for each in methods_of(ip, method.owner)}
    anew = {name for name, each in here.items() if there.get(name) != each} - {"__init__"}
    mentions = MENTIONS.of(ip)
    reached = {method.name}
    waiting = [method]
    while waiting:
        called = (mentions.of(waiting.pop().node) & here.keys()) - reached
        if called & anew:
            return True
        reached |= called
        waiting.extend(here[name] for name in called)
    return False
