"""A process killed while it writes leaves every file whole, old or new."""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from collections.abc import Callable

import pytest

from dpmigrate.workspace.transaction import Transaction
from tests.fix.conftest import Folder

FILES = 200
KILLS = int(os.environ.get("DPMIGRATE_KILLS", "20"))
"""How often; each takes about a second, so that all 200 are for a release."""
SCRIPT = """\
import torch
from opacus import PrivacyEngine


def main(model, optimizer, loader):
    generator = torch.Generator()
    return PrivacyEngine().make_private(
        module=model, optimizer=optimizer, data_loader=loader, noise_generator=generator,
        noise_multiplier=1.0, max_grad_norm=1.0,
    )
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills forked children in the middle of a write")
def test_every_file_is_whole_after_a_kill(
    folder: Callable[..., Folder], monkeypatch: pytest.MonkeyPatch
) -> None:
    project = folder({f"train_{i}.py": SCRIPT for i in range(FILES)})
    old = project.snapshot()
    new = {n: d.replace(b"Generator()\n", b"Generator()\n    generator.seed()\n") for n, d in old.items()}
    rng = random.Random(5)
    commit = Transaction.commit
    seen: set[str] = set()

    def timed(self: Transaction) -> float:
        start = time.perf_counter()
        child = os.fork()
        if child == 0:
            commit(self)
            os._exit(0)
        os.waitpid(child, 0)
        return time.perf_counter() - start

    def put_back() -> None:
        for path in project.path.iterdir():
            if path.name not in old:
                path.unlink()
            elif path.read_bytes() != old[path.name]:
                path.write_bytes(old[path.name])

    def killed_commit(self: Transaction) -> None:
        whole = timed(self)
        assert project.snapshot() == new
        put_back()
        for attempt in range(10 * KILLS):
            if attempt >= KILLS and seen == {"old", "new"}:
                break
            child = os.fork()
            if child == 0:
                commit(self)
                os._exit(0)
            time.sleep(rng.uniform(0, whole))
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            for name, data in old.items():
                now = (project.path / name).read_bytes()
                assert now in (data, new[name]), name
                seen.add("old" if now == data else "new")
            put_back()
            if "new" not in seen:
                # Other work makes the machine slower than it was when the whole was timed.
                whole *= 1.2
        commit(self)

    monkeypatch.setattr(Transaction, "commit", killed_commit)
    sys.stdout.flush()
    result = project.fix()
    assert len(result.applied) == FILES
    assert project.snapshot() == new
    assert seen == {"old", "new"}
