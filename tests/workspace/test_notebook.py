"""A notebook as Python text, and back without touching what nobody edited."""

from __future__ import annotations

import ast
import json
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dpmigrate.workspace.errors import NotLossless, Unreadable
from dpmigrate.workspace.parse import parse
from dpmigrate.workspace.source import Source, load_source


def notebook(*cells: str | list[str], indent: int | None = 1, **extra: object) -> bytes:
    document = {
        "cells": [
            {
                "cell_type": "code",
                "execution_count": 3,
                "metadata": {},
                "outputs": [{"text": ["1.0\n"]}],
                "source": cell,
            }
            for cell in cells
        ],
        "metadata": {"kernelspec": {"language": "python", "name": "python3"}},
        "nbformat": 4,
        "nbformat_minor": 5,
        **extra,
    }
    return (json.dumps(document, indent=indent, ensure_ascii=False) + "\n").encode()


def read(data: bytes) -> Source:
    return load_source("/project/a.ipynb", "/project", data)


def cells_of(data: bytes) -> list[str]:
    return ["".join(cell["source"]) for cell in json.loads(data)["cells"]]


def test_unchanged_text_gives_the_same_bytes() -> None:
    data = notebook(["import torch\n", "!pip install opacus"], "%%bash\nls", "x?")
    source = read(data)
    assert source.rebuild(source.python) == data


def test_markdown_cells_are_not_code() -> None:
    data = notebook("import torch").replace(b'"code"', b'"markdown"')
    assert read(data).python == ""


def test_a_notebook_without_cells_is_empty_python() -> None:
    assert read(notebook()).python == ""


def test_a_kernel_of_another_language_is_skipped() -> None:
    source = read(notebook("library(ggplot2)").replace(b'"python"', b'"R"'))
    assert not source.is_python
    assert source.python == ""
    assert source.broken_cells == ()


def test_a_language_that_an_editor_guessed_for_a_cell_does_not_hide_it() -> None:
    data = notebook("import torch", "SELECT 1", "x = 1").replace(
        b'"metadata": {},', b'"metadata": {"vscode": {"languageId": "shellscript"}},'
    )
    source = read(data)
    assert "import torch" in source.python
    assert "SELECT" not in source.python
    assert source.broken_cells == ()
    assert cells_of(source.rebuild(source.python.replace("x = 1", "x = 2"))) == [
        "import torch",
        "SELECT 1",
        "x = 2",
    ]


def test_a_cell_of_another_language_is_skipped_where_the_kernel_is_not_known() -> None:
    data = notebook("x = 1", metadata={}).replace(
        b'"metadata": {},', b'"metadata": {"vscode": {"languageId": "sql"}},', 1
    )
    assert read(data).python == ""


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "the file is empty"),
        (b"{", "invalid JSON"),
        (b'{"cells": [', "invalid JSON"),
        (b'{"cells": [{}], }', "invalid JSON"),
        (b'{"cells": []} x', "invalid JSON"),
        (b"[]", "not an object"),
        (b"{}", "no cells"),
        (b'{"cells": 3}', "not a list"),
        (b'{"worksheets": []}', "format 3"),
        (b'\xff{"cells": []}', "not UTF-8"),
    ],
)
def test_what_is_no_notebook_says_why(data: bytes, reason: str) -> None:
    with pytest.raises(Unreadable, match=reason):
        read(data)


def test_invalid_json_names_its_line() -> None:
    with pytest.raises(Unreadable) as caught:
        read(b'{\n "cells": [\n  nonsense\n ]\n}')
    assert caught.value.line == 3


@pytest.mark.parametrize(
    "cell",
    [
        "!pip install opacus==1.5.2",
        "%matplotlib inline\nx = 1",
        "x = 1\n%run -i ../src/helpers.py --epochs 3\ny = 1",
        "%run class.py\n%run my-helpers.py\n%run a.ipynb\nif x:\n    %run b.py\n%run c.py \\\n  -x",
        "  \n%%time\nx = 1\n",
        "%%bash\npip install x\nif [ 1 ]; then\nfi",
        "%%writefile train.sh\nimport opacus\nprint 'x'",
        "files = !ls *.py\nn = %timeit -o f()",
        "model?\nmodel.fit??",
        "if x:\n    !ls \\\n      -l\n    y = 1",
        "pip install opacus\nimport opacus",
        "await f()\nasync with g() as h:\n    pass",
        "%time model = train(loader)\nmodel",
        "x = 1;\r\n!ls\r\ny = 2",
        " ''' BSR '''\nx = 1",
        "\n  if x:  # why\n      y = f(a,\n  b)\n\n  s = '''\n  of it'''\n  %time t = g(x)",
        "%%capture\n%%time\nx = 1",
        "# %%time is a comment\ns = '''\n!not a command\n%nor this\n'''\n",
    ],
)
def test_magics_become_python_and_come_back(cell: str) -> None:
    data = notebook(cell, "z = 1")
    source = read(data)
    assert parse(source).code == source.python
    assert source.broken_cells == ()
    assert cells_of(source.rebuild(source.python.replace("z = 1", "z = 2"))) == [cell, "z = 2"]


@pytest.mark.parametrize("cell", ["x = a % b", "x = (a\n     % b)", "ok = not x != y", "s = 'what?'  # why?"])
def test_python_that_looks_like_a_magic_is_left_alone(cell: str) -> None:
    assert cell in read(notebook(cell)).python


def test_a_timed_statement_is_seen() -> None:
    assert "model = train(loader)" in read(notebook("%time model = train(loader)")).python


def test_the_indentation_that_a_cell_begins_with_is_no_fault_and_columns_count_it() -> None:
    source = read(notebook("  x = 1\n  if x:\n      y = 2", "%time z = 3"))
    assert [source.locate(line, 1) for line in (2, 4, 6)] == [(0, 1, 3), (0, 3, 3), (1, 1, 7)]
    with pytest.raises(NotLossless, match="cell 1 of the notebook begins with an indentation"):
        source.rebuild(source.python.replace("y = 2", "y = 3"))
    (broken,) = read(notebook("  x = 1\ny = 2\n    z = 3")).broken_cells
    assert (broken.line, broken.reason) == (1, "syntax error: unexpected indent")


def test_a_cell_that_is_no_python_is_reported_and_the_rest_is_read() -> None:
    source = read(notebook("import torch", "x = 1\nfor x i y:", "y = 2"))
    (broken,) = source.broken_cells
    assert (broken.cell, broken.line) == (1, 2)
    assert broken.reason.startswith("syntax error: ")
    ast.parse(source.python)
    edited = source.rebuild(source.python.replace("y = 2", "y = 3"))
    assert cells_of(edited) == ["import torch", "x = 1\nfor x i y:", "y = 3"]


def test_lines_are_located_in_their_cells() -> None:
    source = read(notebook("import torch\n\nx = 1", "", "!ls\ny = 2"))
    line = source.python.split("\n").index("y = 2") + 1
    assert source.locate(line, 7) == (2, 2, 7)
    assert source.line_of(2, 2) == line
    assert source.lines(2) == ("!ls", "y = 2")
    assert source.locate(1, 1) == (0, 1, 1)


def test_only_the_edited_cell_changes_even_in_odd_json() -> None:
    data = (
        b'\xef\xbb\xbf{ "nbformat":4,"cells" :[\r\n {"source":["a = 1\\n" ,\t"b = \\u00e9\\/2"],"cell_type":'
        b'"code","outputs":[1.0, 1e3]},{"cell_type":"code","source":"c = \xc3\xa9"}],"metadata":{}}'
    )
    source = read(data)
    edited = source.rebuild(source.python.replace("a = 1", "a = 9"))
    assert edited == data.replace(b"a = 1", b"a = 9")


def test_a_list_grows_by_a_line_in_its_own_layout() -> None:
    source = read(notebook(["a = 1\n", "b = 2"]))
    edited = source.rebuild(source.python.replace("a = 1\n", "a = 1\nz = 'é'\n"))
    assert edited == notebook(["a = 1\n", "z = 'é'\n", "b = 2"])


def test_escapes_follow_the_notebook() -> None:
    data = notebook("a = 'é'\nb = 1").decode().replace("é", "\\u00e9").encode()
    source = read(data)
    edited = source.rebuild(source.python.replace("b = 1", "b = 'ü'"))
    assert edited == data.replace(b"b = 1", b"b = '\\u00fc'")


@pytest.mark.parametrize(
    ("elsewhere", "written"),
    [("\\u00e9", "\\u00fc"), ("\\\\\\u00e9", "\\u00fc"), ("\\\\u00e9", "ü"), ("\\u001b", "ü"), ("", "ü")],
)
def test_what_is_escaped_elsewhere_in_the_file_is_escaped_in_new_text(elsewhere: str, written: str) -> None:
    data = notebook("b = 1", metadata={"kernelspec": {}, "title": "..."}).replace(b"...", elsewhere.encode())
    source = read(data)
    edited = source.rebuild(source.python.replace("b = 1", "b = 'ü'"))
    assert edited == data.replace(b"b = 1", f"b = '{written}'".encode())


@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("around", ["", "é", "\u4e2d", "\N{SNAKE}", "\x85\u2028"])
def test_what_stands_around_cells_moves_neither_their_text_nor_their_lines(bom: bytes, around: str) -> None:
    cells = [[f"a = '{around}'\n", "b = 1\n", "c = 2"], [f"d = '{around}'\n", "e = 3"]]
    data = bom + notebook(*cells).replace(b"1.0", f"1.0{around}".encode())
    source = read(data)
    assert cells_of(data[len(bom) :]) == ["".join(cell) for cell in cells]
    assert source.rebuild(source.python) == data
    edited = source.rebuild(source.python.replace("e = 3", f"e = '{around}é'"))
    assert edited == data.replace(b"e = 3", f"e = '{around}é'".encode())
    assert source.notebook is not None
    lines = data.split(b"\n")
    for index, cell in enumerate(cells):
        found = [lines[line - 1].strip() for line in source.notebook.text.file_lines(index)]
        assert [line.rstrip(b",") for line in found] == [
            json.dumps(line, ensure_ascii=False).encode() for line in cell
        ]


@pytest.mark.parametrize(
    "broken",
    [
        b'{"cells": [\n{"cell_type": "code", "source": "b = 1"},\n]}',
        b'{"cells": [\n{"cell_type": "code", "source": "b = 1",\n}]}',
        b'{"cells": [\n{"cell_type": "code", "source": ["b = 1",\n]}]}',
        b'{"cells": [\n{"cell_type": "code", "source": "b = 1"}\n{}]}',
    ],
)
def test_what_no_reader_of_json_takes_is_no_notebook(broken: bytes) -> None:
    with pytest.raises(Unreadable, match="invalid JSON") as told:
        read(broken)
    # Python names the line of a comma too many from 3.13 on, and the one behind it before.
    assert told.value.line in (2, 3)


@pytest.mark.parametrize("space", [b"", b" ", b"\n  "])
def test_lists_that_hold_nothing_are_passed_over(space: bytes) -> None:
    data = notebook("a = 1", "b = 1").replace(b'"metadata": {}', b'"tags": [' + space + b'], "metadata": {}')
    source = read(data)
    assert source.rebuild(source.python.replace("b = 1", "b = 2")) == data.replace(b"b = 1", b"b = 2")


def test_a_cell_becomes_empty_and_an_empty_one_gets_a_line() -> None:
    source = read(notebook(["a = 1"], []))
    lines = source.python.splitlines(keepends=True)
    assert cells_of(source.rebuild("".join(line for line in lines if "a = 1" not in line))) == ["", ""]
    assert json.loads(source.rebuild(source.python + "b = 2\n"))["cells"][1]["source"] == ["b = 2"]


def test_a_cell_that_is_not_there_has_no_lines() -> None:
    source = read(notebook("b = 1"))
    assert source.notebook is not None
    assert source.notebook.text.file_lines(1) == ()


@pytest.mark.parametrize("place", [0, 1 << 20, (1 << 20) - 1, 3 << 20])
def test_a_byte_that_is_no_utf8_is_told_with_its_line(place: int) -> None:
    data = b"\n" * 7 + "é".encode() + b" " * place + b"\n\xff"
    with pytest.raises(Unreadable, match="it is not UTF-8") as told:
        read(data)
    assert told.value.line == 9


def test_outputs_cost_no_more_memory_than_their_bytes_however_wide_their_characters() -> None:
    data = notebook("b = 1").replace(b"1.0", "\N{SNAKE}".encode() + b"A" * 4_000_000)
    tracemalloc.start()
    try:
        source = read(data)
        edited = source.rebuild(source.python.replace("b = 1", "b = 2"))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert edited == data.replace(b"b = 1", b"b = 2")
    assert peak < 3.5 * len(data)  # the new bytes, all of them as Latin-1, and one output


def test_code_put_first_goes_below_the_install_and_the_cell_magic() -> None:
    source = read(notebook("!pip install opacus\nimport opacus", "%%time\nx = 1"))
    edited = source.python.replace('0"\n', '0"\nfrom torch import nn\n').replace('1"\n', '1"\nw = 0\n')
    assert cells_of(source.rebuild(edited)) == [
        "!pip install opacus\nfrom torch import nn\nimport opacus",
        "%%time\nw = 0\nx = 1",
    ]


def test_code_put_into_a_shell_cell_or_before_all_cells_goes_to_the_next_one() -> None:
    source = read(notebook("%%bash\nls", "x = 1"))
    edited = "import os\n" + source.python.replace('0"\n', '0"\nfrom torch import nn\n')
    assert cells_of(source.rebuild(edited)) == ["%%bash\nls", "import os\nfrom torch import nn\nx = 1"]


@pytest.mark.parametrize("lost", ['"dpmigrate: cell 1"\n', "pass  # dpmigrate-magic 0"])
def test_an_edit_that_loses_a_cell_or_a_magic_is_refused(lost: str) -> None:
    source = read(notebook("!ls", "x = 1"))
    assert lost in source.python
    with pytest.raises(NotLossless):
        source.rebuild(source.python.replace(lost, ""))


def test_an_edit_that_turns_a_cell_into_no_python_is_refused() -> None:
    source = read(notebook("x = 1"))
    with pytest.raises(NotLossless):
        source.rebuild(source.python.replace("x = 1", "x = = 1"))


def test_text_that_looks_like_our_markers_is_kept() -> None:
    cells = ['"dpmigrate: cell 1"\npass  # dpmigrate-magic 0', "!ls\nx = 1"]
    source = read(notebook(*cells))
    edited = source.rebuild(source.python.replace("x = 1", "x = 2"))
    assert cells_of(edited) == [cells[0], "!ls\nx = 2"]


def test_install_lines_are_found_and_rewritten() -> None:
    data = notebook(
        "x = 1\n!pip install -q opacus==1.5.2 \\\n  torch\n!ls",
        "%%bash\ncd a\npip install 'opacus<1.5.3'",
        "%pip install opacus",
        "!uv pip install opacus\n!conda install -y opacus=1.5",
        "print('!pip install nothing')",
    )
    source = read(data)
    assert [(i.cell, i.line) for i in source.install_lines()] == [(0, 2), (1, 3), (2, 1), (3, 1), (3, 2)]
    first = source.install_lines()[0]
    assert first.text == "!pip install -q opacus==1.5.2 \\\n  torch"
    edited = source.rebuild(source.python, {(0, 2): first.text.replace("1.5.2", "1.5.4")})
    assert edited == data.replace(b"1.5.2", b"1.5.4")


_CODE = st.sampled_from(
    [
        "x = 1",
        "!pip install opacus",
        "%time y = f(x)",
        "",
        "# é \u2028 note",
        "if x:",
        "    z = '''",
        "%%bash",
        "pip install a",
        "s = 'a\\\\b\"'",
        "for x i y",
        "\x0c",
        "\x00",
        "\ud800",
        "w = !ls \\",
        "  more",
        "?x",
    ]
)


@settings(max_examples=200, deadline=None)
@example(
    cells=["pip install a\nw = !ls \\\npip install a"], as_list=False, indent=0, ascii_only=True, tail=""
)
@given(
    cells=st.lists(st.lists(_CODE, max_size=5).map("\n".join), max_size=5),
    as_list=st.booleans(),
    indent=st.sampled_from([None, 0, 1, 4, "\t"]),
    ascii_only=st.booleans(),
    tail=st.sampled_from(["", "\n", "\r\n "]),
)
def test_any_notebook_survives_and_an_edit_stays_in_its_cell(
    cells: list[str], as_list: bool, indent: int | str | None, ascii_only: bool, tail: str
) -> None:
    sources = [text.splitlines(keepends=True) if as_list else text for text in [*cells, "last = 1"]]
    document = {"cells": [{"cell_type": "code", "source": s, "outputs": [0.10]} for s in sources]}
    text = json.dumps(document, indent=indent, ensure_ascii=ascii_only) + tail
    try:
        data = text.encode()
    except UnicodeEncodeError:
        return
    source = read(data)
    ast.parse(source.python)
    assert source.rebuild(source.python) == data
    edited = source.rebuild(source.python.replace("last = 1", "last = 2"))
    assert edited == data.replace(b"last = 1", b"last = 2")


def test_a_notebook_on_disk_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.ipynb").write_bytes(notebook("x = 1"))
    assert load_source("a.ipynb", tmp_path).path == "a.ipynb"
