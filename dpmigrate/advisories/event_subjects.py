"""What a finding can be about: events that a subject needs nothing else of."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from dpmigrate.advisories.evidence import Versions
from dpmigrate.advisories.subjects import SUBJECTS, Subject
from dpmigrate.analysis.ledger import PrivateRun
from dpmigrate.analysis.ledger.events import Event
from dpmigrate.analysis.ledger.gradients import GradientChanged, GradientsLost

EVENTS: dict[str, type[Event]] = {
    "gradient-changed": GradientChanged,
    "gradients-lost": GradientsLost,
}
"""The events, by the name of the subject."""


def _of_kind(kind: type[Event], run: PrivateRun, versions: Versions) -> Iterator[Subject]:
    for event in run.happened(kind):
        yield Subject(run, versions, event.origin, event, guard=event.guard)


SUBJECTS.update({name: partial(_of_kind, kind) for name, kind in EVENTS.items()})
