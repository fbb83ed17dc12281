"""Conditions of advisories: ``and``, ``or``, ``not`` over named facts, in three-valued logic.

A condition is written in the rule's file. A name in it is a fact of ``advisories.facts``; ``event.sure`` is
what the event that the finding is about says in its field of that name.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from functools import cache

from dpmigrate.model import Tri, both, either, negated


class ConditionError(Exception):
    """A condition that is not made of names, ``event.FIELD``, ``and``, ``or``, ``not`` and brackets."""


@cache
def _parsed(text: str) -> ast.expr:
    try:
        return ast.parse(text, mode="eval").body
    except SyntaxError as error:
        raise ConditionError(f"{text!r} is not a condition: {error.msg}") from error


@cache
def facts_named(text: str) -> frozenset[str]:
    """The facts that a condition names. Raises ConditionError."""
    return frozenset(_names(_parsed(text), text))


def _names(node: ast.expr, text: str) -> Iterator[str]:
    if isinstance(node, ast.BoolOp):
        for part in node.values:
            yield from _names(part, text)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield from _names(node.operand, text)
    elif name := _name(node):
        yield name
    else:
        raise ConditionError(f"{text!r}: only names, event.FIELD, and, or, not are understood")


def _name(node: ast.expr) -> str:
    if isinstance(node, ast.Name):
        return node.id
    of_the_event = (
        isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "event"
    )
    return ast.unparse(node) if of_the_event else ""


def condition_holds(text: str, fact: Callable[[str], Tri]) -> Tri:
    """Kleene truth of a condition, given the truth of each fact by name.

    Of a conjunction nothing more is asked once a part is false.
    """
    tree = _parsed(text)
    if not (isinstance(tree, ast.BoolOp) and isinstance(tree.op, ast.And)):
        return _evaluate(tree, fact)
    truths = []
    for part in tree.values:
        truths.append(_evaluate(part, fact))
        if truths[-1] is False:
            return False
    return both(*truths)


def _evaluate(node: ast.expr, fact: Callable[[str], Tri]) -> Tri:
    if name := _name(node):
        return fact(name)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        return negated(_evaluate(node.operand, fact))
    if isinstance(node, ast.BoolOp):
        join = both if isinstance(node.op, ast.And) else either
        return join(*(_evaluate(part, fact) for part in node.values))
    raise ConditionError(f"{ast.unparse(node)!r} is not a condition")
