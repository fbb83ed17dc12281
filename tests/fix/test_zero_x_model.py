"""What a program asks of its model by the names of layers, after the move from 0.x to make_private."""

from __future__ import annotations

import pytest

from tests.fix.test_zero_x import ATTACH, ENGINE, HEAD, LOOP, PRIVATE, Make, project

MOVED = PRIVATE + LOOP


@pytest.mark.parametrize(
    ("before", "behind", "becomes"),
    [
        ("", "list(net.parameters())\nnet.train()\n", "list(net.parameters())\nnet.train()\n"),
        ("print(net.state_dict())\n", "", ""),
        ("", "torch.save(net.state_dict(), 'w')\n", "torch.save(net._module.state_dict(), 'w')\n"),
        (
            "",
            "names = [n for n, _ in net.named_parameters()]\n",
            "names = [n for n, _ in net._module.named_parameters()]\n",
        ),
        ("", "opt.state_dict()\n", "opt.state_dict()\n"),
        (
            "",
            "if loader:\n    net.load_state_dict({})\n",
            "if loader:\n    net._module.load_state_dict({})\n",
        ),
    ],
)
def test_the_model_is_asked_behind_the_wrapper(folder: Make, before: str, behind: str, becomes: str) -> None:
    made = project(folder, f"{HEAD}{before}{ENGINE}{ATTACH}{LOOP}{behind}")
    assert made.fix(unsafe=True).refused == ()
    assert made.read() == f"{HEAD}{before}{MOVED}{becomes}"


def test_a_model_that_may_be_plain(folder: Make) -> None:
    attach = f"if len(loader):\n    {ENGINE}    {ATTACH}"
    made = project(folder, f"{HEAD}{attach}{LOOP}net.state_dict()\n")
    assert made.fix(unsafe=True).refused == ()
    assert made.read().endswith('getattr(net, "_module", net).state_dict()\n')


def test_a_model_that_is_let_go(folder: Make) -> None:
    made = project(folder, f"{HEAD}{ENGINE}{ATTACH}{LOOP}engine.detach()\nnet.state_dict()\n")
    assert made.fix(unsafe=True).refused == ()
    assert made.read().endswith('getattr(net, "_module", net).state_dict()\n')


def test_a_function_that_is_given_the_model(folder: Make) -> None:
    save = "def save(model):\n    torch.save(model.state_dict(), 'w')\n\n"
    made = project(folder, f"{HEAD}{save}{ENGINE}{ATTACH}{LOOP}save(net)\n")
    assert made.fix(unsafe=True).refused == ()
    assert 'torch.save(getattr(model, "_module", model).state_dict(), ' in made.read()


def test_another_model_is_let_be(folder: Make) -> None:
    other = "other = nn.Linear(2, 2)\n"
    made = project(folder, f"{HEAD}{other}{ENGINE}{ATTACH}{LOOP}other.load_state_dict(net.state_dict())\n")
    assert made.fix(unsafe=True).refused == ()
    assert made.read().endswith("other.load_state_dict(net._module.state_dict())\n")


GONE = [
    ("from opacus.utils.module_modification import convert_batchnorm_modules", "convert_batchnorm_modules"),
    ("import opacus.dp_model_inspector", "opacus.dp_model_inspector"),
    ("import opacus.utils.module_modification as mm", "mm"),
    ("from opacus.utils import stats", "stats"),
    ("from opacus import PerSampleGradientClipper", "PerSampleGradientClipper"),
]


@pytest.mark.parametrize(("line", "name"), GONE)
def test_an_import_of_what_is_gone_that_nothing_reads_goes(folder: Make, line: str, name: str) -> None:
    made = project(folder, f"{line}\nprint(1)\n")
    assert made.fix(unsafe=True).refused == ()
    assert (made.read(), made.read("requirements.txt")) == ("print(1)\n", "opacus==1.5.4\n")
    assert made.fix(unsafe=True).diff == ""


@pytest.mark.parametrize(("line", "name"), GONE)
def test_an_import_of_what_is_gone_that_something_reads_stays(folder: Make, line: str, name: str) -> None:
    made = project(folder, f"{line}\nprint({name})\n")
    before = made.snapshot()
    assert made.fix(unsafe=True).refused != ()
    assert made.snapshot() == before


def test_an_import_of_what_is_gone_that_another_file_takes_stays(folder: Make) -> None:
    files = {"a.py": "from opacus.utils import stats\n", "b.py": "from a import stats\n\nprint(stats)\n"}
    made = folder({**files, "requirements.txt": "opacus==0.15.0\n"})
    before = made.snapshot()
    assert made.fix(unsafe=True).refused != ()
    assert made.snapshot() == before
