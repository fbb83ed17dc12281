"""What a finding can be about: events that a subject needs nothing else of."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from dpmigrate.advisories.evidence import Versions
from dpmigrate.advisories.subjects import SUBJECTS, Subject, subject
from dpmigrate.analysis.ledger import HooksSwitched, Origin, PrivateRun
from dpmigrate.analysis.ledger.accounting import DeltaGiven, EpsilonsCombined, FellBack, MadeInstead
from dpmigrate.analysis.ledger.checkpoints import WeightsResumed
from dpmigrate.analysis.ledger.events import Event, Iterated, Seeded, SeededBefore, Stepped
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
from dpmigrate.analysis.tree import keyword_node

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
    "loader-read": Iterated,
    "made-instead": MadeInstead,
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
"""The events, by the name of the subject."""


def _of_kind(kind: type[Event], run: PrivateRun, versions: Versions) -> Iterator[Subject]:
    for event in run.happened(kind):
        yield Subject(run, versions, event.origin, event, guard=event.guard)


SUBJECTS.update({name: partial(_of_kind, kind) for name, kind in EVENTS.items()})


@subject("poisson-argument")
def _poisson(run: PrivateRun, versions: Versions) -> Iterator[Subject]:
    node = keyword_node(run.origin.node, "poisson_sampling")
    origin = run.origin if node is None else Origin(run.module, node)
    yield Subject(run, versions, origin)
