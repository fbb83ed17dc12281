"""What the operating system, a clock or a random generator gives: never known, and never None."""

from __future__ import annotations

from dpmigrate.analysis.core import Interpreter
from dpmigrate.analysis.domain.values import Value
from dpmigrate.analysis.registry import CallInfo, function


@function(
    *(f"secrets.{name}" for name in ("randbits", "randbelow", "token_bytes", "token_hex")),
    *(f"os.{name}" for name in ("urandom", "getrandom", "getpid")),
    *(f"time.{name}{unit}" for name in ("time", "monotonic", "perf_counter") for unit in ("", "_ns")),
    *(f"random.{name}" for name in ("getrandbits", "randint", "randrange", "random")),
    *(f"numpy.random.{name}" for name in ("randint", "random_integers")),
    *(f"torch.{place}{name}" for place in ("", "random.") for name in ("seed", "initial_seed")),
    "builtins.hash",
)
def _drawn(ip: Interpreter, info: CallInfo) -> Value:
    return ip.unknown(info.node, f"result of {info.name}", never_none=True)
