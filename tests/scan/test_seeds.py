"""What counts as a global seed: torch's own, frameworks', and other packages' functions by their name."""

from __future__ import annotations

from pathlib import Path

import pytest

from dpmigrate import api
from tests.scan.programs import lay_out, right

UNSEEDED = right().replace("    torch.manual_seed(1)\n", "")


def seed_of(folder: Path, before: str) -> bool | None:
    lay_out(folder, train=f"{before}\n{UNSEEDED}\ntrain([])\n")
    (run,) = api.scan(["."], cwd=folder).runs
    return run.global_seed


@pytest.mark.parametrize(
    "before",
    [
        "",
        "import numpy\nnumpy.random.seed(1)",
        "import random\nrandom.seed(1)",
        "import tensorflow as tf\ntf.random.set_seed(1)",
        "from lab.utils import get_seed\nget_seed(1)",
        "from lab.utils import seed_data\nseed_data(1)",
        "from lab.utils import seed_everything",
        "import lightning as L\nL.Trainer(deterministic=True)",
        "def set_seed(seed):\n    print(seed)\nset_seed(1)",
    ],
)
def test_no_seed_of_torch(tmp_path: Path, before: str) -> None:
    assert seed_of(tmp_path, before) is False


@pytest.mark.parametrize("name", ["set_seed", "seed_everything"])
def test_a_method_of_something_unknown_may_seed(tmp_path: Path, name: str) -> None:
    assert seed_of(tmp_path, f"helper = open('x').read()\nhelper.{name}(1)") is None


@pytest.mark.parametrize(
    "name",
    [
        "seed_everything",
        "set_seed",
        "set_seeds",
        "seed_all",
        "fix_seed",
        "setup_seed",
        "set_random_seed",
        "set_all_seeds",
        "fix_random_seeds",
        "seed_torch",
        "set_deterministic",
    ],
)
def test_a_function_of_a_package_that_is_not_here(tmp_path: Path, name: str) -> None:
    assert seed_of(tmp_path, f"from lab.utils import {name} as begin\nbegin(1)") is True


@pytest.mark.parametrize(
    "before",
    [
        "from lightning import seed_everything\nseed_everything(1)",
        "from accelerate.utils import set_seed\nset_seed(1)",
        "from .missing import set_seed\nset_seed(1)",
        "import lab.utils\nlab.utils.set_seed(1)",
        "from transformers import Trainer\nTrainer(model=None)",
        "from transformers import Trainer\nclass Mine(Trainer):\n    pass\nMine(model=None)",
        "from transformers import Trainer\nclass Mine(Trainer):\n    def __init__(self, **more):\n"
        "        super().__init__(**more)\nMine(model=None)",
    ],
)
def test_what_seeds_torch(tmp_path: Path, before: str) -> None:
    assert seed_of(tmp_path, before) is True


def test_a_trainer_that_is_only_defined_seeds_nothing(tmp_path: Path) -> None:
    assert seed_of(tmp_path, "from transformers import Trainer\nclass Mine(Trainer):\n    pass") is False


LOADER = """\
import argparse
import torch
from opacus import PrivacyEngine
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

parser = argparse.ArgumentParser()
parser.add_argument("--fixed", action="store_true")
parser.add_argument("--seed", type=int, default=3)
args = parser.parse_args()
data = TensorDataset(torch.rand(64, 8), torch.zeros(64).long())
given = dict(dataset=data, batch_size=8)
if args.fixed:
    generator = torch.Generator()
    generator.manual_seed(SEED)
    given["generator"] = generator
model = nn.Linear(8, 2)
model, optimizer, loader = PrivacyEngine().make_private(
    module=model,
    optimizer=torch.optim.SGD(model.parameters(), lr=0.1),
    data_loader=DataLoader(**given),
    noise_multiplier=1.0,
    max_grad_norm=1.0,
)
for x, y in loader:
    optimizer.zero_grad()
    nn.functional.cross_entropy(model(x), y).backward()
    optimizer.step()
"""


@pytest.mark.parametrize(
    ("seed", "says"), [("7", "a literal seed fixes"), ("args.seed", "unless somebody sets another")]
)
def test_a_literal_in_a_branch_is_no_seed_that_anybody_sets(tmp_path: Path, seed: str, says: str) -> None:
    lay_out(tmp_path, train=LOADER.replace("SEED", seed))
    (finding,) = [f for f in api.scan(["."], cwd=tmp_path).findings if f.rule == "DPM202"]
    assert finding.certainty == "possible"
    assert says in finding.message
    assert finding.fix is None
