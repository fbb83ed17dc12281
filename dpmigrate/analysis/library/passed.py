"""Whether a place stands after the call that makes a run, or only comes round again after it.

What stands before ``make_private`` in the body of a loop over folds or trials belongs to the next run, though
the analysis, which has one object for each place, meets it with the objects of this one.
"""

from __future__ import annotations

import libcst as cst

from dpmigrate.analysis.core import Interpreter
from dpmigrate.analysis.training import TrainingRun

_FIRST_MET = "runs there when a place was first met"


def runs_before(ip: Interpreter, node: cst.CSTNode) -> frozenset[TrainingRun]:
    """The runs that were made before a place was first met on this way; to be asked each time it is met."""
    first_met: dict[object, frozenset[TrainingRun]] = ip.notes.setdefault(_FIRST_MET, {})
    return first_met.setdefault((node, ip.chain), frozenset(ip.runs.values()))
