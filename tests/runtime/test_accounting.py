"""What is asked of accountants in every run of a script is calculated in one."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch")

from dpmigrate.runtime.run.watching.accounting import AccountantWatcher
from dpmigrate.runtime.run.watching.state import RunSettings, Watch


@pytest.mark.parametrize("shared", [True, False])
def test_a_noise_multiplier_is_looked_for_once_for_all_runs(tmp_path: Path, shared: bool) -> None:
    asked = []

    def find(**options: float) -> float:
        asked.append(options)
        return 1 / options["target_epsilon"]

    def run_of_the_script(epsilon: float) -> float:
        watch = Watch(RunSettings(1), lambda _: None)
        watch.folder = tmp_path if shared else None
        return AccountantWatcher(watch).multiplier(find, target_epsilon=epsilon)

    assert [run_of_the_script(epsilon) for epsilon in (3.0, 3.0, 7.0)] == [1 / 3, 1 / 3, 1 / 7]
    assert len(asked) == (2 if shared else 3)
