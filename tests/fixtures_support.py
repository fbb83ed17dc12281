"""The fixtures as data: what ``fixtures/*/expect.toml`` says, and a way to run each project on a real Opacus.

The layout is described in ``fixtures/README.md``. Running happens in a child process (see
``tests/fixtures_recorder.py``), since two releases of Opacus cannot be imported side by side.
"""

from __future__ import annotations

import atexit
import json
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from tests.opacus_releases import CHECKOUT, environment

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FIXTURES = CHECKOUT / "fixtures"
SIDES = ("before", "after", "clean")


@dataclass(frozen=True)
class Expected:
    """One finding that ``scan`` reports on ``before/`` (``cell`` only in notebooks, 0-based)."""

    rule: str
    path: str
    line: int
    certainty: str
    cell: int | None = None


@dataclass(frozen=True)
class Harm:
    """What goes wrong when ``before/`` runs on the releases named.

    ``kind``: "clipped-sum" (relative error of the sum that receives the noise at least ``error_at_least``),
    "raises" (``error`` is the exception's class), "noise" (``repeats`` are the streams that two unseeded
    processes share, out of "noise" and "batches"), "sampling", "epsilon" or "step" (a ``figure`` of
    `tests.fixtures_figures` is ``at_least`` so much), or "none" (the sum equals the oracle's).
    """

    kind: str
    opacus: tuple[str, ...]
    detail: str
    error_at_least: float = 0.0
    error: str = ""
    figure: str = ""
    at_least: float = 0.0
    repeats: tuple[str, ...] = ()
    after_repeats: tuple[str, ...] = ()
    clean_repeats: tuple[str, ...] = ()


@dataclass(frozen=True)
class Fixture:
    """One scenario: a folder under ``fixtures/`` with an ``expect.toml``."""

    path: Path
    expect: dict[str, Any]

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.path.name

    def side(self, side: str) -> Path:
        """The folder of one of ``SIDES``."""
        return self.path / side

    def has(self, side: str) -> bool:
        """Whether the fixture has that side."""
        return self.side(side).is_dir()

    def versions(self, side: str) -> tuple[str, ...]:
        """Releases on which a corrected side runs as it should."""
        return tuple(self.expect.get(f"{side}_opacus", ()))

    def expected(self, table: str = "finding") -> tuple[Expected, ...]:
        """The findings of a table: "finding", "info" (severity info) or "remaining" (left after the fix)."""
        return tuple(Expected(**row) for row in self.expect.get(table, ()))

    def harms(self) -> tuple[Harm, ...]:
        """What running ``before/`` shows."""
        return tuple(_harm(row) for row in self.expect.get("harm", ()))

    @property
    def hooks_reference(self) -> bool:
        """Whether the project also runs in hooks mode, so that the two modes can be compared."""
        return bool(self.expect["verify"].get("hooks", True))

    @property
    def entry(self) -> str:
        """The script, notebook or dotted module that starts the training."""
        verify = self.expect["verify"]
        return str(verify.get("script") or verify["module"])

    @property
    def arguments(self) -> tuple[str, ...]:
        """Command-line arguments of the training."""
        return tuple(self.expect["verify"]["args"])


def _harm(row: dict[str, Any]) -> Harm:
    fields: dict[str, Any] = {key: tuple(v) if isinstance(v, list) else v for key, v in row.items()}
    return Harm(**fields)


@cache
def fixtures() -> tuple[Fixture, ...]:
    """Every fixture, by name."""
    found = []
    for path in sorted(FIXTURES.glob("*/expect.toml")):
        found.append(Fixture(path.parent, tomllib.loads(path.read_text(encoding="utf-8"))))
    return tuple(found)


def run(
    fixture: Fixture,
    side: str,
    version: str,
    *,
    hooks: bool = False,
    keep_noise: bool = False,
    seed: int | None = 0,
) -> dict[str, Any]:
    """Run one side of a fixture on one release and return the recorder's account of it.

    ``hooks`` runs it a second time in hooks mode. ``seed`` is set before the script starts, which may set its
    own; None leaves the process unseeded.
    """
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "record.json"
        options = ["--project", str(fixture.side(side)), "--script", fixture.entry, "--out", str(out)]
        options += ["--oracle", str(fixture.path / "oracle.py")]
        options += ["--hooks"] * hooks + ["--keep-noise"] * keep_noise
        options += [] if seed is None else ["--seed", str(seed)]
        recorder(version).run([*options, "--", *fixture.arguments])
        account: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
    assert account["opacus"] == version
    return account


class RecorderProcess:
    """A process with one release of Opacus imported that forks for every job (see ``fixtures_recorder``)."""

    def __init__(self, version: str) -> None:
        self._stderr = tempfile.TemporaryFile("w+")  # noqa: SIM115 - lives as long as the process
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.fixtures_recorder"],
            env=environment(version),
            cwd=CHECKOUT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            text=True,
        )

    def run(self, arguments: list[str]) -> None:
        """Run one job to its end; AssertionError with what it said when the recorder itself failed."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._stderr.seek(0)
        self._stderr.truncate()
        self._process.stdin.write(json.dumps(arguments) + "\n")
        self._process.stdin.flush()
        status = self._process.stdout.readline().strip()
        if status != "0":
            self._stderr.seek(0)
            raise AssertionError(f"the recorder ended with status {status or 'none'}:\n{self._stderr.read()}")

    def close(self) -> None:
        """End the process, which ends by itself when nothing more can come."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(timeout=30)


@cache
def recorder(version: str) -> RecorderProcess:
    """The recorder of a release, started on first use and ended with the test process."""
    started = RecorderProcess(version)
    atexit.register(started.close)
    return started


@dataclass(frozen=True)
class Shape:
    """One half of a pair under ``fixtures/shapes``: the same names and calls, other objects.

    ``opacus`` is the specifier to scan with; ``expected`` are the findings, none in the ``no`` half.
    """

    path: Path
    opacus: str
    expected: tuple[Expected, ...]

    @property
    def name(self) -> str:
        """Pair and half, as in "mode-literal/yes"."""
        return f"{self.path.parent.name}/{self.path.stem}"

    def lay_out(self, folder: Path) -> None:
        """Copy this half, and the modules that both halves share, into an empty project folder."""
        for path in self.path.parent.glob("*.py"):
            if path == self.path or path.stem not in ("yes", "no"):
                shutil.copy(path, folder / path.name)


@cache
def shapes() -> tuple[Shape, ...]:
    """Both halves of every pair, by name. Raises ValueError for a header line that cannot be read."""
    return tuple(
        _shape(path) for path in sorted(FIXTURES.glob("shapes/*/*.py")) if path.stem in ("yes", "no")
    )


def _shape(path: Path) -> Shape:
    opacus, expected = "", []
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.startswith("# "):
            break
        key, _, value = line[2:].partition(": ")
        found = re.fullmatch(r"(?:(\S+\.py):)?(DPM\d{3})@(\d+) (definite|possible)", value)
        if key == "opacus":
            opacus = value
        elif key == "expect" and found:
            other, rule, number, certainty = found.groups()
            expected.append(Expected(rule, other or path.name, int(number), certainty))
        elif (key, value) != ("expect", "none"):
            raise ValueError(f"{path}: cannot read the header line {line!r}")
    return Shape(path, opacus, tuple(expected))


def numbers(text: str) -> list[float]:
    """Every number that a script printed, in order."""
    return [float(found) for found in re.findall(r"-?\d+(?:\.\d+)?(?:e-?\d+)?", text)]
