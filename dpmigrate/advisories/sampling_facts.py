"""Facts about what feeds training, and about what the accountant is asked."""

from __future__ import annotations

from collections.abc import Callable

import libcst as cst
from libcst.helpers import get_full_name_for_node

from dpmigrate.advisories.facts import fact, right_but_for_doubt
from dpmigrate.advisories.subjects import Subject
from dpmigrate.advisories.trials import repeats_a_trial
from dpmigrate.analysis.ledger import Constant, Given, Open, Origin, Stepped, Thing, Turn, contradict
from dpmigrate.analysis.ledger.accounting import (
    DeltaGiven,
    EpsilonAsked,
    EpsilonsCombined,
    FellBack,
    MadeInstead,
)
from dpmigrate.analysis.ledger.events import Backward, Iterated
from dpmigrate.analysis.ledger.sampling import SamplerGiven, UnknownKeyword
from dpmigrate.analysis.tree import assigned_in, contains, every
from dpmigrate.model import Tri

LARGE_DELTA = 1e-2
OF_THE_ENGINE = frozenset(["accountant", "secure_mode"])
"""What the engine itself is given, and not `make_private`."""
CLIPS_NOTHING = 1e4
"""A `max_grad_norm` that no gradient of a real model reaches."""


# -- the loader -------------------------------------------------------------------------------


@fact
def _not_the_private_loader(s: Subject) -> Tri:
    """Whether a loop goes over another loader than the one that the engine returned."""
    if not isinstance(s.event, Iterated) or s.event.loader not in ("passed", "remade", "records"):
        return False
    if right_but_for_doubt(s, lambda e: isinstance(e, Iterated) and e.loader == "returned"):
        return False
    if any(
        not e.uninstalled for e in s.run.happened(FellBack)
    ):  # then DPM311 says so: where the call fails there is no private loader
        return False
    s.notes["loader"] = {
        "passed": "the loader that was passed in",
        "remade": "another loader of the same data",
        "records": "the data itself, record by record",
    }[s.event.loader]
    return True


@fact
def _feeds_training(s: Subject) -> Tri:
    """Whether a private backward pass happens in the loop over this loader."""
    if not isinstance(s.event, Iterated):
        return False
    node, chain, guard = s.event.origin.node, s.event.chain, s.event.guard
    inside = [
        e
        for e in s.run.happened(Backward)
        if e.chain[: len(chain)] == chain and not contradict(e.guard | s.run.guard, guard)
    ]
    loops = [
        turn
        for e in inside
        for turn in e.loops
        if loops_over(turn.loop.node, node) and not _is_fed_within(s, e, turn, node)
    ]
    if not loops and chain and _is_handed_on(s.event.origin):
        # A generator (or ``__next__``) goes over the loader for the loop that takes its items from it.
        made = chain[-1].through
        outside = [e for e in s.run.happened(Backward) if e.chain[: len(chain) - 1] == chain[:-1]]
        turns = (turn for e in outside for turn in e.loops)
        loops = [t for t in turns if loops_over(t.loop.node, made.node) or _draws_from(t.loop.node, made)]
    if any(_goes_over_both(s, turn) for turn in loops):
        return None  # nobody knows which of the two batches the private model gets
    by_hand = bool(loops) and (s.event.loader not in ("remade", "records") or _steps_privately(s, loops))
    # Lightning's own loop is the call of `fit`, which is told as the place where it goes over batches.
    fits = (
        isinstance(node, cst.Call) and isinstance(node.func, cst.Attribute) and node.func.attr.value == "fit"
    )
    return by_hand or (fits and any(e.via == "Lightning" and e.chain == chain for e in inside))


def _goes_over_both(s: Subject, turn: Turn) -> bool:
    """Whether a loop takes batches of this loader and of the returned one, by ``zip`` or ``next``."""
    loop = turn.loop.node
    zipped = loop.iter if isinstance(loop, cst.For) and isinstance(loop.iter, cst.Call) else None
    return any(
        (zipped is not None and contains(zipped, e.origin.node))
        or (bool(e.chain) and _draws_from(loop, e.chain[-1].through))
        for e in s.run.happened(Iterated)
        if e.loader == "returned"
    )


def _is_fed_within(s: Subject, event: Backward, turn: Turn, node: cst.CSTNode) -> bool:
    """Whether a loop of its own within this one, over the private loader, feeds a backward pass.

    What ``next(...)`` takes beside that loop is for something else: an evaluation, a first look.
    """
    if isinstance(turn.loop.node, cst.For) and contains(turn.loop.node.iter, node):
        return False
    private = [e.origin.node for e in s.run.happened(Iterated) if e.loader in ("returned", "managed")]
    return any(
        contains(turn.loop.node, inner.loop.node) and any(loops_over(inner.loop.node, p) for p in private)
        for inner in event.loops
        if inner.loop.node is not turn.loop.node and not contains(inner.loop.node, node)
    )


def _is_handed_on(origin: Origin) -> bool:
    """Whether a generator or an iterator goes over something, and gives what it finds to whoever asks it."""
    nesting, inner = origin.module.nesting, origin.node
    for around in nesting.above(inner):
        if isinstance(around, cst.FunctionDef) and around.body is inner:
            return around.name.value == "__next__" or bool(nesting.inside(around.body, cst.Yield))
        inner = around
    return False


def _draws_from(loop: cst.CSTNode, made: Origin) -> bool:
    """Whether a loop says ``next(batches)`` of a variable that was given a generator beforehand."""
    above = next((node for node in made.module.nesting.above(made.node)), None)
    if not isinstance(above, cst.Assign) or not isinstance(loop, (cst.For, cst.While)):
        return False
    names = set(assigned_in(above))
    return any(
        isinstance(node, cst.Call)
        and isinstance(node.func, cst.Name)
        and node.func.value == "next"
        and bool(node.args)
        and get_full_name_for_node(node.args[0].value) in names
        for node in every(loop.body)
    )


def _steps_privately(s: Subject, loops: list[Turn]) -> bool:
    """Whether the private optimizer steps in some of these loops: plain training is another matter."""
    return any(not e.raw and turn in e.loops for e in s.run.happened(Stepped) for turn in loops)


def loops_over(loop: cst.CSTNode, iterated: cst.CSTNode) -> bool:
    """Whether a loop takes its items from an expression, as ``in`` has it or by ``next(...)`` in its body."""
    if isinstance(loop, cst.For) and contains(loop.iter, iterated):
        return True
    taken = iterated.func if isinstance(iterated, cst.Call) else None
    by_next = isinstance(taken, cst.Name) and taken.value == "next"
    return by_next and isinstance(loop, (cst.For, cst.While)) and contains(loop.body, iterated)


@fact
def _fixed_batches(s: Subject) -> Tri:
    """Whether Poisson sampling is switched off."""
    return _number(s.run.argument("poisson_sampling"), lambda value: value is False)


@fact
def _subset_sampler(s: Subject) -> Tri:
    """Whether the sampler keeps to a part of the records."""
    if not isinstance(s.event, SamplerGiven):
        return False
    s.notes["sampler"] = s.event.name
    return s.event.sampler == "subset"


@fact
def _draws_no_poisson_batches(s: Subject) -> Tri:
    """Whether a loop beside a hand-made pair goes over a loader that keeps its batches."""
    return isinstance(s.event, Iterated) and s.event.loader == "fixed"


# -- the accountant ---------------------------------------------------------------------------


@fact
def _epsilon_asked(s: Subject) -> Tri:
    """Whether an epsilon is asked for, or aimed at."""
    asked = list(s.run.happened(EpsilonAsked))
    return any(not e.guard for e in asked) or (None if asked else False)


@fact
def _noise_by_its_own_accounting(s: Subject) -> Tri:
    """Whether the program works out the noise for a rate of its own, and asks the engine for no epsilon."""
    each = s.run.argument("noise_multiplier").each
    worked_out = any(isinstance(what, Open) and what.reason.endswith(_WORKS_OUT_NOISE) for what in each)
    return worked_out and not any(True for _ in s.run.happened(EpsilonAsked))


_WORKS_OUT_NOISE = "get_noise_multiplier"


@fact
def _of_one_series(s: Subject) -> Tri:
    """Whether one engine's epsilons are combined, of which the last is what was spent."""
    if not isinstance(s.event, EpsilonsCombined):
        return False
    s.notes["combined"] = s.event.how
    return s.event.series


@fact
def _of_several_engines(s: Subject) -> Tri:
    """Whether epsilons of several runs are combined; None since each may be of a model and data of its own.

    Runs that a loop over seeds or settings makes are such ones.
    """
    if not isinstance(s.event, EpsilonsCombined) or s.event.series:
        return False
    made = s.run.engine.made if s.run.engine is not None else None
    if made is not None and any(repeats_a_trial(s.run, turn, s.event.apart) for turn in made.loops):
        return False
    s.notes["combined"] = s.event.how
    return None


@fact
def _one_over_batches(s: Subject) -> Tri:
    return _delta_of(s, "batches")


@fact
def _one_over_records(s: Subject) -> Tri:
    return _delta_of(s, "records")


def _delta_of(s: Subject, counted: str) -> Tri:
    if not isinstance(s.event, DeltaGiven) or s.event.one_over != counted:
        return False
    return True if s.event.sure else None


@fact
def _large_number(s: Subject) -> Tri:
    """Whether delta is a number of the program that is larger than any guarantee bears."""
    if not isinstance(s.event, DeltaGiven) or s.event.delta.number is None:
        return False
    s.notes["delta"] = f"{s.event.delta.number:g}"
    if s.event.delta.number < LARGE_DELTA:
        return False
    return True if s.event.sure else None


@fact
def _made_of_the_same_model(s: Subject) -> Tri:
    """Whether the call that failed may have put its hooks into the model of this one."""
    return None if isinstance(s.event, MadeInstead) and s.event.again else False


@fact
def _promises_less(s: Subject) -> Tri:
    """Whether this run takes the place of one that was to keep to an epsilon, and does not."""
    return None if isinstance(s.event, MadeInstead) and s.event.weaker else False


@fact
def _refused_by_the_validator(s: Subject) -> Tri:
    """Whether the model is asked for its errors, and trained without privacy where it has some."""
    return isinstance(s.event, FellBack) and s.event.refused


@fact
def _opacus_missing(s: Subject) -> Tri:
    """Whether it is the import of Opacus that fails."""
    return isinstance(s.event, FellBack) and s.event.uninstalled


@fact
def _falls_back(s: Subject) -> Tri:
    """Whether a plain step follows where the call failed; that it ever fails is nowhere written."""
    return None if isinstance(s.event, FellBack) else False


# -- the call ---------------------------------------------------------------------------------


@fact
def _unknown_keyword(s: Subject) -> Tri:
    """Whether a keyword is none of any release."""
    if not isinstance(s.event, UnknownKeyword):
        return False
    s.notes["keyword"] = s.event.name
    name = s.event.name
    of_the_engine = f" (it belongs to `PrivacyEngine({name}=...)`)" if name in OF_THE_ENGINE else ""
    s.notes["meant"] = f" (meant: `{s.event.meant}`?)" if s.event.meant else of_the_engine
    return True if s.event.sure else None


@fact
def _secure_with_generator(s: Subject) -> Tri:
    """Whether an engine in secure mode is given a generator; None where one test decides on both."""
    engine = s.run.engine
    if engine is None or engine.secure_mode is None:
        return False
    secure = [o for o in engine.secure_mode.options if o.what == Constant(True)]
    given = s.run.argument("noise_generator").options
    generators = [o for o in given if isinstance(o.what, Thing)]
    if len(secure) == len(engine.secure_mode.options) and len(generators) == len(given):
        return bool(secure and generators)
    decided = ((a.guard, b.guard) for a in secure for b in generators if a.guard and b.guard)
    return None if any(a <= b or b <= a for a, b in decided) else False


@fact
def _zero_noise(s: Subject) -> Tri:
    """Whether the noise multiplier is a zero that the program itself names.

    Where a test chooses between zero and what is worked out, it is the program's own way of training without
    privacy, which whoever asks for that knows.
    """
    given = s.run.argument("noise_multiplier")
    itself = {what.key for what in given.each if isinstance(what, Open)}  # which is zero where it says so
    zeros = [o for o in given.options if isinstance(o.what, Constant) and o.what.value == 0]
    tested = [[lit for lit in o.guard - s.run.guard if lit.symbol not in itself] for o in zeros]
    if itself and all(tested):
        return False
    return _number(given, lambda value: value == 0)


@fact
def _clips_nothing(s: Subject) -> Tri:
    """Whether the clipping norm is one that no gradient reaches."""
    value = s.run.argument("max_grad_norm")
    return _number(value, lambda number: isinstance(number, (int, float)) and number >= CLIPS_NOTHING)


def _number(given: Given, wanted: Callable[[object], bool]) -> Tri:
    """Whether an argument is a constant of a kind: None where it only can be, by what the program names."""
    answers = [isinstance(what, Constant) and wanted(what.value) for what in given.each]
    return None if any(answers) and not all(answers) else any(answers)
