"""DPM304, engine-remade-in-loop: clients, callbacks and servers, in pairs that differ in one fact."""

from __future__ import annotations

from tests.scan.ways.programs import CLIENT, HEAD, Pair

KEPT = (
    HEAD
    + """
import tracker


class Client:
    def __init__(self, net, records):
        self.net, self.records = net, records
        self.optimizer = None

    def set_up(self):
        self.engine = PrivacyEngine()
        self.net, self.optimizer, self.loader = self.engine.make_private(
            module=self.net,
            optimizer=torch.optim.SGD(self.net.parameters(), lr=0.1),
            data_loader=DataLoader(self.records, batch_size=32),
            noise_multiplier=1.0,
            max_grad_norm=1.0,
        )

    def fit(self):
        if FACT:
            self.set_up()
        for x, y in self.loader:
            self.optimizer.zero_grad()
            F.cross_entropy(self.net(x), y).backward()
            self.optimizer.step()
        return self.engine.get_epsilon(1e-5)


client = Client(nn.Linear(16, 4), data())
print(client.fit())
client.optimizer = tracker.watched(client.optimizer)
print(client.fit())
"""
)

PAIRS = (
    Pair(
        "DPM304",
        "engine-that-a-callback-hangs-on-the-module",
        HEAD
        + """
import lightning


class Private(lightning.Callback):
    def on_FACT_start(self, trainer, module):
        module.dp = PrivacyEngine()
        module.net, module.optimizer, module.loader = module.dp.make_private(
            module=module.net,
            optimizer=module.optimizer,
            data_loader=module.loader,
            noise_multiplier=1.0,
            max_grad_norm=1.0,
        )

    def on_train_epoch_end(self, trainer, module):
        print(module.dp.get_epsilon(1e-5))
""",
        "train_epoch",
        "fit",
    ),
    Pair(
        "DPM304",
        "weights-as-one-vector",
        HEAD
        + """
from torch.nn.utils import parameters_to_vector, vector_to_parameters

shared = parameters_to_vector(nn.Linear(16, 4).parameters()).detach()
for round_number in range(5):
    vectors = []
    for client in range(3):
        net = nn.Linear(16, 4)
        FACT
        engine = PrivacyEngine()
        net, optimizer, loader = engine.make_private(
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
        print(engine.get_epsilon(1e-5))
        vectors.append(parameters_to_vector(net.parameters()).detach())
    shared = torch.stack(vectors).mean(dim=0)
""",
        "vector_to_parameters(shared, net.parameters())",
        "pass",
    ),
    Pair(
        "DPM304",
        "changes-added-to-the-server-s-weights",
        HEAD
        + """
def one(net, part):
    before = {k: v.clone() for k, v in net.state_dict().items()}
    engine = PrivacyEngine()
    private, optimizer, loader = engine.make_private(
        module=net,
        optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
        data_loader=DataLoader(part, batch_size=32),
        noise_multiplier=1.0,
        max_grad_norm=1.0,
    )
    for x, y in loader:
        optimizer.zero_grad()
        F.cross_entropy(private(x), y).backward()
        optimizer.step()
    print(engine.get_epsilon(1e-5))
    return {k: v - before[k] for k, v in net.state_dict().items()}


shared = nn.Linear(16, 4).state_dict()
for round_number in range(5):
    for client in range(3):
        net = nn.Linear(16, 4)
        FACT
        change = one(net, data())
        for k in shared:
            shared[k] = shared[k] + change[k] / 3
""",
        "net.load_state_dict(shared)",
        "pass",
    ),
    Pair("DPM304", "set-up-in-each-fit", KEPT, "self.records", "self.optimizer is None"),
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
)
