"""Which imports of a script are carried out once, before its runs."""

from __future__ import annotations

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
