"""Torch's own optimizers, which a private run may wrap."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import replace

from dpmigrate.analysis.core import Interpreter
from dpmigrate.analysis.domain.atoms import Atom, Obj, Unknown
from dpmigrate.analysis.domain.values import NONE, NOTHING, Entry, Seq, Value, join_all, of
from dpmigrate.analysis.guards import DOUBT, Literal
from dpmigrate.analysis.language.exceptions import OPACUS_MISSING
from dpmigrate.analysis.ledger import Circumstances, Origin
from dpmigrate.analysis.ledger.accounting import FellBack
from dpmigrate.analysis.library.gradients import runs_of_raw
from dpmigrate.analysis.library.torch.names import real
from dpmigrate.analysis.library.torch.parameters import models_in, parameters_in
from dpmigrate.analysis.library.torch.stepping import plain_step
from dpmigrate.analysis.library.torch.structure import IN_PART, MODELS, OF_BEFORE
from dpmigrate.analysis.notes import Slot
from dpmigrate.analysis.registry import CallInfo, function, method, prefix
from dpmigrate.analysis.training import TrainingRun

ERRORS, VALID = "errors of a model", "that a model has none"
VALIDATED: Slot[dict[Hashable, Origin]] = Slot(dict)
"""By the symbol of what the validator says: where a model is validated."""
"""What an unknown answer of Opacus's validator is known by, and the note of the call that gave it."""


@prefix("torch.optim.", "transformers.AdamW", "transformers.optimization.", "bitsandbytes.optim.")
def _make_optimizer(ip: Interpreter, info: CallInfo) -> Value:
    if ".lr_scheduler." in info.name or "schedule" in info.name:
        return ip.unknown(info.node, "a scheduler")
    made = ip.new("optimizer", info.node, info.name)
    ip.store.set(made, OF_BEFORE, NOTHING)
    _trains(ip, made, info.argument(0, "params"))
    return of(made)


def _trains(ip: Interpreter, optimizer: Atom, given: Value) -> None:
    """Remember the models of the parameters that an optimizer is given, and of which it has some alone.

    Several parts of a model, as groups with and without weight decay are, may be all of it.
    """
    MODELS.of(ip).setdefault(optimizer, set()).update(models_in(ip, given))
    groups = list(parameters_in(ip, given))
    for model in models_in(ip, given):
        having = [group for group in groups if model in group.models]
        if len(having) == 1 and having[0].part:
            IN_PART.of(ip).setdefault(optimizer, set()).add(model)


@method("optimizer", "__init__")
def _init_optimizer(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    _trains(ip, real(e.atom), info.argument(0, "params"))
    return NONE


@function("<one of several>")
def _under_a_key(ip: Interpreter, info: CallInfo) -> Value:
    """``{part: SGD(group) for part, group in groups.items()}["head"]``: one of those that a loop makes.

    It is another one under each key, and each has some of the parameters of a model that they share.
    ``groups["head"]`` has some of them, too.
    """
    key, held = info.positional
    named = tuple(e._replace(atom=_one_of(ip, e.atom, key)) for e in held.entries)
    return Value(named) if named != held.entries else NOTHING


def _one_of(ip: Interpreter, atom: Atom, key: Value) -> Atom:
    if isinstance(atom, Seq) and atom.items is None:
        group = list(parameters_in(ip, of(atom)))
        return Seq(None, join_all(of(replace(one, part=True)) for one in group)) if group else atom
    born = ip.births.get(atom) if isinstance(atom, Obj) and atom.kind == "optimizer" else None
    if not isinstance(atom, Obj) or born is None or not born.loops:
        return atom
    one = replace(atom, key=(atom.key, "under", key.only))
    ip.births.setdefault(one, replace(born, loops=born.loops[:-1]))
    models = MODELS.of(ip).get(atom, set())
    if len(models) == 1:  # else which of them it trains is not known
        MODELS.of(ip)[one] = IN_PART.of(ip)[one] = models
    return one


@method("optimizer", "step")
def _optimizer_step(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    optimizer = real(e.atom)
    if isinstance(optimizer, Obj):
        plain_step(ip, optimizer, info.node, e.guard)
    for run in dict.fromkeys((*runs_of_raw(ip, optimizer), *_runs_of_its_models(ip, optimizer))):
        _fell_back(ip, run, ip.at(info.node, e.guard))
    return NONE


@function("<step of something unknown>")
def _plain_step_of_what_came_in(ip: Interpreter, info: CallInfo) -> Value:
    """An optimizer that came in from outside steps where a run was to be made with it."""
    for e in info.positional[0].entries:
        for run in ip.runs.values():
            if isinstance(e.atom, Unknown) and e.atom in run.argument("optimizer").atoms:
                _fell_back(ip, run, ip.at(info.node, e.guard))
    return NONE


def _runs_of_its_models(ip: Interpreter, optimizer: Atom) -> Iterator[TrainingRun]:
    """The runs made of the models that an optimizer trains, whichever optimizer they were given."""
    for model in MODELS.of(ip).get(optimizer, ()):
        yield from runs_of_raw(ip, model)


def _fell_back(ip: Interpreter, run: TrainingRun, here: Circumstances) -> None:
    """The plain optimizer steps where making the run had raised, or the validator had found errors."""
    for raised, fallback in ip.fallbacks.items():
        # Where the way here was lost, it is taken to lead through a handler that the program goes on after.
        through = raised in here.guard or (fallback.falls_through and DOUBT in here.guard)
        if through and run in fallback.runs:
            there = replace(here, origin=fallback.handler, guard=here.guard - {raised})
            ip.happen(run, FellBack(there, here.origin, refused=False, uninstalled=fallback.of_imports))
    for raised in here.guard:
        uninstalled = OPACUS_MISSING.of(ip).get(raised)
        if uninstalled is not None and run.excludes(frozenset({raised})):
            there = replace(here, origin=uninstalled, guard=here.guard - {raised})
            ip.happen(run, FellBack(there, here.origin, refused=False, uninstalled=True))
        validated = VALIDATED.of(ip).get(raised.symbol)
        found_errors = raised._replace(holds=not raised.holds) if _says_valid(raised) else raised
        if validated is not None and found_errors.holds and run.excludes(frozenset({raised})):
            there = replace(here, origin=validated, guard=here.guard - {raised})
            ip.happen(run, FellBack(there, here.origin, refused=True))


def _says_valid(answer: Literal) -> bool:
    return isinstance(answer.symbol, tuple) and answer.symbol[:1] == (VALID,)
