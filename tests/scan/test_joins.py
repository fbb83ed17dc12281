"""Joining what branches leave: what one branch alone made carries the guards of all branches around it."""

from __future__ import annotations

import sys

import pytest

from dpmigrate.analysis.domain import deferred, joining, values
from dpmigrate.analysis.domain.atoms import Const, Obj, Tensor
from dpmigrate.analysis.domain.store import Store
from dpmigrate.analysis.domain.values import MAX_ATOMS, Entry, Value, join_all, join_guarded, of
from dpmigrate.analysis.guards import ALWAYS, Guard, Literal

MADE = Obj("instance", "made in the innermost branch")


def assumption(number: int, holds: bool = True) -> Guard:
    return frozenset({Literal("name", ("eq", number), holds)})


def carried_out(store: Store, depth: int, inner: Value) -> None:
    """Write in the last ``else`` of a chain of that many branches, each of which assumes one thing more."""
    for _ in range(depth):
        store.push()
    store.set(MADE, "attribute", inner)
    for level in reversed(range(depth)):
        store.join([(store.pop(), assumption(level, holds=False)), ({}, assumption(level))])


@pytest.mark.parametrize("depth", [1, 2, 5, 40])
def test_what_one_branch_made_is_what_joining_at_every_branch_gives(depth: int) -> None:
    inner = Value(
        (Entry(Const(1)), Entry(Const(2), assumption(3, holds=False)), Entry(Const(3), assumption(0)))
    )
    store, joined = Store(), inner
    carried_out(store, depth, inner)
    for level in reversed(range(depth)):
        joined = join_guarded([(joined, assumption(level, holds=False)), (None, assumption(level))])
    assert store.get(MADE, "attribute") == joined
    assert Const(3) not in joined.atoms, "its own assumption is that of the first branch, not of the last"


def test_nothing_is_worked_out_of_what_nobody_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []
    for module in (deferred, joining, values):
        monkeypatch.setattr(module, "join_guarded", lambda branches: asked.append(branches) or of(Const(0)))
    carried_out(Store(), 100, of(Const(1)))
    assert not asked


def test_a_value_has_nothing_but_what_values_have() -> None:
    store = Store()
    carried_out(store, 1, of(Const(1)))
    held = store.get(MADE, "attribute")
    assert not hasattr(held, "another")
    assert held
    assert not hasattr(held, "another")


def test_any_number_of_branches_is_gone_through_without_recursion() -> None:
    store = Store()
    carried_out(store, 2 * sys.getrecursionlimit(), of(Const(1)))
    held = store.get(MADE, "attribute")
    assert held is not None
    assert held.atoms == (Const(1),)


def test_what_was_there_before_is_joined_with_it() -> None:
    store = Store()
    store.set(MADE, "attribute", of(Const(0)))
    carried_out(store, 1, of(Const(1)))
    held = store.get(MADE, "attribute")
    assert held is not None
    assert set(held.entries) == {
        Entry(Const(1), assumption(0, holds=False)),
        Entry(Const(0), assumption(0)),
    }


def test_an_object_that_was_made_before_may_lack_what_a_branch_gives_it() -> None:
    store = Store()
    store.make(MADE)
    carried_out(store, 1, of(Const(1)))
    held = store.get(MADE, "attribute")
    assert held is not None
    assert {e.guard for e in held.entries} == {assumption(0), assumption(0, holds=False)}
    assert ALWAYS not in {e.guard for e in held.entries}


def tensors(count: int, reduction: str | None = None) -> list[Value]:
    """What two models return, after any of some operations."""
    models = [Obj("instance", f"model {number}") for number in (0, 1)]
    return [
        of(Tensor(frozenset({models[number % 2]}), steps=(f".{number}",), reduction=reduction))
        for number in range(count)
    ]


def test_too_many_tensors_are_still_those_of_their_models() -> None:
    every = join_all(tensors(MAX_ATOMS))
    assert {a.steps for a in every.atoms if isinstance(a, Tensor)} == {(f".{n}",) for n in range(MAX_ATOMS)}
    told = [a for a in join_all(tensors(MAX_ATOMS + 2)).atoms if isinstance(a, Tensor)]
    assert {a.sources for a in told} == {a.sources for a in every.atoms if isinstance(a, Tensor)}
    assert len(told) == 2


def test_that_nothing_was_done_to_a_reduced_loss_is_not_said_of_too_many() -> None:
    assert not any(isinstance(a, Tensor) for a in join_all(tensors(MAX_ATOMS + 2, "sum")).atoms)
