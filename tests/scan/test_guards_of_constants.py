"""What guards say of one another, held against every world of a few variables that hold texts."""

from __future__ import annotations

from itertools import product

from hypothesis import given, settings
from hypothesis import strategies as st

from dpmigrate.analysis.guards import (
    ALWAYS,
    DOUBT,
    MAX_GUARD,
    Guard,
    Literal,
    about,
    clash,
    contradict,
    doubt,
    either_guard,
    entails,
    entered,
    none_of,
    opposite,
    shorten,
    together,
    weaken,
)

SYMBOLS = ("mode", "kind")
VALUES = ("", "ghost", "hooks", "ghost-b")
World = dict[object, str]
WORLDS: list[World] = [dict(zip(SYMBOLS, held, strict=True)) for held in product(VALUES, repeat=len(SYMBOLS))]

_TESTS = st.one_of(
    st.just(("truth",)),
    st.tuples(st.just("eq"), st.sampled_from(VALUES)),
    st.tuples(st.just("has"), st.sampled_from(("ghost", "b", "oo"))),
)
_LITERALS = st.builds(Literal, st.sampled_from(SYMBOLS), _TESTS, st.booleans())
_GUARDS = st.frozensets(_LITERALS, max_size=3)
_SOME = st.frozensets(_LITERALS, min_size=1, max_size=3)


def passes(literal: Literal, world: World) -> bool:
    if isinstance(literal.symbol, tuple):
        _, denied = literal.symbol
        return not any(holds(guard, world) for guard in denied)
    held = world[literal.symbol]
    answer = {"truth": bool(held), "eq": held == literal.test[-1], "has": literal.test[-1] in held}
    return answer[literal.test[0]] == literal.holds


def holds(guard: Guard, world: World) -> bool:
    return all(passes(literal, world) for literal in guard)


@given(_LITERALS, _LITERALS)
def test_what_clashes_never_holds_together(a: Literal, b: Literal) -> None:
    never = not any(passes(a, w) and passes(b, w) for w in WORLDS)
    assert clash(a, b) == clash(b, a)
    assert clash(a, b) <= never
    fixed = [x for x in (a, b) if x.test[0] == "eq" and x.holds]
    if fixed or a.test == b.test:
        assert clash(a, b) == never, "one of them says all that there is to say of its variable"


@given(_GUARDS, _GUARDS)
@settings(max_examples=300)
def test_guards_that_contradict_hold_nowhere_together(a: Guard, b: Guard) -> None:
    assert contradict(a, b) == contradict(b, a)
    assert contradict(a, b) == any(clash(x, y) for x in a for y in b)
    assert contradict(a, b) <= (not any(holds(a | b, w) for w in WORLDS))


@given(_GUARDS, _LITERALS)
@settings(max_examples=300)
def test_what_is_entailed_holds_wherever_the_guard_does(known: Guard, literal: Literal) -> None:
    follows = all(passes(literal, w) for w in WORLDS if holds(known, w))
    assert entails(known, literal) <= follows
    if literal in known or any(
        x.symbol == literal.symbol and x.test[0] == "eq" and x.holds and holds(known, w)
        for x in known
        for w in WORLDS
    ):
        assert entails(known, literal) == follows


@given(st.lists(_SOME, min_size=1, max_size=3), _GUARDS, _GUARDS)
@settings(max_examples=400)
def test_what_denies_several_conjunctions(denied: list[Guard], a: Guard, b: Guard) -> None:
    neither = none_of(denied)
    assert passes(neither, WORLDS[0]) == (not any(holds(guard, WORLDS[0]) for guard in denied))
    with_it = a | {neither}
    assert contradict(with_it, b) == contradict(b, with_it)
    assert contradict(with_it, b) <= (not any(holds(with_it | b, w) for w in WORLDS))
    implied = any(all(entails(a | b, literal) for literal in guard) for guard in denied)
    assert contradict(with_it, b) >= (implied or contradict(a, b))
    assert entails(a, neither) == all(contradict(a, guard) for guard in denied)
    assert entails(a, neither) <= all(passes(neither, w) for w in WORLDS if holds(a, w))
    assert about(with_it) == {
        neither.symbol,
        *(x.symbol for x in a),
        *(x.symbol for guard in denied for x in guard),
    }


def test_what_a_denial_leaves_open_is_known_for_the_next_one() -> None:
    dp, private, ghost = (Literal(name, ("eq", True), True) for name in ("dp", "private", "ghost"))
    enabled = none_of([frozenset({opposite(dp), opposite(private)})])
    unwrapped = none_of([frozenset({dp, ghost}), frozenset({opposite(dp), private, ghost})])
    assert contradict(frozenset({enabled, ghost}), frozenset({unwrapped}))
    assert not contradict(frozenset({enabled}), frozenset({unwrapped}))
    assert not contradict(frozenset({ghost}), frozenset({unwrapped}))
    assert none_of([frozenset({dp, enabled})]) == none_of([frozenset({dp})])


@given(_GUARDS, _GUARDS)
@settings(max_examples=300)
def test_either_and_weaken_and_together(a: Guard, b: Guard) -> None:
    one = either_guard(a, b)
    if one is not None:
        assert all(holds(one, w) == (holds(a, w) or holds(b, w)) for w in WORLDS)
    weaker = weaken(a, b)
    assert weaker - {DOUBT} <= a | b
    assert all(holds(weaker - {DOUBT}, w) for w in WORLDS if holds(a, w) or holds(b, w))
    assert (DOUBT in weaker) == (one is None)
    assert all(holds(together(a, b), w) == (holds(a, w) and holds(b, w)) for w in WORLDS)


@given(st.integers(1, MAX_GUARD), st.integers(0, 4))
def test_a_guard_that_is_shortened_says_so_and_keeps_the_calls(limit: int, calls: int) -> None:
    literals = [Literal(("shorten", n), ("truth",), True) for n in range(MAX_GUARD + 4)]
    for literal in literals:
        shorten(frozenset({literal}))
    inside = frozenset(entered("call", n) for n in range(calls))
    guard = inside | frozenset(literals)
    short = shorten(guard, limit)
    assert short <= guard | {DOUBT}
    assert inside <= short
    kept = short - inside - {DOUBT}
    assert kept == set(literals[-max(1, limit - 1 - calls) :]), "the newest, and one at the least"
    assert DOUBT in short
    assert shorten(guard, len(guard)) == guard


def test_doubts_are_about_what_they_are_about() -> None:
    a, b = doubt("a"), doubt("b")
    assert not clash(a, b)
    assert a != b
    assert clash(a, a._replace(holds=False))
    assert contradict(ALWAYS, frozenset({a})) is False
