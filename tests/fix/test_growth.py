"""Many scripts that share a pin are one fix: it costs in proportion to their number."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

from tests.opacus_releases import CHECKOUT

FAULTY = (CHECKOUT / "fixtures" / "single-script" / "before" / "train.py").read_text(encoding="utf-8")


def cost(folder: Path, count: int) -> float:
    """Seconds of processor time of a fix of so many scripts, all of which it mends."""
    folder.mkdir()
    (folder / "requirements.txt").write_text("opacus==1.5.2\n", encoding="utf-8")
    for i in range(count):
        text = FAULTY.replace("SEED = 11", f"SEED = {i}")
        (folder / f"train_{i}.py").write_text(text, encoding="utf-8")
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, "-m", "dpmigrate", "fix", "."],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert f"Would fix {count + 1} findings in {count + 1} files" in done.stderr
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def test_eight_times_the_scripts_cost_less_than_nine_and_a_half_times(tmp_path: Path) -> None:
    assert cost(tmp_path / "many", 40) < 9.5 * cost(tmp_path / "few", 5)
