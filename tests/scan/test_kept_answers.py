"""The answer of a test that is kept in some way, and asked for later: it decides what it decided."""

from __future__ import annotations

from pathlib import Path

import pytest

from dpmigrate import api
from tests.scan.hooks_stand_ins import committed
from tests.scan.random_flags import LOSING, WAYS, kept_answer
from tests.scan.random_hooks import HEAD

BODY = """
model = nn.Linear(4, 2)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
loader = DataLoader(TensorDataset(torch.randn(8, 4)), batch_size=8)
if {private}:
    model, optimizer, loader = PrivacyEngine().make_private(
        module=model, optimizer=optimizer, data_loader=loader, noise_multiplier=1.0, max_grad_norm=1.0
    )
for x, y in loader:
    optimizer.zero_grad()
    loss = nn.functional.cross_entropy(model(x), y)
    if {wanted}:
        loss = loss + penalty(model)
    loss.backward()
    optimizer.step()
"""
CASES = [
    ("args.a", "args.a"),
    ("not args.a", "args.a"),
    ("args.b", "args.a"),
    ("args.a or args.b", "args.a"),
    ("args.n > 1", "not (args.n > 1)"),
]


@pytest.mark.parametrize(("test", "private"), CASES, ids=" by ".join)
@pytest.mark.parametrize("way", WAYS)
def test_a_fault_is_told_where_the_answer_leads_to_it(
    tmp_path: Path, way: str, test: str, private: str
) -> None:
    lines, asked = kept_answer(way, "flag", test)
    program = HEAD + "\n".join(lines) + BODY.format(private=private, wanted=asked)
    (tmp_path / "train.py").write_text(program, encoding="utf-8")
    found = api.scan(["."], cwd=tmp_path, opacus=">=1.5.3").findings
    told = {f.certainty for f in found if f.rule == "DPM122"}
    happened = ["DPM122" in execution.rules for execution in committed(program) if execution.private]
    assert {f.rule for f in found} <= {"DPM122"}
    assert ("definite" in told) <= all(happened), "it is definite, and not always"
    assert bool(told) >= any(happened), "it happens, and is not told"
    assert bool(told) <= any(happened) or way in LOSING, "it is told, and never happens"
