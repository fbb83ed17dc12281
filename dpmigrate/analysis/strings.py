"""Text: literals, and what puts text together."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import libcst as cst

from dpmigrate.analysis.constants import computed, opaque
from dpmigrate.analysis.core import Interpreter, expression
from dpmigrate.analysis.values import Seq, Value, const

METHODS = (
    "lower",
    "upper",
    "strip",
    "lstrip",
    "rstrip",
    "replace",
    "removeprefix",
    "removesuffix",
    "title",
    "capitalize",
    "casefold",
)
"""Methods of ``str`` that give one text no longer than what goes into it, or not by much."""

_UNBOUNDED = re.compile(r"\d{4}|\*|\{[^}]*\{")
"""A width in a template by which a short program would make a text of gigabytes."""


@expression(cst.SimpleString, cst.ConcatenatedString)
def _string(ip: Interpreter, node: cst.SimpleString | cst.ConcatenatedString) -> Value:
    if isinstance(node, cst.SimpleString):
        return const(_text(node.value), ip.origin(node, "literal"))
    if node.evaluated_value is not None:
        return const(node.evaluated_value, ip.origin(node, "literal"))
    return computed(ip, node, [ip.evaluate(node.left), ip.evaluate(node.right)], _joined)


@lru_cache(maxsize=10_000)
def _text(literal: str) -> str | bytes:
    """What a string literal stands for; the same few are met again and again."""
    value: str | bytes = ast.literal_eval(literal)
    return value


@expression(cst.FormattedString)
def _formatted(ip: Interpreter, node: cst.FormattedString) -> Value:
    parts: list[Value] = []
    for part in node.parts:
        if isinstance(part, cst.FormattedStringText):
            parts.append(const(part.value))
        elif isinstance(part, cst.FormattedStringExpression):
            value = ip.evaluate(part.expression)
            plain = part.format_spec is None and part.conversion in (None, "s") and part.equal is None
            parts.append(value if plain else opaque(ip, node, [value]))
    return computed(ip, node, parts, _joined, "formatted string") if parts else const("")


def _joined(*parts: Any) -> str:
    return "".join(map(str, parts))


def formatted(ip: Interpreter, node: cst.CSTNode, template: Value, arguments: Value) -> Value:
    """``template % arguments``."""
    only = arguments.only
    if isinstance(only, Seq):
        if only.items is None or only.mutable:
            return opaque(ip, node, [template, arguments])
        return computed(ip, node, [template, *only.items], lambda text, *given: _checked(text) % given)
    return computed(ip, node, [template, arguments], lambda text, given: _checked(text) % given)


def method_result(
    ip: Interpreter,
    node: cst.CSTNode,
    name: str,
    text: Value,
    arguments: Sequence[Value],
    names: Sequence[str],
) -> Value:
    """``text.name(*arguments)``, the last of them by keyword; unknown where it is not one text."""
    if name == "format":
        split = len(arguments) - len(names)

        def compute(template: str, *given: Any) -> Any:
            by_name = dict(zip(names, given[split:], strict=True))
            return _checked(template).format(*given[:split], **by_name)

        return computed(ip, node, [text, *arguments], compute)
    if names or name not in METHODS:
        return opaque(ip, node, [text, *arguments])
    return computed(ip, node, [text, *arguments], lambda own, *given: getattr(_is_text(own), name)(*given))


def joined(ip: Interpreter, node: cst.CSTNode, separator: Value, items: Value) -> Value:
    """``separator.join(items)``."""
    only = items.only
    if not isinstance(only, Seq) or only.items is None:
        return opaque(ip, node, [separator])
    return computed(ip, node, [separator, *only.items], lambda own, *given: _is_text(own).join(given))


def _is_text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("not a text")
    return value


def _checked(template: Any) -> str:
    text = _is_text(template)
    if _UNBOUNDED.search(text):
        raise ValueError("a template that asks for any length")
    return text
