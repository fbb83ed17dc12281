"""Where two sequences differ: what is left out is the same in both, and hostile ones cost little."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpmigrate.workspace import stretches
from dpmigrate.workspace.stretches import stretches_changed
from tests.costs import allowed

_ITEMS = st.lists(st.sampled_from("abc"), max_size=8)


def patched(before: list[str], after: list[str]) -> list[str]:
    """``before`` with every stretch that changed replaced."""
    made: list[str] = []
    at = 0
    for part in stretches_changed(before, after):
        assert at <= part.start <= part.end
        assert part.end > part.start or part.new_end > part.new_start
        made += [*before[at : part.start], *after[part.new_start : part.new_end]]
        at = part.end
    return [*made, *before[at:]]


@given(_ITEMS, _ITEMS)
def test_the_stretches_make_one_of_the_other(before: list[str], after: list[str]) -> None:
    assert patched(before, after) == after
    assert stretches_changed(after, after) == []


@given(_ITEMS, _ITEMS)
def test_beyond_the_bounds_they_do_too(before: list[str], after: list[str]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        for bound in ("MOST_COMPARED", "MOST_ALIKE"):
            patch.setattr(stretches, bound, 2)
            assert patched(before, after) == after


def test_they_are_no_longer_than_they_need_be() -> None:
    assert stretches_changed("same", "some") == [(1, 2, 1, 2)]
    assert stretches_changed("abcd", "aXbcYd") == [(1, 1, 1, 2), (3, 3, 4, 5)]
    assert stretches_changed("aXbcYd", "abcd") == [(1, 2, 1, 1), (4, 5, 3, 3)]
    assert stretches_changed("aa", "aaa") == [(2, 2, 2, 3)]
    assert stretches_changed("ab", "ba") in ([(0, 1, 0, 0), (2, 2, 1, 2)], [(0, 0, 0, 1), (1, 2, 2, 2)])


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("x" * 100_000, "y" + "x" * 100_000 + "z"),
        ("xy" * 50_000, "z" + "yx" * 50_000),
        (range(100_000), [n if n % 2 else -n for n in range(1, 100_000)]),
    ],
    ids=["all alike", "two of them", "every second"],
)
def test_a_hundred_thousand_lines_are_compared_in_seconds(before: object, after: object) -> None:
    start = time.process_time()
    (part,) = stretches_changed(list(before), list(after))  # type: ignore[call-overload]
    assert time.process_time() - start < allowed(2)
    assert part.start == part.new_start <= 1
