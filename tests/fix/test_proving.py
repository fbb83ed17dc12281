"""Several fixes are tried together; what fails is found by halves, and the others are kept in their order."""

from __future__ import annotations

from typing import Any

import pytest

from dpmigrate.advisories.findings import Found
from dpmigrate.codemods.jobs import Job
from dpmigrate.codemods.options import Options
from dpmigrate.fixing.proving import ProofProblem, Prover
from dpmigrate.project import Project
from dpmigrate.workspace.discover import discover
from dpmigrate.workspace.settings import Settings


class Named(Job):
    """A job that is known by the file that it changes."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name

    @property
    def path(self) -> str:
        return self.name


class Trying(Prover):
    """Every job is writable, and those in ``bad`` fail, as does any that comes behind one it excludes."""

    def __init__(self, bad: str, clashes: tuple[str, ...] = ()) -> None:
        self.refused: list[str] = []
        project = Project(discover([], Settings("/")), {})
        super().__init__(project, Found(), lambda _: Found(), Options(), self._note)
        self.bad = bad
        self.clashes = clashes
        self.tries = 0

    def _note(self, path: str, reason: str, found: Any = ()) -> None:
        self.refused.append(path)

    def _writable(self, job: Job) -> None:
        return None

    def _try(self, jobs: Any) -> Any:
        self.tries += 1
        names = "".join(job.path for job in jobs)
        wrong = any(b in names for b in self.bad) or any(set(c) <= set(names) for c in self.clashes)
        return {names: b""}, [ProofProblem(None, "wrong")] if wrong else [], None


@pytest.mark.parametrize(
    ("bad", "clashes", "kept", "most"),
    [
        ("", (), "abcdefgh", 1),
        ("a", (), "bcdefgh", 7),
        ("h", (), "abcdefg", 6),
        ("cf", (), "abdegh", 11),
        ("", ("bg",), "abcdefh", 7),
        ("abcdefgh", (), "", 16),
    ],
)
def test_what_holds_is_kept(bad: str, clashes: tuple[str, ...], kept: str, most: int) -> None:
    trying = Trying(bad, clashes)
    contents, jobs, _ = trying.prove([Named(name) for name in "abcdefgh"])
    assert "".join(job.path for job in jobs) == kept
    assert contents == ({kept: b""} if kept else {})
    assert trying.refused == [name for name in "abcdefgh" if name not in kept]
    assert trying.tries <= most


class Apart(Trying):
    """Each job changes a component of its own, and what goes wrong is known by its file."""

    def _components(self, job: Job) -> set[int]:
        return {ord(job.path)}

    def _try(self, jobs: Any) -> Any:
        contents, _, _ = super()._try(jobs)
        self._component.update({name: ord(name) for name in "abcdefgh"})
        wrong = [ProofProblem(job.path, "wrong") for job in jobs if job.path in self.bad]
        wrong += [ProofProblem(c[-1], "clash") for c in self.clashes if set(c) <= {job.path for job in jobs}]
        return contents, wrong, None


@pytest.mark.parametrize(
    ("bad", "kept", "most"),
    [("", "abcdefgh", 1), ("c", "abdefgh", 2), ("abcdefgh", "", 1), ("aceg", "bdfh", 2)],
)
def test_what_fails_by_itself_is_not_looked_for_by_halves(bad: str, kept: str, most: int) -> None:
    trying = Apart(bad)
    _, jobs, _ = trying.prove([Named(name) for name in "abcdefgh"])
    assert "".join(job.path for job in jobs) == kept
    assert trying.refused == [name for name in "abcdefgh" if name not in kept]
    assert trying.tries <= most


def test_nothing_to_prove() -> None:
    trying = Trying("")
    assert trying.prove([]) == ({}, [], None)
    assert trying.tries == 0
