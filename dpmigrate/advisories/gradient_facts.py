"""Facts about gradients between the backward pass and the step."""

from __future__ import annotations

from dpmigrate.advisories.facts import fact
from dpmigrate.advisories.subjects import Subject
from dpmigrate.analysis.ledger.gradients import GradientChanged, GradientsLost
from dpmigrate.model import Tri


@fact
def _hooks(s: Subject) -> Tri:
    """Whether the mode is hooks; other modes without ghost clipping have ways of their own."""
    return None if s.run.mode == "?" else s.run.mode == "hooks"


@fact
def _only_made_smaller(s: Subject) -> Tri:
    """Whether the change is that of ``clip_grad_norm_``, which enlarges nobody's part of the sum."""
    return isinstance(s.event, GradientChanged) and s.event.how == "clipped"


@fact
def _of_private_objects(s: Subject) -> Tri:
    """Whether the private model or optimizer clears the gradients, per-sample gradients included."""
    return isinstance(s.event, GradientsLost) and not s.event.raw
