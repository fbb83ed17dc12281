"""A functional loss given as the criterion: the module of ``torch.nn`` that computes the same instead.

Opacus asks a criterion for one loss per example by setting its ``reduction``; a function has none
to set. Only exact counterparts are replaced; for any other function it is said what to write.
"""

from __future__ import annotations

import libcst as cst

from dpmigrate.analysis.atoms import External, Obj
from dpmigrate.analysis.values import Class, Function, Partial
from dpmigrate.codemods.criteria import COUNTERPARTS
from dpmigrate.codemods.imports import spelling
from dpmigrate.codemods.program_facts import Facts
from dpmigrate.codemods.upgraded_call import UpgradedCall


def replace_given(upgrade: UpgradedCall) -> None:
    """Plan it where the criterion that was given ignores ``reduction``. Raises `Withheld`."""
    facts, call = upgrade.facts, upgrade.call
    given = {thing.key for r in upgrade.ghost for thing in r.argument("criterion").things}
    faulty = [a for a in given if _ignores(facts, a)]
    if not faulty:
        return
    argument = next((a for a in call.args if a.keyword and a.keyword.value == "criterion"), None)
    atom = faulty[0]
    if len(given) == 1 and argument is not None and isinstance(atom, External):
        counterpart = COUNTERPARTS.get(atom.name.rpartition(".")[2])
        if counterpart is not None and isinstance(argument.value, (cst.Name, cst.Attribute)):
            text, needed = spelling(upgrade.module.tree, "torch.nn", counterpart)
            own = upgrade.edits.of(upgrade.module)
            if needed is not None:
                own.need_import(needed)
            own.replace(argument.value, f"{text}()")
            return
    what = (
        atom.data.node.name.value
        if isinstance(atom, Obj) and isinstance(atom.data, Class)
        else "the criterion"
    )
    raise upgrade.withheld(
        f'{what} does not give one loss per example when its reduction is "none": give make_private a module '
        "that keeps a self.reduction and honours it as the losses of torch.nn do"
    )


def _ignores(facts: Facts, atom: object) -> bool:
    if isinstance(atom, External):
        return atom.name.startswith("torch.nn.functional.")
    if isinstance(atom, Obj) and atom.kind == "instance" and isinstance(atom.data, Class):
        return not facts.honours_reduction(atom.data)
    return isinstance(atom, (Function, Partial))
