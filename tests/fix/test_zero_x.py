"""From the engine of Opacus 0.x to make_private: what is left to people, then what is moved."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.fix.conftest import Folder

Make = Callable[..., Folder]

HEAD = """\
import torch
from opacus import PrivacyEngine
from torch import nn
from torch.utils.data import DataLoader

net = nn.Linear(2, 2)
opt = torch.optim.SGD(net.parameters(), lr=0.1)
loader = DataLoader([], batch_size=4)
"""
ENGINE = "engine = PrivacyEngine(net, sample_rate=0.1, noise_multiplier=1.1, max_grad_norm=1.0)\n"
ATTACH = "engine.attach(opt)\n"
LOOP = """\
for x, y in loader:
    opt.zero_grad()
    nn.functional.cross_entropy(net(x), y).backward()
    opt.step()
"""
PRIVATE = """\
engine = PrivacyEngine(accountant="rdp")
net, opt, loader = engine.make_private(
    module=net,
    optimizer=opt,
    data_loader=loader,
    noise_multiplier=1.1,
    max_grad_norm=1.0,
)
"""


def project(folder: Make, text: str, pins: str = "opacus==0.15.0\n") -> Folder:
    return folder({"train.py": text, "requirements.txt": pins})


def test_without_unsafe_nothing_is_done(folder: Make) -> None:
    made = project(folder, HEAD + ENGINE + ATTACH + LOOP)
    assert (made.fix().diff, made.fix().refused) == ("", ())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            HEAD + ENGINE.replace("net,", "nn.Linear(2, 2),") + ATTACH + LOOP,
            "the model is given to this engine as an expression",
        ),
        (
            HEAD + ENGINE.replace("sample_rate=0.1", "**options") + ATTACH + LOOP,
            "takes arguments from **options, whose keys are not all seen here",
        ),
        *(
            (f"{HEAD}norms = {norms}\n" + ENGINE.replace("1.0)", f"{given})") + ATTACH + LOOP, "per_layer")
            for norms in ("[1.0] * 4", "list(range(4))", "[1.0 for p in net.parameters()]")
            for given in ("norms", norms)
        ),
        (HEAD + ENGINE.replace("1.0)", "[1.0, 2.0])") + ATTACH + LOOP, "per_layer"),
        (
            f"{HEAD}options = dict(noise_multiplier=1.1)\noptions.update(input())\n"
            + ENGINE.replace("noise_multiplier=1.1", "**options")
            + ATTACH
            + LOOP,
            "takes arguments from **options, whose keys are not all seen here",
        ),
        (
            HEAD + ENGINE.replace("1.0)", "1.0, experimental=True)") + ATTACH + LOOP,
            "experimental= of this engine has no counterpart",
        ),
        (HEAD + ENGINE.replace("noise_multiplier=1.1, ", "") + ATTACH + LOOP, "neither noise_multiplier nor"),
        (
            f"{HEAD}{ENGINE}{ATTACH}{LOOP}def clear(engine):\n    engine.steps = 0\n\nclear(engine)\n",
            "steps of the engine is gone since Opacus 1.0: count the steps",
        ),
        (
            f"{HEAD}{ENGINE}if input():\n    {ATTACH}else:\n    engine.attach(net)\n{LOOP}",
            "this engine is attached in lines 11 and 13",
        ),
        (
            HEAD.replace("size=4", "size=4, sampler=torch.utils.data.SubsetRandomSampler([1])")
            + ENGINE
            + ATTACH
            + LOOP,
            "chooses the records of this loader",
        ),
        (HEAD + ENGINE + ATTACH + LOOP + "    print(loader.batch_size)\n", "loader.batch_size says nothing"),
        (
            f"{HEAD}{ENGINE}{ATTACH}{LOOP}def leave(engine):\n    engine.detach()\n\nleave(engine)\n",
            "detach of the engine is gone since Opacus 1.0",
        ),
        (HEAD + ENGINE + ATTACH + LOOP + "print(engine.clipper)\n", "clipper of the engine is gone"),
        (
            f"{HEAD}{ENGINE[:-1]} if input() else {ENGINE[9:]}{ATTACH}{LOOP}",
            "a condition chooses between this engine and another thing",
        ),
        (HEAD + ENGINE + LOOP, "no attach() of this engine to an optimizer is seen"),
        (
            f"{HEAD}def attach():\n    {ENGINE}    {ATTACH}\n\nattach()\n{LOOP}",
            "a variable of other code than this function",
        ),
        (
            f"{HEAD}def attach(net, opt, loader):\n    {ENGINE}    {ATTACH}"
            f"x = attach(net, opt, loader)\n{LOOP}",
            "is also stepped in line",
        ),
        (HEAD + ENGINE + ATTACH + LOOP.replace("in loader", "in [(1, 2)]"), "the loader that is trained on"),
        (
            HEAD + ENGINE + ATTACH + LOOP + "from opacus.utils import stats\nprint(stats)\n",
            "opacus.utils.stats",
        ),
        (
            HEAD + ENGINE + ATTACH + LOOP + "    if x.any():\n        opt.virtual_step()\n",
            "no plain other branch of step()",
        ),
    ],
)
def test_what_cannot_be_moved_is_left_with_the_reason(folder: Make, text: str, said: str) -> None:
    made = project(folder, text)
    before = made.snapshot()
    assert said in " ".join(reason for _, reason in made.fix(unsafe=True).refused)
    assert made.snapshot() == before


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (ENGINE + ATTACH, PRIVATE),
        (ENGINE.replace("net,", "module=net,") + ATTACH, PRIVATE),
        (ENGINE.replace("net, sample_rate=0.1", "net, 4, 40, [2, 3]") + ATTACH, PRIVATE),
        (ENGINE + "engine.to('cpu')\n" + ATTACH, PRIVATE),
        (
            ENGINE.replace("noise_multiplier=1.1", "target_epsilon=3.0, target_delta=1e-5, epochs=2")
            + ATTACH,
            PRIVATE.replace("make_private(", "make_private_with_epsilon(").replace(
                "    noise_multiplier=1.1,\n",
                "    target_epsilon=3.0,\n    target_delta=1e-5,\n    epochs=2,\n",
            ),
        ),
        (ENGINE + "# now\n" + ATTACH, PRIVATE.replace("net, opt", "# now\nnet, opt")),
        (
            ENGINE.replace("1.0)", "1.0, secure_rng=True)") + ATTACH,
            PRIVATE.replace('"rdp")', '"rdp", secure_mode=True)'),
        ),
    ],
)
def test_an_engine_becomes_make_private(folder: Make, before: str, after: str) -> None:
    made = project(folder, HEAD + before + LOOP)
    result = made.fix(unsafe=True)
    assert result.refused == ()
    assert made.read() == HEAD + after + LOOP
    assert made.read("requirements.txt") == "opacus==1.5.4\n"
    assert "Poisson" in result.notices[0]
    assert made.fix(unsafe=True).diff == ""


@pytest.mark.parametrize(
    ("asked", "after"),
    [
        ("engine.get_privacy_spent(1e-5)", "engine.accountant.get_privacy_spent(delta=1e-5)"),
        ("engine.get_privacy_spent(target_delta=1e-5)", "engine.accountant.get_privacy_spent(delta=1e-5)"),
        ("engine.get_privacy_spent()", "engine.accountant.get_privacy_spent(delta=1e-6)"),
        ("opt.privacy_engine.get_privacy_spent(1e-5)", "engine.accountant.get_privacy_spent(delta=1e-5)"),
    ],
)
def test_epsilon_is_asked_of_the_accountant(folder: Make, asked: str, after: str) -> None:
    made = project(folder, f"{HEAD}{ENGINE}{ATTACH}{LOOP}print({asked})\n")
    assert made.fix(unsafe=True).refused == ()
    assert made.read() == f"{HEAD}{PRIVATE}{LOOP}print({after})\n"


@pytest.mark.parametrize("engine", ["{made} if input() else None", "None if input() else {made}"])
def test_an_engine_or_none(folder: Make, engine: str) -> None:
    made = ENGINE.removeprefix("engine = ").strip()
    attach = "if engine:\n    " + ATTACH
    moved = project(folder, f"{HEAD}engine = {engine.format(made=made)}\n{attach}{LOOP}")
    assert moved.fix(unsafe=True).refused == ()
    assert (
        f"engine = {engine.format(made='PrivacyEngine(accountant=' + chr(34) + 'rdp' + chr(34) + ')')}\n"
        in (moved.read())
    )
    assert "if engine:\n    net, opt, loader = engine.make_private(\n" in moved.read()
    assert moved.fix(unsafe=True).diff == ""


def test_orders_under_a_name_are_asked_by_that_name(folder: Make) -> None:
    named = "orders = [2, 3]\n" + ENGINE.replace("sample_rate=0.1", "sample_rate=0.1, alphas=orders")
    made = project(folder, f"{HEAD}{named}{ATTACH}{LOOP}print(engine.get_privacy_spent(1e-5))\n")
    assert made.fix(unsafe=True).refused == ()
    spent = "print(engine.accountant.get_privacy_spent(delta=1e-5, alphas=orders))\n"
    assert made.read() == f"{HEAD}orders = [2, 3]\n{PRIVATE}{LOOP}{spent}"


def test_orders_that_are_unknown_where_epsilon_is_asked_are_kept_by_the_accountant(folder: Make) -> None:
    main = (
        "\n\ndef main(net, opt, loader, args):\n    orders = list(args)\n"
        f"    {ENGINE.replace('sample_rate=0.1', 'sample_rate=0.1, alphas=orders')}    {ATTACH}"
        + "".join(f"    {line}\n" for line in LOOP.splitlines())
        + "    report(engine)\n\n\nmain(net, opt, loader, [2, 3])\n"
    )
    report = "\n\ndef report(engine):\n    print(engine.get_privacy_spent(1e-5))\n"
    made = project(folder, HEAD + report + main)
    assert made.fix(unsafe=True).refused == ()
    assert "    engine.accountant.DEFAULT_ALPHAS = orders\n" in made.read()
    assert "print(engine.accountant.get_privacy_spent(delta=1e-5))\n" in made.read()


def test_the_engine_lets_go_and_tells_its_steps(folder: Make) -> None:
    made = project(folder, f"{HEAD}{ENGINE}{ATTACH}{LOOP}engine.detach(); print(engine.steps)\n")
    assert made.fix(unsafe=True).refused == ()
    assert made.read() == (
        f"{HEAD}{PRIVATE}{LOOP}net, opt = net.to_standard_module(), opt.original_optimizer; "
        "print(sum(count for _, _, count in engine.accountant.history))\n"
    )


def test_a_fault_that_comes_to_light_is_said_and_does_not_stand_in_the_way(folder: Make) -> None:
    made = project(folder, HEAD + ENGINE.replace("1.1", "0.0") + ATTACH + LOOP)
    result = made.fix(unsafe=True)
    assert result.refused == ()
    assert any("DPM208 after the fix, and unseen before" in notice for notice in result.notices)
    assert "DPM208" in {f.rule for f in result.remaining}


def test_a_fault_in_a_file_that_stays_as_it_is_comes_to_light_as_well(folder: Make) -> None:
    loop = (
        "\n\ndef train(net, opt, data, criterion):\n    for x, y in data:\n"
        "        criterion(net(x), y).backward()\n        opt.step()\n"
    )
    called = "from loop import train\n\ntrain(net, opt, loader, nn.CrossEntropyLoss(ignore_index=0))\n"
    files = {
        "train.py": HEAD + ENGINE + ATTACH + called,
        "loop.py": loop.lstrip("\n"),
        "requirements.txt": "opacus==0.15.0\n",
    }
    made = folder(files)
    result = made.fix(unsafe=True)
    assert (result.refused, "train.py" in result.applied) == ((), True)
    assert any(n.startswith("loop.py:3: DPM124 after the fix, and unseen before") for n in result.notices)


def test_a_loop_in_a_function_of_its_own(folder: Make) -> None:
    loop = "\n\ndef train(net, opt, data):\n" + "".join(
        f"    {line}\n" for line in LOOP.replace("loader", "enumerate(data)").splitlines()
    )
    made = project(folder, f"{HEAD}{loop}\n\n{ENGINE}{ATTACH}train(net, opt, loader)\n")
    assert made.fix(unsafe=True).refused == ()
    assert made.read() == f"{HEAD}{loop}\n\n{PRIVATE}train(net, opt, loader)\n"


def test_what_the_engine_told_the_optimizer_tells(folder: Make) -> None:
    made = project(folder, f"{HEAD}{ENGINE}{ATTACH}print(engine.noise_multiplier)\n{LOOP}")
    assert made.fix(unsafe=True).refused == ()
    assert made.read() == f"{HEAD}{PRIVATE}print(opt.noise_multiplier)\n{LOOP}"


def test_the_model_comes_along_to_releases_that_refuse_operations_in_place(folder: Make) -> None:
    convert = (
        "from opacus.utils.module_modification import convert_batchnorm_modules\n"
        "net = convert_batchnorm_modules(nn.Sequential({layers}))\n"
    )
    layers = "nn.Linear(2, 2), nn.BatchNorm1d(2), nn.ReLU(inplace=True)"
    head = HEAD.replace("net = nn.Linear(2, 2)\n", convert.format(layers=layers))
    made = project(folder, head + ENGINE + ATTACH + LOOP)
    assert made.fix(unsafe=True).refused == ()
    assert (
        "net = ModuleValidator.fix(nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2), nn.ReLU()))\n"
        in made.read()
    )
    assert "from opacus.validators import ModuleValidator\n" in made.read()


def test_members_of_a_trainer(folder: Make) -> None:
    engine = ENGINE.replace("engine = ", "self.engine = ").replace("net,", "self.net,")
    body = f"        {engine}        self.engine.attach(self.opt)\n"
    loop = "".join(f"        {line}\n" for line in LOOP.splitlines())
    loop = loop.replace("opt.", "self.opt.").replace("net(", "self.net(").replace("loader", "self.loader")
    trainer = (
        "\n\nclass Trainer:\n    def __init__(self):\n        self.net = nn.Linear(2, 2)\n"
        "        self.opt = torch.optim.SGD(self.net.parameters(), lr=0.1)\n"
        "        self.loader = DataLoader([])\n"
    )
    spent = "        print(self.engine.get_privacy_spent(1e-5))\n"
    made = project(folder, f"{HEAD}{trainer}{body}\n    def fit(self):\n{loop}{spent}\n\nTrainer().fit()\n")
    assert made.fix(unsafe=True).refused == ()
    assert "        self.net, self.opt, self.loader = self.engine.make_private(\n" in made.read()
    assert "print(self.engine.accountant.get_privacy_spent(delta=1e-5))\n" in made.read()
    assert ".privacy_engine = " not in made.read()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("DPModelInspector().validate(net)", "ModuleValidator.validate(net, strict=True)"),
        ("assert DPModelInspector().validate(net)", "assert ModuleValidator.is_valid(net)"),
        ("check = DPModelInspector()\ncheck.validate(net)", "ModuleValidator.validate(net, strict=True)"),
        ("check = DPModelInspector()\nok = check.validate(net)", "ok = ModuleValidator.is_valid(net)"),
    ],
)
def test_a_model_is_validated_as_before(folder: Make, before: str, after: str) -> None:
    imported = "from opacus.dp_model_inspector import DPModelInspector\n"
    made = project(folder, f"{HEAD}{imported}{before}\n{ENGINE}{ATTACH}{LOOP}")
    assert made.fix(unsafe=True).refused == ()
    assert f"\n{after}\n{PRIVATE}" in made.read()
    assert "from opacus.validators import ModuleValidator\n" in made.read()
    assert "Inspector" not in made.read()


def test_a_validator_that_is_reached_through_its_module_is_rewritten_once(folder: Make) -> None:
    text = "import opacus.dp_model_inspector\nopacus.dp_model_inspector.DPModelInspector().validate(net)\n"
    made = project(folder, f"{HEAD}{text}{ENGINE}{ATTACH}{LOOP}")
    assert made.fix(unsafe=True).refused == ()
    assert "\nModuleValidator.validate(net, strict=True)\n" in made.read()


AGAIN = "loader = DataLoader([], batch_size=8)\n"


@pytest.mark.parametrize(
    "behind",
    [
        AGAIN + LOOP,
        "if input():\n    " + AGAIN + LOOP,
        "for epoch in range(2):\n    " + (AGAIN + LOOP).replace("\n", "\n    ").rstrip(" "),
    ],
)
def test_a_loader_that_is_made_anew_behind_attach_is_left(folder: Make, behind: str) -> None:
    made = project(folder, HEAD + ENGINE + ATTACH + behind)
    before = made.snapshot()
    assert "loader gets another loader here" in made.fix(unsafe=True).refused[0][1]
    assert made.snapshot() == before


@pytest.mark.parametrize("behind", [LOOP + AGAIN, "other = loader\n" + LOOP])
def test_a_loader_that_is_made_anew_where_nothing_trains_on_it(folder: Make, behind: str) -> None:
    made = project(folder, HEAD + ENGINE + ATTACH + behind)
    assert made.fix(unsafe=True).refused == ()
    assert made.read() == HEAD + PRIVATE + behind
