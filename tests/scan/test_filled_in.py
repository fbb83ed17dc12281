"""Options in a record that a library fills in: the modes that its annotations name, and no false alarm."""

from __future__ import annotations

from pathlib import Path

import pytest

from dpmigrate import api
from tests.scan.programs import lay_out

PROGRAM = """
import json
from dataclasses import dataclass, field
from typing import Annotated, Literal, Optional

from opacus import PrivacyEngine
from torch import nn

{record}

def train(net, opt, loader, config):
    criterion = nn.CrossEntropyLoss()
    made = PrivacyEngine().make_private(
        module=net, optimizer=opt, data_loader=loader, criterion=criterion,
        noise_multiplier=1.0, max_grad_norm=1.0, grad_sample_mode=config.mode)
    if config.mode == "ghost":
        net, opt, criterion, loader = made
    else:
        net, opt, loader = made
    for x, y in loader:
        opt.zero_grad()
        criterion(net(x), y).backward()
        opt.step()

{call}
"""
MODE = 'mode: Literal["hooks", "ghost"] = "hooks"'
DATACLASS = f"@dataclass\nclass Config:\n    {MODE}\n"
PYDANTIC = f"import pydantic\nclass Config(pydantic.BaseModel):\n    {MODE}\n"
MODES = ("ghost", "hooks")


def modes_of(tmp_path: Path, record: str, config: str, setup: str = "pass") -> tuple[str, ...]:
    """The modes of the one run, which nothing is said about."""
    call = f"{setup}\ntrain(None, None, None, {config})"
    lay_out(tmp_path, train=PROGRAM.format(record=record, call=call))
    result = api.scan(["."], cwd=tmp_path, opacus=">=1.5.4")
    assert not [finding for finding in result.findings if finding.severity != "info"]
    (run,) = result.runs
    return run.mode


@pytest.mark.parametrize(
    ("record", "config"),
    [
        (f"import tyro\n{DATACLASS}", "tyro.cli(Config)"),
        (f"import simple_parsing\n{DATACLASS}", "simple_parsing.parse(config_class=Config)"),
        (f"from dacite import from_dict\n{DATACLASS}", 'from_dict(Config, json.load(open("x")))'),
        (f"from omegaconf import OmegaConf\n{DATACLASS}", "OmegaConf.structured(Config)"),
        (
            f"from omegaconf import OmegaConf\n{DATACLASS}",
            "OmegaConf.merge(OmegaConf.structured(Config), OmegaConf.from_cli())",
        ),
        (
            f"from dataclasses_json import dataclass_json\n@dataclass_json\n{DATACLASS}",
            "Config.from_dict({})",
        ),
        (PYDANTIC, 'Config.model_validate(json.load(open("x")))'),
        (PYDANTIC, 'Config.parse_file("x")'),
        (f"import chz\n@chz.chz\nclass Config:\n    {MODE}\n", "chz.entrypoint(Config)"),
        (
            f"import msgspec\nclass Config(msgspec.Struct):\n    {MODE}\n",
            "msgspec.json.decode(b'', type=Config)",
        ),
        (f"from tap import Tap\nclass Config(Tap):\n    {MODE}\n", "Config().parse_args()"),
    ],
)
def test_a_library_fills_in_a_record(tmp_path: Path, record: str, config: str) -> None:
    assert modes_of(tmp_path, record, config) == MODES


@pytest.mark.parametrize(
    "annotation",
    [
        'Annotated[Literal["hooks", "ghost"], "how to clip"]',
        "\"Literal['hooks', 'ghost']\"",
        'Literal["hooks"] | Literal["ghost"]',
    ],
)
def test_annotations_that_name_the_modes(tmp_path: Path, annotation: str) -> None:
    record = f'import tyro\n@dataclass\nclass Config:\n    mode: {annotation} = "hooks"\n'
    assert modes_of(tmp_path, record, "tyro.cli(Config)") == MODES


def test_an_annotation_that_leaves_the_mode_open(tmp_path: Path) -> None:
    record = 'import tyro\n@dataclass\nclass Config:\n    mode: str = "hooks"\n'
    assert "?" in modes_of(tmp_path, record, "tyro.cli(Config)")


def test_a_record_in_a_record_is_one_thing(tmp_path: Path) -> None:
    record = f"import tyro\n{DATACLASS}\n@dataclass\nclass Whole:\n    private: Config\n"
    assert modes_of(tmp_path, record, "tyro.cli(Whole).private") == MODES


def test_two_records_of_one_class_are_two_things(tmp_path: Path) -> None:
    record = f"""import tyro
{DATACLASS}
@dataclass
class Whole:
    first: Config
    second: Config
"""
    program = PROGRAM.replace('if config.mode == "ghost"', 'if other.mode == "ghost"')
    program = program.replace("loader, config)", "loader, config, other)")
    call = "whole = tyro.cli(Whole)\ntrain(None, None, None, whole.first, whole.second)"
    lay_out(tmp_path, train=program.format(record=record, call=call))
    findings = api.scan(["."], cwd=tmp_path, opacus=">=1.5.4").findings
    assert {finding.rule for finding in findings if finding.severity == "error"} >= {"DPM403"}


def test_a_decorator_hands_the_record_in(tmp_path: Path) -> None:
    record = f"import pyrallis\n{DATACLASS}"
    setup = "@pyrallis.wrap()\ndef main(config: Config):\n    train(None, None, None, config)\nmain()"
    lay_out(tmp_path, train=PROGRAM.format(record=record, call=setup))
    (run,) = api.scan(["."], cwd=tmp_path, opacus=">=1.5.4").runs
    assert run.mode == MODES


def test_a_group_of_arguments_is_a_record(tmp_path: Path) -> None:
    record = f"from simple_parsing import ArgumentParser\n{DATACLASS}"
    setup = 'parser = ArgumentParser()\nparser.add_arguments(Config, dest="private")'
    assert modes_of(tmp_path, record, "parser.parse_args().private", setup) == MODES
