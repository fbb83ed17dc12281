"""The store of variables: layers that are pushed, popped, joined and stood on."""

from __future__ import annotations

import pytest

from dpmigrate.analysis.domain.atoms import Const, Obj, Unknown
from dpmigrate.analysis.domain.store import ABSENT, MADE, PARTS, Store
from dpmigrate.analysis.domain.values import NOTHING, Value, of
from dpmigrate.analysis.guards import Literal

ONE, TWO, THREE = (of(Const(number)) for number in (1, 2, 3))
FRAME = ("frame", 1)
INSTANCE = Obj("instance", "of a class")
ENTRIES = Obj("dict", "of entries")
TAKEN, NOT_TAKEN = (frozenset({Literal("taken", ("truth",), holds)}) for holds in (True, False))


def test_a_layer_hides_what_is_below_until_it_is_popped() -> None:
    store = Store()
    store.set(FRAME, "x", ONE)
    store.push()
    store.set(FRAME, "x", TWO)
    store.set(FRAME, "x", THREE)
    store.set(FRAME, "y", ONE)
    store.push()
    store.set(FRAME, "x", ONE)
    assert store.pop() == {(FRAME, "x"): ONE}
    assert store.get(FRAME, "x") is THREE
    assert store.pop() == {(FRAME, "x"): THREE, (FRAME, "y"): ONE}
    assert store.get(FRAME, "x") is ONE
    assert store.get(FRAME, "y") is None
    assert list(store.keys(FRAME)) == ["x", "y"]


def test_a_snapshot_is_all_changes_since_a_layer_the_newest_of_each() -> None:
    store = Store()
    for value in (ONE, TWO, THREE):
        store.push()
        store.set(FRAME, "x", value)
    assert store.snapshot(2) == {(FRAME, "x"): THREE}
    store.pop()
    store.pop()
    assert store.snapshot(1) == {(FRAME, "x"): ONE}


def test_standing_on_layers_sees_those_alone_and_leaves_the_others() -> None:
    store = Store()
    store.set(FRAME, "x", ONE)
    for value in (TWO, THREE):
        store.push()
        store.set(FRAME, "x", value)
    with store.standing_on(2, {(FRAME, "y"): ONE}):
        assert store.depth == 3
        assert store.get(FRAME, "x") is TWO
        store.set(FRAME, "x", ONE)
        assert store.snapshot(2) == {(FRAME, "x"): ONE, (FRAME, "y"): ONE}
    assert (store.depth, store.get(FRAME, "x"), store.get(FRAME, "y")) == (3, THREE, None)
    with store.standing_on(1):
        assert (store.depth, store.get(FRAME, "x")) == (1, ONE)
        store.set(FRAME, "kept", TWO)
    assert store.get(FRAME, "kept") is TWO


@pytest.mark.parametrize(
    ("owner", "name", "expected"),
    [
        (INSTANCE, "attribute", ABSENT),
        (ENTRIES, ("key", "mode"), ABSENT),
        (ENTRIES, "default", NOTHING),
        (FRAME, "x", NOTHING),
    ],
)
def test_what_was_never_written_is_absent_from_what_was_made(
    owner: object, name: object, expected: Value
) -> None:
    store = Store()
    assert store.unset((owner, name)) == NOTHING
    store.make(owner)
    assert store.unset((owner, name)) == expected
    assert store.unset((("made", owner), "")) == NOTHING
    assert store.get(("made", owner), "") == MADE


def test_a_part_of_something_unknown_that_was_never_written_is_itself() -> None:
    assert Store().unset(((*PARTS, "settings"), ("settings", ".", "mode"))) == of(
        Unknown(("settings", ".", "mode"))
    )


def test_what_is_made_again_may_lack_what_the_first_holds() -> None:
    store = Store()
    store.make(INSTANCE)
    store.set(INSTANCE, "attribute", ONE)
    store.set(INSTANCE, "empty", NOTHING)
    store.make(INSTANCE)
    held = store.get(INSTANCE, "attribute")
    assert held is not None
    assert set(held.atoms) == {*ONE.atoms, *ABSENT.atoms}
    assert store.get(INSTANCE, "empty") == NOTHING


def test_a_join_says_whether_anything_changed() -> None:
    store = Store()
    store.set(FRAME, "x", ONE)
    assert not store.join([({}, TAKEN), ({}, NOT_TAKEN)])
    assert not store.join([({(FRAME, "x"): of(Const(1))}, TAKEN), ({}, NOT_TAKEN)])
    assert store.get(FRAME, "x") is ONE
    assert not store.join([({(FRAME, "x"): of(Const(1))}, TAKEN)])
    assert store.join([({(FRAME, "x"): TWO}, TAKEN), ({}, NOT_TAKEN)])
    held = store.get(FRAME, "x")
    assert held is not None
    assert {(e.atom, e.guard) for e in held.entries} == {(Const(2), TAKEN), (Const(1), NOT_TAKEN)}
    assert store.join([({(FRAME, "y"): TWO}, TAKEN), ({}, NOT_TAKEN)])
    assert store.join([({(FRAME, "z"): NOTHING}, TAKEN)])


def test_what_two_branches_of_three_leave_has_the_assumptions_of_both() -> None:
    store = Store()
    guards = [frozenset({Literal("name", ("eq", name), True)}) for name in "abc"]
    store.join([({(FRAME, "x"): ONE}, guards[0]), ({(FRAME, "x"): TWO}, guards[1]), ({}, guards[2])])
    held = store.get(FRAME, "x")
    assert held is not None
    assert {(e.atom, e.guard) for e in held.entries} == {(Const(1), guards[0]), (Const(2), guards[1])}
