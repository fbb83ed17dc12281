"""What is concluded from sums and norms, record by record and at each limit."""

from __future__ import annotations

import math
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from dpmigrate.runtime.limits import parity_limit  # noqa: E402
from dpmigrate.runtime.report_types import Check  # noqa: E402
from dpmigrate.runtime.run.judging import verdicts  # noqa: E402
from dpmigrate.runtime.run.records import BackwardPass, EngineRecord, PhysicalBatch, RunRecord  # noqa: E402
from tests.runtime.made_records import LIMIT, SUM, engine, off_by, passed_back, step, vector  # noqa: E402


class TestLimit:
    def test_it_is_that_of_the_dtype_and_grows_with_the_rounding_that_is_seen(self) -> None:
        assert verdicts.limit_for(engine(step())) == LIMIT
        assert verdicts.limit_for(engine(step(), dtype="float64")) == 1e-12
        assert verdicts.limit_for(engine(step(), precision="bfloat16")) == parity_limit("bfloat16", 4)
        rounded = [PhysicalBatch([passed_back(rounding=r) for r in (1e-5, 5e-5, math.inf)])]
        assert verdicts.limit_for(engine(step(SUM, *rounded))) == pytest.approx(2e-4)

    def test_adaptive_clipping_divides_by_the_bare_norm(self) -> None:
        small = step(SUM, PhysicalBatch([passed_back(norms=vector(0.01, 3.0)), passed_back(norms=None)]))
        assert verdicts.limit_for(engine(small, adaptive=True)) == pytest.approx(2e-4)
        assert verdicts.limit_for(engine(small)) == LIMIT
        assert verdicts.limit_for(engine(step(), adaptive=True)) == LIMIT
        empty = step(SUM, PhysicalBatch([passed_back(norms=vector())]))
        assert verdicts.limit_for(engine(empty, adaptive=True)) == LIMIT
        nothing = step(SUM, PhysicalBatch([passed_back(norms=vector(0.0))]))
        assert verdicts.limit_for(engine(nothing, adaptive=True)) == pytest.approx(2.0)


class TestLaterSteps:
    def test_those_that_do_not_hold_are_not_among_those_that_do(self) -> None:
        judged = engine(step(), later={5: step(), 7: step(2 * SUM)})
        assert verdicts.against_oracle(judged, 0)[0].detail.endswith("over 1 logical step, and in step 5")


class TestNonfinite:
    def test_the_first_examples_are_named(self) -> None:
        assert verdicts.nonfinite(engine(step(), step())) == ""
        many = vector(*[math.nan] * 7, 1.0)
        bad = step(SUM, PhysicalBatch([passed_back()]), PhysicalBatch([passed_back(norms=many)]))
        said = "examples 0, 1, 2, 3, 4, ... of physical batch 2 in logical step 2"
        assert verdicts.nonfinite(engine(step(), bad)) == said
        one = step(SUM, PhysicalBatch([passed_back(norms=None), passed_back(norms=vector(1.0, math.inf))]))
        assert verdicts.nonfinite(engine(one)) == "example 1 of physical batch 1 in logical step 1"
        known = step(SUM, PhysicalBatch([passed_back(norms=vector(math.nan, math.nan), broken=[1])]))
        assert verdicts.nonfinite(engine(known)) == "example 1 of physical batch 1 in logical step 1"
        (check,) = verdicts.against_oracle(engine(known), 4)
        assert (check.name, check.passed, check.engine) == ("parity-clipped-sum", False, 4)
        assert check.detail.startswith("NaN or infinity in the gradient of example 1 of")


class TestClippedSum:
    @pytest.mark.parametrize(("error", "passed"), [(0.0, True), (0.9 * LIMIT, True), (1.1 * LIMIT, False)])
    def test_against_the_oracle(self, error: float, passed: bool) -> None:
        total, norms = verdicts.against_oracle(engine(step(), step(off_by(error))), 1)
        assert (total.name, total.passed, total.limit, total.engine) == (
            "parity-clipped-sum",
            passed,
            LIMIT,
            1,
        )
        assert total.value == pytest.approx(error, abs=1e-12)
        assert (norms.name, norms.passed, norms.value) == ("parity-norms", True, 0.0)
        if passed:
            assert total.detail == "ghost against the oracle: clipped sum over 2 logical steps"

    def test_nothing_to_judge(self) -> None:
        assert verdicts.against_oracle(engine(), 0) == []
        why = passed_back(expected=None, reason="a custom layer")
        total = verdicts.against_oracle(engine(step(SUM, PhysicalBatch([why]))), 0)[0]
        assert (total.passed, total.detail) == (None, "no oracle: a custom layer")
        hooks = verdicts.against_oracle(engine(step(), mode="hooks"), 0)
        assert [c.name for c in hooks] == ["parity-clipped-sum"]

    def test_a_limit_beyond_the_plain_one_is_said(self) -> None:
        rounded = step(SUM, PhysicalBatch([passed_back(rounding=1e-4)]))
        total = verdicts.against_oracle(engine(rounded, mode="hooks"), 0)[0]
        assert total.detail.endswith("; the limit is what plain autograd rounds by on these batches")

    def test_a_loss_that_asked_for_no_factor_is_named_where_no_oracle_can_judge(self) -> None:
        loose = passed_back(expected=None, coefficient=False)
        total = verdicts.against_oracle(engine(step(SUM, PhysicalBatch([loose]))), 0)[0]
        assert (total.passed, total.value, total.rule) == (False, None, "DPM103")
        right = verdicts.against_oracle(
            engine(step(SUM, PhysicalBatch([passed_back(coefficient=False)]))), 0
        )[0]
        assert right.passed is True

    def test_a_sum_that_is_no_number(self) -> None:
        total = verdicts.against_oracle(engine(step(SUM * math.nan)), 0)[0]
        assert (total.passed, total.detail) == (False, "NaN or infinity in the gradients")

    def test_the_memory_managers_own_fault_is_named_beside_another(self) -> None:
        batches = [PhysicalBatch([passed_back(coefficient=False)], received=part) for part in (SUM, 2 * SUM)]
        checks = verdicts.against_oracle(engine(step(4 * SUM, *batches)), 0)
        assert [(c.rule, c.passed) for c in checks[:2]] == [("DPM103", False), ("DPM101", False)]
        assert checks[1].value == pytest.approx(1 / 3)
        alone = verdicts.against_oracle(engine(step(3 * SUM * (1 + 5e-4), *batches)), 0)
        assert [c.rule for c in alone if c.name == "parity-clipped-sum"] == ["DPM103"]
        right = [PhysicalBatch([passed_back()], received=SUM) for _ in range(2)]
        one = verdicts.against_oracle(engine(step(2.5 * SUM, *right)), 0)
        assert [c.rule for c in one if c.passed is False] == ["DPM101"]


class TestNorms:
    def judged(self, *backwards: BackwardPass) -> Check:
        return verdicts.against_oracle(engine(step(SUM, PhysicalBatch(list(backwards)))), 2)[-1]

    @pytest.mark.parametrize(("error", "passed"), [(0.9 * LIMIT, True), (1.1 * LIMIT, False)])
    def test_against_the_oracle(self, error: float, passed: bool) -> None:
        check = self.judged(passed_back(ghost_norms=vector(1.0, 3.0) * (1 + error)))
        assert (check.name, check.passed, check.engine) == ("parity-norms", passed, 2)
        if passed:
            assert check.detail.startswith("per-sample gradient norms of 2 examples")

    def test_another_number_of_them(self) -> None:
        check = self.judged(passed_back(ghost_norms=vector(1.0, 3.0, 1.0)))
        assert (check.passed, check.detail) == (False, "3 ghost norms for 2 examples")

    def test_none_was_asked_for(self) -> None:
        for nothing in ({"ghost_norms": None}, {"norms": None}, {"norms": vector(), "ghost_norms": vector()}):
            check = self.judged(passed_back(**nothing))
            assert (check.passed, check.detail) == (None, "no ghost norm was asked for")

    def test_the_fault_is_named(self) -> None:
        wrong = passed_back(
            ghost_norms=vector(2.0, 3.0),
            param_norms=torch.ones(2, 2, dtype=torch.float64),
            ghost_param_norms=torch.tensor([[1.0, 1.0], [3.0, 1.0]], dtype=torch.float64),
        )
        check = self.judged(wrong)
        assert (check.passed, check.rule) == (False, "DPM112")


class TestBound:
    def test_it_clips_half(self) -> None:
        assert verdicts.median_bound(vector(4.0, 1.0, 3.0, 2.0)) == 2.5
        assert verdicts.median_bound(vector(1.0, 2.0, 9.0)) == 1.5
        assert verdicts.median_bound(vector(0.0, 0.0, 3.0)) == 1.5
        assert verdicts.median_bound(vector(3.0)) == 1.5
        assert verdicts.median_bound(vector(2.0, 2.001)) == 1.0005
        assert verdicts.median_bound(vector(2.0, 2.01)) == 2.005
        for none in (vector(), vector(0.0, 0.0)):
            with pytest.raises(ValueError, match="nothing to clip"):
                verdicts.median_bound(none)

    def test_only_where_the_scripts_own_tells_nothing(self) -> None:
        def of(bound: float | None, norms: torch.Tensor | None = None, **changed: Any) -> float | None:
            norms = vector(1.0, 3.0) if norms is None else norms
            one = step(SUM, PhysicalBatch([passed_back(norms=norms)]), max_grad_norm=bound)
            return verdicts.telling_bound(engine(one, **changed))

        assert of(2.0) is None
        assert of(1.0) is None, "one is clipped, one is not"
        assert of(3.0) == 2.0, "none is clipped"
        assert of(0.5) == 2.0, "all are"
        assert of(None) is None
        assert of(0.5, adaptive=True) is None
        assert of(0.5, per_layer=True) is None
        assert of(0.5, vector()) is None
        assert of(0.5, vector(0.0, 0.0)) is None
        assert verdicts.telling_bound(engine()) is None
        hidden = step(SUM, PhysicalBatch([passed_back(expected=None)]), max_grad_norm=0.5)
        assert verdicts.telling_bound(engine(hidden)) is None

    def test_it_is_said_with_what_was_found_at_it(self) -> None:
        check = verdicts.at_bound(engine(step()), 3, 1.23456)
        assert (check.passed, check.engine) == (True, 3)
        assert check.detail.startswith("C at the median norm (1.23): ghost against the oracle")


class TestOtherMode:
    def judged(self, first: EngineRecord, second: EngineRecord, right: bool | None = False) -> list[Check]:
        return verdicts.against_other_mode(first, second, 1, "hooks", right)

    @pytest.mark.parametrize(("error", "passed"), [(0.9 * LIMIT, True), (1.1 * LIMIT, False)])
    def test_sums_and_steps(self, error: float, passed: bool) -> None:
        sums, steps = self.judged(engine(step(off_by(error))), engine(step()))
        assert (sums.name, sums.passed, sums.engine) == ("parity-clipped-sum", passed, 1)
        assert (steps.name, steps.passed, steps.engine) == ("parity-step", passed, 1)
        assert sums.detail == "hooks against ghost: clipped sum over 1 logical step"
        assert steps.detail.endswith("gradient handed to the optimizer over 1 logical step")

    @pytest.mark.parametrize(
        ("right", "said"), [(True, "under hooks has another loss"), (None, "no oracle says which is right")]
    )
    def test_a_difference_is_no_fault_of_a_script_that_the_oracle_does_not_fault(
        self, right: bool | None, said: str
    ) -> None:
        sums, _ = self.judged(engine(step(off_by(1.0))), engine(step()), right)
        assert (sums.passed, said in sums.detail) == (None, True)
        assert self.judged(engine(step()), engine(step()), right)[0].passed is True
        plain = engine(step(off_by(1.0)), mode="hooks")
        sums = verdicts.against_other_mode(plain, engine(step()), 1, "ghost", True)[0]
        assert "under ghost this Opacus would differ" in sums.detail

    def test_parameters_are_compared_where_the_optimizer_is_linear(self) -> None:
        def of(change: float) -> EngineRecord:
            before = torch.ones(4, dtype=torch.float64)
            return engine(step(before=before, after=before + change * SUM), linear_optimizer=True)

        def moved(change: float) -> Check:
            return self.judged(of(change), of(1.0))[1]

        assert moved(1.0).passed is True
        assert moved(1.1).value == pytest.approx(0.1, abs=1e-5)
        assert moved(1.1).detail.endswith("parameter change over 1 logical step")
        assert moved(1 + 1e-7).value == 0.0, "what a stored parameter rounds by"
        unknown = engine(step(), linear_optimizer=True)
        value = self.judged(unknown, of(1.0))[1].value
        assert value is not None and math.isnan(value)

    def test_steps_count_as_far_as_the_batches_are_the_same(self) -> None:
        other = step(off_by(1.0), batch_digest="b")
        sums, _ = self.judged(engine(step(), other), engine(step(), step()))
        assert (sums.passed, sums.detail.endswith("over 1 logical step")) == (True, True)
        sums, _ = self.judged(engine(step(), step()), engine(step(), step(), step()))
        assert sums.detail.endswith("over 2 logical steps")
        (check,) = self.judged(engine(other), engine(step()))
        assert (check.passed, check.detail) == (
            None,
            "hooks against ghost: the two runs drew different batches although seeded alike",
        )
        (check,) = self.judged(engine(step()), engine())
        assert (check.passed, "made no logical step" in check.detail) == (None, True)

    def test_a_loss_that_hides_the_output_is_held_against_the_oracle(self) -> None:
        first, second = self.judged(engine(step(off_by(1.0), scale=1.0)), engine(unfollowed=True))
        assert (first.passed, second.passed, second.value) == (None, False, pytest.approx(1.0))

    def test_what_was_handed_on_against_the_oracle(self) -> None:
        halved = step(SUM, handed=SUM / 2, scale=0.5)
        (check,) = verdicts.step_against_oracle(engine(halved), 1)
        assert (check.passed, check.value) == (True, 0.0)
        (check,) = verdicts.step_against_oracle(engine(halved, step(SUM, handed=off_by(0.25))), 1)
        assert (check.passed, check.value) == (False, pytest.approx(0.25))
        unknown = [
            step(handed=None),
            step(scale=None),
            step(SUM, PhysicalBatch([passed_back(expected=None)])),
        ]
        assert verdicts.step_against_oracle(engine(*unknown), 1) == []


def test_figures_are_those_of_the_first_step_that_was_judged() -> None:
    hidden = step(SUM, PhysicalBatch([passed_back(expected=None)]))
    wrong = step(vector(3.0, 0.0, 4.0, 0.5), PhysicalBatch([passed_back()]), PhysicalBatch([], SUM))
    record = RunRecord(engines=[engine(hidden), engine(hidden, step(None), wrong, step(), mode="hooks")])
    (figures,) = verdicts.measurements(record)
    assert (figures.engine, figures.mode, figures.physical_batches) == (1, "hooks", 2)
    assert (figures.relative_error, figures.layer_errors) == (
        pytest.approx(0.1),
        {"weight": 0.0, "bias": pytest.approx(0.1)},
    )
    assert (figures.norms, figures.oracle_norms) == ((1.0, 3.0), (1.0, 3.0))
