"""Fields of records that somebody else sets: each its default, what its annotation names, or anything."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import libcst as cst

from dpmigrate.analysis.core import Interpreter
from dpmigrate.analysis.domain.atoms import Obj
from dpmigrate.analysis.domain.values import NOTHING, Class, Value
from dpmigrate.analysis.frames import Frame
from dpmigrate.analysis.language.choices import open_value
from dpmigrate.analysis.language.classes import find_member, linear, members_of
from dpmigrate.analysis.notes import Slot

LONGEST_ANNOTATION = 200
CHOICES: Slot[dict[cst.CSTNode, list[object]]] = Slot(dict)
"""By the call that makes a field of a record: the constants that it may be."""
"""Characters of an annotation in quotes that is read."""


def open_field(ip: Interpreter, made: Obj, cls: Class, name: str, node: cst.CSTNode) -> Value:
    """What a field of an instance can be where its constructor may be given it, and may not."""
    default = find_member(ip, cls, name) or NOTHING
    because = default.entries[0].because if default.entries else ()
    origin = because[-1] if because else ip.origin(node, "a field")
    named = CHOICES.of(ip).get(origin.node) or _field_choices(ip, cls, name)
    if isinstance(named, Value):
        return named
    return open_value(ip, (made.key, ".", name), default, named, origin)


def _field_choices(ip: Interpreter, cls: Class, name: str) -> list[Any] | Value | None:
    """What the annotation of a field says that it can be, read where the class stands."""
    annotation = _annotation(cls, name)
    if annotation is None:
        return None
    with _where_it_stands(ip, cls):
        return choices_in(ip, annotation)


def class_of_field(ip: Interpreter, cls: Class, name: str) -> Class | None:
    """The project's class that the annotation of a field names, if it names one."""
    annotation = _annotation(cls, name)
    node = unquoted(annotation) if annotation is not None else None
    if not isinstance(node, (cst.Name, cst.Attribute)):
        return None
    with _where_it_stands(ip, cls):
        kind = ip.evaluate(node).only
    return kind if isinstance(kind, Class) else None


def _annotation(cls: Class, name: str) -> cst.BaseExpression | None:
    return next((c.annotations[name] for c in linear(cls) if name in c.annotations), None)


@contextmanager
def _where_it_stands(ip: Interpreter, cls: Class) -> Iterator[None]:
    with ip.apart():
        ip.frames.append(Frame(("module", cls.module.key), cls.module))
        yield


def choices_in(ip: Interpreter, annotation: cst.BaseExpression) -> list[Any] | Value | None:
    """What an annotation says that something can be: constants, or members; None where it does not."""
    node = unquoted(annotation)
    if node is None:
        return None
    base, inner = subscripted(node)
    if base in ("Annotated", "Final", "ClassVar", "InitVar") and inner:
        return choices_in(ip, inner[0])
    if base in ("Optional", "Union") or isinstance(node, cst.BinaryOperation):
        parts = inner if base else [node.left, node.right] if isinstance(node, cst.BinaryOperation) else []
        return _any_of(ip, parts, may_be_none=base == "Optional")
    if base not in ("", "Literal"):
        return None
    kind = ip.evaluate(node).only
    if isinstance(kind, Obj) and kind.kind == "literal-type":
        constants: list[Any] = kind.data
        return constants
    return (members_of(ip, kind, node) or None) if isinstance(kind, Class) else None


def _any_of(ip: Interpreter, parts: list[cst.BaseExpression], may_be_none: bool) -> list[Any] | Value | None:
    """The choices of a union, ``None`` among them; None where one of its parts leaves everything open."""
    nothing = [isinstance(part, cst.Name) and part.value == "None" for part in parts]
    choices = [choices_in(ip, part) for part, no in zip(parts, nothing, strict=True) if not no]
    constants = [choice for choice in choices if isinstance(choice, list)]
    if len(constants) < len(choices) or not choices:
        return choices[0] if len(choices) == 1 else None
    return [*(c for choice in constants for c in choice), *([None] if may_be_none or any(nothing) else [])]


def subscripted(node: cst.BaseExpression) -> tuple[str, list[cst.BaseExpression]]:
    """The last name and the parts of ``typing.Optional[X]``; no name where it is none."""
    if not isinstance(node, cst.Subscript):
        return "", []
    last = node.value.attr if isinstance(node.value, cst.Attribute) else node.value
    parts = [part.slice.value for part in node.slice if isinstance(part.slice, cst.Index)]
    return (last.value if isinstance(last, cst.Name) else "?"), parts


def unquoted(node: cst.BaseExpression) -> cst.BaseExpression | None:
    """An annotation without quotes around it; None where what they hold is none."""
    if not isinstance(node, cst.SimpleString):
        return node
    text = node.evaluated_value
    # LibCST's parser crashes the process on brackets that are nested deeply.
    if not isinstance(text, str) or len(text) > LONGEST_ANNOTATION:
        return None
    try:
        return cst.parse_expression(text)
    except (cst.ParserSyntaxError, ValueError):
        return None
