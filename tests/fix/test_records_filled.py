"""Records with defaults, filled by ``*``, or kept in a variable before they are returned: no, then yes."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.fix.conftest import Folder

Make = Callable[..., Folder]

TEXT = """\
from collections import namedtuple
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from opacus import PrivacyEngine
from opacus.utils.fast_gradient_clipping_utils import double_backward
from torch import nn

{record}


def build(model, optimizer, loader):
    {made}


def main():
    model = nn.Linear(8, 4)
    state = build(model, torch.optim.SGD(model.parameters(), lr=0.1), torch.utils.data.DataLoader([]))
    criterion = nn.CrossEntropyLoss(reduction="none")
    for x, y in {loader}:
        losses = criterion({model}(x), y)
        double_backward({model}, {optimizer}, losses)
        {optimizer}.step()


main()
"""
CALL = """PrivacyEngine().make_private(
        module=model, optimizer=optimizer, data_loader=loader, noise_multiplier=1.0, max_grad_norm=1.0,
        grad_sample_mode="ghost", clipping="ghost")"""
PARTS = f"model, optimizer, loader = {CALL}\n    "

TUPLE = 'State = namedtuple("State", "model optimizer loader")'
LISTED = 'State = namedtuple("State", ["model", "optimizer", "loader"])'
TYPED = "class State(NamedTuple):\n    model: Any\n    optimizer: Any\n    loader: Any"
DEFAULT = "@dataclass\nclass State:\n    model: Any\n    optimizer: Any\n    loader: Any\n    note: str = ''"
NAMED = ("state.loader", "state.model", "state.optimizer")
KEYED = ('state["loader"]', 'state["model"]', 'state["optimizer"]')
NUMBERED = ("state[2]", "state[0]", "state[1]")
DICT = "{'model': model, 'optimizer': optimizer, 'loader': loader}"
BY_KEY = "kept['model'], kept['optimizer'], kept['loader']"
WITH = "criterion: DPLossFastGradientClipping\n    "


def text(record: str, made: str, read: tuple[str, str, str] = NAMED) -> str:
    loader, model, optimizer = read
    return TEXT.format(record=record, made=made, loader=loader, model=model, optimizer=optimizer)


@pytest.mark.parametrize(
    ("record", "made", "read"),
    [
        # The loader has another number then.
        (TUPLE, f"return State(*{CALL})", NUMBERED),
        (TYPED, f"result = {CALL}\n    return State(*result)", NUMBERED),
        # Another field takes what comes third, or may.
        (TYPED + "\n    note: Any = None", f"return State(*{CALL})", NAMED),
        (TYPED, f"return State(*{CALL})._replace(loader=loader)", NAMED),
        # A field behind those without a default has its value by position.
        (DEFAULT, PARTS + "return State(model, optimizer, loader, 'a')", NAMED),
        # The dict is there before there is a criterion.
        ("", f"kept = dict(lr=0.1)\n    {BY_KEY} = {CALL}\n    return kept", KEYED),
        # It may be another one.
        ("", f"{PARTS}kept = {DICT}\n    if loader:\n        kept = kept | {{}}\n    return kept", KEYED),
    ],
)
def test_it_is_left_alone(folder: Make, record: str, made: str, read: tuple[str, str, str]) -> None:
    project = folder({"train.py": text(record, made, read), "requirements.txt": "opacus==1.5.2\n"})
    before = project.snapshot()
    assert len(project.fix().refused) == 1
    assert project.snapshot() == before


@pytest.mark.parametrize(
    ("record", "grown", "made"),
    [
        (TUPLE, TUPLE.replace("optimizer", "optimizer criterion"), f"return State(*{CALL})"),
        (LISTED, LISTED.replace('"optimizer"', '"optimizer", "criterion"'), f"return State(*{CALL})"),
        (TYPED, TYPED.replace("loader", WITH + "loader"), f"return State(*{CALL})"),
        (TYPED, TYPED.replace("loader", WITH + "loader"), f"result = {CALL}\n    return State(*result)"),
        (TYPED, TYPED.replace("loader", WITH + "loader"), f"kept = State(*{CALL})\n    return kept"),
        (DEFAULT, DEFAULT.replace("note", WITH + "note"), PARTS + "return State(model, optimizer, loader)"),
        (
            DEFAULT,
            DEFAULT.replace("note", WITH + "note"),
            PARTS + "return State(model, optimizer, note='a', loader=loader)",
        ),
        (
            TUPLE,
            TUPLE.replace("loader", "loader criterion"),
            PARTS + "kept = State(model, optimizer, loader)\n    return kept",
        ),
    ],
)
def test_the_record_has_one_field_more(folder: Make, record: str, grown: str, made: str) -> None:
    project = folder({"train.py": text(record, made), "requirements.txt": "opacus==1.5.2\n"})
    result = project.fix()
    assert result.refused == ()
    now = project.read()
    assert grown in now
    assert "criterion = state.criterion\n" in now
    assert project.read("requirements.txt") == "opacus==1.5.4\n"
    assert project.fix(apply=False).diff == ""


@pytest.mark.parametrize(
    ("made", "read", "reading"),
    [
        (f"kept = {DICT}", KEYED, "state['criterion']"),
        ("kept = dict(model=model, optimizer=optimizer, loader=loader)", KEYED, 'state["criterion"]'),
        ("kept = (model, optimizer, loader)", NUMBERED, "state[3]"),
    ],
)
def test_what_is_kept_first_grows_too(
    folder: Make, made: str, read: tuple[str, str, str], reading: str
) -> None:
    source = text("", f"{PARTS}{made}\n    return kept", read)
    project = folder({"train.py": source, "requirements.txt": "opacus==1.5.2\n"})
    assert project.fix().refused == ()
    assert f"criterion = {reading}\n" in project.read()
    assert project.fix(apply=False).diff == ""


def test_one_that_is_filled_where_it_trains(folder: Make) -> None:
    source = text(TYPED, "pass").replace(
        "state = build(model, torch.optim.SGD(model.parameters(), lr=0.1), torch.utils.data.DataLoader([]))",
        "optimizer, loader = torch.optim.SGD(model.parameters(), lr=0.1), torch.utils.data.DataLoader([])\n"
        f"    state = State(*{CALL})",
    )
    project = folder({"train.py": source, "requirements.txt": "opacus==1.5.2\n"})
    assert project.fix().refused == ()
    assert "criterion = state.criterion\n    for x, y" in project.read()
