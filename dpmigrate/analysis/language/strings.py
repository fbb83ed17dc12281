"""Text: literals, and what puts text together."""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

import libcst as cst

from dpmigrate.analysis import registry
from dpmigrate.analysis.core import Interpreter, expression
from dpmigrate.analysis.domain.values import MAX_TEXT, Seq, Value, const
from dpmigrate.analysis.language.choices import switched
from dpmigrate.analysis.language.constants import computed, opaque

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
    try:
        text = _text(node.value) if isinstance(node, cst.SimpleString) else node.evaluated_value
    except (ValueError, SyntaxError):
        # An escape that Python refuses: LibCST does not read what is between the quotes.
        return ip.unknown(node, "a text that is none")
    if text is not None:
        return switched(ip, node, const(text, ip.origin(node, "literal")))
    assert isinstance(node, cst.ConcatenatedString)
    return computed(ip, node, [ip.evaluate(node.left), ip.evaluate(node.right)], _joined)


@lru_cache(maxsize=10_000)
def _text(literal: str) -> str | bytes:
    """What a string literal stands for; the same few are met again and again."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # Not literal_eval: what it leaves behind at every call waits for a collector, which is paused.
        only = ast.parse(literal, mode="eval").body
    assert isinstance(only, ast.Constant)
    assert isinstance(only.value, (str, bytes))
    return only.value


@expression(cst.FormattedString)
def _formatted(ip: Interpreter, node: cst.FormattedString) -> Value:
    parts: list[Value] = []
    given: list[Value] = []
    for part in node.parts:
        if isinstance(part, cst.FormattedStringText):
            parts.append(const(part.value))
            given.append(parts[-1])
        elif isinstance(part, cst.FormattedStringExpression):
            value = ip.evaluate(part.expression)
            spec = part.format_spec[0] if part.format_spec else None
            if isinstance(spec, cst.FormattedStringText) and part.conversion is None:
                registry.tell_hooks(
                    ip, "<formatted>", registry.CallInfo(node, [value], name=f"{{...:{spec.value}}}")
                )
            plain = part.format_spec is None and part.conversion in (None, "s") and part.equal is None
            parts.append(value if plain else opaque(ip, node, [value]))
            given.append(value)
    made = computed(ip, node, parts, _joined, "formatted string") if parts else const("")
    told = registry.CallInfo(node, [*given, made], name="f-string")
    return registry.tell_hooks(ip, "<text of parts>", told) or made


def _joined(*parts: Any) -> str:
    return _join("", map(str, parts))


def _join(separator: str, parts: Iterable[str]) -> str:
    texts = list(parts)
    if sum(map(len, texts)) + len(separator) * len(texts) > MAX_TEXT:
        raise ValueError("too long a text")
    return separator.join(texts)


def formatted(ip: Interpreter, node: cst.CSTNode, template: Value, arguments: Value) -> Value:
    """``template % arguments``."""
    only = arguments.only
    if isinstance(only, Seq):
        if only.items is None or only.mutable:
            return opaque(ip, node, [template, arguments])
        return computed(ip, node, [template, *only.items], lambda text, *given: _filled(text, given))
    return computed(ip, node, [template, arguments], lambda text, given: _filled(text, (given,)))


def _filled(template: Any, given: tuple[Any, ...]) -> str:
    return _checked(template, "%", given) % given


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
            return _checked(template, "{", given).format(*given[:split], **by_name)

        return computed(ip, node, [text, *arguments], compute)
    if names or name not in METHODS:
        return opaque(ip, node, [text, *arguments])

    def change(text: Any, *given: Any) -> Any:
        if name == "replace" and len(given) > 1:
            new = _is_text(given[1])
            if len(_is_text(text)) + text.count(_is_text(given[0])) * len(new) > MAX_TEXT:
                raise ValueError("too long a text")
        return getattr(_is_text(text), name)(*given)

    return computed(ip, node, [text, *arguments], change)


def joined_text(ip: Interpreter, node: cst.CSTNode, separator: Value, items: Value) -> Value:
    """``separator.join(items)``."""
    only = items.only
    if not isinstance(only, Seq) or only.items is None:
        return opaque(ip, node, [separator, items])
    return computed(ip, node, [separator, *only.items], lambda own, *given: _join(_is_text(own), given))


def _is_text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("not a text")
    return value


def _checked(template: Any, mark: str, given: Sequence[Any]) -> str:
    """A template whose places begin with ``mark``, if what is put into them does not get too long."""
    text = _is_text(template)
    longest = max((len(str(value)) for value in given), default=0)
    if _UNBOUNDED.search(text) or len(text) + text.count(mark) * longest > MAX_TEXT:
        raise ValueError("a template that asks for any length")
    return text
