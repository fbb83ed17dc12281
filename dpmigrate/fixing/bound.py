"""Names that a module uses and does not bind: a fix must leave no more of them than there were."""

from __future__ import annotations

import ast
import builtins
import warnings
from collections.abc import Iterator, Mapping
from functools import lru_cache
from symtable import Symbol, SymbolTable, symtable

_GIVEN = frozenset(dir(builtins)) | {
    "__name__",
    "__file__",
    "__doc__",
    "__package__",
    "__spec__",
    "__path__",
    "__loader__",
    "__builtins__",
    "__annotations__",
}


@lru_cache(maxsize=32)
def unbound(text: str) -> frozenset[str] | None:
    """The global names that are read in a module's text and bound nowhere in it.

    None where that cannot be said: a starred import binds what it likes, and text that does not compile.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree, top = ast.parse(text), symtable(text, "<module>", "exec")
    except (SyntaxError, ValueError, RecursionError):
        return None
    if any(isinstance(n, ast.ImportFrom) and n.names[0].name == "*" for n in ast.walk(tree)):
        return None
    bound: set[str] = set()
    read: set[str] = set()
    for table in _scopes(top):
        at_top = table is top
        for symbol in _symbols(table):
            if (at_top or symbol.is_declared_global()) and (symbol.is_assigned() or symbol.is_imported()):
                bound.add(symbol.get_name())
            if symbol.is_referenced() and (at_top or symbol.is_global()):
                read.add(symbol.get_name())
    return frozenset(read - bound - _GIVEN)


def _symbols(table: SymbolTable) -> Iterator[Symbol]:
    """The symbols of a scope; ``get_symbols`` goes through all scopes below it for each of them."""
    flags_by_name: Mapping[str, int] = vars(table)["_table"].symbols
    return (Symbol(name, flags) for name, flags in flags_by_name.items())


def _scopes(table: SymbolTable) -> Iterator[SymbolTable]:
    yield table
    for inner in table.get_children():
        yield from _scopes(inner)
