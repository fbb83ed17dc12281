"""The strategies that keep the release, on that release: what receives the noise is the clipped sum.

Every fixture in which the memory manager's fault is found. A strategy may be withheld, but not for the
plain ones.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.fix.conftest import Folder
from tests.fix.running import PARITY, recorded
from tests.fixtures_support import Fixture, fixtures
from tests.verify.running import HERE as VERIFIED
from tests.verify.running import verify

pytestmark = pytest.mark.opacus

FAULTY = [
    f
    for f in fixtures()
    if any(e.rule == "DPM101" for e in f.expected())
    and any(h.kind == "clipped-sum" and f.expect["opacus"] in h.opacus for h in f.harms())
]
STRATEGIES = ("set-to-none", "patch", "hooks")


RULES = ("DPM101", "DPM102")
WITHHELD = {("argparse-mode", "hooks"): "grad_sample_mode= of this call is chosen when the program runs"}
"""The fixtures that a strategy cannot be applied to."""


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("fixture", FAULTY, ids=lambda f: f.name)
def test_the_sum_is_right_on_the_old_release(fixture: Fixture, strategy: str, tmp_path: Path) -> None:
    folder = tmp_path / fixture.name
    shutil.copytree(fixture.side("before"), folder, ignore=shutil.ignore_patterns("__pycache__"))
    result = Folder(folder).fix(strategy=strategy, select=RULES)
    if (fixture.name, strategy) in WITHHELD:
        assert WITHHELD[fixture.name, strategy] in result.refused[0][1]
        return
    assert result.applied and not result.refused
    record = tmp_path / "record.json"
    oracle = fixture.path / "oracle.py"
    version = fixture.expect["opacus"]
    written = recorded(version, folder, fixture.entry, fixture.arguments, out=record, oracle=oracle)["run"]
    assert written["error"] is None, written["message"]
    assert written["steps"] > 0
    norm_is_left = "DPM102" in {finding.rule for finding, _ in result.unmade}
    assert max(written["oracle_errors"]) <= PARITY or (norm_is_left and set(written["bounds"]) != {1.0})


def test_verify_takes_the_patch_for_opacus_itself(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    shutil.copy(VERIFIED / "train_old.py", script)
    before = verify("1.5.2", "train.py", "--", "both", cwd=tmp_path)
    assert ("parity-clipped-sum", "DPM101") in before.failing
    assert Folder(tmp_path).fix(strategy="patch", select=RULES).applied == (
        "opacus_core_patch.py",
        "train.py",
    )
    after = verify("1.5.2", "train.py", "--", "both", cwd=tmp_path)
    assert (after.status, after.failing) == (0, set())
    assert [engine["path"] for engine in after.report["engines"]] == ["train.py"]
