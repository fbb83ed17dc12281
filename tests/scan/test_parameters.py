"""What a run is asked for: its noise, norm, epsilon and accountant, as the report lists them."""

from __future__ import annotations

from pathlib import Path

import pytest

from dpmigrate import api
from dpmigrate.model import Run
from tests.scan.programs import lay_out

PROGRAM = """
import argparse
import torch
from torch import nn
from opacus import PrivacyEngine
from opacus.accountants import RDPAccountant
from datasets import examples

parser = argparse.ArgumentParser()
parser.add_argument("--sigma", type=float, default=1.1)
parser.add_argument("--accountant", choices=["rdp", "prv"], default="prv")
args = parser.parse_args()
ABOVE

def build(data, norm=NORM):
    model = nn.Linear(4, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    loader = torch.utils.data.DataLoader(data, batch_size=8)
    engine = ENGINE
    AFTER
    return engine.CALL(module=model, optimizer=optimizer, data_loader=loader, max_grad_norm=norm, GIVEN)

build(examples())
"""
DEFAULTS = {
    "ABOVE": "",
    "AFTER": "",
    "NORM": "1.0",
    "ENGINE": "PrivacyEngine()",
    "CALL": "make_private",
    "GIVEN": "noise_multiplier=1.1",
}


def run_of(folder: Path, pin: str = "opacus>=1.5.3", **words: str) -> Run:
    """The one run of the program with some of its words replaced."""
    text = PROGRAM
    for word, default in DEFAULTS.items():
        text = text.replace(word, words.get(word.lower(), default))
    (folder / "requirements.txt").write_text(pin + "\n", encoding="utf-8")
    (run,) = api.scan(cwd=lay_out(folder, train=text)).runs
    return run


def test_the_defaults_of_the_engine_are_what_is_asked_for(tmp_path: Path) -> None:
    run = run_of(tmp_path)
    assert (run.noise_multiplier, run.max_grad_norm) == (1.1, 1.0)
    assert (run.target_epsilon, run.target_delta, run.epochs) == (None, None, None)
    assert (run.accountant, run.poisson_sampling, run.secure_mode, run.clipping) == (
        "prv",
        True,
        False,
        "flat",
    )


def test_a_target_takes_the_place_of_the_noise(tmp_path: Path) -> None:
    run = run_of(
        tmp_path,
        call="make_private_with_epsilon",
        given="target_epsilon=3, target_delta=1e-5, epochs=20, poisson_sampling=False",
        engine='PrivacyEngine(accountant="rdp", secure_mode=True)',
    )
    assert run.noise_multiplier is None
    assert (run.target_epsilon, run.target_delta, run.epochs) == (3, 1e-5, 20)
    assert (run.accountant, run.poisson_sampling, run.secure_mode) == ("rdp", False, True)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("noise_multiplier=args.sigma", (1.1, "?")),
        ("noise_multiplier=0.5 if data else 2", (0.5, 2)),
        ("noise_multiplier=data.sigma", "?"),
        ("noise_multiplier=None", None),
        ("", "?"),
        ("**data.settings", "?"),
        ("**{'noise_multiplier': 1.3}", 1.3),
        ("noise_multiplier=True", True),
        (f"noise_multiplier={10**30}", "?"),
        ("noise_multiplier=1e999", "inf"),
        ("noise_multiplier=float('nan')", "nan"),
    ],
)
def test_noise_is_a_value_several_or_unknown(tmp_path: Path, given: str, expected: object) -> None:
    assert run_of(tmp_path, given=given).noise_multiplier == expected


def test_what_hidden_keywords_may_hold_is_unknown(tmp_path: Path) -> None:
    run = run_of(tmp_path, given="noise_multiplier=1.1, **data.settings")
    assert (run.noise_multiplier, run.poisson_sampling, run.clipping) == (1.1, "?", "?")
    run = run_of(tmp_path, engine="PrivacyEngine(**data.settings)")
    assert (run.accountant, run.secure_mode) == ("?", "?")


def test_choices_of_an_option_are_the_values(tmp_path: Path) -> None:
    run = run_of(tmp_path, engine="PrivacyEngine(accountant=args.accountant)")
    assert run.accountant == ("prv", "rdp")


def test_an_accountant_that_is_put_in_later_is_not_the_default(tmp_path: Path) -> None:
    assert run_of(tmp_path, after="engine.accountant = RDPAccountant()").accountant == "?"


@pytest.mark.parametrize(
    ("pin", "expected"), [("opacus==1.2.0", "rdp"), ("opacus>=1.0,<2", ("prv", "rdp")), ("", "prv")]
)
def test_the_default_accountant_is_that_of_the_release(tmp_path: Path, pin: str, expected: object) -> None:
    assert run_of(tmp_path, pin=pin).accountant == expected


def test_norms_of_each_parameter_are_listed_as_text(tmp_path: Path) -> None:
    run = run_of(tmp_path, norm="[1.0, 0.5]", given='noise_multiplier=1.1, clipping="per_layer"')
    assert (run.max_grad_norm, run.clipping) == ("[1.0, 0.5]", "per_layer")


def test_every_context_of_a_call_counts(tmp_path: Path) -> None:
    run = run_of(tmp_path, above="def other():\n    build([], norm=2.0)")
    assert run.max_grad_norm == (1.0, 2.0)


def test_a_pair_made_by_hand_has_no_accountant(tmp_path: Path) -> None:
    text = """
    import torch
    from torch import nn
    from opacus.grad_sample import GradSampleModuleFastGradientClipping
    from opacus.optimizers import DPOptimizerFastGradientClipping

    def build(bound):
        model = GradSampleModuleFastGradientClipping(nn.Linear(4, 2), max_grad_norm=1.0)
        return DPOptimizerFastGradientClipping(
            torch.optim.SGD(model.parameters(), lr=0.1), noise_multiplier=0.8, max_grad_norm=2.0,
            expected_batch_size=8,
        )
    """
    (run,) = api.scan(cwd=lay_out(tmp_path, train=text)).runs
    assert (run.noise_multiplier, run.max_grad_norm, run.clipping) == (0.8, (1.0, 2.0), "flat")
    assert (run.accountant, run.poisson_sampling, run.secure_mode) == (None, None, False)
