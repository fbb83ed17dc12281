"""Powers and roots that are called by name: ``math.sqrt(n)``, ``pow(n, -0.5)``, ``np.power(n, 1.1)``."""

from __future__ import annotations

from dpmigrate.analysis.core import Interpreter
from dpmigrate.analysis.domain.atoms import A_LENGTH, Const, External, Unknown
from dpmigrate.analysis.domain.values import Value, const
from dpmigrate.analysis.language.functions import unknown_call
from dpmigrate.analysis.language.operators import arithmetic
from dpmigrate.analysis.registry import CallInfo, function


@function("math.sqrt", "numpy.sqrt")
def _root(ip: Interpreter, info: CallInfo) -> Value:
    return _raised(ip, info, const(0.5))


@function("builtins.pow", "math.pow", "numpy.power", "numpy.float_power")
def _power(ip: Interpreter, info: CallInfo) -> Value:
    return _raised(ip, info, info.argument(1, "exp"))


def _raised(ip: Interpreter, info: CallInfo, exponent: Value) -> Value:
    """A power of a number or of a length; of anything else nothing is known."""
    base = info.argument(0, "base")
    only = base.only
    known = isinstance(only, Const) or (isinstance(only, Unknown) and only.reason == A_LENGTH)
    if known and isinstance(exponent.only, Const):
        return arithmetic(ip, "Power", base, exponent, info.node)
    return unknown_call(ip, External(info.name), info)
