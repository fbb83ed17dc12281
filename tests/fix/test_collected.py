"""Private models in lists, dicts, comprehensions: each is trained by the criterion that is kept with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fix.conftest import Folder
from tests.fix.running import PARITY, recorded
from tests.fix.upgrading import Make

HEAD = """\
from collections import namedtuple
from dataclasses import dataclass

import torch
from opacus import PrivacyEngine
from opacus.utils.batch_memory_manager import BatchMemoryManager
from opacus.utils.fast_gradient_clipping_utils import double_backward
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

Setup = namedtuple("Setup", "net opt data")


@dataclass
class Client:
    net: nn.Module
    opt: object
    data: object


def train(net, opt, data, criterion):
    with BatchMemoryManager(data_loader=data, max_physical_batch_size=3, optimizer=opt) as physical:
        for x, y in physical:
            opt.zero_grad()
            losses = criterion(net(x), y)
            double_backward(net, opt, losses)
            opt.step()

"""
MAKE = """
def make(seed):
    torch.manual_seed(seed)
    net = nn.Sequential(nn.Linear(4, 3 + seed), nn.Linear(3 + seed, 2))
    opt = torch.optim.SGD(net.parameters(), lr=0.1)
    data = DataLoader(TensorDataset(torch.randn(16, 4), torch.arange(16) % 2), batch_size=8)
    net, opt, data = PrivacyEngine().make_private(
        module=net, optimizer=opt, data_loader=data, noise_multiplier=1.0, max_grad_norm=1.0,
        grad_sample_mode="ghost", clipping="ghost")
    {out}

"""
CRITERION = 'criterion = nn.CrossEntropyLoss(reduction="none")\n'
TRAIN = "train({net}, {opt}, {data}, criterion)"
TUPLE, ENTRIES = "return net, opt, data", 'return {"net": net, "opt": opt, "data": data}'
RECORD = "return Setup(net, opt, data)"
PLAIN = TRAIN.format(net="net", opt="opt", data="data")
BY_KEY = TRAIN.format(net='c["net"]', opt='c["opt"]', data='c["data"]')
BY_FIELD = TRAIN.format(net="c.net", opt="c.opt", data="c.data")
BY_NUMBER = TRAIN.format(net="c[0]", opt="c[1]", data="c[2]")
WITHIN = MAKE.replace("def make(seed):", "kept = {}\nfor seed in range(2):").replace("    {out}", "    {out}")

RIGHT = {
    "a list comprehension": (TUPLE, f"for net, opt, data in [make(i) for i in range(2)]:\n    {PLAIN}"),
    "a variable": (
        TUPLE,
        f"kept = [make(i) for i in range(2)]\nfor i, (net, opt, data) in enumerate(kept):\n    {PLAIN}",
    ),
    "a dict comprehension": (
        TUPLE,
        f"kept = {{n: make(n) for n in range(2)}}\nfor n, (net, opt, data) in kept.items():\n    {PLAIN}",
    ),
    "its values": (
        RECORD,
        f"kept = {{n: make(n) for n in range(2)}}\nfor c in kept.values():\n    {BY_FIELD}",
    ),
    "appended": (
        ENTRIES,
        f"kept = []\nfor i in range(2):\n    kept.append(make(i))\nprint(len(kept))\n"
        f"for c in kept:\n    {BY_KEY}",
    ),
    "by number": (TUPLE, f"kept = [make(i) for i in range(2)]\nfor c in kept:\n    {BY_NUMBER}"),
    "a function that makes all": (
        TUPLE,
        f"def build():\n    kept = [make(i) for i in range(2)]\n    return kept\n\n\n"
        f"for net, opt, data in build():\n    {PLAIN}",
    ),
    "a function that is given all": (
        TUPLE,
        f"def run(clients, criterion):\n    for net, opt, data in clients:\n        {PLAIN}\n\n\n"
        "kept = [make(i) for i in range(2)]\nrun(kept, criterion)",
    ),
    "beside numbers": (
        TUPLE,
        f"kept = [make(i) for i in range(2)]\nfor n, (net, opt, data) in zip(range(2), kept):\n    {PLAIN}",
    ),
    "a generator": (
        TUPLE.replace("return", "yield"),
        f"for seed in range(2):\n    for net, opt, data in make(seed):\n        {PLAIN}",
    ),
}
LOOPED = {
    "tuples": ("kept.append((net, opt, data))", f"for net, opt, data in kept:\n    {PLAIN}"),
    "dicts": ('kept.append({"net": net, "opt": opt, "data": data})', f"for c in kept:\n    {BY_KEY}"),
    "records": ("kept.append(Client(net=net, opt=opt, data=data))", f"for c in kept:\n    {BY_FIELD}"),
    "by number": ("kept[seed] = (net, opt, data)", f"for c in kept.values():\n    {BY_NUMBER}"),
    "parallel lists": (
        "kept.append(net), opts.append(opt), parts.append(data)",
        f"for i, (net, opt, data) in enumerate(zip(kept, opts, parts)):\n    {PLAIN}",
    ),
    "at once": (
        f"kept.append((net, opt, data))\n    {PLAIN}",
        f"for net, opt, data in kept:\n    {PLAIN}",
    ),
}


def program(out: str, used: str) -> str:
    return HEAD + MAKE.replace("{out}", out) + "\n" + CRITERION + used + "\n"


def looped(kept: str, used: str) -> str:
    begun = "kept = {}" if "kept[" in kept else "kept = []"
    begun += "\nopts, parts = [], []" if "opts" in kept else ""
    made = WITHIN.replace("kept = {}", begun).replace("{out}", kept)
    return HEAD + CRITERION + made + used + "\n"


def taken_into(targets: str, first: str, kept: str, used: str) -> str:
    """The result of each call in members of an object, or in dicts by a key."""
    taken = looped(kept, used).replace("net, opt, data = Priv", f"{first}{targets} = Priv")
    taken = taken.replace("for seed in range(2):", "for seed, name in enumerate(names):")
    return taken.replace("\nkept = []", '\nnames = ["a", "b"]\nnets, opts, parts = {}, {}, {}\nkept = []')


PROGRAMS = {
    "members": taken_into(
        "c.net, c.opt, c.data",
        "c = Client(1, 2, 3)\n    ",
        "kept.append(c)",
        f"for c in kept:\n    {BY_FIELD}",
    ),
    "entries": taken_into(
        "nets[name], opts[name], parts[name]",
        "",
        "pass",
        "for n in names:\n    train(nets[n], opts[n], parts[n], criterion)",
    ),
    **{name: program(*parts) for name, parts in RIGHT.items()},
    **{f"looped, {name}": looped(*parts) for name, parts in LOOPED.items()},
}


def project(folder: Make, text: str) -> Folder:
    return folder({"train.py": text, "requirements.txt": "opacus==1.5.2\n"})


@pytest.mark.parametrize("how", PROGRAMS)
def test_each_has_its_own_criterion(folder: Make, how: str, tmp_path: Path) -> None:
    made = project(folder, PROGRAMS[how])
    result = made.fix()
    assert result.refused == (), made.read()
    assert set(result.applied) == {"requirements.txt", "train.py"}
    assert made.fix().diff == ""
    account = recorded("1.6.0", tmp_path, "train.py", out=tmp_path / "account.json", hooks=True)
    assert account["run"]["error"] is None, account["run"]["message"]
    assert len(account["hooks_errors"]) >= 4
    assert max(account["hooks_errors"]) <= PARITY


LEFT = {
    "another key": (
        TUPLE,
        "nets, opts, parts = {}, {}, {}\nfor i in range(2):\n    nets[i], opts[i], parts[i] = make(i)\n"
        "for i in range(2):\n    train(nets[i], opts[1 - i], parts[i], criterion)",
    ),
    "taken whole": (TUPLE, "kept = [make(i) for i in range(2)]\nfor c in kept:\n    train(*c, criterion)"),
    "what else is in it": (
        TUPLE,
        "kept = [make(i) for i in range(2)] + [(1, 2, 3)]\nfor net, opt, data in kept:\n    print(net)",
    ),
    "counted from behind": (
        TUPLE,
        "kept = [make(i) for i in range(2)]\nfor c in kept:\n    train(c[-3], c[-2], c[-1], criterion)",
    ),
    "another is put in": (
        TUPLE,
        "kept = [make(i) for i in range(2)]\nkept.append((nn.Linear(1, 1), None, []))\n"
        f"for net, opt, data in kept:\n    {PLAIN}",
    ),
    "two at once": (
        TUPLE,
        "kept = [make(i) for i in range(2)]\nfor net, *rest in kept:\n    train(net, *rest, criterion)",
    ),
    "handed to a library": (
        TUPLE,
        f"import pickle\nkept = [make(i) for i in range(2)]\nopen('x', 'wb').write(pickle.dumps(kept))\n"
        f"for net, opt, data in kept:\n    {PLAIN}",
    ),
}


@pytest.mark.parametrize("how", LEFT)
def test_what_cannot_be_followed_is_left_with_the_line(folder: Make, how: str) -> None:
    text = program(*LEFT[how])
    made = project(folder, text)
    result = made.fix()
    assert (result.applied, made.read()) == ((), text)
    assert any(reason.startswith("line ") for _, reason in result.refused), result.refused
