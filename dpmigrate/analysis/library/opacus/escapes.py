"""Objects of a run that go into code which cannot be followed."""

from __future__ import annotations

from dpmigrate.analysis.core import Interpreter
from dpmigrate.analysis.library.registry import CallInfo, function
from dpmigrate.analysis.values import (
    NONE,
    Obj,
    Value,
)

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
        "tqdm",
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


@function("<escape>")
def _escape(ip: Interpreter, info: CallInfo) -> Value:
    if info.name.rpartition(".")[2] in HARMLESS or info.name in HARMLESS:
        return NONE
    for e in info.positional[0].entries:
        if isinstance(e.atom, Obj) and e.atom.kind in (
            "dp-model",
            "dp-optimizer",
            "dp-criterion",
            "dp-loader",
        ):
            ip.happen(e.atom.data, "escape", info.node, e.guard, what=e.atom.kind, into=info.name)
    return NONE
