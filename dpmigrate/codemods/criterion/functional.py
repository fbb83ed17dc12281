"""A functional loss given as the criterion: the module of ``torch.nn`` that computes the same instead.

Opacus asks a criterion for one loss per example by setting its ``reduction``; a function has none
to set. Only exact counterparts are replaced; for any other function it is said what to write.
"""

from __future__ import annotations

import libcst as cst

from dpmigrate.analysis.ledger import Criterion
from dpmigrate.codemods.criterion.classes import COUNTERPARTS
from dpmigrate.codemods.editing.edits import ProjectEdits
from dpmigrate.codemods.editing.imports import spelled
from dpmigrate.codemods.returned.upgraded_call import UpgradedCall


def replace_given(upgrade: UpgradedCall) -> ProjectEdits:
    """Plan it where the criterion that was given ignores ``reduction``. Raises `Withheld`."""
    call, edits = upgrade.call, ProjectEdits()
    given = dict.fromkeys(thing for r in upgrade.ghost for thing in r.argument("criterion").things)
    faulty = [thing for thing in given if isinstance(thing, Criterion) and not thing.honours_reduction]
    if not faulty:
        return edits
    argument = next((a for a in call.args if a.keyword and a.keyword.value == "criterion"), None)
    criterion = faulty[0]
    if len(given) == 1 and argument is not None and criterion.kind == "loss-function":
        counterpart = COUNTERPARTS.get(criterion.name.rpartition(".")[2])
        if counterpart is not None and isinstance(argument.value, (cst.Name, cst.Attribute)):
            module_edits = edits.of(upgrade.module)
            module_edits.replace(argument.value, f"{spelled(module_edits, 'torch.nn', counterpart)}()")
            return edits
    what = criterion.name if criterion.kind == "instance" else "the criterion"
    raise upgrade.withheld(
        f'{what} does not give one loss per example when its reduction is "none": give make_private a module '
        "that keeps a self.reduction and honours it as the losses of torch.nn do"
    )
