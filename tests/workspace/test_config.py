"""[tool.dpmigrate] of a pyproject.toml, and which one governs a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from dpmigrate import __version__
from dpmigrate.workspace.config import KEYS, Config
from dpmigrate.workspace.errors import ConfigError, UsageError
from dpmigrate.workspace.settings import NOTHING, Settings

EVERY_KEY = """
[tool.dpmigrate]
select = ["DPM1"]
ignore = ["DPM203"]
extend-select = ["DPM204"]
exclude = ["old/"]
opacus = "==1.5.2"
opacus-lower-bound = "1.6.0"
target-version = "1.6.0"
required-version = ">=0.1"
min-certainty = "definite"
strategy = "set-to-none"
seed = "args.seed"
jobs = 2
per-file-ignores = { "tests/*" = ["DPM2"] }
severity = { DPM203 = "warning" }
"""


def of(path: Path, folder: Path) -> Config:
    """What governs a file, seen from a folder."""
    return Settings(str(folder)).config_of(str(path.resolve()))


def table(folder: Path, text: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "pyproject.toml").write_text(f"[tool.dpmigrate]\n{text}\n", encoding="utf-8")


def test_no_file_and_no_table_mean_the_defaults(tmp_path: Path) -> None:
    assert of(tmp_path / "a.py", tmp_path) == NOTHING
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'x'\n")
    assert of(tmp_path / "a.py", tmp_path) == NOTHING


def test_every_key_is_read(tmp_path: Path) -> None:
    path = tmp_path / "pyproject.toml"
    path.write_text(EVERY_KEY)
    assert all(f"\n{key} = " in EVERY_KEY for key in KEYS)
    (tmp_path / "a").mkdir()
    assert of(tmp_path / "a" / "b.py", tmp_path) == Config(
        path=str(path),
        shown="pyproject.toml",
        select=("DPM1",),
        ignore=("DPM203",),
        extend_select=("DPM204",),
        exclude=("old/",),
        per_file_ignores=(("tests/*", ("DPM2",)),),
        severity=(("DPM203", "warning"),),
        opacus="==1.5.2",
        opacus_lower_bound="1.6.0",
        target_version="1.6.0",
        required_version=">=0.1",
        min_certainty="definite",
        strategy="set-to-none",
        seed="args.seed",
        jobs=2,
    )


def test_the_nearest_file_with_a_table_governs_whatever_the_current_folder(tmp_path: Path) -> None:
    table(tmp_path, "jobs = 1")
    table(tmp_path / "a" / "own", "jobs = 2")
    (tmp_path / "a" / "pyproject.toml").write_text("[project]\nname = 'a'\n")
    for folder in (tmp_path, tmp_path / "a" / "own", tmp_path.parent):
        assert of(tmp_path / "a" / "x.py", folder).jobs == 1
        assert of(tmp_path / "a" / "own" / "x.py", folder).jobs == 2
        assert of(tmp_path / "a" / "own" / "deeper" / "x.py", folder).jobs == 2
        assert of(tmp_path / "x.py", folder).jobs == 1


def test_a_repository_takes_nothing_from_the_folders_around_it(tmp_path: Path) -> None:
    table(tmp_path, "jobs = 1")
    (tmp_path / "repository" / ".git").mkdir(parents=True)
    assert of(tmp_path / "repository" / "x.py", tmp_path) == NOTHING
    table(tmp_path / "repository", "jobs = 2")
    assert of(tmp_path / "repository" / "x.py", tmp_path).jobs == 2


def test_one_file_may_govern_all_and_none_may_govern_any(tmp_path: Path) -> None:
    table(tmp_path, "jobs = 1")
    table(tmp_path / "elsewhere", "jobs = 2")
    x = str(tmp_path.resolve() / "x.py")
    assert Settings(str(tmp_path), file="elsewhere/pyproject.toml").config_of(x).jobs == 2
    assert Settings(str(tmp_path), isolated=True).config_of(x) == NOTHING
    (tmp_path / "other.toml").write_text("[project]\n")
    with pytest.raises(ConfigError, match=r"other\.toml: there is no \[tool\.dpmigrate\]"):
        Settings(str(tmp_path), file="other.toml")
    with pytest.raises(ConfigError, match=r"none\.toml: cannot be read"):
        Settings(str(tmp_path), file="none.toml")


@pytest.mark.parametrize("text", ["", "==9", "9.0", "<0.1", "new", "<" + "9" * 5_000])
def test_a_configuration_for_another_dpmigrate_is_refused(tmp_path: Path, text: str) -> None:
    table(tmp_path, f"required-version = '{text}'")
    with pytest.raises(ConfigError, match="required-version: ") as caught:
        of(tmp_path / "x.py", tmp_path)
    assert text == "new" or len(text) > 10 or f"this is dpmigrate {__version__}" in str(caught.value)


@pytest.mark.parametrize("text", [__version__, f"=={__version__}", ">=0.1,<2"])
def test_a_configuration_for_this_dpmigrate_is_taken(tmp_path: Path, text: str) -> None:
    table(tmp_path, f"required-version = '{text}'\njobs = 3")
    assert of(tmp_path / "x.py", tmp_path).jobs == 3


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
        ("[tool.dpmigrate]\nper-file-ignores = ['x']", "per-file-ignores: must be a table of patterns"),
        ("[tool.dpmigrate]\nper-file-ignores = { x = 'DPM1' }", "per-file-ignores: must be a table"),
        ("[tool.dpmigrate]\nseverity = { DPM1 = 'off' }", "severity: must be a table of rules"),
        ("[tool.dpmigrate]\nseed = " + "9" * 5000, "not valid TOML: Exceeds"),
        ("[tool]\ndpmigrate = 1", "must be a table"),
        ("[tool.dpmigrate]\nselect = [", r"not valid TOML: \w"),
    ],
)
def test_a_wrong_file_is_a_usage_error_that_names_it(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "pyproject.toml").write_text(text)
    with pytest.raises(ConfigError, match=reason) as caught:
        of(tmp_path / "x.py", tmp_path)
    assert isinstance(caught.value, UsageError)
    assert str(caught.value).startswith("pyproject.toml:")


def test_a_file_that_is_not_utf8_is_a_usage_error(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_bytes(b"[tool.dpmigrate]\n# \xff")
    with pytest.raises(ConfigError, match="not UTF-8"):
        of(tmp_path / "x.py", tmp_path)


def test_a_broken_file_that_says_nothing_of_dpmigrate_is_no_business_of_ours(tmp_path: Path) -> None:
    table(tmp_path, "jobs = 2")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "pyproject.toml").write_bytes(b"\xff[[[")
    assert of(tmp_path / "data" / "x.py", tmp_path).jobs == 2


def test_a_pattern_without_meaning_spares_nothing_and_is_told_of_with_its_line(tmp_path: Path) -> None:
    table(
        tmp_path,
        'exclude = [\n  "old/",\n  "[",\n]\n'
        '[tool.dpmigrate.per-file-ignores]\n"!" = ["DPM1"]\n"![a" = ["DPM2"]',
    )
    settings = Settings(str(tmp_path))
    path = str(tmp_path / "a.py")
    config = settings.config_of(path)
    settings.check_patterns()
    assert not settings.excluded(path)
    assert [settings.spares(config, pattern, path) for pattern, _ in config.per_file_ignores] == [
        False,
        False,
    ]
    assert [(w.path, w.line) for w in settings.warnings] == [
        ("pyproject.toml", 7),
        ("pyproject.toml", 8),
        ("pyproject.toml", 4),
    ]
