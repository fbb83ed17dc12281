"""What verify says where there is no verdict, and how it takes modules, notebooks, factories and ranks."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from dpmigrate.report.verification.page import render_html
from dpmigrate.report.verification.text import render_text
from dpmigrate.runtime.run.api import run_request
from dpmigrate.runtime.run.request import Request
from tests.opacus_releases import environment, releases
from tests.verify import running
from tests.verify.running import HERE, PATIENCE
from tests.verify.test_audit import LOOP, SPAWNED
from tests.verify.warm import verify

pytestmark = [pytest.mark.opacus, pytest.mark.slow]

ENGINE = """
import opacus, torch
from torch.utils.data import DataLoader, TensorDataset
model = torch.nn.Linear(2, 2)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
loader = DataLoader(TensorDataset(torch.zeros(4, 2)), batch_size=2)
opacus.PrivacyEngine().make_private(
    module=model, optimizer=optimizer, data_loader=loader, noise_multiplier=1.0, max_grad_norm=1.0
)
"""


def test_missing_script_needs_no_torch(tmp_path: Path) -> None:
    outcome = run_request(Request("script", str(tmp_path / "nothing.py")))
    assert (outcome.exit_status, outcome.report_dict) == (2, {})
    assert "there is no script" in outcome.text


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        (ENGINE, "ended without one private step"),
        ("x = 1\n", "no private run was seen"),
        (
            "raise ValueError('the data\\nset is gone')\n",
            "raised ValueError: the data set is gone (train.py:1)",
        ),
        ("import sys\nsys.exit(0)\n", "exited with status 0 before its first private step"),
        ("import torch\ntorch.zeros(2).to('cuda')\n", "needs a GPU"),
        ("def f(:\n", "SyntaxError"),
        ("import os\nos._exit(3)\n", "ended without a word (exit status 3)"),
    ],
)
def test_no_verdict_is_one_sentence(tmp_path: Path, source: str, sentence: str) -> None:
    (tmp_path / "train.py").write_text(source, encoding="utf-8")
    done = verify("1.6.0", "train.py", cwd=tmp_path)
    assert (done.status, done.report) == (2, {})
    said = [line for line in done.stderr.splitlines() if line.startswith("No verdict: ")]
    assert len(said) == 1
    assert sentence in said[0]


def test_batch_norm_is_one_sentence_and_the_traceback_is_the_scripts_own(tmp_path: Path) -> None:
    source = ENGINE.replace("torch.nn.Linear(2, 2)", "torch.nn.BatchNorm1d(2)")
    (tmp_path / "train.py").write_text(source, encoding="utf-8")
    done = verify("1.6.0", "train.py", cwd=tmp_path)
    assert done.status == 2
    last = done.stderr.splitlines()[-1]
    assert last.startswith("No verdict: the script raised UnsupportedModuleError")
    said, _, advice = last.partition(" (train.py:7); ")
    assert said.endswith(" ...") and len(said) < 320
    assert advice.startswith(
        "a layer lets the examples of a batch see one another: ModuleValidator.fix(model)"
    )
    assert "dpmigrate/runtime" not in done.stderr.split("Traceback")[1].split("File")[1]


def test_nan_in_a_batch_fails_once_and_names_the_example(tmp_path: Path) -> None:
    source = (HERE / "train_hooks.py").read_text(encoding="utf-8")
    source = source.replace("    y = ", "    x[:, 2] = torch.nan\n    y = ", 1).replace(
        "x[:, 2]", "x[5:40, 2]"
    )
    (tmp_path / "train.py").write_text(source, encoding="utf-8")
    done = verify("1.6.0", "train.py", cwd=tmp_path)
    assert done.status == 1
    assert [c["name"] for c in done.report["checks"]] == ["parity-clipped-sum"]
    assert "NaN or infinity in the gradient of examples" in done.report["checks"][0]["detail"]


def test_time_limit(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("import time\ntime.sleep(60)\n", encoding="utf-8")
    done = running.verify("1.6.0", "--timeout", "1", "train.py", cwd=tmp_path)
    assert done.status == 2
    assert "took longer than 1 seconds" in done.stderr


def test_opacus_missing(tmp_path: Path) -> None:
    folder = tmp_path / "opacus"
    folder.mkdir()
    (folder / "__init__.py").write_text(
        "raise ModuleNotFoundError('No module', name='opacus')\n", encoding="utf-8"
    )
    (tmp_path / "train.py").write_text("x = 1\n", encoding="utf-8")
    env = environment("1.6.0")
    env["PYTHONPATH"] = f"{tmp_path}:{env['PYTHONPATH']}"
    command = [sys.executable, "-m", "dpmigrate", "verify", "train.py"]
    done = subprocess.run(
        command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert done.returncode == 2
    assert "Opacus is not installed in" in done.stderr


def test_opacus_beside_the_script_is_the_one_judged(tmp_path: Path) -> None:
    shutil.copytree(releases("1.5.2")["1.5.2"] / "opacus", tmp_path / "opacus")
    source = (HERE / "train_hooks.py").read_text(encoding="utf-8")
    (tmp_path / "train.py").write_text(source, encoding="utf-8")
    done = running.verify("1.6.0", "--checks", "parity", "train.py", cwd=tmp_path)
    assert done.status == 0, done.stderr
    assert (done.report["opacus"], done.report["evidence"]["opacus_folder"]) == ("1.5.2", "opacus")
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    late = f"import sys\nsys.path.insert(0, {str(tmp_path)!r})\n"
    (folder / "late.py").write_text(late + source, encoding="utf-8")
    done = running.verify("1.6.0", "late.py", cwd=folder)
    assert done.status == 2
    assert "the script changes sys.path and imports the Opacus in" in done.stderr


def test_opacus_without_a_version(tmp_path: Path) -> None:
    shutil.copytree(releases("1.6.0")["1.6.0"] / "opacus", tmp_path / "opacus")
    (tmp_path / "opacus" / "__init__.py").write_text(
        "from .privacy_engine import PrivacyEngine\n", encoding="utf-8"
    )
    (tmp_path / "train.py").write_bytes((HERE / "train_hooks.py").read_bytes())
    done = running.verify("1.6.0", "--checks", "parity", "train.py", cwd=tmp_path)
    assert done.status == 0, done.stderr
    assert done.report["opacus"]


def test_no_verdict_names_a_line_of_the_project(tmp_path: Path) -> None:
    project = tmp_path / "torch" / "opacus"
    project.mkdir(parents=True)
    library = tmp_path / "env" / "lib" / "python3.9" / "site-packages"
    library.mkdir(parents=True)
    (library / "helping.py").write_text("def help():\n    raise ValueError('no')\n", encoding="utf-8")
    (project / "train.py").write_text(
        f"import importlib, sys\nsys.path.append({str(library)!r})\n"
        "importlib.import_module('helping').help()\n",
        encoding="utf-8",
    )
    done = verify("1.6.0", "train.py", cwd=project)
    assert "No verdict: the script raised ValueError: no (train.py:3)" in done.stderr
    cells = ["import torch\nx = 1", "y = 2\nopen('nowhere.csv')"]
    notebook = {
        "cells": [
            {"cell_type": "code", "execution_count": None, "metadata": {}, "outputs": [], "source": cell}
            for cell in cells
        ],
        "metadata": {},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    (project / "train.ipynb").write_text(json.dumps(notebook), encoding="utf-8")
    done = verify("1.6.0", "train.ipynb", cwd=project)
    assert "'nowhere.csv' (train.ipynb:2, cell 2)" in done.stderr


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (
            (
                "model, optimizer, criterion, loader = PrivacyEngine",
                "model, optimizer, loader = PrivacyEngine",
            ),
            "make_private returns four in ghost mode: model, optimizer, criterion, data loader (DPM403)",
        ),
        (("nn.Tanh()", "nn.ReLU(inplace=True)"), "use inplace=False, and h = h + x instead of h += x"),
    ],
)
def test_known_errors_come_with_advice(tmp_path: Path, edit: tuple[str, str], said: str) -> None:
    source = (HERE / "train_ghost.py").read_text(encoding="utf-8")
    assert source.count(edit[0]) == 1
    (tmp_path / "train.py").write_text(source.replace(*edit), encoding="utf-8")
    (tmp_path / "requirements.txt").write_text("opacus==1.5.2\n", encoding="utf-8")
    done = verify("1.6.0", "train.py", cwd=tmp_path)
    assert done.status == 2
    assert said in done.stderr.splitlines()[-1]
    assert "asks for opacus==1.5.2, and this is about Opacus 1.6.0" in done.stderr.splitlines()[-1]


def test_what_was_not_seen_and_what_is_pinned_are_told(tmp_path: Path) -> None:
    source = ENGINE + (HERE / "train_hooks.py").read_text(encoding="utf-8")
    (tmp_path / "train.py").write_text(source, encoding="utf-8")
    (tmp_path / "requirements.txt").write_text("opacus==1.5.2\n", encoding="utf-8")
    done = verify("1.6.0", "--checks", "parity", "train.py", cwd=tmp_path)
    text = render_text(done.report)
    assert "(1 of 2 private runs seen" in text
    assert "requirements.txt:1 asks for opacus==1.5.2, and this is about Opacus 1.6.0" in text


def test_script_output_stays_off_standard_output_and_files_are_named(tmp_path: Path) -> None:
    source = (HERE / "train_hooks.py").read_text(encoding="utf-8")
    (tmp_path / "train.py").write_text("print('hello from the script')\n" + source, encoding="utf-8")
    page = tmp_path / "report.html"
    done = running.verify("1.6.0", "train.py", "--html", str(page), cwd=tmp_path)
    assert done.status == 0, done.stderr
    assert "hello from the script" in done.stderr
    digest = hashlib.sha256((tmp_path / "train.py").read_bytes()).hexdigest()
    assert {"path": "train.py", "sha256": digest} in done.report["files"]
    line = 2 + source[: source.index("PrivacyEngine(accountant")].count("\n")
    assert (done.report["engines"][0]["path"], done.report["engines"][0]["line"]) == ("train.py", line)
    html = page.read_text(encoding="utf-8")
    assert html.count("<svg") == 1
    assert not re.search(r"(?:src|href)=|@import|url\(", html)
    assert "prefers-color-scheme: dark" in html


def test_module(tmp_path: Path) -> None:
    package = tmp_path / "project"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "train.py").write_bytes((HERE / "train_hooks.py").read_bytes())
    done = verify("1.6.0", "-m", "project.train", cwd=tmp_path)
    assert done.status == 0, done.stderr
    assert done.report["engines"][0]["path"] == "project/train.py"


def test_notebook_runs_in_order_without_its_magics(tmp_path: Path) -> None:
    source = (HERE / "train_hooks.py").read_text(encoding="utf-8").split("\n\n\nif __name__")[0]
    first = "%matplotlib inline\n!pip install opacus\ngpu = !nvidia-smi\nprint('\\n'.join(gpu))"
    cells = [first, source, "train()"]
    notebook = {
        "cells": [
            {"cell_type": "code", "execution_count": None, "metadata": {}, "outputs": [], "source": cell}
            for cell in cells
        ],
        "metadata": {"kernelspec": {"language": "python", "name": "python3"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    (tmp_path / "train.ipynb").write_text(json.dumps(notebook), encoding="utf-8")
    done = verify("1.6.0", "train.ipynb", cwd=tmp_path)
    assert done.status == 0, done.stderr
    engine = done.report["engines"][0]
    assert (engine["path"], engine["cell"]) == ("train.ipynb", 1)


def test_factory(tmp_path: Path) -> None:
    (tmp_path / "built.py").write_text(
        "import torch\nfrom torch import nn\n"
        "def build():\n"
        "    torch.manual_seed(0)\n"
        "    return nn.Linear(4, 3), nn.CrossEntropyLoss(), (torch.randn(8, 4), torch.randint(0, 3, (8,)))\n"
        "def nothing():\n    return None\n",
        encoding="utf-8",
    )
    right = verify("1.6.0", "--factory", "built:build", cwd=tmp_path)
    assert (right.status, right.report["passed"]) == (0, True)
    wrong = verify("1.6.0", "--factory", "built:nothing", cwd=tmp_path)
    assert wrong.status == 2
    assert "the factory must return" in wrong.stderr


def test_modes_side_by_side() -> None:
    done = verify("1.6.0", "train_hooks.py", "--compare", "hooks,ghost")
    assert done.status == 0, done.stderr
    rows = done.report["compare"]
    assert [row["mode"] for row in rows] == ["hooks", "ghost"]
    for row in rows:
        least, most = row["seconds_spread"]
        assert 0 < least <= row["seconds_per_step"] <= most
        assert row["steps_timed"] == 7
        assert row["relative_error"] <= 1e-5
    text, page = render_text(done.report), render_html(done.report)
    for said in (text, page):
        assert "every check that ran holds" not in said.lower()
        assert "not made: parity-step, sensitivity, noise-std" in " ".join(said.split())
        assert f"{rows[0]['seconds_spread'][0]:.4f} to {rows[0]['seconds_spread'][1]:.4f}" in said


@pytest.mark.parametrize(("arguments", "status"), [((), 0), (("alike",), 1)])
def test_two_ranks(arguments: tuple[str, ...], status: int) -> None:
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    command = [*launcher, "-m", "dpmigrate", "verify", "--steps", "1", "--format", "json", "train_ranks.py"]
    done = subprocess.run(
        [*command, *(["--", *arguments] if arguments else [])],
        cwd=HERE,
        env=environment("1.6.0"),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    report = json.loads(done.stdout)
    failing = [c["detail"] for c in report["checks"] if c["passed"] is False]
    assert report["passed"] is (status == 0), failing
    assert any(c["detail"].startswith("rank 1: ") and c["passed"] for c in report["checks"])
    if status:
        assert len(failing) == 1
        assert "same positions" in failing[0]
        assert {c["rule"] for c in report["checks"] if c["passed"] is False} == {"DPM202"}


def test_sharded_parameters_get_a_sentence() -> None:
    # As a launcher starts the only process of a group.
    alone = {
        "RANK": "0",
        "LOCAL_RANK": "0",
        "WORLD_SIZE": "1",
        "MASTER_ADDR": "localhost",
        "MASTER_PORT": "0",
    }
    done = subprocess.run(
        [sys.executable, "-m", "dpmigrate", "verify", "--steps", "1", "train_sharded.py"],
        cwd=HERE,
        env=environment("1.6.0") | alone,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert "No verdict: the script shards its parameters" in done.stderr, done.stderr[-2000:]
    assert not done.stdout


def test_what_several_processes_hand_on_is_not_held_to_one(tmp_path: Path) -> None:
    refuses = (
        "optimizer.zero_grad()\n",
        "optimizer.zero_grad()\n"
        "        if 'FastGradient' in type(optimizer).__name__: raise RuntimeError('no ghost here')\n",
    )
    (tmp_path / "train.py").write_text(LOOP.replace(*refuses) + SPAWNED, encoding="utf-8")
    done = verify("1.6.0", "--checks", "parity", "train.py", cwd=tmp_path)
    assert done.status == 0, (done.failing, done.stderr[-2000:])
    assert "no ghost here" in done.check("parity-step")["detail"]


def test_bars_of_a_notebook_are_drawn_as_text(tmp_path: Path) -> None:
    if find_spec("ipywidgets") is not None:
        pytest.skip("the bars can be drawn here")
    (tmp_path / "tqdm").mkdir()
    (tmp_path / "tqdm" / "__init__.py").touch()
    (tmp_path / "tqdm" / "std.py").write_text("def tqdm(rows): return rows\n")
    (tmp_path / "tqdm" / "notebook.py").write_text("raise ImportError('IProgress not found')\n")
    script = "from tqdm.notebook import tqdm\nraise SystemExit(f'a bar of {tqdm.__module__}')\n"
    (tmp_path / "train.py").write_text(script)
    assert "a bar of tqdm.std" in running.verify("1.6.0", "train.py", cwd=tmp_path).stderr
