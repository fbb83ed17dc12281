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

from dpmigrate.model import CHECK_NAMES
from dpmigrate.runtime.batches import batch_size, inputs_and_target
from dpmigrate.runtime.features import opacus_version
from dpmigrate.runtime.made import Made
from dpmigrate.runtime.messages import selected
from dpmigrate.runtime.model_copy import cast_batch, copy_model, isolated, model_dtype
from dpmigrate.runtime.oracle import gradients, trainable
from dpmigrate.runtime.report_types import (
    UNSUPPORTED,
    Check,
    ClippingReport,
    Engine,
    Measurement,
    check_lines,
)
from dpmigrate.runtime.run.request import Request
from dpmigrate.runtime.session import Options, Recipe


def check_clipping(
    model: nn.Module,
    criterion: Callable[..., Any] | None,
    batch: Any,
    max_grad_norm: float | None = None,
    **options: Any,
) -> ClippingReport:
    """Train copies of ``model`` under the installed Opacus, and judge it as ``verify`` judges a script.

    ``batch`` is ``(inputs..., target)``, or anything that ``loss(model, batch) -> Tensor[B]``
    understands. ``options`` are the fields of :class:`~dpmigrate.runtime.session.Options`.

    The model, its gradients, hooks and mode, the batch, the generator and the global random state are
    left as they were. A mode (or dtype) that this Opacus does not support yields checks with
    ``passed`` None and a detail that begins with "unsupported: ".

    Raises ValueError or TypeError for arguments that make no sense, and whatever the model or the
    loss raise outside Opacus.
    """
    how = Options(max_grad_norm=max_grad_norm, **options)
    names = frozenset(selected(how.checks, CHECK_NAMES, "check"))
    twin, given = copy_model(model, how.dtype), cast_batch(batch, how.dtype)
    if batch_size(given) == 0:
        raise ValueError("the batch is empty")
    if not trainable(twin):
        raise ValueError("the model has no trainable parameter")
    bound, why = _bound(twin, criterion, given, how)
    checks: list[Check] = []
    measured: list[Measurement] = []
    for index, mode in enumerate(how.modes):
        if bound is None:
            checks += [Check(n, None, engine=index, detail=why) for n in CHECK_NAMES if n in names]
            continue
        made = Made(Recipe(mode, criterion, how), twin, given, names, index, bound)
        checks += made.run()
        bound = made.bound
        measured += made.measurements
    return ClippingReport(
        opacus=opacus_version(),
        torch=str(torch.__version__).split("+")[0],
        dtype=str(how.dtype or model_dtype(model)).removeprefix("torch."),
        logical_steps=how.steps,
        physical_batches=tuple(how.physical_batches),
        engines=tuple(Engine(None, None, mode) for mode in how.modes),
        checks=tuple(checks),
        max_grad_norm=bound,
        measurements=tuple(measured),
    )


def _bound(
    model: nn.Module, criterion: Callable[..., Any] | None, batch: Any, how: Options
) -> tuple[float | None, str]:
    """The C to begin with, until the norms are known; None, and why, where no example can be clipped."""
    with isolated(how.seed):
        if how.loss is not None:
            value = how.loss(model, batch)
        elif criterion is not None:
            inputs, target = inputs_and_target(batch)
            value = criterion(model(*inputs), target)
        else:
            raise TypeError("a criterion or loss=function(model, batch) is needed")
        if why := _mixing(model):
            return None, why
        if how.max_grad_norm is not None:
            return float(how.max_grad_norm), ""
        if not value.requires_grad:
            raise ValueError("the loss does not depend on any trainable parameter")
        by_param = gradients(value.mean(), list(trainable(model).values()), keep=False)
        norm = float(torch.cat([g.reshape(-1).double() for g in by_param]).norm().nan_to_num(1.0))
        return norm / 2 or None, "every per-sample gradient is zero: there is nothing to clip"


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

    names = () if checks is None else tuple(selected(checks, CHECK_NAMES, "check"))
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


def _mixing(model: nn.Module) -> str:
    """Why no per-sample gradient exists at all; empty where one does."""
    for name, module in model.named_modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            return (
                f"{UNSUPPORTED}layer {name or 'of the model'} ({type(module).__name__}) mixes the examples "
                "of a batch, so that no per-sample gradient exists: use GroupNorm or LayerNorm"
            )
    return ""
