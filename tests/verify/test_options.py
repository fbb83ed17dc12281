"""How the command takes its own options and those of the script; needs neither torch nor Opacus."""

from __future__ import annotations

import pytest

from dpmigrate.cli import run
from dpmigrate.runtime.run.request import Request


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("train.py", "--epochs", "3"), "`dpmigrate verify train.py -- --epochs`"),
        (("--steps", "2", "-m", "project.train", "--lr=1"), "`dpmigrate verify -m project.train -- --lr`"),
        (("--step", "2"), "No such option"),
        (("--checks", "speed", "train.py"), "speed is no check; the checks are parity, noise,"),
        (("--compare", "hooks,flat", "train.py"), "flat is no mode"),
        (("-m", "project.train", "--factory", "a:b"), "exclude each other"),
        ((), "Give the SCRIPT"),
    ],
)
def test_wrong_usage_is_one_sentence(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], said: str
) -> None:
    assert run(["verify", *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert said in captured.err
    assert len(captured.err.splitlines()) == 1


@pytest.mark.parametrize(
    ("request_", "command"),
    [
        (Request("script", "a b.py"), "dpmigrate verify 'a b.py'"),
        (
            Request("module", "pkg.train", ("--lr", "1"), steps=5, engines=2, stand_ins=(("wandb", "w.py"),)),
            "dpmigrate verify --steps 5 --engines 2 --with wandb=w.py -m pkg.train -- --lr 1",
        ),
        (
            Request("factory", "a:b", checks=("sensitivity", "accounting"), timeout=0.5, audit=True),
            "dpmigrate verify --checks sensitivity,accounting --timeout 0.5 --audit --factory a:b",
        ),
    ],
)
def test_a_report_can_say_what_was_asked(request_: Request, command: str) -> None:
    assert request_.command == command
