"""The folders that the benchmark scans, put together anew from what is at hand."""

from __future__ import annotations

import json
import shutil
import sysconfig
from collections.abc import Callable, Iterator
from itertools import cycle, islice
from pathlib import Path

from tests.opacus_releases import CHECKOUT

SCRIPT = CHECKOUT / "fixtures" / "single-script" / "before" / "train.py"
PIN = "opacus==1.5.2\n"


def plain(root: Path, part: int = 1) -> None:
    """6,500 files without Opacus: Python's own library, as often as it takes."""
    library = sorted(Path(sysconfig.get_path("stdlib")).rglob("*.py"))
    ours = [path for path in library if "site-packages" not in path.parts]
    for number, path in enumerate(islice(cycle(ours), 6_500 // part)):
        target = root / f"part{number // len(ours)}" / path.relative_to(sysconfig.get_path("stdlib"))
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)


def relevant(root: Path, part: int = 1) -> None:
    """Training scripts of all the fixtures, a folder each, with 30,000 lines in all.

    Nearly every one has a finding, and all share one pin, so that fixes are planned and proved together.
    """
    scripts_with(root, 30_000 // part)


def scripts_with(root: Path, lines: int) -> None:
    """Training scripts of all the fixtures, a folder each, with so many lines in all."""
    scripts = sorted((CHECKOUT / "fixtures").glob("*/before/*.py"))
    for number, path in enumerate(cycle(scripts)):
        text = path.read_text(encoding="utf-8", errors="replace")
        folder = root / f"{path.parts[-3]}-{number}"
        folder.mkdir(parents=True)
        (folder / path.name).write_text(text, encoding="utf-8")
        lines -= text.count("\n")
        if lines <= 0:
            break
    (root / "requirements.txt").write_text(PIN, encoding="utf-8")


def one_file(root: Path, part: int = 1) -> None:
    """The worst that a file can be: 5,000 lines, 135 functions that each make a private run with faults.

    A usual training script has one; what that costs stands under Start.
    """
    head, _, rest = SCRIPT.read_text(encoding="utf-8").partition("def main():")
    body = rest.partition("\n\n\nif __name__")[0]
    functions = "".join(f"\n\ndef train_{n}():{body}" for n in range(5_000 // part // (body.count("\n") + 3)))
    (root / "train.py").write_text(head + functions.lstrip() + "\n", encoding="utf-8")
    (root / "requirements.txt").write_text(PIN, encoding="utf-8")


def notebooks(root: Path, part: int = 1) -> None:
    """200 notebooks, each a training script in cells, with outputs."""
    parts = SCRIPT.read_text(encoding="utf-8").split("\n\n\n")
    cells = [
        {
            "cell_type": "code",
            "execution_count": n,
            "metadata": {},
            "outputs": [{"name": "stdout", "output_type": "stream", "text": ["epoch 1\n"] * 20}],
            "source": part.splitlines(keepends=True),
        }
        for n, part in enumerate(parts)
    ]
    text = json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}, indent=1)
    for number in range(200 // part):
        (root / f"study{number}.ipynb").write_text(text, encoding="utf-8")


def fork(root: Path, part: int = 1) -> None:
    """A project that carries Opacus's own source, with a script that uses it; whole, whatever the part."""
    shutil.copytree(CHECKOUT / ".opacus" / "1.5.4" / "opacus", root / "opacus")
    shutil.copyfile(SCRIPT, root / "train.py")


TREES: dict[str, Callable[[Path, int], None]] = {
    "one file": one_file,
    "plain": plain,
    "relevant": relevant,
    "notebooks": notebooks,
    "fork": fork,
}


def growing(root: Path, part: int = 1) -> Iterator[tuple[int, Path]]:
    """The relevant tree at 1, 2, 4 and 8 times 3,000 lines."""
    for factor in (1, 2, 4, 8):
        scripts_with(root / str(factor), 3_000 // part * factor)
        yield factor, root / str(factor)
