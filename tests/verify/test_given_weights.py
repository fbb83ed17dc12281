"""Weights that a private run is given: what a server made of an earlier run's, or an optimizer of a copy."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.verify.conduct import CALL, LOOP, STEP, planted

pytestmark = [pytest.mark.opacus, pytest.mark.slow]

NET = "nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3))"
ROUNDS = f"""
weights = [p.detach().clone() for p in model.parameters()]
for turn in range(3):
    local = {NET}
    for p, w in zip(local.parameters(), weights):
        p.data.copy_(w)
    made = [p.detach() for p in train(local, "hooks", 1).parameters()]
    weights = [SERVER for p, w in zip(made, weights)]
"""
TWIN = f"""
        twin = {NET}
        twin.load_state_dict(model.state_dict())
        plain = torch.optim.SGD(twin.parameters(), lr=0.1)
        for a, b in DATA:
            plain.zero_grad()
            nn.functional.cross_entropy(twin(a), b).backward()
            plain.step()
        model.load_state_dict(twin.state_dict())
"""
OTHERS = "DataLoader(TensorDataset(torch.randn(24, 6), torch.randint(0, 3, (24,))), batch_size=12)"


@pytest.mark.parametrize(
    ("server", "goes_on"),
    [
        pytest.param("p", True, id="the same"),
        pytest.param("w + 0.3 * (p - w)", True, id="a part of the way"),
        pytest.param("w + 0.01 * (p - w).sign()", True, id="by signs"),
        pytest.param("w + 0.1 * (p - w) / ((p - w).abs() + 1e-3)", True, id="as Adam does"),
        pytest.param("w + 0.1 * torch.randn_like(w)", False, id="by chance alone"),
        pytest.param("w", False, id="the same beginning"),
    ],
)
def test_a_server_makes_of_weights_what_it_will(tmp_path: Path, server: str, goes_on: bool) -> None:
    done = planted(tmp_path, (CALL, ROUNDS.replace("SERVER", server)), checks="accounting")
    assert done.failing == ({("accounting", "DPM304")} if goes_on else set()), done.stderr[-2000:]


@pytest.mark.parametrize(
    ("kept", "goes_on"), [("0", False), ("turn", True)], ids=["one for all", "one a round"]
)
def test_an_accountant_of_the_scripts_own_may_count_all_rounds(
    tmp_path: Path, kept: str, goes_on: bool
) -> None:
    own = (
        "from opacus.accountants import RDPAccountant\nkept = [RDPAccountant() for _ in range(3)]\nturn = 0\n"
    )
    told = f"{STEP}            kept[{kept}].step(noise_multiplier=sigma, sample_rate=0.1)\n"
    done = planted(tmp_path, (CALL, own + ROUNDS.replace("SERVER", "p")), (STEP, told), checks="accounting")
    assert done.failing == ({("accounting", "DPM304")} if goes_on else set()), done.stderr[-2000:]


@pytest.mark.parametrize(("data", "rule"), [("public", "DPM123"), (OTHERS, None)], ids=["own", "other"])
def test_a_copy_that_is_trained_without_privacy_and_copied_back(
    tmp_path: Path, data: str, rule: str | None
) -> None:
    done = planted(tmp_path, (LOOP, TWIN.replace("DATA", data)[1:] + LOOP), checks="private-step,accounting")
    assert done.failing == ({("private-step", rule)} if rule else set()), done.stderr[-2000:]
