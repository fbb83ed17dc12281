"""Conditions of rules: Kleene's truth for every answer that their facts can give."""

from __future__ import annotations

from itertools import product

import pytest

from dpmigrate.advisories.conditions import ConditionError, condition_holds, facts_named
from dpmigrate.model import Tri

ORDER: dict[Tri, int] = {False: 0, None: 1, True: 2}
BACK: dict[int, Tri] = {number: truth for truth, number in ORDER.items()}
CONDITIONS = (
    "a",
    "not a",
    "a and b",
    "a or b",
    "not (a and not b)",
    "a and (b or not c)",
    "a and b and c or not a",
)


class _Number(int):
    """A number whose ``&``, ``|``, ``~`` are those of three values."""

    def __and__(self, other: int) -> _Number:
        return _Number(min(int(self), int(other)))

    def __or__(self, other: int) -> _Number:
        return _Number(max(int(self), int(other)))

    def __invert__(self) -> _Number:
        return _Number(2 - int(self))

    @staticmethod
    def read(text: str) -> int:
        return int(eval(text, {"_Number": _Number}))


@pytest.mark.parametrize("text", CONDITIONS)
def test_a_condition_is_true_false_or_unknown_as_its_facts_are(text: str) -> None:
    symbols = text.replace("and", "&").replace("or", "|").replace("not", "~")
    for answers in product((False, None, True), repeat=3):
        truths = dict(zip("abc", answers, strict=True))
        numbers = "".join(f"_Number({ORDER[truths[c]]})" if c in truths else c for c in symbols)
        assert condition_holds(text, truths.__getitem__) is BACK[_Number.read(numbers)]


def test_nothing_is_asked_behind_what_is_false() -> None:
    asked = []

    def fact(name: str) -> Tri:
        asked.append(name)
        return {"a": None, "b": False}.get(name, True)

    assert condition_holds("a and b and c", fact) is False
    assert asked == ["a", "b"]


def test_the_names_in_a_condition() -> None:
    assert facts_named("a and not (b or event.sure) and not c") == {"a", "b", "event.sure", "c"}


@pytest.mark.parametrize(
    "text", ["a +", "a + b", "f(a)", "a.b", "event.a.b", "'a'", "-a", "a and 1", "not f(a)"]
)
def test_what_is_no_condition_is_told(text: str) -> None:
    with pytest.raises(ConditionError):
        facts_named(text)
