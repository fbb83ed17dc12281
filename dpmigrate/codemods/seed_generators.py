"""A repeatable run: one generator for the noise and one for the loader, from the project's own seed.

The two get different seeds, so that which examples are drawn and which noise is drawn stay
independent of each other.
"""

from __future__ import annotations

import libcst as cst

from dpmigrate.analysis.ledger import Constant, PrivateRun
from dpmigrate.codemods.edits import ProjectEdits, Withheld
from dpmigrate.codemods.generators import visible
from dpmigrate.codemods.imports import spelling
from dpmigrate.codemods.nodes import add_argument
from dpmigrate.codemods.places import names_in
from dpmigrate.codemods.program_facts import Facts


def seed_run(facts: Facts, edits: ProjectEdits, run: PrivateRun, seed: str) -> None:
    """Plan the generators of one run. Raises `Withheld`."""
    call = run.origin.node
    if not isinstance(call, cst.Call) or run.manual:
        raise Withheld("the run is made by hand", run.module, call)
    secure = run.engine.secure_mode if run.engine is not None else None
    if secure and secure.only not in (Constant(False), Constant(None)):
        raise Withheld("secure_mode may be on, which takes no noise_generator", run.module, call)
    _generator(facts, edits, call, "noise_generator", "noise_generator", seed)
    for loader in run.loaders:
        if loader.kind == "dp-loader":
            raise Withheld("the loader is another private run's, which draws by itself", run.module, call)
        made = loader.made.origin.node if loader.made is not None else None
        if not isinstance(made, cst.Call) or not facts.knows(made):
            raise Withheld("where the loader is made cannot be seen", run.module, call)
        _generator(facts, edits, made, "generator", "loader_generator", f"{seed} + 1")


def _generator(facts: Facts, edits: ProjectEdits, call: cst.Call, keyword: str, name: str, seed: str) -> None:
    module = facts.module_of(call)
    statement = facts.statement(call)
    if not visible(facts, call, seed):
        raise Withheld(f"{seed} is not known where the {name} is needed", module, call)
    if not isinstance(statement, cst.SimpleStatementLine):
        raise Withheld("the call stands in the head of a statement", module, call)
    if name in names_in(facts, facts.scope(call)) and name != keyword:
        raise Withheld(f"the name {name} is taken", module, call)
    text, needed = spelling(module.tree, "torch", "Generator")
    own = edits.of(module)
    if needed is not None:
        own.need_import(needed)
    own.insert_before(statement, f"{name} = {text}().manual_seed({seed})")
    own.change(call, lambda new: add_argument(new, keyword, name, ()))
