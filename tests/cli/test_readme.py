"""README.md shows what the program really prints."""

from __future__ import annotations

import pytest

from dpmigrate.advisories import readme_table
from tests.cli import readme

README = (readme.CHECKOUT / "README.md").read_text(encoding="utf-8")


def test_the_transcript_is_what_the_commands_print() -> None:
    assert readme.updated(README) == README, "run `make readme`"


def test_the_table_is_what_the_rules_say() -> None:
    assert readme_table.updated(README) == README, "run `make readme`"


@pytest.mark.parametrize("update", [readme.updated, readme_table.updated])
def test_a_text_without_the_markers_is_refused(update: object) -> None:
    with pytest.raises(ValueError, match="there is no"):
        update("# A project\n")  # type: ignore[operator]
