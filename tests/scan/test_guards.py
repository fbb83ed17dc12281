"""Assumptions joined and given up: never may a value be lost that some execution has."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpmigrate.analysis.domain.atoms import Const
from dpmigrate.analysis.domain.values import Entry, merge_entries
from dpmigrate.analysis.guards import (
    DOUBT,
    MAX_GUARD,
    Guard,
    Literal,
    beyond_entries,
    clash,
    contradict,
    denial,
    doubt,
    doubts,
    either_guard,
    entails,
    entered,
    none_of,
    shorten,
    times_entered,
    together,
    weaken,
)

SYMBOLS = ("private", "ghost", "seeded")
WORLDS = [dict(zip(SYMBOLS, truths, strict=True)) for truths in product((False, True), repeat=len(SYMBOLS))]

_LITERALS = st.builds(Literal, st.sampled_from(SYMBOLS), st.just(("truth",)), st.booleans())
_GUARDS = st.frozensets(_LITERALS, max_size=3)
_ENTRIES = st.lists(
    st.builds(Entry, st.sampled_from([Const("ghost"), Const("hooks")]), _GUARDS, st.just(())), max_size=8
)


def holds(guard: Guard, world: dict[str, bool]) -> bool:
    return all(world[str(lit.symbol)] == lit.holds for lit in guard - {DOUBT})


@given(_GUARDS, _GUARDS)
def test_either_says_exactly_one_or_the_other(a: Guard, b: Guard) -> None:
    found = either_guard(a, b)
    if found is not None:
        assert all(holds(found, w) == (holds(a, w) or holds(b, w)) for w in WORLDS)


@given(_GUARDS, _GUARDS)
def test_a_weaker_guard_holds_wherever_one_of_them_does_and_says_when_it_is_not_exact(
    a: Guard, b: Guard
) -> None:
    found = weaken(a, b)
    assert all(holds(found, w) for w in WORLDS if holds(a, w) or holds(b, w))
    exact = all(holds(found, w) == (holds(a, w) or holds(b, w)) for w in WORLDS)
    assert exact or DOUBT in found


@given(_GUARDS, _GUARDS)
def test_guards_that_contradict_hold_in_no_world_together(a: Guard, b: Guard) -> None:
    if contradict(a, b):
        assert not any(holds(a, w) and holds(b, w) for w in WORLDS)


@given(_ENTRIES)
def test_merging_loses_no_value_and_claims_none_without_a_doubt(entries: list[Entry]) -> None:
    merged = merge_entries(entries)
    for world in WORLDS:
        before = {e.atom for e in entries if holds(e.guard, world)}
        after = {e.atom for e in merged.entries if holds(e.guard, world)}
        doubted = {e.atom for e in merged.entries if DOUBT in e.guard}
        assert before <= after <= before | doubted
    assert {e.atom for e in merged.entries} == {e.atom for e in entries}
    assert merged == merge_entries(merged.entries)


def test_what_went_on_where_two_assumptions_together_returned() -> None:
    a, b, c = (Literal(name, ("truth",), True) for name in "abc")
    not_b = b._replace(holds=False)
    went_on = frozenset({none_of([frozenset({a, b})])})
    assert contradict(went_on, frozenset({a, b, c}))
    assert contradict(went_on | {a}, frozenset({b}))
    assert not contradict(went_on, frozenset({a, c}))
    assert entails(frozenset({a, not_b}), *went_on)
    assert not entails(frozenset({a}), *went_on)
    assert doubts(frozenset({none_of([frozenset({a, doubt("b")})])}))


@pytest.mark.parametrize(
    ("known", "test", "truth"),
    [
        ("ghost-fp16", ("has", "ghost"), True),
        ("ghost-fp16", ("has", "hooks"), False),
        (5, ("has", "hooks"), None),
        ("ghost", ("eq", "hooks"), False),
        ("1", ("eq", 1), False),
        ("", ("truth",), False),
        ("ghost", ("truth",), True),
        ("ghost", ("is", "ghost"), None),
    ],
)
def test_what_is_equal_to_a_constant_passes_the_tests_that_the_constant_passes(
    known: object, test: tuple[object, ...], truth: bool | None
) -> None:
    equal = Literal("mode", ("eq", known), True)
    for holds in (True, False):
        other = Literal("mode", test, holds)
        assert clash(equal, other) == clash(other, equal) == (truth is not None and truth != holds)
        assert not clash(equal._replace(holds=False), other)
        assert not clash(equal, other._replace(symbol="another"))


def test_a_guard_has_a_bound_beyond_which_the_oldest_are_in_doubt() -> None:
    literals = [Literal(f"bound {n}", ("truth",), True) for n in range(MAX_GUARD + 2)]
    for literal in literals:
        assert shorten(frozenset({literal})) == {literal}
    full = frozenset(literals[:MAX_GUARD])
    assert shorten(full) == together(full, full) == full
    longer = shorten(frozenset(literals))
    assert longer == {*literals[3:], DOUBT}
    assert len(longer) == MAX_GUARD
    assert shorten(longer | {literals[0]}) == longer


def test_only_what_was_called_is_left_out_of_what_an_execution_assumes() -> None:
    a, called = Literal("a", ("truth",), True), entered("fit")
    other = Literal(("entry", "fit"), ("truth",), True)
    assert beyond_entries(frozenset({a, called, other})) == {a, other}
    assert called.holds
    assert doubts(frozenset({a, called, other, doubt("b")})) == {doubt("b")}


def test_none_of_several_follows_where_each_is_excluded() -> None:
    a, b = (Literal(name, ("truth",), True) for name in "ab")
    neither = none_of([frozenset({a}), frozenset({b})])
    not_a, not_b = a._replace(holds=False), b._replace(holds=False)
    assert neither.holds
    assert entails(frozenset({not_a, not_b}), neither)
    assert not entails(frozenset({not_a}), neither)
    assert not entails(frozenset({not_b}), neither)
    assert contradict(frozenset({neither}), frozenset({b}))
    assert not contradict(frozenset({neither}), frozenset({not_b}))


def test_two_guards_that_differ_in_one_outcome_are_what_they_share() -> None:
    a, x, y = (Literal(name, ("truth",), True) for name in "axy")
    not_x = x._replace(holds=False)
    assert either_guard(frozenset({x, a}), frozenset({not_x, a})) == {a}
    assert either_guard(frozenset({x, a}), frozenset({a})) == {a}
    assert either_guard(frozenset({a}), frozenset({x, a})) == {a}
    assert either_guard(frozenset({x, a}), frozenset({y, a})) is None
    assert either_guard(frozenset({x, a}), frozenset({not_x, y})) is None
    assert weaken(frozenset({x, a}), frozenset({y, a})) == {a, DOUBT}
    assert together(frozenset({a}), frozenset({x})) == {a, x}


def test_what_denies_what_cannot_be_told_is_a_doubt() -> None:
    a = Literal("a", ("truth",), True)
    for guards in ([frozenset(), {a}], [{a}, {a, DOUBT}], [{none_of([frozenset({a})])}, {a}]):
        assert doubts(frozenset({none_of(map(frozenset, guards))}))
    assert not doubts(frozenset({none_of([frozenset({a})])}))


def test_of_several_calls_that_are_assumed_the_latest_counts() -> None:
    later, other = entered("fit", "trainer", 3), Literal(("entry", "fit", 4), ("truth",), True)
    assumed = {entered("fit", "trainer", 1), later, entered("test", 2), other}
    assert times_entered(frozenset(assumed)) == {("fit", "trainer"): 3, ("test",): 2}
    assert times_entered(frozenset({later._replace(holds=False), other})) == {}


_TESTS = st.sampled_from(
    [("truth",), ("eq", "ghost"), ("eq", "hooks"), ("eq", ""), ("has", "gho"), ("is", None)]
)
_TOLD = st.frozensets(
    st.builds(Literal, st.sampled_from(("mode", "name")), _TESTS, st.booleans()), max_size=5
)


@given(_TOLD, _TOLD)
def test_guards_contradict_where_some_two_of_their_assumptions_clash(a: Guard, b: Guard) -> None:
    assert contradict(a, b) == any(clash(x, y) for x in a for y in b)


def test_a_conjunction_is_denied_where_it_can_be_put_into_words() -> None:
    private = Literal("private", ("truth",), True)
    ghost = Literal("ghost", ("truth",), True)
    assert denial(frozenset([private])) == frozenset([private._replace(holds=False)])
    assert denial(frozenset([private, ghost])) == frozenset([none_of([frozenset([private, ghost])])])
    for hidden in (DOUBT, none_of([frozenset([private])]), entered("step", 1)):
        assert denial(frozenset([hidden])) is None
        assert denial(frozenset([hidden, ghost])) is None
    assert denial(frozenset()) is None


_CHOICES = st.lists(st.sampled_from("abc"), min_size=1, max_size=3, unique=True).map(tuple)
_MEMBERS = st.one_of(
    st.builds(Literal, st.just("mode"), st.tuples(st.just("in"), _CHOICES), st.booleans()),
    st.builds(Literal, st.just("mode"), st.tuples(st.just("eq"), st.sampled_from("abc")), st.booleans()),
)


def says(literal: Literal, mode: str) -> bool:
    choices = literal.test[1] if literal.test[0] == "in" else (literal.test[1],)
    return (mode in choices) == literal.holds


@given(_MEMBERS, _MEMBERS)
def test_two_memberships_of_one_thing_clash_where_nothing_is_left_for_it(a: Literal, b: Literal) -> None:
    never = not any(says(a, mode) and says(b, mode) for mode in "abcd")
    assert clash(a, b) is never
    assert contradict(frozenset({a}), frozenset({b})) is never
