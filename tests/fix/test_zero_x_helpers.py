"""Functions that attach an engine of Opacus 0.x for their callers: what is left, then what is moved."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.fix.conftest import Folder
from tests.fix.test_zero_x import ATTACH, ENGINE, HEAD, LOOP, PRIVATE, project
from tests.fix.test_zero_x_shapes import indented

Make = Callable[..., Folder]

CALLED = """

def attach(net, opt, size):
    {engine}    {attach}{end}


def main():
    net, data = nn.Linear(2, 2), DataLoader([])
    opt = torch.optim.SGD(net.parameters(), lr=0.1)
    {call}
{loop}

main()
"""


@pytest.mark.parametrize(
    ("end", "call", "end_after", "call_after"),
    [
        (
            "",
            "attach(net, opt, 4)",
            "return net, opt, data",
            "net, opt, data = attach(net, opt, 4, data=data)",
        ),
        (
            "return engine",
            "kept = attach(net, opt, 4)",
            "return engine, net, opt, data",
            "kept, net, opt, data = attach(net, opt, 4, data=data)",
        ),
        (
            "return net, opt, engine",
            "net, opt, kept = attach(net, opt, 4)",
            "return net, opt, engine, data",
            "net, opt, kept, data = attach(net, opt, 4, data=data)",
        ),
    ],
)
def test_a_helper_that_attaches_takes_the_loader_and_returns_the_three(
    folder: Make, end: str, call: str, end_after: str, call_after: str
) -> None:
    loop = "".join(f"    {line}\n" for line in LOOP.replace("loader", "data").splitlines())
    text = CALLED.format(engine=ENGINE, attach=ATTACH, end=f"    {end}", call=call, loop=loop)
    head = HEAD[: HEAD.index("net = ")]
    made = project(folder, head + text)
    assert made.fix(unsafe=True).refused == ()
    assert "def attach(net, opt, size, data):\n" in made.read()
    assert f"    {end_after}\n" in made.read()
    assert f"    {call_after}\n" in made.read()
    assert made.fix(unsafe=True).diff == ""


def test_helper_and_loop_may_stand_in_files_of_their_own(folder: Make) -> None:
    helper = "from opacus import PrivacyEngine\n\n\ndef attach(net, opt):\n"
    inside = "".join(f"    {line}\n" for line in LOOP.splitlines())
    made = folder(
        {
            "private.py": f"{helper}    {ENGINE}    {ATTACH}",
            "loop.py": f"from torch import nn\n\n\ndef epoch(net, loader, opt):\n{inside}",
            "train.py": HEAD.replace("from opacus import PrivacyEngine", "from loop import epoch")
            + "from private import attach\n\nattach(net, opt)\nepoch(net, loader, opt)\n",
            "requirements.txt": "opacus==0.15.0\n",
        }
    )
    result = made.fix(unsafe=True)
    assert (result.refused, made.read("loop.py").count("nn.")) == ((), 1)
    assert "net, opt, loader = attach(net, opt, loader=loader)\n" in made.read("train.py")
    assert "opacus==1.5.4" in made.read("requirements.txt")


def test_a_helper_with_several_callers_is_left(folder: Make) -> None:
    loop = "".join(f"    {line}\n" for line in LOOP.replace("loader", "data").splitlines())
    text = CALLED.format(engine=ENGINE, attach=ATTACH, end="", call="attach(net, opt, 4)", loop=loop)
    made = project(folder, HEAD[: HEAD.index("net = ")] + text + "\n\nattach(1, 2, 3)\n")
    before = made.snapshot()
    assert made.fix(unsafe=True).refused != ()
    assert made.snapshot() == before


HELPER = "from opacus import PrivacyEngine\n\n\ndef privatize(model, optimizer, {data}):\n" + indented(
    ENGINE.replace("net", "model") + ATTACH.replace("opt", "optimizer")
)


@pytest.mark.parametrize(
    ("takes", "given", "takes_after", "inside", "given_after"),
    [
        ("data", "net, opt, loader", "data", "data", "net, opt, loader"),
        ("size", "net, opt, 4", "size, loader", "loader", "net, opt, 4, loader=loader"),
    ],
)
def test_a_helper_in_another_file(
    folder: Make, takes: str, given: str, takes_after: str, inside: str, given_after: str
) -> None:
    text = HEAD.replace("from opacus import PrivacyEngine\n", "import dp\n")
    made = folder(
        {
            "dp.py": HELPER.format(data=takes),
            "train.py": f"{text}dp.privatize({given})\n{LOOP}",
            "requirements.txt": "opacus<1\n",
        }
    )
    assert made.fix(unsafe=True).refused == ()
    assert f"def privatize(model, optimizer, {takes_after}):\n" in made.read("dp.py")
    assert f"    model, optimizer, {inside} = engine.make_private(\n" in made.read("dp.py")
    assert made.read("dp.py").endswith(f"    return model, optimizer, {inside}\n")
    assert made.read() == f"{text}net, opt, loader = dp.privatize({given_after})\n{LOOP}"


BUILT = """\


def build({takes}):
    net = nn.Linear(2, 2)
    opt = torch.optim.SGD(net.parameters(), lr=0.1)
{inside}    return {returned}


def main():
    {lines}
{loop}

main()
"""
MADE = "loader = DataLoader([])\n"


def built(takes: str, inside: str, returned: str, lines: str) -> str:
    text = BUILT.format(
        takes=takes, inside=indented(inside), returned=returned, lines=lines, loop=indented(LOOP)
    )
    return HEAD[: HEAD.index("net = ")] + text


def test_a_function_that_makes_model_and_optimizer_takes_the_loader_too(folder: Make) -> None:
    made = project(
        folder,
        built("", ENGINE + ATTACH, "net, opt, engine", f"{MADE}    net, opt, engine = build()"),
    )
    assert made.fix(unsafe=True).refused == ()
    assert made.read() == built(
        "loader",
        PRIVATE,
        "net, opt, engine, loader",
        f"{MADE}    net, opt, engine, loader = build(loader=loader)",
    )


@pytest.mark.parametrize(
    ("returned", "lines"),
    [
        ("net, opt", f"net, opt = build()\n    {MADE}"),
        ("opt, engine", f"{MADE}    opt, engine = build()\n    net = nn.Linear(2, 2)"),
    ],
)
def test_what_is_made_behind_its_call_or_kept_inside_leaves_it(
    folder: Make, returned: str, lines: str
) -> None:
    made = project(folder, built("", ENGINE + ATTACH, returned, lines))
    before = made.snapshot()
    assert made.fix(unsafe=True).refused != ()
    assert made.snapshot() == before


def test_a_loader_by_its_key(folder: Make) -> None:
    loaders = 'loaders = {"train": loader, "test": loader}\n'
    made = project(folder, HEAD + loaders + ENGINE + ATTACH + LOOP.replace("loader", "loaders['train']"))
    assert made.fix(unsafe=True).refused == ()
    assert made.read() == HEAD + loaders + (PRIVATE + LOOP).replace("loader:", "loaders['train']:").replace(
        ", loader =", ", loaders['train'] ="
    ).replace("=loader,", "=loaders['train'],")


PHASES = """\
loaders = {{"train": loader, "val": DataLoader([])}}
{made}for phase in ("train", "val"):
    for x, y in loaders[phase]:
        opt.zero_grad()
        loss = nn.functional.cross_entropy(net(x), y)
        if {test}:
            loss.backward()
            opt.step()
"""


@pytest.mark.parametrize("test", ["phase == 'train'", "len(x) and phase == 'train'"])
def test_a_loader_by_the_key_of_the_phase_that_steps(folder: Make, test: str) -> None:
    made = project(folder, HEAD + PHASES.format(made=ENGINE + ATTACH, test=test))
    assert made.fix(unsafe=True).refused == ()
    private = PRIVATE.replace(", loader =", ", loaders['train'] =").replace("=loader,", "=loaders['train'],")
    assert made.read() == HEAD + PHASES.format(made=private, test=test)


@pytest.mark.parametrize("test", ["phase != 'val'", "phase == 'train' or len(x)"])
def test_a_phase_that_is_not_plain_is_left(folder: Make, test: str) -> None:
    made = project(folder, HEAD + PHASES.format(made=ENGINE + ATTACH, test=test))
    assert "(loaders[phase] in line" in " ".join(reason for _, reason in made.fix(unsafe=True).refused)


BETWEEN = """\
def score():
    return net(torch.ones(4, 2)).max()


def exact():
    with torch.no_grad():
        return score()


{made}for epoch in range(3):
    {asked}
    for x, y in loader:
        opt.zero_grad()
        nn.functional.cross_entropy(net(x), y).backward()
        opt.step()
{last}
"""


@pytest.mark.parametrize(
    ("asked", "last", "told"),
    [
        ("print(score())", "", True),
        ("print(net(torch.ones(4, 2)))", "", True),
        ("print(exact())", "", False),
        ("pass", "print(score())", False),
    ],
)
def test_a_pass_between_the_steps_is_told(folder: Make, asked: str, last: str, told: bool) -> None:
    made = project(folder, HEAD + BETWEEN.format(made=ENGINE + ATTACH, asked=asked, last=last))
    result = made.fix(unsafe=True)
    assert result.refused == ()
    assert any("called between the steps" in notice for notice in result.notices) == told


BATCHES = """\
from torchtext.legacy import data as text


def batches(records):
    {body}


def loaders(records):
    train, test = {made}, DataLoader(records)
    return train, test


loader, _ = loaders([])
"""
ITERATORS = [
    ("pass", "text.BucketIterator.splits(records, batch_size=4)", "text.BucketIterator.splits"),
    ("yield records", "batches(records)", "batches"),
    ("return DataLoader(records, batch_size=4)", "batches(records)", ""),
    ("return text.Field()", "DataLoader(records)", ""),
]


@pytest.mark.parametrize(("body", "made", "named"), ITERATORS)
def test_what_is_no_loader_of_torch_is_left(folder: Make, body: str, made: str, named: str) -> None:
    text = HEAD + BATCHES.format(body=body, made=made) + ENGINE + ATTACH + LOOP
    refused = " ".join(reason for _, reason in project(folder, text).fix(unsafe=True).refused)
    assert refused.count(f"loader comes from {named}, which makes no DataLoader") == bool(named)
    assert bool(refused) == bool(named)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "loaders = {}\nphase = input()\n" + ENGINE + ATTACH + LOOP.replace("loader", "loaders[phase]"),
            "(loaders[phase] in line 13)",
        ),
        (
            "class Net(nn.Linear):\n    def private(self, opt):\n"
            + indented(ENGINE.replace("net", "self") + ATTACH, " " * 8)
            + "Net(2, 2).private(opt)\n"
            + LOOP,
            "this engine is given self",
        ),
    ],
)
def test_the_reason_names_what_is_in_the_way(folder: Make, text: str, said: str) -> None:
    made = project(folder, HEAD + text)
    assert said in " ".join(reason for _, reason in made.fix(unsafe=True).refused)
