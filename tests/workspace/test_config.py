"""[tool.dpmigrate] of the nearest pyproject.toml."""

from __future__ import annotations

from pathlib import Path

import pytest

from dpmigrate.workspace.config import Config, load_config
from dpmigrate.workspace.errors import ConfigError, UsageError


def test_no_file_and_no_table_mean_the_defaults(tmp_path: Path) -> None:
    assert load_config(tmp_path, tmp_path).select == ()
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'x'\n")
    assert load_config(".", tmp_path) == Config(str(tmp_path / "pyproject.toml"), shown="pyproject.toml")


def test_every_key_is_read(tmp_path: Path) -> None:
    path = tmp_path / "pyproject.toml"
    path.write_text(
        "[tool.dpmigrate]\nselect = ['DPM1']\nignore = ['DPM203']\nexclude = ['old/']\nopacus = '==1.5.2'\n"
        "min-certainty = 'definite'\nstrategy = 'set-to-none'\nseed = 'args.seed'\n"
        "opacus-lower-bound = '1.6.0'\njobs = 2\n"
    )
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b.py").write_text("")
    assert load_config("a/b.py", tmp_path) == Config(
        str(path),
        ("DPM1",),
        ("DPM203",),
        ("old/",),
        "==1.5.2",
        "definite",
        "set-to-none",
        "args.seed",
        "1.6.0",
        2,
        "pyproject.toml",
    )


def test_the_nearest_file_governs(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.dpmigrate]\nselect = ['DPM1']\n")
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "pyproject.toml").write_text("")
    assert load_config("a", tmp_path).select == ()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[tool.dpmigrate]\nselekt = []", "selekt: unknown key; did you mean 'select'"),
        ("[tool.dpmigrate]\nmin_certainty = 'definite'", "did you mean 'min-certainty'"),
        ("[tool.dpmigrate]\nzzz = 1", "known keys: exclude,"),
        ("[tool.dpmigrate]\nselect = 'DPM1'", "select: must be a list of strings"),
        ("[tool.dpmigrate]\nselect = [1]", "select: must be a list of strings"),
        ("[tool.dpmigrate]\njobs = 0", "jobs: must be a whole number"),
        ("[tool.dpmigrate]\njobs = true", "jobs: must be a whole number"),
        ("[tool.dpmigrate]\nopacus = 1.5", "opacus: must be a string"),
        ("[tool.dpmigrate]\nstrategy = 'magic'", "strategy: must be one of upgrade"),
        ("[tool]\ndpmigrate = 1", "must be a table"),
        ("[tool.dpmigrate]\nselect = [", r"not valid TOML: \w"),
    ],
)
def test_a_wrong_file_is_a_usage_error_that_names_it(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "pyproject.toml").write_text(text)
    with pytest.raises(ConfigError, match=reason) as caught:
        load_config(".", tmp_path)
    assert isinstance(caught.value, UsageError)
    assert str(caught.value).startswith("pyproject.toml: ")


def test_a_file_that_is_not_utf8_is_a_usage_error(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="not UTF-8"):
        load_config(".", tmp_path)
