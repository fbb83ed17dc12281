"""A criterion that a run needs and the program did not keep: also the ways without privacy come by it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.fix.conftest import Folder

Make = Callable[..., Folder]

HEAD = """\
import torch
import torch.nn.functional as F
from opacus import PrivacyEngine
from opacus.utils.fast_gradient_clipping_utils import double_backward


"""
FUNCTION = """\
def run(net, opt, data, weight, private=True):
    {before}if private:
        {inside}net, opt, data = PrivacyEngine().make_private(
            module=net,
            optimizer=opt,
            data_loader=data,
            noise_multiplier=1.0,
            max_grad_norm=1.0,
            grad_sample_mode="ghost",
            clipping="ghost",
        )
    for x, y in data:
        opt.zero_grad()
        losses = F.cross_entropy(net(x), y{more}, reduction="none")
        if private:
            double_backward(net, opt, losses)
        else:
            losses.mean().backward()
        opt.step()


net = torch.nn.Linear(2, 2)
run(net, torch.optim.SGD(net.parameters(), lr=0.1), torch.utils.data.DataLoader([]), None)
"""
TRAINER = """\
class Trainer:
    def __init__(self, net, opt, data, private=True):
        self.net, self.opt, self.data = net, opt, data
        {first}
        {setup}

    def setup(self):
        {inside}self.net, self.opt, self.data = PrivacyEngine().make_private(
            module=self.net,
            optimizer=self.opt,
            data_loader=self.data,
            noise_multiplier=1.0,
            max_grad_norm=1.0,
            grad_sample_mode="ghost",
            clipping="ghost",
        )

    def fit(self):
        for x, y in self.data:
            self.opt.zero_grad()
            losses = F.cross_entropy(self.net(x), y{more}, reduction="none")
            if self.private:
                double_backward(self.net, self.opt, losses)
            else:
                losses.mean().backward()
            self.opt.step()


net = torch.nn.Linear(2, 2)
Trainer(net, torch.optim.SGD(net.parameters(), lr=0.1), torch.utils.data.DataLoader([])).fit()
"""
PLAIN = {"before": "", "inside": "", "more": "", "first": "self.private = private"}


def fixed(folder: Make, text: str, **parts: str) -> tuple[str, str]:
    """The text behind its imports, before and after; and why it stayed."""
    source = HEAD + text.format(**{"setup": "if private:\n            self.setup()", **PLAIN, **parts})
    project = folder({"train.py": source, "requirements.txt": "opacus==1.5.2\n"})
    refused = project.fix().refused
    assert project.fix().diff == ""
    return project.read(), " ".join(reason for _, reason in refused)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (FUNCTION, {"inside": "weight = torch.ones(2)\n        ", "more": ", weight=weight"}),
        (TRAINER, {"inside": "weight = torch.ones(2)\n        ", "more": ", weight=weight"}),
    ],
)
def test_what_it_is_made_of_has_to_be_there(folder: Make, text: str, parts: dict[str, str]) -> None:
    after, refused = fixed(folder, text, **parts)
    assert "double_backward(" in after
    assert refused


def test_a_function_makes_it_before_the_condition(folder: Make) -> None:
    after, refused = fixed(folder, FUNCTION)
    assert refused == ""
    assert (
        "    criterion = torch.nn.CrossEntropyLoss()\n    if private:\n        net, opt, criterion" in after
    )
    assert "losses = criterion(net(x), y)\n" in after


@pytest.mark.parametrize("branch", ["if private:\n            self.setup()", "if private: self.setup()"])
def test_an_object_makes_it_where_it_is_made(folder: Make, branch: str) -> None:
    after, refused = fixed(folder, TRAINER, setup=branch)
    assert refused == ""
    assert "        self.criterion = torch.nn.CrossEntropyLoss()\n        if private:" in after
    assert "        self.net, self.opt, self.criterion, self.data = PrivacyEngine()" in after


def test_what_every_way_comes_by_stays_beside_the_call(folder: Make) -> None:
    after, refused = fixed(folder, TRAINER, setup="self.setup()")
    assert refused == ""
    assert "    def setup(self):\n        self.criterion = torch.nn.CrossEntropyLoss()\n" in after


def test_each_turn_of_a_loop_has_its_own(folder: Make) -> None:
    looped = FUNCTION.replace("    {before}if private:", "    for _ in range(2):\n      if private:")
    after, refused = fixed(folder, looped)
    assert refused == "" or "double_backward(" in after
    assert "criterion = torch.nn.CrossEntropyLoss()\n    for" not in after


@pytest.mark.parametrize("own", ["", "\n        print(private)"])
def test_a_criterion_of_the_class_is_no_criterion_of_the_object(folder: Make, own: str) -> None:
    text = TRAINER.replace(
        "class Trainer:\n", "class Trainer:\n    loss = torch.nn.CrossEntropyLoss(reduction='none')\n\n"
    )
    text = text.replace(
        'F.cross_entropy(self.net(x), y{more}, reduction="none")', "self.loss(self.net(x), y)"
    )
    after, refused = fixed(folder, text, first=f"self.private = private{own}")
    assert refused == ""
    assert "        self.criterion = torch.nn.CrossEntropyLoss()\n        if private:\n" in after
    assert "losses = self.criterion(self.net(x), y)\n" in after
