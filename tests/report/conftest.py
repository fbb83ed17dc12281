"""One scan result with something of everything, for the report formats."""

from __future__ import annotations

import pytest

from dpmigrate.model import (
    Finding,
    FixOffer,
    MemoryManagerUse,
    NotAnalysed,
    OpacusVersions,
    Place,
    Run,
    ScanResult,
    Span,
)

TRAIN = (
    "import argparse",
    'parser.add_argument("--mode", default="ghost")',
    "",
    "def train():",
    "\twith BatchMemoryManager(data_loader=loader, max_physical_batch_size=32,",
    "\t                        optimizer=optimizer) as physical:",
    "\t\tname = '日本'; F.cross_entropy(model(x), y).backward()",
)


@pytest.fixture
def empty() -> ScanResult:
    """A scan that met no Opacus at all."""
    return ScanResult(root=".", files_seen=3, files_analysed=0)


@pytest.fixture
def result() -> ScanResult:
    """Two errors in a script, an info in a notebook, a file with a syntax error, two runs out of order."""
    ghost = Run(
        path="train.py",
        line=4,
        cell=None,
        call="make_private",
        mode=("ghost", "?"),
        mode_certainty="possible",
        mode_because=(Place("train.py", 2, "argparse default"),),
        batch_memory_manager=MemoryManagerUse("train.py", 5, "BatchMemoryManager", "definite"),
        opacus=OpacusVersions("==1.5.2", (Place("requirements.txt", 4, "opacus==1.5.2"),)),
    )
    hooks = Run(
        path="baseline.py", line=9, cell=None, call="make_private", mode=("hooks",), mode_certainty="definite"
    )
    memory_manager = Finding(
        rule="DPM101",
        name="ghost-batch-memory-manager",
        span=Span("train.py", 5, 7, 6, 40),
        severity="error",
        impact="privacy",
        certainty="possible",
        message="ghost clipping under BatchMemoryManager with Opacus 1.5.2",
        because=(
            Place("train.py", 2, "args.mode may be 'ghost'"),
            Place("requirements.txt", 4, "opacus==1.5.2"),
        ),
        run=0,
        fix=FixOffer("safe", "pass criterion=, take four results, require opacus>=1.5.4"),
    )
    unwrapped = Finding(
        rule="DPM103",
        name="unwrapped-loss",
        span=Span("train.py", 7, 16, 7, 55),
        severity="error",
        impact="privacy",
        certainty="definite",
        message="the loss was not made by the returned criterion",
        run=0,
    )
    unseeded = Finding(
        rule="DPM203",
        name="unseeded-run",
        span=Span("study.ipynb", 1, 1, 1, 7, cell=2),
        severity="info",
        impact="reproducibility",
        certainty="definite",
        message="no seed at all",
        fix=FixOffer("unsafe", "one generator each, from the project's own seed"),
    )
    return ScanResult(
        root=".",
        files_seen=812,
        files_analysed=9,
        not_analysed=(NotAnalysed("broken.py", 3, "syntax error: invalid syntax"),),
        runs=(ghost, hooks),
        findings=(unwrapped, memory_manager, unseeded),
        analysed=("baseline.py", "study.ipynb", "train.py", *(f"module{n}.py" for n in range(6))),
        lines={("train.py", None): TRAIN, ("study.ipynb", 2): ("import torch",)},
    )
