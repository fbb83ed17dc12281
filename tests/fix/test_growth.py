"""Many scripts that share a pin are one fix: it costs in proportion to their number."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

from tests.opacus_releases import CHECKOUT

FAULTY = (CHECKOUT / "fixtures" / "single-script" / "before" / "train.py").read_text(encoding="utf-8")


def cost(folder: Path, *arguments: str, said: str) -> float:
    """Seconds of processor time of a command in a folder, which says something."""
    (folder / "requirements.txt").write_text("opacus==1.5.2\n", encoding="utf-8")
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, "-m", "dpmigrate", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert said in done.stderr + done.stdout
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def of_scripts(folder: Path, count: int) -> float:
    """What a fix of so many scripts costs, all of which it mends."""
    folder.mkdir()
    for i in range(count):
        text = FAULTY.replace("SEED = 11", f"SEED = {i}")
        (folder / f"train_{i}.py").write_text(text, encoding="utf-8")
    return cost(folder, "fix", ".", said=f"Would fix {count + 1} findings in {count + 1} files")


def of_functions(folder: Path, count: int) -> float:
    """What a scan of one file costs with so many functions that train, and a finding in each."""
    folder.mkdir()
    head, _, rest = FAULTY.partition("def main():")
    body = rest.partition("\n\n\nif __name__")[0]
    text = head + "".join(f"def train_{i}():{body}\n\n\n" for i in range(count))
    (folder / "train.py").write_text(text, encoding="utf-8")
    return cost(folder, "scan", "--no-cache", ".", said=f" {count} errors, ")


def test_eight_times_the_scripts_cost_less_than_nine_and_a_half_times(tmp_path: Path) -> None:
    assert of_scripts(tmp_path / "many", 40) < 9.5 * of_scripts(tmp_path / "few", 5)


def test_eight_times_the_findings_of_a_file_cost_less_than_nine_and_a_half_times(tmp_path: Path) -> None:
    assert of_functions(tmp_path / "many", 96) < 9.5 * of_functions(tmp_path / "few", 12)
