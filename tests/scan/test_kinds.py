"""What ``isinstance`` and ``hasattr`` tell apart."""

from __future__ import annotations

from pathlib import Path

import pytest

from dpmigrate import api
from tests.scan.programs import lay_out


@pytest.mark.parametrize(
    "test",
    [
        "not isinstance(optimizer, DPOptimizer)",
        "not isinstance(model, GradSampleModule)",
        "not hasattr(optimizer, 'expected_batch_size')",
        "not hasattr(model, '_module')",
    ],
)
def test_a_test_for_opacus_own_classes_tells_private_training_apart(tmp_path: Path, test: str) -> None:
    text = """
import sys
import torch
from torch import nn
from opacus import GradSampleModule, PrivacyEngine
from opacus.optimizers import DPOptimizer

model = nn.Linear(4, 2)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
loader = torch.utils.data.DataLoader(torch.zeros(64, 4), batch_size=8)
if "--private" in sys.argv:
    model, optimizer, loader = PrivacyEngine().make_private(
        module=model, optimizer=optimizer, data_loader=loader, noise_multiplier=1.0, max_grad_norm=1.0)
for x, y in loader:
    optimizer.zero_grad()
    nn.functional.cross_entropy(model(x), y).backward()
    if TEST:
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
"""
    for asked, rules in ((test, set()), (test.removeprefix("not "), {"DPM109"})):
        found = api.scan(cwd=lay_out(tmp_path, train=text.replace("TEST", asked))).findings
        assert {f.rule for f in found if f.severity != "info"} == rules


GHOST_OR_NOT = """
import argparse
import torch
from torch import nn
from opacus import PrivacyEngine
from opacus.grad_sample import GradSampleModuleFastGradientClipping
from opacus.optimizers import DPOptimizerFastGradientClipping
from opacus.utils.fast_gradient_clipping_utils import DPLossFastGradientClipping

parser = argparse.ArgumentParser()
parser.add_argument("--dp", action="store_true")
parser.add_argument("--ghost", action="store_true")
args = parser.parse_args()
model = nn.Linear(4, 2)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
loader = torch.utils.data.DataLoader(torch.zeros(64, 4), batch_size=8)
criterion = plain = nn.CrossEntropyLoss()
engine = PrivacyEngine()
if args.dp and args.ghost:
    model, optimizer, criterion, loader = engine.make_private(
        module=model, optimizer=optimizer, data_loader=loader, criterion=criterion,
        noise_multiplier=1.0, max_grad_norm=1.0, grad_sample_mode="ghost")
elif args.dp:
    model, optimizer, loader = engine.make_private(
        module=model, optimizer=optimizer, data_loader=loader, noise_multiplier=1.0, max_grad_norm=1.0)
told = TEST
for x, y in loader:
    optimizer.zero_grad()
    loss = criterion(model(x), y) if told else plain(model(x), y)
    loss.backward()
    optimizer.step()
"""


@pytest.mark.parametrize(
    "test",
    [
        "isinstance(optimizer, DPOptimizerFastGradientClipping)",
        "isinstance(model, GradSampleModuleFastGradientClipping)",
        "isinstance(criterion, DPLossFastGradientClipping)",
        "all([args.dp, args.ghost])",
        "not any((not args.dp, not args.ghost))",
        "all([args.dp, any([args.ghost])])",
    ],
)
def test_ghost_mode_is_told_from_hooks_mode_where_the_answer_is_kept(tmp_path: Path, test: str) -> None:
    for asked, rules in ((test, set()), (f"not ({test})", {"DPM103"})):
        findings = api.scan(cwd=lay_out(tmp_path, train=GHOST_OR_NOT.replace("TEST", asked))).findings
        assert {f.rule for f in findings if f.severity != "info"} == rules
