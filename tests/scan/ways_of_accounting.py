"""Small programs in pairs that differ in one fact, with which a rule holds or not: all other rules."""

from __future__ import annotations

from tests.scan.ways_of_writing import HEAD, HOOKS, Pair

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


OF_THE_REST = (
    Pair(
        "DPM201",
        "seed-that-may-be-missing",
        HEAD
        + """
import secrets


def made(seed):
    generator = torch.Generator()
    if seed is not None:
        generator.manual_seed(seed)
    return generator


net = nn.Linear(16, 8)
net, optimizer, loader = PrivacyEngine().make_private(
    module=net,
    optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
    data_loader=DataLoader(data(), batch_size=32),
    noise_multiplier=1.0,
    max_grad_norm=1.0,
    noise_generator=made(FACT),
)
for x, y in loader:
    optimizer.zero_grad()
    F.cross_entropy(net(x), y).backward()
    optimizer.step()
""",
        "None",
        "secrets.randbits(63)",
    ),
    Pair(
        "DPM204",
        "number-of-a-client-worked-out",
        HEAD
        + """
class Client:
    def __init__(self, cid):
        self.cid = int(cid)
        generator = torch.Generator()
        generator.manual_seed(FACT)
        net = nn.Linear(16, 8)
        self.net, self.optimizer, self.loader = PrivacyEngine().make_private(
            module=net,
            optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
            data_loader=DataLoader(data(), batch_size=32),
            noise_multiplier=1.0,
            max_grad_norm=1.0,
            noise_generator=generator,
        )


for number in range(3):
    Client(number)
""",
        "1000 + self.cid",
        "torch.seed() + self.cid",
    ),
    Pair(
        "DPM302",
        "step-left-out-for-a-loss",
        HEAD
        + HOOKS
        + """
for epoch in range(3):
    with BatchMemoryManager(data_loader=loader, max_physical_batch_size=8, optimizer=optimizer) as batches:
        for x, y in batches:
            optimizer.zero_grad()
            loss = F.cross_entropy(net(x), y)
            if not torch.isfinite(loss):
                FACT
            loss.backward()
            optimizer.step()
""",
        "continue",
        "print(loss)",
    ),
    Pair(
        "DPM302",
        "loop-left-in-each-epoch-or-for-good",
        HEAD
        + HOOKS
        + """
for epoch in range(3):
    with BatchMemoryManager(data_loader=loader, max_physical_batch_size=8, optimizer=optimizer) as batches:
        for number, (x, y) in enumerate(batches):
            if number == 20:
                break
            optimizer.zero_grad()
            F.cross_entropy(net(x), y).backward()
            optimizer.step()
    FACT
""",
        "print(epoch)",
        "break",
    ),
    *(
        Pair(
            "DPM302",
            f"loop-left-behind-the-step-{name}",
            HEAD
            + HOOKS
            + f"""
for epoch in range(3):
    with BatchMemoryManager(data_loader=loader, max_physical_batch_size=8, optimizer=optimizer) as batches:
        for number, (x, y) in enumerate(batches):
            optimizer.zero_grad()
            F.cross_entropy(net(x), y).backward()
            optimizer.step()
            if {test}:
                break
    {end}
""",
            wrong,
            right,
        )
        for name, test, end, wrong, right in (
            ("in-each-epoch-or-for-good", "number == 20", "FACT", "print(epoch)", "break"),
            (
                "anywhere-or-where-it-was-one",
                "FACT",
                "pass",
                "number > 20",
                "not optimizer._is_last_step_skipped",
            ),
        )
    ),
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
        "DPM307",
        "method-of-an-array",
        HEAD
        + """
import numpy as np


def one(part):
    net = nn.Linear(16, 4)
    engine = PrivacyEngine()
    net, optimizer, loader = engine.make_private(
        module=net,
        optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
        data_loader=DataLoader(part, batch_size=32),
        noise_multiplier=1.0,
        max_grad_norm=1.0,
    )
    for x, y in loader:
        optimizer.zero_grad()
        F.cross_entropy(net(x), y).backward()
        optimizer.step()
    return engine.get_epsilon(1e-5)


spent = [one(torch.utils.data.Subset(data(), range(part, part + 128))) for part in (0, 128, 256)]
print(np.array(spent).FACT())
""",
        "mean",
        "max",
    ),
    Pair(
        "DPM307",
        "strategy-of-ones-own",
        HEAD
        + CLIENT
        + """

class Reporting(flwr.server.strategy.FedAvg):
    def aggregate_fit(self, server_round, results, failures):
        spent = [result.metrics["epsilon"] for _, result in results]
        print(FACT)
        return super().aggregate_fit(server_round, results, failures)


strategy = Reporting(min_fit_clients=2)
""",
        "sum(spent) / len(spent)",
        "max(spent)",
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
        "DPM301",
        "yielded-by-a-generator",
        HEAD
        + HOOKS.replace(
            "net, optimizer, loader = make(",
            "public = DataLoader(data(), batch_size=32)\nnet, optimizer, loader = make(",
        )
        .replace("    loader = DataLoader(data(), batch_size=32)\n", "")
        .replace("data_loader=loader", "data_loader=public")
        + """
def batches(source):
    for epoch in range(3):
        yield from source


for x, y in batches(FACT):
    optimizer.zero_grad()
    F.cross_entropy(net(x), y).backward()
    optimizer.step()
""",
        "public",
        "loader",
    ),
    Pair(
        "DPM308",
        "result-joined-to-a-tuple",
        HEAD
        + """
def make(net, **options):
    engine = PrivacyEngine()
    loader = DataLoader(data(), batch_size=32)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    options.update(noise_multiplier=1.0, max_grad_norm=1.0)
    made = engine.make_private(module=net, optimizer=optimizer, data_loader=loader, **options)
    return (engine,) + tuple(made)


engine, net, optimizer, loader = make(nn.Linear(16, 4), poisson_sampling=FACT)
for x, y in loader:
    optimizer.zero_grad()
    F.cross_entropy(net(x), y).backward()
    optimizer.step()
print(engine.get_epsilon(1e-5))
""",
        "False",
        "True",
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
        "DPM301",
        "class-that-goes-over-a-loader",
        HEAD
        + """
class Ahead:
    def __init__(self, source):
        self.source = source

    def __iter__(self):
        for batch in self.source:
            yield tuple(part.to("cpu") for part in batch)


public = DataLoader(data(), batch_size=32)
net = nn.Linear(16, 4)
net, optimizer, private = PrivacyEngine().make_private(
    module=net,
    optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
    data_loader=public,
    noise_multiplier=1.0,
    max_grad_norm=1.0,
)
for x, y in Ahead(FACT):
    optimizer.zero_grad()
    F.cross_entropy(net(x), y).backward()
    optimizer.step()
""",
        "public",
        "private",
    ),
    Pair(
        "DPM205",
        "state-of-before-again",
        HEAD
        + HOOKS
        + """
state = torch.get_rng_state()
for epoch in range(3):
    FACT
    for x, y in loader:
        optimizer.zero_grad()
        F.cross_entropy(net(x), y).backward()
        optimizer.step()
""",
        "torch.set_rng_state(state)",
        "print(state)",
    ),
    Pair(
        "DPM303",
        "sampler-in-a-batch-sampler",
        HEAD
        + """
from torch.utils.data import BatchSampler, RandomSampler, SubsetRandomSampler

records = data()
batches = BatchSampler(FACT, batch_size=32, drop_last=False)
net = nn.Linear(16, 4)
net, optimizer, loader = PrivacyEngine().make_private(
    module=net,
    optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
    data_loader=DataLoader(records, batch_sampler=batches),
    noise_multiplier=1.0,
    max_grad_norm=1.0,
)
for x, y in loader:
    optimizer.zero_grad()
    F.cross_entropy(net(x), y).backward()
    optimizer.step()
""",
        "SubsetRandomSampler(range(100))",
        "RandomSampler(records)",
    ),
    Pair(
        "DPM306",
        "power-of-ten",
        HEAD
        + HOOKS
        + """
engine = PrivacyEngine()
net, optimizer, loader = engine.make_private(
    module=nn.Linear(16, 8),
    optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
    data_loader=DataLoader(data(), batch_size=32),
    noise_multiplier=1.0,
    max_grad_norm=1.0,
)
for x, y in loader:
    F.cross_entropy(net(x), y).backward()
    optimizer.step()
    optimizer.zero_grad()
print(engine.get_epsilon(10**FACT))
""",
        "-1",
        "-6",
    ),
)
