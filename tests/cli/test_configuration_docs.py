"""docs/configuration.md says what there is: every key, every option, and examples that are taken."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from dpmigrate.advisories.choice import Choices
from dpmigrate.cli.fix import fix
from dpmigrate.cli.scan import scan
from dpmigrate.workspace.config import KEYS
from dpmigrate.workspace.settings import Settings
from tests.opacus_releases import CHECKOUT

TEXTS = {
    name: (CHECKOUT / name).read_text(encoding="utf-8")
    for name in ("docs/configuration.md", "docs/ci.md", "README.md")
}
OPTIONS = {name for command in (scan, fix) for parameter in command.params for name in parameter.opts}


def test_the_table_has_every_key() -> None:
    rows = re.findall(r"^\| `([a-z-]+)` \|", TEXTS["docs/configuration.md"], re.M)
    assert sorted(rows) == sorted(KEYS)


def test_every_option_that_is_named_exists() -> None:
    named = re.findall(r"`(--[a-z-]+)", TEXTS["docs/configuration.md"] + TEXTS["docs/ci.md"])
    assert named
    assert set(named) <= OPTIONS


@pytest.mark.parametrize("name", ["docs/configuration.md", "README.md"])
def test_the_example_is_taken(tmp_path: Path, name: str) -> None:
    (example,) = re.findall(r"^```toml\n(\[tool\.dpmigrate\].*?)^```", TEXTS[name], re.M | re.S)
    (tmp_path / "pyproject.toml").write_text(example, encoding="utf-8")
    settings = Settings(str(tmp_path))
    config = settings.config_of(str(tmp_path.resolve() / "train.py"))
    assert config.path is not None
    choice = Choices(settings).of(str(tmp_path.resolve() / "train.py"))
    # What the tool is for stays on.
    assert {"DPM101", "DPM102", "DPM103", "DPM104", "DPM901"} <= choice.enabled
    assert choice.opacus is None
