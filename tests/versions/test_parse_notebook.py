"""Installs in notebook cells."""

from __future__ import annotations

import pytest

from dpmigrate.versions.parsers.notebook import parse_cells
from dpmigrate.versions.pin import Pin
from dpmigrate.versions.releases import FAULTY_GIT


def pins(source: str) -> tuple[Pin, ...]:
    parsed = parse_cells("n.ipynb", [(2, source)])
    assert not parsed.problems
    return parsed.pins


@pytest.mark.parametrize(
    "source",
    [
        "import opacus\n",
        "# !pip install opacus==1.5.2\n",
        "text = '''pip install opacus==1.5.2'''\n",
        "text = '''\npip install opacus==1.5.2\n'''\n",
        "!pip uninstall -y opacus\n",
        "!pip show opacus\n",
        "!pip install -r requirements-opacus.txt\n",
        "!pip install -t opacus torch\n",
        "!pip install torch # opacus==1.5.2\n",
        "!pip install opacus-lab==1.5\n",
        "%%writefile requirements.txt\nopacus==1.5.2\n!pip install opacus==1.5.2\n",
        "!echo pip install opacus\n",
        "!pip install 'opacus==1.5.2\n",
        '!pip install "torch opacus==1.5.2\n',
    ],
)
def test_no_pin(source: str) -> None:
    assert pins(source) == ()


@pytest.mark.parametrize(
    ("source", "spec"),
    [
        ("!pip install opacus==1.5.2", "==1.5.2"),
        ("%pip install -q torch opacus==1.5.2 numpy", "==1.5.2"),
        ("  !pip3 install 'opacus>=1.5,<1.5.3'", ">=1.5,<1.5.3"),
        ('!pip install "opacus[dev] ~= 1.5.1"', ">=1.5.1,<1.6.0"),
        ("!python -m pip install opacus==1.5.2", "==1.5.2"),
        ("!{sys.executable} -m pip install opacus==1.5.2", "==1.5.2"),
        ("!uv pip install --system opacus==1.5.2", "==1.5.2"),
        ("!cd x && pip install opacus==1.5.2 > log", "==1.5.2"),
        ("pip install -q opacus==1.5.2\nimport torch", "==1.5.2"),
        ("!pip install opacus=='1.5.2'", "==1.5.2"),
        ("!pip install torch \\\n    opacus==1.5.2", "==1.5.2"),
        ("%%bash\nset -e\npip install opacus==1.5.2", "==1.5.2"),
        ("%%capture\n!pip install opacus==1.5.2", "==1.5.2"),
        ("%conda install -y -c conda-forge opacus=1.5", ">=1.5,<1.6.0"),
        ("!mamba install conda-forge::opacus=1.5.2", "==1.5.2"),
        ("out = 1\n!pip install opacus", None),
        ("!pip install opacus==1.5.2 # don't upgrade", "==1.5.2"),
        ("!pip install git+https://github.com/pytorch/opacus.git@v1.5.2", "==1.5.2"),
    ],
)
def test_versions(source: str, spec: str | None) -> None:
    (pin,) = pins(source)
    assert (pin.versions.spec(), pin.cell, pin.kind) == (spec, 2, "notebook")
    assert "opacus" in source.splitlines()[pin.line - 1]


@pytest.mark.parametrize("source", ["!pip install opacus>=1.5.4", "%pip install opacus<1.5.3 torch"])
def test_the_shell_takes_an_unquoted_comparison_for_a_redirection(source: str) -> None:
    (pin,) = pins(source)
    assert pin.versions.spec() is None
    assert pin.shell_word is not None


def test_an_escaped_comparison_reaches_pip() -> None:
    assert pins("!pip install opacus\\>=1.5.4")[0].versions.spec() == ">=1.5.4"


def test_git_and_upgrade() -> None:
    assert (
        pins("!pip install opacus@git+https://github.com/pytorch/opacus@36f7a34c")[0].versions == FAULTY_GIT
    )
    assert pins("!pip install -U opacus")[0].tool == "--upgrade"


def test_several_cells_come_in_order() -> None:
    parsed = parse_cells(
        "n.ipynb", [(0, "!pip install opacus==1.5.2"), (4, "x = 1"), (7, "!pip install opacus==1.5.4")]
    )
    assert [(pin.cell, pin.specifier) for pin in parsed.pins] == [(0, "==1.5.2"), (7, "==1.5.4")]


def test_a_broken_requirement_is_a_problem_with_its_place() -> None:
    parsed = parse_cells("n.ipynb", [(3, "import x\n!pip install 'opacus=>1.5'")])
    assert [(p.path, p.cell, p.line) for p in parsed.problems] == [("n.ipynb", 3, 2)]
