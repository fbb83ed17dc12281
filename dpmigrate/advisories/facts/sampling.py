"""Facts about what feeds training, and about what the accountant is asked."""

from __future__ import annotations

from collections.abc import Callable

import libcst as cst
from libcst.helpers import get_full_name_for_node

from dpmigrate.advisories.facts.general import fact, right_but_for_doubt
from dpmigrate.advisories.facts.trials import repeats_a_trial
from dpmigrate.advisories.subjects import Subject
from dpmigrate.analysis.ledger import Assumption, Constant, Open, Option, Thing
from dpmigrate.analysis.ledger.accounting import (
    DeltaGiven,
    EpsilonAsked,
    EpsilonsCombined,
    FellBack,
    MadeInstead,
)
from dpmigrate.analysis.ledger.events import Escape, Iterated
from dpmigrate.analysis.ledger.sampling import SamplerGiven, SamplerKind, TrainedOn, UnknownKeyword
from dpmigrate.analysis.source.tree import every, keyword_node
from dpmigrate.model import Tri

LARGE_DELTA = 1e-2
OF_THE_ENGINE = frozenset(["accountant", "secure_mode"])
"""What the engine itself is given, and not `make_private`."""
_MAY_NEVER_FAIL = "nothing here says that it ever comes to that"
CLIPS_NOTHING = 1e4
"""A `max_grad_norm` that no gradient of a real model reaches."""


# -- the loader -------------------------------------------------------------------------------


@fact
def _not_the_private_loader(s: Subject) -> Tri:
    """Whether training takes batches of another loader than the one that the engine returned.

    None where those of both are in one forward pass: what of them the model gets cannot be told.
    """
    if not isinstance(s.event, TrainedOn) or s.event.loader not in _OTHER_LOADERS:
        return False
    if right_but_for_doubt(s, lambda e: isinstance(e, TrainedOn) and e.loader == "returned"):
        return False
    if any(
        not e.uninstalled for e in s.run.happened(FellBack)
    ):  # then DPM311 says so: where the call fails there is no private loader
        return False
    s.notes["loader"] = _OTHER_LOADERS[s.event.loader]
    if s.event.loader == "other":
        return s.unsure(_ON_PURPOSE) if _returned_loader_unused(s) else False
    return s.unsure("batches of the private loader go into the same pass") if s.event.mixed else True


def _returned_loader_unused(s: Subject) -> bool:
    """Whether nothing goes over the returned loader, and no code gets it that may."""
    gone_over = any(e.loader != "other" for e in s.run.happened(TrainedOn)) or any(s.run.happened(Iterated))
    return not gone_over and not any(e.what == "dp-loader" for e in s.run.happened(Escape))


_ON_PURPOSE = "the engine may have been given other data on purpose"
_OTHER_LOADERS = {
    "passed": "the loader that was passed in",
    "remade": "another loader of the same data",
    "records": "the data itself, record by record",
    "other": "a loader of other data than the engine was given",
}


@fact
def _fixed_batches(s: Subject) -> Tri:
    """Whether Poisson sampling is switched off."""
    return _constant(s, "poisson_sampling", lambda value: value is False)


@fact
def _fixed_if_asked_for(s: Subject) -> Tri:
    """Whether nothing here switches Poisson sampling off: a parameter that is True by default offers it."""
    options = [o for o in s.run.argument("poisson_sampling").options if o.what == Constant(False)]
    return bool(options) and all(map(_true_by_default, options))


def _true_by_default(option: Option) -> bool:
    nodes = [origin.node for origin in option.because]
    return bool(nodes) and all(
        isinstance(node, cst.Param) and isinstance(node.default, cst.Name) and node.default.value == "True"
        for node in nodes
    )


@fact
def _subset_sampler(s: Subject) -> Tri:
    """Whether the sampler keeps to a part of the records."""
    return _kind_of_sampler(s) == "subset"


@fact
def _sampler_of_its_own(s: Subject) -> Tri:
    """Whether the sampler is of a class of the program: whether it leaves records out is not looked at."""
    return s.unsure("it may leave out no record") if _kind_of_sampler(s) == "own" else False


@fact
def _weighted_sampler(s: Subject) -> Tri:
    """Whether the sampler draws some records more often than others."""
    return _kind_of_sampler(s) == "weighted"


def _kind_of_sampler(s: Subject) -> SamplerKind | None:
    if not isinstance(s.event, SamplerGiven):
        return None
    s.notes["sampler"] = s.event.name
    return s.event.sampler


@fact
def _draws_no_poisson_batches(s: Subject) -> Tri:
    """Whether a hand-made pair is trained on a loader that keeps its batches."""
    return isinstance(s.event, TrainedOn) and s.event.loader == "fixed"


@fact
def _batches_of_its_own(s: Subject) -> Tri:
    """Whether the program takes its batches out of the tensors that the private loader was made of."""
    return isinstance(s.event, TrainedOn) and s.event.loader == "columns"


# -- the accountant ---------------------------------------------------------------------------


@fact
def _epsilon_asked(s: Subject) -> Tri:
    """Whether an epsilon is asked for, or aimed at."""
    asked = list(s.run.happened(EpsilonAsked))
    if any(not e.guard for e in asked):
        return True
    return s.unsure("epsilon is asked for on some ways alone") if asked else False


@fact
def _noise_by_its_own_accounting(s: Subject) -> Tri:
    """Whether the program works out the noise for a rate of its own, and asks the engine for no epsilon."""
    each = s.run.argument("noise_multiplier").each
    worked_out = any(isinstance(what, Open) and what.reason.endswith(_WORKS_OUT_NOISE) for what in each)
    return worked_out and not any(True for _ in s.run.happened(EpsilonAsked))


_WORKS_OUT_NOISE = "get_noise_multiplier"


@fact
def _noise_for_samples(s: Subject) -> Tri:
    """Whether the noise is worked out for a part of the records in each batch, as far as the rate is written.

    At a rate of one there is no sampling to rest on.
    """
    if not _noise_by_its_own_accounting(s):
        return False
    calls = (node for node in every(s.run.module.tree) if isinstance(node, cst.Call))
    rates = [keyword_node(call, "sample_rate") for call in calls if _works_out_noise(call)]
    if not rates or any(rate is None or _is_one(rate.value) for rate in rates):
        return False
    return s.unsure("the noise may be another than what it works out, or its rate 1")


def _works_out_noise(call: cst.Call) -> bool:
    return (get_full_name_for_node(call.func) or "").rpartition(".")[2] == _WORKS_OUT_NOISE


def _is_one(rate: cst.BaseExpression) -> bool:
    return isinstance(rate, (cst.Integer, cst.Float)) and float(rate.evaluated_value) == 1.0


@fact
def _of_one_series(s: Subject) -> Tri:
    """Whether one engine's epsilons are combined, of which the last is what was spent."""
    if not isinstance(s.event, EpsilonsCombined):
        return False
    s.notes["combined"] = s.event.how
    if s.event.series and s.event.parts:
        return s.unsure("it may be told as what one of these times has cost")
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
    return s.unsure("each may be of a model and records of its own")


@fact
def _one_over_batches(s: Subject) -> Tri:
    return _delta_of(s, "batches")


@fact
def _one_over_records(s: Subject) -> Tri:
    return _delta_of(s, "records")


@fact
def _one_over_a_root_of_records(s: Subject) -> Tri:
    return _delta_of(s, "a root of records")


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
    return s.unsure(_MAY_NEVER_FAIL) if isinstance(s.event, MadeInstead) and s.event.again else False


@fact
def _promises_less(s: Subject) -> Tri:
    """Whether this run takes the place of one that was to keep to an epsilon, and does not."""
    return s.unsure(_MAY_NEVER_FAIL) if isinstance(s.event, MadeInstead) and s.event.weaker else False


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
    if not isinstance(s.event, FellBack):
        return False
    return s.unsure(_MAY_NEVER_FAIL)


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
    if secure and len(secure) == len(engine.secure_mode.options) and generators:
        return s.unsure("the generator is given where somebody asks for it")
    decided = ((a.guard, b.guard) for a in secure for b in generators if a.guard and b.guard)
    together = any(a <= b or b <= a for a, b in decided)
    return s.unsure("what decides on one of them may decide on the other") if together else False


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
    if any(lit.symbol in itself and _is_above_zero(lit) for lit in s.run.guard):
        return False  # the program has asked that before it makes the run
    answer = _constant(s, "noise_multiplier", lambda value: value == 0)
    if answer and any(optimizer.kind == "instance" for optimizer in s.run.optimizers):
        return s.unsure("the program's own optimizer may add noise in its step")
    return answer


def _is_above_zero(literal: Assumption) -> bool:
    """Whether it says that something unknown is more than zero."""
    if literal.test[0] == "truth":
        return literal.holds
    above = {("GreaterThan", True), ("LessThanEqual", False)}
    return (literal.test[0], literal.holds) in above and literal.test[1:] == (0,)


@fact
def _clips_nothing(s: Subject) -> Tri:
    """Whether the clipping norm is one that no gradient reaches."""
    return _constant(
        s, "max_grad_norm", lambda value: isinstance(value, (int, float)) and value >= CLIPS_NOTHING
    )


def _constant(s: Subject, name: str, wanted: Callable[[object], bool]) -> Tri:
    """Whether an argument is a constant of a kind: None where it only can be, by what the program names."""
    options = s.run.argument(name).options
    fitting = [(o, o.what.value) for o in options if isinstance(o.what, Constant) and wanted(o.what.value)]
    if not fitting or len(fitting) == len(options):
        return bool(fitting)
    here = s.module.place(s.origin.node)
    places = (o.module.place(o.node).seen_from(here) for option, _ in fitting for o in option.because)
    by = next((f" in {place}" for place in places), "")
    return s.unsure(f"{name} may be something else than the {fitting[0][1]}{by}")
