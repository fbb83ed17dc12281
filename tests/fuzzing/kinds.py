"""Each kind of input: how one is made, and what must hold of it.

A kind writes its input into a folder and raises for what does not hold. The folder of a failing one is kept.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import warnings
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

from dpmigrate import api
from dpmigrate.cli import run
from dpmigrate.fixing import fix
from dpmigrate.model import NOT_ANALYSED, ScanResult
from dpmigrate.report import FORMATS, render
from dpmigrate.report.json_ import render as json_text
from dpmigrate.report.lines_on_disk import with_lines
from dpmigrate.report.merging import merged
from dpmigrate.report.reading import ReportError, read
from dpmigrate.report.style import Style
from dpmigrate.scanning.baseline import baseline_text, read_baseline
from dpmigrate.versions.decoding import line_at
from dpmigrate.versions.edit import Edit, apply_edits, plan_raise
from dpmigrate.versions.parsers import parse_file
from dpmigrate.workspace.errors import UsageError
from tests.fuzzing.changing import changed_document, changed_program, damaged
from tests.fuzzing.seeds import RUN, foreign_statement, foreign_text, own_pins, own_programs
from tests.versions.test_parse_anything import SAMPLES

Kind = Callable[[Random, Path], None]
PINS = ("opacus==1.5.2\n", "opacus>=1.5,<1.5.3\n", "opacus\n")
CONFIGURED = """\
[tool.dpmigrate]
select = ["DPM1", "DPM201"]
extend-select = ["criterion-not-passed"]
ignore = ["DPM301"]
exclude = ["build/", "!*.py", "**/a[b-c]?"]
per-file-ignores = {"train.py" = ["DPM106"], "*" = ["DPM2"]}
severity = {DPM201 = "error"}
opacus = ">=1.5.3"
opacus-lower-bound = "1.5.4"
target-version = "1.5.4"
required-version = ">=0.1"
min-certainty = "possible"
strategy = "upgrade"
seed = "args.seed"
jobs = 1
"""
IGNORES = (
    "  # dpmigrate: ignore",
    "  # dpmigrate: ignore[DPM101]",
    "# dpmigrate: ignore-file[DPM1, DPM201]",
    "  # type: ignore # dpmigrate: ignore[criterion-not-passed, ,]",
    "  # DPMIGRATE:ignore[DPM9999",
)


def said(result: ScanResult) -> Any:
    """All that is the same in every report of the same files."""
    return json.loads(json_text(result, Style()))


def holds(folder: Path, rng: Random) -> None:
    """A scan tells the same twice and fails on nothing of its own; what fix writes compiles, and is all."""
    before = _contents(folder)
    result = api.scan(["."], cwd=folder, jobs=1)
    _no_error_of_our_own(result)
    if rng.random() < 0.25:
        kept = folder.with_name(folder.name + ".cache")
        for _ in range(2):
            assert said(api.scan(["."], cwd=folder, jobs=1, cache=kept)) == said(result), "another answer"
    planned = fix(["."], unsafe=True, seed="args.n", cwd=folder)
    for path, reason in planned.refused:
        assert "internal error" not in reason, f"{path}: {reason}"
    for path, data in planned.contents.items():
        if path.endswith(".py") and _compiles((folder / path).read_bytes()):
            assert _compiles(data), f"{path} does not compile any more:\n{planned.diff}"
        elif path.endswith(".ipynb"):
            # A control character in a string, which is no JSON, stays as it was.
            json.loads(data, strict=False)
    if planned.contents:
        unsaved = {str(folder.resolve() / path): data for path, data in planned.contents.items()}
        again = fix(["."], unsafe=True, seed="args.n", cwd=folder, unsaved=unsaved)
        assert not again.contents, f"a second fix changes more:\n{planned.diff}\nand then\n{again.diff}"
    assert _contents(folder) == before, "something was written"


def _no_error_of_our_own(result: ScanResult) -> None:
    for held in result.not_analysed:
        assert "internal error" not in held.reason, held
    for finding in result.findings:
        assert finding.rule != NOT_ANALYSED or "internal error" not in finding.message, finding


def _contents(folder: Path) -> Mapping[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def _compiles(data: bytes) -> bool:
    """Whether this Python takes a program; LibCST takes those of newer ones as well."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            compile(data, "<text>", "exec", dont_inherit=True)
        except (SyntaxError, ValueError):
            return False
    return True


def _write(folder: Path, name: str, data: str | bytes) -> None:
    (folder / name).write_bytes(data if isinstance(data, bytes) else data.encode("utf-8", "surrogatepass"))


def code(rng: Random, folder: Path) -> None:
    """A program of the fixtures, changed, beside a pin."""
    _write(folder, "train.py", changed_program(rng.choice(own_programs()), rng))
    _write(folder, "requirements.txt", rng.choice(PINS))
    holds(folder, rng)


def foreign(rng: Random, folder: Path) -> None:
    """A file that others test parsers with, made relevant, and sometimes damaged."""
    text, own = foreign_text(rng), RUN if rng.random() < 0.5 else rng.choice(own_programs())
    if rng.random() < 0.3:
        text = damaged(text, rng)
    order = [text + b"\n", own.encode()]
    if rng.random() < 0.5:
        order.reverse()
    _write(folder, "train.py", b"".join(order))
    if rng.random() < 0.3:
        _write(folder, "helpers.py", foreign_text(rng) + b"\nimport opacus\n")
        _write(folder, "main.py", "from helpers import *\nfrom train import *\n" + RUN)
    holds(folder, rng)


def notebooks(rng: Random, folder: Path) -> None:
    """A program as a notebook, with magics, its document changed or its bytes damaged."""
    lines = changed_program(rng.choice(own_programs()), rng).splitlines(keepends=True)
    cells: list[dict[str, Any]] = []
    while lines:
        count = rng.randint(1, 40)
        source, lines = lines[:count], lines[count:]
        cells.append({"cell_type": "code", "source": source if rng.random() < 0.7 else "".join(source)})
        cells[-1].update(metadata={}, outputs=[], execution_count=None)
    for magic in (
        "%%writefile a.py\nx = 1\n",
        "!pip install opacus==1.5.2\n",
        "%%bash\nls\n",
        "x = !ls\n",
        "%%time\n",
    ):
        if rng.random() < 0.3:
            text = [magic, foreign_statement(rng)]
            cells.insert(rng.randint(0, len(cells)), {"cell_type": "code", "source": text, "metadata": {}})
    document: Any = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    how = rng.random()
    if how < 0.4:
        document = changed_document(document, rng)
    data = json.dumps(document, indent=rng.choice((None, 1)), ensure_ascii=rng.random() < 0.5)
    raw = data.encode("utf-8", "surrogatepass")
    _write(folder, "train.ipynb", damaged(raw, rng, 3) if how > 0.7 else raw)
    holds(folder, rng)


def pins(rng: Random, folder: Path) -> None:
    """A dependency file, damaged: every pin is where it is said to be, and raising it settles it."""
    samples = [(name, text.encode()) for name, text in SAMPLES.items()]
    name, data = rng.choice([*samples, *own_pins()])
    data = damaged(data, rng)
    _write(folder, name, data)
    pins_hold(name, data)
    if rng.random() < 0.1:
        _write(folder, "train.py", RUN)
        holds(folder, rng)


def pins_hold(name: str, data: bytes) -> None:
    parsed = parse_file(name, data)
    for problem in parsed.problems:
        assert "internal error" not in problem.reason, problem
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return
    for pin in parsed.pins:
        assert 1 <= pin.line <= line_at(text, len(text)), pin
        assert pin.span is None or 0 <= pin.span[0] <= pin.span[1] <= len(text), pin
        edit = plan_raise(pin)
        if isinstance(edit, Edit):
            raised = apply_edits(text, [edit])
            assert raised != text, pin
            written = range(edit.start, edit.start + len(edit.new) + 1)
            after = parse_file(name, raised.encode()).pins
            assert len(after) == len(parsed.pins), f"{pin} became {after}"
            left = [plan_raise(p) for p in after if p.span and p.span[0] in written]
            assert not any(isinstance(more, Edit) for more in left), f"{pin} is raised twice: {left}"


def configuration(rng: Random, folder: Path) -> None:
    """Configurations, ignore comments and ignore files, changed; the command line in every format."""
    lines = CONFIGURED.splitlines(keepends=True)
    table = "".join(line for line in lines if line.startswith("[tool") or rng.random() < 0.3)
    _write(folder, "pyproject.toml", damaged(table.encode(), rng, 3) if rng.random() < 0.7 else table)
    script = rng.choice(own_programs()).splitlines(keepends=True)
    for _ in range(rng.randint(0, 4)):
        at, comment = rng.randrange(len(script)), rng.choice(IGNORES)
        if rng.random() < 0.4:
            comment = damaged(comment.encode(), rng, 2).decode("utf-8", "replace")
        script[at] = script[at].rstrip("\n") + comment + "\n"
    _write(folder, "train.py", "".join(script))
    if rng.random() < 0.3:
        _write(folder, ".gitignore", damaged(b"build/\n!x\n*.[oa]\n**/foo\n/a/**/b\n\\#x\n", rng))
    _ends_as_documented(["scan", "--format", rng.choice(sorted(FORMATS)), "--jobs", "1", "."], folder)
    _ends_as_documented(["fix", "."], folder)


def _ends_as_documented(words: list[str], folder: Path) -> None:
    out, err = io.StringIO(), io.StringIO()
    here = Path.cwd()
    os.chdir(folder)
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            status = run(words)
    finally:
        os.chdir(here)
    told = out.getvalue() + err.getvalue()
    assert status in (0, 1, 2), f"{words}: {status}\n{told}"
    assert "internal error" not in told, f"{words}: {told[-2000:]}"


def reports(rng: Random, folder: Path) -> None:
    """A report or a baseline, changed: it is read, or told to be none."""
    text, baseline = _kept_report()
    if rng.random() < 0.5:
        text, baseline = (json.dumps(changed_document(json.loads(known), rng)) for known in (text, baseline))
    else:
        text, baseline = (_damaged_text(known, rng) for known in (text, baseline))
    _write(folder, "report.json", text)
    _write(folder, "baseline.json", baseline)
    with contextlib.suppress(ReportError):
        held = merged([read(text), read(_kept_report()[0])])
        for format_ in FORMATS:
            render(format_, held if format_ == "json" else with_lines(held, str(folder)), Style())
    with contextlib.suppress(UsageError):
        read_baseline(str(folder / "baseline.json"), "baseline.json")


def _damaged_text(text: str, rng: Random) -> str:
    return damaged(text.encode(), rng, 3).decode("utf-8", "replace")


@cache
def _kept_report() -> tuple[str, str]:
    folder = Path(__file__).resolve().parents[2] / "fixtures" / "package-two-modules"
    result = api.scan(["."], cwd=folder, jobs=1, opacus="==1.5.2")
    return json_text(result, Style()), baseline_text(result)
