"""Losses that a dict holds beside other things: ``return {"loss": criterion(out, y), "accuracy": ...}``."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from dpmigrate.analysis.ledger import Guard
from dpmigrate.codemods.program.facts import Facts, keys_of
from dpmigrate.codemods.returned.entries import is_taken_whole


def entries_read(facts: Facts, node: cst.Subscript, guard: Guard) -> list[cst.BaseExpression]:
    """What dicts that are written out have under the key that is read; nothing where that is not plain."""
    key = _key(node)
    held = keys_of(facts.held(node.value, guard))
    return [
        element.value
        for element in _elements(facts)
        if key is not None and _named(element) == key and held & keys_of(facts.held(_dict_of(facts, element)))
    ]


def reads_of(facts: Facts, element: cst.DictElement) -> list[cst.Subscript] | None:
    """Where the entry is read by its key; None where the dict may be taken whole."""
    whole = _dict_of(facts, element)
    held, key = keys_of(facts.held(whole)), _named(element)
    kept = isinstance(facts.parent(whole), (cst.Return, cst.Assign, cst.AnnAssign))
    if not held or key is None or not kept or is_taken_whole(facts, whole, shown=True):
        return None
    subscripts = (n for info in facts.modules for n in facts.inside(info.tree, cst.Subscript))
    return [n for n in subscripts if _key(n) == key and held & keys_of(facts.held(n.value))]


def _elements(facts: Facts) -> Iterator[cst.DictElement]:
    for info in facts.modules:
        yield from facts.inside(info.tree, cst.DictElement)


def _dict_of(facts: Facts, element: cst.DictElement) -> cst.BaseExpression:
    around = facts.parent(element)
    assert isinstance(around, cst.Dict)
    return around


def _named(element: cst.DictElement) -> object:
    return element.key.evaluated_value if isinstance(element.key, cst.SimpleString) else None


def _key(node: cst.Subscript) -> object:
    index = node.slice[0].slice if len(node.slice) == 1 else None
    key = index.value if isinstance(index, cst.Index) else None
    return key.evaluated_value if isinstance(key, cst.SimpleString) else None
