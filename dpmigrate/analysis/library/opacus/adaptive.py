"""The criterion of ghost adaptive clipping, which forgets ``reduction="none"`` since 1.6.0.

``DPLossFastGradientAdaptiveClipping.__call__`` overrides the method in which 1.6.0 sets it; before, the
constructor set it for good (source: ``opacus.utils.adaptive_clipping`` of 1.5.3 to 1.6.0). A program that
sets it itself is right.
"""

from __future__ import annotations

import libcst as cst

from dpmigrate.analysis.core import Interpreter
from dpmigrate.analysis.domain.atoms import Const, Obj, Unknown
from dpmigrate.analysis.domain.values import NONE, Entry, Value, of
from dpmigrate.analysis.ledger.gradients import ReductionSet
from dpmigrate.analysis.library.opacus.runs import part, run_of
from dpmigrate.analysis.registry import CallInfo, attribute, function


@attribute("dp-criterion", "criterion")
def _inner_criterion(ip: Interpreter, e: Entry, node: cst.CSTNode) -> Value:
    """The criterion that was handed over, where that is an object; else whatever it is stands for itself."""
    run = run_of(e)
    given = run.argument("criterion")
    return (
        given if given and all(isinstance(a, Obj) for a in given.atoms) else of(part(run, "inner-criterion"))
    )


@function("<assign criterion.reduction>", "<assign instance.reduction>", "<assign inner-criterion.reduction>")
def _set_reduction(ip: Interpreter, info: CallInfo) -> Value:
    criteria, new = info.positional
    if not any(atom == Const("none") or isinstance(atom, Unknown) for atom in new.atoms):
        return NONE
    for e in criteria.entries:
        for run in list(ip.runs.values()):
            if e.atom in run.argument("criterion").atoms or (isinstance(e.atom, Obj) and e.atom.data is run):
                ip.happen(run, ReductionSet(ip.at(info.node, e.guard)))
    return NONE
