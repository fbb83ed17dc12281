"""The slots of one join: which branches wrote a slot decides its guards, whatever they wrote there.

At the end of a call with many callees each branch writes a little, and all others hold what was there before;
what all of them assume together is the same for every slot that the same branches wrote.
"""

from __future__ import annotations

from collections.abc import Sequence

from dpmigrate.analysis.domain.atoms import Const
from dpmigrate.analysis.domain.values import MAX_ATOMS, Entry, Value, join_guarded, merge_entries
from dpmigrate.analysis.guards import ALWAYS, Guard, together

_ANYTHING = Const(None)


class SlotJoin:
    """Joins the values of slots at the end of the same branches, each with its guard."""

    def __init__(self, guards: Sequence[Guard]) -> None:
        self._guards = guards
        self._rests: dict[tuple[int, ...], tuple[int, ...]] = {}
        self._cases: dict[tuple[int, ...], list[Guard]] = {}

    def value(self, written: dict[int, Value], before: Value) -> Value:
        """What a slot holds that some branches, by number, have written, and which held ``before``.

        The same as ``join_guarded`` of all branches.
        """
        groups: dict[int, tuple[Value, list[int]]] = {}
        writers = tuple(written)
        rest = self._rest(writers)
        if rest:
            groups[id(before)] = before, list(rest)
        for number, value in written.items():
            groups.setdefault(id(value), (value, []))[1].append(number)
        if len(groups) == 1:
            return next(iter(groups.values()))[0]
        ordered = sorted(groups.values(), key=_first)
        return self._of_single_atoms(ordered) or join_guarded(
            [(value, case) for value, numbers in ordered for case in self._assumed(tuple(numbers))]
        )

    def _of_single_atoms(self, groups: Sequence[tuple[Value, list[int]]]) -> Value | None:
        """The join where each group of branches has one atom for certain, another one each; else None."""
        entries: list[Entry] = []
        seen = set()
        for value, numbers in groups:
            if not value.entries:
                continue
            only = value.entries[0]
            if len(value.entries) > 1 or only.guard or only.atom in seen:
                return None
            seen.add(only.atom)
            entries.extend([Entry(only.atom, guard, only.because) for guard in self._assumed(tuple(numbers))])
        return Value(tuple(entries)) if entries and len(seen) <= MAX_ATOMS else None

    def _rest(self, writers: tuple[int, ...]) -> tuple[int, ...]:
        """All branches but some."""
        rest = self._rests.get(writers)
        if rest is None:
            rest = self._rests[writers] = tuple(n for n in range(len(self._guards)) if n not in writers)
        return rest

    def _assumed(self, numbers: tuple[int, ...]) -> list[Guard]:
        """The cases of what certain branches leave, and no other."""
        cases = self._cases.get(numbers)
        if cases is None:
            merged = merge_entries([Entry(_ANYTHING, together(ALWAYS, self._guards[n])) for n in numbers])
            cases = self._cases[numbers] = [e.guard for e in merged.entries]
        return cases


def _first(group: tuple[Value, list[int]]) -> int:
    return min(group[1])
