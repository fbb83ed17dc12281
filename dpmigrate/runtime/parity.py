"""Does ghost clipping compute what DP-SGD promises? Oracle, hooks and ghost on the same batch.

from dpmigrate.runtime import assert_clipping
assert_clipping(model, nn.CrossEntropyLoss(), (x, y))
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

import torch
from torch import nn

from dpmigrate.runtime.batches import batch_size
from dpmigrate.runtime.engine_checks import EngineChecks, Setting
from dpmigrate.runtime.features import opacus_version
from dpmigrate.runtime.limits import PARITY_LIMITS, parity_limit
from dpmigrate.runtime.messages import numbers
from dpmigrate.runtime.model_copy import cast_batch, copy_model, isolated, model_dtype, without_dropout
from dpmigrate.runtime.oracle import LossFunction, loss_per_example
from dpmigrate.runtime.report_types import (
    CHECK_NAMES,
    UNSUPPORTED,
    Check,
    CheckName,
    ClippingReport,
    Engine,
    check_lines,
)
from dpmigrate.runtime.session import BuiltBy, Recipe, TrainStep, ZeroGrad
from dpmigrate.runtime.truth import Truth, median_bound

MIXING_LIMITS = {torch.float32: 1e-3, torch.float64: 1e-9}


def check_clipping(
    model: nn.Module,
    criterion: Callable[..., Any] | None,
    batch: Any,
    max_grad_norm: float | None = None,
    physical_batches: Sequence[int] = (1, 4),
    modes: Sequence[str] = ("hooks", "ghost"),
    *,
    loss: LossFunction | None = None,
    loss_reduction: str = "mean",
    zero_grad: ZeroGrad = "default",
    train_step: TrainStep | None = None,
    built_by: BuiltBy = "engine",
    noise_multiplier: float = 1.0,
    noise_generator: torch.Generator | None = None,
    seed: int = 0,
    checks: Collection[str] | None = None,
    dtype: torch.dtype | None = None,
) -> ClippingReport:
    """Train copies of ``model`` for one logical step under the installed Opacus, and judge it.

    ``batch`` is ``(inputs..., target)``, or anything that ``loss(model, batch) -> Tensor[B]``
    understands. ``max_grad_norm`` None puts C between the two middle per-sample norms.
    ``physical_batches``: into how many physical batches the logical one is split; above one, through
    the real BatchMemoryManager, evenly and unevenly. ``zero_grad`` is how the loop clears gradients
    at its top (None: not at all); ``train_step(model, optimizer, criterion, batch)`` replaces the
    whole loop body by the caller's own. ``built_by``: "engine" (``make_private``), "pair" (module and
    optimizer wrapped by hand) or "adaptive" (``PrivacyEngineAdaptiveClipping``, its bound held at C).
    ``checks`` limits what is run, by the names of the contract; ``dtype`` casts model and batch.

    The model, its gradients, hooks and mode, the batch, the generator and the global random state are
    left as they were. A mode (or dtype) that this Opacus does not support yields checks with
    ``passed`` None and a detail that begins with "unsupported: ".

    Raises ValueError or TypeError for arguments that make no sense, and whatever the model or the
    loss raise outside Opacus.
    """
    names = _selected(checks)
    if any(k < 1 for k in physical_batches) or not physical_batches:
        raise ValueError(f"physical_batches must be positive numbers, not {tuple(physical_batches)}")
    twin = copy_model(model, dtype)
    data = cast_batch(batch, dtype)
    if batch_size(data) == 0:
        raise ValueError("the batch is empty")
    used = dtype or model_dtype(model)

    def report(found: Sequence[Check], bound: float | None, measured: Sequence[Any] = ()) -> ClippingReport:
        return ClippingReport(
            opacus=opacus_version(),
            torch=str(torch.__version__).split("+")[0],
            dtype=str(used).removeprefix("torch."),
            logical_steps=1,
            physical_batches=tuple(physical_batches),
            engines=tuple(Engine(None, None, mode) for mode in modes),
            checks=tuple(found),
            max_grad_norm=bound,
            measurements=tuple(measured),
        )

    obstacle = _obstacle(twin, used)
    if obstacle:
        return report(_not_applicable(names, modes, UNSUPPORTED + obstacle), max_grad_norm)
    with isolated(seed):
        evaluate = loss if loss is not None else loss_per_example(criterion, loss_reduction)
        calm = without_dropout(lambda: evaluate(twin, data))
        with calm:
            truth = Truth(twin, criterion, data, loss=loss, loss_reduction=loss_reduction)
            verdict = _input_verdict(truth, used)
            rounding = 0.0 if verdict is not None else truth.rounding()
        if verdict is not None:
            return report([verdict], max_grad_norm)
        try:
            bound = median_bound(truth.norms) if max_grad_norm is None else float(max_grad_norm)
        except ValueError as error:
            return report(_not_applicable(names, modes, str(error)), None)
        setting = Setting(
            model=twin,
            batch=data,
            truth=truth,
            calm=calm,
            max_grad_norm=bound,
            given_bound=max_grad_norm is not None,
            physical_batches=tuple(physical_batches),
            limit=parity_limit(str(used).removeprefix("torch."), truth.width, rounding),
            noise_multiplier=noise_multiplier,
            noise_generator=noise_generator,
            seed=seed,
            names=names,
        )
        found: list[Check] = []
        measured = []
        for index, mode in enumerate(modes):
            recipe = Recipe(mode, criterion, loss, loss_reduction, zero_grad, built_by, train_step)
            engine = EngineChecks(setting, recipe, index)
            found.extend(engine.run())
            measured.extend(engine.measurements)
    return report(found, bound, measured)


def assert_clipping(
    model: nn.Module,
    criterion: Callable[..., Any] | None,
    batch: Any,
    max_grad_norm: float | None = None,
    *,
    allow_unsupported: bool = False,
    **options: Any,
) -> ClippingReport:
    """Like :func:`check_clipping`, raising AssertionError where a check fails.

    The message says which parameters are off, by how much and for which examples. A mode that could
    not run at all fails as well, unless ``allow_unsupported``.
    """
    __tracebackhide__ = True
    report = check_clipping(model, criterion, batch, max_grad_norm, **options)
    bad = list(report.failures)
    if not allow_unsupported or not report.passed:
        bad += [check for check in report.checks if check.unsupported]
    if not bad and not report.passed:
        bad = list(report.checks)
    if bad:
        raise AssertionError(
            f"clipping is not right under Opacus {report.opacus} ({report.dtype}):\n{check_lines(bad)}"
        )
    return report


def _selected(checks: Collection[str] | None) -> frozenset[CheckName]:
    if checks is None:
        return frozenset(CHECK_NAMES)
    wanted = {checks} if isinstance(checks, str) else set(checks)
    unknown = wanted - set(CHECK_NAMES)
    if unknown:
        raise ValueError(f"unknown check {', '.join(sorted(unknown))}; known: {', '.join(CHECK_NAMES)}")
    return frozenset(name for name in CHECK_NAMES if name in wanted)


def _obstacle(model: nn.Module, dtype: torch.dtype) -> str:
    """Why no per-sample gradient can be judged at all; empty where it can."""
    if str(dtype).removeprefix("torch.") not in PARITY_LIMITS:
        return f"parity limits are known for float32 and float64, not {str(dtype).removeprefix('torch.')}"
    for name, module in model.named_modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            return (
                f"layer {name or 'of the model'} ({type(module).__name__}) mixes the examples of a batch, so "
                "that no per-sample gradient exists: use GroupNorm or LayerNorm"
            )
    return ""


def _input_verdict(truth: Truth, dtype: torch.dtype) -> Check | None:
    """A failing check where the model and batch themselves rule out a comparison."""
    broken = truth.nonfinite_examples()
    if broken:
        layers = [n for n, norms in truth.parameter_norms.items() if not bool(torch.isfinite(norms).all())]
        return Check(
            "parity-norms",
            False,
            detail=f"NaN or infinity in the gradient of examples {numbers(broken)} "
            f"({', '.join(layers[:5])}): nothing else can be judged",
        )
    mixing = truth.mixing_error()
    if mixing is not None and not mixing <= MIXING_LIMITS[dtype]:
        return Check(
            "parity-clipped-sum",
            False,
            mixing,
            MIXING_LIMITS[dtype],
            detail="the loss of an example changes with the other examples of the batch (relative change of "
            "the loss): no per-sample gradient exists, or the forward pass draws random numbers",
        )
    return None


def _not_applicable(names: Collection[CheckName], modes: Sequence[str], why: str) -> list[Check]:
    return [
        Check(n, None, engine=i, detail=why) for i in range(len(modes)) for n in CHECK_NAMES if n in names
    ]
