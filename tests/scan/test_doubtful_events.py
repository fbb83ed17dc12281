"""What happens in a branch without an assumption of its own may be what another run does."""

from __future__ import annotations

import pytest

from dpmigrate.analysis.guards import ALWAYS, DOUBT, SEVERAL, Guard, Literal, doubt
from dpmigrate.analysis.ledger import Circumstances
from dpmigrate.analysis.ledger.events import Event


@pytest.mark.parametrize(
    ("guard", "doubtful"),
    [
        (ALWAYS, False),
        (frozenset({Literal("flag", ("truth",), True)}), False),
        (frozenset({DOUBT}), True),
        (frozenset({SEVERAL}), True),
        (frozenset({doubt("the branch of a test", 1)}), True),
    ],
)
def test_a_branch_that_no_assumption_tells_from_the_other_leaves_a_doubt(
    guard: Guard, doubtful: bool
) -> None:
    event = Event(Circumstances(None, guard, (), ()))  # type: ignore[arg-type]
    assert event.doubtful is doubtful
