"""Shapes in which programs of Opacus 0.x come: options, branches, virtual steps, clients."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.fix.conftest import Folder
from tests.fix.test_zero_x import ATTACH, ENGINE, HEAD, LOOP, PRIVATE, project

Make = Callable[..., Folder]

VIRTUAL = """\
for i, (x, y) in enumerate(loader):
    nn.functional.cross_entropy(net(x), y).backward()
    if (i + 1) % k == 0:
        opt.step()
        opt.zero_grad()
    else:
        with torch.no_grad():
            opt.virtual_step()
"""
RATE = ENGINE.replace("sample_rate=0.1", "sample_rate=rate * k")
SIZES = "k = 4\nrate = 4 / len(loader.dataset)\n"


def indented(text: str, by: str = "    ") -> str:
    return "".join(by + line for line in text.splitlines(keepends=True))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            HEAD
            + SIZES
            + RATE
            + ATTACH
            + VIRTUAL.replace("    if (i", "    if not len(x):\n        break\n    if (i"),
            "has to see every physical batch to its end",
        ),
        (
            HEAD + SIZES + RATE.replace("rate * k", "4 / 40") + ATTACH + VIRTUAL,
            "this engine is told 4, which is the physical batch",
        ),
        (
            HEAD + SIZES + RATE.replace("rate * k", "some()") + ATTACH + VIRTUAL,
            "told neither batch_size nor sample_rate as a quotient",
        ),
        (
            f"{HEAD}if input():\n    {ENGINE}    net = nn.Linear(2, 2)\nelse:\n    {ENGINE}{ATTACH}{LOOP}",
            "another branch makes another engine",
        ),
        (
            HEAD
            + ENGINE
            + ATTACH
            + LOOP.replace("for x, y in loader:", "for step in range(9):\n    x, y = next(iter(loader))"),
            "needs the loader that is trained on (next(iter(loader)) in line 12)",
        ),
    ],
)
def test_what_is_left_with_the_reason(folder: Make, text: str, said: str) -> None:
    made = project(folder, text)
    before = made.snapshot()
    assert said in " ".join(reason for _, reason in made.fix(unsafe=True).refused)
    assert made.snapshot() == before


def test_files_under_a_pin_of_0_x_move_together_or_not(folder: Make) -> None:
    stuck = HEAD + ENGINE + ATTACH + LOOP + "print(engine.clipper)\n"
    files = {
        "train.py": HEAD + ENGINE + ATTACH + LOOP,
        "other.py": stuck,
        "requirements.txt": "opacus==0.15.0\n",
    }
    made = folder(files)
    before = made.snapshot()
    assert "shares a pin of Opacus" in " ".join(reason for _, reason in made.fix(unsafe=True).refused)
    assert made.snapshot() == before
    alone = folder({**files, "requirements.txt": "opacus>=1.4\n"})
    alone.fix(unsafe=True)
    assert PRIVATE in alone.read()
    assert alone.read("other.py") == stuck


def test_an_optimizer_that_options_choose(folder: Make) -> None:
    head = HEAD.replace(
        "opt = torch.optim.SGD(net.parameters(), lr=0.1)\n",
        "if input():\n    opt = torch.optim.SGD(net.parameters(), lr=0.1)\n"
        "else:\n    opt = torch.optim.Adam(net.parameters())\n",
    )
    made = project(folder, head + ENGINE + ATTACH + LOOP)
    assert made.fix(unsafe=True).refused == ()
    assert made.read() == head + PRIVATE + LOOP


@pytest.mark.parametrize(
    "entries", ['clipping = {"enable_stat": True}\n', "clipping = dict(enable_stat=True)\n"]
)
def test_arguments_that_did_nothing_go(folder: Make, entries: str) -> None:
    given = ENGINE.replace("1.0)", "1.0, clip_per_layer=False, **clipping)")
    made = project(folder, HEAD + entries + given + ATTACH + LOOP)
    assert made.fix(unsafe=True).refused == ()
    assert made.read() == HEAD + entries + PRIVATE + LOOP


def test_engines_that_branches_make(folder: Make) -> None:
    head = HEAD.replace("net = ", "orders = input()\nnet = ")
    both = f"if orders:\n{indented(ENGINE)}else:\n{indented(ENGINE)}engine = engine.to('cpu')\n{ATTACH}"
    made = project(folder, head + both + LOOP)
    assert made.fix(unsafe=True).refused == ()
    assert made.read() == f"{head}if orders:\n{indented(PRIVATE)}else:\n{indented(PRIVATE)}{LOOP}"


def test_noise_that_may_be_none_goes_by_the_target(folder: Make) -> None:
    given = ENGINE.replace(
        "noise_multiplier=1.1", "noise_multiplier=args.noise, target_epsilon=3.0, epochs=2"
    )
    made = project(folder, HEAD.replace("net =", "from options import args\nnet =") + given + ATTACH + LOOP)
    assert made.fix(unsafe=True).refused == ()
    assert (
        "noise_multiplier=args.noise if args.noise is not None else get_noise_multiplier(target_epsilon=3.0, "
        'target_delta=1e-6, sample_rate=1 / len(loader), epochs=2, accountant="rdp"),'
    ) in made.read()


@pytest.mark.parametrize("cleared", ["", "    net.zero_grad()\n"])
def test_a_loop_that_never_cleared_the_optimizer_does_now(folder: Make, cleared: str) -> None:
    loop = LOOP.replace("    opt.zero_grad()\n", cleared)
    made = project(folder, HEAD + ENGINE + ATTACH + loop)
    assert made.fix(unsafe=True).refused == ()
    assert made.read() == f"{HEAD}{PRIVATE}{loop}    opt.zero_grad()\n"


def test_what_the_engine_told_of_the_rate_and_the_steps(folder: Make) -> None:
    told = "print(engine.sample_rate * 2, engine.steps)\n"
    made = project(folder, f"{HEAD}{ENGINE}engine.load_state_dict({{'steps': 7}})\n{ATTACH}{LOOP}{told}")
    assert made.fix(unsafe=True).refused == ()
    history = "engine.accountant.history = [(opt.noise_multiplier, 1 / len(loader), 7)]\n"
    steps = "sum(count for _, _, count in engine.accountant.history)"
    assert made.read() == f"{HEAD}{PRIVATE}{history}{LOOP}print((1 / len(loader)) * 2, {steps})\n"


def test_a_function_that_trains_private_and_public_models(folder: Make) -> None:
    train = "\n\ndef train(net, data, opt):\n" + indented(LOOP.replace("loader", "data")) + "\n\n"
    other = "other = DataLoader([])\npublic = torch.optim.SGD(nn.Linear(2, 2).parameters())\n"
    calls = "train(net, loader, opt)\ntrain(nn.Linear(2, 2), other, public)\n"
    made = project(folder, HEAD + train + other + ENGINE + ATTACH + calls)
    assert made.fix(unsafe=True).refused == ()
    assert made.read() == HEAD + train + other + PRIVATE + calls


def test_virtual_steps_by_a_rate_under_a_name(folder: Make) -> None:
    made = project(folder, HEAD + SIZES + RATE + ATTACH + VIRTUAL)
    assert made.fix(unsafe=True).refused == ()
    enlarged = (
        "loader = DataLoader(\n    loader.dataset,\n    batch_size=4 * k,\n"
        "    num_workers=loader.num_workers,\n    collate_fn=loader.collate_fn,\n"
        "    pin_memory=loader.pin_memory,\n    drop_last=loader.drop_last,\n)\n"
    )
    assert enlarged + PRIVATE.partition("\n")[2] in made.read()
    assert (
        "with BatchMemoryManager(\n    data_loader=loader, max_physical_batch_size=4, optimizer=opt\n"
        ") as physical_batches:\n    for i, (x, y) in enumerate(physical_batches):\n"
    ) in made.read()
    assert "        opt.step()\n        opt.zero_grad()\n" in made.read()
    assert made.fix(unsafe=True).diff == ""


def test_the_rate_of_a_sampler_of_opacus_becomes_that_of_the_logical_batch(folder: Make) -> None:
    sampled = "DataLoader([], batch_sampler=UniformWithReplacementSampler(num_samples=9, sample_rate=rate))\n"
    head = HEAD.replace("loader = DataLoader([], batch_size=4)\n", f"k = 4\nrate = 4 / 9\nloader = {sampled}")
    imported = "from opacus.utils.uniform_sampler import UniformWithReplacementSampler\n"
    made = project(folder, imported + head + RATE + ATTACH + VIRTUAL)
    assert made.fix(unsafe=True).refused == ()
    assert "sample_rate=rate * k))\n" in made.read()
    assert "max_physical_batch_size=4," in made.read()


def test_without_privacy_batches_and_loop_stay_as_they_were(folder: Make) -> None:
    private = "private = bool(input())\nk = 4\n"
    head = HEAD.replace("net = ", private + "net = ").replace("size=4", "size=8")
    engine = ENGINE.replace("sample_rate=0.1", "batch_size=32, sample_size=90")
    made = project(folder, f"{head}if private:\n{indented(engine + ATTACH)}{VIRTUAL}")
    assert made.fix(unsafe=True).refused == ()
    assert "loader = DataLoader([], batch_size=32 if private else 8)\n" in made.read()
    assert (
        "with (\n    BatchMemoryManager(data_loader=loader, max_physical_batch_size=8, optimizer=opt)\n"
        '    if hasattr(opt, "signal_skip_step")\n    else contextlib.nullcontext(loader)\n'
        ") as physical_batches:\n"
    ) in made.read()


def test_a_client_that_attaches_in_every_round(folder: Make) -> None:
    train = (
        "\n\ndef train(model, data, engine):\n    opt = torch.optim.SGD(model.parameters(), lr=0.1)\n"
        + indented(
            ATTACH
            + LOOP.replace("loader", "data").replace("net(", "model(")
            + "print(engine.get_privacy_spent(1e-5))\n"
        )
    )
    made_in = ENGINE.replace("engine = ", "self.engine = ").replace("net,", "self.net,")
    client = (
        "\n\nclass Client:\n    def __init__(self, net, data):\n"
        "        self.net = net\n        self.data = data\n"
        f"        {made_in}\n    def fit(self):\n        train(self.net, self.data, self.engine)\n"
        "\n\nClient(net, loader).fit()\n"
    )
    made = project(folder, HEAD + train + client)
    assert made.fix(unsafe=True).refused == ()
    assert (
        "        self.net = GradSampleModule(self.net)\n        self.engine = PrivacyEngine(" in made.read()
    )
    assert "    model, opt, data = engine.make_private(\n        module=model,\n" in made.read()
    assert "    print(engine.accountant.get_privacy_spent(delta=1e-5))\n" in made.read()


def test_the_state_of_an_engine_is_that_of_its_accountant(folder: Make) -> None:
    load, save = "engine.load_state_dict(torch.load('s'))\n", "torch.save(engine.state_dict(), 's')\n"
    made = project(folder, HEAD + ENGINE + load + ATTACH + LOOP + save)
    assert made.fix(unsafe=True).refused == ()
    assert "engine.accountant.load_state_dict(torch.load('s'))\n" in made.read()
    assert "torch.save(engine.accountant.state_dict(), 's')\n" in made.read()


def test_a_state_that_is_looked_into_is_left(folder: Make) -> None:
    text = f"{HEAD}{ENGINE}{ATTACH}{LOOP}print(engine.state_dict()['steps'])\n"
    refused = project(folder, text).fix(unsafe=True).refused
    assert any("state_dict of the engine is gone" in reason for _, reason in refused)


@pytest.mark.parametrize(("delta", "rule"), [("1 / len(loader)", "DPM306"), ("0.5", "DPM306"), ("1e-9", "")])
def test_a_delta_that_was_there_before_stands_in_no_way(folder: Make, delta: str, rule: str) -> None:
    text = f"{HEAD}{ENGINE}{ATTACH}{LOOP}delta = {delta}\nprint(engine.get_privacy_spent(delta))\n"
    made = project(folder, text)
    result = made.fix(unsafe=True)
    assert result.refused == ()
    assert any("after the fix" in notice and rule in notice for notice in result.notices) == bool(rule)


CONVERTED = "def made(net{}):\n    return module_modification.convert_batchnorm_modules(net)\n"


@pytest.mark.parametrize("own", ["", ", module_modification"])
def test_names_that_moved_go_along_in_files_beside(folder: Make, own: str) -> None:
    beside = "from opacus.utils import module_modification\n\n\n" + CONVERTED.format(own)
    train = HEAD + ENGINE + ATTACH + LOOP
    made = folder({"train.py": train, "beside.py": beside, "requirements.txt": "opacus==0.15.0\n"})
    result = made.fix(unsafe=True)
    if own:
        assert CONVERTED.format(own) in made.read("beside.py")
        return
    assert result.refused == ()
    assert made.read("requirements.txt") == "opacus==1.5.4\n"
    assert made.read("beside.py") == (
        "from opacus.validators import ModuleValidator\n\n\n"
        "def made(net):\n    return ModuleValidator.fix(net)\n"
    )


def test_a_delta_that_is_asked_for_elsewhere_is_kept(folder: Make) -> None:
    report = "\n\ndef report(engine):\n    print(engine.get_privacy_spent(), engine.target_delta)\n"
    main = "\n\ndef main(net, opt, loader, delta):\n" + indented(
        ENGINE.replace("max_grad_norm=1.0", "max_grad_norm=1.0, target_delta=delta")
        + ATTACH
        + LOOP
        + "report(engine)\n"
    )
    made = project(folder, f"{HEAD}{report}{main}\n\nmain(net, opt, loader, 1e-6)\n")
    assert made.fix(unsafe=True).refused == ()
    assert "    engine.target_delta = delta\n" in made.read()
    asked = "print(engine.accountant.get_privacy_spent(delta=engine.target_delta), engine.target_delta)"
    assert asked in made.read()
    assert made.fix(unsafe=True).diff == ""


def test_a_delta_that_every_place_can_read_is_written_there(folder: Make) -> None:
    engine = ENGINE.replace("max_grad_norm=1.0", "max_grad_norm=1.0, target_delta=DELTA")
    text = f"{HEAD}DELTA = 1e-6\n{engine}{ATTACH}{LOOP}print(engine.get_privacy_spent())\n"
    made = project(folder, text)
    assert made.fix(unsafe=True).refused == ()
    assert "print(engine.accountant.get_privacy_spent(delta=DELTA))\n" in made.read()
    assert "engine.target_delta" not in made.read()


def test_virtual_steps_in_suites_of_one_line(folder: Make) -> None:
    flat = VIRTUAL.replace(
        ":\n        opt.step()\n        opt.zero_grad()\n", ": opt.step(); opt.zero_grad()\n"
    )
    assert flat != VIRTUAL
    made = project(folder, HEAD + SIZES + RATE + ATTACH + flat)
    assert made.fix(unsafe=True).refused == ()
    assert "        opt.step(); opt.zero_grad()\n" in made.read()
    assert made.fix(unsafe=True).diff == ""


MODEL_NAMES = """\
before = net.state_dict()
{attach}
net.load_state_dict(before)
print(net[0], [name for name, _ in net.named_parameters()], sum(p.sum() for p in net.parameters()))


def saved(model):
    return model.state_dict()


print(saved(net), saved(nn.Linear(2, 2)))
"""


def test_the_model_goes_by_the_names_that_it_had(folder: Make) -> None:
    text = MODEL_NAMES.format(attach=ENGINE + ATTACH + LOOP)
    made = project(folder, HEAD + text)
    assert made.fix(unsafe=True).refused == ()
    after = MODEL_NAMES.format(attach=PRIVATE + LOOP)
    for old in ("net.load_state_dict(before)", "net[0]", "net.named_parameters()"):
        after = after.replace(old, old.replace("net", "net._module", 1))
    after = after.replace("return model.", 'return getattr(model, "_module", model).')
    assert made.read() == HEAD + after


@pytest.mark.parametrize("condition", ["if private:\n", "while True:\n"])
def test_a_model_that_may_not_be_private_is_asked_for_the_module_inside(folder: Make, condition: str) -> None:
    head = HEAD.replace("net =", "from options import private\nnet =")
    text = f"{head}{condition}    net.eval()\n    print(net.state_dict())\n{indented(ENGINE + ATTACH)}{LOOP}"
    made = project(folder, f"{text}print(net.state_dict())\n")
    assert made.fix(unsafe=True).refused == ()
    asked = 'print(getattr(net, "_module", net).state_dict())\n'
    if condition.startswith("if"):
        assert "    print(net.state_dict())\n" in made.read()
        assert made.read().endswith(asked)
    else:
        assert f"    {asked}" in made.read()


def test_a_client_takes_the_weights_of_a_server(folder: Make) -> None:
    body = (
        ENGINE.replace("net", "self.net").replace("engine", "self.engine") + "self.engine.attach(self.opt)\n"
    )
    loop = LOOP.replace("loader", "self.loader").replace("opt", "self.opt").replace("net(", "self.net(")
    text = (
        f"{HEAD}\n\nclass Client:\n    def __init__(self, net, opt, loader):\n"
        f"        self.net, self.opt, self.loader = net, opt, loader\n{indented(body, ' ' * 8)}\n"
        f"    def fit(self, state):\n        self.net.load_state_dict(state)\n{indented(loop, ' ' * 8)}"
        f"        return self.net.state_dict()\n\n\nClient(net, opt, loader).fit({{}})\n"
    )
    made = project(folder, text)
    assert made.fix(unsafe=True).refused == ()
    assert '        getattr(self.net, "_module", self.net).load_state_dict(state)\n' in made.read()
    assert '        return getattr(self.net, "_module", self.net).state_dict()\n' in made.read()


def test_an_unread_import_of_what_is_gone_goes(folder: Make) -> None:
    unread = "from opacus.utils import batch_memory_manager, module_modification\n"
    made = project(folder, f"{unread}{HEAD}{ENGINE}{ATTACH}{LOOP}print(batch_memory_manager)\n")
    assert made.fix(unsafe=True).refused == ()
    assert "module_modification" not in made.read()


@pytest.mark.parametrize(
    ("sizes", "given", "made"),
    [
        ("k = 2000\nm = 4\n", "sample_rate=4 / 40 * m", False),
        ("k = 2000\nm = int(16 / 4)\n", "batch_size=4 * m, sample_size=40", False),
        ("k = 16 // 4\nm = 4\n", "sample_rate=4 / 40 * m", True),
        ("k = 4\n", "batch_size=16, sample_size=40", True),
        ("k = int(input())\nm = 4\n", "sample_rate=4 / 40 * m", True),
    ],
)
def test_steps_of_other_batches_than_the_engine_was_told(
    folder: Make, sizes: str, given: str, made: bool
) -> None:
    project_ = project(folder, HEAD + sizes + ENGINE.replace("sample_rate=0.1", given) + ATTACH + VIRTUAL)
    refused = " ".join(reason for _, reason in project_.fix(unsafe=True).refused)
    assert ("once in 2000 batches of 4, and the engine is told batches of 16" in refused) is not made
    assert ("BatchMemoryManager(" in project_.read()) is made
