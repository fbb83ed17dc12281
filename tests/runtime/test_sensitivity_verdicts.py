"""What is concluded from examples left out or changed, and which fault a consequence is put down to."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch")

from dpmigrate.runtime.limits import parity_limit  # noqa: E402
from dpmigrate.runtime.report_types import Check  # noqa: E402
from dpmigrate.runtime.run.experiments.removal import Removal  # noqa: E402
from dpmigrate.runtime.run.judging import verdicts  # noqa: E402
from dpmigrate.runtime.run.records import RunRecord  # noqa: E402
from tests.runtime.made_records import LIMIT, engine, step  # noqa: E402


class TestSensitivity:
    def judged(self, removal: Removal | None, checks: list[Check] | None = None, **changed: Any) -> Check:
        run = RunRecord(engines=[engine(), engine(step(), **changed)])
        removals = {} if removal is None else {1: removal}
        told = [Check("parity-clipped-sum", True, engine=1)] if checks is None else checks
        check = verdicts.sensitivity(run, 1, removals, told)
        assert (check.name, check.engine) == ("sensitivity", 1)
        return check

    def failed(self, rule: str | None, index: int = 1) -> Check:
        return Check("parity-clipped-sum", False, 1.0, LIMIT, rule, index)

    @pytest.mark.parametrize(
        ("worst", "passed"), [(0.5, True), (1.00009, True), (1.0002, False), (2.0, False)]
    )
    def test_one_example_moves_c_at_most(self, worst: float, passed: bool) -> None:
        check = self.judged(Removal(1, 8, [(2, worst), (5, 0.1)]), [self.failed("DPM103")])
        assert (check.passed, check.value, check.limit) == (
            (passed, worst, 1.0001) if not passed else (None, None, None)
        )
        check = self.judged(Removal(1, 8, [(5, 0.1), (2, worst)]))
        assert (check.passed, check.value, check.limit) == (passed, worst, 1.0001)
        assert "leaving out one example (2 of 8 tried)" in check.detail
        assert "(example 2 of the batch)" in check.detail
        assert check.rule == (None if passed else "DPM124")

    def test_half_precision_rounds(self) -> None:
        check = self.judged(Removal(1, 8, [(0, 1.05)]), precision="bfloat16")
        assert (check.passed, check.limit) == (True, 1 + 5 * parity_limit("bfloat16", 4))

    def test_replacing_an_example_moves_twice_as_much(self) -> None:
        moves, replacements = [(0, 1.9)], [(1, 1.9)]
        check = self.judged(Removal(1, 8, moves, replacements))
        assert (check.passed, check.limit) == (True, 2.0002)
        assert check.detail.startswith("replacing one example (1 of 8 tried)")
        named = self.judged(Removal(1, 8, moves, replacements), [self.failed("DPM104")])
        assert (named.passed, named.limit, named.rule) == (False, 1.0001, "DPM104")
        drawing = self.judged(Removal(1, 8, [], replacements, replaced=True), [self.failed("DPM104")])
        assert (drawing.passed, drawing.limit) == (True, 2.0002)

    def test_nothing_can_be_said(self) -> None:
        assert "moves C with the batch" in self.judged(Removal(1, 8, [(0, 9.0)]), adaptive=True).detail
        assert self.judged(None).detail == "the run made no such step"
        assert self.judged(Removal(1, 8)).detail == "the run made no such step"
        assert self.judged(Removal(1, 8, problem="it failed")).detail == "it failed"
        still = self.judged(Removal(1, 8, [(0, 0.0)]))
        assert (still.passed, "not trained on" in still.detail) == (None, True)
        loose = self.judged(Removal(1, 8, [(0, 0.3)]), [self.failed("DPM103")])
        assert (loose.passed, "nothing is clipped here" in loose.detail) == (None, True)

    def test_the_fault_is_the_one_that_is_known(self) -> None:
        moved = Removal(1, 8, [(0, 3.0)])
        assert self.judged(moved, [self.failed("DPM104")]).rule == "DPM104"
        assert self.judged(moved, [self.failed(None)]).rule is None
        both = self.judged(moved, [self.failed("DPM104"), self.failed("DPM107"), self.failed("DPM104")])
        assert (both.rule, both.detail.endswith("; DPM104 and DPM107 have a part in it together")) == (
            "DPM104",
            True,
        )
        of_another = [self.failed("DPM104", 0), Check("parity-clipped-sum", True, engine=1)]
        assert self.judged(moved, of_another).rule == "DPM124"
        assert self.judged(moved, []).rule is None, "no oracle has shown that each row is clipped"
        assert self.judged(moved, late=["head.weight"]).rule is None
        assert "8 rows" not in self.judged(moved).detail
        rows = self.judged(Removal(1, 1, [(0, 3.0)]))
        assert "(2 rows for 1 examples)" in rows.detail

    @pytest.mark.parametrize(
        ("apart", "rule", "changed", "said"),
        [
            ({"coupling": 0.3}, "DPM124", {}, "changing one half of a batch"),
            ({"coupling": 0.3}, "DPM121", {"weighted": True}, "class-weights"),
            ({"coupling": 0.3}, "DPM313", {"batch_norms": ["bn1", "bn2"]}, "bn1, bn2 normalises"),
            ({"coupling": 0.3, "reshaped": True}, "DPM124", {}, "padding to its longest"),
            ({"coupling": 0.3, "replaced": True}, "DPM124", {}, "mixup?"),
            ({"counted": 0.3}, "DPM124", {}, "leaving out a third"),
            ({"counted": 0.3, "coupling": 0.004}, "DPM124", {"weighted": True}, "depends on how many"),
        ],
    )
    def test_examples_that_move_one_another(
        self, apart: dict[str, Any], rule: str, changed: dict[str, Any], said: str
    ) -> None:
        check = self.judged(Removal(1, 8, [(0, 0.5), (3, 1.5)], **apart), **changed)
        assert (check.passed, check.value, check.limit, check.rule) == (False, 0.3, 5e-3, rule)
        assert said in check.detail
        assert "; leaving out example 3 alone moves the sum by 1.5 C" in check.detail
        assert "alone" not in self.judged(Removal(1, 8, **apart), **changed).detail

    def test_coupling_counts_beyond_rounding_and_where_no_other_fault_is_known(self) -> None:
        def of(coupling: float, rule: str | None = None, **changed: Any) -> bool | None:
            checks = [self.failed(rule)] if rule else None
            return self.judged(Removal(1, 8, [(0, 0.5)], coupling=coupling), checks, **changed).passed

        assert of(0.004) is True
        assert of(0.006) is False
        assert of(0.006, "DPM117") is False
        assert of(0.006, "DPM104") is True
        assert of(0.1, precision="bfloat16") is True
        assert of(0.5, precision="bfloat16") is False


class TestAttributed:
    def rules(self, *checks: Check) -> list[str | None]:
        return [check.rule for check in verdicts.attributed(checks)]

    def failed(self, name: Any, rule: str | None, index: int = 0) -> Check:
        return Check(name, False, 1.0, LIMIT, rule, index)

    def test_a_consequence_has_the_rule_of_its_fault(self) -> None:
        total, step_ = self.failed("parity-clipped-sum", "DPM104"), self.failed("parity-step", None)
        assert self.rules(total, step_) == ["DPM104", "DPM104"]
        assert self.rules(total, self.failed("parity-step", None, 1)) == ["DPM104", None]
        assert self.rules(total, self.failed("parity-step", "DPM112")) == ["DPM104", "DPM112"]
        assert self.rules(total, self.failed("noise-std", None)) == ["DPM104", None]
        assert self.rules(total, Check("parity-step", True)) == ["DPM104", None]
        second = self.failed("parity-clipped-sum", "DPM101")
        assert self.rules(total, second, step_) == ["DPM104", "DPM101", None]

    @pytest.mark.parametrize("rule", ["DPM121", "DPM124", "DPM313"])
    def test_examples_that_move_one_another_have_no_sum_of_their_own(self, rule: str) -> None:
        moved = self.failed("sensitivity", rule)
        wrong = [self.failed("parity-clipped-sum", r) for r in (None, "DPM117", "DPM104")]
        assert self.rules(moved, *wrong) == [rule, rule, rule, "DPM104"]
        assert "move one another" in verdicts.attributed([moved, wrong[0]])[1].detail
        assert self.rules(self.failed("sensitivity", "DPM103"), wrong[0]) == ["DPM103", None]

    def test_processes_that_count_the_same_examples(self) -> None:
        counted = self.failed("accounting", "DPM316")
        fed, queue = Check("private-loader", True, engine=0), self.failed("logical-batches", None)
        told = verdicts.attributed([counted, fed, queue, Check("noise-std", True, engine=0)])
        assert [(c.name, c.rule) for c in told] == [
            ("accounting", "DPM316"),
            ("logical-batches", "DPM316"),
            ("noise-std", None),
        ]
        unknown = verdicts.attributed([counted, Check("private-loader", None, engine=0)])
        assert [(c.name, c.rule, c.passed) for c in unknown[1:]] == [("private-loader", None, None)]
        assert len(verdicts.attributed([fed, queue])) == 2
