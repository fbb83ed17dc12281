"""Runs whose call, mode or result goes through an override, a flag, or a function that returns it."""

from __future__ import annotations

from pathlib import Path

import pytest

from dpmigrate import api
from tests.scan.programs import lay_out

ENGINE = """
from opacus import PrivacyEngine

class Base(PrivacyEngine):
    pass

class Engine({base}):
    def make_private(self, *, module, optimizer, data_loader, beta=0.9, **more):
        made = {made}module=module, optimizer=optimizer, data_loader=data_loader, **more)
        return made
"""
TRAIN = """
from torch import nn
from engine import Engine

def main(net, opt, loader):
    net, opt, loader = Engine().make_private(
        module=net, optimizer=opt, data_loader=loader, noise_multiplier=1.0, max_grad_norm=1.0{more})
    for x, y in loader:
        opt.zero_grad()
        nn.functional.cross_entropy(net(x), y).backward()
        opt.step()
"""


@pytest.mark.parametrize("base", ["PrivacyEngine", "Base"])
@pytest.mark.parametrize(
    "made",
    ["super().make_private(", "super(Engine, self).make_private(", "PrivacyEngine.make_private(self, "],
)
def test_a_run_of_an_engine_of_the_project_is_where_it_is_asked_for(
    tmp_path: Path, base: str, made: str
) -> None:
    lay_out(tmp_path, engine=ENGINE.format(base=base, made=made), train=TRAIN.format(more=", beta=0.5"))
    found = {(run.path, run.line, run.mode) for run in api.scan(["."], cwd=tmp_path).runs}
    assert found == {("train.py", 6, ("hooks",))}


def test_its_mode_is_what_the_program_gives(tmp_path: Path) -> None:
    text = TRAIN.format(more=", grad_sample_mode='ghost'")
    lay_out(tmp_path, engine=ENGINE.format(base="Base", made="super().make_private("), train=text)
    result = api.scan(["."], cwd=tmp_path, opacus=">=1.5.4")
    assert [(run.line, run.mode) for run in result.runs] == [(6, ("ghost",))]
    assert "DPM403" in {f.rule for f in result.findings}


CAST = """
import typing
from typing import Any, cast
from opacus import PrivacyEngine

def main(net, opt, loader):
    net, opt, loader = {through}(
        module=net, optimizer=opt, data_loader=loader, noise_multiplier=1.0, max_grad_norm=1.0))
    for x, y in loader:
        net(x).sum().backward()
        opt.step()
"""


@pytest.mark.parametrize(
    "through",
    [
        "cast(tuple[Any, Any, Any], PrivacyEngine().make_private",
        "typing.cast('tuple', PrivacyEngine().make_private",
        "tuple(PrivacyEngine().make_private",
        "typing.reveal_type(PrivacyEngine().make_private",
        "(lambda made: made)(PrivacyEngine().make_private",
    ],
)
def test_what_returns_its_argument_is_seen_through(tmp_path: Path, through: str) -> None:
    through = through.replace(
        "assert_type(PrivacyEngine().make_private", "reveal_type(PrivacyEngine().make_private"
    )
    lay_out(tmp_path, train=CAST.format(through=through))
    (run,) = api.scan(["."], cwd=tmp_path).runs
    assert run.unpack == (3,)


FLAGS = """
import enum
from absl import app, flags
{above}
from opacus import PrivacyEngine

class Mode(enum.Enum):
    HOOKS = "hooks"
    GHOST = "ghost"

{define}

def main(argv):
    net, opt, loader = argv
    net, opt, loader = PrivacyEngine().make_private(
        module=net, optimizer=opt, data_loader=loader, noise_multiplier=1.0, max_grad_norm=1.0,
        grad_sample_mode={mode})

app.run(main)
"""
ENUM = 'flags.DEFINE_enum("mode", "hooks", ["hooks", "ghost"], "clipping")'


@pytest.mark.parametrize(
    ("above", "define", "mode"),
    [
        ("", ENUM, "flags.FLAGS.mode"),
        ("FLAGS = flags.FLAGS", ENUM, "FLAGS.mode"),
        ("from absl.flags import FLAGS", ENUM, "FLAGS.mode"),
        ("FLAGS = flags.FLAGS", ENUM, "FLAGS['mode'].value"),
        ("", f"MODE = {ENUM}", "MODE.value"),
        ("FLAGS = flags.FLAGS", 'flags.DEFINE_bool("fast", False, "")', "'ghost' if FLAGS.fast else 'hooks'"),
        (
            "FLAGS = flags.FLAGS",
            'flags.DEFINE_boolean("fast", True, "")',
            "'ghost' if FLAGS.fast else 'hooks'",
        ),
        ("FLAGS = flags.FLAGS", 'flags.DEFINE_enum_class("mode", Mode.HOOKS, Mode, "")', "FLAGS.mode.value"),
    ],
)
def test_flags_of_absl_are_what_they_can_be(tmp_path: Path, above: str, define: str, mode: str) -> None:
    lay_out(tmp_path, train=FLAGS.format(above=above, define=define, mode=mode))
    (run,) = api.scan(["."], cwd=tmp_path).runs
    assert run.mode == ("ghost", "hooks")


def test_a_flag_that_is_a_string_stays_open(tmp_path: Path) -> None:
    define = 'flags.DEFINE_string("mode", "hooks", "")'
    lay_out(tmp_path, train=FLAGS.format(above="FLAGS = flags.FLAGS", define=define, mode="FLAGS.mode"))
    result = api.scan(["."], cwd=tmp_path)
    assert [run.mode for run in result.runs] == [("?", "hooks")]
    assert [f for f in result.findings if f.severity != "info"] == []
