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
    assert leaves_no_room(text, "1.6.0") == []


@pytest.mark.parametrize(
    ("text", "release"),
    [
        ("torch==2.2.0\n", "1.5.4"),
        ("torch==2.0.1\ntorchvision==0.15.2\n", "1.5.4"),
        ("torchvision==0.9.1\n", "1.5.4"),
        ("numpy>=2\n", "1.5.4"),
        ("numpy>=1.24\n", "1.5.3"),
        ("numpy==1.26.4\n", "1.5.3"),
        ("numpy<2\n", "1.5.3"),
    ],
)
def test_what_older_releases_take(text: str, release: str) -> None:
    assert leaves_no_room(text, release) == []


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
    (old,) = leaves_no_room(text, "1.6.0")
    assert (old.line, old.shown, old.needed) == (line, said, "torch>=2.6")
    assert said.replace(" ", "").endswith(text[old.start : old.end].replace(" ", ""))


@pytest.mark.parametrize(
    ("text", "release", "after"),
    [
        (
            "torch==1.8.1+cu111\ntorchvision==0.9.1\nopacus==0.13.0\n",
            "1.5.4",
            "torch>=2.0\ntorchvision>=0.15\nopacus==0.13.0\n",
        ),
        ("dependencies:\n  - pytorch=1.8\n", "1.5.4", "dependencies:\n  - pytorch>=2.0\n"),
        ('torch = "^1.8"\n', "1.5.4", 'torch = ">=2.0"\n'),
        ('["torch~=1.13.1", "torchaudio==0.13.1"]\n', "1.6.0", '["torch>=2.6", "torchaudio>=2.6"]\n'),
        ("numpy>=2.0\n", "1.5.3", "numpy<2.0\n"),
    ],
)
def test_what_would_do(text: str, release: str, after: str) -> None:
    new = text
    for old in sorted(leaves_no_room(text, release), key=lambda old: -old.start):
        new = new[: old.start] + old.wanted + new[old.end :]
    assert new == after
