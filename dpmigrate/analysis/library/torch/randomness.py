"""Generators and how they are seeded."""

from __future__ import annotations

import libcst as cst

from dpmigrate.analysis.atoms import Const
from dpmigrate.analysis.core import Interpreter
from dpmigrate.analysis.library.registry import CallInfo, attribute, function, method
from dpmigrate.analysis.library.seeds import noise_seeded, runs_of_the_global
from dpmigrate.analysis.tree import children
from dpmigrate.analysis.values import NONE, Entry, Value, const, of


@function("torch.Generator")
def _make_generator(ip: Interpreter, info: CallInfo) -> Value:
    made = ip.new("generator", info.node)
    ip.store.set(made, "<state>", const("unseeded", ip.origin(info.node, "a bare torch.Generator()")))
    return of(made)


@method("generator", "manual_seed")
def _seed_generator(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    ip.store.set(e.atom, "<state>", const("seeded", ip.origin(info.node, "manual_seed")))
    ip.store.set(e.atom, "<seed>", info.argument(0, "seed"))
    ip.store.set(e.atom, "<seed of>", const(", ".join(_names_in(ip, info.node))))
    drawn = (run for run in ip.runs.values() if e.atom in run.argument("noise_generator").atoms)
    noise_seeded(ip, info.node, info.argument(0, "seed"), drawn)
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
    return ip.unknown(info.node, "a fresh seed")


@function("torch.set_rng_state", "torch.random.set_rng_state", "torch.cuda.set_rng_state")
def _set_global_state(ip: Interpreter, info: CallInfo) -> Value:
    """Torch's default generator goes back to where it was: to the same noise, in each turn of a loop."""
    noise_seeded(ip, info.node, info.argument(0, "new_state"), runs_of_the_global(ip))
    return NONE


@method("generator", "set_state")
def _set_state(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    drawn = (run for run in ip.runs.values() if e.atom in run.argument("noise_generator").atoms)
    noise_seeded(ip, info.node, info.argument(0, "new_state"), drawn)
    ip.store.set(e.atom, "<state>", const("unknown", ip.origin(info.node, "set_state")))
    return of(e.atom)


@attribute("generator", "device")
def _generator_device(ip: Interpreter, e: Entry, node: cst.CSTNode) -> Value:
    return ip.unknown(node, "a device")
