"""Assumptions: what must be so for a value to be the one, and when two of them exclude each other."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from functools import lru_cache
from typing import Any, NamedTuple

MAX_GUARD = 18

Symbol = Hashable
Test = tuple[Any, ...]
"""("eq", constant) | ("in", constants) | ("truth",) | ("has", constant) | ("is", constant)"""


class Literal(NamedTuple):
    """One assumption: that ``test`` on ``symbol`` holds, or does not."""

    symbol: Symbol
    test: Test
    holds: bool


Guard = frozenset[Literal]
ALWAYS: Guard = frozenset()


def _apply(test: Test, constant: Any) -> bool | None:
    """Truth of a test on a known constant; None where it cannot be told."""
    kind = test[0]
    if kind == "truth":
        return bool(constant)
    if kind in ("eq", "in"):
        return constant in _named(test)
    if kind == "has":
        try:
            return test[1] in constant
        except TypeError:
            return None
    return None


def clash(a: Literal, b: Literal) -> bool:
    """Whether two literals cannot both hold."""
    if a.symbol != b.symbol:
        return False
    if a.test == b.test:
        return a.holds != b.holds
    return any(
        given.holds
        and given.test[0] in ("eq", "in")
        and all(_apply(other.test, constant) is (not other.holds) for constant in _named(given.test))
        for given, other in ((a, b), (b, a))
    )


def _named(test: Test) -> tuple[Any, ...]:
    """The constants of which one is the thing, where a test for them holds."""
    return test[1] if test[0] == "in" else test[1:]


@lru_cache(maxsize=20_000)
def contradict(a: Guard, b: Guard) -> bool:
    """Whether no execution satisfies both guards, as far as can be told."""
    denied = _denied(a) | _denied(b)
    if not denied and _symbols(a).isdisjoint(_symbols(b)):
        return False
    for one, other in ((a, b), (b, a)):
        for x in one:
            if x.holds and x.test[0] in ("eq", "in"):
                if any(x.symbol == y.symbol and clash(x, y) for y in other):
                    return True
            # Any other two clash only where one denies the other, however many are about one symbol.
            elif one is a and opposite(x) in b:
                return True
    return bool(denied) and _refuted(a | b, denied)


def _refuted(known: Guard, denied: Iterable[Guard]) -> bool:
    """Whether one of some conjunctions, none of which may hold, does; what the last open part of each
    then cannot be is known for the others."""
    pending, more = list(denied), True
    while more:
        undecided, more = [], False
        for guard in pending:
            unsure = [literal for literal in guard if not entails(known, literal)]
            if not unsure:
                return True
            if any(entails(known, opposite(literal)) for literal in unsure):
                continue
            if len(unsure) == 1:
                known, more = known | {opposite(unsure[0])}, True
            else:
                undecided.append(guard)
        pending = undecided
    return False


def opposite(literal: Literal) -> Literal:
    """The assumption that another does not hold."""
    return Literal(literal.symbol, literal.test, not literal.holds)


_NONE_OF = "none of"


def none_of(guards: Iterable[Guard]) -> Literal:
    """The assumption that none of some conjunctions holds: under each of those, control went elsewhere."""
    told = frozenset(map(_in_few_words, guards))
    if any(not guard or doubts(guard) or _denied(guard) for guard in told):
        # Denials are not denied: how deep they are in one another would have no bound.
        return doubt(_NONE_OF, hash(told))
    return Literal((_NONE_OF, told), ("truth",), True)


@lru_cache(maxsize=10_000)
def _in_few_words(guard: Guard) -> Guard:
    """A guard without the denials that follow from the rest of it."""
    denials = frozenset(x for x in guard if _conjunctions(x))
    plain = guard - denials
    return plain | frozenset(x for x in denials if not entails(plain, x)) if denials else guard


def denials(guard: Guard) -> Guard:
    """The assumptions of a guard that some conjunction does not hold."""
    return frozenset(x for x in guard if _conjunctions(x))


def denial(guard: Guard) -> Guard | None:
    """The assumption that a conjunction does not hold; None where it cannot be put into words."""
    guard = _in_few_words(guard)
    if not guard or doubts(guard) or _denied(guard) or times_entered(guard):
        return None
    if len(guard) == 1:
        (literal,) = guard
        return frozenset({opposite(literal)})
    return frozenset({none_of([guard])})


def _conjunctions(literal: Literal) -> frozenset[Guard]:
    """The conjunctions of which an assumption says that none holds; nothing where it says something else."""
    told: frozenset[Guard] = frozenset()
    if isinstance(literal.symbol, tuple) and literal.symbol[:1] == (_NONE_OF,):
        told = literal.symbol[1]
    return told


@lru_cache(maxsize=10_000)
def _denied(guard: Guard) -> frozenset[Guard]:
    """Every conjunction that some assumption in a guard denies."""
    return frozenset().union(*map(_conjunctions, guard))


def about(guard: Guard) -> frozenset[Symbol]:
    """What a guard assumes something of, in what it denies as well."""
    return _symbols(guard).union(*map(_symbols, _denied(guard)))


@lru_cache(maxsize=10_000)
def _symbols(guard: Guard) -> frozenset[Symbol]:
    """What the assumptions are about; those about different things never exclude one another."""
    return frozenset([literal.symbol for literal in guard])


@lru_cache(maxsize=20_000)
def together(a: Guard, b: Guard) -> Guard:
    """The assumptions of two guards together, the oldest dropped beyond the bound."""
    return shorten(a | b)


def entails(assumed: Guard, literal: Literal) -> bool:
    """Whether ``literal`` follows from what is assumed."""
    if literal in assumed:
        return True
    if denied := _conjunctions(literal):
        return all(contradict(assumed, guard) for guard in denied)
    if literal.symbol not in _symbols(assumed):
        return False
    denied_literal = opposite(literal)
    return any(clash(k, denied_literal) for k in assumed)


def doubt(*about: Hashable) -> Literal:
    """Stands for an assumption that cannot be put into words: what holds under it may hold."""
    return Literal(("doubt", *about), ("truth",), True)


DOUBT = doubt()
"""Stands for assumptions that were given up."""
SEVERAL = doubt("several ways")
"""Stands for the assumptions of one of several ways, one of which at least was followed as it is."""
_ALL_DOUBTFUL = doubt("several ways", "all doubtful")
"""The same where none was: each has assumptions that could not be put into words."""


def doubts(guard: Guard) -> Guard:
    """The assumptions of a guard that cannot be put into words."""
    return frozenset(x for x in guard if isinstance(x.symbol, tuple) and x.symbol[:1] == ("doubt",))


def entered(*about: Hashable) -> Literal:
    """The assumption that a method which nothing calls was called."""
    return Literal(("entered", *about), ("truth",), True)


def times_entered(guard: Guard) -> dict[Hashable, int]:
    """For each method that nothing calls, on each object: the latest call of it that is assumed."""
    times: dict[Hashable, int] = {}
    for x in guard:
        if x.holds and isinstance(x.symbol, tuple) and x.symbol[:1] == ("entered",):
            *call, time = x.symbol[1:]
            times[tuple(call)] = max(time, times.get(tuple(call), 0))
    return times


def beyond_entries(guard: Guard) -> Guard:
    """The assumptions but for those about what was called: one execution is told by several entries."""
    return frozenset(x for x in guard if not (isinstance(x.symbol, tuple) and x.symbol[:1] == ("entered",)))


@lru_cache(maxsize=20_000)
def either_guard(a: Guard, b: Guard) -> Guard | None:
    """The one conjunction that says "``a`` or ``b``"; None where no single one does."""
    if a <= b:
        return a
    if b <= a:
        return b
    if len(a) == len(b):
        rest_a, rest_b = a - b, b - a
        if len(rest_a) == 1:
            (x,), (y,) = rest_a, rest_b
            if x.symbol == y.symbol and x.test == y.test:
                return a & b
    return None


def weaken(a: Guard, b: Guard) -> Guard:
    """A guard that holds wherever ``a`` or ``b`` does; with a doubt where it says less than both."""
    exact = either_guard(a, b)
    return (a & b) | {DOUBT} if exact is None else exact


def is_doubtful(guard: Guard) -> bool:
    """Whether an assumption was given up, or could not be put into words: what excludes it may be lost.

    Of several ways it is enough that one has none such.
    """
    return not doubts(guard) <= {SEVERAL}


def several(a: Guard, b: Guard) -> Guard:
    """The same as :func:`weaken` for two ways to one place, each of which was met by itself."""
    weaker = weaken(a, b)
    if DOUBT in a | b or DOUBT not in weaker:
        return weaker
    ways = _ALL_DOUBTFUL if is_doubtful(a) and is_doubtful(b) else SEVERAL
    return weaker - {DOUBT, SEVERAL, _ALL_DOUBTFUL} | {ways}


_AGE: dict[Symbol, int] = {}


def _age(literal: Literal) -> tuple[int, bool]:
    """A literal's place in the order in which symbols were met, the same in every run."""
    return _AGE.setdefault(literal.symbol, len(_AGE)), literal.holds


def shorten(guard: Guard, limit: int = MAX_GUARD) -> Guard:
    """Drop the oldest literals beyond a bound: what then is told of it may hold, and correlates less.

    In which call something happens is kept: without it one activation is taken for another.
    """
    if len(guard) <= limit:
        for literal in guard:
            if literal.symbol not in _AGE:
                _AGE[literal.symbol] = len(_AGE)
        return guard
    calls = guard - beyond_entries(guard)
    others = sorted(guard - calls - {DOUBT}, key=_age)
    return frozenset([*calls, *others[-max(1, limit - 1 - len(calls)) :], DOUBT])
