"""One criterion that serves several private models: each run gets its own, and clips as hooks do."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fix.conftest import Folder
from tests.fix.running import PARITY, recorded
from tests.fixtures_support import FIXTURES

HEAD = """\
import torch
from opacus import PrivacyEngine
from opacus.utils.fast_gradient_clipping_utils import double_backward
from torch import nn

from data import Net, make_loader

torch.manual_seed(0)
"""
PLAIN = 'criterion = nn.CrossEntropyLoss(reduction="none")\n'
STEP = """\
optimizer.zero_grad()
losses = criterion(model(x), y)
double_backward(model, optimizer, losses)
optimizer.step()
"""


def indented(text: str, by: int = 1) -> str:
    return "".join(f"{'    ' * by}{line}\n" if line else "\n" for line in text.splitlines())


def private(model: str, optimizer: str, loader: str) -> str:
    return f"""\
engine.make_private(
    module={model}, optimizer={optimizer}, data_loader={loader}, noise_multiplier=1.0, max_grad_norm=1.0,
    grad_sample_mode="ghost", clipping="ghost")
"""


def sgd(model: str) -> str:
    return f"torch.optim.SGD({model}.parameters(), lr=0.1)"


TRAIN = f"def train(model, optimizer, loader, criterion):\n    for x, y in loader:\n{indented(STEP, 2)}\n\n"
TWO = f"""\
engine = PrivacyEngine()
small, big = Net(), Net()
one, two = {sgd("small")}, {sgd("big")}
small, one, few = {private("small", "one", "make_loader(8)")}
big, two, many = {private("big", "two", "make_loader(16)")}
"""
TRAINED = "train(small, one, few, criterion)\ntrain(big, two, many, criterion)\n"
MAIN = f"\n\ndef main():\n{indented(PLAIN + TWO + TRAINED)}\n\nmain()\n"
HELPER = f"""\
def make(model, size):
    engine = PrivacyEngine()
    optimizer = {sgd("model")}
{indented("model, optimizer, loader = " + private("model", "optimizer", "make_loader(size)"))}\
    return model, optimizer, loader


def main():
    {PLAIN}\
    small, one, few = make(Net(), 8)
    big, two, many = make(Net(), 16)
"""
LOOPS = f"""\
for x, y in few:
{indented(STEP).replace("optimizer", "one").replace("model", "small")}
for x, y in many:
{indented(STEP).replace("optimizer", "two").replace("model", "big")}
"""
MEMBERS = (
    TWO.replace("small", "self.small")
    .replace("big", "self.big")
    .replace("one", "self.one")
    .replace("two", "self.two")
    .replace("few", "self.few")
    .replace("many", "self.many")
)
ITS_OWN = STEP.replace("criterion", "self.criterion")
SMOOTH = 'smooth = nn.CrossEntropyLoss(label_smoothing=0.2, reduction="none")\n'
PROGRAMS = {
    "models side by side": TRAIN + MAIN,
    "in a script": PLAIN + TWO + LOOPS,
    "a criterion of the module": PLAIN
    + TRAIN.replace(", criterion", "")
    + MAIN.replace(f"    {PLAIN}", "").replace(", criterion)", ")"),
    "through one more function": TRAIN
    + "def fit(net, opt, data, loss_fn):\n    train(net, opt, data, criterion=loss_fn)\n\n"
    + MAIN.replace("train(small", "fit(small").replace("train(big", "fit(big"),
    "each by another loss": TRAIN
    + MAIN.replace(PLAIN, SMOOTH + "    " + PLAIN).replace("few, criterion)", "few, smooth)"),
    "out of a helper": TRAIN + HELPER + indented(TRAINED) + "\n\nmain()\n",
    "out of a helper, trained there": HELPER + indented(LOOPS) + "\n\nmain()\n",
    "members": f"class Both:\n    def __init__(self):\n{indented('self.' + PLAIN + MEMBERS, 2)}\n"
    "    def step(self, model, optimizer, x, y):\n"
    f"{indented(ITS_OWN, 2)}\n"
    "    def train(self):\n"
    "        for x, y in self.few:\n"
    "            self.step(self.small, self.one, x, y)\n"
    "        for x, y in self.many:\n"
    "            self.step(self.big, self.two, x, y)\n\n\nBoth().train()\n",
    "one object each": f"""\
class Trainer:
    def __init__(self, model, size, criterion):
        engine = PrivacyEngine()
        self.criterion = criterion
        optimizer = {sgd("model")}
        self.model, self.optimizer, self.loader = {private("model", "optimizer", "make_loader(size)")}

    def train(self):
        for x, y in self.loader:
{indented(ITS_OWN.replace("model", "self.model").replace("optimizer", "self.optimizer"), 3)}

def main():
    {PLAIN}\
    one, two = Trainer(Net(), 8, criterion), Trainer(Net(), 16, criterion)
    one.train()
    two.train()


main()
""",
    "a function that is called twice": f"""\
def fit(model, size, criterion):
    engine = PrivacyEngine()
    optimizer = {sgd("model")}
{indented("model, optimizer, loader = " + private("model", "optimizer", "make_loader(size)"))}\
    for x, y in loader:
{indented(STEP, 2)}

def main():
    {PLAIN}\
    fit(Net(), 8, criterion)
    fit(Net(), 16, criterion)


main()
""",
    "read by properties": f"""\
class Held:
    def __init__(self):
        engine, model = PrivacyEngine(), Net()
        self.{PLAIN}\
        optimizer = {sgd("model")}
        self._private = {private("model", "optimizer", "make_loader(16)")}
    @property
    def model(self):
        return self._private[0]

    @property
    def optimizer(self):
        return self._private[1]

    @property
    def loader(self):
        return self._private[2]

    def train(self):
        for x, y in self.loader:
{indented(ITS_OWN.replace("model", "self.model").replace("optimizer", "self.optimizer"), 3)}

Held().train()
""",
}


def laid_out(name: str, folder: Path) -> Folder:
    data = (FIXTURES / "programs" / "data.py").read_bytes()
    train = (HEAD + PROGRAMS[name]).encode()
    return Folder(folder).write({"train.py": train, "data.py": data, "requirements.txt": "opacus==1.5.2\n"})


@pytest.mark.parametrize("name", PROGRAMS)
def test_each_gets_its_own(name: str, tmp_path: Path) -> None:
    project = laid_out(name, tmp_path)
    result = project.fix()
    assert (result.refused, result.remaining) == ((), ())
    assert result.applied == ("requirements.txt", "train.py")
    assert project.fix().diff == ""


@pytest.mark.opacus
@pytest.mark.parametrize("version", ["1.5.4", "1.6.0"])
@pytest.mark.parametrize("name", PROGRAMS)
def test_each_clips_as_hooks_do(name: str, version: str, tmp_path: Path) -> None:
    (tmp_path / "project").mkdir()
    laid_out(name, tmp_path / "project").fix()
    account = recorded(version, tmp_path / "project", "train.py", out=tmp_path / "record.json", hooks=True)
    assert (account["run"]["error"], account["hooks"]["error"]) == (None, None), account["run"]["message"]
    steps = 4 if name == "read by properties" else 12
    assert len(account["hooks_errors"]) == account["run"]["steps"] == steps
    assert max(account["hooks_errors"]) <= PARITY


def test_the_names_are_those_of_the_models(tmp_path: Path) -> None:
    project = laid_out("models side by side", tmp_path)
    project.fix()
    text = project.read()
    assert "small, one, small_criterion, few = engine.make_private(" in text
    assert "train(small, one, few, small_criterion)\n    train(big, two, many, big_criterion)\n" in text
    assert "losses = criterion(model(x), y)\n        losses.backward()\n" in text


def test_each_gets_the_loss_that_it_is_trained_by(tmp_path: Path) -> None:
    project = laid_out("each by another loss", tmp_path)
    project.fix()
    smooth, plain = project.read().split("engine.make_private(")[1:]
    assert "criterion=nn.CrossEntropyLoss(label_smoothing=0.2)," in smooth
    assert "criterion=nn.CrossEntropyLoss()," in plain


MIXED = """
def train(model, optimizer, loader, criterion):
    for x, y in loader:
        optimizer.zero_grad()
        loss = criterion(model(x), y){mean}
        loss.backward()
        optimizer.step()


engine = PrivacyEngine()
criterion = nn.CrossEntropyLoss({reduction})
small, big = Net(), Net()
one, two = {one}, {two}
small, one, {third}, few = engine.make_private(
    module=small, optimizer=one, data_loader=make_loader(8), criterion={given}, noise_multiplier=1.0,
    max_grad_norm=1.0, grad_sample_mode="ghost")
big, two, many = engine.make_private(
    module=big, optimizer=two, data_loader=make_loader(8), noise_multiplier=1.0, max_grad_norm=1.0)
train(small, one, few, {used})
train(big, two, many, criterion)
"""
IN_BOTH = {"one": sgd("small"), "two": sgd("big")}


@pytest.mark.parametrize("per_example", [False, True])
def test_a_function_that_trains_in_both_modes(per_example: bool, tmp_path: Path) -> None:
    """What is done with losses per example would change for the other mode as well."""
    head = HEAD.replace("from opacus.utils.fast_gradient_clipping_utils import double_backward\n", "")
    loss = {"reduction": 'reduction="none"' * per_example, "mean": ".mean()" * per_example}
    own = "nn.CrossEntropyLoss()"
    before = head + MIXED.format(third="_", given=own, used="criterion", **loss, **IN_BOTH)
    after = head + MIXED.format(third="small_criterion", given=own, used="small_criterion", **loss, **IN_BOTH)
    project = Folder(tmp_path).write({"train.py": before, "requirements.txt": "opacus>=1.5.4\n"})
    result = project.fix()
    assert project.read() == (before if per_example else after)
    assert ["serves both modes" in reason for _, reason in result.refused] == [True] * per_example


def test_a_wrong_loss_that_two_runs_share_is_mended_for_both(tmp_path: Path) -> None:
    new = MAIN.replace(', clipping="ghost"', ", criterion=criterion").replace("one, few =", "one, _, few =")
    body = HEAD + TRAIN + new.replace("two, many =", "two, _, many =")
    body = body.replace("from opacus.utils.fast_gradient_clipping_utils import double_backward\n", "")
    body = body.replace("double_backward(model, optimizer, losses)", "losses.backward()")
    body = body.replace('CrossEntropyLoss(reduction="none")', "CrossEntropyLoss()")
    project = Folder(tmp_path).write({"train.py": body, "requirements.txt": "opacus>=1.5.4\n"})
    result = project.fix()
    assert (result.applied, result.refused) == (("train.py",), ())
    assert (
        "train(small, one, few, small_criterion)\n    train(big, two, many, big_criterion)\n"
        in project.read()
    )


KEPT = {
    "a model that is not private is trained by it, too": TRAIN.replace(
        "double_backward(model, optimizer, losses)",
        "double_backward(model, optimizer, losses) if private else losses.mean().backward()",
    ).replace("criterion):", "criterion, private=True):")
    + MAIN.replace(
        "    train(small",
        "    plain = Net()\n"
        f"    train(plain, {sgd('plain')}, make_loader(), criterion, False)\n    train(small",
    ),
    "either model is trained": TRAIN
    + MAIN.replace("def main():", "def main(first=input()):").replace(
        "train(big, two, many, criterion)",
        "train(small if first else big, one if first else two, few, criterion)",
    ),
    "which model it is, a loop tells": TRAIN
    + MAIN.replace(
        indented(TRAINED),
        "    for net, opt, data in [(small, one, few), (big, two, many)]:\n"
        "        train(net, opt, data, criterion)\n",
    ),
}


@pytest.mark.parametrize("why", KEPT)
def test_what_is_not_plain_is_left(why: str, tmp_path: Path) -> None:
    project = Folder(tmp_path).write({"train.py": HEAD + KEPT[why], "requirements.txt": "opacus==1.5.2\n"})
    result = project.fix()
    assert (result.applied, result.diff) == ((), "")
    assert any("own" in reason and "criterion" in reason for _, reason in result.refused), result.refused
