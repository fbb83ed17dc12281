"""A call that may run in several modes: what a fix does for ghost mode must leave the others as they are."""

from __future__ import annotations

from pathlib import Path

import pytest

from dpmigrate.fixing import fix
from tests.scan.random_training import HEAD, START
from tests.scan.stand_ins import executions

CALL = """PrivacyEngine().make_private(
    module=model, optimizer=optimizer, data_loader=loader, criterion={given},
    noise_multiplier=1.0, max_grad_norm=1.0, grad_sample_mode=mode)"""
MODE = "mode = 'ghost' if args.a else 'hooks'\n"
LOOP = """
for x, y in loader:
    optimizer.zero_grad()
    loss = {loss}
    loss.backward()
    optimizer.step()
"""
FUNCTIONAL = "nn.functional.cross_entropy(model(x), y)"
BY_LENGTH = """
if len(made) == 4:
    model, optimizer, {third}, loader = made
else:
    model, optimizer, loader = made
"""


def fixed(folder: Path, program: str) -> str:
    """The program after a fix; it must have been one, and do the same in every execution."""
    (folder / "train.py").write_text(program, encoding="utf-8")
    result = fix(["."], apply=True, cwd=folder, opacus=">=1.5.3")
    assert result.applied, result.unmade
    text = (folder / "train.py").read_text(encoding="utf-8")
    for before, after in zip(executions(program), executions(text), strict=True):
        assert after.raised is None
        assert not after.unwrapped
        if "ghost" not in before.modes:
            assert after.trace == before.trace
    return text


@pytest.mark.parametrize("given", ["criterion", "nn.CrossEntropyLoss()"])
def test_a_new_name_is_the_criterion_itself_where_none_is_returned(tmp_path: Path, given: str) -> None:
    call = CALL.format(given=given)
    program = f"{HEAD}{START}{MODE}model, optimizer, loader = {call}\n{LOOP.format(loss=FUNCTIONAL)}"
    text = fixed(tmp_path, program)
    assert f"loss_fn = {given}\n" in text
    assert "loss_fn(model(x), y)" in text


@pytest.mark.parametrize("third", ["criterion", "private", "_"])
def test_the_third_of_four_targets_is_bound_in_every_mode(tmp_path: Path, third: str) -> None:
    program = f"{HEAD}{START}{MODE}made = {CALL.format(given='criterion')}\n"
    program += BY_LENGTH.format(third=third) + LOOP.format(loss=FUNCTIONAL)
    fixed(tmp_path, program)


def test_an_index_that_was_written_for_four_stays(tmp_path: Path) -> None:
    program = f"{HEAD}{START}{MODE}made = {CALL.format(given='criterion')}\n"
    program += "model, optimizer, loader = made[0], made[1], made[-1]\n"
    program += "wrapped = made[2] if mode == 'ghost' else criterion\n"
    text = fixed(tmp_path, program + LOOP.format(loss=FUNCTIONAL))
    assert "made[2] if mode == 'ghost' else criterion" in text


def test_a_parameter_of_that_name_is_not_added_again(tmp_path: Path) -> None:
    training = LOOP.format(loss=FUNCTIONAL).replace("\n", "\n        ").rstrip()
    program = f"{HEAD}{START}mode = 'ghost'\ndef main(model, optimizer, loader, criterion):\n"
    program += f"    model, optimizer, criterion, loader = {CALL.format(given='criterion')}\n"
    program += f"    def train(model, optimizer, loader, criterion):{training}\n"
    program += "    train(model, optimizer, loader, criterion)\nmain(model, optimizer, loader, criterion)\n"
    text = fixed(tmp_path, program)
    assert text.count("def train(model, optimizer, loader, criterion):") == 1


def test_generators_are_seeded_in_a_run_that_is_otherwise_left_at_fault(tmp_path: Path) -> None:
    program = f"{HEAD}{START}mode = 'ghost'\ngenerator = torch.Generator()\n"
    call = CALL.format(given="criterion").replace("criterion=", "noise_generator=generator, criterion=")
    program += f"model, optimizer, criterion, loader = {call}\n{LOOP.format(loss='model(x).loss')}"
    (tmp_path / "train.py").write_text(program, encoding="utf-8")
    result = fix(["."], unsafe=True, seed="args.n", cwd=tmp_path, opacus=">=1.5.3")
    assert "DPM201" in {finding.rule for finding in result.mended}
    assert "DPM103" in {finding.rule for finding in result.remaining}


BY_BRANCH = """
if mode == 'ghost':
    model, optimizer, private, loader = {ghost}
else:
    model, optimizer, loader = {hooks}
"""


@pytest.mark.parametrize("beside", ["", "        private = criterion\n"])
def test_what_a_function_returns_is_bound_in_every_mode(tmp_path: Path, beside: str) -> None:
    """Found by fuzzing: the wrapped criterion was returned in hooks mode, too, where there is none."""
    call = CALL.format(given="criterion")
    branches = (BY_BRANCH.format(ghost=call, hooks=call)).replace("\n", "\n    ").rstrip() + "\n"
    made = f"{START}{MODE}".replace("\n", "\n    ").rstrip() + branches + beside
    loop = LOOP.format(loss="criterion(model(x), y)")
    program = f"{HEAD}\ndef make():\n    {made}    return model, optimizer, loader, criterion\n"
    program += f"model, optimizer, loader, criterion = make()\n{loop}"
    if beside:
        assert "private(model(x), y)" in fixed(tmp_path, program)
        return
    (tmp_path / "train.py").write_text(program, encoding="utf-8")
    result = fix(["."], cwd=tmp_path, opacus=">=1.5.3")
    assert "bind private to the plain criterion before the call" in str(result.refused)


def test_a_criterion_among_options_is_not_given_twice(tmp_path: Path) -> None:
    given = "given = dict(module=model, optimizer=optimizer, data_loader=loader)\n"
    given += "plain = nn.CrossEntropyLoss()\ngiven.update(criterion=plain)\n"
    call = "PrivacyEngine().make_private("
    call += "noise_multiplier=1.0, max_grad_norm=1.0, grad_sample_mode=mode, **given)"
    program = f"{HEAD}{START}{MODE}{given}{BY_BRANCH.format(ghost=call, hooks=call)}"
    once_more = "criterion(model(x), y)\n    if args.a:\n        loss = criterion(model(x), y)"
    program += LOOP.format(loss=once_more)
    (tmp_path / "train.py").write_text(program, encoding="utf-8")
    text = "".join(map(bytes.decode, fix(["."], cwd=tmp_path, opacus=">=1.5.3").contents.values()))
    assert "criterion=nn.CrossEntropyLoss()" not in text
