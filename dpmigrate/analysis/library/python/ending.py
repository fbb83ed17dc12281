"""What ends the program, or a test: ``sys.exit(1)``, ``parser.error(...)``, ``pytest.skip(...)``."""

from __future__ import annotations

from dpmigrate.analysis.core import Interpreter
from dpmigrate.analysis.domain.atoms import NO_WAY_ON, Unknown
from dpmigrate.analysis.domain.values import Entry, Value, of
from dpmigrate.analysis.registry import CallInfo, function, method


@function(
    "sys.exit",
    "builtins.exit",
    "builtins.quit",
    "os._exit",
    "os.abort",
    "pytest.exit",
    "pytest.fail",
    "pytest.skip",
)
def _ends(ip: Interpreter, info: CallInfo) -> Value:
    return of(Unknown((NO_WAY_ON, id(info.node), ip.context), "a call that does not come back"))


@method("parser", "error", "exit")
def _ends_with_usage(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    return _ends(ip, info)
