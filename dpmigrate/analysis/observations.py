"""What each expression was seen to be, as fixes ask it of a program that was interpreted to its end."""

from __future__ import annotations

from collections.abc import Collection

import libcst as cst

from dpmigrate.analysis.domain.atoms import Atom, Const
from dpmigrate.analysis.domain.values import Value
from dpmigrate.analysis.guards import Guard

MAX_UNSORTED = 10_000
"""Evaluated expressions that are kept before those which say the same are put together."""

Case = tuple[Atom, Guard]
"""What an expression was seen to be, and under which assumptions."""


class Observations:
    """The cases of each expression, constants left out.

    Putting a few in order costs more than keeping them as they come; many take room, as most say the same.
    """

    def __init__(self) -> None:
        self._unsorted: list[tuple[cst.CSTNode, Value, Guard]] = []
        self._cases: dict[cst.CSTNode, dict[Case, None]] = {}
        self._guards: dict[Guard, Guard] = {}
        """Each once: many expressions are under the same."""

    def add(self, node: cst.CSTNode, value: Value, path: Guard) -> None:
        """An expression was evaluated under a path condition."""
        self._unsorted.append((node, value, path))
        if len(self._unsorted) >= MAX_UNSORTED:
            self._sort_out()

    def of(self, node: cst.CSTNode) -> Collection[Case]:
        """The cases of an expression, in the order in which they were met."""
        self._sort_out()
        return self._cases.get(node, {}).keys()

    def _sort_out(self) -> None:
        for node, value, path in self._unsorted:
            cases = self._cases.setdefault(node, {})
            for e in value.entries:
                if type(e.atom) is not Const:
                    guard = e.guard | path if e.guard else path
                    cases.setdefault((e.atom, self._guards.setdefault(guard, guard)))
        self._unsorted.clear()
