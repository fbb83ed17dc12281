"""What a call is given: its arguments one by one, and what stars spread."""

from __future__ import annotations

import libcst as cst

from dpmigrate.analysis.core import Interpreter
from dpmigrate.analysis.domain.atoms import Absent, Const, Obj
from dpmigrate.analysis.domain.values import NOTHING, Seq, Value, join_all, of
from dpmigrate.analysis.guards import Guard
from dpmigrate.analysis.language.assignment import parts_in_order
from dpmigrate.analysis.language.items import entries_of
from dpmigrate.analysis.registry import CallInfo


def gather(ip: Interpreter, node: cst.Call) -> CallInfo:
    """Evaluate a call's arguments, stars included."""
    info = CallInfo(node)
    for arg in node.args:
        value = ip.evaluate(arg.value)
        if arg.star == "**":
            _spread_keywords(ip, info, value)
        elif arg.star == "*":
            items = parts_in_order(ip, value, arg)
            info.positional.extend(items or ())
            if items is None:
                info.unknown_positional = True
                info.spread += [a.each() if isinstance(a, Seq) else of(a) for a in value.atoms]
        elif arg.keyword is not None:
            info.keywords[arg.keyword.value] = value
        else:
            info.positional.append(value)
    return info


def _spread_keywords(ip: Interpreter, info: CallInfo, value: Value) -> None:
    ways: list[tuple[Guard, dict[str, Value]]] = []
    for e in value.entries:
        if isinstance(e.atom, Obj) and e.atom.kind in ("dict", "namespace", "record"):
            named, more = entries_of(ip, e.atom)
            ways.append((e.guard, {name: held for name, held in named.items() if isinstance(name, str)}))
            info.unknown_keywords = info.unknown_keywords or more
            if more:
                info.spread.append((ip.read(e.atom, "rest") or NOTHING).guarded(e.guard))
        elif isinstance(e.atom, Const) and e.atom.value is None:
            ways.append((e.guard, {}))
        else:
            info.unknown_keywords = True
            info.spread.append(Value((e,)))
    for name in dict.fromkeys(name for _, named in ways for name in named):
        info.keywords[name] = join_all(named.get(name, of(Absent())).guarded(guard) for guard, named in ways)
