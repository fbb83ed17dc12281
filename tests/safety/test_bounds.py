"""Small texts that stand for something large cost what texts of their size cost, and never another file."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dpmigrate.analysis.language import operators
from dpmigrate.api import scan
from tests.costs import allowed
from tests.opacus_releases import CHECKOUT

FAULTY = (CHECKOUT / "fixtures" / "single-script" / "before" / "train.py").read_text(encoding="utf-8")
SECONDS = 5
MEGABYTES = 250

GROWING = {
    "a product": ("n = 3", "n = n * n"),
    "a sum of texts": ("n = 'aaaaaaaa'", "n = n + n"),
    "a formatted text": ("n = 'aaaaaaaa'", "n = f'{n}{n}'"),
    "a template": ("n = 'aaaaaaaa'", "n = '%s%s' % (n, n)"),
    "a format": ("n = 'aaaaaaaa'", "n = '{}{}'.format(n, n)"),
    "a join": ("n = 'aaaaaaaa'", "n = ''.join([n, n])"),
    "a replacement": ("n = 'aaaaaaaa'", "n = n.replace('a', 'aa')"),
    "a sum of lists": ("n = [1, 2]", "n = n + n"),
    "an extension": ("n = [1, 2]", "n.extend(n)"),
    "an unpacking": ("n = [1, 2]", "n = [*n, *n]"),
    "a pair of pairs": ("n = m = (1, 2)", "n, m = (n, n), (m, m)"),
    "a dict of dicts": ("n = {}", "n = {'a': n, 'b': n}"),
    "a partial": ("from functools import partial\nn = print", "n = partial(n, n, n)"),
}
ODD = {
    "infinity": "n = int(1e999)",
    "no number": "n = int(float('nan'))",
    "many digits": f"n = {'9' * 5000}",
    "a hexadecimal": f"n = 0x{'f' * 100_000}\nm = -n * n",
    "a text of digits": f"n = float(int('1' + '0' * 400))\nm = int('{'9' * 5000}')",
    "a power": "n = 10 ** 10 ** 9\nm = 1 << 10 ** 9",
    "a repetition": "n = 'a' * 10 ** 9\nm = [0] * 10 ** 9",
    "widths": "n = '%*d' % (10 ** 9, 1)\nm = '{:>999999999}'.format(1)\nk = 'a'.ljust(10 ** 9)",
    "a template of what is not there": "n = '{0.x}'.format(1)\nm = '{0[x]}'.format('a')\nk = '%q' % 1",
    "an annotation that is too deep": f"def f(x: '{'(' * 3000}{')' * 3000}'): pass",
}


def cost(folder: Path, *command: str) -> tuple[dict[str, object], float, float]:
    """The JSON report of a scan in a process of its own, its seconds of CPU and its megabytes."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    # An exec hands the peak of the memory before it on to ru_maxrss: what counts is this program's own.
    code = (
        "import pathlib, re, resource, sys\nfrom dpmigrate.cli import run\nrun(sys.argv[1:])\n"
        "status = pathlib.Path('/proc/self/status')\n"
        "kilobytes = (re.search(r'VmHWM:\\s*(\\d+)', status.read_text())[1] if status.exists()\n"
        "             else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)\n"
        "print(int(kilobytes) / 1024, file=sys.stderr)"
    )
    line = [sys.executable, "-c", code, "scan", "--format", "json", "--jobs", "1", *command]
    done = subprocess.run(line, cwd=folder, capture_output=True, text=True, check=True, timeout=120)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return json.loads(done.stdout), seconds, float(done.stderr.splitlines()[-1])


def write(folder: Path, **texts: str) -> None:
    (folder / "pyproject.toml").write_text("", encoding="utf-8")
    (folder / "train.py").write_text(FAULTY, encoding="utf-8")
    for name, text in texts.items():
        (folder / f"{name}.py").write_text(text, encoding="utf-8")


@pytest.mark.parametrize("name", GROWING)
def test_a_value_that_doubles_is_unknown_once_it_is_large(tmp_path: Path, name: str) -> None:
    first, then = GROWING[name]
    write(tmp_path, a="\n".join(["import opacus", first, *[then] * 60, "if n == 1:\n    m = n"]))
    start = time.process_time()
    result = scan([tmp_path], cwd=tmp_path, jobs=1)
    assert time.process_time() - start < allowed(SECONDS)
    assert result.not_analysed == ()
    assert {f.span.path for f in result.findings} >= {"train.py"}


@pytest.mark.parametrize("name", ODD)
def test_a_value_that_cannot_be_computed_is_unknown(tmp_path: Path, name: str) -> None:
    write(tmp_path, a=f"import opacus\n{ODD[name]}\n")
    start = time.process_time()
    result = scan([tmp_path], cwd=tmp_path, jobs=1)
    assert time.process_time() - start < allowed(SECONDS)
    assert result.not_analysed == ()
    assert {f.span.path for f in result.findings} >= {"train.py"}


@pytest.mark.parametrize(
    "text",
    [
        "".join(f"x{i} = {i}\n" for i in range(260_000)),
        "\n" * 3_900_000,
        "#\n" * 1_900_000,
        "d = {" + ",".join(f"'k{i}':{i}" for i in range(200_000)) + "}\n",
        "from m import (" + ",".join(f"n{i}" for i in range(200_000)) + ")\n",
        "from" + " \t" * 100_000 + "x\n",
    ],
    ids=["assignments", "blank lines", "comments", "a dict", "imported names", "blanks"],
)
def test_a_large_file_is_told_quickly_and_loses_nothing_else(tmp_path: Path, text: str) -> None:
    write(tmp_path, a=f"import opacus\n{text}")
    report, seconds, megabytes = cost(tmp_path, "--exit-zero", ".")
    assert seconds < allowed(SECONDS)
    assert megabytes < MEGABYTES
    files = report["files"]
    assert isinstance(files, dict)
    assert [n["path"] for n in files["not_analysed"]] in ([], ["a.py"])
    assert all(
        "too large to analyse" in n["reason"] or "syntax" in n["reason"] for n in files["not_analysed"]
    )
    assert len(report["runs"]) == 1  # type: ignore[arg-type]


def test_an_error_of_our_own_is_told_of_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, a="import opacus\nx = 20 - 3\n", b="import opacus\nimport a\nprint(a.x)\n")

    def fails(*_: object) -> None:
        raise ZeroDivisionError("of our own")

    monkeypatch.setitem(operators._OPERATORS, "Subtract", fails)
    assert scan([tmp_path], cwd=tmp_path, jobs=1).not_analysed == ()
    monkeypatch.setattr(operators, "computed", fails)
    result = scan([tmp_path], cwd=tmp_path, jobs=1)
    told = {n.path: n.reason for n in result.not_analysed}
    assert told["a.py"] == "internal error: ZeroDivisionError: of our own"
    monkeypatch.setenv("DPMIGRATE_DEBUG", "1")
    with pytest.raises(ZeroDivisionError):
        scan([tmp_path], cwd=tmp_path, jobs=1)


@pytest.mark.skipif(not hasattr(os, "SEEK_DATA"), reason="knows no holes in files")
def test_large_files_that_hold_nothing_cost_nothing_and_hide_nothing(tmp_path: Path) -> None:
    write(tmp_path)
    for number in range(20):
        with (tmp_path / f"large{number}.py").open("wb") as stream:
            stream.truncate(900_000_000)
    with (tmp_path / "told.py").open("wb") as stream:
        stream.seek(700_000_000)
        stream.write(b"\nimport opacus\n")
        stream.truncate(900_000_000)
    report, seconds, megabytes = cost(tmp_path, "--exit-zero", "--no-cache", ".")
    assert seconds < allowed(SECONDS)
    assert megabytes < MEGABYTES
    assert [n["path"] for n in report["files"]["not_analysed"]] == ["told.py"]  # type: ignore[index]
    assert len(report["runs"]) == 1  # type: ignore[arg-type]


TOML = {
    "a key of many parts": f"{'.'.join('a' * 20_000)} = 1\n",
    "a table of many parts": f"[{' . '.join('a' * 20_000)}]\n",
    "a number of many digits": f"[other]\na = {'9' * 5_000}\n",
    "an array in arrays": f"a = {'[' * 20_000}{']' * 20_000}\n",
}


@pytest.mark.parametrize("name", TOML)
def test_a_document_that_is_too_much_for_its_parser_is_told_of(tmp_path: Path, name: str) -> None:
    write(tmp_path)
    pin = '[project]\nname = "a"\ndependencies = ["opacus==1.5.2"]\n'
    (tmp_path / "pyproject.toml").write_text(TOML[name] + pin, encoding="utf-8")
    report, seconds, megabytes = cost(tmp_path, "--exit-zero", "--no-cache", ".")
    assert seconds < allowed(SECONDS)
    assert megabytes < MEGABYTES
    (told,) = report["files"]["not_analysed"]  # type: ignore[index]
    assert told["path"] == "pyproject.toml"
    assert "invalid TOML" in told["reason"]
    assert len(report["runs"]) == 1  # type: ignore[arg-type]


def test_many_pins_in_one_file_cost_what_their_bytes_cost(tmp_path: Path) -> None:
    seconds: list[float] = []
    for count in (1_000, 4_000, 16_000):
        folder = tmp_path / str(count)
        folder.mkdir()
        write(folder)
        (folder / "requirements.txt").write_text("opacus==1.5.2\n" * count, encoding="utf-8")
        report, spent, _ = cost(folder, "--exit-zero", "--no-cache", ".")
        rules = [f["rule"] for f in report["findings"]]  # type: ignore[attr-defined]
        assert rules.count("DPM901") == count
        seconds.append(spent)
    # In proportion it is 5 times, by the square 17 times; a busy machine adds its own.
    assert seconds[2] - seconds[0] < 10 * (seconds[1] - seconds[0])


def install_cells(count: int) -> str:
    """A notebook of that many cells that install the faulty Opacus, and one that trains."""
    texts = [*["!pip install opacus==1.5.2\n"] * count, FAULTY]
    cells = [{"cell_type": "code", "metadata": {}, "outputs": [], "source": [text]} for text in texts]
    return json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})


def test_install_cells_cost_what_their_bytes_cost_and_hide_nothing(tmp_path: Path) -> None:
    seconds: list[float] = []
    for count in (1_250, 5_000):
        folder = tmp_path / str(count)
        folder.mkdir()
        (folder / "n.ipynb").write_text(install_cells(count), encoding="utf-8")
        report, spent, megabytes = cost(folder, "--exit-zero", "--no-cache", ".")
        rules = [f["rule"] for f in report["findings"]]  # type: ignore[attr-defined]
        assert len(report["runs"]) == 1  # type: ignore[arg-type]
        assert rules.count("DPM901") == count
        assert rules.count("DPM101") == 1
        assert megabytes < MEGABYTES
        seconds.append(spent)
    assert seconds[1] < 4.5 * seconds[0]


def test_a_notebook_of_many_cells_is_analysed_within_the_bounds(tmp_path: Path) -> None:
    texts = [*[f"print({i})\n" for i in range(10_000)], FAULTY]
    cells = [{"cell_type": "code", "metadata": {}, "outputs": [], "source": [text]} for text in texts]
    document = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    (tmp_path / "n.ipynb").write_text(json.dumps(document), encoding="utf-8")
    report, seconds, megabytes = cost(tmp_path, "--exit-zero", "--no-cache", ".")
    assert len(report["runs"]) == 1  # type: ignore[arg-type]
    assert seconds < allowed(3 * SECONDS)
    assert megabytes < MEGABYTES


def test_the_outputs_of_a_notebook_are_looked_through_few_times(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").touch()
    picture = {"output_type": "display_data", "metadata": {}, "data": {"image/png": "A" * 600_000}}
    cells = [
        {"cell_type": "code", "metadata": {}, "outputs": [picture] * shown, "source": [text]}
        for shown, text in ((0, FAULTY), *[(1, f"y = {i}\n") for i in range(50)])
    ]
    document = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    (tmp_path / "n.ipynb").write_text(json.dumps(document), encoding="utf-8")
    report, seconds, megabytes = cost(tmp_path, "--exit-zero", "--no-cache", ".")
    assert len(report["runs"]) == 1  # type: ignore[arg-type]
    assert seconds < allowed(SECONDS)
    assert megabytes < MEGABYTES
