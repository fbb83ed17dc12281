"""Files that others may have written, which no scan reads as code: entries of a cache, reports, baselines."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click import ClickException

from dpmigrate.cli import run
from dpmigrate.cli.output import emit
from dpmigrate.report import FORMATS, render
from dpmigrate.report.json_ import render as json_text
from dpmigrate.report.lines_on_disk import with_lines
from dpmigrate.report.merging import merged
from dpmigrate.report.reading import ReportError, read
from dpmigrate.report.style import Style
from dpmigrate.scanning.baseline import read_baseline
from dpmigrate.scanning.cache import Cache, bytes_digest
from dpmigrate.workspace.errors import UsageError
from dpmigrate.workspace.reading import read_bytes, read_named
from tests.report.conftest import *  # noqa: F403 - the result that has something of everything

KEY = "ab" * 20


def entry(cache: Cache, body: bytes) -> Path:
    """An entry that has the form of one, whatever it holds."""
    path = Path(cache.folder, KEY[:2], KEY[2:])
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(f"{KEY} {bytes_digest(body)}\n".encode() + body)
    return path


def test_an_entry_of_this_user_is_read(tmp_path: Path) -> None:
    entry(Cache(str(tmp_path)), b"[1]")
    assert Cache(str(tmp_path)).get(KEY) == [1]


@pytest.mark.parametrize("body", [b"[" * 100_000, b"[1", b"\xff", b"1" * 10_000])
def test_an_entry_that_is_no_json_is_none(tmp_path: Path, body: bytes) -> None:
    entry(Cache(str(tmp_path)), body)
    assert Cache(str(tmp_path)).get(KEY) is None


def _is_a_link(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to("elsewhere")


def _is_a_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _is_another_users(path: Path) -> None:
    os.chown(path, 12345, -1)


@pytest.mark.parametrize("plant", [_is_a_link, _is_a_pipe, _is_another_users])
def test_an_entry_that_somebody_planted_is_none(tmp_path: Path, plant: Callable[[Path], None]) -> None:
    if plant is _is_another_users and (not hasattr(os, "geteuid") or os.geteuid()):
        pytest.skip("only root gives files away")
    plant(entry(Cache(str(tmp_path)), b"[1]"))
    assert Cache(str(tmp_path)).get(KEY) is None


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="has no device that never ends")
def test_a_file_without_end_is_read_to_a_bound() -> None:
    with pytest.raises(OSError, match="too large"):
        read_bytes("/dev/zero")


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="has no device that never ends")
@pytest.mark.parametrize(
    "command",
    [
        ("scan", "--baseline", "known.json", "."),
        ("merge", "known.json"),
        ("inventory", "--check", "known.json"),
    ],
)
def test_a_named_file_without_end_is_read_to_a_bound(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: tuple[str, ...],
) -> None:
    (tmp_path / "known.json").symlink_to("/dev/zero")
    (tmp_path / "a.py").write_text("")
    monkeypatch.chdir(tmp_path)
    assert run(command) == 2
    assert "too large" in capsys.readouterr().err


def test_a_named_pipe_is_read_to_its_end(tmp_path: Path) -> None:
    pipe, body = tmp_path / "pipe", b"x" * 300_000
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_bytes(body))
    writer.start()
    assert read_named(str(pipe)) == body
    writer.join()


ODD: dict[str, Any] = {
    "infinity": 1e999,
    "no number": float("nan"),
    "a large number": 10**400,
    "a negative number": -1,
    "a truth": True,
    "nothing": None,
    "a text": "\x1b[2J\n::error::",
    "a null": "a\0b",
    "half a character": "\ud800",
    "a list": [[]],
    "an object": {"a": 1},
}


def places(value: Any, above: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The way to everything in a JSON document, one of each kind."""
    inner = (
        value.items()
        if isinstance(value, dict)
        else list(enumerate(value))[:1]
        if isinstance(value, list)
        else ()
    )
    return [above, *(place for key, item in inner for place in places(item, (*above, key)))]


@pytest.mark.parametrize("name", ODD)
def test_a_report_in_which_anything_is_of_another_kind_is_told_or_shown(result: Any, name: str) -> None:
    text = json_text(result, Style())
    for place in places(json.loads(text))[1:]:
        document = json.loads(text)
        holder = document
        for key in place[:-1]:
            holder = holder[key]
        holder[place[-1]] = ODD[name]
        try:
            held = merged([read(json.dumps(document))])
        except ReportError:
            continue
        for format_ in FORMATS:
            render(format_, held if format_ == "json" else with_lines(held, "/nowhere"), Style())


def test_a_merged_report_shows_no_line_of_a_file_outside(tmp_path: Path, result: Any) -> None:
    (tmp_path / "project" / ".git").mkdir(parents=True)
    (tmp_path / "project" / "in.py").write_text("inside\n")
    (tmp_path / "out.py").write_text("secret\n")
    (tmp_path / "project" / "link.py").symlink_to("../out.py")
    os.mkfifo(tmp_path / "project" / "pipe.py")
    shown = []
    for path in ("in.py", "../out.py", "link.py", "pipe.py", "/dev/zero", str(tmp_path / "out.py"), "a\0b"):
        finding = result.findings[0]
        one = result._replace(
            findings=(finding._replace(span=finding.span._replace(path=path, cell=None), because=()),),
            suppressed=(),
            not_analysed=(),
        )
        shown += [
            line for lines in with_lines(one, str(tmp_path / "project")).lines.values() for line in lines
        ]
    assert shown == ["inside"]


@pytest.mark.parametrize(
    "text", ["[" * 100_000, '{"schema": 1, "findings": [{"path": 1e999}]}', "1" * 10_000]
)
def test_a_crafted_baseline_is_told(tmp_path: Path, text: str) -> None:
    (tmp_path / "b.json").write_text(text)
    with pytest.raises(UsageError):
        read_baseline(str(tmp_path / "b.json"), "b.json")


def test_no_report_is_written_through_a_link_that_leads_out_of_the_project(tmp_path: Path) -> None:
    project, outside = tmp_path / "project", tmp_path / "outside"
    (project / ".git").mkdir(parents=True)
    outside.mkdir()
    (outside / "kept").write_text("kept")
    (project / "report.json").symlink_to(outside / "kept")
    (project / "new.json").symlink_to(outside / "new.json")
    (project / "reports").symlink_to(outside)
    for name in ("report.json", "new.json", "reports/new.json", "reports/kept"):
        with pytest.raises(ClickException, match="out of the project"):
            emit("text", str(project / name))
    assert [path.read_text() for path in outside.iterdir()] == ["kept"]
    (project / "inside.json").symlink_to("own.json")
    (outside / "link.json").symlink_to(project / "own.json")
    for path in (project / "inside.json", outside / "link.json", outside / "kept"):
        emit("text", str(path))
    assert (project / "own.json").read_text() == (outside / "kept").read_text() == "text"
