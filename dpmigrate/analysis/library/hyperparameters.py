"""What a Lightning module keeps of its arguments: ``self.save_hyperparameters()`` fills ``self.hparams``."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from dpmigrate.analysis.core import Interpreter
from dpmigrate.analysis.domain.atoms import Const, Obj
from dpmigrate.analysis.domain.values import NONE, Entry, Seq, Value, of
from dpmigrate.analysis.language.attributes import BY_ATTRIBUTE
from dpmigrate.analysis.language.items import entries_of
from dpmigrate.analysis.library.torch.names import real
from dpmigrate.analysis.registry import CallInfo, method


@method("model", "save_hyperparameters")
def _save_hyperparameters(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    kept = ip.new("dict", info.node, extra="hyperparameters")
    for name, value in _chosen(ip, info):
        ip.store.set(kept, ("key", name), value)
    BY_ATTRIBUTE.of(ip).add(kept)
    ip.store.set(real(e.atom), "hparams", of(kept))
    return NONE


def _chosen(ip: Interpreter, info: CallInfo) -> Iterator[tuple[str, Value]]:
    """The arguments of the method that calls it, those that it names, or the entries of what it is given."""
    left_out = set(_names_in(info.argument(None, "ignore")))
    named = [name for value in info.positional for name in _names_in(value)]
    for value in info.positional:
        if isinstance(value.only, Obj) and value.only.kind in ("dict", "namespace", "record"):
            entries, _ = entries_of(ip, value.only)
            yield from ((name, held) for name, held in entries.items() if isinstance(name, str))
    if info.positional and not named:
        return
    for name in named or _arguments_of(ip):
        held = ip.store.get(ip.frame.owner, name)
        if held is not None and name not in left_out:
            yield name, held


def _arguments_of(ip: Interpreter) -> Iterator[str]:
    node = ip.frame.function.node if ip.frame.function is not None else None
    if isinstance(node, cst.FunctionDef):
        given = node.params
        for each in (*given.posonly_params, *given.params, *given.kwonly_params)[1:]:
            yield each.name.value


def _names_in(value: Value) -> Iterator[str]:
    for atom in value.atoms:
        if isinstance(atom, Const) and isinstance(atom.value, str):
            yield atom.value
        elif isinstance(atom, Seq) and atom.items is not None:
            for item in atom.items:
                yield from _names_in(item)
