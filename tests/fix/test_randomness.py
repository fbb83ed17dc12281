"""Generators: fresh entropy by default, the project's own seed on request, never a literal for noise."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.fix.conftest import Folder

Make = Callable[..., Folder]
SCRIPT = """\
import argparse

import torch
from opacus import PrivacyEngine


def main(args, model, optimizer, loader):
    torch.manual_seed(args.seed)
    {make}
    return PrivacyEngine().make_private(
        module=model,
        optimizer=optimizer,
        data_loader=loader,
        noise_multiplier=1.0,
        max_grad_norm=1.0,
        noise_generator={use},
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int)
    main(parser.parse_args(), None, None, None)
"""
BARE = SCRIPT.format(make="generator = torch.Generator()", use="generator")


@pytest.mark.parametrize(
    "make",
    [
        "generator = torch.Generator().manual_seed(args.seed)",
        "generator = torch.Generator()\n    generator.seed()",
        "generator = None",
    ],
)
def test_a_seeded_generator_is_left_alone(folder: Make, make: str) -> None:
    project = folder(SCRIPT.format(make=make, use="generator"))
    assert project.fix().diff == ""


def test_a_bare_generator_gets_entropy(folder: Make) -> None:
    project = folder(BARE)
    assert project.fix().applied == ("train.py",)
    assert project.read() == BARE.replace("Generator()\n", "Generator()\n    generator.seed()\n")
    assert project.fix().diff == ""


def test_a_bare_generator_inside_the_call_gets_a_name(folder: Make) -> None:
    project = folder(SCRIPT.format(make="print()", use='torch.Generator(device="cpu")'))
    project.fix()
    made = 'print()\n    noise_generator = torch.Generator(device="cpu")\n    noise_generator.seed()'
    assert project.read() == SCRIPT.format(make=made, use="noise_generator")


def test_the_projects_own_seed_needs_unsafe(folder: Make) -> None:
    project = folder(BARE)
    result = project.fix(unsafe=True)
    assert project.read() == BARE.replace(
        "Generator()\n", "Generator()\n    generator.manual_seed(args.seed)\n"
    )
    assert "whoever knows the seed" in result.notices[0]


def test_a_seed_by_expression(folder: Make) -> None:
    project = folder(BARE)
    project.fix(seed="args.seed + 7")
    assert "    generator.manual_seed(args.seed + 7)\n" in project.read()


@pytest.mark.parametrize("seed", ["42", "-1", "40 + 2"])
def test_a_literal_seed_for_the_noise_is_refused(folder: Make, seed: str) -> None:
    """Also where the finding that it brings is only possible: this run is given no model."""
    project = folder(BARE)
    result = project.fix(seed=seed)
    assert "DPM204" in result.refused[0][1]
    assert project.read() == BARE


def test_a_seed_that_is_not_known_there_is_refused(folder: Make) -> None:
    project = folder(BARE)
    assert "config.seed is not bound yet" in project.fix(seed="config.seed").refused[0][1]
    assert project.read() == BARE


UNSEEDED = """\
import torch
from opacus import PrivacyEngine
{head}

def main({parameter}):
    {use}
    loader = torch.utils.data.DataLoader([])
    model = torch.nn.Linear(2, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    return PrivacyEngine().make_private(
        module=model,
        optimizer=optimizer,
        data_loader=loader,
        noise_multiplier=1.0,
        max_grad_norm=1.0,
    )


main({argument})
"""
CONFIG = """\
from dataclasses import dataclass


@dataclass
class Config:
    seed: int{default}
"""


def unseeded(default: str = "", argument: str = "Config(int(input()))") -> str:
    return UNSEEDED.format(
        head=CONFIG.format(default=default), parameter="cfg", use="print(cfg.seed)", argument=argument
    )


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (UNSEEDED.format(head="", parameter="", use="pass", argument=""), "no seed of its own"),
        (
            UNSEEDED.format(head="SEED = 3\n", parameter="", use="print(SEED)", argument=""),
            "no seed of its own",
        ),
        (unseeded(" = 3", "Config()"), "cfg.seed may be 3"),
        (unseeded(" | None = None", "Config()"), "cfg.seed may be None"),
    ],
)
def test_no_constant_out_of_nowhere(folder: Make, text: str, reason: str) -> None:
    project = folder(text)
    assert reason in project.fix(unsafe=True, select=["DPM203"]).refused[0][1]
    assert project.read() == text


PARSED = """\
import argparse

{imports}
from opacus import PrivacyEngine


def main(data):
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, required=True)
    args = parser.parse_args()
    model = Linear(2, 2)
    optimizer = SGD(model.parameters(), lr=0.1)
    loader = DataLoader(data)
    PrivacyEngine().make_private(module=model, optimizer=optimizer, data_loader=loader)
"""
FROM_TORCH = """from torch.nn import Linear
from torch.optim import SGD
from torch.utils.data import DataLoader
"""


@pytest.mark.parametrize("imports", [FROM_TORCH, f"import torch\n{FROM_TORCH}"])
def test_the_seed_is_of_what_was_parsed_and_torch_is_imported(folder: Make, imports: str) -> None:
    project = folder(PARSED.format(imports=imports))
    project.fix(unsafe=True, select=["DPM203"])
    after = project.read()
    assert "noise_generator = torch.Generator().manual_seed(args.seed)\n" in after
    assert "parser.seed" not in after
    assert after.count("import torch\n") == 1


def test_an_unseeded_run_stays_so_without_unsafe(folder: Make) -> None:
    result = folder(unseeded()).fix(select=["DPM203"])
    assert (result.diff, result.refused) == ("", ())
    assert [f.rule for f, _ in result.unmade] == ["DPM203"]


@pytest.mark.parametrize("seed", [None, "cfg.seed"])
def test_loader_and_noise_get_a_generator_each(folder: Make, seed: str | None) -> None:
    project = folder(unseeded())
    result = project.fix(unsafe=True, select=["DPM203"], seed=seed)
    assert "can subtract the noise" in result.notices[0]
    lines = project.read().splitlines()
    assert "    loader_generator = torch.Generator().manual_seed(cfg.seed + 1)" in lines
    assert "    loader = torch.utils.data.DataLoader([], generator=loader_generator)" in lines
    assert "    noise_generator = torch.Generator().manual_seed(cfg.seed)" in lines
    assert "        noise_generator=noise_generator," in lines
    assert project.fix(unsafe=True, select=["DPM203"]).diff == ""


MOVED = """\
import torch
from opacus import PrivacyEngine
from torch import nn


def main(args):
    net = nn.Linear(2, 2){move}
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    loader = torch.utils.data.DataLoader([], batch_size=2)
    net, optimizer, criterion, loader = PrivacyEngine().make_private(
        module=net, optimizer=optimizer, data_loader=loader, criterion=nn.CrossEntropyLoss(),
        noise_multiplier=1.0, max_grad_norm=1.0, grad_sample_mode="ghost")
{after}    for x, y in loader:
        criterion(net(x), y).backward()
        optimizer.step()
        optimizer.zero_grad()
"""


def test_a_model_that_moves_after_the_call_is_left_to_people(folder: Make) -> None:
    text = MOVED.format(move="", after='    net.to("cuda")\n')
    result = folder(text).fix(unsafe=True, seed="args.seed", select=("DPM203",))
    ((path, reason),) = result.refused
    assert (path, reason.partition(": ")[0]) == ("train.py", "line 13")
    assert "move it before" in reason


@pytest.mark.parametrize("move", [".cuda()", '.to("cuda")', ".to(args.device)", ".to(torch.device('cpu'))"])
def test_noise_is_drawn_where_the_model_is(folder: Make, move: str) -> None:
    project = folder(MOVED.format(move=move, after=""))
    assert project.fix(unsafe=True, seed="args.seed", select=("DPM203",)).refused == ()
    lines = [line.strip() for line in project.read().splitlines()]
    assert (
        "noise_generator = torch.Generator(device=next(net.parameters()).device).manual_seed(args.seed)"
        in lines
    )
    assert "loader_generator = torch.Generator().manual_seed(args.seed + 1)" in lines


@pytest.mark.parametrize("inside", [False, True])
def test_a_bare_generator_is_made_where_the_model_is(folder: Make, inside: bool) -> None:
    text = MOVED.format(move=".cuda()", after="")
    bare = "torch.Generator()" if inside else "generator"
    text = text.replace("data_loader=loader, c", f"data_loader=loader, noise_generator={bare}, c")
    if not inside:
        text = text.replace("    loader = ", "    generator = torch.Generator()\n    loader = ")
    project = folder(text)
    assert project.fix().applied == ("train.py",)
    made = "    {} = torch.Generator(device=next(net.parameters()).device)\n"
    assert made.format("noise_generator" if inside else "generator") in project.read()
    assert project.fix().diff == ""


def test_every_process_draws_its_own(folder: Make) -> None:
    start = "torch.distributed.init_process_group('gloo')\n"
    project = folder(MOVED.format(move="", after="").replace("\n\ndef", f"{start}\n\ndef", 1))
    assert project.fix(unsafe=True, seed="a if b else c", select=("DPM203",)).refused != ()
    assert project.fix(unsafe=True, seed="args.seed or 1", select=("DPM203",)).refused == ()
    assert ".manual_seed((args.seed or 1) + 2 * torch.distributed.get_rank())\n" in project.read()
    assert ".manual_seed((args.seed or 1) + 2 * torch.distributed.get_rank() + 1)\n" in project.read()
