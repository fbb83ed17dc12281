"""Pins that a fix raises, in every kind of dependency file: the version changes, every other byte stays."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.fix.conftest import NEW, OLD, Folder

Make = Callable[..., Folder]

RAISED = {
    "requirements.txt": "torch\n«opacus==1.5.2»  # why\n",
    "requirements/base.in": 'opacus[dev] «>=1.5,<2» ; python_version >= "3.8"\n',
    "constraints.txt": "opacus«>=1.5»\n",
    "setup.cfg": "[options]\ninstall_requires =\n    torch\n"
    '    opacus[dev]«>=1.5»; python_version >= "3.8"\n',
    "setup.py": "from setuptools import *\r\n\r\nsetup(install_requires=['torch', \"opacus«»\"])  # é\r\n",
    "Pipfile": "[packages]\n"
    'opacus = {version = "«==1.5.2»", extras = ["dev"], markers = "os_name != \'nt\'"}\n',
    "environment.yml": "dependencies:\n  - python=3.11\n  - pip:\n      - opacus«==1.5.2»\n",
}
"""Contents by path; what a fix changes stands in «guillemets»."""
SETUP = "from setuptools import setup\n\n"
PYTHON = [
    "REQUIRED = [\n    'torch',\n    'opacus«>=1.4»',  # dp\n]\nsetup(install_requires=REQUIRED)\n",
    "REQUIRED = []\nREQUIRED.append('opacus«==1.5.2»')\nsetup(install_requires=REQUIRED)\n",
    "setup(extras_require={'dp': ['opacus[dev]«>=1.5»; python_version >= \"3.8\"']})\n",
    "EXTRAS = {}\nEXTRAS['dp'] = ['''opacus«==1.5.1»''']\nsetup(extras_require=EXTRAS)\n",
    "setup(install_requires=['opacus «>=1.5, <1.7» ; sys_platform != \"win32\"'])\n",
]
PYPROJECT = [
    '[project]\ndependencies = ["torch", "opacus[dev]«>=1.5»; python_version >= \'3.8\'"]  # é\n',
    "[project.optional-dependencies]\ndp = [\"opacus[dev]«==1.5.2»; sys_platform != 'win32'\"]\n",
    "[dependency-groups]\ndp = [\n    'opacus«>=1.5»',\n]\n",
    "[tool.poetry.dependencies]\n"
    'opacus = {version = "«==1.5.2»", extras = ["a"], markers = "os_name != \'nt\'"}\n',
]


def test_a_pin_that_is_right_is_left_alone(folder: Make) -> None:
    project = folder({"train.py": NEW, "setup.py": SETUP + "setup(install_requires=['opacus>=1.5.4'])\n"})
    before = project.snapshot()
    assert project.fix().refused == ()
    assert project.snapshot() == before


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ("'opacus' '>=1.5'", "the version is not written as a plain specifier"),
        ("'opacus' + '>=1.5'", "the version is not written as a plain specifier"),
        ("'opacus\\x3d=1.5.2'", "the version is not written as a plain specifier"),
        ("'opacus @ git+https://github.com/meta-pytorch/opacus@v1.5.2'", "installs Opacus from"),
    ],
)
def test_what_is_no_plain_literal_is_refused_with_the_reason(folder: Make, entry: str, reason: str) -> None:
    project = folder({"train.py": NEW, "setup.py": f"{SETUP}setup(install_requires=[{entry}])\n"})
    before = project.snapshot()
    result = project.fix()
    assert [why.partition(": ")[2].startswith(reason) for _, why in result.refused] == [True]
    assert project.snapshot() == before


def test_a_setup_py_that_trains_is_not_rewritten_twice_over(folder: Make) -> None:
    project = folder({"setup.py": OLD + "\n\nsetup(install_requires=['opacus==1.5.2'])\n"})
    before = project.snapshot()
    result = project.fix()
    assert [path for path, _ in result.refused] == ["setup.py"]
    assert project.snapshot() == before


@pytest.mark.parametrize(
    ("path", "marked"),
    [
        *RAISED.items(),
        *(("setup.py", SETUP + text) for text in PYTHON),
        *(("pyproject.toml", text) for text in PYPROJECT),
    ],
)
def test_the_version_changes_and_nothing_else(folder: Make, path: str, marked: str) -> None:
    start, marked_end = marked.index("«"), marked.index("»")
    before = marked.replace("«", "").replace("»", "")
    project = folder({"train.py": NEW, path: before})
    result = project.fix()
    assert (result.applied, result.refused) == ((path,), ())
    after, rest = project.read(path), marked[marked_end + 1 :]
    assert after.startswith(before[:start])
    assert after.endswith(rest)
    assert "1.5.4" in after[start : len(after) - len(rest)]
    assert project.fix().diff == ""


def test_the_patch_strategy_declares_itself_in_a_setup_py(folder: Make) -> None:
    project = folder({"train.py": OLD, "setup.py": SETUP + "setup(install_requires=['opacus==1.5.2'])\n"})
    assert project.fix(strategy="patch").applied == ("setup.py", "train.py")
    wanted = "setup(install_requires=['dpmigrate[verify]', 'opacus==1.5.2'])\n"
    assert project.read("setup.py") == SETUP + wanted


FSDP = NEW.replace('"ghost"', '"ghost_fsdp"')


@pytest.mark.parametrize(
    ("pin", "raised"),
    [("==1.5.2", "==1.6.0"), (">=1.5", ">=1.6.0"), ("==1.5.4", "==1.6.0"), (">=1.5.4", ">=1.5.4")],
)
def test_a_pin_is_raised_to_what_the_code_needs(folder: Make, pin: str, raised: str) -> None:
    project = folder({"train.py": FSDP, "requirements.txt": f"opacus{pin}\n"})
    assert project.fix().refused == ()
    assert project.read("requirements.txt") == f"opacus{raised}\n"
    assert project.fix().diff == ""


def test_a_bound_below_what_the_code_needs_is_refused_with_the_reason(folder: Make) -> None:
    project = folder({"train.py": FSDP, "requirements.txt": "opacus==1.5.2\n"})
    ((_, reason),) = project.fix(lower_bound="1.5.4").refused
    assert reason.endswith("admits no version on which the code can run (its API needs >=1.6.0)")


LIBRARY = {
    "opacus/__init__.py": "",
    "opacus/privacy_engine.py": "class PrivacyEngine: ...\n",
    "opacus/grad_sample/__init__.py": "",
    "opacus/tests/ghost_test.py": OLD.replace("losses = criterion", "losses = 2 * criterion"),
}


def test_a_librarys_own_tests_are_no_reason_to_raise_a_pin(folder: Make) -> None:
    project = folder({**LIBRARY, "requirements.txt": "opacus==1.5.2\n"})
    result = project.fix()
    assert (result.diff, result.refused, result.unmade) == ("", (), ())


def test_a_librarys_own_tests_veto_nothing_and_are_not_named(folder: Make) -> None:
    project = folder({**LIBRARY, "train.py": OLD, "requirements.txt": "opacus==1.5.2\n"})
    result = project.fix()
    assert (result.applied, result.refused) == (("requirements.txt", "train.py"), ())
    assert project.read("requirements.txt") == "opacus==1.5.4\n"
    assert project.read() == NEW
