"""Small programs in pairs that differ in one fact: classes that fill in, or change, what they inherit."""

from __future__ import annotations

from tests.scan.ways_of_writing import HEAD, Pair

TRAINER = """

class Trainer:
    def __init__(self, net, loader):
        self.net, self.loader = net, loader
        self.optimizer = torch.optim.SGD(net.parameters(), lr=0.1)

    def train(self):
        self.net, self.optimizer, self.loader = PrivacyEngine().make_private(
            module=self.net,
            optimizer=self.optimizer,
            data_loader=self.loader,
            noise_multiplier=1.0,
            max_grad_norm=1.0,
        )
        for x, y in self.loader:
            self.optimizer.zero_grad()
            self.loss(x, y).backward()
            self.finish()

    def loss(self, x, y):
        raise NotImplementedError

    def finish(self):
        self.optimizer.step()


class Plain(Trainer):
    def loss(self, x, y):
        return F.cross_entropy(self.net(x), y)
"""

CLIENT = """

class Client:
    def set_up(self, config):
        self.net = self.model_of(config)
        self.loader = self.loader_of(config)
        self.optimizers = {"all": self.optimizer_of(config)}

    def model_of(self, config):
        raise NotImplementedError

    def loader_of(self, config):
        raise NotImplementedError

    def optimizer_of(self, config):
        raise NotImplementedError

    def before_the_step(self):
        pass

    def fit(self, weights, config):
        self.set_up(config)
        for x, y in self.loader:
            self.optimizers["all"].zero_grad()
            F.cross_entropy(self.net(x), y).backward()
            self.before_the_step()
            self.optimizers["all"].step()
        return weights


class Private(Client):
    def set_up(self, config):
        super().set_up(config)
        self.net, optimizer, self.loader = PrivacyEngine().make_private(
            module=self.net,
            optimizer=self.optimizers["all"],
            data_loader=self.loader,
            noise_multiplier=1.0,
            max_grad_norm=1.0,
        )
        self.optimizers = {"all": optimizer}


class Corrected(Client):
    def before_the_step(self):
        for parameter, drift in zip(self.net.parameters(), self.drifts):
            parameter.grad += drift

    def set_up(self, config):
        super().set_up(config)
        self.drifts = [torch.zeros_like(p) for p in self.net.parameters()]


class Both(FACT):
    pass
"""

INHERITED = (
    Pair(
        "DPM122",
        "filled-in-by-a-subclass",
        HEAD
        + TRAINER
        + """

class Smooth(Trainer):
    def loss(self, x, y):
        return F.cross_entropy(self.net(x), y) + FACT
""",
        "0.01 * sum(p.pow(2).sum() for p in self.net.parameters())",
        "0.01 * self.net(x).pow(2).sum(dim=1).mean()",
    ),
    Pair(
        "DPM109",
        "another-last-step-in-a-subclass",
        HEAD
        + TRAINER
        + """

class Clipped(Plain):
    def finish(self):
        FACT
        self.optimizer.step()
""",
        "nn.utils.clip_grad_norm_(self.net.parameters(), 1.0)",
        "print(nn.utils.parameters_to_vector(self.net.parameters()).norm())",
    ),
    Pair("DPM109", "mixed-into-a-private-class", HEAD + CLIENT, "Corrected, Private", "Private"),
)
