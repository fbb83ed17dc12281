"""Whether a place stands after the call that makes a run, or only comes round again after it.

What stands before ``make_private`` in the body of a loop over folds or trials belongs to the next run, though
the analysis, which has one object for each place, meets it with the objects of this one.
"""

from __future__ import annotations

import libcst as cst

from dpmigrate.analysis.core import Interpreter
from dpmigrate.analysis.notes import Slot
from dpmigrate.analysis.training import TrainingRun

_FIRST_MET: Slot[dict[object, frozenset[TrainingRun]]] = Slot(dict)
"""By node and chain of calls: the runs that were there when the place was first met."""


def runs_before(ip: Interpreter, node: cst.CSTNode) -> frozenset[TrainingRun]:
    """The runs that were made before a place was first met on this way; to be asked each time it is met."""
    return _FIRST_MET.of(ip).setdefault((node, ip.chain), frozenset(ip.runs.values()))
