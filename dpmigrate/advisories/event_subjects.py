"""What a finding can be about: every event of the ledger, by a name of its own or its class's."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from functools import partial

from dpmigrate.advisories.evidence import Versions
from dpmigrate.advisories.subjects import SUBJECTS, Subject, of_kind, subject
from dpmigrate.analysis.ledger import HooksSwitched, ManagerUsed, Origin, PrivateRun
from dpmigrate.analysis.ledger.accounting import DeltaGiven, EpsilonsCombined, FellBack, MadeInstead
from dpmigrate.analysis.ledger.checkpoints import WeightsResumed
from dpmigrate.analysis.ledger.events import Event, Seeded, SeededBefore, Stepped
from dpmigrate.analysis.ledger.gradients import (
    ColumnOfLosses,
    FlattenedLoss,
    GradientChanged,
    GradientsLost,
    NoisePatchedOut,
    SeveralPasses,
    SteppedEvery,
    StepPutOff,
    TokensIgnored,
    UsedAsTensor,
)
from dpmigrate.analysis.ledger.models import (
    BatchNormKept,
    BatchStatistics,
    ChangedInPlace,
    DataParallel,
    ExamplesCoupled,
    OrdinaryOptimizer,
    ParameterOutside,
    SequenceLayer,
)
from dpmigrate.analysis.ledger.optimizing import (
    AccountantAsked,
    AccountantMade,
    AccountantTold,
    NormChanged,
    SteppedBeside,
    TrainableSet,
)
from dpmigrate.analysis.ledger.sampling import BatchSkipped, SamplerGiven, TrainedTogether, UnknownKeyword
from dpmigrate.analysis.source.tree import keyword_node

EVENTS: dict[str, type[Event]] = {
    "accountant-asked": AccountantAsked,
    "accountant-told": AccountantTold,
    "accountant-made": AccountantMade,
    "batch-norm": BatchNormKept,
    "batch-skipped": BatchSkipped,
    "batch-statistics": BatchStatistics,
    "changed-in-place": ChangedInPlace,
    "column-of-losses": ColumnOfLosses,
    "data-parallel": DataParallel,
    "delta": DeltaGiven,
    "epsilons-combined": EpsilonsCombined,
    "examples-coupled": ExamplesCoupled,
    "fallback": FellBack,
    "flattened-loss": FlattenedLoss,
    "global-seed": SeededBefore,
    "gradient-changed": GradientChanged,
    "gradients-lost": GradientsLost,
    "hooks-switched": HooksSwitched,
    "keyword": UnknownKeyword,
    "made-instead": MadeInstead,
    "memory-manager": ManagerUsed,
    "norm-changed": NormChanged,
    "noise-patched": NoisePatchedOut,
    "parameter-outside": ParameterOutside,
    "reseeding": Seeded,
    "sampler": SamplerGiven,
    "step": Stepped,
    "step-by-counter": SteppedEvery,
    "step-after-several": SeveralPasses,
    "step-put-off": StepPutOff,
    "stepped-beside": SteppedBeside,
    "tokens-ignored": TokensIgnored,
    "trainable-set": TrainableSet,
    "trained-together": TrainedTogether,
    "used-as-tensor": UsedAsTensor,
    "weights-resumed": WeightsResumed,
    "sequence-layer": SequenceLayer,
    "ordinary-optimizer": OrdinaryOptimizer,
}
"""By the name of the subject; any other has that of its class, ``EpsilonAsked`` is "epsilon-asked"."""


def _kinds(kind: type[Event]) -> Iterator[type[Event]]:
    """The kinds of events below one."""
    for below in kind.__subclasses__():
        # A dataclass with slots is a second class: the first is no longer in its module.
        if getattr(sys.modules[below.__module__], below.__name__) is below:
            yield below
            yield from _kinds(below)


def _by_class() -> Iterator[tuple[str, type[Event]]]:
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
