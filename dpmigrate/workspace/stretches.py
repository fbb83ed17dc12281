"""Where two sequences differ, in bounded time: difflib takes hours where thousands of lines are alike."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from difflib import SequenceMatcher
from typing import NamedTuple

MOST_COMPARED = 20_000_000
"""Pairs of items, one of either sequence, between the first and the last difference."""
MOST_ALIKE = 2_000_000
"""Such pairs that are equal."""


class Stretch(NamedTuple):
    """``before[start:end]`` became ``after[new_start:new_end]``; one of the two may be empty."""

    start: int
    end: int
    new_start: int
    new_end: int


def stretches_changed(before: Sequence[Hashable], after: Sequence[Hashable]) -> list[Stretch]:
    """The stretches that differ, in order; beyond a bound, one from the first to the last difference."""
    head = 0
    while head < min(len(before), len(after)) and before[head] == after[head]:
        head += 1
    end, new_end = len(before), len(after)
    while end > head and new_end > head and before[end - 1] == after[new_end - 1]:
        end, new_end = end - 1, new_end - 1
    if end == head and new_end == head:
        return []
    counts = Counter(after[head:new_end])
    if (end - head) * (new_end - head) > MOST_COMPARED or (
        sum(counts[line] for line in before[head:end]) > MOST_ALIKE
    ):
        return [Stretch(head, end, head, new_end)]
    steps = SequenceMatcher(None, before[head:end], after[head:new_end], autojunk=False).get_opcodes()
    return [Stretch(*(head + at for at in places)) for tag, *places in steps if tag != "equal"]
