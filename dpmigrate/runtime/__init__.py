"""Proof at run time: the only part of dpmigrate that imports torch and Opacus.

Importing this package costs nothing: torch and Opacus are imported when the first name is used.

``run``          ``dpmigrate verify``: a script under the shim, watched and judged
``oracle``       gradients by plain autograd, and their clipping, without Opacus
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
    from dpmigrate.runtime.batches import batch_size as batch_size
    from dpmigrate.runtime.oracle import clip as clip
    from dpmigrate.runtime.parity import assert_clipping as assert_clipping
    from dpmigrate.runtime.parity import assert_training as assert_training
    from dpmigrate.runtime.parity import check_clipping as check_clipping
    from dpmigrate.runtime.parity import check_training as check_training
    from dpmigrate.runtime.patch import PatchReport as PatchReport
    from dpmigrate.runtime.patch import UnknownOpacus as UnknownOpacus
    from dpmigrate.runtime.patch import patch_opacus as patch_opacus
    from dpmigrate.runtime.patch import patched_opacus as patched_opacus
    from dpmigrate.runtime.patch import probe_opacus as probe_opacus
    from dpmigrate.runtime.patch import unpatch_opacus as unpatch_opacus
    from dpmigrate.runtime.report_types import Check as Check
    from dpmigrate.runtime.report_types import ClippingReport as ClippingReport

_HOMES = {
    "batches": "batch_size",
    "oracle": "clip",
    "parity": "assert_clipping assert_training check_clipping check_training",
    "patch": "PatchReport UnknownOpacus patch_opacus patched_opacus probe_opacus unpatch_opacus",
    "report_types": "Check ClippingReport",
}

__all__ = [name for names in _HOMES.values() for name in names.split()]


def __getattr__(name: str) -> Any:
    """Import a name's home module on first use (PEP 562)."""
    home = next((module for module, names in _HOMES.items() if name in names.split()), None)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{home}"), name)
