"""Facts about processes that train together: how many they are, and whether records are dealt out to them."""

from __future__ import annotations

import re
from collections.abc import Set
from functools import lru_cache

import libcst as cst

from dpmigrate.advisories.facts.general import fact
from dpmigrate.advisories.subjects import Subject
from dpmigrate.analysis.ledger import Constant, Given, Guard, Loader, Missing, Open, Thing, What, contradict
from dpmigrate.analysis.ledger.sampling import TrainedTogether
from dpmigrate.analysis.source.modules import ModuleInfo
from dpmigrate.analysis.source.tree import children, every
from dpmigrate.model import Tri

_WHOLE = ("RandomSampler", "SequentialSampler")
"""Samplers of torch that go over all records, in every process."""
_DEALING = frozenset(["Subset", "random_split", "shard", "split_dataset_by_node"])
"""What can give each process records of its own."""


@fact
def _several_processes(s: Subject) -> Tri:
    """Whether more than one process trains; None where whoever starts the program says in how many."""
    if not isinstance(s.event, TrainedTogether):
        return False
    number = s.event.number.number
    return s.unsure("whoever starts it says in how many processes") if number is None else number > 1


@fact
def _records_not_dealt_out(s: Subject) -> Tri:
    """Whether the loaders of all processes go over the same records: no sampler, no part of the data."""
    answers = {_goes_over_all(loader, s.guard) for loader in s.run.loaders}
    return answers.pop() if len(answers) == 1 else False


def _goes_over_all(loader: Loader, guard: Guard) -> Tri:
    samplers = {_is_whole(what) for what in _under(loader.sampler, guard)} or {True}
    if not all(samplers) or any(w != Constant(None) for w in _under(loader.batch_sampler, guard)):
        return False
    data = _under(loader.dataset, guard)
    places = [what.made.origin for what in data if isinstance(what, Thing) and what.made is not None]
    modules = [place.module for place in places]
    if loader.made is not None:
        modules.append(loader.made.origin.module)
    if any(_deals(module) for module in dict.fromkeys(modules)):
        return False
    return True if data and len(places) == len(data) else None


def _under(given: Given, guard: Guard) -> list[What]:
    """What an argument can be where some assumptions hold."""
    return [o.what for o in given.options if not contradict(o.guard, guard)]


def _is_whole(sampler: What) -> bool:
    if isinstance(sampler, (Missing, Open)):
        return isinstance(sampler, Missing)
    if isinstance(sampler, Thing):
        return sampler.name.rpartition(".")[2] in _WHOLE
    return sampler == Constant(None)


@lru_cache(maxsize=8)
def _deals(module: ModuleInfo) -> bool:
    """Whether a module has a word of dealing records out: a call that does, or an index made of the rank.

    The runs of a module come one after the other.
    """
    nodes = list(every(module.tree))
    ranks = {
        target.target.value
        for node in nodes
        if isinstance(node, cst.Assign) and _speaks_of_rank(node.value, frozenset())
        for target in node.targets
        if isinstance(target.target, cst.Name)
    }
    return any(
        _last_name(node.func) in _DEALING
        if isinstance(node, cst.Call)
        else isinstance(node, cst.Subscript) and any(_speaks_of_rank(part, ranks) for part in node.slice)
        for node in nodes
    )


def _last_name(node: cst.CSTNode) -> str:
    if isinstance(node, cst.Attribute):
        return node.attr.value
    return node.value if isinstance(node, cst.Name) else ""


_RANK = re.compile(
    r"_?(?:get_)?(?:(?:my|own|local|global|node|process|proc|worker|world|ddp|dist|gpu)_?)*rank(?:_id)?"
    r"|(?:local_)?process_index|ordinal|get_ordinal",
    re.IGNORECASE,
)
"""Names of the number of a process; that of a matrix (``low_rank``), or of an item in a list, is none."""


def _speaks_of_rank(node: cst.CSTNode, ranks: Set[str]) -> bool:
    """Whether something in an expression is called a rank, or bound to what is."""
    name = _last_name(node)
    return (
        bool(_RANK.fullmatch(name))
        or name in ranks
        or any(_speaks_of_rank(child, ranks) for child in children(node))
    )
