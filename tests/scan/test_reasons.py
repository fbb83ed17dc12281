"""What a finding gives as its reasons: where a value comes from, and who made the run."""

from __future__ import annotations

from pathlib import Path

import pytest

from dpmigrate import api
from tests.scan.programs import lay_out

ENGINE = """\
import argparse
import os

from opacus import PrivacyEngine

parser = argparse.ArgumentParser()


def main(model, optimizer, loader, criterion):
    mode = {mode}
    if mode == "ghost":
        print("ghost")
    return PrivacyEngine().make_private(
        module=model, optimizer=optimizer, data_loader=loader, criterion=criterion, grad_sample_mode=mode
    )
"""
OPTION = "parser.add_argument('--mode', {given})\nargs = parser.parse_args()\n"
PAIR = """\
import torch
from opacus.grad_sample import GradSampleModuleFastGradientClipping
from opacus.optimizers import DPOptimizerFastGradientClipping
from torch import nn


def train(net, loader):
    torch.manual_seed(0)
    model = GradSampleModuleFastGradientClipping(net, max_grad_norm=1.0)
    optimizer = DPOptimizerFastGradientClipping(
        torch.optim.SGD(model.parameters(), lr=0.1), noise_multiplier=1.0, max_grad_norm=1.0
    )
    for x, y in loader:
        nn.CrossEntropyLoss()(model(x), y).backward()
        optimizer.step()
"""


@pytest.mark.parametrize(
    ("mode", "given", "texts"),
    [
        ("args.mode", "default='ghost'", {"argparse default", "set by the user"}),
        ("args.mode", "default='hooks', choices=['ghost', 'hooks']", {"one of the choices"}),
        ("args.mode", "required=True, choices=['ghost', 'hooks']", {"one of the choices"}),
        ("os.environ.get('MODE')", "default=None", {"set by the user; the code tests for it"}),
        ("os.environ.get('MODE', 'ghost')", "default=None", {"environment default"}),
    ],
)
def test_where_a_mode_comes_from(tmp_path: Path, mode: str, given: str, texts: set[str]) -> None:
    text = ENGINE.format(mode=mode).replace(
        "ArgumentParser()\n", "ArgumentParser()\n" + OPTION.format(given=given)
    )
    (run,) = api.scan(cwd=lay_out(tmp_path, train=text)).runs
    found = {place.text for place in run.mode_because}
    assert texts & found
    assert found <= {*texts, "set by the user", "left unset"}


def test_a_hand_made_pair_is_called_that(tmp_path: Path) -> None:
    (finding,) = api.scan(cwd=lay_out(tmp_path, train=PAIR)).findings
    assert "not by a `DPLossFastGradientClipping` of the hand-made pair" in finding.message
    assert "the private run (a hand-made pair)" in [place.text for place in finding.because]


def test_a_hand_made_pair_is_called_that_in_every_message(tmp_path: Path) -> None:
    text = PAIR.replace(
        "optimizer = DPO", "raw = torch.optim.SGD(model.parameters(), lr=0.1)\n    optimizer = DPO"
    )
    text = text.replace("        torch.optim.SGD(model.parameters(), lr=0.1), noise", "        raw, noise")
    findings = api.scan(cwd=lay_out(tmp_path, train=text.replace("optimizer.step()", "raw.step()"))).findings
    (finding,) = [each for each in findings if each.rule == "DPM120"]
    assert finding.message.startswith("the optimizer that was passed to the hand-made pair takes the step")


def test_a_literal_loader_seed_has_no_fix_on_offer(tmp_path: Path) -> None:
    make = "DataLoader(dataset, batch_size=8, generator=torch.Generator(){seed})"
    text = (
        "import torch\nfrom opacus import PrivacyEngine\nfrom torch.utils.data import DataLoader\n\n\n"
        "def main(model, optimizer, dataset):\n"
        f"    loader = {make}\n"
        "    PrivacyEngine().make_private(module=model, optimizer=optimizer, data_loader=loader)\n"
    )
    literal = lay_out(tmp_path, train=text.format(seed=".manual_seed(42)"))
    (finding,) = api.scan(cwd=literal).findings
    assert (finding.rule, finding.severity, finding.fix) == ("DPM202", "info", None)
    (bare,) = api.scan(cwd=lay_out(tmp_path, train=text.format(seed=""))).findings
    assert bare.fix is not None
    assert bare.fix.applicability == "safe"


CLIPPED_AGAIN = """\
import torch
from opacus import PrivacyEngine


def main(model, optimizer, loader, criterion, epochs, limit=None):
    torch.manual_seed(0)
    engine = PrivacyEngine()
    model, optimizer, loader = engine.make_private(module=model, optimizer=optimizer, data_loader=loader)
    for x, y in loader:
{before}
        criterion(model(x), y).backward()
        {clip}
        optimizer.step()
"""
CLIP = "torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)"


@pytest.mark.parametrize(
    ("before", "clip", "why"),
    [
        ("        pass", f"if limit is not None:\n            {CLIP}", "it hangs on the test in line 12"),
        ("        if len(x) == 0:\n            continue", CLIP, "it hangs on the test in line 10"),
        (
            "        if epochs > 3:\n            break",
            f"if limit:\n            {CLIP}",
            "it hangs on the tests in line 10 and line 13",
        ),
    ],
)
def test_the_test_that_decides_is_named(tmp_path: Path, before: str, clip: str, why: str) -> None:
    text = CLIPPED_AGAIN.format(before=before, clip=clip)
    (finding,) = [f for f in api.scan(cwd=lay_out(tmp_path, train=text)).findings if f.rule == "DPM109"]
    assert f"only possible: {why}" in [place.text for place in finding.because]


ATTACHED = """\
import torch
from opacus import PrivacyEngine


def attach(model, optimizer, loader, noise=0.0, seed=7):
    generator = torch.Generator().manual_seed(seed)
    torch.manual_seed(0)
    try:
        model, optimizer, loader = PrivacyEngine().make_private(
            module=model,
            optimizer=optimizer,
            data_loader=loader,
            noise_multiplier=noise,
            max_grad_norm=1.0,
            noise_generator=generator,
        )
    except ValueError:
        print("without privacy")
    for x, y in loader:
        torch.nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()
"""


@pytest.mark.parametrize(
    ("rule", "why"),
    [
        ("DPM204", "whoever runs it may set another seed"),
        ("DPM208", "noise_multiplier may be something else than the 0.0 in line 5"),
        ("DPM311", "nothing here says that it ever comes to that"),
    ],
)
def test_what_a_fact_is_not_certain_of_is_said(tmp_path: Path, rule: str, why: str) -> None:
    (finding,) = [f for f in api.scan(cwd=lay_out(tmp_path, train=ATTACHED)).findings if f.rule == rule]
    assert finding.certainty == "possible"
    (doubts,) = [place.text for place in finding.because if place.text.startswith("only possible: ")]
    assert why in doubts


IN_ROUNDS = """\
import torch
from opacus import PrivacyEngine


def private(net, loader):
    engine = PrivacyEngine()
    return engine, *engine.make_private(
        module=net,
        optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
        data_loader=loader,
        noise_multiplier=1.0,
        max_grad_norm=1.0,
    )


def main(net, loader):
    for _ in range(10):
        engine, model, optimizer, drawn = private(net, loader)
        for x, y in drawn:
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(model(x), y).backward()
            optimizer.step()
        print(engine.get_epsilon(1e-5))
        net = model._module
"""


def test_an_engine_of_each_turn_names_the_loop(tmp_path: Path) -> None:
    """The loop may stand in another function, or file, than the call that the finding is about."""
    result = api.scan(cwd=lay_out(tmp_path, train=IN_ROUNDS))
    (found,) = [finding for finding in result.findings if finding.rule == "DPM304"]
    assert "in every iteration of the loop in line 17," in found.message
    assert ("the loop that makes it anew", 17) in {(place.text, place.line) for place in found.because}
