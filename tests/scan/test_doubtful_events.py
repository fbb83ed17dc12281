"""What happens in a branch without an assumption of its own may be what another run does."""

from __future__ import annotations

from pathlib import Path

import pytest

from dpmigrate import api
from dpmigrate.analysis.guards import ALWAYS, DOUBT, SEVERAL, Guard, Literal, doubt, is_doubtful, several
from dpmigrate.analysis.ledger import Circumstances
from dpmigrate.analysis.ledger.events import Event
from tests.scan.programs import GHOST_STEP, lay_out


@pytest.mark.parametrize(
    ("guard", "doubtful"),
    [
        (ALWAYS, False),
        (frozenset({Literal("flag", ("truth",), True)}), False),
        (frozenset({DOUBT}), True),
        (frozenset({SEVERAL}), False),
        (frozenset({SEVERAL, DOUBT}), True),
        (frozenset({doubt("the branch of a test", 1)}), True),
    ],
)
def test_a_branch_that_no_assumption_tells_from_the_other_leaves_a_doubt(
    guard: Guard, doubtful: bool
) -> None:
    event = Event(Circumstances(None, guard, (), ()))  # type: ignore[arg-type]
    assert event.doubtful is doubtful


_A, _B, _C = (frozenset({Literal(name, ("truth",), True)}) for name in "abc")
_IN_A_BRANCH, _IN_ANOTHER = (frozenset({doubt("the branch of a test", n)}) for n in (1, 2))


@pytest.mark.parametrize(
    ("ways", "doubtful"),
    [
        ((_A, _B), False),
        ((_A, _B, _C), False),
        ((_IN_A_BRANCH, _A), False),
        ((_IN_A_BRANCH, _IN_ANOTHER), True),
        ((_IN_A_BRANCH, _IN_ANOTHER, _A), False),
        ((_A, _B, _IN_A_BRANCH), False),
        ((_A, frozenset({DOUBT})), True),
    ],
)
def test_of_several_ways_one_without_a_doubt_is_enough(ways: tuple[Guard, ...], doubtful: bool) -> None:
    """Two ways that tests tell apart are no lost correlation, though no one guard says both."""
    held = ways[0]
    for way in ways[1:]:
        held = several(held, way)
    assert held, "the ways have something to assume"
    assert is_doubtful(held) is doubtful


TWO_WAYS = """
    args = argparse.ArgumentParser()
    args.add_argument("--warm", action="store_true")
    args.add_argument("--four", action="store_true")
    args = args.parse_args()
    mode = {{True: "ghost", False: "hooks"}}[args.four]
    plain = wrapped = nn.CrossEntropyLoss()
    made = PrivacyEngine().make_private(
        module=model, optimizer=optimizer, data_loader=loader, criterion=wrapped,
        noise_multiplier=1.0, max_grad_norm=1.0, grad_sample_mode=mode,
    )
    if len(made) == 4:
        model, optimizer, wrapped, loader = made
    else:
        model, optimizer, loader = made
    for step, (x, y) in enumerate(loader):
        optimizer.zero_grad()
        loss = (wrapped if args.warm else {other})(model(x), y)
        if step % 2 == 0:
            loss = {other}(model(x), y)
        loss.backward()
        optimizer.step()
"""


@pytest.mark.parametrize(("other", "rules"), [("plain", {"DPM103"}), ("wrapped", set())])
def test_a_loss_that_two_tests_choose_each(tmp_path: Path, other: str, rules: set[str]) -> None:
    """An option chooses the wrong criterion, and every second step does: neither is a lost correlation."""
    head, _, _ = GHOST_STEP.partition("    model, optimizer, criterion, loader =")
    lay_out(
        tmp_path,
        train="import argparse\n" + head.replace(', mode="ghost"', "") + TWO_WAYS.format(other=other),
    )
    result = api.scan(["."], cwd=tmp_path, opacus=">=1.5.4")
    assert {f.rule for f in result.findings if f.severity != "info"} == rules
