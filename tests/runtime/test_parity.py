"""``check_clipping`` on an affected and on a right release; scenarios are in parity_scenarios.py."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.opacus_releases import CHECKOUT, environment

pytest.importorskip("torch")

pytestmark = [pytest.mark.opacus, pytest.mark.slow]


@pytest.mark.parametrize("version", ["1.5.2", "1.6.0"])
def test_every_scenario_holds(version: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.runtime.parity_scenarios"],
        cwd=CHECKOUT,
        env=environment(version),
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    outcomes = json.loads(done.stdout)
    failed = {name: result["value"] for name, result in outcomes.items() if not result["ok"]}
    assert failed == {}, "\n".join(failed.values())
    values = {name: result["value"] for name, result in outcomes.items()}
    assert values["splits_are_even_and_uneven"] == [
        "one batch of 13",
        "4 physical batches (3+3+3+3)",
        "4 physical batches (4+3+3+3)",
    ]
    _judge_message(values["a_failure_says_which_layer_and_examples"], version)
    _judge_report(values["the_report_follows_the_contract"], version)


def _judge_message(message: str, version: str) -> None:
    assert message.startswith(f"clipping is not right under Opacus {version} (float32):")
    assert "the per-sample gradient norm of l2.weight is wrong" in message


def _judge_report(report: dict[str, Any], version: str) -> None:
    assert {"schema", "opacus", "torch", "dtype", "logical_steps", "physical_batches"} <= set(report)
    assert report["opacus"] == version
    assert [e["mode"] for e in report["engines"]] == ["hooks", "ghost"]
    keys = {"name", "passed", "value", "limit", "rule", "engine", "detail"}
    assert all(set(check) == keys for check in report["checks"])
    assert report["passed"] == (version == "1.6.0")


USES_THE_FIXTURE = """
import torch
from torch import nn

def test_right(clipping_check):
    report = clipping_check(
        nn.Linear(3, 2), nn.CrossEntropyLoss(), (torch.randn(6, 3), torch.tensor([0, 1, 0, 1, 0, 1])),
        zero_grad="set-to-none", checks=["parity-clipped-sum"],
    )
    assert report.passed

def test_wrong(clipping_check):
    def step(model, optimizer, criterion, batch):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(batch[0]), batch[1]).backward()
        optimizer.step()
    clipping_check(
        nn.Linear(3, 2), nn.CrossEntropyLoss(), (torch.randn(6, 3), torch.tensor([0, 1, 0, 1, 0, 1])),
        train_step=step, modes=["ghost"], checks=["parity-clipped-sum"],
    )
"""


def test_the_fixture_passes_right_code_and_fails_wrong_code(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(USES_THE_FIXTURE)
    done = _pytest(tmp_path, environment("1.6.0"))
    assert "1 failed, 1 passed" in done.stdout, done.stdout
    assert "DPM103 " in done.stdout


def test_without_opacus_the_fixture_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text("def test_it(clipping_check): pass\n")
    (tmp_path / "opacus.py").write_text("raise ImportError('no such thing here')\n")
    env = environment("1.6.0") | {"PYTHONPATH": f"{tmp_path}:{CHECKOUT}"}
    done = _pytest(tmp_path, env)
    assert "1 error" in done.stdout and "pip install torch opacus" in done.stdout, done.stdout


def test_the_plugin_itself_imports_neither_torch_nor_opacus() -> None:
    code = (
        "import sys, dpmigrate.pytest_plugin, dpmigrate.runtime, dpmigrate.runtime.report_types;"
        "print(sorted({'torch', 'opacus', 'libcst', 'numpy'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=CHECKOUT,
        env=environment("1.6.0"),
        capture_output=True,
        text=True,
        timeout=900,
        check=True,
    )
    assert done.stdout.strip() == "[]"


def _pytest(folder: Path, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist"]
    # the entry point is what an installed dpmigrate has; here the plugin is named
    return subprocess.run(
        [*command, "-p", "dpmigrate.pytest_plugin", "--rootdir", str(folder), str(folder)],
        cwd=folder,
        env=env | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
