"""How many private runs a script's text promises."""

from __future__ import annotations

from pathlib import Path

import pytest

from dpmigrate.runtime.run.request import Request

torch = pytest.importorskip("torch")

MAKE = "engine.make_private(module=m)"


@pytest.mark.parametrize(
    ("source", "count"),
    [
        ("x = 1\n", 1),
        ("def f(:\n", 1),
        (f"if ghost:\n    {MAKE}\nelse:\n    {MAKE}\n", 1),
        (f"def unused():\n    {MAKE}\n", 1),
        (f"def train():\n    {MAKE}\nif __name__ == '__main__':\n    train()\n", 1),
        (f"{MAKE}\n{MAKE}\n", 2),
        (f"def train():\n    {MAKE}\ntrain()\ntrain()\n", 2),
        (f"for mode in ('hooks', 'ghost'):\n    {MAKE}\n", 2),
        (f"for epoch in range(9):\n    {MAKE}\n", 1),
        (f"def again():\n    {MAKE}\n    again()\nagain()\n", 1),
    ],
)
def test_expected_engines(tmp_path: Path, source: str, count: int) -> None:
    from dpmigrate.runtime.run.expected import expected_engines

    path = tmp_path / "train.py"
    path.write_text(source, encoding="utf-8")
    assert expected_engines(Request("script", str(path))) == count
