"""The classes of a project and their methods, as they are entered when no call reaches them."""

from __future__ import annotations

import libcst as cst

from dpmigrate.analysis.core import Interpreter
from dpmigrate.analysis.domain.values import Class, Function
from dpmigrate.analysis.language.classes import external_base, linear


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
