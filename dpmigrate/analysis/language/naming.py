"""What a program names: the constants that it holds something unknown against, which it then can take."""

from __future__ import annotations

from dpmigrate.analysis import registry
from dpmigrate.analysis.core import Interpreter
from dpmigrate.analysis.domain.atoms import Unknown
from dpmigrate.analysis.domain.values import Value


def compares(ip: Interpreter, value: Value, constant: object) -> None:
    """Remember that something is compared with, or looked up among, a constant."""
    if isinstance(constant, str):
        for atom in map(registry.data_of, value.atoms):
            if isinstance(atom, Unknown):
                ip.tested.setdefault(atom.symbol, set()).add(constant)
