"""Facts on their own: every answer that each can give, for the records that the ledger can hold."""

from __future__ import annotations

from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any

import pytest

from dpmigrate.advisories.cases import REGISTERED
from dpmigrate.advisories.facts.general import (
    FACTS,
    PENALTIES,
    UNKNOWN_AMOUNT,
    answer,
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
from dpmigrate.versions.releases import between

assert REGISTERED  # what imports it imports every module of facts
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
        draws_from=arguments.get("noise_generator", Given()),
        certainty=lambda: certainty,
        loaders=(),
        cut_short=False,
    )


def ask(name: str, event: Event | None = None, among: Iterable[Event] = (), **fields: Any) -> Any:
    """A fact of an event, in a run in which others happen as well."""
    events = () if event is None else (event,)
    held = {"run": run(*events, *among), "notes": {}, "given": Given(), "thing": None, "origin": None}
    return FACTS[name](SimpleNamespace(event=event, unsure=lambda why: None, **held | fields))


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
        ({"seeded"}, given(Constant(1), guard=IF), None),
        ({"seeded"}, given(Constant(1), "an option"), False),
        ({"seeded"}, Given(), False),
        ({"seeded", "unseeded"}, given(Constant(1)), False),
    ],
)
def test_a_seed_is_a_literal_where_each_that_it_can_be_is_one(
    states: set[str], seed: Given, answer: bool | None
) -> None:
    thing = Generator(key="g", kind="library", states=frozenset(states), seed=seed, seeded="there")
    notes = SimpleNamespace(thing=thing, origin="here", unsure=lambda _: None)
    assert FACTS["literal_seed"](notes) is answer
    assert notes.origin == ("there" if states == {"seeded"} else "here")


def test_a_noise_generator_is_given_where_it_can_be_another_than_none() -> None:
    for held, told in ((Given(), False), (given(Constant(None)), False), (given("g"), True)):
        assert ask("noise_generator_given", run=run(noise_generator=held)) is told
    assert ask("noise_generator_given", run=run(noise_generator=given("g", Constant(None)))) is True


@pytest.mark.parametrize(
    ("name", "argument", "each", "told"),
    [
        ("max_grad_norm_is_one", "max_grad_norm", [Constant(1.0)], True),
        ("max_grad_norm_is_one", "max_grad_norm", [Constant(1)], True),
        ("max_grad_norm_is_one", "max_grad_norm", [Constant(1.5)], False),
        ("max_grad_norm_is_one", "max_grad_norm", [Constant(2)], False),
        ("max_grad_norm_is_one", "max_grad_norm", [Constant(1.0), Constant(2.0)], None),
        ("max_grad_norm_is_one", "max_grad_norm", [], False),
        ("criterion_given", "criterion", ["a module"], True),
        ("criterion_given", "criterion", ["a module", Constant(None)], None),
        ("criterion_given", "criterion", [Constant(None)], False),
        ("criterion_given", "criterion", [], False),
        ("clipping_ghost", "clipping", [Constant("ghost")], True),
        ("clipping_ghost", "clipping", [Constant("flat")], False),
        ("clipping_ghost", "clipping", [Constant("flat"), Constant("ghost")], None),
        ("clipping_ghost", "clipping", [], False),
        ("clipping_ghost_named", "clipping", [Constant("ghost")], True),
        ("clipping_ghost_named", "clipping", [Constant("flat"), Constant("ghost")], None),
        ("clipping_ghost_named", "clipping", ["an option"], False),
    ],
)
def test_what_an_argument_says(name: str, argument: str, each: list[Any], told: bool | None) -> None:
    assert ask(name, run=run(**{argument: given(*each)})) is told


def test_a_name_is_a_fact_or_what_the_event_says() -> None:
    subject: Any = SimpleNamespace(
        event=SimpleNamespace(sure=None, known=True), run=SimpleNamespace(ghost=False)
    )
    assert answer("event.known", subject) is True
    assert answer("event.sure", subject) is None
    assert answer("ghost", subject) is False
    subject.run.ghost = True
    assert answer("ghost", subject) is True


@pytest.mark.parametrize(
    ("event", "told"),
    [(Unpack(at(), 3), True), (Unpack(at(), 4), False), (Unpack(at(), 3, 1), False), (None, False)],
)
def test_three_targets_take_three(event: Event | None, told: bool) -> None:
    assert ask("takes_three", event) is told


def criterion(**fields: Any) -> Criterion:
    held = {"key": "c", "kind": "class", "honours_reduction": None, "per_example": None, "function": False}
    return Criterion(**held | fields)


@pytest.mark.parametrize(
    ("each", "function", "functional", "per_example"),
    [
        ([criterion()], False, False, None),
        ([criterion(function=True)], True, False, None),
        ([criterion(function=True, kind="loss-function", per_example=True)], True, True, True),
        ([criterion(per_example=False)], False, False, False),
        (["an option"], True, False, False),
        ([criterion(function=True), criterion(key="d")], False, False, None),
        (
            [
                criterion(function=True, kind="loss-function", per_example=True),
                criterion(key="d", per_example=False),
            ],
            False,
            False,
            False,
        ),
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
    ("each", "told", "words"),
    [
        ([criterion(honours_reduction=True)], False, None),
        ([criterion(honours_reduction=False, kind="lambda")], True, "a lambda is a function"),
        ([criterion(honours_reduction=None, kind="partial")], None, "a `functools.partial` is a function"),
        (
            [criterion(honours_reduction=False), criterion(key="d", honours_reduction=True)],
            None,
            "it is a function",
        ),
        (
            [criterion(honours_reduction=None), criterion(key="d", honours_reduction=True)],
            False,
            "it is a function",
        ),
        (
            [criterion(honours_reduction=False, name="torch.nn.functional.mse_loss")],
            True,
            "`F.mse_loss` is a function",
        ),
        (
            [criterion(honours_reduction=False, kind="instance", name="Mean")],
            True,
            "`Mean` returns a mean whatever `reduction` says",
        ),
        (["an option"], False, None),
    ],
)
def test_a_criterion_ignores_reduction_where_each_that_it_can_be_does(
    each: list[Any], told: bool | None, words: str | None
) -> None:
    notes: dict[str, str] = {}
    versions = SimpleNamespace(together=between("1.5.3"), evidence=between("1.5.3"))
    assert ask("ignores_reduction", given=given(*each), versions=versions, notes=notes) is told
    assert notes.get("criterion") == words


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


@pytest.mark.parametrize(
    ("event", "wrapped", "two_pass", "penalised", "added"),
    [
        (backward("returned-criterion"), True, False, False, False),
        (backward("two-pass", ("mul",)), False, True, False, False),
        (backward("returned-criterion", ("mean", "add-reduced")), True, False, False, True),
        (backward("returned-criterion", ("sub-reduced",)), True, False, False, True),
        (backward("returned-criterion", ("add",)), True, False, False, False),
        (None, False, False, False, False),
    ],
)
def test_what_a_loss_is(
    event: Event | None, wrapped: bool, two_pass: bool, penalised: bool, added: bool
) -> None:
    names = ("wrapped_loss", "two_pass_loss", "penalised", "batch_term_added")
    assert [ask(name, event) for name in names] == [wrapped, two_pass, penalised, added]


def test_a_penalty_is_any_of_its_kinds() -> None:
    for step in PENALTIES:
        assert ask("penalised", backward("returned-criterion", ("mean", step))) is True


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
