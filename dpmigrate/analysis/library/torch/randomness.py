"""Generators and how they are seeded."""

from __future__ import annotations

from collections.abc import Mapping

import libcst as cst

from dpmigrate.analysis.core import Interpreter
from dpmigrate.analysis.domain.atoms import Const, Obj
from dpmigrate.analysis.domain.values import NONE, Entry, Value, const, of
from dpmigrate.analysis.guards import Guard
from dpmigrate.analysis.language.managers import AFTER_THE_YIELD
from dpmigrate.analysis.ledger import ASSIGNED_GENERATOR
from dpmigrate.analysis.ledger.events import StateSetBack
from dpmigrate.analysis.library.seeds import (
    SEEDING,
    noise_seeded,
    runs_of_the_global,
    runs_that_draw_from,
    state_set_by,
)
from dpmigrate.analysis.registry import CallInfo, attribute, function, method
from dpmigrate.analysis.source.tree import children
from dpmigrate.analysis.training import TrainingRun


@function("torch.Generator")
def _make_generator(ip: Interpreter, info: CallInfo) -> Value:
    made = ip.new("generator", info.node)
    ip.store.set(made, "<state>", const("unseeded", ip.origin(info.node, "a bare torch.Generator()")))
    return of(made)


@function("torchcsprng.create_random_device_generator", "torchcsprng.create_mt19937_generator")
def _make_secure_generator(ip: Interpreter, info: CallInfo) -> Value:
    """Those of torchcsprng draw from the operating system, but for a twister that is given a seed."""
    made = ip.new("generator", info.node)
    seed = info.argument(0, "seed") if info.name.endswith("mt19937_generator") else NONE
    fixed = bool(seed) and seed != NONE
    state = const("seeded" if fixed else "entropy", ip.origin(info.node, "torchcsprng"))
    ip.store.set(made, "<state>", state)
    if fixed:
        ip.store.set(made, "<seed>", seed)
    return of(made)


@function("<assign dp-optimizer.generator>")
def _optimizer_draws_from(ip: Interpreter, info: CallInfo) -> Value:
    """The private optimizer draws its noise from another generator than ``make_private`` gave it."""
    optimizer, generator = info.positional
    for e in optimizer.entries:
        if isinstance(e.atom, Obj) and isinstance(e.atom.data, TrainingRun):
            e.atom.data.arguments[ASSIGNED_GENERATOR] = generator.guarded(e.guard)
    return NONE


@method("generator", "manual_seed")
def _seed_generator(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    ip.store.set(e.atom, "<state>", const("seeded", ip.origin(info.node, "manual_seed")))
    ip.store.set(e.atom, "<seed>", info.argument(0, "seed"))
    ip.store.set(e.atom, "<seed of>", const(", ".join(_names_in(ip, info.node))))
    noise_seeded(ip, info.node, info.argument(0, "seed"), runs_that_draw_from(ip, {e.atom}))
    return of(e.atom)


def _names_in(ip: Interpreter, call: cst.CSTNode) -> list[str]:
    """The variables that a seed is worked out from, ``1000 + int(self.cid)``, those that are known apart."""
    args = call.args if isinstance(call, cst.Call) else ()
    names: list[str] = []
    stack: list[cst.CSTNode] = [arg.value for arg in args]
    while stack:
        node = stack.pop()
        if isinstance(node, cst.Call):
            numeric = isinstance(node.func, cst.Name) and node.func.value in ("int", "abs", "hash", "str")
            stack.extend(node.args if numeric else [])
            names.extend([] if numeric else ["a call"])
        elif isinstance(node, (cst.Name, cst.Attribute)):
            if not isinstance(ip.evaluate(node).only, Const):
                names.append(node.value if isinstance(node, cst.Name) else node.attr.value)
        else:
            stack.extend(children(node))
    return names


@method("generator", "seed")
def _entropy(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    ip.store.set(e.atom, "<state>", const("entropy", ip.origin(info.node, "seed()")))
    return ip.unknown(info.node, "a fresh seed", never_none=True)


@function(
    *(f"torch.{place}get_rng_state" for place in ("", "random.", "cuda.", "cuda.random.")),
    "torch.cuda.get_rng_state_all",
    "torch.default_generator.get_state",
)
def _global_state(ip: Interpreter, info: CallInfo) -> Value:
    return of(ip.new("rng-state", info.node))


@method("generator", "get_state")
def _state_of_a_generator(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    return of(ip.new("rng-state", info.node))


@method("rng-state", "clone", "cpu", "to")
def _same_state(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    return of(e.atom)


@function(
    *(f"torch.{place}set_rng_state" for place in ("", "random.", "cuda.", "cuda.random.")),
    "torch.cuda.set_rng_state_all",
    "torch.default_generator.set_state",
)
def _set_global_state(ip: Interpreter, info: CallInfo) -> Value:
    """Torch's default generator goes back to where it was: to the same noise, in each turn of a loop."""
    if not state_set_by(ip):
        _set_back(ip, info, runs_of_the_global(ip))
    return NONE


@method("generator", "set_state")
def _set_state(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    _set_back(ip, info, runs_that_draw_from(ip, {e.atom}))
    ip.store.set(e.atom, "<state>", const("unknown", ip.origin(info.node, "set_state")))
    return of(e.atom)


def _set_back(ip: Interpreter, info: CallInfo, runs: Mapping[TrainingRun, Guard]) -> None:
    """A generator goes back to a state: of the same turn of the loop around, or of an earlier one."""
    state = info.argument(0, "new_state") or info.argument(0, "new_states")
    made = ip.births.get(state.only) if isinstance(state.only, Obj) else None
    around = tuple(ip.loops)
    if made is None or made.loops != around:
        since = made.loops if made is not None else around
        earlier = len(since) < len(around) and around[: len(since)] == since
        noise_seeded(ip, info.node, state, runs, known_same=earlier)
        return
    for run, drawn in runs.items():
        ip.happen(run, StateSetBack(ip.at(info.node, drawn)))


@function("torch.random.fork_rng", "torch.fork_rng")
def _fork(ip: Interpreter, info: CallInfo) -> Value:
    """``with fork_rng():``: whatever is seeded in it, the default generator goes on after it as before."""
    made = ip.new("forked-rng", info.node)
    seeding = SEEDING.of(ip)
    seeding.forked += 1

    def end() -> None:
        seeding.forked -= 1

    AFTER_THE_YIELD.of(ip)[made] = end
    return of(made)


@attribute("generator", "device")
def _generator_device(ip: Interpreter, e: Entry, node: cst.CSTNode) -> Value:
    return ip.unknown(node, "a device")
