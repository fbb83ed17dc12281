"""Pins of torch beside a raised Opacus: what leaves room, then what does not."""

from __future__ import annotations

import pytest

from dpmigrate.versions.companions import leaves_no_room


@pytest.mark.parametrize(
    "text",
    [
        "torch>=2.0\nopacus==1.5.2\n",
        "torch\nopacus==1.5.2\n",
        "torchvision==0.17.0\ntorch-geometric==2.2.0\nopacus==1.5.2\n",
        "torch==2.6.0+cu124\n",
        "torch==2.7.1\n",
        "# torch==2.2.0\ntorch>=2.2,<3\n",
        'torch = "^2.2"\nopacus = "1.5.2"\n',
        "dependencies:\n  - pytorch=2.7\n",
        'dependencies = ["torch~=2.2", "opacus==1.5.2"]\n',
        "torch==1.x.y\n",
    ],
)
def test_room_for_the_torch_that_opacus_needs(text: str) -> None:
    assert leaves_no_room(text, "1.6.0") is None


def test_older_releases_take_any_torch() -> None:
    assert leaves_no_room("torch==2.2.0\n", "1.5.4") is None


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("opacus==1.5.2\ntorch==2.2.0+cu121  # why\n", 2, "torch==2.2.0+cu121"),
        ("torch>=2.0,<2.6\n", 1, "torch>=2.0,<2.6"),
        ("dependencies:\n  - pytorch=2.2\n", 2, "pytorch=2.2"),
        ('dependencies = ["torch~=2.2.1", "opacus==1.5.2"]\n', 1, "torch~=2.2.1"),
        ('[tool.poetry.dependencies]\ntorch = "~2.2"\n', 2, 'torch = "~2.2'),
        ("install_requires =\n    torch <= 2.5\n", 2, "torch <= 2.5"),
    ],
)
def test_no_room(text: str, line: int, said: str) -> None:
    assert leaves_no_room(text, "1.6.0") == (line, said, "torch>=2.6")
