"""The parts of Opacus's ghost clipping core that :mod:`dpmigrate.runtime.patch` can make right.

Every part has a probe, which runs the code in question on a few numbers and says whether it is
right, wrong in the known way, absent, or unknown; and a repair, which replaces attributes of
Opacus's own classes (never names in the user's modules, so that it does not matter when those were
imported). Each repair returns what takes it back.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, Literal

import torch
from torch import Tensor, nn

from dpmigrate.runtime.features import wraps_criterion

Verdict = Literal["right", "wrong", "absent"]


class UnknownOpacus(RuntimeError):  # noqa: N818 - the agreed name
    """This Opacus is neither right nor wrong in a way that dpmigrate knows; nothing was changed."""


Undo = Callable[[], None]
"""Takes a repair back."""


@dataclass(frozen=True)
class PatchPart:
    """A repairable part: its name, the fault in one sentence, its probe and its repair."""

    name: str
    fault: str
    try_out: Callable[[], Verdict]
    repair: Callable[[], Undo]

    def probe(self) -> Verdict:
        """Right, wrong or absent. Raises UnknownOpacus for whatever the probe meets that no release does."""
        try:
            return self.try_out()
        except UnknownOpacus:
            raise
        except Exception as error:
            raise UnknownOpacus(f"{self.name} of this Opacus cannot be probed: {error}") from error


def _entries(owner: Any) -> tuple[Any, Callable[[Any, Any], None]]:
    """The entries of a dictionary or a class, and what puts one there."""
    if isinstance(owner, dict):
        return owner, owner.__setitem__
    return vars(owner), functools.partial(setattr, owner)


def _replace(owner: Any, name: Any, repaired: Callable[..., Any]) -> Undo:
    """Let ``repaired(original, *args)`` answer for an attribute (or an entry), until that is undone.

    Where someone has wrapped ours since, ours stays, and calls the original.
    """
    entries, put = _entries(owner)
    original, repairs = entries[name], [repaired]

    @functools.wraps(original)
    def current(*args: Any, **kwargs: Any) -> Any:
        return repairs[0](original, *args, **kwargs) if repairs else original(*args, **kwargs)

    def undo() -> None:
        repairs.clear()
        if entries.get(name) is current:
            put(name, original)

    put(name, current)
    return undo


def _as_written(owner: Any, name: Any, repair: str) -> Undo:
    """Repair by a function of the module that `fix --strategy patch` writes into projects."""
    from dpmigrate.runtime import opacus_core_patch as core

    entries, put = _entries(owner)
    original = entries[name]
    getattr(core, repair)()
    fixed = entries[name]
    put(name, original)
    return _replace(owner, name, lambda _original, *args, **kwargs: fixed(*args, **kwargs))


def _ghost_optimizer_class() -> type:
    """Opacus's ghost optimizer; the distributed one inherits its ``accumulate``.

    (The FSDP optimizer of 1.6.0 overrides it, keeps its sums apart from the parameters and clones.)
    """
    from opacus.optimizers import DPOptimizerFastGradientClipping

    cls: type = DPOptimizerFastGradientClipping
    return cls


def _probe_accumulate() -> Verdict:
    cls = _ghost_optimizer_class()
    param = nn.Parameter(torch.zeros(2))
    param.summed_grad = None  # type: ignore[attr-defined]
    stub = SimpleNamespace(params=[param])
    accumulate: Callable[[Any], None] = vars(cls)["accumulate"]
    param.grad = torch.tensor([1.0, 2.0])
    accumulate(stub)
    first = param.summed_grad  # type: ignore[attr-defined]
    aliased = isinstance(first, Tensor) and first.data_ptr() == param.grad.data_ptr()
    param.grad = torch.tensor([3.0, 5.0])
    accumulate(stub)
    total = param.summed_grad  # type: ignore[attr-defined]
    if not isinstance(total, Tensor) or total.tolist() != [4.0, 7.0]:
        raise UnknownOpacus(f"{cls.__name__}.accumulate does not add up gradients as any known release does")
    return "wrong" if aliased else "right"


def _repair_accumulate() -> Undo:
    return _as_written(_ghost_optimizer_class(), "accumulate", "_repair_sum")


def _norm_samplers() -> dict[type, Any]:
    from opacus.grad_sample import grad_sample_module_fast_gradient_clipping as module

    samplers: dict[type, Any] = module.GradSampleModuleFastGradientClipping.NORM_SAMPLERS
    return samplers


def _probe_linear_bias() -> Verdict:
    sampler = _norm_samplers()[nn.Linear]
    layer = nn.Linear(1, 2)
    backprops = torch.tensor([[[1.0, 2.0], [2.0, -1.0]]])
    norm = sampler(layer, [torch.ones(1, 2, 1)], backprops)[layer.bias]
    true_norm = 10.0**0.5
    known_fault = 50.0**0.5
    if norm.shape == (1,) and abs(norm.item() - true_norm) < 1e-4:
        return "right"
    if norm.shape == (1,) and abs(norm.item() - known_fault) < 1e-4:
        return "wrong"
    raise UnknownOpacus("the norm sampler of nn.Linear does not compute what any known release does")


def _repair_linear_bias() -> Undo:
    return _as_written(_norm_samplers(), nn.Linear, "_repair_norm_of_bias")


def _probe_engine() -> Verdict:
    from opacus import PrivacyEngine
    from torch.utils.data import DataLoader, TensorDataset

    extra: dict[str, Any] = {"criterion": nn.MSELoss()} if wraps_criterion() else {"clipping": "ghost"}
    model = nn.Linear(1, 1)
    wrapped = PrivacyEngine(accountant="rdp").make_private(
        module=model,
        optimizer=torch.optim.SGD(model.parameters(), lr=0.0),
        data_loader=DataLoader(TensorDataset(torch.zeros(2, 1)), batch_size=2),
        noise_multiplier=1.0,
        max_grad_norm=0.5,
        poisson_sampling=False,
        grad_sample_mode="ghost",
        **extra,
    )[0]
    clips_at = getattr(wrapped, "max_grad_norm", None)
    if clips_at == 0.5:
        return "right"
    if clips_at == 1:
        return "wrong"
    raise UnknownOpacus(f"make_private in ghost mode clips at {clips_at!r} where 0.5 was asked for")


def _repair_engine() -> Undo:
    from opacus import PrivacyEngine

    return _as_written(PrivacyEngine, "make_private", "_repair_engine")


def _adaptive_criterion_class() -> Any:
    """The criterion wrapper of ghost adaptive clipping, or None where this Opacus has none."""
    try:
        from opacus.utils.adaptive_clipping import adaptive_clipping_utils as module
    except ImportError:
        return None
    return getattr(module, "DPLossFastGradientAdaptiveClipping", None)


def _probe_adaptive() -> Verdict:
    cls = _adaptive_criterion_class()
    if cls is None:
        return "absent"
    stub = SimpleNamespace(loss_reduction="mean", max_grad_norm=1.0)
    wrapped = cls(stub, stub, nn.MSELoss())
    losses = wrapped(torch.zeros(2), torch.ones(2)).loss_per_sample
    if losses.shape == (2,):
        return "right"
    if losses.dim() == 0:
        return "wrong"
    raise UnknownOpacus(f"{cls.__name__} makes losses of shape {tuple(losses.shape)} from two examples")


def _repair_adaptive() -> Undo:
    def call(original: Any, loss: Any, *args: Any, **kwargs: Any) -> Any:
        before = loss.criterion.reduction
        loss.criterion.reduction = "none"
        try:
            return original(loss, *args, **kwargs)
        finally:
            loss.criterion.reduction = before

    return _replace(_adaptive_criterion_class(), "__call__", call)


PARTS: tuple[PatchPart, ...] = (
    PatchPart(
        "accumulate",
        "accumulate() keeps p.grad itself as the running sum, which a later zero_grad() clears: "
        "under the batch memory manager only the last physical batch counts, twice",
        _probe_accumulate,
        _repair_accumulate,
    ),
    PatchPart(
        "linear-bias-norm",
        "the norm of a Linear bias with 3-d activations is not the gradient's norm, "
        "so that examples are clipped at the wrong bound",
        _probe_linear_bias,
        _repair_linear_bias,
    ),
    PatchPart(
        "engine-max-grad-norm",
        "make_private does not hand max_grad_norm to the model, which clips at 1 whatever was asked for",
        _probe_engine,
        _repair_engine,
    ),
    PatchPart(
        "adaptive-criterion",
        "ghost adaptive clipping reduces the loss before clipping, so that nothing is clipped",
        _probe_adaptive,
        _repair_adaptive,
    ),
)
