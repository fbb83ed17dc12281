"""The hooks, run by the real pre-commit in a throw-away repository that uses this project."""

from __future__ import annotations

import resource
from pathlib import Path

import pytest

from tests.costs import allowed
from tests.precommit.conftest import CHECKOUT, Repository, Store, must

FAULTY = CHECKOUT / "fixtures" / "single-script" / "before"
FIXED = CHECKOUT / "fixtures" / "single-script" / "after"

# One group: the environment of the hook is made once, on one worker.
pytestmark = [pytest.mark.network, pytest.mark.slow, pytest.mark.xdist_group("pre-commit")]


def test_a_clean_commit_passes(repository: Repository) -> None:
    done = repository.commit(FIXED)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "dpmigrate (privacy faults in Opacus training code)" in done.stderr
    assert "Passed" in done.stderr


def test_a_faulty_file_is_refused_with_the_finding_on_screen(repository: Repository) -> None:
    done = repository.commit(FAULTY)
    assert done.returncode == 1
    assert "Failed" in done.stderr
    assert "train.py:" in done.stderr
    assert "DPM101 [error]" in done.stderr
    assert "^^^" in done.stderr
    assert repository.git("rev-parse", "--verify", "HEAD").returncode != 0


def test_only_the_files_of_the_commit_are_reported(repository: Repository) -> None:
    assert repository.commit(FIXED).returncode == 0
    faulty = (FAULTY / "train.py").read_text(encoding="utf-8")
    (repository.folder / "old.py").write_text(faulty, encoding="utf-8")
    repository.git("add", "--all")
    assert repository.git("commit", "--no-verify", "--message", "old fault").returncode == 0
    (repository.folder / "plain.py").write_text("import opacus\n", encoding="utf-8")
    repository.git("add", "plain.py")
    done = repository.git("commit", "--message", "plain")
    assert done.returncode == 0, done.stdout + done.stderr


def test_torch_is_not_installed_into_the_environment_of_the_hook(store: Store, tmp_path: Path) -> None:
    (python,) = store.path.glob("repo*/py_env-*/bin/python")
    code = "from importlib.util import find_spec as f; print(f('torch'), f('opacus'), f('dpmigrate') is None)"
    assert must([str(python), "-c", code], tmp_path, store.env) == "None None False"


def test_files_without_opacus_cost_the_hook_little_time(store: Store, tmp_path: Path) -> None:
    (entry,) = store.path.glob("repo*/py_env-*/bin/dpmigrate")
    names = [f"module_{i}.py" for i in range(200)]
    for name in names:
        (tmp_path / name).write_text("import numpy\n\nprint(numpy.pi)\n" * 50, encoding="utf-8")
    must(["git", "init", "--quiet"], tmp_path, store.env)
    must(["git", "add", "--all"], tmp_path, store.env)
    must([str(entry), "scan", *names], tmp_path, store.env)  # the first run writes byte code
    times = []
    for _ in range(5):
        start = own_time()
        must([str(entry), "scan", *names], tmp_path, store.env)
        times.append(own_time() - start)
    assert min(times) < allowed(0.3)


def own_time() -> float:
    """Processor seconds of the child processes so far: what a busy machine does not stretch."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
