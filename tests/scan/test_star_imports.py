"""Modules that import all of one another, or of themselves, as packages do by accident: they have an end."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from dpmigrate import api
from tests.costs import allowed

PROGRAM = """
{}
from opacus import PrivacyEngine

net, optimizer, loader = PrivacyEngine().make_private(
    module=net, optimizer=optimizer, data_loader=loader, noise_multiplier=SIGMA, max_grad_norm=1.0
)
for x, y in loader:
    optimizer.zero_grad()
    criterion(net(x), y).backward()
    optimizer.step()
"""


@pytest.mark.parametrize(
    "others",
    [
        {"train": "from .train import *\nSIGMA = 0.0"},
        {"train": "from .given import *", "given": "from .train import *\nSIGMA = 0.0"},
        {
            "train": "from .more import *",
            "more": "from .given import *\nfrom .train import *",
            "given": "from .more import *\nfrom .given import *\nSIGMA = 0.0",
        },
    ],
)
def test_what_is_imported_in_a_circle_is_seen(tmp_path: Path, others: dict[str, str]) -> None:
    for name, text in {"__init__": "", **others}.items():
        whole = PROGRAM.format(text) if name == "train" else text
        path = tmp_path / "package" / f"{name}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(whole, encoding="utf-8")
    result = api.scan([tmp_path])
    assert result.not_analysed == ()
    assert [(f.rule, f.certainty) for f in result.findings] == [("DPM208", "definite")]


def test_many_ways_to_a_module_are_gone_once(tmp_path: Path) -> None:
    """Of 60 modules that import all of three others there are more ways than a scan has time for."""
    for number in range(60):
        stars = "".join(f"from m{(number * 7 + step) % 60} import *\n" for step in (1, 2, 3))
        (tmp_path / f"m{number}.py").write_text(
            f"import opacus\n{stars}\nX{number} = absent\n", encoding="utf-8"
        )
    (tmp_path / "train.py").write_text(PROGRAM.format("from m0 import *\nSIGMA = 0.0"), encoding="utf-8")
    start = time.process_time()
    result = api.scan([tmp_path], jobs=1)
    assert time.process_time() - start < allowed(10)
    assert [(f.rule, f.certainty) for f in result.findings] == [("DPM208", "definite")]
