"""How many examples some losses are of, as the program itself can say it: ``len(targets)``.

A wrapped loss gives the mean of its examples, and not their number. Where a program needs that
(``losses.sum()``, ``losses.shape[0]``), it is the length of a variable that is as long as the losses are.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager

import libcst as cst

from dpmigrate.codemods.losses.origins import argument_for
from dpmigrate.codemods.program.facts import Facts


class Examples:
    """The variables that are as long as the losses which are being followed."""

    def __init__(self, facts: Facts) -> None:
        self.facts = facts
        self._as_long: list[tuple[cst.CSTNode, str]] = []
        """Where losses are made or come back from a function, with a variable that is as long there."""

    def begin_at(self, call: cst.Call) -> None:
        """Follow the losses that a call makes: its targets and its inputs are as long."""
        self._as_long = [(call, name) for name in _batches_given(call)]

    def come_back(self, function: cst.CSTNode, call: cst.CSTNode, target: cst.CSTNode | None) -> None:
        """Losses come back from a function: note what its caller has that is as long.

        An argument of the call, or another of the values that come back (``target`` takes them apart).
        """
        facts = self.facts
        inside = {name for made, name in self._as_long if facts.scope(made) is function}
        if not isinstance(function, cst.FunctionDef) or not isinstance(call, cst.Call):
            return
        for name in inside:
            bound = [t for t in facts.own(function, cst.AssignTarget) if self._binds(t, name)]
            given = argument_for(facts, call, function, name) if not bound else None
            if isinstance(given, cst.Name):
                self._as_long.append((call, given.value))
        values = [r.value for r in facts.own(function, cst.Return)]
        value = values[0] if len(values) == 1 else None
        if isinstance(value, cst.Tuple) and isinstance(target, (cst.Tuple, cst.List)):
            for element, taken in zip(value.elements, target.elements, strict=False):
                same = isinstance(element.value, cst.Name) and element.value.value in inside
                if same and isinstance(taken.value, cst.Name):
                    self._as_long.append((target, taken.value.value))

    @contextmanager
    def shared_with(self, calls: Collection[cst.Call]) -> Iterator[None]:
        """Within the block, only what these calls are given, too, is as long: one of them made the losses."""
        known = self._as_long
        self._as_long = [each for each in known if all(each[1] in _batches_given(c) for c in calls)]
        try:
            yield
        finally:
            self._as_long = known

    def number_at(self, node: cst.CSTNode) -> str | None:
        """The number of examples as text, where it can be read at the losses `node`."""
        facts = self.facts
        for made, name in self._as_long:
            if facts.scope(made) is not facts.scope(node):
                continue
            first, last = facts.position(made), facts.position(node)
            rebound = [
                t
                for t in facts.own(facts.scope(node), cst.AssignTarget)
                if first < facts.position(t) <= last and self._binds(t, name)
            ]
            if not rebound and first <= last:
                return f"len({name})"
        return None

    def _binds(self, target: cst.AssignTarget, name: str) -> bool:
        """Whether an assignment gives a variable a value."""
        return any(n.value == name for n in self.facts.inside(target.target, cst.Name))


def _batches_given(call: cst.Call) -> list[str]:
    """The variables that a criterion is given as targets and as inputs."""
    named = {a.keyword.value: a.value for a in call.args if a.keyword is not None}
    plain = [a.value for a in call.args if a.keyword is None and not a.star]
    given = [named.get("target"), *plain[1:2], named.get("input"), *plain[:1]]
    return [node.value for node in given if isinstance(node, cst.Name)]
