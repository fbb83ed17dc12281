"""Opacus's own source, wherever a project keeps it, is no user of Opacus."""

from __future__ import annotations

from pathlib import Path

import pytest

from dpmigrate import api
from dpmigrate.analysis.modules import Modules
from tests.scan.programs import lay_out, wrong

ENGINE = """
from torch import nn
from opacus.grad_sample import wrap_model
from opacus.optimizers import get_optimizer_class
from opacus.utils.fast_gradient_clipping_utils import DPLossFastGradientClipping

class PrivacyEngine:
    def _prepare_model(self, module, *, grad_sample_mode="hooks", max_grad_norm=1.0):
        if grad_sample_mode in ["ghost", "ghost_fsdp"]:
            return wrap_model(module, grad_sample_mode=grad_sample_mode, max_grad_norm=max_grad_norm)
        return wrap_model(module, grad_sample_mode=grad_sample_mode)

    def _prepare_optimizer(self, optimizer, *, grad_sample_mode="hooks"):
        return get_optimizer_class(grad_sample_mode=grad_sample_mode)(optimizer=optimizer)

    def _prepare_criterion(self, *, module, optimizer, criterion=nn.CrossEntropyLoss(), reduction="mean"):
        return DPLossFastGradientClipping(module, optimizer, criterion, reduction)

    def make_private(self, *, module, optimizer, data_loader, max_grad_norm, grad_sample_mode="hooks"):
        module = self._prepare_model(module, grad_sample_mode=grad_sample_mode, max_grad_norm=max_grad_norm)
        optimizer = self._prepare_optimizer(optimizer, grad_sample_mode=grad_sample_mode)
        return module, optimizer, self._prepare_criterion(module=module, optimizer=optimizer), data_loader
"""


@pytest.mark.parametrize("name", ["patches__opacus__privacy_engine", "engine", "lab__opacus_engine"])
def test_a_copied_engine_has_no_run(tmp_path: Path, name: str) -> None:
    result = api.scan(["."], cwd=lay_out(tmp_path, **{name: ENGINE}))
    assert result.runs == ()
    assert result.findings == ()


def test_what_uses_a_copied_engine_still_has_one(tmp_path: Path) -> None:
    lay_out(tmp_path, engine=ENGINE, train=wrong().replace("from opacus import P", "from engine import P"))
    (found,) = [f for f in api.scan(["."], cwd=tmp_path).findings if f.rule == "DPM103"]
    assert found.span.path == "train.py"


def test_patched_files_do_not_hide_the_project_around_them(tmp_path: Path) -> None:
    lay_out(tmp_path, patches__opacus__privacy_engine=ENGINE, train=wrong(), opacus__train=wrong())
    found = {f.span.path for f in api.scan(["."], cwd=tmp_path).findings if f.rule == "DPM103"}
    assert found == {"train.py", "opacus/train.py"}


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("third_party/opacus/optimizers/optimizer.py", "opacus.optimizers.optimizer"),
        ("opacus/utils/fast_gradient_clipping_utils.py", "opacus.utils.fast_gradient_clipping_utils"),
        ("opacus/train.py", None),
        ("mine/optimizers/optimizer.py", None),
    ],
)
def test_names_of_files_below_a_folder_called_opacus(path: str, name: str | None) -> None:
    assert Modules([path], lambda key, library_path: None).library_path(path) == name
