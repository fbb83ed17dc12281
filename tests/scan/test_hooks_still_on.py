"""A module that is made private in every round with its hooks still on: Opacus raises, DPM304 is unsure."""

from __future__ import annotations

from pathlib import Path

import pytest

from dpmigrate import api
from tests.scan.programs import lay_out

TURNS = """
import torch
from opacus import PrivacyEngine
from torch import nn
from torch.utils.data import DataLoader

net = nn.Linear(4, 2)
for _ in range(9):
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    engine = PrivacyEngine()
    TARGET, optimizer, loader = engine.make_private(
        module=net, optimizer=optimizer, data_loader=DataLoader(records),
        noise_multiplier=1.0, max_grad_norm=1.0)
    for x, y in loader:
        optimizer.zero_grad()
        nn.functional.cross_entropy(TARGET(x), y).backward()
        optimizer.step()
    AFTER
    print(engine.get_epsilon(1e-5))
"""
COPIED = "import copy\n" + TURNS.replace(
    "    optimizer = torch.optim", "    net = copy.deepcopy(net)\n    optimizer = torch.optim"
)
ROUND = """
import flwr
import torch
from opacus import PrivacyEngine
from torch import nn
from torch.utils.data import DataLoader


class Client(flwr.client.NumPyClient):
    def __init__(self, net):
        self.net = net

    def fit(self, parameters, config):
        self.net.load_state_dict(dict(zip(self.net.state_dict(), parameters)))
        net = self.net
        optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
        engine = PrivacyEngine()
        TARGET, optimizer, loader = engine.make_private(
            module=net, optimizer=optimizer, data_loader=DataLoader(records),
            noise_multiplier=1.0, max_grad_norm=1.0)
        for x, y in loader:
            optimizer.zero_grad()
            nn.functional.cross_entropy(TARGET(x), y).backward()
            optimizer.step()
        AFTER
        weights = [value.numpy() for value in self.net.state_dict().values()]
        return weights, 1, {"epsilon": engine.get_epsilon(1e-5)}


flwr.client.start_numpy_client(server_address="localhost:8080", client=Client(nn.Linear(4, 2)))
"""


FOR_EACH_ROUND = (
    ROUND.partition("flwr.client.start")[0]
    + """
def make(context):
    return Client(nn.Linear(4, 2)).to_client()


app = flwr.client.ClientApp(make)
"""
)


@pytest.mark.parametrize(
    ("program", "target", "after", "certainty"),
    [
        (TURNS, "private", "pass", "possible"),
        (TURNS, "private", "private.remove_hooks()", "definite"),
        (TURNS, "net", "pass", "definite"),
        (TURNS, "net", "net = net._module", "possible"),
        (TURNS, "net", "net = net.to_standard_module()", "definite"),
        (COPIED, "net", "net = net._module", "possible"),
        (COPIED, "net", "net = net.to_standard_module()", "definite"),
        (ROUND, "private", "pass", "possible"),
        (ROUND, "private", "private.remove_hooks()", "definite"),
        (ROUND, "self.net", "pass", "definite"),
        (FOR_EACH_ROUND, "private", "pass", "definite"),
    ],
)
def test_a_module_that_still_has_its_hooks(
    tmp_path: Path, program: str, target: str, after: str, certainty: str
) -> None:
    """Measured on 1.5.2, 1.5.4 and 1.6.0: the second make_private raises, "Trying to add hooks twice"."""
    text = program.replace("TARGET", target).replace("AFTER", after)
    result = api.scan(cwd=lay_out(tmp_path, train=text))
    assert [f.certainty for f in result.findings if f.rule == "DPM304"] == [certainty]
