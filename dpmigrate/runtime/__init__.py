"""Proof at run time: the only part of dpmigrate that imports torch and Opacus.

Importing this package costs nothing: torch and Opacus are imported when the first name is used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dpmigrate.runtime.oracle import (
        OracleResult,
        batch_size,
        clip,
        clipped_sum,
        per_sample_gradients,
        split_batch,
    )
    from dpmigrate.runtime.patch import (
        PatchReport,
        UnknownOpacus,
        patch_opacus,
        patched_opacus,
        unpatch_opacus,
    )

_HOMES = {
    "OracleResult": "oracle",
    "batch_size": "oracle",
    "clip": "oracle",
    "clipped_sum": "oracle",
    "per_sample_gradients": "oracle",
    "split_batch": "oracle",
    "PatchReport": "patch",
    "UnknownOpacus": "patch",
    "patch_opacus": "patch",
    "patched_opacus": "patch",
    "unpatch_opacus": "patch",
}

__all__ = [
    "OracleResult",
    "PatchReport",
    "UnknownOpacus",
    "batch_size",
    "clip",
    "clipped_sum",
    "patch_opacus",
    "patched_opacus",
    "per_sample_gradients",
    "split_batch",
    "unpatch_opacus",
]


def __getattr__(name: str) -> Any:
    """Import a name's home module on first use (PEP 562)."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{home}"), name)
