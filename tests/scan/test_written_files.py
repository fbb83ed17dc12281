"""Python files that a notebook writes are programs of their own, reported in the notebook's cells."""

from __future__ import annotations

import json
from pathlib import Path

from dpmigrate import api
from dpmigrate.model import ScanResult
from tests.scan.programs import right, wrong
from tests.workspace.test_notebook import cells_of, notebook


def scan(folder: Path, *cells: str) -> ScanResult:
    (folder / "a.ipynb").write_bytes(notebook(*cells))
    return api.scan(["."], cwd=folder)


def said(result: ScanResult) -> list[tuple[str, int | None, int]]:
    return [(f.rule, f.span.cell, f.span.line) for f in result.findings]


LOSS = 1 + wrong().splitlines().index("        loss.backward()") + 1
"""The line of the backward pass behind one line of magic."""


def test_right_code_has_no_finding(tmp_path: Path) -> None:
    result = scan(tmp_path, "%%writefile train.py\n" + right(), "!python train.py")
    assert said(result) == []
    assert [(run.path, run.cell) for run in result.runs] == [("a.ipynb", 0)]


def test_names_of_other_cells_and_files_are_not_seen(tmp_path: Path) -> None:
    """``wrong`` in one file, ``right`` in another and in a cell: one finding, one run each."""
    result = scan(
        tmp_path,
        "%%writefile a.py\n" + right(),
        right(),
        "%%writefile b.py\n" + wrong(),
        "optimizer = loader = criterion = None",
    )
    assert said(result) == [("DPM103", 2, LOSS)]
    assert [run.cell for run in result.runs] == [0, 1, 2]


def test_a_magic_that_writes_text_says_nothing(tmp_path: Path) -> None:
    assert scan(tmp_path, "import opacus", "%%writefile train.txt\n" + wrong()).runs == ()


def test_a_script(tmp_path: Path) -> None:
    assert said(scan(tmp_path, "%%writefile train.py\n" + wrong(), "!python train.py")) == [
        ("DPM103", 0, LOSS)
    ]


def test_a_file_in_two_cells(tmp_path: Path) -> None:
    head, tail = wrong().split("def train", 1)
    result = scan(tmp_path, f"%%writefile t.py\n{head}", "1 + 1", f"%%writefile -a t.py\ndef train{tail}")
    assert said(result) == [("DPM103", 2, LOSS - head.count("\n"))]


def test_a_cell_calls_what_another_writes(tmp_path: Path) -> None:
    mode = right(**{'mode="ghost"': "mode"})
    result = scan(
        tmp_path, "%%writefile lab/train.py\n" + mode, "from lab.train import train\ntrain([], 'ghost')"
    )
    (run,) = result.runs
    assert (run.mode, run.cell) == (("ghost",), 0)


def test_a_written_file_imports_another(tmp_path: Path) -> None:
    result = scan(
        tmp_path,
        '%%writefile settings.py\nMODE = "hooks"',
        '%%writefile settings.py\nMODE = "ghost"',
        "%%writefile train.py\nfrom settings import MODE\n"
        + right(**{'mode="ghost"': "unused=1", "grad_sample_mode=mode": "grad_sample_mode=MODE"}),
    )
    assert [run.mode for run in result.runs] == [("ghost",)]


def test_what_cannot_be_parsed_is_reported_alone(tmp_path: Path) -> None:
    result = scan(tmp_path, "%%writefile a.py\nimport opacus\nprint 'x'", "%%writefile b.py\n" + wrong())
    assert [(n.cell, n.line) for n in result.not_analysed] == [(0, 3)]
    assert ("DPM103", 1, LOSS) in said(result)


def test_an_ignore_comment(tmp_path: Path) -> None:
    text = wrong().replace("loss.backward()", "loss.backward()  # dpmigrate: ignore[DPM103]")
    result = scan(tmp_path, "x = 1  # dpmigrate: ignore[DPM101]", "%%writefile train.py\n" + text)
    assert said(result) == [("DPM001", 0, 1)]


def test_a_fix_keeps_the_magic_and_the_other_cells(tmp_path: Path) -> None:
    cells = ["%%writefile  train.py\n" + wrong(), "!python train.py", wrong(), "# the end"]
    data = notebook(*cells)
    (tmp_path / "a.ipynb").write_bytes(data)
    api.fix(["."], apply=True, cwd=tmp_path)
    now = cells_of((tmp_path / "a.ipynb").read_bytes())
    assert now[0] == "%%writefile  train.py\n" + right()
    assert [now[1], now[2], now[3]] == [cells[1], right(), cells[3]]
    assert json.loads(data)["metadata"] == json.loads((tmp_path / "a.ipynb").read_bytes())["metadata"]
    assert said(api.scan(["."], cwd=tmp_path)) == []
