"""What a loop counts or puts together is not known after it, nor the second time round."""

from __future__ import annotations

from pathlib import Path

import pytest

from dpmigrate import api
from tests.scan.programs import lay_out, right
from tests.scan.test_strings import modes

BOTH = {"ghost", "hooks"}


@pytest.mark.parametrize(
    ("before", "wanted"),
    [
        ("i = 0\nwhile i < 5:\n    i += 1\nmode = 'ghost' if i == 5 else 'hooks'\n", BOTH),
        (
            "n = 1\nfor _ in input():\n    n = n * 2\nmode = 'ghost' if n > 7 else 'hooks'\n",
            BOTH,
        ),
        ("mode = 'g'\nfor _ in input():\n    mode = mode + 'h'\n", {"?"}),
        (
            "on = True\nfor _ in input():\n    on = not on\nmode = 'ghost' if on else 'hooks'\n",
            BOTH,
        ),
        ("mode = 'hooks'\nfor _ in input():\n    mode = 'ghost'\n", {"ghost"}),
        ("mode = 'g'\nfor _ in range(3):\n    mode += 'h'\n", {"?"}),
        ("m = ['hooks']\nfor _ in input():\n    m = (m[1:] or ['ghost']) + ['hooks']\nmode = m[0]\n", BOTH),
        ("m, n = ['hooks'], ['ghost']\nfor _ in input():\n    m, n = n, m\nmode = m[0]\n", BOTH),
        ("for mode in ('hooks', 'ew'):\n    if x:\n        break\nelse:\n    mode = 'ghost'\n", BOTH),
        (
            "mode = 'ew'\nwhile fast:\n    fast = y\n    if z:\n        break\nelse:\n    mode = 'ghost'\n",
            {"ew", "ghost"},
        ),
        ("for mode in ('hooks', 'ew'):\n    break\nelse:\n    mode = 'ghost'\n", {"hooks"}),
    ],
)
def test_modes_that_depend_on_what_a_loop_changes(tmp_path: Path, before: str, wanted: set[str]) -> None:
    assert wanted <= set(modes(tmp_path, "mode", before))


@pytest.mark.parametrize(
    ("start", "count"),
    [
        ("step = 0", "step += 1"),
        ("step = 0", "step = step + 1"),
        ("step = -1", "step -= -1"),
        ("state = {'step': 0}\n    step = 0", "state['step'] += 1; step = state['step']"),
    ],
)
def test_a_loss_every_fourth_step_is_seen(tmp_path: Path, start: str, count: str) -> None:
    loss = f"""{count}
        loss = criterion(model(x), y)
        if step % 4 == 0:
            loss = nn.functional.cross_entropy(model(x), y)"""
    text = right(loss=loss).replace("    for x, y in loader:", f"    {start}\n    for x, y in loader:")
    lay_out(tmp_path, train=text)
    found = {f.rule for f in api.scan(["."], cwd=tmp_path).findings}
    assert "DPM103" in found
