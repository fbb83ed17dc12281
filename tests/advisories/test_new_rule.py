"""``make new-rule``: a skeleton that the rest of the program can read."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from dpmigrate.advisories.catalogue import CatalogueError, advisories, load_advisory
from dpmigrate.advisories.new_rule import create
from tests.fixtures_support import tomllib


@pytest.mark.parametrize(
    ("rule", "name", "said"),
    [
        ("DPM30", "a-name", "three digits"),
        ("dpm305", "a-name", "three digits"),
        ("DPM998", "A name", "lower-case words"),
        ("DPM101", "a-new-name", "is there already"),
        ("DPM998", "ghost-batch-memory-manager", "is there already"),
    ],
)
def test_what_cannot_be_is_refused_and_writes_nothing(
    tmp_path: Path, rule: str, name: str, said: str
) -> None:
    rules = tmp_path / "rules"
    rules.mkdir()
    with pytest.raises(CatalogueError, match=said):
        create(rule, name, rules)
    assert [path.name for path in tmp_path.rglob("*")] == ["rules"]


def test_the_skeleton_is_a_rule_and_a_fixture(tmp_path: Path) -> None:
    rules = tmp_path / "rules"
    rules.mkdir()
    advisory, expect = create("DPM998", "a-new-one", rules)
    item = load_advisory(advisory)
    assert (item.id, item.name) == ("DPM998", "a-new-one")
    assert re.findall("^## .*$", item.body, re.M) == re.findall("^## .*$", advisories()[0].body, re.M)
    assert tomllib.loads(expect.read_text(encoding="utf-8"))["finding"][0]["rule"] == "DPM998"
    with pytest.raises(CatalogueError, match="is there already"):
        create("DPM998", "a-new-one", rules)
