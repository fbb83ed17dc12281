"""Calls and names of Opacus 0.x: what looks like them is left alone, then what is reported, how gravely."""

from __future__ import annotations

from pathlib import Path

import pytest

from dpmigrate import api

IMPORTS = "import torch\nfrom torch import nn\nfrom opacus import PrivacyEngine\n"
ENGINE = "engine = PrivacyEngine(net, sample_rate=0.1, noise_multiplier=1.0, max_grad_norm=1.0)\n"
MODEL = "net = nn.Linear(2, 2)\nopt = torch.optim.SGD(net.parameters(), lr=0.1)\n"


def said(folder: Path, text: str, pins: str = "") -> list[tuple[str, int, str, str]]:
    (folder / "train.py").write_text(text, encoding="utf-8")
    if pins:
        (folder / "requirements.txt").write_text(pins, encoding="utf-8")
    found = api.scan(["."], cwd=folder).findings
    return [(f.rule, f.span.line, f.severity, f.certainty) for f in found]


@pytest.mark.parametrize(
    "text",
    [
        IMPORTS.replace("opacus", "private_transformers") + MODEL + ENGINE + "engine.attach(opt)\n",
        IMPORTS.replace("opacus", "fastDP") + MODEL + ENGINE + "opt.virtual_step()\n",
        IMPORTS + "engine = PrivacyEngine(accountant='rdp', secure_mode=False)\n",
        IMPORTS
        + "engine = PrivacyEngine(accountant='rdp')\nengine.accountant.get_privacy_spent(delta=1e-5)\n",
        "import opacus\n\n\nclass Trainer:\n    def attach(self, opt):\n        self.opt = opt\n\n\n"
        "Trainer().attach(None)\n",
        "import opacus\n\n\ndef spent(ledger):\n    return ledger.get_privacy_spent(1e-5)\n",
        "try:\n    from opacus.validators import ModuleValidator\nexcept ImportError:\n"
        "    from opacus.dp_model_inspector import DPModelInspector\n",
        "import opacus\nif opacus.__version__ < '1':\n    from opacus.utils import module_modification\n",
        IMPORTS + MODEL + "if hasattr(opt, 'virtual_step'):\n    opt.virtual_step()\n",
        "from opacus.optimizers import SimpleDistributedPerLayerOptimizer\n",
        "from project.opacus.utils import module_modification\n",
        "from opacus.optimizers import DistributedPerLayerOptimizer  # 1.5.2 has it\n",
    ],
)
def test_nothing_is_said(tmp_path: Path, text: str) -> None:
    assert said(tmp_path, text, "opacus==1.5.2\n") == []


@pytest.mark.parametrize("end", ["raise", "raise SystemExit('pip install opacus')", "sys.exit(1)"])
def test_a_handler_that_ends_the_program_does_not_do_without(tmp_path: Path, end: str) -> None:
    imported = "from opacus.utils import module_modification"
    text = f"import sys\ntry:\n    {imported}\nexcept ImportError:\n    {end}\n"
    assert said(tmp_path, text, "opacus==1.5.2\n") == [("DPM413", 3, "error", "definite")]


@pytest.mark.parametrize(
    "caller",
    ["", "opt = torch.optim.SGD(model.parameters())\nPrivacyEngine(model).attach(opt)\ntrain(opt, 0)\n"],
)
def test_an_optimizer_that_another_library_attached_to_is_left_alone(tmp_path: Path, caller: str) -> None:
    text = (
        "import opacus\nimport torch\nfrom private_transformers import PrivacyEngine\n\n\n"
        "def train(optimizer, loss):\n    optimizer.virtual_step()\n\n\nmodel = torch.nn.Linear(4, 2)\n"
    )
    assert said(tmp_path, text + caller) == []


@pytest.mark.parametrize(
    ("pins", "severity", "certainty"),
    [
        ("opacus==0.13.0\n", "info", "definite"),
        ("opacus<1\n", "info", "definite"),
        ("opacus>=1.3\n", "error", "definite"),
        ("opacus\n", "error", "possible"),
        ("git+https://github.com/somebody/opacus.git\n", "error", "possible"),
    ],
)
def test_the_pins_say_how_grave_it_is(tmp_path: Path, pins: str, severity: str, certainty: str) -> None:
    text = IMPORTS + MODEL + ENGINE + "engine.attach(opt)\nopt.virtual_step()\nengine.get_privacy_spent()\n"
    assert said(tmp_path, text, pins) == [
        ("DPM410", 6, severity, certainty),
        ("DPM411", 8, severity, certainty),
        ("DPM412", 9, severity, certainty),
    ]


@pytest.mark.parametrize(
    ("call", "rule"),
    [
        ("opt.virtual_step()", "DPM411"),
        ("opt.privacy_engine.get_privacy_spent(1e-5)", "DPM412"),
        ("self.opt.virtual_step()", "DPM411"),
        ("engine.virtual_step()", "DPM411"),
        ("engine.to('cpu').get_privacy_spent(1e-5)", "DPM412"),
    ],
)
def test_what_is_called_on_something_attached(tmp_path: Path, call: str, rule: str) -> None:
    text = (
        f"{IMPORTS}{MODEL}\n\nclass Trainer:\n    def __init__(self):\n        self.opt = opt\n\n"
        f"    def go(self):\n        {ENGINE}        engine.attach(opt)\n        {call}\n"
    )
    assert [(r, n) for r, n, _, _ in said(tmp_path, text)] == [("DPM410", 13), (rule, 15)]


@pytest.mark.parametrize(
    ("engine", "pins", "wanted"),
    [
        ("PrivacyEngine()", "opacus==1.2.0\n", [("DPM412", "info")]),
        ("PrivacyEngine()", "opacus==1.4.0\n", [("DPM412", "error")]),
        ("PrivacyEngine(accountant='gdp')", "opacus==1.2.0\n", [("DPM412", "error")]),
        ("PrivacyEngine(accountant='rdp')", "opacus==1.5.4\n", []),
    ],
)
def test_which_accountant_has_orders(tmp_path: Path, engine: str, pins: str, wanted: list[object]) -> None:
    text = f"{IMPORTS}engine = {engine}\nprint(engine.accountant.get_privacy_spent(delta=1e-5))\n"
    assert [(r, s) for r, _, s, _ in said(tmp_path, text, pins)] == wanted


@pytest.mark.parametrize(
    ("handler", "reported"),
    [
        ("pass", True),
        ("print('no epsilon', 1)", True),
        ("logging.warning('failed: %s', 1)\n    spent = (float('nan'), None)", True),
        ("spent = (engine.get_epsilon(1e-5), None)", False),
        ("spent = by_hand(engine)", False),
        ("raise", True),
    ],
)
def test_an_epsilon_asked_for_in_vain_is_told_by_nobody(tmp_path: Path, handler: str, reported: bool) -> None:
    text = (
        f"{IMPORTS}engine = PrivacyEngine()\ntry:\n"
        "    spent = engine.accountant.get_privacy_spent(delta=1e-5)\n"
        f"except Exception:\n    {handler}\n"
    )
    assert [r for r, *_ in said(tmp_path, text, "opacus==1.5.4\n")] == ["DPM412"] * reported


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("from opacus.utils.module_modification import convert_batchnorm_modules as fix\n", 1),
        ("from opacus import privacy_analysis as pa\nprint(pa.compute_rdp(0.1, 1.0, 10, [2]))\n", 1),
        ("import opacus.privacy_analysis\n", 1),
        ("import opacus\n\n\ndef fix(net):\n    return opacus.utils.module_modification.f(net)\n", 5),
        ("import opacus as op\nprint(op.PerSampleGradientClipper)\n", 2),
        ("from opacus.layers import DPLSTM, DifferentiallyPrivateDistributedDataParallel as DDP\n", 1),
    ],
)
def test_names_that_moved(tmp_path: Path, text: str, line: int) -> None:
    assert said(tmp_path, text, "opacus>=1.4\n") == [("DPM413", line, "error", "definite")]


def test_a_name_that_the_pinned_release_still_has_is_what_a_move_needs(tmp_path: Path) -> None:
    text = "from opacus.data_loader import collate\n"
    assert said(tmp_path, text, "opacus==1.5.4\n") == [("DPM413", 1, "info", "definite")]


def test_an_engine_handed_to_another_module(tmp_path: Path) -> None:
    loop = "def epoch(optimizer, delta):\n    optimizer.virtual_step()\n"
    (tmp_path / "loop.py").write_text(loop, encoding="utf-8")
    text = f"from loop import epoch\n{IMPORTS}{MODEL}{ENGINE}engine.attach(opt)\nepoch(opt, 1e-5)\n"
    assert [(r, n) for r, n, _, _ in said(tmp_path, text)] == [("DPM411", 2), ("DPM410", 7)]
