"""Optimizers and samplers of the project's own: what they replace of Opacus's clipping."""

from __future__ import annotations

from dpmigrate.runtime.run.watching.engines import PrivateModule

CLIPPING = (
    "accumulate",
    "add_noise",
    "clip_and_accumulate",
    "grad_samples",
    "pre_step",
    "step",
    "_get_flat_grad_sample",
)
"""What a DP optimizer clips and sums by; a class that replaces none of these clips as Opacus does."""


def own_clipping(cls: type) -> str:
    """The name of an optimizer's class whose clipping the project has written, not Opacus; else empty."""
    for base in cls.__mro__:
        if base.__module__.split(".", 1)[0] == "opacus":
            return ""
        if any(name in vars(base) for name in CLIPPING):
            return cls.__name__
    return ""


def own_samplers(module: PrivateModule | None) -> list[str]:
    """The layers whose per-sample gradients or norms the project computes by a function of its own."""
    if module is None:
        return []
    wrapper = module.wrapper
    known = {**getattr(wrapper, "GRAD_SAMPLERS", {}), **getattr(wrapper, "NORM_SAMPLERS", {})}
    return [
        name
        for name, layer in wrapper._module.named_modules()
        if getattr(known.get(type(layer)), "__module__", "opacus").split(".", 1)[0] != "opacus"
    ]
