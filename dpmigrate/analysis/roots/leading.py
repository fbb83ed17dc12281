"""Which functions can lead to private runs, or use one, so that it pays to enter them."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

import libcst as cst

from dpmigrate.analysis.core import Interpreter
from dpmigrate.analysis.domain.atoms import Obj, Unknown
from dpmigrate.analysis.domain.store import PARTS
from dpmigrate.analysis.domain.values import Function, Seq
from dpmigrate.analysis.notes import Slot
from dpmigrate.analysis.source.mentions import MENTIONS
from dpmigrate.analysis.source.tree import MAKING_CALLS

TRAINING = frozenset(
    [
        "backward",
        "manual_backward",
        "step",
        "zero_grad",
        "BatchMemoryManager",
        "wrap_data_loader",
        "manual_seed",
        "seed_everything",
        "double_backward",
        "get_coeff",
        "get_clipping_coef",
        "signal_skip_step",
        "training_step",
        "get_epsilon",
    ]
)
"""What code mentions, or is called, that may do something with the objects of a run."""


def mentioned_by_others(ip: Interpreter) -> frozenset[str]:
    """Names of functions and methods that some other function's body mentions."""
    mentions = MENTIONS.of(ip)
    names = {f.node.name.value for f in ip.made if isinstance(f.node, cst.FunctionDef)}
    mentioned: set[str] = set()
    for fn in ip.made:
        mentioned |= (mentions.of(fn.node.body) & names) - {fn.name}
    return frozenset(mentioned - {"__init__", "__call__", "forward"})


MAKERS = MAKING_CALLS | frozenset(
    [
        "BatchMemoryManager",
        "wrap_data_loader",
        "wrap_model",
        "prepare_module",
        "double_backward",
        "GradSampleModuleFastGradientClipping",
        "GradSampleHooksFastGradientClipping",
        "DPOptimizerFastGradientClipping",
        "DPLossFastGradientClipping",
        "DPOptimizer",
        "DistributedDPOptimizer",
        "AdaClipDPOptimizer",
        "get_optimizer_class",
    ]
)


RETIRED = frozenset(["PrivacyEngine", "opacus", "virtual_step", "get_privacy_spent"])
"""What code mentions that uses Opacus, and may use what a release dropped, without making a run."""


@dataclass(slots=True)
class Leading:
    """The names of functions that lead somewhere, of all that were defined when it was last asked."""

    functions: int = -1
    """How many there were then."""
    to_runs: frozenset[str] = frozenset()
    """What makes runs, and functions that lead there."""
    modules_to_runs: frozenset[str] = frozenset()
    """By their keys: the modules in which some function leads there."""
    to_training: frozenset[str] = frozenset()
    """What trains, and functions that lead there."""


LEADING: Slot[Leading] = Slot(Leading)
"""Which functions lead to runs and to training."""


def leads_to_runs(ip: Interpreter, fn: Function) -> bool:
    """Whether a function, or a nested one, mentions what makes runs, or a function that leads there."""
    return bool(MENTIONS.of(ip).of(fn.node) & LEADING.of(ip).to_runs)


def modules_leading_to_runs(ip: Interpreter) -> frozenset[str]:
    """Modules in which some function leads to a private run, whichever file makes it."""
    return frozenset(f.module.key for f in ip.made if leads_to_runs(ip, f))


def may_use_runs(ip: Interpreter, fn: Function, receiver: Obj | None = None) -> bool:
    """Whether a function speaks of training, and objects of a run are within its reach."""
    if not fn.module.makes_private and fn.module.key not in LEADING.of(ip).modules_to_runs:
        return False
    if not (MENTIONS.of(ip).of(fn.node) | {fn.name}) & LEADING.of(ip).to_training:
        return False
    owners: list[Hashable] = [("module", fn.module.key)]
    frame = fn.closure
    while frame is not None:
        owners.append(frame.owner)
        frame = frame.closure
    return any(holds_run(ip, owner) for owner in (*owners, *([receiver] if receiver else [])))


def holds_run(ip: Interpreter, owner: Hashable, depth: int = 2) -> bool:
    """Whether an owner, a slot of it, or a slot of an object in one, is an object of a run."""
    if isinstance(owner, Obj) and owner in ip.runs_by_object:
        return True
    values = [ip.store.get(owner, slot) for slot in ip.store.keys(owner)]
    atoms = [a for value in values if value is not None for a in value.atoms]
    atoms += [a for s in atoms if isinstance(s, Seq) for item in s.items or () for a in item.atoms]
    objects = [a for a in atoms if isinstance(a, Obj)]
    if any(o.kind.startswith("dp-") or o.kind in ("private-result", "managed-loader") for o in objects):
        return True
    parts = [
        (*PARTS, a.symbol) for a in atoms if isinstance(a, Unknown) and (*PARTS, a.symbol) in ip.store.names
    ]
    return depth > 0 and any(holds_run(ip, o, depth - 1) for o in (*objects, *parts) if o != owner)


def leading_to(ip: Interpreter, names: frozenset[str]) -> frozenset[str]:
    """Some names, and those of the project's functions and classes that mention them, directly or not."""
    mentions = MENTIONS.of(ip)
    bodies = [(f.name, mentions.of(f.node)) for f in ip.made if f.name]
    bodies += [(c.node.name.value, mentions.of(c.node)) for c in ip.classes]
    reach = names
    for _ in range(4):
        more = {name for name, mentioned in bodies if mentioned & reach} - {"forward", "__init__", "__call__"}
        if more <= reach:
            break
        reach |= more
    return reach
