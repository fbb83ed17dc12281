"""Small projects on disk, and the one training script that most tests start from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from dpmigrate.fixing import FixResult, fix

OLD = """\
import torch
from opacus import PrivacyEngine
from opacus.utils.batch_memory_manager import BatchMemoryManager
from opacus.utils.fast_gradient_clipping_utils import double_backward
from torch import nn


def train(model, optimizer, loader):
    criterion = nn.CrossEntropyLoss(reduction="none")
    engine = PrivacyEngine()
    model, optimizer, loader = engine.make_private(
        module=model,
        optimizer=optimizer,
        data_loader=loader,
        noise_multiplier=1.0,
        max_grad_norm=1.0,
        grad_sample_mode="ghost",
        clipping="ghost",
    )
    with BatchMemoryManager(data_loader=loader, max_physical_batch_size=8, optimizer=optimizer) as physical:
        for x, y in physical:
            optimizer.zero_grad()
            losses = criterion(model(x), y)
            double_backward(model, optimizer, losses)
            optimizer.step()
            print(losses.mean().item())
"""
NEW = """\
import torch
from opacus import PrivacyEngine
from opacus.utils.batch_memory_manager import BatchMemoryManager
from torch import nn


def train(model, optimizer, loader):
    criterion = nn.CrossEntropyLoss()
    engine = PrivacyEngine()
    model, optimizer, criterion, loader = engine.make_private(
        module=model,
        optimizer=optimizer,
        criterion=criterion,
        data_loader=loader,
        noise_multiplier=1.0,
        max_grad_norm=1.0,
        grad_sample_mode="ghost",
    )
    with BatchMemoryManager(data_loader=loader, max_physical_batch_size=8, optimizer=optimizer) as physical:
        for x, y in physical:
            optimizer.zero_grad()
            losses = criterion(model(x), y)
            losses.backward()
            optimizer.step()
            print(losses.item())
"""


class Folder:
    """A project in a temporary folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, files: Mapping[str, str | bytes]) -> Folder:
        """Write files, text as UTF-8 with the line ends that it has."""
        for name, content in files.items():
            path = self.path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return self

    def read(self, name: str = "train.py") -> str:
        """A file's text, line ends untouched."""
        return (self.path / name).read_bytes().decode()

    def snapshot(self) -> dict[str, bytes]:
        """Every file's bytes."""
        return {
            str(p.relative_to(self.path)): p.read_bytes() for p in sorted(self.path.rglob("*")) if p.is_file()
        }

    def fix(self, *paths: str, apply: bool = True, **options: object) -> FixResult:
        """Run fix here."""
        return fix(paths or (".",), apply=apply, cwd=self.path, **options)  # type: ignore[arg-type]


@pytest.fixture
def folder(tmp_path: Path) -> Callable[..., Folder]:
    """Make a project of files: ``folder({"train.py": text})``, or of one script."""

    def make(files: Mapping[str, str | bytes] | str) -> Folder:
        given = {"train.py": files} if isinstance(files, str) else files
        return Folder(tmp_path).write(given)

    return make
