"""Lists of which a part is assigned or deleted hold what Python leaves in them."""

from __future__ import annotations

from pathlib import Path

import pytest

from dpmigrate import api

PROGRAM = """\
import sys

from opacus import PrivacyEngine

modes = ["hooks", "ew"]
more = ["ghost"]
n = len(sys.argv)
{change}


def found(modes):
    for mode in modes:
        if mode == "ghost":
            return mode
    return "ew"


PrivacyEngine().make_private(module=None, optimizer=None, data_loader=None, grad_sample_mode={asked})
"""


@pytest.mark.parametrize(
    ("change", "asked", "modes"),
    [
        ("modes[:1] = more", "modes[0]", {"ghost"}),
        ("modes[-1:] = ['ghost', 'hooks']", "modes[1]", {"ghost"}),
        ("modes[:] = more", "'ew' if len(modes) > 1 else 'ghost'", {"ghost"}),
        ("modes[::2] = ['ghost']", "modes[0]", {"ghost"}),
        ("modes[n:] = more", "modes[-1]", {"hooks", "ew", "ghost"}),
        ("modes[:1] = more", "found(modes)", {"ew", "ghost"}),
        ("modes[n:] = more", "found(modes)", {"ew", "ghost"}),
        ("modes[0] = 'ghost'", "modes[0]", {"ghost"}),
        ("del modes[0]", "modes[0]", {"ew"}),
        ("del modes[-1]", "modes[-1]", {"hooks"}),
        ("del modes[:1]", "modes[0]", {"ew"}),
        ("del modes[n]", "modes[0]", {"hooks", "ew"}),
        ("del modes[0], more[0]", "'hooks' if more else modes[0]", {"ew"}),
    ],
)
def test_what_is_left(tmp_path: Path, change: str, asked: str, modes: set[str]) -> None:
    (tmp_path / "train.py").write_text(PROGRAM.format(change=change, asked=asked))
    (run,) = api.scan(["."], cwd=tmp_path, opacus=">=1.5.3").runs
    assert set(run.mode) == modes
