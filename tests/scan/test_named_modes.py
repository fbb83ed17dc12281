"""A mode that nobody names gives no finding; one that the program can take by itself does."""

from __future__ import annotations

from pathlib import Path

import pytest

from dpmigrate import api
from dpmigrate.model import ScanResult
from tests.scan.programs import lay_out

PROGRAM = """
import argparse, enum, json, os, sys
from torch import nn
from opacus import PrivacyEngine

{above}

def train(net, opt, loader, {parameter}):
    {before}
    net, opt, loader = PrivacyEngine().make_private(
        module=net, optimizer=opt, data_loader=loader, noise_multiplier=1.0, max_grad_norm=1.0,
        grad_sample_mode={mode})
    for x, y in loader:
        opt.zero_grad()
        nn.functional.cross_entropy(net(x), y).backward()
        opt.step()

{below}
"""
OPTION = """
parser = argparse.ArgumentParser()
parser.add_argument("--mode", {option})
args = parser.parse_args()
"""
ENUM = """
class Mode(enum.Enum):
    HOOKS = "hooks"
    GHOST = "ghost"
"""
LITERAL = """
from typing import Literal
Mode = Literal["hooks", "ghost"]
"""
FIELD = """
from dataclasses import dataclass
@dataclass
class Config:
    mode: str = "hooks"
"""
TYPED = FIELD.replace("str", "Mode")


def _scan(folder: Path, mode: str = "mode", **words: str) -> ScanResult:
    spoken = {"above": "", "parameter": "mode", "before": "pass", "below": "", **words}
    lay_out(folder, train=PROGRAM.format(mode=mode, **spoken))
    return api.scan(["."], cwd=folder)


def _option(option: str, above: str = "") -> dict[str, str]:
    return {"above": above + OPTION.format(option=option), "parameter": "", "mode": "args.mode"}


@pytest.mark.parametrize(
    "words",
    [
        {},
        {"parameter": "mode: str"},
        {"parameter": "mode='hooks'"},
        {"parameter": "mode=None"},
        {"parameter": "config", "mode": "config.mode"},
        {"parameter": "config", "mode": "config.get('mode', 'hooks')"},
        {"parameter": "config", "mode": "getattr(config, 'mode', 'hooks')"},
        {"parameter": "config", "mode": "config['mode']"},
        {"parameter": "**kwargs", "mode": "'hooks', **kwargs"},
        {"above": FIELD, "parameter": "config: Config", "mode": "config.mode"},
        {"parameter": "", "mode": "os.environ.get('MODE', 'hooks')"},
        {"parameter": "", "mode": "os.environ['MODE']"},
        {"parameter": "", "mode": "sys.argv[1]"},
        {"parameter": "", "mode": "json.load(open('config.json'))['mode']"},
        {"above": "import wandb", "parameter": "", "mode": "wandb.config.mode"},
        {"before": "print(mode == 'hooks')"},
        {"before": "print(mode in ('hooks', 'functorch', 'ew'))"},
        {"parameter": "mode, other", "before": "print(other == 'ghost')"},
        {"below": "train(1, 2, 3, 'hooks')\ntrain(1, 2, 3, input())"},
        _option("default='hooks'"),
        _option("required=True"),
        _option("default='hooks', help='hooks or ew, never ghost'"),
    ],
    ids=str,
)
def test_an_open_mode_is_listed_and_gives_no_finding(tmp_path: Path, words: dict[str, str]) -> None:
    result = _scan(tmp_path, **words)
    assert [f for f in result.findings if f.severity != "info"] == []
    (run,) = result.runs
    assert "ghost" not in run.mode


@pytest.mark.parametrize(
    "words",
    [
        {"parameter": "mode='ghost'"},
        {"before": "print(mode == 'ghost')"},
        {"before": "print(mode != GHOST)", "above": "GHOST = 'ghost'"},
        {"before": "assert mode in ('hooks', 'ghost')"},
        {"before": "print(mode not in MODES)", "above": "MODES = {'hooks', 'ghost'}"},
        {"before": "if mode.startswith('ghost'): print(mode)"},
        {"before": "print('ghost' in mode)"},
        {"before": "print(mode.lower() == 'ghost')"},
        {"before": "print(is_ghost(mode))", "above": "def is_ghost(m): return m == 'ghost'"},
        {"parameter": "mode: Literal['hooks', 'ghost']", "above": "from typing import Literal"},
        {"parameter": "fast", "mode": "'ghost' if fast else 'hooks'"},
        {"parameter": "speed", "mode": "MODES[speed]", "above": "MODES = {'fast': 'ghost', 'slow': 'hooks'}"},
        {"parameter": "config", "mode": "config.mode", "before": "print(config.mode == 'ghost')"},
        {"parameter": "config", "mode": "config['mode']", "before": "print(config['mode'] == 'ghost')"},
        {"below": "train(1, 2, 3, 'ghost')"},
        {"below": "def main(mode):\n    train(1, 2, 3, mode)\nmain('ghost')\nmain(input())"},
        {"before": "print(mode not in MODES)", "above": "MODES = frozenset(['hooks', 'ghost'])"},
        {"before": "print(mode not in MODES)", "above": "MODES = {'hooks': 3, 'ghost': 4}"},
        {"before": "print(mode not in list(MODES))", "above": "MODES = {'hooks': 3, 'ghost': 4}"},
        {"before": "count = MODES[mode]", "above": "MODES = {'hooks': 3, 'ghost': 4}"},
        {"before": "count = {'hooks': 3, 'ghost': 4}.get(mode)"},
        {"before": "print(any(mode == known for known in ('hooks', 'ghost')))"},
        {"before": "Mode(mode)", "above": ENUM},
        {"parameter": "name", "mode": "Mode[name].value", "above": ENUM},
        {"parameter": "mode: Mode = Mode.HOOKS", "mode": "mode.value", "above": ENUM},
        {"parameter": "mode: Mode = 'hooks'", "above": LITERAL},
        {"parameter": "mode: 'Mode'", "above": LITERAL},
        {
            "parameter": "config: Config",
            "mode": "config.mode",
            "above": LITERAL + FIELD.replace("str", "Mode"),
        },
        {
            "parameter": "config: Config",
            "mode": "config.mode.value",
            "above": ENUM + TYPED.replace('"hooks"', "Mode.HOOKS"),
        },
        {
            "parameter": "config: Config",
            "mode": "config.mode",
            "above": f"{FIELD}    def __post_init__(self):\n        assert self.mode in ('hooks', 'ghost')\n",
        },
        _option("default='ghost'"),
        _option("default='hooks', choices=['hooks', 'ghost']"),
        _option("default='hooks', choices=sorted({'hooks': 3, 'ghost': 4})"),
        _option("default='hooks', choices=[mode.value for mode in Mode]", ENUM),
        {**_option("default=Mode.HOOKS, type=Mode", ENUM), "mode": "args.mode.value"},
    ],
    ids=str,
)
def test_a_mode_that_the_program_names_is_one_of_its_own(tmp_path: Path, words: dict[str, str]) -> None:
    result = _scan(tmp_path, **words)
    assert {f.rule for f in result.findings} >= {"DPM403"}
    (run,) = result.runs
    assert "ghost" in run.mode
