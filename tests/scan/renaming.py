"""Renaming every local variable of a module: what the program does stays, what a pattern could match goes."""

from __future__ import annotations

import libcst as cst
from libcst.metadata import (
    Assignment,
    ExpressionContext,
    ExpressionContextProvider,
    FunctionScope,
    MetadataWrapper,
    ScopeProvider,
)


def renamed(text: str) -> tuple[str, int]:
    """The text with other names for the variables of its functions, and how many there were.

    Parameters keep their names, since callers give them by keyword, and so do names that a
    nested function shares by ``nonlocal`` or ``global``, and names that begin with an underscore, which
    says that nothing reads them.
    """
    wrapper = MetadataWrapper(cst.parse_module(text))
    scopes = {s for s in wrapper.resolve(ScopeProvider).values() if isinstance(s, FunctionScope)}
    contexts = wrapper.resolve(ExpressionContextProvider)
    new: dict[cst.CSTNode, str] = {}
    count = 0
    for scope in scopes:
        if isinstance(scope.parent, FunctionScope):
            continue
        for name in {a.name for a in scope.assignments}:
            bindings = list(scope[name])
            if name.startswith("_") or not all(
                _is_variable(b, contexts) and b.scope is scope for b in bindings
            ):
                continue
            count += 1
            fresh = f"local_{count}"
            for binding in bindings:
                assert isinstance(binding, Assignment)
                new[binding.node] = fresh
                new.update((access.node, fresh) for access in binding.references)
    return wrapper.module.visit(_Renamer(new)).code, count


def _is_variable(binding: object, contexts: object) -> bool:
    return (
        isinstance(binding, Assignment)
        and isinstance(binding.node, cst.Name)
        and contexts.get(binding.node) is ExpressionContext.STORE  # type: ignore[attr-defined]
        and all(isinstance(access.node, cst.Name) for access in binding.references)
    )


class _Renamer(cst.CSTTransformer):
    def __init__(self, new: dict[cst.CSTNode, str]) -> None:
        self.new = new

    def leave_Name(self, original_node: cst.Name, updated_node: cst.Name) -> cst.Name:
        name = self.new.get(original_node)
        return updated_node if name is None else updated_node.with_changes(value=name)
