"""What a program imports: scan and fix as functions. The command line is thin over this."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dpmigrate.scanning import scan

if TYPE_CHECKING:
    from dpmigrate.fixing import fix
    from dpmigrate.fixing.result import FixResult

__all__ = ["FixResult", "fix", "scan"]


def __getattr__(name: str) -> Any:
    """``fix`` and ``FixResult`` when they are asked for, so that a scan never imports what rewrites."""
    if name == "fix":
        from dpmigrate.fixing import fix

        return fix
    if name == "FixResult":
        from dpmigrate.fixing.result import FixResult

        return FixResult
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
