"""Facts on their own: every answer that each can give, for the records that the ledger can hold."""

from __future__ import annotations

from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any

import pytest

from dpmigrate.advisories.facts import (
    FACTS,
    UNKNOWN_AMOUNT,
    maker_words,
    reset_to_none,
    right_but_for_doubt,
)
from dpmigrate.advisories.findings import _span_of_pin
from dpmigrate.analysis.guards import DOUBT, Literal
from dpmigrate.analysis.ledger import (
    Backward,
    Constant,
    Criterion,
    DoubleBackward,
    Event,
    FirstTouch,
    Generator,
    Given,
    Unpack,
    Wrapped,
    ZeroGrad,
)
from dpmigrate.analysis.ledger.objects import Option
from dpmigrate.analysis.ledger.things import Maker

IF = frozenset({Literal("args.x", ("truth",), True)})
ALWAYS: frozenset[Literal] = frozenset()


def at(guard: frozenset[Literal] = ALWAYS, place: object = "here") -> Any:
    return SimpleNamespace(
        guard=guard, origin=SimpleNamespace(node=place), chain=(), conditional=False, loops=()
    )


def touch(how: str, guard: frozenset[Literal] = ALWAYS) -> FirstTouch:
    return FirstTouch(at(guard), how)


def backward(loss: str = "other", steps: tuple[str, ...] = (), **fields: Any) -> Backward:
    held: dict[str, Any] = {
        "maker": Maker("criterion"),
        "via": "backward",
        "retained": False,
        "through": False,
    }
    return Backward(fields.pop("at", at()), loss=loss, steps=steps, **held | fields)


def run(*events: Event, certainty: str = "definite", **arguments: Given) -> Any:
    """A private run in which these things happen."""
    return SimpleNamespace(
        events=events,
        happened=lambda kind: (e for e in events if isinstance(e, kind)),
        argument=lambda name: arguments.get(name, Given()),
        certainty=lambda: certainty,
        loaders=(),
    )


def ask(name: str, event: Event | None = None, among: Iterable[Event] = (), **fields: Any) -> Any:
    """A fact of an event, in a run in which others happen as well."""
    events = () if event is None else (event,)
    held = {"run": run(*events, *among), "notes": {}, "given": Given(), "thing": None, "origin": None}
    return FACTS[name](SimpleNamespace(event=event, **held | fields))


def given(*whats: Any, guard: frozenset[Literal] = ALWAYS) -> Given:
    return Given(tuple(Option(what, guard) for what in whats))


@pytest.mark.parametrize(
    ("touches", "answer"),
    [
        ([], None),
        ([touch("none")], True),
        ([touch("none", IF), touch("none")], True),
        ([touch("inplace")], False),
        ([touch("inplace", IF), touch("backward")], False),
        ([touch("unknown")], None),
        ([touch("none"), touch("inplace")], False),
        ([touch("none"), touch("inplace", IF)], None),
        ([touch("none", IF), touch("backward")], False),
        ([touch("none"), touch("unknown")], None),
        ([touch("inplace"), touch("unknown")], None),
        ([touch("none"), touch("inplace"), touch("unknown")], None),
    ],
)
def test_gradients_are_reset_where_every_first_touch_does(
    touches: list[FirstTouch], answer: bool | None
) -> None:
    assert reset_to_none(touches) is answer


@pytest.mark.parametrize(
    ("states", "answer"),
    [
        ({"unseeded"}, True),
        ({"unseeded", "seeded"}, None),
        ({"seeded"}, False),
        ({"entropy"}, False),
        (None, False),
    ],
)
def test_a_generator_is_unseeded_for_certain_or_perhaps(states: set[str] | None, answer: bool | None) -> None:
    thing = (
        None if states is None else Generator(key="g", kind="library", states=frozenset(states), seed=Given())
    )
    assert ask("unseeded", thing=thing) is answer


@pytest.mark.parametrize(
    ("states", "seed", "answer"),
    [
        ({"seeded"}, given(Constant(1)), True),
        ({"seeded"}, given(Constant(1), Constant(2)), True),
        ({"seeded"}, given(Constant(1), guard=IF), False),
        ({"seeded"}, given(Constant(1), "an option"), False),
        ({"seeded"}, Given(), False),
        ({"seeded", "unseeded"}, given(Constant(1)), False),
    ],
)
def test_a_seed_is_a_literal_where_each_that_it_can_be_is_one(
    states: set[str], seed: Given, answer: bool
) -> None:
    thing = Generator(key="g", kind="library", states=frozenset(states), seed=seed, seeded="there")
    assert ask("literal_seed", thing=thing) is answer


def test_a_noise_generator_is_given_where_it_can_be_another_than_none() -> None:
    for held, answer in ((Given(), False), (given(Constant(None)), False), (given("g"), True)):
        assert ask("noise_generator_given", run=run(noise_generator=held)) is answer
    assert ask("noise_generator_given", run=run(noise_generator=given("g", Constant(None)))) is True
    assert ask("noise_generator_surely", run=run(noise_generator=given("g", Constant(None)))) is False
    assert ask("noise_generator_surely", run=run(noise_generator=given("g"))) is True


@pytest.mark.parametrize(
    ("event", "answer"),
    [(Unpack(at(), 3), True), (Unpack(at(), 4), False), (Unpack(at(), 3, 1), False), (None, False)],
)
def test_three_targets_take_three(event: Event | None, answer: bool) -> None:
    assert ask("takes_three", event) is answer


def criterion(**fields: Any) -> Criterion:
    held = {"kind": "class", "honours_reduction": None, "per_example": None, "function": False}
    return Criterion(key="c", **held | fields)


@pytest.mark.parametrize(
    ("each", "function", "functional", "per_example"),
    [
        ([criterion()], False, False, None),
        ([criterion(function=True)], True, False, None),
        ([criterion(function=True, kind="loss-function", per_example=True)], True, True, True),
        ([criterion(per_example=False)], False, False, False),
        (["an option"], True, False, False),
    ],
)
def test_what_kind_of_criterion_is_given(
    each: list[Any], function: bool, functional: bool, per_example: bool | None
) -> None:
    held = given(*each)
    assert ask("criterion_is_function", given=held) is function
    assert ask("criterion_is_functional_loss", given=held) is functional
    assert ask("already_per_example", given=held) is per_example


@pytest.mark.parametrize(
    ("event", "others", "answer"),
    [
        (backward(), [], True),
        (backward("returned-criterion"), [], False),
        (backward("two-pass"), [], False),
        (backward(steps=(".logits", "mean")), [], False),
        (backward(steps=(".loss", ".logits")), [], True),
        (backward(), [backward("two-pass")], False),
        (backward(), [DoubleBackward(at())], False),
        (backward(retained=True), [], True),
        (backward(through=True), [backward("returned-criterion"), ZeroGrad(at(), "none")], False),
        (backward(through=True), [backward("returned-criterion")], True),
        (backward(through=True), [ZeroGrad(at(), "none")], True),
        (backward(), [backward("returned-criterion"), ZeroGrad(at(), "none")], True),
        (None, [], False),
    ],
)
def test_a_loss_is_unwrapped_where_nothing_else_explains_it(
    event: Event | None, others: list[Event], answer: bool
) -> None:
    assert ask("unwrapped", event, others) is answer


def test_what_only_a_lost_correlation_leaves_is_right_where_the_mode_is_open() -> None:
    doubtful = backward(at=at(frozenset({DOUBT})))
    right, elsewhere = backward("returned-criterion"), backward("returned-criterion", at=at(place="there"))

    def told(event: Event | None, *others: Event, certainty: str = "possible") -> bool:
        here = SimpleNamespace(event=event, run=run(*others, certainty=certainty))
        return right_but_for_doubt(here, lambda e: e is not event)

    assert told(doubtful, doubtful, right)
    assert not told(doubtful, doubtful, right, certainty="definite")
    assert not told(doubtful, doubtful, elsewhere)
    assert not told(doubtful, doubtful)
    assert not told(backward(), right)
    assert not told(None, right)


@pytest.mark.parametrize(
    ("steps", "computed", "words"),
    [
        ((), False, ""),
        (("mean",), False, ""),
        (("div",), True, "`/`"),
        (("mul-batch", "add", "mul"), True, "`*`, `+`"),
        (("sub",), True, "`-`"),
    ],
)
def test_what_was_computed_with_a_loss(steps: tuple[str, ...], computed: bool, words: str) -> None:
    notes: dict[str, str] = {}
    assert ask("computed_with", backward(steps=steps), notes=notes) is computed
    assert notes["step"] == words


@pytest.mark.parametrize(
    ("kind", "steps", "made", "words"),
    [
        ("criterion", ("mean",), True, "`nn.BCELoss`"),
        ("loss-function", (), True, "`nn.BCELoss`"),
        ("class", ("sum",), True, "`torch.nn.BCELoss`"),
        ("library", (), False, "`nn.BCELoss`"),
        ("model", (".loss",), False, "the model itself (`outputs.loss`)"),
        ("model", ("mean",), False, "the model itself"),
        ("model", ("div",), False, "arithmetic on the model's outputs"),
        ("criterion", ("div",), False, "`nn.BCELoss`"),
        ("unknown", (), False, "something else"),
    ],
)
def test_what_made_a_loss(kind: str, steps: tuple[str, ...], made: bool, words: str) -> None:
    event = backward(steps=steps, maker=Maker(kind, "torch.nn.BCELoss"))
    assert ask("made_by_a_criterion", event) is made
    assert maker_words(event) == words


def test_losses_are_wrapped_by_hand_for_certain_or_perhaps() -> None:
    name = "DPTensorFastGradientClipping"

    def told(*events: Event) -> bool | None:
        return ask("losses_wrapped_by_hand", run=run(*events))

    assert told() is False
    assert told(Wrapped(at(), wrapper="Another")) is False
    assert told(Wrapped(at(), wrapper=name)) is True
    assert told(Wrapped(at(IF), wrapper=name)) is None


@pytest.mark.parametrize(
    ("line", "text", "lines", "columns"),
    [
        (1, "opacus==1.5.2", ["  opacus==1.5.2  # why"], (3, 16)),
        (2, "opacus==1.5.2", ["", "opacus==1.5.2"], (1, 14)),
        (3, "opacus==1.5.2", ["", ""], (1, 14)),
        (1, "opacus ==1.5.2", ["   opacus[x] ==1.5.2  "], (4, 21)),
    ],
)
def test_where_a_pin_stands_in_its_line(
    line: int, text: str, lines: list[str], columns: tuple[int, int]
) -> None:
    project = SimpleNamespace(lines=lambda path, cell: lines)
    span = _span_of_pin(project, SimpleNamespace(path="r.txt", cell=None, line=line, text=text))
    assert (span.line, span.end_line, span.column, span.end_column) == (line, line, *columns)


def test_an_event_that_is_no_manager_bounds_no_batch() -> None:
    assert UNKNOWN_AMOUNT.at_least(UNKNOWN_AMOUNT) is None
    assert ask("single_physical_batch") is False
