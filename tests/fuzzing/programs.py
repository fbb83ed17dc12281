"""The random programs of the tests, drawn anew: what is said of them holds when they run."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

import hypothesis
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from tests.fix import test_random_training as fixed
from tests.fuzzing.kinds import Kind
from tests.scan import test_soundness as soundness
from tests.scan.random_choices import choices
from tests.scan.random_hooks import hooks_programs
from tests.scan.random_programs import PROGRAMS
from tests.scan.random_training import programs

AT_ONCE = 20
"""Programs of one draw: the first of each is the smallest there is."""
_SETTINGS = settings(
    max_examples=AT_ONCE, deadline=None, suppress_health_check=list(HealthCheck), database=None
)


def _drawn(strategy: st.SearchStrategy[str], test: Any) -> Kind:
    checked: Callable[[Any, str], None] = test.hypothesis.inner_test

    def kind(rng: Random, folder: Path) -> None:
        count = 0

        def mktemp(name: str, *, numbered: bool) -> Path:
            # Of one that fails the smallest comes last, and is left there.
            nonlocal count
            shutil.rmtree(folder / f"{name}{count}", ignore_errors=True)
            count += numbered
            (folder / f"{name}{count}").mkdir()
            return folder / f"{name}{count}"

        def one(program: str) -> None:
            checked(SimpleNamespace(mktemp=mktemp), program)

        hypothesis.seed(rng.getrandbits(64))(_SETTINGS(hypothesis.given(strategy)(one)))()

    return kind


PROGRAM_KINDS: dict[str, Kind] = {
    "modes": _drawn(PROGRAMS, soundness.test_no_mode_of_any_execution_is_missing),
    "training": _drawn(programs(), soundness.test_findings_are_what_some_execution_does),
    "choices": _drawn(
        choices(), soundness.test_what_is_definite_happens_in_every_execution_that_makes_the_run
    ),
    "hooks": _drawn(
        hooks_programs(),
        soundness.test_what_standard_clipping_does_wrong_is_told_where_some_execution_does_it,
    ),
    "fixed": _drawn(programs(), fixed.test_a_fix_breaks_nothing_in_any_mode),
}
"""Each call of one checks ``AT_ONCE`` programs."""
