"""Loaders that an option, a client, a framework or another loader decides on, and data sets themselves."""

from __future__ import annotations

from tests.scan.ways_of_feeding import EITHER, HEAD, NEVER, PRIVATE, Feeding, after, step

OPTION = """
parser = argparse.ArgumentParser()
parser.add_argument("--other", action="store_true")
args = parser.parse_args()
"""

BY_CHOICE = (
    Feeding(
        "private-where-asked-for",
        HEAD
        + f"""
parser = argparse.ArgumentParser()
parser.add_argument("--dp", action="store_true")
args = parser.parse_args()
if args.dp:
    net, opt, private = engine.make_private(
        module=net, optimizer=opt, data_loader=raw, noise_multiplier=1.0, max_grad_norm=1.0
    )
loader = private if args.dp else raw
for x, y in BATCHES:
    {step()}""",
        {"raw": "definite", "loader": ""},
    ),
    Feeding(
        "moved-where-asked-for",
        HEAD
        + """
parser = argparse.ArgumentParser()
parser.add_argument("--dp", action="store_true")
args = parser.parse_args()
private = raw
if args.dp:
    net, opt, private = engine.make_private(
        module=net, optimizer=opt, data_loader=raw, noise_multiplier=1.0, max_grad_norm=1.0
    )


def train(model, loader, optimizer):
    for x, y in loader:
        x, y = x.to(device), y.to(device)
        optimizer.zero_grad()
        out = model(x)
        criterion(out, y).backward()
        optimizer.step()


for epoch in range(3):
    train(net, BATCHES, opt)
""",
        {"raw": "definite", "private": ""},
    ),
    Feeding(
        "a-manager-where-asked-for",
        HEAD
        + PRIVATE
        + f"""
parser = argparse.ArgumentParser()
parser.add_argument("--physical", type=int)
args = parser.parse_args()
if args.physical:
    with BatchMemoryManager(data_loader=BATCHES, max_physical_batch_size=args.physical, optimizer=opt) as few:
        for x, y in few:
            {step(3)}
else:
    for x, y in private:
        {step(2)}""",
        {"raw": "possible", "private": ""},
    ),
    Feeding(
        "clients",
        HEAD
        + """
class Client:
    def __init__(self, data):
        self.model = nn.Linear(4, 2)
        self.raw = DataLoader(data, batch_size=8)
        self.engine = PrivacyEngine()
        self.model, self.optimizer, self.private = self.engine.make_private(
            module=self.model, optimizer=optim.SGD(self.model.parameters(), lr=0.1), data_loader=self.raw,
            noise_multiplier=1.0, max_grad_norm=1.0,
        )

    def train(self):
        for x, y in self.BATCHES:
            self.optimizer.zero_grad()
            criterion(self.model(x), y).backward()
            self.optimizer.step()


clients = [Client(part) for part in torch.utils.data.random_split(dataset, [32, 32])]
for turn in range(3):
    for client in clients:
        client.train()
""",
        EITHER,
    ),
    Feeding(
        "a-flower-client",
        HEAD
        + """
import flwr as fl


def train(model, loader, optimizer, epochs):
    for _ in range(epochs):
        for x, y in loader:
            optimizer.zero_grad()
            criterion(model(x), y).backward()
            optimizer.step()


class Client(fl.client.NumPyClient):
    def __init__(self, trainloader, testloader):
        self.raw, self.testloader = trainloader, testloader
        self.model = nn.Linear(4, 2)
        optimizer = optim.SGD(self.model.parameters(), lr=0.1)
        self.engine = PrivacyEngine()
        self.model, self.optimizer, self.private = self.engine.make_private(
            module=self.model, optimizer=optimizer, data_loader=self.raw, noise_multiplier=1.0,
            max_grad_norm=1.0,
        )

    def fit(self, parameters, config):
        train(self.model, self.BATCHES, self.optimizer, 1)
        return [], len(self.raw), {}

    def evaluate(self, parameters, config):
        for x, y in self.raw:
            criterion(self.model(x), y)
        return 0.0, 1, {}


fl.client.start_numpy_client(server_address="localhost:1", client=Client(raw, public))
""",
        EITHER,
    ),
    Feeding(
        "lightning",
        HEAD
        + """
import pytorch_lightning as pl


class Lit(pl.LightningModule):
    def __init__(self, loader):
        super().__init__()
        self.net = nn.Linear(4, 2)
        self.raw = loader
        self.engine = PrivacyEngine()

    def training_step(self, batch, batch_idx):
        x, y = batch
        return criterion(self.net(x), y)

    def train_dataloader(self):
        return self.BATCHES

    def configure_optimizers(self):
        optimizer = optim.SGD(self.net.parameters(), lr=0.1)
        self.net, optimizer, self.private = self.engine.make_private(
            module=self.net, optimizer=optimizer, data_loader=self.raw, noise_multiplier=1.0,
            max_grad_norm=1.0,
        )
        return optimizer


pl.Trainer(max_epochs=1).fit(Lit(raw))
""",
        EITHER,
    ),
    Feeding(
        "lightning-drops-the-loader",
        HEAD
        + """
import pytorch_lightning as pl


class Lit(pl.LightningModule):
    def __init__(self):
        super().__init__()
        self.net = nn.Linear(4, 2)
        self.engine = PrivacyEngine()

    def training_step(self, batch, batch_idx):
        x, y = batch
        return criterion(self.net(x), y)

    def configure_optimizers(self):
        return optim.SGD(self.net.parameters(), lr=0.1)

    def on_train_start(self):
        self.net, optimizer, kept = self.engine.make_private(
            module=self.net, optimizer=self.optimizers(), data_loader=self.trainer.train_dataloader,
            noise_multiplier=1.0, max_grad_norm=1.0,
        )
        BATCHES


pl.Trainer(max_epochs=1).fit(Lit(), raw)
""",
        {"pass": "definite"},
    ),
    after(
        "a-copy-of-the-loader",
        f"for x, y in DataLoader(BATCHES, batch_size=4):\n    {step()}",
        {"dataset": "definite", "public.dataset": ""},
    ),
    after(
        "record-by-record",
        f"for x, y in BATCHES:\n    {step()}",
        {"dataset": "definite"},
    ),
    after(
        "items-of-the-data-set",
        f"for i in range(64):\n    x, y = dataset[i]\n    {step()}",
        {"-": "definite"},
    ),
    after(
        "the-first-batch-to-look-at",
        f"x, y = next(iter(BATCHES))\nprint(x.shape, net(x).shape)\nfor x, y in private:\n    {step()}",
        NEVER,
    ),
    after(
        "mean-of-a-loader",
        """
mean = torch.stack([x.mean(0) for x, _ in BATCHES]).mean(0)
for x, y in private:
    opt.zero_grad()
    criterion(net(x - mean), y).backward()
    opt.step()
""",
        {"raw": "possible", "public": ""},
    ),
    after(
        "what-one-pass-leaves",
        """
for x, y in private:
    opt.zero_grad()
    criterion(net(x), y).backward()
    opt.step()
for x, y in BATCHES:
    out = net(x)
    loss = criterion(out, y)
    print(loss.item())
""",
        NEVER,
    ),
    after(
        "a-seen-loader-decides",
        f"""
def pick(dp):
    return private if dp else BATCHES


for x, y in pick(True):
    {step()}""",
        NEVER,
    ),
    *(
        Feeding(
            f"a-batch-or-something-else-{name}",
            HEAD
            + OPTION
            + PRIVATE
            + f"""
for (x, y), (z, _) in zip(private, BATCHES):
    opt.zero_grad()
    given = z if args.other else torch.randn(4, 4)
    criterion({forward}, y).backward()
    opt.step()
""",
            {"raw": "possible", "public": "", "private": ""},
        )
        for name, forward in (
            ("by-itself", "net(given)"),
            ("by-a-function", "net(F.normalize(given))"),
            ("by-code-outside", "net(outside(given))"),
            ("in-a-list", "net([given, 1])"),
            ("in-a-dict", "net({'input': given})"),
            ("by-arithmetic", "net(given * 2 + 1)"),
            ("by-a-method", "net(given.view(-1, 4))"),
        )
    ),
    *(
        Feeding(
            f"one-batch-or-the-other-{name}",
            HEAD
            + OPTION
            + PRIVATE
            + f"""
for (x, y), (z, _) in zip(private, BATCHES):
    opt.zero_grad()
    out = net(z) if args.other else net(x)
    loss = {loss}
    loss.backward()
    opt.step()
""",
            {"raw": "possible", "public": ""},
        )
        for name, loss in (
            ("by-a-criterion", "criterion(out, y)"),
            ("by-functions", "F.nll_loss(torch.log_softmax(out, 1), y)"),
            ("by-arithmetic", "((out - y) ** 2).mean()"),
            ("by-code-outside", "outside(out, y).mean()"),
        )
    ),
    Feeding(
        "one-of-two-dicts-by-an-option",
        """
from opacus import PrivacyEngine
from torch.utils.data import DataLoader


def loaders(parts, kind):
    data = {}
    if kind == "private":
        data = dict(parts)
        data["train"] = DataLoader(data["train"], batch_size=4)
    elif kind == "pair":
        data = dict(parts)
        data["train"] = DataLoader(data["train"]), DataLoader(data["test"])
    return data


def train(data, model, optimizer, criterion):
    for x, y in data["train"]:
        optimizer.zero_grad()
        criterion(model(x), y).backward()
        optimizer.step()


def main(args, parts, model, optimizer, criterion):
    data = loaders(parts, args.kind)
    raw = data["train"]
    if args.kind == "private":
        model, optimizer, private = PrivacyEngine().make_private(
            module=model, optimizer=optimizer, data_loader=raw, noise_multiplier=1.0, max_grad_norm=1.0
        )
        data["train"] = BATCHES
    train(data, model, optimizer, criterion)
""",
        {"raw": "definite", "private": ""},
    ),
    Feeding(
        "outside-loaders",
        """
from opacus import PrivacyEngine


def train(model, optimizer, criterion, raw):
    model, optimizer, private = PrivacyEngine().make_private(
        module=model, optimizer=optimizer, data_loader=raw, noise_multiplier=1.0, max_grad_norm=1.0
    )
    for x, y in BATCHES:
        optimizer.zero_grad()
        loss = criterion(model(x), y)
        loss.backward()
        optimizer.step()
""",
        {"raw": "possible", "private": ""},  # nobody says that it is not None
    ),
)
