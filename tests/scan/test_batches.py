"""Which batches a value was made of, value by value."""

from __future__ import annotations

from typing import Any

from dpmigrate.analysis import batches as module
from dpmigrate.analysis.batches import (
    MAX_TOGETHER,
    batches_in,
    batches_of,
    joined,
    marked,
    passes_behind,
    passes_through,
)
from dpmigrate.analysis.domain.atoms import Batch, Const, External, ForwardPass, Tensor, Unknown
from dpmigrate.analysis.domain.values import Entry, Seq, Value, merge_entries, of
from dpmigrate.analysis.guards import Guard, Literal

NOBODY: Any = None
"""What is asked of dictionaries alone: the interpreter, whose store has their items."""
PRIVATE: Guard = frozenset({Literal("private", ("truth",), True)})
PUBLIC: Guard = frozenset({Literal("private", ("truth",), False)})
SEEDED: Guard = frozenset({Literal("seeded", ("truth",), True)})


def batch(number: int, guard: Guard = frozenset()) -> Batch:
    return Batch(Const(number), NOBODY, number, guard)


ONE, TWO = batch(1), batch(2)


def made(*of_: Batch) -> Value:
    """Something unknown that is made of batches."""
    return of(Unknown(("x", *of_), parts=frozenset(of_)))


def told(*values: Value, depth: int = 3) -> set[Batch]:
    return set(batches_of(NOBODY, values, depth))


def fed(*of_: Batch, model: int = 0, detached: bool = False) -> Tensor:
    """What a model made of batches."""
    passes = frozenset([ForwardPass(Const(model), frozenset(of_))])
    return Tensor(frozenset([Const(model)]), detached=detached, passes=passes)


def test_a_value_is_marked_with_all_that_it_holds() -> None:
    unknown = of(Unknown("x"))
    assert marked(unknown, frozenset()) is unknown
    (atom,) = marked(unknown, frozenset([ONE])).atoms
    assert isinstance(atom, Unknown) and atom.parts == {ONE} and atom != unknown.only
    again = marked(of(atom), frozenset([ONE]))
    assert again.only is atom
    assert told(marked(of(atom), frozenset([TWO]))) == {ONE, TWO}
    assert told(marked(of(Const(3)), frozenset([ONE]))) == {ONE}
    (pair,) = marked(of(Seq((unknown, of(Const(1))))), frozenset([ONE])).atoms
    assert isinstance(pair, Seq) and pair.items is not None and pair.element is None
    assert [told(item) for item in pair.items] == [{ONE}, {ONE}]
    (many,) = marked(of(Seq(None, unknown)), frozenset([ONE])).atoms
    assert isinstance(many, Seq) and many.items is None and many.element is not None
    assert told(many.element) == {ONE}
    name = of(External("torch.relu"))
    assert marked(name, frozenset([ONE])) == name


def test_what_holds_a_batch_is_made_of_it() -> None:
    assert told(made(ONE)) == {ONE}
    assert told(of(Unknown("x", parts=frozenset([Const(1), ONE])))) == {ONE}
    assert told(of(Unknown("x"))) == set()
    assert told(of(fed(ONE, TWO))) == {ONE, TWO}
    assert told(of(Tensor(frozenset()))) == set()
    assert told(of(Seq((made(ONE), of(Const(1)), made(TWO))))) == {ONE, TWO}
    assert told(of(Seq(None, made(ONE)))) == {ONE}
    assert told(of(Seq(None, None))) == set()
    assert told(of(Const(1))) == set()


def test_how_deep_is_looked_has_a_bound() -> None:
    value = made(ONE)
    for _ in range(3):
        value = of(Seq((value,)))
    assert told(value) == {ONE}
    assert told(of(Seq((value,)))) == set()
    assert set(batches_in(NOBODY, Unknown("x", parts=frozenset([ONE])), 0)) == {ONE}


def test_what_has_to_be_so_is_kept() -> None:
    either = merge_entries([Entry(atom, guard) for value, guard in ((made(ONE), PRIVATE), (made(TWO), PUBLIC))
                            for atom in value.atoms])  # fmt: skip
    assert told(either) == {batch(1, PRIVATE), batch(2, PUBLIC)}
    assert {b.guard for b in batches_of(NOBODY, [either])} == {PRIVATE, PUBLIC}
    both = merge_entries(
        [Entry(atom, guard | SEEDED) for guard in (PRIVATE, PUBLIC) for atom in made(ONE).atoms]
    )
    assert {b.guard for b in batches_of(NOBODY, [both])} == {SEEDED}
    never = merge_entries([Entry(made(batch(1, PRIVATE)).atoms[0], PUBLIC)])
    assert told(never) == set()


def test_beyond_a_bound_nothing_is_known() -> None:
    few = [made(batch(number)) for number in range(MAX_TOGETHER)]
    assert len(told(*few)) == MAX_TOGETHER
    assert told(*few, made(batch(99))) == set()
    passes = [of(fed(batch(number))) for number in range(MAX_TOGETHER)]
    assert len(passes_behind(passes)) == MAX_TOGETHER
    assert passes_behind([*passes, of(fed(batch(99)))]) == frozenset()


def test_gradients_flow_through_what_is_not_detached() -> None:
    seen, other, off = fed(ONE), fed(TWO, model=1), fed(TWO, detached=True)
    assert passes_behind([of(seen), of(off)]) == seen.passes
    assert passes_behind([of(off)]) == off.passes
    assert passes_behind([of(seen), of(other), of(Const(1))]) == seen.passes | other.passes
    assert joined([seen, off]) == seen.passes
    assert joined([off]) == off.passes
    assert joined([seen, other]) == seen.passes | other.passes
    (one,) = passes_behind([of(seen, guard=PRIVATE)])
    assert {b.guard for b in one.batches} == {PRIVATE}


def test_a_model_makes_a_pass_of_what_it_is_given() -> None:
    class Call:
        spread: tuple[Value, ...] = (made(TWO),)

        def everything(self) -> tuple[Value, ...]:
            return (made(ONE), of(fed(ONE, model=5)))

    model = Const("model")
    found = passes_through(NOBODY, model, Call())  # type: ignore[arg-type]
    assert found == {ForwardPass(model, frozenset([ONE, TWO])), *fed(ONE, model=5).passes}
    Call.spread, Call.everything = (), lambda self: (of(Const(1)),)  # type: ignore[method-assign]
    assert passes_through(NOBODY, model, Call()) == frozenset()  # type: ignore[arg-type]
    assert module.without_records("ones_like") and not module.without_records("ones")
