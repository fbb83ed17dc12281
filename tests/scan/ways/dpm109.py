"""DPM109, gradient-changed-before-step: small programs in pairs that differ in one fact."""

from __future__ import annotations

from tests.scan.ways.programs import HEAD, HOOKS, PRIVATE, TRAINER, Pair

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

PAIRS = (
    Pair(
        "DPM109",
        "gradients-of-the-optimizer-s-groups",
        HEAD
        + HOOKS
        + """
for x, y in loader:
    optimizer.zero_grad()
    F.cross_entropy(net(x), y).backward()
    nn.utils.clip_grad_norm_(FACT, 1.0)
    optimizer.step()
""",
        'optimizer.param_groups[0]["params"]',
        "nn.Linear(4, 2).parameters()",
    ),
    Pair(
        "DPM109",
        "decorator-with-options-around-a-method",
        HEAD
        + HOOKS
        + """
def clipped(limit):
    def around(method):
        def inner(self, *args):
            loss = method(self, *args)
            FACT
            self.optimizer.step()
            return loss

        return inner

    return around


class Trainer:
    def __init__(self, net, optimizer):
        self.net, self.optimizer = net, optimizer

    @clipped(limit=0.5)
    def step(self, x, y):
        self.optimizer.zero_grad()
        loss = F.cross_entropy(self.net(x), y)
        loss.backward()
        return loss.item()


trainer = Trainer(net, optimizer)
for x, y in loader:
    trainer.step(x, y)
""",
        "nn.utils.clip_grad_norm_(self.net.parameters(), limit)",
        "print(loss, limit)",
    ),
    Pair(
        "DPM109",
        "gradients-as-a-list",
        PRIVATE
        + """
for x, y in loader:
    optimizer.zero_grad()
    F.cross_entropy(net(x), y).backward()
    torch._foreach_mul_(FACT, 0.5)
    optimizer.step()
""",
        "[p.grad for p in net.parameters()]",
        "[p for p in nn.Linear(3, 3).parameters()]",
    ),
    Pair(
        "DPM109",
        "gradients-clipped-with-their-norm",
        PRIVATE
        + """
for x, y in loader:
    optimizer.zero_grad()
    F.cross_entropy(net(x), y).backward()
    total = torch.nn.utils.get_total_norm([p.grad for p in net.parameters()])
    torch.nn.utils.clip_grads_with_norm_(FACT, 1.0, total)
    optimizer.step()
""",
        "net.parameters()",
        "nn.Linear(3, 3).parameters()",
    ),
    Pair(
        "DPM109",
        "gradient-held-by-a-variable",
        HEAD
        + """
def norm(model):
    return sum(p.grad.norm() ** 2 for p in model.parameters()) ** 0.5


def clip(model, limit=1.0):
    total = norm(model)
    for p in model.parameters():
        if p.grad is not None:
            g = p.grad.data
            g.mul_(limit / (total + 1e-6))


class Trainer:
    def __init__(self, model):
        self.engine = PrivacyEngine()
        self.model, self.opt, self.loader = self.engine.make_private(
            module=model,
            optimizer=torch.optim.Adam(model.parameters()),
            data_loader=DataLoader(data(), batch_size=64),
            noise_multiplier=1.0,
            max_grad_norm=1.0,
        )

    def fit(self, epochs):
        for _ in range(epochs):
            for x, y in self.loader:
                self.opt.zero_grad()
                F.cross_entropy(self.model(x), y).backward()
                FACT
                self.opt.step()


Trainer(nn.Linear(16, 4)).fit(2)
""",
        "clip(self.model)",
        "norm(self.model)",
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
