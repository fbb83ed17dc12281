"""Facts about ghost runs that can only raise: a loud fault hides no silent one behind it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import libcst as cst

from dpmigrate.advisories.evidence import Versions
from dpmigrate.advisories.facts.general import fact
from dpmigrate.advisories.subjects import Subject
from dpmigrate.analysis.ledger import Event, PrivateRun, Unpack
from dpmigrate.analysis.ledger.gradients import UsedAsTensor
from dpmigrate.analysis.ledger.models import BatchNormRefused, ChangedInPlace, OrdinaryOptimizer
from dpmigrate.analysis.ledger.optimizing import OptimizerOfBefore
from dpmigrate.analysis.source.tree import every
from dpmigrate.model import Tri, both, either, negated
from dpmigrate.versions.releases import between

BEFORE_FOUR_RESULTS = between("1.5", "1.5.3")
"""The releases whose engine needs ``clipping="ghost"``: without it the first step raises."""

NO_CHANGE_IN_PLACE = between("1.5.4")
"""The releases that hook layers in such a way that their outputs are views, which must stay as they are."""


def only_before_four_results(versions: Versions) -> bool:
    """Whether the project admits no release but those before 1.5.3."""
    return bool(versions.declared) and versions.declared <= BEFORE_FOUR_RESULTS


@fact
def _only_before_four_results(s: Subject) -> Tri:
    return only_before_four_results(s.versions)


@fact
def _new_api_used(s: Subject) -> Tri:
    """Whether the code itself is for a later release: then it is code and pin that disagree."""
    return not s.versions.evidence & BEFORE_FOUR_RESULTS


@fact
def _ordinary_optimizer(s: Subject) -> Tri:
    """Whether the ghost module of a hand-made pair is stepped by the optimizer of standard clipping."""
    if isinstance(s.event, OrdinaryOptimizer):
        s.notes["optimizer"] = f"`{s.event.name}`"
    return _happens(s.run, OrdinaryOptimizer)


@fact
def _changed_in_place(s: Subject) -> Tri:
    """Whether the output of a hooked layer is changed in place, which no hook survives since 1.5.4.

    Where a run has its choice of a library's models, the first one is told of for all of them.
    """
    event = s.event
    if not isinstance(event, ChangedInPlace):
        return _happens(s.run, ChangedInPlace)
    models = {e.origin.node: e for e in s.run.happened(ChangedInPlace) if e.library} if event.library else {}
    if models and event.origin.node is not next(iter(models)):
        return False
    if any(e.sure and not e.guard for e in s.run.happened(BatchNormRefused)):
        return False  # it never comes to that: ``make_private`` raises, on every release
    more = f" (and {len(models) - 1} more of its models)" if len(models) > 1 else ""
    s.notes["change"] = f"{event.text}{more} changes outputs in place" if event.library else event.text
    if any(s.run.happened(BatchNormRefused)):
        return s.unsure("make_private may refuse a BatchNorm of this model before it comes to that")
    return _happens(s.run, ChangedInPlace)


@fact
def _used_as_tensor(s: Subject) -> Tri:
    """Whether a wrapped loss is asked for what only a tensor has; None where not in every execution."""
    if not isinstance(s.event, UsedAsTensor):
        return False
    s.notes["change"] = s.event.text
    # A scaler switches itself off where there is no CUDA.
    if s.event.at.conditional or "scaler" in s.event.text:
        return s.unsure("it may not come to that in every execution")
    return True


@fact
def _understood_later(s: Subject) -> Tri:
    """Whether Opacus 1.6.0 takes it."""
    return isinstance(s.event, UsedAsTensor) and s.event.understood


@fact
def _can_only_raise(s: Subject) -> Tri:
    return can_only_raise(s.run, s.versions)


@fact
def _takes_three_somewhere(s: Subject) -> Tri:
    return takes_three(s.run)


@fact
def _cross_entropy_meant(s: Subject) -> Tri:
    """Whether the file makes no criterion but ``nn.CrossEntropyLoss()``, which is what the default is."""
    return _makes_no_other(s.run.module.tree)


@lru_cache(maxsize=8)
def _makes_no_other(tree: cst.CSTNode) -> bool:
    """Whether a file makes no criterion but the default one; its runs come one after the other."""
    criteria = [call for call in _calls(tree) if _called(call).endswith("Loss")]
    return all(_called(call) == "CrossEntropyLoss" and not call.args for call in criteria)


def _calls(tree: cst.CSTNode) -> Iterator[cst.Call]:
    return (node for node in every(tree) if isinstance(node, cst.Call))


def _called(call: cst.Call) -> str:
    """The last name of what is called; empty where it has none."""
    named = call.func.attr if isinstance(call.func, cst.Attribute) else call.func
    return named.value if isinstance(named, cst.Name) else ""


def can_only_raise(run: PrivateRun, versions: Versions) -> Tri:
    """Whether a ghost run raises before anything is trained, on every release that the project admits.

    Measured on 1.5 to 1.6.0: since 1.5.3 ``clipping="ghost"`` is a ValueError and three targets for
    four results another; before, ghost mode without ``clipping="ghost"`` has an ordinary optimizer, whose
    step raises "Per sample gradient is not initialized".
    """
    if run.manual:
        return _happens(run, OrdinaryOptimizer)
    clipping = clipping_ghost(run)
    since: Tri = True
    if versions.declared - BEFORE_FOUR_RESULTS:
        since = either(clipping, takes_three(run))
    before: Tri = True
    if versions.declared & BEFORE_FOUR_RESULTS:
        before = negated(clipping)
    return both(since, before) if versions.declared else False


def why_refused(s: Subject) -> str:
    """Why the run may raise before it has trained anything, where that is not what the subject is about.

    ``make_private`` asks the model for its parameters, the optimizer for its groups, the loader for its data.
    """
    run = s.run
    for name in ("module", "optimizer", "data_loader"):
        if run.argument(name).equals(None):
            return f"`{run.call}` raises, since its {name} is None"
    if any(run.happened(BatchNormRefused)):
        return f"`{run.call}` may refuse a BatchNorm of the model"
    if any(run.happened(OptimizerOfBefore)):
        return (
            f"`{run.call}` raises where the optimizer is older than the copy that ModuleValidator.fix makes"
        )
    in_place = any(run.happened(ChangedInPlace)) and not isinstance(s.event, ChangedInPlace)
    if in_place and s.versions.declared & NO_CHANGE_IN_PLACE:
        return "since Opacus 1.5.4 the model may raise, which changes outputs in place"
    return ""


def clipping_ghost(run: PrivateRun) -> Tri:
    """Whether the engine is given ``clipping="ghost"``; None where open keywords may hold it."""
    given = run.argument("clipping")
    return None if run.open_call and not given else given.equals("ghost")


def takes_three(run: PrivateRun) -> Tri:
    """Whether the result is taken apart into three wherever it is taken apart."""
    counts = {(e.count == 3 and e.star is None, bool(e.guard)) for e in run.happened(Unpack)}
    if not counts or not any(three for three, _ in counts):
        return False
    return True if (True, False) in counts else None


def _happens(run: PrivateRun, kind: type[Event]) -> Tri:
    events = list(run.happened(kind))
    return any(not e.guard for e in events) or (None if events else False)
