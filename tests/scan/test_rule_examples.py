"""What a rule shows is what it finds: its example, as printed, and nothing of what to use instead."""

from __future__ import annotations

from pathlib import Path

import pytest

from dpmigrate.advisories.catalogue import Advisory, advisories
from dpmigrate.api import scan
from tests.test_rules import snippets

OF_OTHER_FILES = ("DPM000", "DPM901", "DPM902")
"""A text that does not parse, and a dependency file: their examples are no programs."""

FOUND_BY_SCAN = [a for a in advisories() if a.match and a.id not in OF_OTHER_FILES]


def rules_of(advisory: Advisory, heading: str, folder: Path) -> set[tuple[str, str]]:
    """The rules and severities that a scan of a section's program gives."""
    (folder / ".git").mkdir()
    for number, text in enumerate(snippets(advisory.body, heading)):
        (folder / f"train{number or ''}.py").write_text(text, encoding="utf-8")
    selected = [advisory.id] if advisory.reported == "selected" else []
    return {(f.rule, f.severity) for f in scan(["."], cwd=folder, select=selected).findings}


@pytest.mark.parametrize("advisory", FOUND_BY_SCAN, ids=lambda a: a.id)
def test_the_example_is_found_by_its_rule(advisory: Advisory, tmp_path: Path) -> None:
    assert advisory.id in {rule for rule, _ in rules_of(advisory, "Example", tmp_path)}


@pytest.mark.parametrize("advisory", FOUND_BY_SCAN, ids=lambda a: a.id)
def test_nothing_is_said_of_what_to_use_instead(advisory: Advisory, tmp_path: Path) -> None:
    said = rules_of(advisory, "Use instead", tmp_path)
    assert advisory.id not in {rule for rule, _ in said}
    assert all(severity == "info" for _, severity in said)
