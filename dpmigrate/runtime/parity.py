"""Does clipping compute what DP-SGD promises? A model, criterion and batch under hooks and ghost.

from dpmigrate.runtime import assert_clipping
assert_clipping(model, nn.CrossEntropyLoss(), (x, y))
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from dpmigrate.model import CHECK_NAMES, CheckName
from dpmigrate.runtime.batches import batch_size, inputs_and_target
from dpmigrate.runtime.features import opacus_version
from dpmigrate.runtime.made import Made
from dpmigrate.runtime.model_copy import cast_batch, copy_model, isolated, model_dtype
from dpmigrate.runtime.oracle import LossFunction, each_gradient, gradients, loss_per_example, trainable
from dpmigrate.runtime.report_types import UNSUPPORTED, Check, ClippingReport, Engine, check_lines
from dpmigrate.runtime.run.judging.verdicts import median_bound
from dpmigrate.runtime.run.request import Request
from dpmigrate.runtime.session import BuiltBy, Recipe, TrainStep, ZeroGradWay


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
    zero_grad: ZeroGradWay = "default",
    train_step: TrainStep | None = None,
    built_by: BuiltBy = "engine",
    noise_multiplier: float = 1.0,
    noise_generator: torch.Generator | None = None,
    seed: int = 0,
    steps: int = 1,
    checks: Collection[str] | None = None,
    dtype: torch.dtype | None = None,
) -> ClippingReport:
    """Train copies of ``model`` under the installed Opacus, and judge it as ``verify`` judges a script.

    ``batch`` is ``(inputs..., target)``, or anything that ``loss(model, batch) -> Tensor[B]``
    understands. ``max_grad_norm`` None puts C between the two middle per-sample norms.
    ``physical_batches``: into how many physical batches the logical one is split; above one, through
    the real BatchMemoryManager, evenly and unevenly. ``zero_grad`` is how the loop clears gradients
    at its top (None: not at all); ``train_step(model, optimizer, criterion, batch)`` replaces the
    whole loop body by the caller's own. ``built_by``: "engine" (``make_private``), "pair" (module and
    optimizer wrapped by hand) or "adaptive" (``PrivacyEngineAdaptiveClipping``, its bound held at C).
    ``steps`` logical steps are made of the batch; ``checks`` limits what is run, by the names of the
    contract; ``dtype`` casts model and batch.

    The model, its gradients, hooks and mode, the batch, the generator and the global random state are
    left as they were. A mode (or dtype) that this Opacus does not support yields checks with
    ``passed`` None and a detail that begins with "unsupported: ".

    Raises ValueError or TypeError for arguments that make no sense, and whatever the model or the
    loss raise outside Opacus.
    """
    names = _selected(checks)
    if any(k < 1 for k in physical_batches) or not physical_batches:
        raise ValueError(f"physical_batches must be positive numbers, not {tuple(physical_batches)}")
    twin, given = copy_model(model, dtype), cast_batch(batch, dtype)
    if batch_size(given) == 0:
        raise ValueError("the batch is empty")
    if not trainable(twin):
        raise ValueError("the model has no trainable parameter")
    used = dtype or model_dtype(model)
    bound, why = max_grad_norm, ""
    with isolated(seed):
        (loss if loss is not None else loss_per_example(criterion, loss_reduction))(twin, given)
        why = _mixing(twin)
        if bound is None and not why:
            try:
                params, reduction = list(trainable(twin).values()), loss_reduction
                rows = each_gradient(twin, criterion, given, params, loss=loss, loss_reduction=reduction)
                bound = median_bound(torch.stack([row.norm() for row in rows]).nan_to_num(1.0))
            except Exception as error:
                # A loss of the examples among themselves is nothing, or an error, for one that is alone.
                bound, why = _batch_gradient(twin, criterion, loss, given) / 2, ""
                if not bound:
                    why = str(error)
    all_checks: list[Check] = []
    measured = []
    for index, mode in enumerate(modes):
        if bound is None or why:
            all_checks += [Check(n, None, engine=index, detail=why) for n in CHECK_NAMES if n in names]
            continue
        made = Made(
            recipe=Recipe(mode, criterion, loss, loss_reduction, zero_grad, built_by, train_step),
            model=twin,
            batch=given,
            names=names,
            index=index,
            given_bound=max_grad_norm,
            bound=float(bound),
            physical_batches=tuple(physical_batches),
            noise_multiplier=noise_multiplier,
            noise_generator=noise_generator,
            seed=seed,
            steps=steps,
        )
        all_checks += made.run()
        measured += made.measurements
    return ClippingReport(
        opacus=opacus_version(),
        torch=str(torch.__version__).split("+")[0],
        dtype=str(used).removeprefix("torch."),
        logical_steps=steps,
        physical_batches=tuple(physical_batches),
        engines=tuple(Engine(None, None, mode) for mode in modes),
        checks=tuple(all_checks),
        max_grad_norm=bound,
        measurements=tuple(measured),
    )


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
    could_not = allow_unsupported and report.passed
    return _held(report, [] if could_not else [check for check in report.checks if check.unsupported])


def check_training(
    train: Callable[[], Any],
    *,
    steps: int = 3,
    seed: int = 0,
    checks: Collection[str] | None = None,
    timeout: float = 600.0,
) -> ClippingReport:
    """Verify a function that makes a private model, its optimizer and its loader and trains, as a script is.

    Each run is a fork of this process with one thread, and takes ``timeout`` seconds at most; ``steps``
    logical ones are judged in full. Raises NoVerdict, with one sentence, where there is none (no private
    step, no ``fork()``, CUDA in use here already), and ValueError for an unknown check.
    """
    from dpmigrate.runtime.run.processes.plan import Runner
    from dpmigrate.runtime.run.verify import clipping_report, make_runs

    names = tuple(_selected(checks)) if checks is not None else ()
    request = Request("factory", train.__qualname__, steps=steps, seed=seed, checks=names, timeout=timeout)
    threads, folder = torch.get_num_threads(), Path(tempfile.mkdtemp(prefix="dpmigrate-"))
    try:
        runner = Runner(request, folder, train)
        return clipping_report(request, *make_runs(runner))
    finally:
        torch.set_num_threads(threads)
        shutil.rmtree(folder, ignore_errors=True)


def assert_training(train: Callable[[], Any], **options: Any) -> ClippingReport:
    """Like :func:`check_training`, raising AssertionError where a check fails."""
    __tracebackhide__ = True
    return _held(check_training(train, **options), [], "private training")


def _held(report: ClippingReport, more: Sequence[Check], what: str = "clipping") -> ClippingReport:
    """The report; raises AssertionError where a check fails, and for ``more``."""
    __tracebackhide__ = True
    bad = [*report.failures, *more] or ([] if report.passed else list(report.checks))
    if bad:
        raise AssertionError(
            f"{what} is not right under Opacus {report.opacus} ({report.dtype}):\n{check_lines(bad)}"
        )
    return report


def _batch_gradient(
    model: nn.Module, criterion: Callable[..., Any] | None, loss: LossFunction | None, batch: Any
) -> float:
    """The norm of the gradient of a whole batch's loss; 0 where it has none."""
    if loss is not None:
        value = loss(model, batch)
    else:
        inputs, target = inputs_and_target(batch)
        value = criterion(model(*inputs), target)  # type: ignore[misc]
    if not value.requires_grad:
        return 0.0
    by_param = gradients(value.mean(), list(trainable(model).values()), keep=False)
    return float(torch.cat([g.reshape(-1).double() for g in by_param]).norm())


def _mixing(model: nn.Module) -> str:
    """Why no per-sample gradient exists at all; empty where one does."""
    for name, module in model.named_modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            return (
                f"{UNSUPPORTED}layer {name or 'of the model'} ({type(module).__name__}) mixes the examples "
                "of a batch, so that no per-sample gradient exists: use GroupNorm or LayerNorm"
            )
    return ""


def _selected(checks: Collection[str] | None) -> frozenset[CheckName]:
    if checks is None:
        return frozenset(CHECK_NAMES)
    wanted = {checks} if isinstance(checks, str) else set(checks)
    unknown = wanted - set(CHECK_NAMES)
    if unknown:
        raise ValueError(f"unknown check {', '.join(sorted(unknown))}; known: {', '.join(CHECK_NAMES)}")
    return frozenset(name for name in CHECK_NAMES if name in wanted)
