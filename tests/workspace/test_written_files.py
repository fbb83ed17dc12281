"""Python files that a notebook writes are sources of their own; the notebook keeps its bytes."""

from __future__ import annotations

import pytest

from dpmigrate.workspace.errors import NotLossless
from dpmigrate.workspace.parse import parse
from dpmigrate.workspace.source import Source
from dpmigrate.workspace.suppressions import in_python
from tests.workspace.test_notebook import cells_of, notebook, read


def written(source: Source) -> dict[str, str]:
    return {part.label: part.python for part in source.written}


@pytest.mark.parametrize(
    "cell",
    [
        "%%writefile requirements.txt\nopacus==1.5.2\n",
        "%%writefile train.sh\npython train.py",
        "%%writefile\nx = 1",
        "%%writefile a.py b.py\nx = 1",
        "# comment\n%%writefile train.py\nx = 1",
        "x = 1\n%%writefile train.py",
        "%%bash\ncat > train.py",
        "%%writefile 'train.py\nx = 1",
    ],
)
def test_no_python_file(cell: str) -> None:
    assert read(notebook(cell)).written == ()


@pytest.mark.parametrize(
    ("first", "name"),
    [
        ("%%writefile train.py", "train.py"),
        ("\n%%writefile   src/train.py  ", "src/train.py"),
        ("%%file train.py", "train.py"),
        ("%%writefile -a train.py", "train.py"),
        ("%%writefile 'my train.py'", "my train.py"),
    ],
)
def test_a_python_file(first: str, name: str) -> None:
    source = read(notebook("y = 2", f"{first}\nx = 1"))
    (part,) = source.written
    assert part.label == name
    assert part.path == source.path
    assert "x = 1" in part.python
    assert "x = 1" not in source.python
    assert parse(part).code == part.python
    line = 1 + part.python.splitlines().index("x = 1")
    assert part.locate(line, 5) == (1, 1 + first.count("\n") + 1, 5)
    assert source.line_of(1, 2) > len(source.python.splitlines())


def test_cells_that_append_are_joined_in_order() -> None:
    source = read(
        notebook(
            "%%writefile a.py\nx = 1",
            "%%writefile b.py\nb = 1",
            "%%writefile -a a.py\ny = 2",
            "z = 3",
            "%%writefile a.py\nnew = 4",
            "%%writefile --append a.py\nmore = 5",
        )
    )
    assert list(written(source)) == ["a.py", "b.py", "a.py#4"]
    code = [line for line in written(source)["a.py"].splitlines() if " = " in line]
    assert code == ["x = 1", "y = 2"]
    assert "new = 4" in written(source)["a.py#4"]
    assert "more = 5" in written(source)["a.py#4"]


def test_a_file_that_is_no_python_is_reported_alone() -> None:
    source = read(notebook("x = 1", "%%writefile a.py\nx = 1\n!ls", "%%writefile -a a.py\ny = 2", "z = 3"))
    assert [(b.cell, b.line) for b in source.broken_cells] == [(1, 3)]
    (part,) = source.written
    assert "y = 2" in part.python
    assert "ls" not in part.python
    assert {"x = 1", "z = 3"} <= set(source.python.splitlines())


def test_every_line_has_one_number_and_comes_back() -> None:
    cells = ["a = 1\nb = 2", "%%writefile t.py\n\nc = 3", "%%writefile u.py\nd = 4", "e = 5"]
    source = read(notebook(*cells))
    numbers = [source.line_of(c, n) for c, text in enumerate(cells) for n in range(1, text.count("\n") + 2)]
    assert len(set(numbers)) == len(numbers)
    places = [source.locate(number, 1)[:2] for number in numbers]
    assert places == [(c, n) for c, text in enumerate(cells) for n in range(1, text.count("\n") + 2)]


def test_unchanged_text_gives_the_same_bytes() -> None:
    data = notebook(["%%writefile t.py\n", "import torch\n"], "!python t.py", "%%writefile -a t.py\nx = 1")
    source = read(data)
    assert source.rebuild(source.python) == data
    assert source.rebuild(source.python, {}, written(source)) == data


def test_edits_of_both_keep_the_magics() -> None:
    cells = ["%%time\na = 1", "%%writefile  t.py\nb = 2\n", "%%writefile -a t.py\nc = 3", "!python t.py"]
    source = read(notebook(*cells))
    new = {"t.py": written(source)["t.py"].replace("c = 3", "c = 4").replace("b = 2", "b = 5")}
    assert cells_of(source.rebuild(source.python.replace("a = 1", "a = 9"), {}, new)) == [
        "%%time\na = 9",
        "%%writefile  t.py\nb = 5\n",
        "%%writefile -a t.py\nc = 4",
        "!python t.py",
    ]


def test_code_put_at_the_top_goes_below_the_magic() -> None:
    source = read(notebook("import os", "%%writefile t.py\nb = 2"))
    new = {"t.py": "import torch\n" + written(source)["t.py"]}
    assert cells_of(source.rebuild(source.python, {}, new)) == [
        "import os",
        "%%writefile t.py\nimport torch\nb = 2",
    ]


def test_a_magic_that_an_edit_lost_is_refused() -> None:
    source = read(notebook("%%writefile t.py\nb = 2"))
    lost = "".join(line for line in written(source)["t.py"].splitlines(True) if "pass" not in line)
    with pytest.raises(NotLossless):
        source.rebuild(source.python, {}, {"t.py": lost})


def test_a_file_that_becomes_another_is_refused() -> None:
    source = read(notebook("x = 1", "%%writefile t.py\nb = 2"))
    with pytest.raises(NotLossless):
        source.rebuild(source.python, {(1, 1): "%%bash"}, written(source))


def test_ignore_comments_count_in_written_files() -> None:
    source = read(notebook("a = 1", "%%writefile t.py\nb = 2  # dpmigrate: ignore\nc = 3"))
    ignores = in_python(source)
    assert ignores.match("DPM103", "unwrapped-loss", source.line_of(1, 2), source.line_of(1, 2))
    assert not ignores.match("DPM103", "unwrapped-loss", source.line_of(1, 3), source.line_of(1, 3))
