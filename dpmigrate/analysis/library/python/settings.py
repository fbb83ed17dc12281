"""Settings that a program reads from a file that goes with it: whoever has the program has them."""

from __future__ import annotations

from dataclasses import replace

from dpmigrate.analysis.core import Interpreter
from dpmigrate.analysis.domain.atoms import Atom, External, Unknown
from dpmigrate.analysis.domain.values import Value
from dpmigrate.analysis.language.functions import unknown_call
from dpmigrate.analysis.ledger import OF_SETTINGS
from dpmigrate.analysis.registry import CallInfo, function


@function(
    *(f"yaml.{name}" for name in ("safe_load", "load", "full_load", "unsafe_load")),
    *("tomllib.load", "tomli.load", "toml.load", "omegaconf.OmegaConf.load"),
)
def _read(ip: Interpreter, info: CallInfo) -> Value:
    def told(atom: Atom) -> Atom:
        symbol = atom.symbol if isinstance(atom, Unknown) else None
        if not isinstance(atom, Unknown) or not isinstance(symbol, tuple):
            return atom
        return replace(atom, symbol=(OF_SETTINGS, *symbol[1:]))

    return unknown_call(ip, External(info.name), info).map(told)
