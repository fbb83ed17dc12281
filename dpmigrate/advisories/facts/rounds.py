"""Facts about engines that are made anew while the weights go on."""

from __future__ import annotations

import re
from collections.abc import Iterable

import libcst as cst

from dpmigrate.advisories.facts.general import fact
from dpmigrate.advisories.facts.trials import goes_over_folds
from dpmigrate.advisories.subjects import Subject
from dpmigrate.analysis.ledger import Backward, Engine, HooksRemoved, Open, PrivateRun, Thing, Turn, What
from dpmigrate.analysis.ledger.accounting import (
    EngineOfARound,
    EpsilonsAdded,
    EpsilonsCombined,
    TrainedBefore,
    WeightsLoaded,
)
from dpmigrate.analysis.ledger.expressions import OfRun
from dpmigrate.analysis.source.tree import children, every, names_in
from dpmigrate.model import Tri

_COUNTING = frozenset(["range", "trange", "count"])
_BEGINNING = re.compile(r"copy|clone|apply|reset|init|fresh|restore|load_state|build|create", re.IGNORECASE)
_READING = ("load", "read", "open", "fetch")


@fact
def _engine_of_each_turn(s: Subject) -> Tri:
    """Whether a loop makes an engine in every turn and trains with it, on weights and records that go on.

    The parts that a model is trained on in cross-validation have most of their records in common.
    """
    run = s.run
    engines = [engine for engine in (run.engine, *run.other_engines) if engine is not None]
    turns = [turn for engine in engines for turn in _making_it_in_each_turn(run, engine)]
    if not turns:
        return False
    own = [turn for turn in turns if not _records_by_its_number(turn)]
    if not own:
        s.unsure("what is looked up by the number of a turn may be records of that turn alone")
    loop = (own or turns)[0].loop
    s.shown.append(loop._replace(text="the loop that makes it anew"))
    s.notes["loop"] = loop.module.place(loop.node).seen_from(s.module.place(s.origin.node))
    if len(engines) > 1:
        return s.unsure("it is one of several engines that the run may have")
    if _handed_in(run):
        return s.unsure("the model is handed in, and may be made anew by what cannot be followed")
    if not own:
        return None
    loads = [e for e in run.happened(WeightsLoaded) if e.changing and own[0] in e.loops]
    if loads and all(e.guard for e in loads):
        return s.unsure("the weights are loaded under a condition")
    if _in_some_turns(run, own[0]):
        return s.unsure("it comes to that call only in turns that a test picks, which may be one")
    return s.unsure(_HOOKED) if _meets_its_own_hooks(run, own[0]) else True


_HOOKED = "where the module has its hooks on from the time before, make_private raises"


def _meets_its_own_hooks(run: PrivateRun, turn: Turn) -> bool:
    """Whether each turn makes one module private, or a copy of it, which nothing frees of its hooks."""
    made = [model.made for model in run.models]
    same = bool(made) and all(at is not None and turn not in at.loops for at in made)
    copied = any(e.hooked and turn in e.loops for e in run.happened(WeightsLoaded))
    rewrapped = any(isinstance(what, OfRun) for what in run.argument("module").each)
    return (same or copied) and not rewrapped and not any(run.happened(HooksRemoved))


def _making_it_in_each_turn(run: PrivateRun, engine: Engine) -> list[Turn]:
    """The loops that make an engine in each turn, and train with it on weights that go on."""
    if engine.made is None or engine.accountant is None:
        return []
    around = [turn for turn in engine.made.loops if turn in run.loops]
    rounds = [
        turn
        for turn in around
        if _counts(turn)
        or goes_over_folds(turn.loop.node)
        or (_one_model_on_the_same_records(run, turn) and not _for_one_item_alone(run, turn))
    ]
    inside = [turn for turn in rounds if any(turn in e.loops for e in run.happened(Backward))]
    return [turn for turn in inside if _weights_go_on(run, turn) and not _in_one_turn_alone(run, turn)]


def _in_one_turn_alone(run: PrivateRun, turn: Turn) -> bool:
    """Whether what a turn gets has to be one number: ``message = receive()``, ``if message.round == 0:``.

    What is worked out from it, ``number % 5 == 0``, may be that number again.
    """
    nodes = list(every(turn.loop.node))
    within = {id(node) for node in nodes}
    worked_out = {id(node) for node in nodes if isinstance(node, cst.BinaryOperation)}
    return all(
        any(
            x.holds
            and x.test[0] == "eq"
            and type(x.test[1]) is int
            and _made_of(x.symbol, within)
            and not _made_of(x.symbol, worked_out)
            for x in way
        )
        for way in run.ways
    )


_ORDERS = frozenset(["LessThan", "LessThanEqual", "GreaterThan", "GreaterThanEqual"])
"""Tests that hold from one turn on, or up to one."""


def _in_some_turns(run: PrivateRun, turn: Turn) -> bool:
    """Whether a test of something that each turn gets anew leads to the call, and may well hold once.

    ``number % 5 == 0`` and ``number > 3`` hold again.
    """
    nodes = list(every(turn.loop.node))
    recurring = [node for node in nodes if isinstance(node, cst.BinaryOperation | cst.Comparison)]
    again = {id(node) for node in recurring if any(isinstance(x, cst.Modulo) for x in every(node))}
    within = {id(node) for node in nodes} - again
    return all(
        any(x.test[0] not in _ORDERS and _of_a_turn(x.symbol, within) for x in way) for way in run.ways
    )


def _of_a_turn(symbol: object, within: set[int]) -> bool:
    """Whether something unknown, or an outcome that no assumption says, is that of nodes of a loop."""
    while isinstance(symbol, tuple) and symbol and isinstance(symbol[0], tuple):
        symbol = symbol[0]
    return isinstance(symbol, tuple) and symbol[:1] in (("node",), ("doubt",)) and _made_of(symbol, within)


def _made_of(symbol: object, nodes: set[int]) -> bool:
    """Whether something unknown comes from one of some nodes."""
    if isinstance(symbol, tuple):
        return any(_made_of(part, nodes) for part in symbol)
    return isinstance(symbol, int) and symbol in nodes


@fact
def _engine_of_each_round(s: Subject) -> Tri:
    """Whether a framework makes an engine in every round, by a method of the program that it calls."""
    if s.run.engine is None or s.run.engine.accountant is None:
        return False
    for event in s.run.happened(EngineOfARound):
        made = "makes each client anew for it" if event.with_its_client else "comes here in each"
        s.notes["framework"] = f"{event.framework} {made}"
        return s.unsure(_HOOKED) if event.unwrapped and not any(s.run.happened(HooksRemoved)) else True
    return False


@fact
def _engine_after_another(s: Subject) -> Tri:
    """Whether another engine trained the model before, on the same records; what each of the two says is
    right by itself, and may be meant so."""
    return _trained_before(s, again=False)


@fact
def _engine_of_each_call(s: Subject) -> Tri:
    """Whether a function trains with an engine of its own, and calls itself with the model it trained."""
    return _trained_before(s, again=True)


def _trained_before(s: Subject, again: bool) -> Tri:
    if s.run.engine is None or s.run.engine.accountant is None:
        return False
    if not any(event.again is again for event in s.run.happened(TrainedBefore)):
        return False
    return s.unsure("each epsilon is right for the steps of its own engine, and may be meant so")


@fact
def _epsilons_added_up(s: Subject) -> Tri:
    """Whether the program adds up what each of its engines has spent, and makes no mean of it."""
    return any(s.run.happened(EpsilonsAdded)) and not any(s.run.happened(EpsilonsCombined))


def _counts(turn: Turn) -> bool:
    """Whether a loop repeats itself, and does not go over models, clients or folds."""
    loop = turn.loop.node
    if isinstance(loop, cst.While):
        return True
    return turn.number is None and isinstance(loop, (cst.For, cst.CompFor)) and _calls_a_counter(loop.iter)


def _records_by_its_number(turn: Turn) -> bool:
    """Whether something is looked up or read by the number of a turn: ``parts[r]``, ``load(f"day{r}.pt")``.

    It may be the records of that turn, or who trains in it, and nothing is forgotten where none comes again.
    """
    loop = turn.loop.node
    if not isinstance(loop, cst.For):
        return False
    numbers = names_in(loop.target)
    stored = {id(t.target) for node in every(loop.body) if isinstance(node, cst.Assign) for t in node.targets}
    return any(
        _reads(part, numbers)
        for node in every(loop.body)
        if id(node) not in stored
        for part in _what_is_looked_up(node)
    )


def _what_is_looked_up(node: cst.CSTNode) -> Iterable[cst.CSTNode]:
    """The index of an item, or what names a file that is read."""
    if isinstance(node, cst.Subscript):
        return node.slice
    if isinstance(node, cst.Call) and isinstance(node.func, cst.Name | cst.Attribute):
        name = node.func.attr if isinstance(node.func, cst.Attribute) else node.func
        if name.value.startswith(_READING):
            return [x for x in every(node) if isinstance(x, cst.FormattedString | cst.BinaryOperation)]
    return []


def _reads(node: cst.CSTNode, names: set[str]) -> bool:
    return any(isinstance(each, cst.Name) and each.value in names for each in every(node))


def _one_model_on_the_same_records(run: PrivateRun, turn: Turn) -> bool:
    """Whether what a loop goes over is neither a model nor the records: stages of training, say."""
    if turn.number is not None:  # a turn for each of several objects, which the records may be
        return False
    if len(run.models) != 1 or len(run.loaders) > 1:
        return False
    outside = run.loops[: run.loops.index(turn)]
    records = run.loaders[0].dataset if run.loaders else run.argument("data_loader")
    return _was_there(run.models[0], outside) and all(
        _was_there(what, outside) for what in records.each or [None]
    )


def _was_there(what: What | None, outside: tuple[Turn, ...]) -> bool:
    """Whether something is made in none but some loops, or was handed in from outside."""
    if isinstance(what, Open):
        return isinstance(what.key, tuple) and what.key[:1] == ("param",)
    made = what.made if isinstance(what, Thing) else None
    return made is not None and all(loop in outside for loop in made.loops)


def _for_one_item_alone(run: PrivateRun, turn: Turn) -> bool:
    """Whether a loop comes to a place for one of its items: ``if stage == "private":``."""
    return isinstance(turn.loop.node, cst.For) and all(
        any(x.holds and x.test[0] == "eq" and _is_an_element(x.symbol) for x in way) for way in run.ways
    )


def _is_an_element(symbol: object) -> bool:
    """Whether something unknown is an element of what a loop goes over."""
    return isinstance(symbol, tuple) and symbol[-1:] == ("element",)


def _calls_a_counter(node: cst.CSTNode) -> bool:
    if isinstance(node, cst.Call):
        name = node.func.attr if isinstance(node.func, cst.Attribute) else node.func
        if isinstance(name, cst.Name) and name.value in _COUNTING:
            return True
    return any(map(_calls_a_counter, children(node)))


def _weights_go_on(run: PrivateRun, turn: Turn) -> bool:
    """Whether what one turn of a loop learned is what the next one begins with."""
    loads = [e for e in run.happened(WeightsLoaded) if turn in e.loops]
    if any(e.changing for e in loads):
        return True
    made = [model.made for model in run.models]
    if not made:
        return not loads and _handed_in(run) and not _speaks_of_a_beginning(turn)
    return not loads and all(at is not None and turn not in at.loops for at in made)


def _handed_in(run: PrivateRun) -> bool:
    """Whether the model comes from whoever calls the function that has the loop."""
    module = run.argument("module").each
    return not run.models and bool(module) and all(_was_there(what, ()) for what in module)


def _speaks_of_a_beginning(turn: Turn) -> bool:
    """Whether a loop calls something that may give a model its first weights again: a copy, a reset."""
    calls = (node.func for node in every(turn.loop.node) if isinstance(node, cst.Call))
    names = (func.attr if isinstance(func, cst.Attribute) else func for func in calls)
    return any(isinstance(name, cst.Name) and _BEGINNING.search(name.value) for name in names)
