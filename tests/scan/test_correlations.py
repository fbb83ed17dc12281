"""What depends on one thing stays together: right programs whose parts test it in several ways."""

from __future__ import annotations

from pathlib import Path

import pytest

from dpmigrate import api
from tests.scan.programs import lay_out

HEAD = """
import torch
from dataclasses import dataclass
from torch import nn
from opacus import PrivacyEngine

def private(model, optimizer, loader, mode="ghost"):
    return PrivacyEngine().make_private(
        module=model, optimizer=optimizer, data_loader=loader, criterion=nn.CrossEntropyLoss(),
        noise_multiplier=1.0, max_grad_norm=1.0, grad_sample_mode=mode)
"""
LOOKED_UP = """
KINDS = {{"fast": ["a"], "opacus": ["flat", "ghost"], "none": ["plain", "n"]}}

def train_plain(model, loader, optimizer, criterion):
    for x, y in loader:
        criterion(model(x), y).backward()
        optimizer.step()

def train_private(model, loader, optimizer, criterion):
    for x, y in loader:
        criterion(model(x), y).backward()
        optimizer.step()

def main(args, model, optimizer, loader):
    {look_up}
    criterion = nn.CrossEntropyLoss(reduction="none" if kind == "fast" else "mean")
    if kind == "opacus":
        model, optimizer, criterion, loader = private(model, optimizer, loader)
    elif kind != "none":
        print("not private")
    {train}
"""
LOOK_UPS = {
    "a loop over a table": """kind = None
    for key, names in KINDS.items():
        if args.mode in names:
            kind = key""",
    "a loop that ends": """kind = None
    for key in KINDS:
        if args.mode in KINDS[key]:
            kind = key
            break""",
    "a generator": "kind = next(key for key, names in KINDS.items() if args.mode in names)",
    "conditions": """if args.mode in ("flat", "ghost"):
        kind = "opacus"
    elif args.mode in ("plain", "n"):
        kind = "none"
    else:
        kind = "fast\"""",
    "the option itself": "kind = args.kind",
}
TRAININGS = {
    "equality": """if kind == "opacus":
        train_private(model, loader, optimizer, criterion)
    else:
        train_plain(model, loader, optimizer, criterion)""",
    "inequality": """if kind != "opacus":
        train_plain(model, loader, optimizer, criterion)
    else:
        train_private(model, loader, optimizer, criterion)""",
    "a flag": """is_private = kind == "opacus"
    if is_private:
        train_private(model, loader, optimizer, criterion)
    if not is_private:
        train_plain(model, loader, optimizer, criterion)""",
    "a choice": """train = train_private if kind == "opacus" else train_plain
    train(model, loader, optimizer, criterion)""",
}


@pytest.mark.parametrize("train", TRAININGS.values(), ids=TRAININGS)
@pytest.mark.parametrize("look_up", LOOK_UPS.values(), ids=LOOK_UPS)
def test_a_name_that_is_looked_up(tmp_path: Path, look_up: str, train: str) -> None:
    lay_out(tmp_path, train=HEAD + LOOKED_UP.format(look_up=look_up, train=train))
    result = api.scan(["."], cwd=tmp_path, opacus=">=1.5.4")
    assert [f for f in result.findings if f.severity != "info"] == []
    assert [run.mode for run in result.runs] == [("ghost",)]


TRAINER = """
class Trainer:
    def __init__(self, model, optimizer, loader, mode):
        self.model, self.optimizer, self.loader, self.mode = model, optimizer, loader, mode
        self.criterion, self.ghost, self.kind = None, False, "plain"

    def wrap(self):
        made = private(self.model, self.optimizer, self.loader, self.mode)
        if {test}:
            self.model, self.optimizer, self.criterion, self.loader = made
            {mark}
        else:
            self.model, self.optimizer, self.loader = made

    def epoch(self):
        for batch in self.loader:
            self.optimizer.zero_grad()
            if {marked}:
                loss = self.criterion(self.model(batch["x"]), batch["y"])
            else:
                loss = self.model(batch["x"], labels=batch["y"]).loss
            loss.backward()
            self.optimizer.step()
"""
MARKS = [
    ("self.ghost = True", "self.ghost"),
    ("self.ghost = 1", "self.ghost == 1"),
    ("self.kind = 'wrapped'", "self.kind == 'wrapped'"),
    ("pass", "self.criterion is not None"),
    ("pass", "self.mode == 'ghost'"),
]


@pytest.mark.parametrize(("mark", "marked"), MARKS)
@pytest.mark.parametrize("test", ["self.mode == 'ghost'", "len(made) == 4"])
def test_a_flag_that_is_set_where_four_are_taken(tmp_path: Path, test: str, mark: str, marked: str) -> None:
    lay_out(tmp_path, train=HEAD + TRAINER.format(test=test, mark=mark, marked=marked))
    result = api.scan(["."], cwd=tmp_path, opacus=">=1.5.4")
    assert [f for f in result.findings if f.severity != "info"] == []
    assert [run.mode for run in result.runs] == [("?", "ghost")]


@pytest.mark.parametrize("marked", ["not self.ghost", "self.mode == 'hooks'"])
def test_a_flag_that_is_read_the_wrong_way_round(tmp_path: Path, marked: str) -> None:
    text = TRAINER.format(test="self.mode == 'ghost'", mark="self.ghost = True", marked=marked)
    lay_out(tmp_path, train=HEAD + text)
    result = api.scan(["."], cwd=tmp_path, opacus=">=1.5.4")
    assert "DPM103" in {f.rule for f in result.findings}


PROPERTIES = """
@dataclass(frozen=True)
class Config:
    variant: str
    mode: str

    @property
    def small(self) -> bool:
        return self.variant in ("v1", "v2", "v3")

    @property
    def private(self) -> bool:
        return self.variant in ("v2", "v3", "v4")

def main(config: Config, model, optimizer, loader):
    if config.small:
        torch.set_num_threads(1)
    criterion = nn.CrossEntropyLoss()
    if config.private:
        made = private(model, optimizer, loader, config.mode)
        if len(made) == 4:
            model, optimizer, criterion, loader = made
        else:
            model, optimizer, loader = made
    {use} = nn.CrossEntropyLoss() if not config.private else criterion
    for x, y in loader:
        optimizer.zero_grad()
        criterion(model(x), y).backward()
        optimizer.step()
"""


def test_two_properties_of_one_field(tmp_path: Path) -> None:
    lay_out(tmp_path, train=HEAD + PROPERTIES.format(use="other"))
    lay_out(tmp_path, kept=HEAD + PROPERTIES.format(use="criterion"))
    result = api.scan(["."], cwd=tmp_path, opacus=">=1.5.4")
    assert [f for f in result.findings if f.severity != "info"] == []


LEFT_EARLY = """
import argparse

parser = argparse.ArgumentParser()
parser.add_argument("--dry", action="store_true")
parser.add_argument("--short", action="store_true")
options = parser.parse_args()
model = nn.Linear(4, 2)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
loader = torch.utils.data.DataLoader([], batch_size=8)
given = dict(module=model, optimizer=optimizer, data_loader=loader)
if options.dry:
    given.update(criterion=nn.CrossEntropyLoss())
model, optimizer, criterion, loader = PrivacyEngine().make_private(
    noise_multiplier=1.0, max_grad_norm=1.0, grad_sample_mode="ghost", **given)
for x, y in loader:
    optimizer.zero_grad()
    loss = nn.functional.cross_entropy(model(x), y)
    {before}
    loss.backward()
    optimizer.step()
"""


@pytest.mark.parametrize(
    ("before", "certainty"),
    [
        ("if options.dry and options.short: break", "possible"),
        ("if options.dry and options.short: raise SystemExit", "possible"),
        ("if options.dry: break", "possible"),
        ("pass", "definite"),
    ],
)
def test_a_loop_that_two_options_leave_before_the_fault(tmp_path: Path, before: str, certainty: str) -> None:
    """Under both of them nothing goes wrong, in whatever turn."""
    lay_out(tmp_path, train=HEAD + LEFT_EARLY.format(before=before))
    findings = api.scan(["."], cwd=tmp_path, opacus=">=1.5.4").findings
    assert [f.certainty for f in findings if f.rule == "DPM103"] == [certainty]
