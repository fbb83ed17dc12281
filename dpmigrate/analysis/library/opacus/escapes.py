"""Objects of a run that go into code which cannot be followed."""

from __future__ import annotations

import re
from typing import cast, get_args

from dpmigrate.analysis.core import Interpreter
from dpmigrate.analysis.domain.atoms import Obj
from dpmigrate.analysis.domain.values import NONE, Value, join_all
from dpmigrate.analysis.language.holding import is_model_of
from dpmigrate.analysis.ledger import Escape, Escaping
from dpmigrate.analysis.library.gradients import IN_MODEL, doubt_losses_of_model
from dpmigrate.analysis.registry import CallInfo, function
from dpmigrate.analysis.training import TrainingRun

HARMLESS = frozenset(
    [
        "print",
        "len",
        "type",
        "id",
        "str",
        "repr",
        "isinstance",
        "hasattr",
        "log",
        "info",
        "debug",
        "warning",
        "error",
        "format",
        "append",
        "write",
        "dump",
        "save",
        "state_dict",
        "tqdm",
        "watch",
        "builtins.print",
        "builtins.len",
        "builtins.type",
        "builtins.id",
        "torch.save",
        "set_postfix",
        "set_description",
        "Privacy",
    ]
)


_USES = re.compile(r"(?:^|_)(?:train|fit|eval|evaluate|test|valid|validate|accuracy|epoch|step)", re.I)
"""Names of calls that use a model and its criterion, and do not put the one into the other."""


@function("<kept>")
def kept(ip: Interpreter, info: CallInfo) -> Value:
    """Something is given a value to keep: a wrapped criterion may then be what its model computes with.

    From there on a loss that the model makes itself is of an unknown kind.
    """
    keepers, given = info.positional
    for e in given.entries:
        if not (isinstance(e.atom, Obj) and e.atom.kind == "dp-criterion"):
            continue
        run: TrainingRun = e.atom.data
        if any(is_model_of(ip, run, keeper) for keeper in keepers.atoms):
            ip.happen(run, Escape(ip.at(info.node, e.guard), "dp-criterion", IN_MODEL))
            doubt_losses_of_model(run)
    return NONE


@function("<escape>")
def _escape(ip: Interpreter, info: CallInfo) -> Value:
    if {info.name, info.name.rpartition(".")[2], info.called} & HARMLESS:
        return NONE
    given, callee = info.positional
    if not _USES.search(info.called):
        kept(ip, CallInfo(info.node, [join_all([given, callee]), given]))
    for e in given.entries:
        if isinstance(e.atom, Obj) and e.atom.kind in get_args(Escaping):
            what = cast(Escaping, e.atom.kind)
            ip.happen(e.atom.data, Escape(ip.at(info.node, e.guard), what, info.name))
    return NONE
