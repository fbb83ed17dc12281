"""Proof at run time: the only part of dpmigrate that imports torch and Opacus.

Importing this package costs nothing: torch and Opacus are imported when the first name is used.

``run``          ``dpmigrate verify``: a script under the shim, watched and judged
``oracle``       clipped sums by plain autograd, without Opacus
``limits``       how far a right sum may be from them
``parity``, ``session``, ``made``   a model, criterion and batch that the caller hands over
``batches``, ``model_copy``   what is experimented on
``features``     what the imported Opacus can do
``patch``, ``patch_parts``, ``opacus_core_patch``   the core of Opacus 1.5 to 1.5.2, repaired
``report_types``, ``messages``   what a verification reports
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dpmigrate.runtime.batches import batch_size, split_batch
    from dpmigrate.runtime.oracle import OracleResult, clip, clipped_sum, per_sample_gradients
    from dpmigrate.runtime.parity import assert_clipping, assert_training, check_clipping, check_training
    from dpmigrate.runtime.patch import (
        PatchReport,
        UnknownOpacus,
        patch_opacus,
        patched_opacus,
        probe_opacus,
        unpatch_opacus,
    )
    from dpmigrate.runtime.report_types import Check, ClippingReport

_HOMES = {
    "batches": ("batch_size", "split_batch"),
    "oracle": ("OracleResult", "clip", "clipped_sum", "per_sample_gradients"),
    "parity": ("assert_clipping", "assert_training", "check_clipping", "check_training"),
    "patch": (
        "PatchReport",
        "UnknownOpacus",
        "patch_opacus",
        "patched_opacus",
        "probe_opacus",
        "unpatch_opacus",
    ),
    "report_types": ("Check", "ClippingReport"),
}

__all__ = [
    "Check",
    "ClippingReport",
    "OracleResult",
    "PatchReport",
    "UnknownOpacus",
    "assert_clipping",
    "assert_training",
    "batch_size",
    "check_clipping",
    "check_training",
    "clip",
    "clipped_sum",
    "patch_opacus",
    "patched_opacus",
    "per_sample_gradients",
    "probe_opacus",
    "split_batch",
    "unpatch_opacus",
]


def __getattr__(name: str) -> Any:
    """Import a name's home module on first use (PEP 562)."""
    home = next((module for module, names in _HOMES.items() if name in names), None)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{home}"), name)
