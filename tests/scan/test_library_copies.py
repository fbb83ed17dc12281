"""Opacus's own source, wherever a project keeps it, is no user of Opacus."""

from __future__ import annotations

from pathlib import Path

import pytest

from dpmigrate import api
from dpmigrate.analysis.source.components import imports_in
from dpmigrate.analysis.source.modules import Modules
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


@pytest.mark.parametrize(
    ("beside", "rules"), [("per_sample_gradient_clip", set()), ("accountants__rdp", {"DPM410"})]
)
def test_what_a_fork_of_zero_x_has_itself_is_not_gone(tmp_path: Path, beside: str, rules: set[str]) -> None:
    example = (
        "from opacus import PrivacyEngine\n\nengine = PrivacyEngine(model, sample_rate=0.1)\n"
        "engine.attach(optimizer)\n"
    )
    lay_out(
        tmp_path, opacus__privacy_engine=ENGINE, examples__mnist=example, **{f"opacus__{beside}": "x = 1\n"}
    )
    assert {f.rule for f in api.scan(["."], cwd=tmp_path).findings} == rules


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


TEST = wrong().replace("def train(data", "def test_train(data")
USES = "from opacus import PrivacyEngine\n\n\ndef main(net, opt, loader):\n    "
USES += "return PrivacyEngine().make_private(module=net, optimizer=opt, data_loader=loader)\n"


@pytest.mark.parametrize(
    "name",
    [
        "opacus__tests__engine_test",
        "opacus__examples__mnist",
        "vendored__opacus__tests__deeper__engine_test",
    ],
)
def test_its_own_tests_and_examples_are_skipped(tmp_path: Path, name: str) -> None:
    engine = f"{name.partition('opacus')[0]}opacus__privacy_engine"
    lay_out(tmp_path, **{engine: ENGINE, name: TEST, "train": USES, "tests__test_train": USES})
    result = api.scan(["."], cwd=tmp_path)
    assert [run.path for run in result.runs] == ["tests/test_train.py", "train.py"]


@pytest.mark.parametrize("folder", ["third_party__opacus", "opacus-1.5.2", "copies__dp"])
def test_a_copied_checkout_is_skipped(tmp_path: Path, folder: str) -> None:
    files = {
        "setup": "",
        "benchmarks__run_benchmarks": "",
        "opacus__privacy_engine": ENGINE,
        "examples__mnist": TEST,
        "tutorials__lightning": TEST,
    }
    lay_out(tmp_path, train=USES, **{f"{folder}__{name}": text for name, text in files.items()})
    assert [run.path for run in api.scan(["."], cwd=tmp_path).runs] == ["train.py"]


@pytest.mark.parametrize(("folder", "skipped"), [("opacus", True), ("dp", False)])
def test_a_copied_checkout_without_its_setup_is_skipped(tmp_path: Path, folder: str, skipped: bool) -> None:
    lay_out(
        tmp_path,
        train=USES,
        **{f"{folder}__conftest": USES, f"{folder}__opacus__privacy_engine": ENGINE},
    )
    runs = [run.path for run in api.scan(["."], cwd=tmp_path).runs]
    assert runs == ["train.py"] if skipped else ["dp/conftest.py", "train.py"]


def test_the_examples_of_the_project_itself_are_not(tmp_path: Path) -> None:
    lay_out(
        tmp_path, setup="", benchmarks__run_benchmarks="", opacus__privacy_engine=ENGINE, examples__mnist=USES
    )
    assert [run.path for run in api.scan(["."], cwd=tmp_path).runs] == ["examples/mnist.py"]


def test_a_project_that_keeps_a_copy_beside_its_setup_is_read(tmp_path: Path) -> None:
    lay_out(tmp_path, lab__setup="", lab__opacus__privacy_engine=ENGINE, lab__train=USES)
    assert [run.path for run in api.scan(["."], cwd=tmp_path).runs] == ["lab/train.py"]


@pytest.mark.parametrize("name", ["torch", "opacus"])
def test_a_folder_of_a_package_that_has_a_library_s_name_changes_nothing(tmp_path: Path, name: str) -> None:
    lay_out(tmp_path, train=wrong())
    alone = api.scan(["."], cwd=tmp_path)
    for inner in (f"pkg__backends__{name}____init__", f"pkg__backends__{name}__optim", f"others__{name}__nn"):
        lay_out(tmp_path, **{"pkg____init__": "", "pkg__backends____init__": "", inner: "import torch\n"})
        beside = api.scan(["."], cwd=tmp_path)
        assert beside.findings == alone.findings
        assert beside.runs == alone.runs


def test_projects_beside_a_folder_called_torch_are_interpreted_apart(tmp_path: Path) -> None:
    text = wrong().replace("=mode,", "='ghost',")
    lay_out(tmp_path, pkg__backends__torch____init__="", a__train=text, b__train=text)
    modules = Modules(["pkg/backends/torch/__init__.py", "a/train.py"], lambda key, library_path: None)
    assert list(imports_in(modules, "a/train.py", text.encode())) == []
    found = api.scan(["."], cwd=tmp_path, opacus=">=1.5.3").findings
    assert [f.certainty for f in found if f.rule == "DPM103"] == ["definite", "definite"]
