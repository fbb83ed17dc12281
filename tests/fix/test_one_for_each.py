"""One call that makes several models private: each is trained by the criterion that came with it."""

from __future__ import annotations

import pytest

from tests.fix.upgrading import HEAD, Make, upgraded

MADE = """engine.make_private(
            module=net, optimizer=opt, data_loader=loader, noise_multiplier=1.0, max_grad_norm=1.0,
            grad_sample_mode="ghost", clipping="ghost")"""
TRAIN = """
engine = PrivacyEngine()


def train(model, optimizer, loader, criterion):
    for x, y in loader:
        optimizer.zero_grad()
        losses = criterion(model(x), y)
        double_backward(model, optimizer, losses)
        optimizer.step()

"""
MAIN = f"""
def main():
    criterion = nn.CrossEntropyLoss(reduction="none")
    first = []
    for seed in range(3):
        net = nn.Linear(2, 2)
        opt = torch.optim.SGD(net.parameters(), lr=0.1)
        loader = torch.utils.data.DataLoader([seed], batch_size=8)
        net, opt, loader = {MADE}
        {{kept}}
    {{used}}


main()
"""
TUPLES = "first.append((net, opt, loader))"
LISTS = "first.append(net), second.append(opt), third.append(loader)"
LATER = {
    "in a comprehension": (TUPLES, "[{} for net, opt, loader in first]"),
    "members of what was kept": (
        "net.opt, net.loader = opt, loader\n        first.append(net)",
        "for net in first:\n        train(net, net.opt, net.loader, criterion)",
    ),
    "by number": (TUPLES + "\n        train(first[0][0], first[0][1], first[0][2], criterion)", "pass"),
}


def is_left(folder: Make, body: str) -> None:
    project = folder({"train.py": HEAD + body, "requirements.txt": "opacus==1.5.2\n"})
    result = project.fix()
    assert (result.applied, result.diff) == ((), "")
    assert any("criterion" in reason for _, reason in result.refused), result.refused


@pytest.mark.parametrize("how", LATER)
def test_a_model_that_was_kept_is_not_trained_by_the_last_ones(folder: Make, how: str) -> None:
    kept, used = LATER[how]
    used = used.format("train(net, opt, loader, criterion)")
    is_left(folder, TRAIN + MAIN.format(kept=kept, used=used))


def test_three_lists_come_back_without_the_last_criterion(folder: Make) -> None:
    body = MAIN.format(kept=LISTS, used="return first, second, third")
    body = body.replace("first = []", "first, second, third = [], [], []").replace("main():", "build():", 1)
    body = body.replace("\n\nmain()\n", "\n\nmodels, opts, loaders = build()\n")
    body += 'criterion = nn.CrossEntropyLoss(reduction="none")\n'
    body += "for m, o, l in zip(models, opts, loaders):\n    train(m, o, l, criterion)\n"
    is_left(folder, TRAIN + body)


@pytest.mark.parametrize(
    "used",
    [
        "train(net, opt, loader, criterion)",
        "model = net\n        train(model, opt, loader, criterion)",
        "net = net.to('cpu')\n        train(net, opt, loader, criterion)",
        "kept = {'net': net}\n        train(kept['net'], opt, loader, criterion)",
    ],
)
def test_in_its_own_turn_a_model_has_its_own(folder: Make, used: str) -> None:
    body = upgraded(folder, TRAIN + MAIN.format(kept=used, used="pass"))
    assert "net, opt, loss_fn, loader = engine" in body
    assert "loss_fn=loss_fn)" in body


TRAINER = f"""
engine = PrivacyEngine()


class Trainer:
    def __init__(self):
        self.criterion = nn.CrossEntropyLoss(reduction="none")

    def setup(self, seed):
        self.net = nn.Linear(2, 2)
        self.opt = torch.optim.SGD(self.net.parameters(), lr=0.1)
        self.loader = torch.utils.data.DataLoader([seed], batch_size=8)
        self.net, self.opt, self.loader = {MADE.replace("=net", "=self.net").replace("=opt", "=self.opt")}

    def fit(self):
        for x, y in self.loader:
            self.opt.zero_grad()
            losses = self.criterion(self.net(x), y)
            double_backward(self.net, self.opt, losses)
            self.opt.step()

""".replace("=loader", "=self.loader")


def test_an_object_that_is_filled_again_and_again_makes_a_criterion_each_time(folder: Make) -> None:
    used = "\nt = Trainer()\nfor fold in range(3):\n    t.setup(fold)\n    t.fit()\n"
    body = upgraded(folder, TRAINER + used)
    assert "        self.loss_fn = nn.CrossEntropyLoss()\n        self.net, self.opt, self.loss_fn, " in body
    assert "criterion=self.loss_fn" in body
    assert "losses = self.loss_fn(self.net(x), y)" in body


@pytest.mark.parametrize(
    "used",
    [
        "t = Trainer()\nt.setup(0)\nt.fit()\n",
        "for t in [Trainer(), Trainer()]:\n    t.setup(0)\n    t.fit()\n",
        "for fold in range(3):\n    t = Trainer()\n    t.setup(fold)\n    t.fit()\n",
    ],
)
def test_an_object_that_is_filled_once_keeps_its_criterion(folder: Make, used: str) -> None:
    body = upgraded(folder, TRAINER + "\n" + used)
    assert "self.net, self.opt, self.criterion, self.loader = engine" in body
    assert "self.loss_fn" not in body


def test_a_cached_property_fills_its_object_once(folder: Make) -> None:
    made = TRAINER.replace("    def setup(self, seed):", "    @cached_property\n    def private(self):")
    made = made.replace("        self.net, self.opt, self.loader = engine", "        return engine")
    made = made.replace("[seed]", "[1, 2]").replace("for x, y in self.loader", "for x, y in loader")
    made = made.replace("def fit(self):", "def fit(self):\n        net, opt, loader = self.private")
    made = made.replace("self.opt.zero_grad", "opt.zero_grad").replace("self.opt.step", "opt.step")
    made = made.replace("self.net(x)", "net(x)").replace("(self.net, self.opt, losses)", "(net, opt, losses)")
    body = upgraded(folder, "from functools import cached_property\n" + made + "\nTrainer().fit()\n")
    assert "net, opt, self.criterion, loader = self.private" in body
