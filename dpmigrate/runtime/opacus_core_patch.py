# SPDX-License-Identifier: Apache-2.0
# Written by dpmigrate 0.1.0 (`dpmigrate fix --strategy patch`): its dpmigrate/runtime/opacus_core_patch.py.
"""The ghost clipping core of Opacus 1.5, 1.5.1 and 1.5.2, repaired when the program runs.

It needs nothing but torch and Opacus, and does nothing from Opacus 1.5.4 on: delete this file, its import and
its call then. ``dpmigrate scan`` knows it by what it says; where that is changed, its findings come back.
"""

from __future__ import annotations

import functools
import re
from typing import Any

import opacus
from opacus.grad_sample.grad_sample_module_fast_gradient_clipping import GradSampleModuleFastGradientClipping
from opacus.optimizers import DPOptimizerFastGradientClipping
from torch import nn

_repaired: list[str] = []


def patch_opacus() -> bool:
    """Repair the imported Opacus, once; whether it is one that needs it (older than 1.5.4)."""
    release = tuple(int(number) for number in re.findall(r"\d+", opacus.__version__)[:3])
    if release >= (1, 5, 4):
        return False
    if not _repaired:
        _repaired.append(opacus.__version__)
        _repair_sum()
        _repair_norm_of_bias()
        _repair_engine()
    return True


def _repair_sum() -> None:
    """The sum of the clipped gradients has storage of its own.

    Before 1.5.3 it is the first ``p.grad`` itself, which the next ``zero_grad()`` or ``backward()``
    overwrites: under the batch memory manager only the last physical batch counts.
    """

    def accumulate(self: Any) -> None:
        for p in self.params:
            if p.summed_grad is None:
                p.summed_grad = p.grad.detach().clone()
            else:
                p.summed_grad.add_(p.grad.detach())

    DPOptimizerFastGradientClipping.accumulate = accumulate


def _repair_norm_of_bias() -> None:
    """The norm of a Linear's bias on sequences is that of its gradient: wrong before 1.5.4."""
    samplers = GradSampleModuleFastGradientClipping.NORM_SAMPLERS
    original = samplers[nn.Linear]

    @functools.wraps(original)
    def norms(layer: Any, activations: Any, backprops: Any) -> Any:
        result = original(layer, activations, backprops)
        if backprops.dim() == 3 and layer.bias is not None and layer.bias.requires_grad:
            result[layer.bias] = backprops.sum(dim=1).norm(2, dim=-1)
        return result

    samplers[nn.Linear] = norms


def _repair_engine() -> None:
    """``max_grad_norm`` reaches the model, which clips at 1 otherwise (before 1.5.3)."""
    original = opacus.PrivacyEngine.make_private

    @functools.wraps(original)
    def make_private(self: Any, *args: Any, **kwargs: Any) -> Any:
        made = original(self, *args, **kwargs)
        if isinstance(made[0], GradSampleModuleFastGradientClipping):
            made[0].max_grad_norm = kwargs["max_grad_norm"]
        return made

    opacus.PrivacyEngine.make_private = make_private
