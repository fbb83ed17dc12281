"""Facts about models that several processes train."""

from __future__ import annotations

from dpmigrate.advisories.facts.general import fact
from dpmigrate.advisories.subjects import Subject
from dpmigrate.analysis.ledger.events import ManagerUsed
from dpmigrate.analysis.ledger.models import DataParallel
from dpmigrate.model import Tri


@fact
def _wrapped_before(s: Subject) -> Tri:
    """Whether the model is wrapped in torch's DistributedDataParallel before the run is made of it."""
    return isinstance(s.event, DataParallel) and s.event.before


@fact
def _physical_batches_differ(s: Subject) -> Tri:
    """Whether processes may put their logical batches together from unequal numbers of physical ones.

    Poisson sampling draws for each process by itself, so that it happens by and by, but not in each step.
    """
    managed = any(True for _ in s.run.happened(ManagerUsed))
    return s.unsure("processes may draw as many physical batches as one another") if managed else False
