"""A function that is handed to a pool, a process or a launcher is called with what goes along."""

from __future__ import annotations

from pathlib import Path

import pytest

from dpmigrate import api
from tests.scan.programs import lay_out

PROGRAM = """
import torch
from torch import nn
from opacus import PrivacyEngine

def train(data, mode="hooks"):
    model = nn.Linear(4, 2)
    made = PrivacyEngine().make_private(
        module=model, optimizer=torch.optim.SGD(model.parameters(), lr=0.1), criterion=nn.CrossEntropyLoss(),
        data_loader=torch.utils.data.DataLoader(data), noise_multiplier=1.0, max_grad_norm=1.0,
        grad_sample_mode=mode)

IMPORT
if __name__ == "__main__":
    CALL
"""


@pytest.mark.parametrize(
    ("imported", "call"),
    [
        ("from multiprocessing import Process", 'Process(target=train, args=(None, "ghost")).start()'),
        (
            "from multiprocessing import Process",
            'Process(target=train, kwargs={"data": None, "mode": "ghost"}).start()',
        ),
        ("import concurrent.futures as cf", 'cf.ProcessPoolExecutor().submit(train, None, mode="ghost")'),
        ("from multiprocessing import Pool", 'Pool().starmap(train, [(None, "ghost")])'),
        ("from multiprocessing import Pool", 'Pool().apply_async(train, (None,), {"mode": "ghost"})'),
        ("from multiprocessing import Pool", 'Pool().map(lambda mode: train(None, mode), ["ghost"])'),
        ("from joblib import Parallel, delayed", 'Parallel()(delayed(train)(None, m) for m in ["ghost"])'),
        ("from accelerate import notebook_launcher", 'notebook_launcher(train, (None, "ghost"))'),
    ],
)
def test_what_goes_along_arrives(tmp_path: Path, imported: str, call: str) -> None:
    text = PROGRAM.replace("IMPORT", imported).replace("CALL", call)
    assert [run.mode for run in api.scan(cwd=lay_out(tmp_path, train=text)).runs] == [("ghost",)]


@pytest.mark.parametrize(
    "call",
    [
        "Pool().submit(train, *tasks)",
        "Pool().starmap(train, tasks)",
        'train(None, "hooks"); Pool().starmap(train, tasks)',
        'Pool().starmap(train, 9 * [(None, "hooks")] + [(None, input())])',
    ],
)
def test_what_is_not_known_stays_open(tmp_path: Path, call: str) -> None:
    text = PROGRAM.replace("IMPORT", "from multiprocessing import Pool\nfrom somewhere import tasks").replace(
        "CALL", call
    )
    (run,) = api.scan(cwd=lay_out(tmp_path, train=text)).runs
    assert "?" in run.mode
