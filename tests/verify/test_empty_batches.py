"""A batch that gets no step, an empty one say, shifts the memory manager's queue; others do not."""

from __future__ import annotations

import pytest

from tests.verify.warm import verify

pytestmark = [pytest.mark.opacus, pytest.mark.slow]


@pytest.mark.parametrize(
    ("version", "arguments"),
    [
        ("1.6.0", ("skip", "ghost")),
        ("1.6.0", ("skip", "workers")),
        ("1.5.2", ("skip",)),
        ("1.6.0", ("some", "ghost")),
        ("1.6.0", ("ahead some",)),
        ("1.6.0", ("break",)),
        ("1.6.0", ("cut",)),
    ],
)
def test_skipped_batch_is_named(version: str, arguments: tuple[str, ...]) -> None:
    done = verify(version, "--steps", "14", "--checks", "logical-batches", "train_empty.py", "--", *arguments)
    assert done.status == 1, done.stderr[-2000:]
    assert "skipped" in done.stderr
    assert done.failing == {("logical-batches", "DPM302")}
    detail = next(c["detail"] for c in done.report["checks"] if c["rule"] == "DPM302")
    assert detail.startswith("empty-batch-skipped: ")


@pytest.mark.parametrize(
    "arguments",
    [("process",), ("process", "ghost", "workers"), ("replace",), ("ahead", "ghost"), ("enough",)],
)
def test_empty_batches_with_steps_of_their_own_raise_no_alarm(arguments: tuple[str, ...]) -> None:
    done = verify("1.6.0", "--steps", "24", "--checks", "logical-batches", "train_empty.py", "--", *arguments)
    assert done.status == 0, (done.report, done.stderr[-2000:])
    assert ("replaced" in done.stderr) is (arguments[0] == "replace")
