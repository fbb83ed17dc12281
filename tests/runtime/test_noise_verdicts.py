"""What is concluded from the noise that was added, record by record and at each limit."""

from __future__ import annotations

import math

import pytest

torch = pytest.importorskip("torch")

from dpmigrate.runtime.report_types import Check  # noqa: E402
from dpmigrate.runtime.run.judging import noise_verdicts as verdicts  # noqa: E402
from dpmigrate.runtime.run.records import EngineRecord, LogicalStep, Release, RunRecord  # noqa: E402

WIDTH = 20


def drawn(seed: int, width: int = WIDTH) -> torch.Tensor:
    return torch.randn(width, generator=torch.Generator().manual_seed(seed))


def release(seed: int, std: float = 1.0, **changed: object) -> Release:
    """A step at sigma 2 and multiplier 1 whose 200 draws have ``std`` in units of one."""
    fields = {
        "max_grad_norm": 2.0,
        "module_norm": None,
        "multiplier": 1.0,
        "sigma": 2.0,
        "noise": drawn(seed),
        "noise_std": 2.0 * std,
        "noise_count": 200,
        "generator_state": seed,
    }
    return Release(**(fields | changed))  # type: ignore[arg-type]


def engine(releases: list[Release], **changed: object) -> EngineRecord:
    fields = {"path": "train.py", "line": 7, "mode": "hooks", "manual": False, "generator": "none"}
    fields |= {"names": ["w"], "sizes": [WIDTH], "shapes": [(WIDTH,)], "dtype": "float32"}
    fields |= {"optimizer": "DPOptimizer", "linear_optimizer": True, "wrapped_api": True}
    return EngineRecord(releases=releases, **(fields | changed))  # type: ignore[arg-type]


class TestStd:
    def judged(self, releases: list[Release], **changed: object) -> Check:
        (check,) = verdicts.noise_std(engine(releases, **changed), 3)
        assert (check.name, check.engine) == ("noise-std", 3)
        return check

    def test_without_a_step_nothing_is_said(self) -> None:
        assert verdicts.noise_std(engine([]), 0) == []

    @pytest.mark.parametrize(
        ("std", "passed", "rule"), [(1.0, True, None), (1.3, False, None), (0.7, False, "DPM208")]
    )
    def test_more_and_less_than_promised(self, std: float, passed: bool, rule: str | None) -> None:
        check = self.judged([release(1, std), release(2, std)])
        assert (check.passed, check.rule) == (passed, rule)
        assert check.value == pytest.approx(abs(std - 1))
        assert check.limit == pytest.approx(5 / math.sqrt(2 * 400))
        assert check.detail.endswith(
            f"noise std over sigma*C is {std:.4f} for 400 draws"
            + ": less than epsilon counts on" * bool(rule)
        )

    @pytest.mark.parametrize("off", [0.99, 1.01])
    def test_the_limit_is_five_deviations_of_so_many_draws(self, off: float) -> None:
        std = 1 + off * 5 / math.sqrt(2 * 200)
        assert self.judged([release(1, std)]).passed is (off < 1)

    def test_one_step_among_many_that_agree(self) -> None:
        many = [release(seed, noise_count=100) for seed in range(80)]
        for std, passed in ((1.7, False), (1.4, True), (0.3, False)):
            check = self.judged([*many, release(99, std, noise_count=100)])
            assert check.passed is passed
            assert ("at step 81" in check.detail) is not passed

    @pytest.mark.parametrize("off", [0.99, 1.01])
    def test_the_limit_of_one_step_is_eight_deviations(self, off: float) -> None:
        many = [release(seed, noise_count=100) for seed in range(80)]
        check = self.judged([*many, release(99, 1 + off * 8 / math.sqrt(2 * 100), noise_count=100)])
        assert check.passed is (off < 1)
        if off > 1:
            assert check.limit == pytest.approx(8 / math.sqrt(2 * 100))

    def test_a_small_sigma_is_noise_too(self) -> None:
        assert self.judged([release(1, sigma=0.5, noise_std=0.5)]).passed is True

    def test_steps_weigh_by_their_draws(self) -> None:
        check = self.judged([release(1, 1.0, noise_count=900), release(2, 1.2, noise_count=100)])
        assert check.value == pytest.approx(math.sqrt(0.9 + 0.1 * 1.44) - 1)

    def test_draws_that_repeat_are_the_evidence_of_one_step(self) -> None:
        for std, passed in ((1.1, True), (1.24, True), (1.26, False)):
            repeated = [release(1, std, generator_state=n) for n in range(9)]
            assert self.judged(repeated).passed is passed
        assert self.judged([release(seed, 1.1) for seed in range(9)]).passed is False

    def test_a_multiplier_that_was_put_to_nothing(self) -> None:
        off = release(2, 0.0, multiplier=0.0, sigma=0.0)
        check = self.judged([release(1), off, off])
        assert (check.passed, check.rule) == (False, "DPM208")
        assert "0 at 2 of 3 steps (the first is step 2), and 1 was asked for" in check.detail
        check = self.judged([off], asked_multiplier=1.5)
        assert (check.passed, check.rule) == (False, "DPM208")
        assert "1.5 was asked for" in check.detail

    def test_no_noise_was_asked_for(self) -> None:
        for asked in (None, 0.0):
            check = self.judged([release(1, 0.0, multiplier=0.0, sigma=0.0)], asked_multiplier=asked)
            assert (check.passed, check.detail) == (None, verdicts.NOTHING_PRIVATE)

    def test_steps_of_which_one_number_is_known_say_nothing(self) -> None:
        check = self.judged([release(1, 5.0, noise_count=1)])
        assert check.passed is None
        assert self.judged([release(1, 5.0, noise_count=1), release(2, noise_count=2)]).passed is True

    def test_another_rank_adds_it(self) -> None:
        assert self.judged([release(1, 0.0)], adds_noise=False).passed is None

    def test_none_is_added(self) -> None:
        check = self.judged([release(1), release(2, 0.0)])
        assert (check.passed, check.rule) == (False, "DPM208")
        assert "no noise is added at 1 of 2 steps (the first is step 2)" in check.detail


class TestFresh:
    def judged(
        self,
        first: list[Release],
        second: list[Release] | None,
        seeds: tuple[int, int] = (1, 2),
        of_second: dict[str, object] | None = None,
        **changed: object,
    ) -> list[Check]:
        runs = [RunRecord(engines=[engine(first, **changed)])]
        if second is not None:
            runs.append(RunRecord(engines=[engine(second, **(of_second or {}))]))
        for run, seed in zip(runs, seeds, strict=False):
            for step in run.engines[0].releases:
                step.seed = seed
        return verdicts.noise_fresh(runs[0], runs[1] if second is not None else None, 0)

    def test_nothing_to_judge(self) -> None:
        assert self.judged([], None) == []
        (check,) = self.judged([release(1, 0.0, sigma=0.0)], None)
        assert (check.passed, check.detail) == (None, verdicts.NOTHING_PRIVATE)
        (check,) = self.judged([release(1, 0.0)], None)
        assert (check.passed, check.detail) == (None, "no noise is drawn")

    @pytest.mark.parametrize(("state", "said"), [(1, "set back while"), (3, "kept or seeded")])
    def test_noise_that_comes_again(self, state: int, said: str) -> None:
        (check,) = self.judged([release(1), release(2), release(1, generator_state=state)], None)
        assert (check.passed, check.rule) == (False, "DPM205")
        assert "step 3 adds the noise of step 1 again" in check.detail
        assert said in check.detail

    @pytest.mark.parametrize(("apart", "same"), [(0.9, True), (1.1, False)])
    def test_what_is_one_draw_but_for_rounding(self, apart: float, same: bool) -> None:
        moved = drawn(1) + apart * 100 * verdicts.ALIKE
        (check,) = self.judged([release(1), release(2, noise=moved)], None)
        assert check.passed is not same

    @pytest.mark.parametrize(("width", "same"), [(15, False), (16, True)])
    def test_from_sixteen_numbers_on_the_slack_is_wider(self, width: int, same: bool) -> None:
        near = [drawn(1, width), drawn(1, width) + 50 * verdicts.ALIKE]
        (check,) = self.judged([release(1, noise=noise) for noise in near], None)
        assert check.passed is not same

    def test_a_run_that_made_no_step_is_beside_none(self) -> None:
        run = RunRecord(engines=[engine([]), engine([release(1)])])
        assert verdicts.noise_fresh(run, None, 1)[0].passed is True

    def test_few_numbers_come_near_by_chance(self) -> None:
        few = [release(1, noise=drawn(1, 10)), release(1, noise=drawn(1, 10) + 50 * verdicts.ALIKE)]
        assert self.judged(few, None)[0].passed is True
        few = [release(1, noise=drawn(1, 1)), release(1, noise=drawn(1, 1))]
        assert self.judged(few, None)[0].passed is True, "one number alone"

    def test_no_other_process(self) -> None:
        for other in (None, []):
            (check,) = self.judged([release(1), release(2)], other)
            assert check.passed is True
            assert check.detail == "no two of 2 steps add the same noise; no second process made a step"

    def test_two_processes(self) -> None:
        (check,) = self.judged([release(1)], [release(2)])
        assert (check.passed, check.detail) == (
            True,
            "no two of 1 steps add the same noise, nor do two processes",
        )
        (check,) = self.judged([release(1)], [release(1, noise=drawn(1)[:10])])
        assert check.passed is True, "not to be compared"
        (check,) = self.judged([release(1)], [release(1)])
        assert (check.passed, check.rule, check.detail) == (
            False,
            None,
            "two processes draw the same noise",
        )

    def test_a_bare_generator(self) -> None:
        (check,) = self.judged([release(1)], [release(1)], generator="bare")
        assert (check.passed, check.rule) == (False, "DPM201")

    @pytest.mark.parametrize(
        ("generator", "seeds", "whose"),
        [("seeded", (1, 2), "its noise generator"), ("none", (4, 4), "the global generator")],
    )
    def test_a_seed_of_its_own(self, generator: str, seeds: tuple[int, int], whose: str) -> None:
        (check,) = self.judged([release(1)], [release(1)], seeds, generator=generator)
        assert check.passed is None
        assert f"the script seeds {whose}" in check.detail

    def test_batches_of_a_bare_generator(self) -> None:
        def of(
            kind: str, drawn_: list[int], theirs: list[int], seeds: tuple[int, int] = (1, 2)
        ) -> list[Check]:
            more = {"first_drawn": theirs}
            made = self.judged(
                [release(1)], [release(2)], seeds, more, loader_generator=kind, first_drawn=drawn_
            )
            assert made[0].passed is True
            return made[1:]

        (check,) = of("bare", [1, 2, 3, 4, 5], [1, 2, 3, 4])
        assert (check.passed, check.rule) == (False, "DPM202")
        (check,) = of("seeded", [1, 2, 3, 4], [1, 2, 3, 4])
        assert (check.passed, check.rule) == (None, None)
        assert of("bare", [1, 2, 3], [1, 2, 3]) == [], "by chance"
        assert of("bare", [1, 2, 3, 4], [1, 2, 4, 3]) == []
        assert of("none", [1, 2, 3, 4], [1, 2, 3, 4]) == []
        assert of("", [1, 2, 3, 4], [1, 2, 3, 4]) == []
        assert of("bare", [1, 2, 3, 4], [1, 2, 3, 4], (5, 5)) == []


class TestReproducible:
    def step(self, digest: str = "a", before: float = 0.0, after: float = 1.0) -> LogicalStep:
        filled = torch.full((WIDTH,), after)
        return LogicalStep([], batch_digest=digest, before=torch.full((WIDTH,), before), after=filled)

    def judged(self, first: EngineRecord, second: EngineRecord | None) -> Check:
        (check,) = verdicts.reproducible(first, second, 2)
        assert (check.name, check.engine) == ("reproducible", 2)
        return check

    def of(self, steps: list[LogicalStep], releases: list[Release]) -> EngineRecord:
        return engine(releases, steps=steps)

    def test_without_a_step_nothing_is_said(self) -> None:
        assert verdicts.reproducible(self.of([], []), None, 0) == []
        first = self.of([self.step()], [release(1)])
        for other in (None, self.of([], [])):
            assert "made no step of it" in self.judged(first, other).detail
            assert self.judged(first, other).passed is None

    def test_equal_bits(self) -> None:
        first, second = (self.of([self.step()], [release(1)]) for _ in range(2))
        check = self.judged(first, second)
        assert (check.passed, check.value, check.detail) == (
            True,
            0.0,
            "two runs with one seed are bit-equal",
        )

    def test_other_parameters_at_the_end(self) -> None:
        first = self.of([self.step(after=1.0)], [release(1)])
        check = self.judged(first, self.of([self.step(after=1.5)], [release(1)]))
        assert (check.passed, check.value) == (False, 0.5)

    @pytest.mark.parametrize(
        ("step", "noise", "said"),
        [
            ({"before": 1.0}, 1, "begin with other parameters"),
            ({"digest": "b"}, 1, "train on other batches"),
            ({}, 2, "the noise generator takes entropy of its own"),
        ],
    )
    def test_entropy_of_its_own(self, step: dict[str, object], noise: int, said: str) -> None:
        first = self.of([self.step()], [release(1)])
        second = self.of([self.step(**step)], [release(noise)])  # type: ignore[arg-type]
        check = self.judged(first, second)
        assert check.passed is None
        assert said in check.detail

    def test_one_step_of_several_is_enough(self) -> None:
        first = self.of([self.step(), self.step()], [release(1), release(2)])
        other = self.of([self.step(), self.step("b")], [release(1), release(2)])
        assert "other batches" in self.judged(first, other).detail
        other = self.of([self.step(), self.step()], [release(1), release(3)])
        assert "the noise generator takes entropy" in self.judged(first, other).detail

    def test_noise_behind_the_last_step_of_both_is_not_asked(self) -> None:
        first = self.of([self.step()], [release(1), release(2)])
        assert self.judged(first, self.of([self.step()], [release(1), release(3)])).passed is True

    def test_steps_without_noise_are_compared_all_the_same(self) -> None:
        first = self.of([self.step()], [release(1, 0.0)])
        for std in (0.0, 1.0):
            assert self.judged(first, self.of([self.step()], [release(2, std)])).passed is True
