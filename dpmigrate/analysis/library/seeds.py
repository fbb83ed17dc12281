"""Global seeds: everything that seeds torch's default generator, in every framework's spelling."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import reduce
from typing import NamedTuple

import libcst as cst
from libcst.helpers import get_full_name_for_node

from dpmigrate.analysis.core import Interpreter
from dpmigrate.analysis.describing import amount_of
from dpmigrate.analysis.domain.atoms import Atom, Const, External, Obj, Unknown
from dpmigrate.analysis.domain.values import NONE, Function, Value, of
from dpmigrate.analysis.guards import ALWAYS, Guard, weaken
from dpmigrate.analysis.language.choices import SET_BY_THE_USER
from dpmigrate.analysis.language.classes import external_names
from dpmigrate.analysis.ledger import Circumstances, Seeded
from dpmigrate.analysis.library.counters import argument_for, counters_of
from dpmigrate.analysis.notes import Slot
from dpmigrate.analysis.registry import CallInfo, function
from dpmigrate.analysis.source.mentions import MENTIONS
from dpmigrate.analysis.source.tree import assigned_in, every, names_in
from dpmigrate.analysis.training import TrainingRun

SEEDERS = (
    "torch.manual_seed",
    "torch.default_generator.manual_seed",
    "torch.cuda.manual_seed",
    "torch.cuda.manual_seed_all",
    "torch.mps.manual_seed",
    "torch.xpu.manual_seed_all",
    "pytorch_lightning.seed_everything",
    "pytorch_lightning.utilities.seed.seed_everything",
    "lightning.seed_everything",
    "lightning.pytorch.seed_everything",
    "lightning.fabric.seed_everything",
    "lightning_fabric.utilities.seed.seed_everything",
    "transformers.set_seed",
    "transformers.trainer_utils.set_seed",
    "transformers.enable_full_determinism",
    "accelerate.utils.set_seed",
    "monai.utils.set_determinism",
    "ignite.utils.manual_seed",
    "fastai.torch_core.set_seed",
    "trl.set_seed",
)

_SAYS_SO = re.compile(
    r"_*(?:"
    r"(?:set|setup|fix|init|initiali[sz]e|reset|apply|same)_?"
    r"(?:up_)?(?:all_?|global_?|random_?|rng_?|torch_?|manual_?|the_)*seeds?(?:_all|_everywhere)?"
    r"|seed_?(?:everything|everywhere|all|torch|rngs?)"
    r"|(?:set|fix|make|enable)_?(?:all_|full_)*(?:determinism|deterministic|randomness|reproducib\w+)"
    r")",
    re.IGNORECASE,
)
"""Names of functions of other packages that can only mean the seeds of everything, torch's included."""

_SPEAKS_OF_SEEDS = re.compile(r"seed|determinis|reproducib", re.IGNORECASE)

_OTHER_GENERATORS = frozenset(
    ["tensorflow", "numpy", "jax", "random", "paddle", "mxnet", "gym", "gymnasium", "keras", "torch"]
)
"""Packages whose own functions of such names seed something else (torch's are known one by one)."""


@dataclass(slots=True)
class _Seeding:
    """What becomes of the seeds that are set globally where the program is now."""

    forked: int = 0
    """How many blocks around have a default generator of their own."""
    by_record: list[SeedOfRecord] | None = None
    """Where those are put down that the code of a record sets; None outside of such code."""


SEEDING: Slot[_Seeding] = Slot(_Seeding)
"""What becomes of global seeds now."""


class SeedOfRecord(NamedTuple):
    """A seed that torch's default generator gets while a record is fetched.

    ``worked_out_of``: the numbers and options that it is worked out from; empty where that cannot be told.
    """

    at: Circumstances
    value: Value
    worked_out_of: tuple[Value, ...] = ()


@contextmanager
def seeds_set_by(ip: Interpreter) -> Iterator[list[SeedOfRecord]]:
    """The seeds that are set globally within the block, which otherwise do nothing there."""
    seeding, seeds = SEEDING.of(ip), list[SeedOfRecord]()
    before, seeding.by_record = seeding.by_record, seeds
    try:
        yield seeds
    finally:
        seeding.by_record = before


def state_set_by(ip: Interpreter) -> bool:
    """Whether it is a record's code that sets a state of the default generator, which ends its seeds."""
    by_record = SEEDING.of(ip).by_record
    if by_record is not None:
        by_record.clear()
    return by_record is not None


@function(*SEEDERS)
def seed_globally(ip: Interpreter, info: CallInfo) -> Value:
    """Torch's default generator is seeded here."""
    if SEEDING.of(ip).forked:
        return NONE
    seed = info.argument(0, "seed")
    by_record = SEEDING.of(ip).by_record
    if by_record is not None:
        by_record.append(SeedOfRecord(ip.at(info.node), seed, _worked_out_of(ip, info.node)))
        return NONE
    literal = any(isinstance(a, Const) for a in seed.atoms)
    ip.seeds[ip.origin(info.node, info.name), tuple(ip.loops), literal, len(seed.atoms) == 1] = None
    ip.store.set("<global>", "seed", of(Const(True), ip.origin(info.node, info.name)))
    noise_seeded(ip, info.node, seed, runs_of_the_global(ip))
    return NONE


def runs_of_the_global(ip: Interpreter) -> dict[TrainingRun, Guard]:
    """The runs whose noise comes from torch's default generator, each with what has to hold for that."""
    return runs_that_draw_from(ip, {Const(None), External("torch.default_generator")})


def runs_that_draw_from(ip: Interpreter, generators: Collection[Atom]) -> dict[TrainingRun, Guard]:
    """The runs whose noise may come from one of these generators, each with what has to hold for that.

    ``None`` stands for torch's own, which a run draws from that was given none.
    """
    runs: dict[TrainingRun, Guard] = {}
    for run in ip.runs.values():
        ways = (run.draws_from or NONE).entries
        wanted = [e.guard for e in ways if e.atom in generators]
        if wanted:
            runs[run] = ALWAYS if len(wanted) == len(ways) else reduce(weaken, wanted)
    return runs


def noise_seeded(
    ip: Interpreter,
    node: cst.CSTNode,
    seed: Value,
    runs: Mapping[TrainingRun, Guard],
    known_same: bool = False,
) -> None:
    """What the noise of runs is drawn from is seeded: they are told where that is in a loop inside them."""
    around = tuple(ip.loops)
    if _called_in_turns(ip) and _same_each_time(seed):
        for run, drawn in runs.items():
            ip.happen(run, Seeded(ip.at(node, drawn), amount_of(seed), True, True, in_turns=True))
        return
    for run, drawn in runs.items():
        if len(around) > len(run.loops):  # runs that a loop made are gone over by one other loop later on
            everywhere = known_same or _same_each_time(seed)
            same = everywhere or _of_a_variable_left_alone(ip, node) or _counted_anew(ip, node)
            ip.happen(run, Seeded(ip.at(node, drawn), amount_of(seed), same, everywhere))


_IN_TURNS = frozenset(
    f"on_{moment}_{end}" for moment in ("train_batch", "train_epoch", "epoch") for end in ("start", "end")
) | {"training_step", "on_before_zero_grad", "on_before_backward", "on_after_backward", "optimizer_step"}
"""What Lightning's trainer calls in each turn of its loops, on a module or on a callback."""


def _called_in_turns(ip: Interpreter) -> bool:
    """Whether Lightning calls a method here, or one that has called this."""
    methods = ((f.function.name, f.defining) for f in ip.frames if f.function is not None and f.defining)
    return any(
        name in _IN_TURNS and any("lightning" in base for base in external_names(owner))
        for name, owner in methods
    )


def _counted_anew(ip: Interpreter, node: cst.CSTNode) -> bool:
    """Whether a seed is worked out from what the innermost loop counts, ``seed + step``, from its beginning
    in each turn of the loop around it."""
    args = node.args if isinstance(node, cst.Call) else ()
    if len(ip.frame.loops) < 2 or len(ip.loops) < 2 or len(args) != 1:
        return False
    inner, outer = ip.loops[-1].loop.node, ip.loops[-2].loop.node
    if not isinstance(inner, cst.For) or not isinstance(outer, (cst.For, cst.While)):
        return False
    counters = counters_of(inner)
    used = names_in(args[0])
    within = set(assigned_in(outer)) - counters
    first = 0 if isinstance(inner.target, cst.Name) else 1  # what ``enumerate`` goes over may be any loader
    if isinstance(inner.iter, cst.Call) and any(names_in(arg) & within for arg in inner.iter.args[first:]):
        return False
    return bool(used & counters) and not used & within and counters.isdisjoint(assigned_in(inner.body))


def _worked_out_of(ip: Interpreter, call: cst.CSTNode) -> tuple[Value, ...]:
    """The values that a seed is worked out from, ``args.seed + index``, if each is a number or an option."""
    stack: list[cst.CSTNode] = [arg.value for arg in call.args] if isinstance(call, cst.Call) else []
    values: list[Value] = []
    while stack:
        node = stack.pop()
        if isinstance(node, cst.BinaryOperation):
            stack += [node.left, node.right]
        elif isinstance(node, cst.Call) and isinstance(node.func, cst.Name) and node.func.value == "int":
            stack += [arg.value for arg in node.args]
        else:
            values.append(ip.evaluate(node))
    told = all(value and all(isinstance(a, Const) or _handed_in(a) for a in value.atoms) for value in values)
    return tuple(values) if told else ()


def _of_a_variable_left_alone(ip: Interpreter, node: cst.CSTNode) -> bool:
    """Whether a call in a loop takes its one argument from a variable that the loop does not assign to.

    An attribute is one where a method that the loop calls has it of its object.
    """
    args = node.args if isinstance(node, cst.Call) else ()
    read = (cst.Name,) if ip.frame.loops else (cst.Name, cst.Attribute)
    return len(args) == 1 and isinstance(args[0].value, read) and _left_alone(ip, args[0].value)


def _left_alone(ip: Interpreter, name: cst.BaseExpression) -> bool:
    """Whether the innermost loop leaves a variable or attribute alone, as do functions that hand it on."""
    written = get_full_name_for_node(name) if isinstance(name, (cst.Name, cst.Attribute)) else None
    if written is None:
        return False
    if ip.frame.loops:
        changed = set(assigned_in(ip.loops[-1].loop.node))
        if isinstance(name, cst.Attribute):
            # A method that the loop calls may count it up, or a property does.
            last = name.attr.value
            changed |= {other for other in assigned_in(ip.module.tree) if other.endswith(f".{last}")}
            if any(isinstance(f, cst.FunctionDef) and f.name.value == last for f in every(ip.module.tree)):
                return False
        return not any(written == other or written.startswith(f"{other}.") for other in changed)
    function = ip.frame.function
    if function is None or written in set(assigned_in(function.node.body)):
        return False
    if isinstance(name, cst.Attribute):
        return _set_when_made(ip, name)
    given = argument_for(ip, name)
    if given is None:
        return False
    inner = ip.frames.pop()
    try:
        return _left_alone(ip, given)
    finally:
        ip.frames.append(inner)


_MAKING = ("__init__", "__post_init__")


def _set_when_made(ip: Interpreter, name: cst.Attribute) -> bool:
    """Whether it is an attribute of an object that was there before the loop, set in its making alone."""
    if not isinstance(name.value, cst.Name):
        return False
    owners = [ip.births.get(atom) for atom in ip.evaluate(name.value).atoms if isinstance(atom, Obj)]
    if not owners or any(made is None or ip.loops[-1] in made.loops for made in owners):
        return False
    attribute = name.attr.value
    functions = [f for f in every(ip.module.tree) if isinstance(f, cst.FunctionDef)]
    later = (f for f in functions if f.name.value not in _MAKING)
    return not any(
        f.name.value == attribute or any(other.endswith(f".{attribute}") for other in assigned_in(f.body))
        for f in later
    )


def _same_each_time(seed: Value) -> bool:
    """Whether a seed is one constant, or came in from outside and is no element of anything."""
    constants = [a for a in seed.atoms if isinstance(a, Const)]
    others = [a for a in seed.atoms if not isinstance(a, Const)]
    return bool(seed) and len(constants) < 2 and all(map(_handed_in, others))


def _handed_in(atom: Atom) -> bool:
    if not isinstance(atom, Unknown):
        return False
    symbol = atom.symbol
    while isinstance(symbol, tuple) and len(symbol) == 3 and symbol[1] == ".":
        if symbol[2] == "element":
            return False
        symbol = symbol[0]
    return atom.reason == SET_BY_THE_USER or (isinstance(symbol, tuple) and symbol[:1] == ("param",))


@function("<unknown call>")
def _unknown_seeder(ip: Interpreter, info: CallInfo) -> Value:
    """A call into code that is not there, of a name that says it seeds.

    A function of another package is taken at its word; a method of something unknown may seed.
    """
    callee = info.positional[0].only
    package, name = _package_and_name(callee, info)
    if not _SAYS_SO.fullmatch(name) or package in _OTHER_GENERATORS:
        return NONE
    if package:
        seed_globally(ip, CallInfo(info.node, info.positional[1:], info.keywords, name=name))
    elif not ip.read("<global>", "seed"):
        maybe = Unknown(("seeded", id(info.node)), f"{name}, which cannot be followed")
        ip.store.set("<global>", "seed", of(maybe, ip.origin(info.node, name)))
    return NONE


@function("<call not followed>")
def _maybe_seeds(ip: Interpreter, info: CallInfo) -> Value:
    """A function of the project that the budget did not reach, and that speaks of seeds: it may set one."""
    callee = info.positional[0].only
    if isinstance(callee, Function) and not ip.read("<global>", "seed") and may_seed(ip, callee.node):
        unseen_seed(ip, info.node)
    return NONE


def may_seed(ip: Interpreter, node: cst.CSTNode) -> bool:
    """Whether a piece of code speaks of seeds."""
    return any(_SPEAKS_OF_SEEDS.search(name) for name in MENTIONS.of(ip).of(node))


def unseen_seed(ip: Interpreter, node: cst.CSTNode) -> None:
    """From here on nobody knows whether there is a global seed."""
    maybe = Unknown(("seeded", id(node)), "code that was not followed")
    ip.store.set("<global>", "seed", of(maybe, ip.origin(node)))


def _package_and_name(callee: Atom | None, info: CallInfo) -> tuple[str, str]:
    """The package that an imported function comes from (empty for anything else), and its name."""
    if isinstance(callee, External):
        return callee.name.partition(".")[0], callee.name.rpartition(".")[2]
    if isinstance(callee, Obj) and callee.kind == "package":
        return ".", callee.data[0].rpartition(".")[2]
    return "", info.called
