"""The advisories in ``rules/``: each has every part, and what it shows is Python that parses."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from packaging.specifiers import SpecifierSet

from dpmigrate.advisories import new_rule
from dpmigrate.advisories.cases import cases_of
from dpmigrate.advisories.catalogue import load_advisory
from tests.fixtures_support import fixtures
from tests.opacus_releases import CHECKOUT
from tests.verify.planted import PLANTS

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

RULES = sorted((CHECKOUT / "rules").glob("*.md"))
SECTIONS = [
    "What happens",
    "Why it matters",
    "Example",
    "Use instead",
    "Fix safety",
    "Versions",
    "References",
]
CONTRACT = {
    "DPM000": "not-analysed",
    "DPM001": "unused-ignore",
    "DPM101": "ghost-batch-memory-manager",
    "DPM102": "max-grad-norm-ignored",
    "DPM103": "unwrapped-loss",
    "DPM104": "criterion-ignores-reduction",
    "DPM105": "loss-not-one-per-example",
    "DPM106": "accumulation-without-memory-manager",
    "DPM107": "loss-arithmetic",
    "DPM108": "zero-grad-before-step",
    "DPM109": "gradient-changed-before-step",
    "DPM111": "flattened-sequence-loss",
    "DPM110": "ignore-index",
    "DPM112": "sequence-bias",
    "DPM113": "adaptive-not-clipped",
    "DPM114": "adaptive-memory-manager",
    "DPM115": "loss-reduction-mismatch",
    "DPM116": "clip-schedule",
    "DPM117": "parameter-outside-module",
    "DPM118": "hooks-left-disabled",
    "DPM119": "frozen-or-unfrozen-late",
    "DPM120": "raw-optimizer-stepped",
    "DPM121": "class-weights",
    "DPM122": "penalty-dropped",
    "DPM123": "second-optimizer",
    "DPM124": "examples-coupled",
    "DPM201": "unseeded-noise-generator",
    "DPM202": "unseeded-loader-generator",
    "DPM203": "unseeded-run",
    "DPM204": "constant-noise-seed",
    "DPM205": "reseeded-in-loop",
    "DPM206": "secure-mode-generator",
    "DPM207": "secure-mode-needs-torchcsprng",
    "DPM208": "no-noise",
    "DPM301": "private-loader-unused",
    "DPM302": "empty-batch-skipped",
    "DPM303": "sampler-replaced",
    "DPM304": "engine-remade-in-loop",
    "DPM305": "adaptive-accounting",
    "DPM306": "delta-too-large",
    "DPM307": "epsilon-misreported",
    "DPM308": "poisson-sampling-off",
    "DPM309": "privacy-retried",
    "DPM311": "privacy-silently-off",
    "DPM310": "accountant-not-resumed",
    "DPM313": "batch-norm-in-private-model",
    "DPM312": "plain-ddp",
    "DPM314": "sampling-rate-mismatch",
    "DPM315": "accounting-not-attached",
    "DPM316": "examples-counted-twice",
    "DPM401": "double-backward",
    "DPM402": "two-pass-loop",
    "DPM403": "ghost-returns-four",
    "DPM404": "criterion-not-passed",
    "DPM405": "clipping-ghost",
    "DPM407": "wrapped-loss-as-tensor",
    "DPM408": "ghost-cannot-step",
    "DPM406": "unknown-argument",
    "DPM409": "renamed-name",
    "DPM410": "engine-attach",
    "DPM411": "virtual-step",
    "DPM412": "get-privacy-spent",
    "DPM413": "moved-name",
    "DPM414": "in-place-after-hook",
    "DPM901": "affected-pin",
    "DPM902": "code-and-pin-disagree",
}
"""Ids and names that others build on; neither may change."""

each_rule = pytest.mark.parametrize("path", RULES, ids=lambda path: path.stem)


def parts(path: Path) -> tuple[dict[str, Any], str]:
    """Front matter and Markdown of a rule file."""
    opening, front, body = path.read_text(encoding="utf-8").split("+++\n", 2)
    assert opening == ""
    return tomllib.loads(front), body


def snippets(body: str, heading: str) -> list[str]:
    """The Python blocks of one section."""
    section = body.split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
    return re.findall(r"```python\n(.*?)```", section, flags=re.DOTALL)


def test_the_rules_of_the_contract_are_there() -> None:
    found = {front["id"]: front["name"] for front, _ in map(parts, RULES)}
    assert CONTRACT.items() <= found.items()


def test_ids_and_names_are_unique() -> None:
    fronts = [parts(path)[0] for path in RULES]
    for key in ("id", "name", "summary"):
        values = [front[key] for front in fronts]
        assert len(set(values)) == len(values)


@each_rule
def test_the_file_is_named_after_its_rule(path: Path) -> None:
    front, _ = parts(path)
    assert path.stem == f"{front['id']}-{front['name']}"
    assert re.fullmatch(r"DPM\d{3}", front["id"])
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", front["name"])


@each_rule
def test_the_front_matter_is_complete(path: Path) -> None:
    front, _ = parts(path)
    assert front["severity"] in {"error", "warning", "info"}
    assert front["impact"] in {"privacy", "utility", "reproducibility", "api", "none"}
    assert front["reported"] in {"default", "selected", "verify"}
    assert ("match" in front) <= (front["reported"] != "verify")
    assert "match" not in front or front["points-at"], "points-at: say where its findings stand"
    assert front["fix"]["applicability"] in {"safe", "unsafe", "none"}
    for text in (front["summary"], front["fix"]["summary"]):
        assert text.strip() == text != ""
        assert "\n" not in text
    assert front["references"], "references = [...]: name the page or issue that it goes by"
    assert all(reference.startswith("https://") for reference in front["references"])
    SpecifierSet(front["affected"])


@each_rule
def test_what_it_matches_can_be_read(path: Path) -> None:
    rule = load_advisory(path)
    assert bool(cases_of(rule)) == ("match" in parts(path)[0] and "about" not in rule.match)


@each_rule
def test_the_prose_has_every_section_once_and_in_order(path: Path) -> None:
    _, body = parts(path)
    headings = re.findall(r"^#+ (.*)$", re.sub(r"```.*?```", "", body, flags=re.DOTALL), flags=re.MULTILINE)
    assert headings == SECTIONS
    sections = re.split(r"^## .*$", body, flags=re.MULTILINE)[1:]
    empty = [
        name for name, text in zip(SECTIONS[-len(sections) :], sections, strict=True) if not text.strip()
    ]
    assert not empty, f"nothing stands under {empty}"
    assert "@" not in re.sub(r"```.*?```", "", body, flags=re.DOTALL)


@each_rule
@pytest.mark.parametrize("heading", ["Example", "Use instead"])
def test_the_examples_are_python(path: Path, heading: str) -> None:
    found = snippets(parts(path)[1], heading)
    assert found
    for source in found:
        ast.parse(source)


@each_rule
def test_every_reference_is_explained_in_the_prose(path: Path) -> None:
    front, body = parts(path)
    references = body.split("## References\n", 1)[1]
    assert all(url in references for url in front["references"])


@each_rule
def test_a_fixture_shows_the_rule_and_another_shows_code_without_it(path: Path) -> None:
    front, _ = parts(path)
    rule = front["id"]
    if front["reported"] == "verify":
        scripts = (CHECKOUT / "tests" / "verify").glob("test_*.py")
        named = {plant.rule for plant in PLANTS} | {rule for p in scripts if rule in p.read_text("utf-8")}
        assert rule in named and "(found by `verify`)" in front["summary"]
        return
    shown = [f for f in fixtures() if rule in {e.rule for e in (*f.expected(), *f.expected("info"))}]
    assert shown
    assert any(fixture.has("after") or fixture.has("clean") for fixture in shown)


@pytest.mark.parametrize("path", RULES, ids=lambda path: path.name)
def test_nothing_of_the_skeleton_is_left(path: Path) -> None:
    told = [line for line in new_rule.RULE.splitlines() if line.endswith(".") or "one line" in line]
    assert told and not set(told) & set(path.read_text(encoding="utf-8").splitlines())
