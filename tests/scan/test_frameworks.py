"""Several frameworks that own the loop, side by side: what one of them hears, the others hear as well."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from dpmigrate import api
from dpmigrate.analysis import registry
from dpmigrate.analysis.core import Interpreter
from dpmigrate.analysis.domain.values import NONE, Value
from dpmigrate.analysis.registry import CallInfo
from tests.scan.programs import lay_out

MODULE = """
    import {framework} as framework
    import torch
    from opacus import PrivacyEngine
    from torch import nn

    class Private(framework.LightningModule):
        def __init__(self, data):
            super().__init__()
            net = nn.Linear(4, 2)
            optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
            self.model, self.optimizer, self.criterion, self.loader = PrivacyEngine().make_private(
                module=net, optimizer=optimizer, data_loader=torch.utils.data.DataLoader(data),
                criterion=nn.CrossEntropyLoss(), noise_multiplier=1.0, max_grad_norm=1.0,
                grad_sample_mode="ghost")

        def training_step(self, batch, batch_idx):
            x, y = batch
            return nn.functional.cross_entropy(self.model(x), y)
"""


@pytest.fixture
def heard_by_another() -> Iterator[list[str]]:
    """The methods that a second framework, registered after ours, is told of."""
    names: list[str] = []

    def returned(ip: Interpreter, info: CallInfo) -> Value:
        names.append(info.name)
        return NONE

    registry.function("<returned to a framework>")(returned)
    yield names
    registry.HOOKS["<returned to a framework>"].remove(returned)


def test_a_second_framework_hears_and_does_not_replace_the_first(
    tmp_path: Path, heard_by_another: list[str]
) -> None:
    program = MODULE.format(framework="pytorch_lightning")
    result = api.scan(cwd=lay_out(tmp_path, train=program), jobs=1)
    assert "DPM103" in [f.rule for f in result.findings]
    assert "training_step" in heard_by_another


def test_a_step_is_told_of_where_it_is_written(tmp_path: Path) -> None:
    module = MODULE.format(framework="pytorch_lightning")
    fit = (
        "import pytorch_lightning\nimport private\n\npytorch_lightning.Trainer().fit(private.Private([1]))\n"
    )
    result = api.scan(cwd=lay_out(tmp_path, private=module, train=fit), jobs=1)
    assert [(f.span.path, f.span.line) for f in result.findings if f.rule == "DPM103"] == [("private.py", 19)]


def test_no_framework_takes_a_step_of_somebody_elses(tmp_path: Path) -> None:
    program = MODULE.format(framework="house_of_loops")
    result = api.scan(cwd=lay_out(tmp_path, train=program), jobs=1)
    assert result.runs and not [f for f in result.findings if f.rule == "DPM103"]


def test_a_library_name_has_one_handler() -> None:
    with pytest.raises(ValueError, match=r"torch\.manual_seed has a handler already"):
        registry.function("torch.manual_seed")(lambda ip, info: NONE)
    with pytest.raises(ValueError, match="has a handler already"):
        registry.method("dp-optimizer", "step")(lambda ip, info, e: NONE)
