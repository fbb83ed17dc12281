"""Fields of records that somebody else sets: each its default, what its annotation names, or anything."""

from __future__ import annotations

from typing import Any

import libcst as cst

from dpmigrate.analysis.core import Interpreter
from dpmigrate.analysis.domain.atoms import Obj
from dpmigrate.analysis.domain.values import NOTHING, Class, Value
from dpmigrate.analysis.frames import Frame
from dpmigrate.analysis.language.choices import open_value
from dpmigrate.analysis.language.classes import find_member, linear, members_of


def open_field(ip: Interpreter, made: Obj, cls: Class, name: str, node: cst.CSTNode) -> Value:
    """What a field of an instance can be where its constructor may be given it, and may not."""
    default = find_member(ip, cls, name) or NOTHING
    because = default.entries[0].because if default.entries else ()
    origin = because[-1] if because else ip.origin(node, "a field")
    named = ip.notes.get(("choices of a field", origin.node)) or _field_choices(ip, cls, name)
    if isinstance(named, Value):
        return named
    return open_value(ip, (made.key, ".", name), default, named, origin)


def _field_choices(ip: Interpreter, cls: Class, name: str) -> list[Any] | Value | None:
    """What the annotation of a field says that it can be: constants, or members; None where it does not."""
    annotation = next((c.annotations[name] for c in linear(cls) if name in c.annotations), None)
    if annotation is None:
        return None
    with ip.apart():
        ip.frames.append(Frame(("module", cls.module.key), cls.module))
        kind = ip.evaluate(annotation).only
    if isinstance(kind, Obj) and kind.kind == "literal-type":
        constants: list[Any] = kind.data
        return constants
    return (members_of(ip, kind, cls.node) or None) if isinstance(kind, Class) else None
