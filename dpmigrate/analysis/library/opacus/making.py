"""What a ``make_private*`` call says beside the mode: keywords, the sampler of the loader, and delta."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from difflib import get_close_matches

import libcst as cst

from dpmigrate.analysis.core import Interpreter
from dpmigrate.analysis.describing import amount_of
from dpmigrate.analysis.domain.atoms import Absent, Atom, Const, Length, Obj, Unknown
from dpmigrate.analysis.domain.values import NOTHING, Class, Entry, Value
from dpmigrate.analysis.guards import together
from dpmigrate.analysis.language.classes import external_names, find_member
from dpmigrate.analysis.ledger import Origin
from dpmigrate.analysis.ledger.accounting import DeltaGiven, EpsilonAsked, ReductionGiven
from dpmigrate.analysis.ledger.events import SeededBefore
from dpmigrate.analysis.ledger.optimizing import AccountantAsked, OptimizerOfBefore
from dpmigrate.analysis.ledger.sampling import SamplerGiven, SamplerKind, UnknownKeyword
from dpmigrate.analysis.library.opacus.patches import tell_of_patches
from dpmigrate.analysis.library.records import datasets_given
from dpmigrate.analysis.library.rounds import tell_of_rounds
from dpmigrate.analysis.library.torch.data import BALANCING, COLUMNS
from dpmigrate.analysis.library.torch.distributed import tell_of_processes
from dpmigrate.analysis.library.torch.structure import OF_BEFORE
from dpmigrate.analysis.library.trained_before import tell_of_training_before
from dpmigrate.analysis.registry import CallInfo
from dpmigrate.analysis.source.tree import keyword_node
from dpmigrate.analysis.training import TrainingRun

KEYWORDS = (
    "module",
    "optimizer",
    "criterion",
    "data_loader",
    "noise_multiplier",
    "max_grad_norm",
    "batch_first",
    "loss_reduction",
    "poisson_sampling",
    "clipping",
    "noise_generator",
    "grad_sample_mode",
    "wrap_model",
    "rand_on_empty",
)
_WITH_EPSILON = ("target_epsilon", "target_delta", "epochs", "epsilon_tolerance", "alphas")
_ADAPTIVE = (
    "target_unclipped_quantile",
    "clipbound_learning_rate",
    "max_clipbound",
    "min_clipbound",
    "unclipped_num_std",
    "initial_noise_multiplier",
)
"""What adaptive clipping takes, by engine or by ``clipping="adaptive"``."""

SAMPLERS: dict[str, SamplerKind] = {
    "torch.utils.data.SubsetRandomSampler": "subset",
    "torch.utils.data.WeightedRandomSampler": "weighted",
    **dict.fromkeys(BALANCING, "weighted"),
}


OF_OTHER_CALLS = frozenset(
    [
        *("batch_size", "sample_rate", "sample_size", "alphas", "epochs", "seed", "device", "shuffle"),
        *("epsilon", "delta", "target_epsilon", "target_delta", "sigma", "noise_scale", "secure_mode"),
        *("accountant", "model", "net", "loss", "max_physical_batch_size", "max_physical_batch"),
        *("virtual_batch_size", "num_epochs", "steps", "secure_rng"),
        *(
            "l2_norm_clip",
            "num_microbatches",
            "clip_norm",
            "clipping_norm",
            "clip_value",
            "clipping_threshold",
        ),
        *("noise_std", "noise_level", "lr", "learning_rate", "max_epsilon", "privacy_budget"),
    ]
)
"""Keywords of 0.x, of engines, accountants, memory managers and other libraries.

Any other that is near to none of ``make_private``'s own is taken for one of a fork of Opacus."""


def tell_of_the_call(ip: Interpreter, run: TrainingRun, info: CallInfo) -> None:
    """Record what one call of an engine says, on the run that it makes."""
    _keywords(ip, run, info)
    _reductions(ip, run, info)
    _samplers(ip, run)
    _parameters_of_before(ip, run, info)
    tell_of_patches(ip, run, info.node)
    tell_of_rounds(ip, run)
    if run not in ip.remade:
        tell_of_training_before(ip, run)
    tell_of_processes(ip, run, info)
    here = ip.at(info.node)
    for origin, loops, literal, sure in ip.seeds:
        ip.happen(run, SeededBefore(replace(here, origin=origin, loops=loops), literal=literal, sure=sure))
    if run.call == "make_private_with_epsilon":
        ip.happen(run, EpsilonAsked(ip.at(info.node), aimed=True))
        tell_of_delta(ip, run, info.argument(None, "target_delta"), info.node)


_TAKE_KEYWORDS = ("_prepare_model", "_prepare_optimizer", "_prepare_data_loader", "_prepare_criterion")
"""What ``make_private`` hands its other keywords on to, so that a subclass can take them there."""


def _takes_its_own(ip: Interpreter, engine: Obj | None) -> bool:
    """Whether an engine is of a class of the project that can do something with keywords of its own."""
    if engine is None or not isinstance(engine.data, Class):
        return False
    return any(find_member(ip, engine.data, name) for name in _TAKE_KEYWORDS)


def _reductions(ip: Interpreter, run: TrainingRun, info: CallInfo) -> None:
    """Record how the criterion reduces now: Opacus, and the program, may set another reduction later."""
    for e in run.argument("criterion").entries:
        held = ip.read(e.atom, "reduction") if isinstance(e.atom, Obj) else None
        if held is not None and isinstance(held.only, Const):
            ip.happen(run, ReductionGiven(ip.at(info.node, e.guard), str(held.only.value)))


def _parameters_of_before(ip: Interpreter, run: TrainingRun, info: CallInfo) -> None:
    """Record where the optimizer is older than the copy that the validator made of the model."""
    for e in run.argument("optimizer").entries:
        held = ip.read(e.atom, OF_BEFORE) if isinstance(e.atom, Obj) else None
        for way in held.entries if held is not None else ():
            ip.happen(run, OptimizerOfBefore(ip.at(info.node, together(e.guard, way.guard))))


def _keywords(ip: Interpreter, run: TrainingRun, info: CallInfo) -> None:
    if ip.modules.holds_library or _takes_its_own(ip, run.engine):
        return
    parameters = (*KEYWORDS, *(_WITH_EPSILON if run.call == "make_private_with_epsilon" else ()), *_ADAPTIVE)
    for name, value in info.keywords.items():
        sure = all(not isinstance(a, Absent) for a in value.atoms)
        if name in parameters or not value:
            continue
        near = _nearest(name, parameters)
        if near or name in OF_OTHER_CALLS:
            there = replace(ip.at(info.node), origin=_written(ip, info.node, name))
            ip.happen(run, UnknownKeyword(there, name, near, sure))


def _nearest(name: str, parameters: Iterable[str]) -> str:
    """The parameter that a keyword is near to, by its letters or by its words; empty for none."""
    by_words = {_in_order_of_words(parameter): parameter for parameter in parameters}
    near = get_close_matches(name, by_words.values(), n=1)
    if near:
        return near[0]
    near = get_close_matches(_in_order_of_words(name), by_words, n=1, cutoff=0.9)
    return by_words[near[0]] if near else ""


def _in_order_of_words(name: str) -> str:
    return "_".join(sorted(name.lower().split("_")))


def _written(ip: Interpreter, call: cst.CSTNode, name: str) -> Origin:
    """Where a keyword is written, where it is in the call itself."""
    return ip.origin(keyword_node(call, name) or call, name)


def _samplers(ip: Interpreter, run: TrainingRun) -> None:
    for loader in run.raw_loaders:
        batches = (ip.read(loader, "batch_sampler") or Value()).only
        within = ip.read(batches, "sampler") if isinstance(batches, Obj) else None
        for e in (ip.read(loader, "sampler") or within or Value()).entries:
            kind, name = _kind_of_sampler(e.atom)
            if kind is None or not isinstance(e.atom, Obj) or e.atom.node is None or e.atom.module is None:
                continue
            there = replace(ip.at(e.atom.node, e.guard), origin=Origin(e.atom.module, e.atom.node))
            ip.happen(run, SamplerGiven(there, kind, name))


_DRAWS_ALIKE = re.compile(r"poisson|uniform|random|shuffl|sequential|distributed|rank", re.IGNORECASE)
"""What a sampler is called, or derives from, that draws all records, as Poisson sampling does."""


def _kind_of_sampler(sampler: Atom) -> tuple[SamplerKind | None, str]:
    """What a sampler does that is lost where another one takes its place, and what it is called."""
    if not isinstance(sampler, Obj):
        return None, ""
    if isinstance(sampler.data, Class):
        name = sampler.data.node.name.value
        bases = external_names(sampler.data)
        for base in bases:
            if base in SAMPLERS:
                return SAMPLERS[base], name
        of_torch = any(base.startswith("torch.utils.data.") and base.endswith("Sampler") for base in bases)
        alike = any(_DRAWS_ALIKE.search(word) for word in (name, *bases))
        return ("own" if of_torch and not alike else None), name
    return SAMPLERS.get(str(sampler.data)), str(sampler.data).rpartition(".")[2]


def epsilon_asked(ip: Interpreter, info: CallInfo, engine: Atom, e: Entry) -> None:
    """Record on every run of an engine that its epsilon is asked for, and for which delta."""
    for run in [run for run in ip.runs.values() if run.made_by(engine)]:
        ip.happen(run, EpsilonAsked(ip.at(info.node, e.guard), aimed=False))
        tell_of_delta(ip, run, info.argument(0, "delta"), info.node)
    if not ip.making_calls and engine in ip.births:  # then it lends its accountant to what is made by hand
        asked_by_hand(ip, info)


def asked_by_hand(ip: Interpreter, info: CallInfo) -> None:
    """Record on the runs that are made by hand that an accountant of the program is asked for an epsilon."""
    for run in [run for run in ip.runs.values() if run.manual]:
        ip.happen(run, AccountantAsked(ip.at(info.node)))
        tell_of_delta(ip, run, info.argument(0, "delta"), info.node)


def tell_of_delta(ip: Interpreter, run: TrainingRun, given: Value, node: cst.CSTNode) -> None:
    """Record every delta that a value can stand for, at the place where it is worked out."""
    for e in given.entries:
        there = replace(ip.at(node, e.guard), origin=e.because[-1] if e.because else ip.origin(node))
        sure = len(given.atoms) == 1
        if isinstance(e.atom, Const):
            ip.happen(run, DeltaGiven(there, "", amount_of(Value((e,))), sure))
        elif isinstance(e.atom, Unknown):
            for part in e.atom.parts:
                if isinstance(part, Length) and part.over_one:
                    ip.happen(run, DeltaGiven(there, _counted(ip, run, part), amount_of(Value((e,))), sure))


def _counted(ip: Interpreter, run: TrainingRun, length: Length) -> str:
    """What a length counts: "batches" of a loader, "records" of a data set, a root of these, or nothing."""
    counted = _counted_by_length(ip, run, length)
    return "a root of records" if counted == "records" and length.power < 1 else counted


def _counted_by_length(ip: Interpreter, run: TrainingRun, length: Length) -> str:
    thing = length.of
    if length.in_batches:
        return "batches" if isinstance(thing, Obj) and thing.kind == "dataset" else ""
    if isinstance(thing, Obj):
        if thing.kind in ("loader", "dp-loader", "managed-loader"):
            return "batches"
        return "records" if thing.kind == "dataset" else ""
    symbol = thing.symbol if isinstance(thing, Unknown) else None
    if isinstance(symbol, tuple) and symbol[1:] == (".", "dataset"):
        return "records"
    if thing in run.argument("data_loader").atoms:
        return "batches"
    columns = [ip.read(given.atom, COLUMNS) or NOTHING for given in datasets_given(ip, run)]
    return "records" if any(thing in made_of.atoms for made_of in columns) else ""
