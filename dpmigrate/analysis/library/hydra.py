"""Hydra: what ``instantiate`` makes is of a class that a file names."""

from __future__ import annotations

from dataclasses import replace

from dpmigrate.analysis.core import Interpreter
from dpmigrate.analysis.domain.atoms import Atom, External, Unknown
from dpmigrate.analysis.domain.values import Value
from dpmigrate.analysis.language.functions import unknown_call
from dpmigrate.analysis.registry import CallInfo, function

INSTANTIATED = "instantiated"


@function("hydra.utils.instantiate", "hydra.utils.call")
def _instantiate(ip: Interpreter, info: CallInfo) -> Value:
    """``instantiate(cfg.engine)``: as open as a parameter, and no result of some function."""

    def as_open(atom: Atom) -> Atom:
        symbol = atom.symbol if isinstance(atom, Unknown) else None
        if not isinstance(atom, Unknown) or not isinstance(symbol, tuple):
            return atom
        return replace(atom, symbol=(INSTANTIATED, *symbol[1:]))

    return unknown_call(ip, External(info.name), info).map(as_open)
