"""What a finding can be about: every event of the ledger, by a name of its own or its class's."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from functools import partial
from importlib import import_module
from pkgutil import iter_modules

from dpmigrate.advisories.evidence import Versions
from dpmigrate.advisories.subjects import SUBJECTS, Subject, of_kind, subject
from dpmigrate.analysis import ledger
from dpmigrate.analysis.ledger import ManagerUsed, Origin, PrivateRun
from dpmigrate.analysis.ledger.accounting import DeltaGiven, FellBack
from dpmigrate.analysis.ledger.events import Event, Seeded, SeededBefore, Stepped
from dpmigrate.analysis.ledger.gradients import NoisePatchedOut, SeveralPasses, SteppedEvery
from dpmigrate.analysis.ledger.models import BatchNormKept
from dpmigrate.analysis.ledger.sampling import SamplerGiven, UnknownKeyword
from dpmigrate.analysis.source.tree import keyword_node

EVENTS: dict[str, type[Event]] = {
    "batch-norm": BatchNormKept,
    "delta": DeltaGiven,
    "fallback": FellBack,
    "global-seed": SeededBefore,
    "keyword": UnknownKeyword,
    "memory-manager": ManagerUsed,
    "noise-patched": NoisePatchedOut,
    "reseeding": Seeded,
    "sampler": SamplerGiven,
    "step": Stepped,
    "step-by-counter": SteppedEvery,
    "step-after-several": SeveralPasses,
}
"""The shorter names of some; any other event has that of its class, ``EpsilonAsked`` is "epsilon-asked"."""


def _kinds(kind: type[Event]) -> Iterator[type[Event]]:
    """The kinds of events below one."""
    for below in kind.__subclasses__():
        # A dataclass with slots is a second class: the first is no longer in its module.
        if getattr(sys.modules[below.__module__], below.__name__) is below:
            yield below
            yield from _kinds(below)


def _by_class() -> Iterator[tuple[str, type[Event]]]:
    for module in iter_modules(ledger.__path__, f"{ledger.__name__}."):
        import_module(module.name)
    named = set(EVENTS.values())
    for kind in _kinds(Event):
        name = re.sub(r"(?<!^)(?=[A-Z])", "-", kind.__name__).lower()
        if kind not in named and name not in SUBJECTS:
            yield name, kind


EVENTS.update(_by_class())
SUBJECTS.update({name: partial(of_kind, kind) for name, kind in EVENTS.items()})


@subject("poisson-argument")
def _poisson(run: PrivateRun, versions: Versions) -> Iterator[Subject]:
    node = keyword_node(run.origin.node, "poisson_sampling")
    origin = run.origin if node is None else Origin(run.module, node)
    yield Subject(run, versions, origin)
