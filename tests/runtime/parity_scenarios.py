"""What ``check_clipping`` must do on a real release; run by test_parity.py in a process per release.

Each function is one scenario: it asserts, or returns what the parent judges.
"""

from __future__ import annotations

import copy
import json
import math
import random
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn

from dpmigrate.model import CHECK_NAMES
from dpmigrate.runtime import assert_clipping, check_clipping, probe_opacus
from dpmigrate.runtime.report_types import ClippingReport
from dpmigrate.runtime.session import Recipe
from tests.runtime import models as m

CRITERION = nn.CrossEntropyLoss()
FAULTY = bool(probe_opacus(["accumulate"]).wrong)
PARITY = ["parity-clipped-sum", "parity-norms", "parity-step"]


def quick(model: nn.Module | None = None, batch: Any = None, **options: Any) -> ClippingReport:
    options.setdefault("checks", PARITY)
    options.setdefault("zero_grad", "set-to-none")
    batch = m.batch_for(m.Mlp) if batch is None else batch
    criterion = options.pop("criterion", CRITERION)
    return check_clipping(model or m.build(m.Mlp), criterion, batch, **options)


def details(report: ClippingReport) -> str:
    return " | ".join(c.detail for c in report.checks)


def nothing_given_is_changed() -> None:
    model = m.build(m.DropoutMlp)
    model.l2.eval()
    model.l1.bias.requires_grad_(False)
    model.l1.weight.grad = torch.ones_like(model.l1.weight)
    model.l1.register_forward_hook(lambda *_: None)
    x, y = m.batch_for(m.DropoutMlp)
    generator = torch.Generator().manual_seed(5)
    criterion = nn.CrossEntropyLoss(label_smoothing=0.1)

    def picture() -> list[Any]:
        return [
            {k: v.clone() for k, v in model.state_dict().items()},
            [None if p.grad is None else p.grad.clone() for p in model.parameters()],
            [(name, module.training) for name, module in model.named_modules()],
            [p.requires_grad for p in model.parameters()],
            [sorted(vars(p)) for p in model.parameters()],
            [len(module._forward_hooks) for module in model.modules()],
            [len(module._backward_hooks) for module in model.modules()],
            sorted(vars(model)),
            [x.clone(), y.clone(), x.requires_grad],
            torch.get_rng_state(),
            generator.get_state(),
            random.getstate(),
            np.random.get_state()[1].copy(),
            criterion.reduction,
            torch.is_grad_enabled(),
            sorted(vars(nn.functional.cross_entropy)),
        ]

    before = picture()
    with torch.no_grad():
        report = check_clipping(
            model, criterion, (x, y), zero_grad="set-to-none", noise_generator=generator, checks=CHECK_NAMES
        )
        assert not torch.is_grad_enabled()
    quick(criterion=nn.functional.cross_entropy, checks=["parity-clipped-sum"])
    assert report.passed, str(report)
    after = picture()
    assert equal(before, after), [
        i for i, pair in enumerate(zip(before, after, strict=True)) if not equal(*pair)
    ]


def equal(a: Any, b: Any) -> bool:
    if isinstance(a, torch.Tensor):
        return torch.equal(a, b)
    if isinstance(a, np.ndarray):
        return bool(np.array_equal(a, b))
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(equal(a[k], b[k]) for k in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(equal, a, b))
    return bool(a == b)


def a_batch_of_one_is_judged_and_still_clipped() -> None:
    report = quick(batch=m.batch_for(m.Mlp, size=1), checks=CHECK_NAMES)
    assert report.passed, str(report)
    assert math.isclose(report.max_grad_norm, report.measurements[0].oracle_norms[0] / 2, rel_tol=1e-5)
    broken = quick(
        batch=m.batch_for(m.Mlp, size=1),
        modes=["ghost"],
        train_step=lambda model, optimizer, criterion, b: (
            optimizer.zero_grad(),
            CRITERION(model(b[0]), b[1]).backward(),
            optimizer.step(),
        ),
    )
    assert not broken.passed


def class_weights_are_named_though_c_was_looked_for_without_them() -> None:
    """Small weights make large norms: what the sum of the weights divides by is that of the batch."""
    weighted = nn.CrossEntropyLoss(weight=torch.tensor([0.02] + [0.1] * (m.CLASSES - 1)))
    x, y = m.batch_for(m.Mlp)
    checks = ["parity-clipped-sum", "sensitivity"]
    report = quick(
        batch=(x, y % 2), criterion=weighted, modes=["hooks"], physical_batches=(1,), checks=checks
    )
    assert report.rules == ("DPM121",), str(report)


def nan_in_a_batch_is_a_named_failure() -> None:
    x, y = m.batch_for(m.Mlp)
    x[3, 2] = math.nan
    report = quick(batch=(x, y))
    assert {c.passed for c in report.checks if c.name == "parity-clipped-sum"} == {False}
    assert "NaN or infinity in the gradient of example 3 of physical batch 1" in details(report)
    assert report.to_dict()["checks"][0]["value"] is None


def batch_norm_is_named_unsupported() -> None:
    report = quick(m.build(m.BatchNormMlp))
    assert not report.passed and not report.failures
    assert all(c.unsupported for c in report.checks)
    assert "layer norm (BatchNorm1d) mixes the examples" in details(report)
    try:
        assert_clipping(m.build(m.BatchNormMlp), CRITERION, m.batch_for(m.Mlp))
    except AssertionError as error:
        assert "GroupNorm" in str(error)
    else:
        raise AssertionError("an unsupported model was asserted to be right")


def examples_that_mix_are_a_named_failure() -> None:
    report = quick(m.build(m.MixingMlp), checks=["sensitivity"])
    assert [(c.passed, c.rule) for c in report.checks] == [(False, "DPM124")] * 2
    assert "changes what the other half contributes" in details(report)


class _Contrast(nn.Module):
    """Each example against the others of its batch."""

    def __init__(self) -> None:
        super().__init__()
        self.reduction = "mean"

    def forward(self, z: torch.Tensor, _: torch.Tensor) -> torch.Tensor:
        z = nn.functional.normalize(z, dim=1)
        return nn.functional.cross_entropy(z @ z.T, torch.arange(len(z)), reduction=self.reduction)


class _BatchStatistics(m.Mlp):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(nn.functional.batch_norm(x, None, None, training=True))


def what_is_nothing_for_an_example_alone_is_a_named_failure() -> None:
    checks = [*PARITY, "sensitivity"]
    alone_raises = quick(m.build(_BatchStatistics), checks=checks)
    for report in (quick(criterion=_Contrast(), checks=checks), alone_raises):
        named = {(c.engine, c.rule) for c in report.failures}
        # Where the memory manager is at fault as well, that is named first.
        assert (0, "DPM124") in named and (FAULTY or named == {(0, "DPM124"), (1, "DPM124")}), str(report)


class _TiedByHand(m.Mlp):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x + nn.functional.linear(x, self.l1.weight).mean(1, keepdim=True))


def weights_used_outside_their_layer_are_named_in_both_modes() -> None:
    report = quick(m.build(_TiedByHand))
    named = {(c.engine, c.rule) for c in report.failures if "DPM102" not in c.detail}
    assert {(0, "DPM117"), (1, "DPM117")} <= named, str(report)


def tied_weights_are_unsupported_in_ghost_mode_only() -> None:
    report = quick(m.build(m.TiedMlp), checks=CHECK_NAMES)
    assert report.passed
    ghost = [c for c in report.checks if c.engine == 1 and "DPM102" not in c.detail]
    assert len(ghost) == len(CHECK_NAMES) and all(c.unsupported for c in ghost)
    assert not any(c.unsupported for c in report.checks if c.engine == 0)
    assert_clipping(
        m.build(m.TiedMlp), CRITERION, m.batch_for(m.TiedMlp), allow_unsupported=True, checks=PARITY
    )
    try:
        assert_clipping(m.build(m.TiedMlp), CRITERION, m.batch_for(m.TiedMlp), checks=PARITY)
    except AssertionError as error:
        assert "Parameter tying is not supported" in str(error)
    else:
        raise AssertionError("ghost clipping did not run, and nobody was told")


def half_precision_has_a_limit_of_its_own() -> None:
    report = quick(dtype=torch.bfloat16)
    assert {c.limit for c in report.checks if c.limit is not None} <= {2e-2}
    assert report.passed or all(c.unsupported for c in report.checks), str(report)


def zero_gradients_have_nothing_to_clip() -> None:
    report = quick(criterion=None, loss=lambda model, b: model(b[0]).sum(1) * 0)
    assert not report.passed and "nothing to clip" in details(report)


def dict_batches_go_through_a_loss_function() -> None:
    x, y = m.batch_for(m.Mlp)
    report = check_clipping(
        m.build(m.Mlp),
        None,
        {"inputs": x, "labels": y},
        loss=lambda model, b: nn.functional.cross_entropy(model(b["inputs"]), b["labels"], reduction="none"),
        zero_grad="set-to-none",
    )
    assert report.passed, str(report)


def dropout_is_switched_off_for_comparisons_only() -> None:
    report = quick(m.build(m.DropoutMlp), checks=[*PARITY, "reproducible"])
    assert report.passed, str(report)
    module_dropout = nn.Sequential(nn.Linear(12, 16), nn.Dropout(0.5), nn.Linear(16, 4))
    assert quick(module_dropout).passed


def splits_are_even_and_uneven() -> list[tuple[str, int]]:
    report = quick(physical_batches=(1, 4), modes=["hooks"], checks=["parity-clipped-sum"])
    assert report.passed
    assert len(quick(batch=m.batch_for(m.Mlp, size=3), physical_batches=(1, 4)).measurements) == 2
    return [c.detail.split(":")[0].removeprefix("hooks, ") for c in report.checks]


def the_noise_generator_is_judged() -> None:
    def fresh(generator: torch.Generator | None) -> Any:
        report = quick(checks=["noise-fresh"], modes=["ghost"], noise_generator=generator)
        return report.checks[0]

    bare = fresh(torch.Generator())
    assert bare.passed is False and bare.rule == "DPM201"
    used = torch.Generator()
    torch.randn(3, generator=used)
    assert fresh(used).rule == "DPM201"
    assert fresh(torch.Generator().manual_seed(1)).passed is None
    assert fresh(None).passed is True


def noise_of_the_wrong_size_is_seen() -> None:
    from opacus.optimizers import optimizer as module

    original = module._generate_noise
    module._generate_noise = lambda *args, **kwargs: original(*args, **kwargs) / 2
    try:
        check = quick(modes=["hooks"], checks=["noise-std"]).checks[0]
    finally:
        module._generate_noise = original
    assert check.passed is False and 0.4 < check.value < 0.6
    assert quick(modes=["hooks"], checks=["noise-std"], noise_multiplier=0.0).checks[0].passed is None
    assert quick(modes=["hooks"], checks=["noise-std"], noise_multiplier=7.0).passed


def few_are_left_out_where_the_sums_are_right() -> None:
    report = quick(batch=m.batch_for(m.Mlp, size=70), checks=["sensitivity"])
    assert report.passed, str(report)
    assert "2 of 70 tried" in report.checks[0].detail and "2 of 70 tried" in report.checks[2].detail


def an_example_that_is_clipped_only_while_it_is_small_is_seen() -> None:
    """No sum of the batch itself shows it, and none without an example."""

    def step(model: Any, optimizer: Any, criterion: Any, batch: Any) -> None:
        bound, optimizer.max_grad_norm = optimizer.max_grad_norm, 1e6 if batch[0].abs().max() > 2 else 1.0
        optimizer.zero_grad(set_to_none=True)
        criterion(model(batch[0]), batch[1]).backward()
        optimizer.step()
        optimizer.max_grad_norm = bound

    x, y = m.batch_for(m.Mlp, size=12)
    options = {
        "modes": ["hooks"],
        "max_grad_norm": 1.0,
        "train_step": step,
        "checks": [*PARITY, "sensitivity"],
    }
    report = quick(batch=(x / x.abs().max(), y), **options)
    assert {c.name for c in report.failures} == {"sensitivity"}, str(report)


def class_weights_make_hooks_depend_on_the_batch() -> None:
    """Ghost clips w_i g_i; hooks clips gradients that the other examples' weights scale."""
    x, y = m.batch_for(m.Mlp, size=12)
    criterion = nn.CrossEntropyLoss(weight=torch.tensor([1.0, 5.0, 0.2, 3.0]))
    report = quick(batch=(x / 30, y), criterion=criterion, checks=["parity-clipped-sum", "sensitivity"])
    by_engine = {i: [c for c in report.checks if c.engine == i] for i in (0, 1)}
    assert [(c.engine, c.name, c.rule) for c in report.failures] == [(0, "sensitivity", "DPM121")]
    assert by_engine[0]
    assert all(c.engine == 0 for c in report.failures)
    assert all(c.passed for c in by_engine[1] if c.value is not None)


def bad_arguments_are_refused() -> None:
    from opacus import GradSampleModule

    model, batch = m.build(m.Mlp), m.batch_for(m.Mlp)
    for error, text, options in (
        (ValueError, "unknown check nope", {"checks": ["nope"]}),
        (ValueError, "positive numbers", {"physical_batches": (0,)}),
        (ValueError, "empty", {"batch": (batch[0][:0], batch[1][:0])}),
        (TypeError, "criterion or loss", {"criterion": None}),
        (ValueError, "wrapped by Opacus", {"model": GradSampleModule(copy.deepcopy(model))}),
        (ValueError, "no trainable parameter", {"model": copy.deepcopy(model).requires_grad_(False)}),
        (TypeError, "give loss=", {"batch": {"x": batch[0]}}),
    ):
        try:
            quick(**options)
        except error as caught:
            assert text in str(caught), caught
        else:
            raise AssertionError(f"{options} was accepted")


def a_failure_says_which_layer_and_examples() -> str:
    """Clipping by a norm that leaves out one layer, planted into Opacus's own computation."""
    from opacus.grad_sample.grad_sample_module_fast_gradient_clipping import (
        GradSampleModuleFastGradientClipping,
    )

    samplers = GradSampleModuleFastGradientClipping.NORM_SAMPLERS
    original = samplers[nn.Linear]

    def deaf(layer: nn.Linear, activations: Any, backprops: Any) -> Any:
        found = original(layer, activations, backprops)
        if layer.out_features == 4:
            found[layer.weight] = found[layer.weight] * torch.linspace(0.2, 1, len(found[layer.weight]))
        return found

    samplers[nn.Linear] = deaf
    try:
        assert_clipping(
            m.build(m.Mlp),
            CRITERION,
            m.batch_for(m.Mlp),
            physical_batches=(1,),
            modes=["ghost"],
            checks=["parity-clipped-sum", "parity-norms"],
        )
    except AssertionError as error:
        return str(error)
    finally:
        samplers[nn.Linear] = original
    raise AssertionError("wrong norms were asserted to be right")


def the_report_follows_the_contract() -> dict[str, Any]:
    report = check_clipping(m.build(m.Mlp), CRITERION, m.batch_for(m.Mlp), zero_grad="default")
    assert report.passed == (not FAULTY)
    assert ("DPM101" in report.rules) == FAULTY
    assert json.loads(json.dumps(report.to_dict(), allow_nan=False)) == report.to_dict()
    return report.to_dict()


def recipes_know_ghost_modes() -> None:
    assert (
        Recipe("ghost", None).ghost and Recipe("ghost_fsdp", None).ghost and not Recipe("hooks", None).ghost
    )


SCENARIOS: tuple[Callable[[], Any], ...] = (
    nothing_given_is_changed,
    a_batch_of_one_is_judged_and_still_clipped,
    class_weights_are_named_though_c_was_looked_for_without_them,
    nan_in_a_batch_is_a_named_failure,
    batch_norm_is_named_unsupported,
    examples_that_mix_are_a_named_failure,
    what_is_nothing_for_an_example_alone_is_a_named_failure,
    weights_used_outside_their_layer_are_named_in_both_modes,
    tied_weights_are_unsupported_in_ghost_mode_only,
    half_precision_has_a_limit_of_its_own,
    zero_gradients_have_nothing_to_clip,
    dict_batches_go_through_a_loss_function,
    dropout_is_switched_off_for_comparisons_only,
    splits_are_even_and_uneven,
    the_noise_generator_is_judged,
    noise_of_the_wrong_size_is_seen,
    few_are_left_out_where_the_sums_are_right,
    an_example_that_is_clipped_only_while_it_is_small_is_seen,
    class_weights_make_hooks_depend_on_the_batch,
    bad_arguments_are_refused,
    a_failure_says_which_layer_and_examples,
    the_report_follows_the_contract,
    recipes_know_ghost_modes,
)


def run(scenario: Callable[[], Any]) -> dict[str, Any]:
    try:
        return {"ok": True, "value": scenario()}
    except Exception:
        import traceback

        return {"ok": False, "value": traceback.format_exc()}


if __name__ == "__main__":
    torch.set_num_threads(1)
    chosen = [s for s in SCENARIOS if len(sys.argv) < 2 or s.__name__ in sys.argv[1:]]
    json.dump({scenario.__name__: run(scenario) for scenario in chosen}, sys.stdout)
