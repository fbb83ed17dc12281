"""Facts of ghost clipping that is put together by hand, with or without an engine."""

from __future__ import annotations

from dpmigrate.advisories.facts import fact
from dpmigrate.advisories.subjects import Subject
from dpmigrate.model import Tri


@fact
def _losses_wrapped_by_hand(s: Subject) -> Tri:
    """Whether the program wraps its own losses, so that the criterion of the engine is of no use."""
    found = [
        e for e in s.run.of_kind("result-use") if e.detail.get("wrapper") == "DPTensorFastGradientClipping"
    ]
    return any(not e.guard for e in found) or (None if found else False)
