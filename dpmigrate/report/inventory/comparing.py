"""What differs between an inventory that was committed and the code as it is now.

Lines move with every edit and reasons with them; neither is a difference. A run is told by its file and its
place among that file's runs.
"""

from __future__ import annotations

import json
import posixpath
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from dpmigrate.model import Run
from dpmigrate.report.json_ import SCHEMA, run_object
from dpmigrate.report.layout import clean
from dpmigrate.report.text import where
from dpmigrate.workspace.stretches import stretches_changed

Recorded = Mapping[str, Any]
"""The RUN object of a report."""

_MOVES = frozenset(["path", "line", "cell", "mode_because", "unpack"])
"""What says where a run is, or why something is believed of it."""


class RecordError(ValueError):
    """A file that is no inventory; the text says why, as a predicate."""


class Difference(NamedTuple):
    """One thing that is not as it was recorded: a run (`field` is None) or a field of one."""

    path: str
    cell: int | None
    line: int
    field: str | None
    recorded: Any
    now: Any

    def words(self) -> str:
        """The difference as a sentence without a full stop."""
        place = where(self.path, self.cell, self.line)
        if self.field is None:
            call = (self.recorded or self.now)["call"]
            made = "the run made by hand" if call == "manual" else f"the run of {clean(call)}"
            return f"{place}: {made} is {'gone' if self.now is None else 'not in the record'}"
        return f"{place}: {self.field} was {_json(self.recorded)}, is {_json(self.now)}"

    def document(self) -> dict[str, Any]:
        """The difference as a JSON object."""
        return self._asdict()


def recorded_runs(text: str, root: str = ".", cwd: str = "/") -> list[Recorded]:
    """The runs of an inventory, or of a whole report, in JSON. Raises RecordError for anything else.

    ``root`` is where the repository's root is from ``cwd``: what was recorded there is named from ``cwd``.
    """
    try:
        held = json.loads(text)
    except (ValueError, RecursionError):
        raise RecordError(
            "is not JSON; the record is what dpmigrate inventory --format json writes"
        ) from None
    if not isinstance(held, dict) or "schema" not in held or not isinstance(held.get("runs"), list):
        raise RecordError("is no inventory: it has no runs")
    if held["schema"] != SCHEMA:
        raise RecordError(f"has schema {_json(held['schema'])}; this version reads {SCHEMA}")
    runs: list[Recorded] = held["runs"]
    for run in runs:
        if not _is_run(run):
            raise RecordError(f"holds a run without a path, a line and a call: {_json(run)[:80]}")
    if held.get("root") != ".":
        return runs
    there = posixpath.join(cwd, root)
    return [{**run, "path": posixpath.relpath(posixpath.join(there, run["path"]), cwd)} for run in runs]


def is_below(path: str, folders: Sequence[str], cwd: str) -> bool:
    """Whether a path, as reports show it, is one of some files or lies in one of some folders."""
    absolute = posixpath.normpath(posixpath.join(cwd, path))
    given = (posixpath.normpath(posixpath.join(cwd, folder)) for folder in folders)
    return any(absolute == top or absolute.startswith(f"{top.rstrip('/')}/") for top in given)


def _is_run(run: Any) -> bool:
    if not isinstance(run, dict):
        return False
    cell, line = run.get("cell"), run.get("line")
    named = isinstance(run.get("path"), str) and isinstance(run.get("call"), str)
    return named and isinstance(line, int) and (cell is None or isinstance(cell, int))


def differences(recorded: Sequence[Recorded], runs: Sequence[Run]) -> list[Difference]:
    """What is not as it was recorded, file by file."""
    before, after = _by_path(recorded), _by_path([run_object(run) for run in runs])
    return [
        difference
        for path in sorted({*before, *after})
        for difference in _of_file(before.get(path, []), after.get(path, []))
    ]


def _by_path(runs: Iterable[Recorded]) -> dict[str, list[Recorded]]:
    held: dict[str, list[Recorded]] = {}
    for run in runs:
        held.setdefault(run["path"], []).append(run)
    return held


def _of_file(before: list[Recorded], after: list[Recorded]) -> Iterator[Difference]:
    for i, i_end, j, j_end in stretches_changed([_key(r) for r in before], [_key(r) for r in after]):
        pairs = min(i_end - i, j_end - j)
        for old, new in zip(before[i : i + pairs], after[j : j + pairs], strict=True):
            yield from _of_run(old, new)
        for old in before[i + pairs : i_end]:
            yield Difference(old["path"], old.get("cell"), old["line"], None, old, None)
        for new in after[j + pairs : j_end]:
            yield Difference(new["path"], new.get("cell"), new["line"], None, None, new)


def _of_run(old: Recorded, new: Recorded) -> Iterator[Difference]:
    was, is_now = _essence(old), _essence(new)
    # A field that the record does not have was not known to the version that wrote it.
    for field in is_now:
        if field in was and was[field] != is_now[field]:
            yield Difference(new["path"], new.get("cell"), new["line"], field, was[field], is_now[field])


def _essence(run: Recorded) -> dict[str, Any]:
    """What a run is, without what moves."""
    held = {name: value for name, value in run.items() if name not in _MOVES}
    manager, opacus = held.get("batch_memory_manager"), held.get("opacus")
    if isinstance(manager, dict):
        held["batch_memory_manager"] = manager.get("kind")
    if isinstance(opacus, dict):
        held["opacus"] = opacus.get("spec")
    # As JSON has them: a list, where the code speaks of a tuple.
    as_json: dict[str, Any] = json.loads(json.dumps(held))
    return as_json


def _key(run: Recorded) -> str:
    return json.dumps(_essence(run), sort_keys=True)


def _json(value: Any) -> str:
    return json.dumps(value)
