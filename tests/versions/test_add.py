"""Declaring a distribution beside Opacus."""

from __future__ import annotations

import pytest

from dpmigrate.versions.add import plan_add
from dpmigrate.versions.edit import Edit, Refusal, apply_edits
from dpmigrate.versions.parsers import parse_file

WANTED = "dpmigrate[verify]"


@pytest.mark.parametrize("text", ["opacus\ndpmigrate[verify]>=0.1\n", "opacus\ndpmigrate\n"])
def test_what_is_declared_is_not_declared_again(text: str) -> None:
    assert plan_add("requirements.txt", text, WANTED) is None


@pytest.mark.parametrize(
    ("path", "before", "after"),
    [
        ("requirements.txt", "opacus # dpmigrate\ntorch\n", f"opacus # dpmigrate\n{WANTED}\ntorch\n"),
        ("requirements.txt", "torch\r\nopacus==1.5.2", f"torch\r\nopacus==1.5.2\r\n{WANTED}"),
        ("requirements.txt", "opacus \\\n  ==1.5.2\ntorch\n", f"opacus \\\n  ==1.5.2\n{WANTED}\ntorch\n"),
        (
            "pyproject.toml",
            '[project]\ndependencies = [\n  "torch",\n  "opacus", # x\n]\n',
            f'[project]\ndependencies = [\n  "torch",\n  "{WANTED}",\n  "opacus", # x\n]\n',
        ),
        (
            "pyproject.toml",
            "[project]\ndependencies=['opacus']\n",
            f"[project]\ndependencies=['{WANTED}', 'opacus']\n",
        ),
        (
            "pyproject.toml",
            '[tool.poetry.dependencies]\nopacus = "^1.5"\n',
            '[tool.poetry.dependencies]\nopacus = "^1.5"\ndpmigrate = {version = "*", extras = ["verify"]}\n',
        ),
        (
            "Pipfile",
            '[packages]\nopacus = {version = "*"}\n',
            '[packages]\nopacus = {version = "*"}\ndpmigrate = {version = "*", extras = ["verify"]}\n',
        ),
        (
            "setup.cfg",
            "[options]\ninstall_requires =\n\topacus\n",
            f"[options]\ninstall_requires =\n\topacus\n\t{WANTED}\n",
        ),
        (
            "setup.cfg",
            "[options]\ninstall_requires = torch; opacus\n",
            f"[options]\ninstall_requires = torch; {WANTED}; opacus\n",
        ),
        (
            "setup.py",
            "setup(install_requires=['opacus'])\n",
            f"setup(install_requires=['{WANTED}', 'opacus'])\n",
        ),
        (
            "environment.yml",
            "dependencies:\n  - opacus\n  - torch\nprefix: x\n",
            f"dependencies:\n  - opacus\n  - torch\n  - pip:\n      - {WANTED}\nprefix: x\n",
        ),
        (
            "environment.yml",
            "dependencies:\n- opacus\n- pip:\n  - torch\n",
            f"dependencies:\n- opacus\n- pip:\n  - {WANTED}\n  - torch\n",
        ),
        (
            "environment.yml",
            "dependencies:\n- pip:\n  - opacus\n",
            f"dependencies:\n- pip:\n  - opacus\n  - {WANTED}\n",
        ),
    ],
)
def test_it_goes_beside_opacus_in_the_files_own_style(path: str, before: str, after: str) -> None:
    edit = plan_add(path, before, WANTED)
    assert isinstance(edit, Edit)
    assert apply_edits(before, [edit]) == after
    assert plan_add(path, after, WANTED) is None
    old, new = parse_file(path, before.encode()), parse_file(path, after.encode())
    assert [p.versions for p in old.pins] == [p.versions for p in new.pins]
    assert not new.problems


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("requirements.txt", "torch\n"),
        ("requirements.txt", "opacus==1.5.2 --hash=sha256:00\n"),
        ("poetry.lock", '[[package]]\nname = "opacus"\nversion = "1.5.2"\n'),
        ("pyproject.toml", '[tool.poetry.dependencies.opacus]\nversion = "^1.5"\n'),
        ("pyproject.toml", '[tool.uv.sources]\n"opacus" = {git = "https://github.com/pytorch/opacus"}\n'),
        ("setup.py", "setup(install_requires='opacus')\n"),
    ],
)
def test_where_there_is_no_place_it_is_refused(path: str, text: str) -> None:
    assert isinstance(plan_add(path, text, WANTED), Refusal)
