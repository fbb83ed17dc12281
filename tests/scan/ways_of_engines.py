"""Small programs in pairs that differ in one fact: what an engine is made for, and what it gives back."""

from __future__ import annotations

from tests.scan.ways_of_writing import HEAD, Pair

CLIENT = """
import flwr
import numpy as np


class Client(flwr.client.NumPyClient):
    def __init__(self, net):
        self.engine = PrivacyEngine()
        self.net, self.optimizer, self.loader = self.engine.make_private(
            module=net,
            optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
            data_loader=DataLoader(data(), batch_size=32),
            noise_multiplier=1.0,
            max_grad_norm=1.0,
        )

    def fit(self, parameters, config):
        for x, y in self.loader:
            self.optimizer.zero_grad()
            F.cross_entropy(self.net(x), y).backward()
            self.optimizer.step()
        return [], 1, {"epsilon": self.engine.get_epsilon(1e-5)}
"""

ENGAGED = (
    Pair(
        "DPM304",
        "made-in-each-epoch-of-lightning",
        HEAD
        + """
import pytorch_lightning


class Module(pytorch_lightning.LightningModule):
    def __init__(self):
        super().__init__()
        self.net = nn.Linear(16, 4)

    def configure_optimizers(self):
        return torch.optim.SGD(self.net.parameters(), lr=0.1)

    def FACT(self):
        self.engine = PrivacyEngine()
        self.net, self.optimizer, self.loader = self.engine.make_private(
            module=self.net,
            optimizer=self.configure_optimizers(),
            data_loader=DataLoader(data(), batch_size=32),
            noise_multiplier=1.0,
            max_grad_norm=1.0,
        )

    def training_step(self, batch, index):
        return F.cross_entropy(self.net(batch[0]), batch[1])

    def on_train_epoch_end(self):
        self.log("epsilon", self.engine.get_epsilon(1e-5))


pytorch_lightning.Trainer(max_epochs=3).fit(Module())
""",
        "on_train_epoch_start",
        "on_train_start",
    ),
    Pair(
        "DPM304",
        "made-with-the-client-of-a-round",
        HEAD
        + CLIENT
        + """

KEPT = {}


def make_client(context):
    FACT
    return KEPT[0].to_client()


app = flwr.client.ClientApp(client_fn=make_client)
""",
        "return Client(nn.Linear(16, 4)).to_client()",
        "KEPT[0] = KEPT.get(0) or Client(nn.Linear(16, 4))",
    ),
    Pair(
        "DPM304",
        "clients-of-a-simulation-of-several-rounds",
        HEAD
        + CLIENT
        + """

flwr.simulation.start_simulation(
    client_fn=lambda context: Client(nn.Linear(16, 4)).to_client(),
    num_clients=2,
    config=flwr.server.ServerConfig(num_rounds=FACT),
)
""",
        "3",
        "1",
    ),
    Pair(
        "DPM311",
        "opacus-not-installed",
        HEAD.replace(
            "from opacus import PrivacyEngine\n"
            "from opacus.utils.batch_memory_manager import BatchMemoryManager\n",
            "try:\n    from opacus import PrivacyEngine\nexcept ImportError:\n    FACT\n",
        )
        + """

net = nn.Linear(16, 4)
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
loader = DataLoader(data(), batch_size=32)
if PrivacyEngine is not None:
    net, optimizer, loader = PrivacyEngine().make_private(
        module=net, optimizer=optimizer, data_loader=loader, noise_multiplier=1.0, max_grad_norm=1.0
    )
for x, y in loader:
    optimizer.zero_grad()
    F.cross_entropy(net(x), y).backward()
    optimizer.step()
""",
        "PrivacyEngine = None",
        "raise",
    ),
    Pair(
        "DPM403",
        "fields-of-a-named-tuple",
        HEAD
        + """
from typing import NamedTuple


class Private(NamedTuple):
    net: object
    optimizer: object
    FACT


net = nn.Linear(16, 4)
run = Private(*PrivacyEngine().make_private(
    module=net, optimizer=torch.optim.SGD(net.parameters(), lr=0.1), criterion=nn.CrossEntropyLoss(),
    data_loader=DataLoader(data(), batch_size=32), noise_multiplier=1.0, max_grad_norm=1.0,
    grad_sample_mode="ghost"
))
""",
        "loader: object",
        "criterion: object\n    loader: object",
    ),
    Pair(
        "DPM403",
        "mode-among-the-hyperparameters-of-lightning",
        HEAD
        + """
import pytorch_lightning


class Module(pytorch_lightning.LightningModule):
    def __init__(self, mode):
        super().__init__()
        self.save_hyperparameters()
        self.net = nn.Linear(16, 4)
        self.loader = DataLoader(data(), batch_size=32)

    def configure_optimizers(self):
        optimizer = torch.optim.SGD(self.net.parameters(), lr=0.1)
        self.net, optimizer, self.loader = PrivacyEngine().make_private(
            module=self.net,
            optimizer=optimizer,
            data_loader=self.loader,
            noise_multiplier=1.0,
            max_grad_norm=1.0,
            grad_sample_mode=self.hparams.mode,
        )
        return optimizer

    def train_dataloader(self):
        return self.loader

    def training_step(self, batch, index):
        return F.cross_entropy(self.net(batch[0]), batch[1])


pytorch_lightning.Trainer(max_epochs=3).fit(Module(FACT))
""",
        '"ghost"',
        '"hooks"',
    ),
    Pair(
        "DPM414",
        "torchvision-trained-or-frozen",
        HEAD
        + """
import torchvision

net = torchvision.models.resnet18(norm_layer=lambda channels: nn.GroupNorm(8, channels))
net.requires_grad_(FACT)
net.fc = nn.Linear(512, 4)
net, optimizer, loader = PrivacyEngine().make_private(
    module=net,
    optimizer=torch.optim.SGD(net.fc.parameters(), lr=0.1),
    data_loader=DataLoader(data(), batch_size=32),
    noise_multiplier=1.0,
    max_grad_norm=1.0,
)
for x, y in loader:
    optimizer.zero_grad()
    F.cross_entropy(net(x), y).backward()
    optimizer.step()
""",
        "True",
        "False",
    ),
    Pair(
        "DPM406",
        "entry-taken-out-of-the-options",
        HEAD
        + """
options = {"noise_multiplier": 1.0, "max_grad_norm": 1.0, "secure_mode": False}
engine = PrivacyEngine(secure_mode=options.FACT("secure_mode"))
net = nn.Linear(16, 8)
net, optimizer, loader = engine.make_private(
    module=net,
    optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
    data_loader=DataLoader(data(), batch_size=32),
    **options,
)
for x, y in loader:
    optimizer.zero_grad()
    F.cross_entropy(net(x), y).backward()
    optimizer.step()
""",
        "get",
        "pop",
    ),
    Pair(
        "DPM304",
        "stages-over-a-model-that-is-handed-in",
        HEAD
        + """

def stages(net, loader, number):
    kept = PrivacyEngine()
    for stage in range(number):
        engine = FACT
        private, optimizer, batches = engine.make_private(
            module=net,
            optimizer=torch.optim.SGD(net.parameters(), lr=0.1 / (stage + 1)),
            data_loader=loader,
            noise_multiplier=1.0,
            max_grad_norm=1.0,
        )
        for x, y in batches:
            optimizer.zero_grad()
            F.cross_entropy(private(x), y).backward()
            optimizer.step()
        print(stage, engine.get_epsilon(1e-6))
        private.remove_hooks()
""",
        "PrivacyEngine()",
        "kept",
    ),
    Pair(
        "DPM304",
        "model-of-a-trial-or-of-all",
        HEAD
        + """
import copy


def stages(start, loader, number):
    for stage in range(number):
        net = FACT
        engine = PrivacyEngine()
        private, optimizer, batches = engine.make_private(
            module=net,
            optimizer=torch.optim.SGD(net.parameters(), lr=0.1 / (stage + 1)),
            data_loader=loader,
            noise_multiplier=1.0,
            max_grad_norm=1.0,
        )
        for x, y in batches:
            optimizer.zero_grad()
            F.cross_entropy(private(x), y).backward()
            optimizer.step()
        print(stage, engine.get_epsilon(1e-6))
        private.remove_hooks()
""",
        "start",
        "copy.deepcopy(start)",
    ),
    Pair(
        "DPM414",
        "layer-by-the-name-of-an-option",
        HEAD
        + """
import argparse

parser = argparse.ArgumentParser()
parser.add_argument("--activation", default="ReLU")
activation = getattr(nn, parser.parse_args().activation)
net = nn.Sequential(nn.Linear(16, 8), activation(inplace=FACT), nn.Linear(8, 4))
net, optimizer, loader = PrivacyEngine().make_private(
    module=net,
    optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
    data_loader=DataLoader(data(), batch_size=32),
    noise_multiplier=1.0,
    max_grad_norm=1.0,
)
for x, y in loader:
    optimizer.zero_grad()
    F.cross_entropy(net(x), y).backward()
    optimizer.step()
""",
        "True",
        "False",
    ),
)
