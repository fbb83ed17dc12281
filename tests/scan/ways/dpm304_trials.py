"""DPM304, engine-remade-in-loop: trials, folds and jobs, in pairs that differ in one fact."""

from __future__ import annotations

from tests.scan.ways.programs import HEAD, Pair

FOLDS = (
    HEAD
    + """
from sklearn.model_selection import KFold
from torch.utils.data import Subset

net, records = nn.Linear(16, 4), data()
for kept, left_out in KFold(5).split(range(len(records))):
    FACT
    engine = PrivacyEngine()
    private, optimizer, loader = engine.make_private(
        module=net,
        optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
        data_loader=DataLoader(Subset(records, kept), batch_size=32),
        noise_multiplier=1.0,
        max_grad_norm=1.0,
    )
    for x, y in loader:
        optimizer.zero_grad()
        F.cross_entropy(private(x), y).backward()
        optimizer.step()
    private.remove_hooks()
    print(engine.get_epsilon(1e-5))
"""
)

PAIRS = (
    Pair(
        "DPM304",
        "two-engines-on-the-model-of-a-trial",
        HEAD
        + """
net = nn.Linear(16, 4)
for trial in range(5):
    FACT
    first, second = PrivacyEngine(), PrivacyEngine()
    net, one, loader_of_one = first.make_private(
        module=net,
        optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
        data_loader=DataLoader(data(), batch_size=32),
        noise_multiplier=1.0,
        max_grad_norm=1.0,
    )
    net, two, loader_of_two = second.make_private(
        module=net,
        optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
        data_loader=DataLoader(data(), batch_size=32),
        noise_multiplier=1.0,
        max_grad_norm=1.0,
    )
    for loader, optimizer in ((loader_of_one, one), (loader_of_two, two)):
        for x, y in loader:
            optimizer.zero_grad()
            F.cross_entropy(net(x), y).backward()
            optimizer.step()
    print(first.get_epsilon(1e-5), second.get_epsilon(1e-5))
""",
        "pass",
        "net = nn.Linear(16, 4)",
    ),
    Pair(
        "DPM304",
        "the-best-weights-of-a-job-private-or-not",
        HEAD
        + """
class Trainer:
    def __init__(self, net, private):
        self.net, self.private, self.best = net, private, None
        self.optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
        self.engine = PrivacyEngine()

    def fit(self, loader):
        if self.private:
            self.net, self.optimizer, loader = self.engine.make_private(
                module=self.net,
                optimizer=self.optimizer,
                data_loader=loader,
                noise_multiplier=1.0,
                max_grad_norm=1.0,
            )
        best = 0.0
        for epoch in range(3):
            for x, y in loader:
                self.optimizer.zero_grad()
                loss = F.cross_entropy(self.net(x), y)
                loss.backward()
                self.optimizer.step()
            if loss.item() > best:
                best = loss.item()
                self.best = {k: v.clone() for k, v in self.net.state_dict().items()}
            if self.private:
                print(self.engine.get_epsilon(1e-5))
        if self.best is not None:
            self.net.load_state_dict(self.best)


def main(args):
    net = nn.Linear(16, 4)
    for job in range(args.jobs):
        FACT
        Trainer(net, args.private).fit(DataLoader(data(), batch_size=32))
""",
        "pass",
        "net = nn.Linear(16, 4)",
    ),
    Pair("DPM304", "folds", FOLDS, "net.train()", "net = nn.Linear(16, 4)"),
    Pair("DPM304", "folds-from-the-start", FOLDS, "net.train()", "net.apply(nn.init.zeros_)"),
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
)
