"""Python files that were exported from notebooks, with shell commands and magics left in them."""

from __future__ import annotations

from pathlib import Path

import pytest

from dpmigrate import api
from dpmigrate.workspace.export import exported
from tests.scan.programs import lay_out, wrong

HEADS = [
    "!pip install opacus==1.5.4\n",
    "%pip install opacus==1.5.4\n",
    "# %%\n!pip install -q 'opacus==1.5.4' torch\n# %%\n%matplotlib inline\n",
    "# In[1]:\n\n\n%%capture\n!pip install opacus==1.5.4\n\n\n# In[2]:\n\n\nfiles = !ls\n%cd ..\n",
    '"""Colab"""\n\npip install opacus==1.5.4\n',
    "!pip install torch\npip install -q opacus==1.5.4\n",
    "get_ipython().system('pip install opacus==1.5.4')\n",
    "get_ipython().run_line_magic('pip', 'install opacus==1.5.4')\n",
]


@pytest.mark.parametrize("head", HEADS)
def test_it_is_read_as_the_notebook_and_its_pins_too(tmp_path: Path, head: str) -> None:
    lay_out(tmp_path, train=wrong())
    (plain,) = [f for f in api.scan(["."], cwd=tmp_path).findings if f.rule == "DPM103"]
    (tmp_path / "train.py").write_text(head + wrong(), encoding="utf-8")
    result = api.scan(["."], cwd=tmp_path)
    (run,) = result.runs
    assert result.not_analysed == ()
    found = {f.span.line for f in result.findings if f.rule == "DPM103"}
    assert found == {plain.span.line + head.count("\n")}
    assert run.opacus.spec == "==1.5.4"


def test_a_magic_that_an_edit_loses_is_missed() -> None:
    export = exported("!ls\nx = 1\n%cd a\n")
    assert export is not None
    assert export.rebuild(export.python.replace("x = 1", "x = 2")) == "!ls\nx = 2\n%cd a\n"


def test_what_ipython_takes_without_a_sign_comes_back_too() -> None:
    text = "pip install torch\n!ls\nx = 1\n"
    export = exported(text)
    assert export is not None
    assert export.rebuild(export.python) == text


@pytest.mark.parametrize(
    "text",
    [
        "x = 5\n%y = 3\n)",
        "x = '''\n!ls\n'''\n",
        "print(1)\n",
        "x = (5\n     % 3)\n",
        "!ls\nx = = 1\n",
        "pip install x = = 1\n)",
    ],
)
def test_what_parses_and_what_is_no_python_either_way_is_left(text: str) -> None:
    assert exported(text) is None
