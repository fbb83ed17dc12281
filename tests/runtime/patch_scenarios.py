"""What the repair must do on a real release; run by test_patch.py in a process per release.

Each function is one scenario; it asserts, or returns something for the parent to judge.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

import opacus
import torch
from opacus import PrivacyEngine
from opacus.grad_sample.grad_sample_module_fast_gradient_clipping import GradSampleModuleFastGradientClipping
from opacus.optimizers import DPOptimizerFastGradientClipping
from opacus.optimizers.ddpoptimizer_fast_gradient_clipping import DistributedDPOptimizerFastGradientClipping
from torch import nn

from dpmigrate.runtime.parity import check_clipping
from dpmigrate.runtime.patch import UnknownOpacus, part_names, patch_opacus, patched_opacus, unpatch_opacus
from dpmigrate.runtime.patch import probe_opacus as probe
from tests.runtime import models as m


def surface() -> list[Any]:
    """Everything that a repair may replace."""
    found: list[Any] = [
        vars(DPOptimizerFastGradientClipping)["accumulate"],
        GradSampleModuleFastGradientClipping.NORM_SAMPLERS[nn.Linear],
        vars(PrivacyEngine)["make_private"],
    ]
    try:
        from opacus.utils.adaptive_clipping import adaptive_clipping_utils as adaptive
    except ImportError:
        return found
    return [*found, vars(adaptive.DPLossFastGradientAdaptiveClipping)["__call__"]]


def same(a: list[Any], b: list[Any]) -> bool:
    return len(a) == len(b) and all(x is y for x, y in zip(a, b, strict=True))


def judge(kind: type[nn.Module] = m.Mlp, **options: Any) -> list[str]:
    """Names of failing checks in ghost mode under the memory manager with plain ``zero_grad()``."""
    report = check_clipping(
        m.build(kind),
        nn.CrossEntropyLoss(),
        m.batch_for(kind),
        modes=["ghost"],
        checks=["parity-clipped-sum", "parity-norms"],
        **options,
    )
    assert any(c.passed is not None for c in report.checks), str(report)
    return [c.name for c in report.failures]


def probing_changes_nothing() -> list[str]:
    before, state = surface(), torch.get_rng_state()
    wrong = probe().wrong
    assert same(before, surface())
    assert torch.equal(state, torch.get_rng_state())
    return list(wrong)


def patching_is_idempotent_and_reversible() -> list[str]:
    before, state = surface(), torch.get_rng_state()
    first = patch_opacus()
    patched = surface()
    second = patch_opacus()
    assert same(patched, surface())
    assert torch.equal(state, torch.get_rng_state())
    assert first.patched == second.patched == unpatch_opacus()
    assert all(p.state in ("already-patched", "right", "absent") for p in second.parts)
    assert same(before, surface())
    assert unpatch_opacus() == ()
    assert ("nothing to repair" in str(first)) == (not first.patched)
    return list(first.patched)


def a_block_puts_back_only_what_it_patched() -> None:
    before = surface()
    with patched_opacus(["accumulate"]) as outer:
        with patched_opacus() as inner:
            assert set(outer.patched) <= set(inner.patched)
        assert probe(["linear-bias-norm"]).wrong == probe(["linear-bias-norm"]).wrong
        assert probe(["accumulate"]).wrong == ()
        assert set(patch_opacus(["accumulate"]).patched) == set(outer.patched)
    assert same(before, surface())


def repaired_clipping_is_right() -> dict[str, list[str]]:
    with patched_opacus():
        return {
            "memory manager": judge(),
            "bound": judge(max_grad_norm=0.3),
            "text": judge(m.Text),
            "attention": judge(m.Attention),
            "float64": judge(m.BiasOnlyText, dtype=torch.float64),
            "no zero_grad": judge(zero_grad=None),
        }


def unrepaired_clipping() -> dict[str, list[str]]:
    return {"memory manager": judge(), "bound": judge(max_grad_norm=0.3), "text": judge(m.Text)}


def the_distributed_optimizer_inherits_the_repair() -> None:
    with patched_opacus(["accumulate"]):
        assert (
            DistributedDPOptimizerFastGradientClipping.accumulate
            is vars(DPOptimizerFastGradientClipping)["accumulate"]
        )
        optimizer = object.__new__(DistributedDPOptimizerFastGradientClipping)
        p = nn.Parameter(torch.zeros(2))
        p.summed_grad = None
        optimizer.original_optimizer = torch.optim.SGD([p], lr=1.0)
        if not hasattr(type(optimizer), "param_groups"):  # a property since 1.5.2
            optimizer.param_groups = optimizer.original_optimizer.param_groups
        p.grad = torch.ones(2)
        optimizer.accumulate()
        p.grad.zero_()
        p.grad.add_(3)
        optimizer.accumulate()
        assert p.summed_grad.tolist() == [4.0, 4.0]


def objects_built_before_are_repaired_too() -> None:
    """Names imported at the top of this file, and an optimizer built before the call."""
    p = nn.Parameter(torch.zeros(2))
    optimizer = DPOptimizerFastGradientClipping(
        torch.optim.SGD([p], lr=1.0), noise_multiplier=0.0, max_grad_norm=1.0, expected_batch_size=1
    )
    with patched_opacus():
        p.grad = torch.ones(2)
        optimizer.accumulate()
        optimizer.original_optimizer.zero_grad(set_to_none=False)
        assert p.summed_grad.tolist() == [1.0, 1.0]


def an_unknown_opacus_is_refused_untouched() -> None:
    original = DPOptimizerFastGradientClipping.accumulate

    def accumulate(self: Any) -> None:
        for p in self.params:
            p.summed_grad = p.grad.clone() * 7

    DPOptimizerFastGradientClipping.accumulate = accumulate
    try:
        before = surface()
        try:
            patch_opacus()
        except UnknownOpacus as error:
            assert "accumulate" in str(error)
        else:
            raise AssertionError("an unknown accumulate was accepted")
        assert same(before, surface())
    finally:
        DPOptimizerFastGradientClipping.accumulate = original


def the_faulty_window_is_seen_through_its_version() -> list[str]:
    """The commits with the new API and the old ``accumulate`` call themselves 1.5.2."""
    original, version = DPOptimizerFastGradientClipping.accumulate, opacus.__version__

    def accumulate(self: Any) -> None:
        for p in self.params:
            if p.summed_grad is not None:
                p.summed_grad += p.grad
            else:
                p.summed_grad = p.grad

    DPOptimizerFastGradientClipping.accumulate, opacus.__version__ = accumulate, "1.5.2"
    try:
        assert judge() != []
        with patched_opacus(["accumulate"]) as report:
            assert report.patched == ("accumulate",)
            failing = judge()
        assert vars(DPOptimizerFastGradientClipping)["accumulate"] is accumulate
        return failing
    finally:
        DPOptimizerFastGradientClipping.accumulate, opacus.__version__ = original, version


def a_wrapper_put_over_ours_survives_and_ours_steps_aside() -> None:
    patched = patch_opacus(["engine-max-grad-norm"]).patched
    ours = vars(PrivacyEngine)["make_private"]
    calls: list[int] = []

    def outer(self: Any, **kwargs: Any) -> Any:
        calls.append(1)
        return ours(self, **kwargs)

    PrivacyEngine.make_private = outer
    try:
        unpatch_opacus()
        assert vars(PrivacyEngine)["make_private"] is outer
        judge(max_grad_norm=0.3)
        assert calls
        # back to the faulty behaviour: our wrapper hands over to the original
        assert probe(["engine-max-grad-norm"]).wrong == patched
    finally:
        PrivacyEngine.make_private = ours if not patched else ours.__wrapped__


def adaptive_clipping() -> dict[str, Any]:
    try:
        before = judge(built_by="adaptive", physical_batches=(1,))
    except AssertionError:
        return {"absent": True}
    with patched_opacus():
        return {"before": before, "after": judge(built_by="adaptive", physical_batches=(1,))}


def names_are_checked() -> list[str]:
    try:
        patch_opacus(["acumulate"])
    except ValueError as error:
        assert "known: accumulate" in str(error)
    else:
        raise AssertionError("a misspelt part was accepted")
    return list(part_names())


SCENARIOS: tuple[Callable[[], Any], ...] = (
    probing_changes_nothing,
    patching_is_idempotent_and_reversible,
    a_block_puts_back_only_what_it_patched,
    repaired_clipping_is_right,
    unrepaired_clipping,
    the_distributed_optimizer_inherits_the_repair,
    objects_built_before_are_repaired_too,
    an_unknown_opacus_is_refused_untouched,
    the_faulty_window_is_seen_through_its_version,
    a_wrapper_put_over_ours_survives_and_ours_steps_aside,
    adaptive_clipping,
    names_are_checked,
)


if __name__ == "__main__":
    torch.set_num_threads(1)
    json.dump({scenario.__name__: scenario() for scenario in SCENARIOS}, sys.stdout)
