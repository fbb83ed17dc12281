"""The fixtures are laid out as ``fixtures/README.md`` says, and every place that they name exists."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet

from tests.fixtures_figures import KINDS, LIMITS
from tests.fixtures_support import FIXTURES, Expected, Fixture, Shape, fixtures, shapes

each_fixture = pytest.mark.parametrize("fixture", fixtures(), ids=lambda fixture: fixture.name)
each_shape = pytest.mark.parametrize("shape", shapes(), ids=lambda shape: shape.name)

DEPENDENCY_FILES = {"requirements.txt", "requirements.in", "pyproject.toml", "setup.cfg", "environment.yml"}
TELLING = {
    "DPM000": "pip",
    "DPM001": "dpmigrate: ignore",
    "DPM101": ("max_physical_batch_size", "BatchMemoryManager(", "wrap_data_loader(", "signal_skip_step("),
    "DPM102": "make_private",
    # Or where others call ``backward`` for the program: what it is handed to, what a framework takes.
    "DPM103": (".backward(", ".manual_backward(", "call(*arguments)", "return {"),
    "DPM104": "criterion",
    "DPM105": "criterion(",
    "DPM106": ".step(",
    "DPM107": (".backward(", ".manual_backward("),
    "DPM108": ("zero_grad", "grad_sample = None"),
    "DPM109": ("clip", ".grad"),
    "DPM111": "criterion(",
    "DPM110": "criterion(",
    "DPM112": "self.",
    "DPM113": "make_private",
    "DPM114": ("BatchMemoryManager(", "wrap_data_loader(", "signal_skip_step("),
    "DPM115": ("backward(", "make_private("),
    "DPM116": ("max_grad_norm", ".step()"),
    "DPM117": ("linear(", "matmul(", " @ "),
    "DPM118": "disable_hooks(",
    "DPM119": "requires_grad",
    "DPM120": ".step()",
    "DPM121": ".backward(",
    "DPM122": ".backward(",
    "DPM123": ".step()",
    "DPM124": ("mean(", "std(", "var(", "ConcatDataset("),
    "DPM201": "Generator()",
    "DPM202": "Generator()",
    "DPM203": "make_private",
    "DPM204": "manual_seed(",
    "DPM205": ("seed(", "set_state("),
    "DPM206": "make_private",
    "DPM207": "PrivacyEngine(",
    "DPM208": ("make_private", "add_noise"),
    "DPM301": (" in ", "next(", ".fit("),
    "DPM302": "if ",
    "DPM303": "Sampler(",
    "DPM304": "make_private",
    "DPM305": "make_private",
    "DPM306": ("1 / len(", "1.0 / len(", "delta"),
    "DPM307": ("statistics.mean(", "epsilon", "accountant.step("),
    "DPM308": ("poisson_sampling", "for "),
    "DPM309": "make_private",
    "DPM311": ("except", "ModuleValidator"),
    "DPM310": "load_state_dict",
    "DPM313": ("BatchNorm", "resnet"),
    "DPM312": ("DistributedDataParallel(", "DDP("),
    "DPM314": ("signal_skip_step(", ".step("),
    "DPM315": (".step()", "get_epsilon", "Accountant("),
    "DPM316": "make_private",
    "DPM401": "double_backward(",
    "DPM402": ".backward(",
    "DPM403": ("make_private", " = "),
    "DPM404": "make_private",
    "DPM405": "clipping",
    "DPM407": "loss",
    "DPM408": ("make_private", "DPOptimizer("),
    "DPM406": ("make_private", "="),
    "DPM409": ("opacus.", "get_coeff"),
    "DPM410": ("PrivacyEngine(", ".attach("),
    "DPM411": ".virtual_step(",
    "DPM412": ".get_privacy_spent(",
    "DPM413": "opacus.",
    "DPM414": ("inplace", "+="),
    "DPM901": "opacus",
    "DPM902": "opacus",
}
"""A word that the line of a finding has to hold, by rule: what the finding points at."""


def line_of(folder: Path, expected: Expected) -> str:
    path = folder / expected.path
    text = path.read_text(encoding="utf-8-sig")
    if expected.cell is not None:
        text = "".join(json.loads(text)["cells"][expected.cell]["source"])
    return text.splitlines()[expected.line - 1]


def points_at(rule: str, line: str) -> bool:
    assert rule in TELLING, f"say in TELLING what a line holds that {rule} points at"
    words = TELLING[rule]
    return any(word in line for word in ((words,) if isinstance(words, str) else words))


@each_fixture
def test_right_code_comes_with_every_fault(fixture: Fixture) -> None:
    assert fixture.has("before")
    assert fixture.has("after") or fixture.has("clean") or fixture.expect.get("withheld")
    for side in ("after", "clean"):
        assert fixture.has(side) == bool(fixture.versions(side))


@each_fixture
def test_findings_point_at_what_they_name(fixture: Fixture) -> None:
    expected = (*fixture.expected(), *fixture.expected("info"))
    assert len(set(expected)) == len(expected)
    for one in expected:
        assert points_at(one.rule, line_of(fixture.side("before"), one)), one
    for one in fixture.expected("remaining"):
        assert points_at(one.rule, line_of(fixture.side("after"), one)), one


@each_fixture
def test_a_harm_is_stated_for_releases_that_exist(fixture: Fixture) -> None:
    assert fixture.harms()
    for harm in fixture.harms():
        assert harm.opacus
        assert harm.kind in {"clipped-sum", "raises", "noise", "none", *KINDS}
        assert harm.figure in KINDS.get(harm.kind, ("",))
        assert (harm.kind in KINDS) == (harm.at_least > LIMITS.get(harm.figure, 0.0))
        assert (harm.kind == "raises") == bool(harm.error)
        assert (harm.kind == "clipped-sum") == (harm.error_at_least > 0)


@each_fixture
def test_each_side_has_a_dependency_file(fixture: Fixture) -> None:
    if fixture.entry.endswith(".ipynb"):
        return
    for side in ("before", "after", "clean"):
        if fixture.has(side):
            assert DEPENDENCY_FILES & {path.name for path in fixture.side(side).iterdir()}


@each_fixture
def test_both_sides_hold_the_same_files(fixture: Fixture) -> None:
    if fixture.has("after"):
        before, after = (
            {
                str(path.relative_to(fixture.side(side)))
                for path in fixture.side(side).rglob("*")
                if path.is_file()
            }
            for side in ("before", "after")
        )
        assert before == after


def test_a_pair_has_both_halves_and_they_differ() -> None:
    for folder in (FIXTURES / "shapes").iterdir():
        yes, no = (folder / f"{half}.py" for half in ("yes", "no"))
        assert yes.read_bytes() != no.read_bytes()


@each_shape
def test_a_half_is_python_and_says_what_it_expects(shape: Shape) -> None:
    lines = shape.path.read_text(encoding="utf-8").splitlines()
    ast.parse("\n".join(lines))
    assert any(line.startswith("# expect: ") for line in lines[:6])
    assert bool(shape.expected) == (shape.path.stem == "yes")
    SpecifierSet(shape.opacus)
    for one in shape.expected:
        assert points_at(one.rule, line_of(shape.path.parent, one)), one
