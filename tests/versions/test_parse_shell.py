"""Installs of Dockerfiles, shell scripts and Makefiles."""

from __future__ import annotations

import pytest

from dpmigrate.versions.edit import Edit, apply_edits, plan_raise
from dpmigrate.versions.parsers import parse_file
from dpmigrate.versions.pin import Pin
from dpmigrate.workspace.names import is_dependency_file

COMMANDS = [
    ("Dockerfile", "FROM python:3.11\nRUN pip install torch opacus==1.5.2\n", "==1.5.2"),
    (
        "docker/Dockerfile.gpu",
        "RUN --mount=type=cache pip install \\\n    torch \\\n    'opacus==1.5.2'\n",
        "==1.5.2",
    ),
    ("train.dockerfile", "run python3 -m pip install opacus~=1.5.0\n", "~=1.5.0"),
    ("Containerfile", "RUN apt-get update && pip3 install opacus==1.5.2 && rm -r x\n", "==1.5.2"),
    ("install.sh", "#!/bin/sh\nset -e\nPIP_NO_CACHE=1 pip install -q opacus==1.5.2 # pinned\n", "==1.5.2"),
    ("setup/env.sh", 'uv pip install "opacus>=1.5,<1.5.3"\n', ">=1.5,<1.5.3"),
    ("run.sh", "conda install -y -c conda-forge opacus=1.5.2\n", "=1.5.2"),
    ("Makefile", "setup:\n\t@pip install opacus==1.5.2\n", "==1.5.2"),
    ("rules.mk", "setup:\n\t-$(VENV)/bin/pip install opacus==1.5.2\n", "==1.5.2"),
]


def pins(path: str, text: str) -> tuple[Pin, ...]:
    parsed = parse_file(path, text.encode())
    assert not parsed.problems
    return parsed.pins


@pytest.mark.parametrize(("path", "text", "specifier"), COMMANDS)
def test_an_install_command_is_a_pin(path: str, text: str, specifier: str) -> None:
    assert is_dependency_file(path)
    (pin,) = pins(path, text)
    assert (pin.specifier, pin.kind, pin.environment) == (specifier, "shell", path)
    assert pin.span is not None and text[slice(*pin.span)] == specifier


@pytest.mark.parametrize(
    "text",
    [
        "RUN pip install opacus\n",
        "# RUN pip install opacus==1.5.2\n",
        'RUN echo "pip install opacus==1.5.2"\n',
        "RUN pip install opacus==$OPACUS\n",
        "RUN pip install opacus==${OPACUS}\n",
        "RUN pip uninstall -y opacus==1.5.2\n",
        "RUN pip install -r opacus==1.5.2\n",
        "COPY opacus==1.5.2 pip install\n",
    ],
)
def test_what_names_no_version_says_nothing(text: str) -> None:
    assert pins("Dockerfile", text) == ()


def test_an_unquoted_word_is_quoted_where_the_shell_would_redirect() -> None:
    text = "RUN pip install opacus==1.5.* torch\n"
    (pin,) = pins("Dockerfile", text)
    edit = plan_raise(pin)
    assert isinstance(edit, Edit)
    assert apply_edits(text, [edit]) == 'RUN pip install "opacus==1.5.*,>=1.5.4" torch\n'


@pytest.mark.parametrize("path", ["profile", "lockfile", "a.dockerfile.py", "sh", "train.sh.txt"])
def test_other_names_are_not_read(path: str) -> None:
    assert not is_dependency_file(path)
