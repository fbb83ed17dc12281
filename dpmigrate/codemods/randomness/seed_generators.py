"""A repeatable run: one generator for the noise and one for the loader, from the project's own seed.

The two get different seeds, so that which examples are drawn and which noise is drawn stay
independent of each other. The noise is drawn where the model's parameters are, and so must its generator
be; batches are drawn on the CPU. Several processes draw different batches, and noise of their own.
"""

from __future__ import annotations

import libcst as cst

from dpmigrate.analysis.ledger import Constant, Loader, PrivateRun
from dpmigrate.codemods.editing.edits import Edits, ProjectEdits, Withheld
from dpmigrate.codemods.editing.imports import spelled
from dpmigrate.codemods.editing.nodes import add_argument
from dpmigrate.codemods.program.facts import Facts
from dpmigrate.codemods.program.places import names_mentioned
from dpmigrate.codemods.randomness.devices import device_of, mentions
from dpmigrate.codemods.randomness.generators import visible


def seed_run(facts: Facts, run: PrivateRun, seed: str) -> ProjectEdits:
    """Give one run generators of its own. Raises `Withheld`."""
    call = run.origin.node
    if not isinstance(call, cst.Call) or run.manual:
        raise Withheld(
            "this run is made by hand, without an engine: give its optimizer generator= yourself",
            run.module,
            call,
        )
    secure = run.engine.secure_mode if run.engine is not None else None
    if secure and secure.only not in (Constant(False), Constant(None)):
        raise Withheld(
            "secure_mode of this engine may be on, which takes no noise_generator: leave the run "
            "unseeded, or switch it off",
            run.module,
            call,
        )
    module = run.module
    if not visible(facts, call, seed):
        raise Withheld(
            f"{seed} is not bound where the noise_generator is needed, before this call: hand it on to here",
            module,
            call,
        )
    edits = ProjectEdits()
    rank = _rank(facts, edits.of(run.module))
    first = seed if isinstance(cst.parse_expression(seed), _WHOLE) else f"({seed})"
    noise = f"{first} + 2 * {rank}" if rank else seed
    batches = f"{first} + 2 * {rank} + 1" if rank else f"{first} + 1"
    device = device_of(facts, run, call)
    edits.extend(_generator(facts, call, "noise_generator", "noise_generator", noise, device))
    for loader in run.loaders:
        made = _made(facts, run, loader, seed)
        edits.extend(_generator(facts, made, "generator", "loader_generator", batches))
    return edits


def _made(facts: Facts, run: PrivateRun, loader: Loader, seed: str) -> cst.Call:
    """The call that makes a loader, which the seed reaches. Raises `Withheld`."""
    if loader.kind == "dp-loader":
        raise Withheld(
            "this loader comes out of another private run, which draws by itself: make a loader for this one",
            run.module,
            run.origin.node,
        )
    made = loader.made.origin.node if loader.made is not None else None
    if not isinstance(made, cst.Call) or not facts.knows(made):
        raise Withheld(
            "the loader given to this call is made where it is not seen: give it generator= there",
            run.module,
            run.origin.node,
        )
    if not visible(facts, made, seed):
        raise Withheld(
            f"{seed} is not bound where this loader is made, which needs a generator: hand it on to there",
            run.module,
            made,
        )
    return made


_WHOLE = (cst.Name, cst.Attribute, cst.Integer, cst.Call, cst.Subscript)
"""Expressions that something can be added to as they stand."""

_RANKED = frozenset(["init_process_group", "DistributedDataParallel", "DDP", "FullyShardedDataParallel"])
"""What code mentions that trains in several processes."""


def _rank(facts: Facts, module_edits: Edits) -> str:
    """The number of the process, as the module of the run writes it; empty where there is one process."""
    if not mentions(facts, _RANKED):
        return ""
    return f"{spelled(module_edits, 'torch', 'distributed')}.get_rank()"


def _generator(
    facts: Facts, call: cst.Call, keyword: str, name: str, seed: str, device: str = ""
) -> ProjectEdits:
    """A generator in a variable ``name`` before a call, which is given it by a keyword. Raises `Withheld`."""
    module = facts.module_of(call)
    statement = facts.statement(call)
    if not isinstance(statement, cst.SimpleStatementLine):
        raise Withheld(
            "this call stands in the head of a compound statement: assign what it returns on a line "
            "of its own, so that a generator can be made before",
            module,
            call,
        )
    if name in names_mentioned(facts, facts.scope(call)) and name != keyword:
        raise Withheld(f"the name {name} is taken here: rename that variable", module, call)
    edits = ProjectEdits()
    module_edits = edits.of(module)
    text = spelled(module_edits, "torch", "Generator")
    module_edits.insert_before(statement, f"{name} = {text}({device}).manual_seed({seed})")
    module_edits.change(call, lambda new: add_argument(new, keyword, name, ()))
    return edits
