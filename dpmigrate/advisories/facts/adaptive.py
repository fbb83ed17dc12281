"""Facts about adaptive clipping, in which the bound follows the norms of the gradients."""

from __future__ import annotations

from dpmigrate.advisories.facts.general import fact
from dpmigrate.advisories.subjects import Subject
from dpmigrate.analysis.ledger import Criterion
from dpmigrate.analysis.ledger.gradients import ReductionSet
from dpmigrate.model import Tri


@fact
def _adaptive(s: Subject) -> Tri:
    """Whether the engine is the one of ghost adaptive clipping."""
    return s.run.adaptive


@fact
def _adaptive_in_hooks_mode(s: Subject) -> Tri:
    """Whether an ordinary engine is told to clip adaptively, and given what its optimizer asks for.

    Without that the call can only raise (TypeError on 1.5 to 1.6.0): it is a word for whoever sets the rest.
    """
    clipping = s.run.argument("clipping")
    if s.run.ghost or not clipping.names("adaptive"):
        return False
    if not s.run.open_call and not all(map(s.run.argument, _ASKED_FOR)):
        return False
    return clipping.equals("adaptive")


_ASKED_FOR = (
    "target_unclipped_quantile",
    "clipbound_learning_rate",
    "max_clipbound",
    "min_clipbound",
    "unclipped_num_std",
)
"""What the optimizer of adaptive clipping has no default for."""


@fact
def _told_to_reduce_nothing(s: Subject) -> Tri:
    """Whether the program itself sets ``reduction="none"`` on the criterion that Opacus calls."""
    settings = list(s.run.happened(ReductionSet))
    return any(not e.guard for e in settings) or (None if settings else False)


@fact
def _reduces_by_itself(s: Subject) -> Tri:
    """Whether the criterion joins the losses of a batch unless it is told not to, as torch's default does."""
    given = s.run.argument("criterion")
    if not given:
        return None if s.run.open_call else True
    joins = {isinstance(what, Criterion) and what.per_example is False for what in given.each}
    return True if joins == {True} else None
