"""What a join says a slot may hold: whatever some branch leaves there under assumptions that hold."""

from __future__ import annotations

from itertools import product

from hypothesis import given, settings
from hypothesis import strategies as st

from dpmigrate.analysis.domain.atoms import Const
from dpmigrate.analysis.domain.joining import SlotJoin
from dpmigrate.analysis.domain.values import Entry, Value, join_guarded, of
from dpmigrate.analysis.guards import ALWAYS, Guard, Literal

NAMES = ("a", "b", "c")
LITERALS = st.builds(Literal, st.sampled_from(NAMES), st.just(("truth",)), st.booleans())
GUARDS = st.frozensets(LITERALS, max_size=2)
VALUES = st.lists(st.builds(Entry, st.builds(Const, st.integers(0, 4)), GUARDS, st.just(())), max_size=3).map(
    lambda entries: Value(tuple(entries))
)


def holds(guard: Guard, world: dict[object, bool]) -> bool:
    """Whether assumptions hold in a world; what was given up may."""
    return all(literal.symbol not in world or world[literal.symbol] is literal.holds for literal in guard)


def possible(value: Value, world: dict[object, bool]) -> set[object]:
    return {entry.atom for entry in value.entries if holds(entry.guard, world)}


@given(st.lists(GUARDS, min_size=2, max_size=7), st.data())
@settings(max_examples=300, deadline=None)
def test_nothing_that_a_branch_leaves_is_lost(guards: list[Guard], data: st.DataObject) -> None:
    before = data.draw(VALUES)
    numbers = st.integers(0, len(guards) - 1)
    written = data.draw(st.dictionaries(numbers, st.sampled_from([before, *data.draw(st.lists(VALUES))])))
    joined = SlotJoin(guards).value(written, before)
    for truths in product((False, True), repeat=len(NAMES)):
        world: dict[object, bool] = dict(zip(NAMES, truths, strict=True))
        left = [possible(written.get(n, before), world) for n, g in enumerate(guards) if holds(g, world)]
        assert set().union(*left) <= possible(joined, world)


def assumption(number: int) -> Guard:
    return frozenset({Literal("chosen", ("eq", number), True)})


def test_one_of_many_branches_writes() -> None:
    guards = [assumption(number) for number in range(5)]
    before, new = of(Const("before")), of(Const("new"))
    joined = SlotJoin(guards).value({2: new}, before)
    assert {e.guard for e in joined.entries if e.atom == Const("new")} == {assumption(2)}
    assert joined == join_guarded([(new if n == 2 else before, guard) for n, guard in enumerate(guards)])


def test_what_all_branches_hold_gets_no_assumption() -> None:
    guards = [assumption(number) for number in range(3)]
    before = Value((Entry(Const(1)), Entry(Const(2))))
    joined = SlotJoin(guards).value({0: Value((Entry(Const(1)), Entry(Const(3))))}, before)
    assert [e.guard for e in joined.entries if e.atom == Const(1)] == [ALWAYS]


def test_branches_that_leave_what_was_there_change_nothing() -> None:
    before = of(Const(1))
    assert SlotJoin([assumption(0), assumption(1)]).value({0: before}, before) is before
