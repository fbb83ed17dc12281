"""Names that are elsewhere now: only what the rule's table knows is rewritten, and all of it at once."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.fix.conftest import Folder

DPDDP = "DifferentiallyPrivateDistributedDataParallel"

Make = Callable[..., Folder]


def moved(folder: Make, text: str, pin: str = "opacus==0.13.0\n") -> str:
    project = folder({"train.py": text, "requirements.txt": pin})
    result = project.fix(unsafe=True)
    assert result.refused == ()
    assert project.fix(unsafe=True).diff == ""
    return project.read()


@pytest.mark.parametrize(
    "text",
    [
        "from opacus.layers.dp_lstm import DPLSTMCell\nprint(DPLSTMCell)\n",
        "from opacus.utils import stats\nprint(stats)\n",
        "from opacus.utils.uniform_sampler import DistributedPoissonBatchSampler as S\nprint(S)\n",
        "import opacus.layers.dp_ddp as ddp\nprint(ddp)\n",
        "from opacus.layers import dp_lstm\nprint(dp_lstm)\n",
        "from opacus.dp_model_inspector import *\nprint(DPModelInspector)\n",
        "from opacus.layers.dp_lstm import *\nprint(DPLSTM)\n",
        "from opacus.layers import ParamRenamedModule as Old\nfrom opacus.layers.dp_lstm import DPLSTM\n"
        "print(Old, DPLSTM)\n",
    ],
)
def test_what_has_no_exact_counterpart_is_left_whole(folder: Make, text: str) -> None:
    project = folder({"train.py": text, "requirements.txt": "opacus==0.13.0\n"})
    before = project.snapshot()
    refused = project.fix(unsafe=True).refused
    assert "is gone since Opacus" in refused[0][1]
    assert project.snapshot() == before


def test_nothing_moves_without_being_asked(folder: Make) -> None:
    project = folder("from opacus import privacy_analysis\n")
    assert project.fix().applied == ()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("from opacus.layers.dp_lstm import DPLSTM\n", "from opacus.layers import DPLSTM\n"),
        (
            f"from opacus.layers import {DPDDP} as DPDDP, DPLSTM  # both\n",
            f"from opacus.layers import DPLSTM  # both\nfrom opacus.distributed import {DPDDP} as DPDDP\n",
        ),
        (
            "from opacus import privacy_analysis\n\nrdp = privacy_analysis.compute_rdp(0.1, 1.0, 5, [2])\n",
            "from opacus.accountants.analysis import rdp as privacy_analysis\n\n"
            "rdp = privacy_analysis.compute_rdp(q=0.1, noise_multiplier=1.0, steps=5, orders=[2])\n",
        ),
        (
            "import opacus as op\n\nrdp = op.privacy_analysis.compute_rdp(0.1, 1.0, orders=[2], steps=5)\n",
            "import opacus as op\nimport opacus.accountants.analysis.rdp\n\n"
            "rdp = op.accountants.analysis.rdp.compute_rdp("
            "q=0.1, noise_multiplier=1.0, orders=[2], steps=5)\n",
        ),
    ],
)
def test_imports_and_uses_go_where_the_name_is(folder: Make, before: str, after: str) -> None:
    assert moved(folder, before) == after


COEFFICIENT = """import torch
from opacus import PrivacyEngine
from torch import nn


def train(model, optimizer, loader):
    torch.manual_seed(0)
    model, optimizer, criterion, loader = PrivacyEngine().make_private(
        module=model,
        optimizer=optimizer,
        criterion=nn.CrossEntropyLoss(),
        data_loader=loader,
        noise_multiplier=1.0,
        max_grad_norm=1.0,
        grad_sample_mode="ghost",
    )
    ask = model.get_coeff
    for x, y in loader:
        criterion(model(x), y).backward()
        print({}.mean())
        optimizer.step()
"""


def test_a_coefficient_that_is_asked_for_under_another_name_is_left(folder: Make) -> None:
    project = folder({"train.py": COEFFICIENT.format("ask()"), "requirements.txt": "opacus==1.5.4\n"})
    assert "call model.get_clipping_coef()" in project.fix(unsafe=True).refused[0][1]


def test_a_coefficient_that_is_asked_for_gets_its_name_of_today(folder: Make) -> None:
    text = COEFFICIENT.replace("    ask = model.get_coeff\n", "")
    after = text.format("model.get_clipping_coef()")
    assert moved(folder, text.format("model.get_coeff()"), "opacus==1.5.4\n") == after


RENAMED = "from opacus.optimizers import DistributedPerLayerOptimizer, DPOptimizer\n"


def test_a_class_is_renamed_wherever_it_is_read(folder: Make) -> None:
    text = RENAMED + "\nKINDS = (DPOptimizer, DistributedPerLayerOptimizer)\n"
    assert moved(folder, text, "opacus==1.5.4\n") == (
        "from opacus.optimizers import DPOptimizer, SimpleDistributedPerLayerOptimizer\n"
        "\nKINDS = (DPOptimizer, SimpleDistributedPerLayerOptimizer)\n"
    )


def test_an_annotation_that_goes_through_the_module_is_rewritten(folder: Make) -> None:
    text = "import opacus.optimizers\n\n\ndef step(optimizer: opacus.optimizers.{}) -> None: ...\n"
    after = text.format("SimpleDistributedPerLayerOptimizer")
    assert moved(folder, text.format("DistributedPerLayerOptimizer"), "opacus==1.5.4\n") == after


def test_a_name_that_means_something_else_too_keeps_its_name(folder: Make) -> None:
    text = RENAMED + "\n\ndef make(DistributedPerLayerOptimizer):\n    return DistributedPerLayerOptimizer\n"
    after = moved(folder, text, "opacus==1.5.4\n")
    assert "SimpleDistributedPerLayerOptimizer as DistributedPerLayerOptimizer\n" in after
    assert after.endswith(text.split("\n", 1)[1])


def test_everything_of_a_module_is_imported_from_where_the_module_is_now(folder: Make) -> None:
    text = "from opacus.scheduler import *  # all of them\n\nprint(ExponentialNoise)\n"
    assert moved(folder, text, "opacus==1.6.0\n") == text.replace("scheduler", "schedulers")
