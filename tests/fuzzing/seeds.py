"""What inputs are made of: the fixtures, and the code that Python and LibCST are tested with."""

from __future__ import annotations

import ast
import importlib.util
import os
import textwrap
from functools import cache
from pathlib import Path
from random import Random

ROOT = Path(__file__).resolve().parents[2]
LARGEST = 40_000
"""Bytes of a foreign file that is taken; what large files cost has tests of its own."""
RUN = """\
import torch
from opacus import PrivacyEngine
from torch import nn


def train_privately(epochs=3):
    torch.manual_seed(0)
    model = nn.Linear(4, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    loader = torch.utils.data.DataLoader(torch.randn(16, 4), batch_size=8)
    criterion = nn.CrossEntropyLoss()
    model, optimizer, criterion, loader = PrivacyEngine().make_private(
        module=model,
        optimizer=optimizer,
        criterion=criterion,
        data_loader=loader,
        noise_generator=torch.Generator(),
        noise_multiplier=1.0,
        max_grad_norm=1.0,
        grad_sample_mode="ghost",
    )
    for _ in range(epochs):
        for x, y in loader:
            optimizer.zero_grad()
            loss = criterion(model(x), y)
            loss.backward()
            optimizer.step()


train_privately()
"""
PINS = ("requirements.txt", "pyproject.toml", "setup.cfg", "setup.py", "Pipfile", "environment.yml")


@cache
def own_programs() -> tuple[str, ...]:
    """The scripts of the fixtures, faulty and right ones."""
    found = sorted((ROOT / "fixtures").rglob("*.py"))
    texts = (path.read_bytes() for path in found if path.stat().st_size < LARGEST)
    return tuple(text.decode() for text in texts if b"opacus" in text and _is_utf8(text))


@cache
def own_pins() -> tuple[tuple[str, bytes], ...]:
    """The dependency files of the fixtures, with their names."""
    found = sorted(path for name in PINS for path in (ROOT / "fixtures").rglob(name))
    return tuple((path.name, path.read_bytes()) for path in found)


@cache
def foreign_files() -> tuple[Path, ...]:
    """Python files by others: what Python and LibCST are tested with, and those below FUZZ_CORPUS."""
    libcst = importlib.util.find_spec("libcst")
    folders = [Path(os.__file__).parent / "test", Path(os.__file__).parent / "lib2to3/tests"]
    folders += [Path(place) for place in (libcst.submodule_search_locations if libcst else None) or ()]
    folders += [Path(place) for place in os.environ.get("FUZZ_CORPUS", "").split(os.pathsep) if place]
    files = [path for folder in folders for path in sorted(folder.rglob("*.py")) if "opacus" not in path.name]
    return tuple(path for path in files if path.is_file() and 0 < path.stat().st_size < LARGEST)


def foreign_text(rng: Random) -> bytes:
    """One of them."""
    return rng.choice(foreign_files() or (Path(__file__),)).read_bytes()


@cache
def _statements_of(path: Path) -> tuple[str, ...]:
    try:
        text = path.read_text(encoding="utf-8")
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        return ()
    lines = text.splitlines(keepends=True)
    found = []
    for node in ast.walk(tree):
        body = getattr(node, "body", ())
        for statement in body if isinstance(body, list) else ():
            last = statement.end_lineno or statement.lineno
            if last - statement.lineno < 12:
                found.append(textwrap.dedent("".join(lines[statement.lineno - 1 : last])))
    return tuple(found)


def foreign_statement(rng: Random) -> str:
    """A statement of a foreign file, dedented."""
    for _ in range(20):
        statements = _statements_of(rng.choice(foreign_files() or (Path(__file__),)))
        if statements:
            return rng.choice(statements)
    return "pass\n"


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
