"""Which imports of a script are carried out once, before its runs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from dpmigrate.runtime.run.processes.preload import imports, preload

SCRIPT = (
    "import os, pandas\nimport pandas as pd\nfrom sklearn.svm import SVC\nimport ours\nfrom . import peft\n"
)


def test_only_large_libraries_are_imported_ahead(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(SCRIPT + "if pd:\n    import scipy\n")
    assert imports(script, tmp_path) == [
        "import pandas",
        "import pandas as pd",
        "from sklearn.svm import SVC",
    ]


@pytest.mark.parametrize(
    "text", ["import os\nos.environ['HF_HOME'] = 'x'\nimport pandas\n", "import pandas\nfor\n"]
)
def test_nothing_is_imported_where_a_run_might_import_otherwise(tmp_path: Path, text: str) -> None:
    script = tmp_path / "train.py"
    script.write_text(text)
    assert imports(script, tmp_path) == []


def test_a_folder_of_the_project_is_no_library(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text("import datasets\nimport peft\n")
    (tmp_path / "datasets").mkdir()
    (tmp_path / "peft.py").touch()
    assert imports(script, tmp_path) == []


def test_an_import_that_fails_is_left_to_the_runs(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text("from scipy import no_such_name_in_it\n")
    preload(script, tmp_path)
    preload(tmp_path / "gone.py", tmp_path)


def test_the_compiler_is_imported_once_more_is_asked_of_it() -> None:
    program = """
import sys, torch
from dpmigrate.runtime.run.processes.preload import COMPILER, idle_compiler, load_modules, torch_modules
if COMPILER in sys.modules:
    raise SystemExit("torch itself has imported it")
idle_compiler()
layer = torch.nn.Linear(2, 1)
optimizer = torch.optim.Adam(layer.parameters())
layer(torch.ones(3, 2)).sum().backward()
optimizer.step()
@torch.compiler.disable
def plain(x):
    return x
assert plain(3) == 3
assert "torch._dynamo.config" not in sys.modules and COMPILER not in torch_modules()
assert {getattr(m, "__file__", None) for m in list(sys.modules.values())}
assert "torch._dynamo.config" not in sys.modules
torch.compiler.set_stance("force_eager")
assert torch.compile(plain)(4) == 4
assert "torch._dynamo.config" in sys.modules and COMPILER in torch_modules()
load_modules(torch_modules())
assert torch_modules() == []
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
