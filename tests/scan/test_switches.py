"""A constant that turns a private run off in the code is an option that is spelt otherwise."""

from __future__ import annotations

from pathlib import Path

import pytest

from dpmigrate import api
from tests.scan.programs import lay_out

PROGRAM = """
import torch
from torch import nn
from opacus import PrivacyEngine

ABOVE
def build(data, DEFAULT):
    model = nn.Linear(4, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    loader = torch.utils.data.DataLoader(data, batch_size=8)
    BEFORE
    if TEST:
        model, optimizer, loader = PrivacyEngine().make_private(
            module=model, optimizer=optimizer, data_loader=loader, noise_multiplier=1.0, max_grad_norm=1.0)
    return model, optimizer, loader

build(data, GIVEN)
"""


def _program(**words: str) -> str:
    text = PROGRAM
    for word in ("ABOVE", "DEFAULT", "BEFORE", "TEST", "GIVEN"):
        text = text.replace(word, words.get(word.lower(), {"TEST": "True", "BEFORE": "pass"}.get(word, "")))
    return text


@pytest.mark.parametrize(
    "words",
    [
        {"above": "USE_DP = False", "test": "USE_DP"},
        {"above": "PLAIN: bool = True", "test": "not PLAIN"},
        {"above": "PLAIN = True", "before": "if PLAIN: return model, optimizer, loader"},
        {"above": 'config = {"dp": False, "lr": 0.1}', "test": 'config["dp"]'},
        {"above": "A, B = 1, 2\nUSE_DP = False\nON_GPU = True", "test": "ON_GPU and USE_DP"},
        {"above": "class Args: ...\nargs = Args()\nargs.private = False", "test": "args.private"},
        {"above": 'config = {}\nconfig["dp"] = False', "test": 'config["dp"]'},
        {"above": 'KIND = "plain"', "test": 'KIND == "private"'},
        {"above": "EPSILON = None", "test": "EPSILON is not None"},
        {"above": "SIGMA = 0.0", "test": "SIGMA > 0"},
        {"above": "LAYERS = []", "test": "len(LAYERS) > 0"},
        {"default": "private=False", "test": "private"},
        {"default": "private", "test": "private", "given": "private=False"},
    ],
)
def test_what_a_switch_turns_on_is_a_run(tmp_path: Path, words: dict[str, str]) -> None:
    runs = api.scan(cwd=lay_out(tmp_path, train=_program(**words))).runs
    assert [(run.mode, run.unpack) for run in runs] == [(("hooks",), (3,))]


@pytest.mark.parametrize(
    "words", [{"test": "False"}, {"test": "0"}, {"above": "import sys", "test": "__name__ == 'elsewhere'"}]
)
def test_dead_code_is_not(tmp_path: Path, words: dict[str, str]) -> None:
    assert api.scan(cwd=lay_out(tmp_path, train=_program(**words))).runs == ()


def test_a_word_that_picks_one_of_two_private_runs_stays_as_it_is(tmp_path: Path) -> None:
    text = _program(above='KIND = "one"', test='KIND == "one"')
    text = text.replace("    return", "    else:\n        PrivacyEngine().make_private(model)\n    return")
    assert len(api.scan(cwd=lay_out(tmp_path, train=text)).runs) == 1


def test_what_is_set_to_several_values_is_no_switch(tmp_path: Path) -> None:
    text = _program(above='KIND = "plain"', test='KIND == "private"', before='KIND = "other"')
    assert api.scan(cwd=lay_out(tmp_path, train=text)).runs == ()


def test_a_switch_is_the_same_wherever_it_is_asked(tmp_path: Path) -> None:
    text = """
    import torch
    from torch import nn
    from opacus import PrivacyEngine

    GHOST = False
    plain = nn.CrossEntropyLoss()
    model = nn.Linear(4, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    loader = torch.utils.data.DataLoader(data, batch_size=8)
    if GHOST:
        model, optimizer, criterion, loader = PrivacyEngine().make_private(
            module=model, optimizer=optimizer, data_loader=loader, noise_multiplier=1.0, max_grad_norm=1.0,
            criterion=nn.CrossEntropyLoss(), grad_sample_mode="ghost")
    for x, y in loader:
        loss = criterion(model(x), y) if GHOST else plain(model(x), y)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    """
    result = api.scan(cwd=lay_out(tmp_path, train=text))
    assert [run.loss for run in result.runs] == ["returned-criterion"]
    assert [f for f in result.findings if f.severity != "info"] == []


@pytest.mark.parametrize(
    ("words", "other"),
    [
        ({"above": "USE_DP = False", "test": "USE_DP"}, "True"),
        ({"above": "PLAIN = True", "test": "not PLAIN"}, "False"),
        ({"above": "KIND = 'plain'", "test": "KIND == 'private'"}, "another"),
        ({"above": "LAYERS = []", "test": "LAYERS"}, "another"),
    ],
)
def test_a_finding_says_which_switch_its_run_waits_for(
    tmp_path: Path, words: dict[str, str], other: str
) -> None:
    text = _program(**words).replace("noise_multiplier=1.0", "noise_multiplier=0")
    (finding,) = (f for f in api.scan(cwd=lay_out(tmp_path, train=text)).findings if f.rule == "DPM208")
    (said,) = (place for place in finding.because if "switched off" in place.text)
    assert (tmp_path / "train.py").read_text().splitlines()[said.line - 1] == words["above"]
    assert said.text.endswith(f"once this is {other}")


def test_what_is_on_as_it_is_written_waits_for_nothing(tmp_path: Path) -> None:
    text = _program(above="USE_DP = True", test="USE_DP").replace(
        "noise_multiplier=1.0", "noise_multiplier=0"
    )
    findings = api.scan(cwd=lay_out(tmp_path, train=text)).findings
    assert "DPM208" in {f.rule for f in findings}
    assert not [place for f in findings for place in f.because if "switched off" in place.text]
