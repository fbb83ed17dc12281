"""The hooks, run by the real pre-commit in a throw-away repository that uses this project."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
FAULTY = CHECKOUT / "fixtures" / "single-script" / "before"
FIXED = CHECKOUT / "fixtures" / "single-script" / "after"
IDENTITY = ("-c", "user.name=Tester", "-c", "user.email=tester@example.org", "-c", "commit.gpgsign=false")
OFFLINE = ("No matching distribution", "Connection", "Temporary failure in name resolution", "Max retries")
CONFIG = """\
repos:
  - repo: {url}
    rev: {rev}
    hooks:
      - id: dpmigrate
"""

# One group: the environment of the hook is made once, on one worker.
pytestmark = [pytest.mark.network, pytest.mark.slow, pytest.mark.xdist_group("pre-commit")]


class Store(NamedTuple):
    """The hook's own environment in pre-commit's store, with what ``git`` and ``pre-commit`` run in."""

    config: str
    env: dict[str, str]
    path: Path


class Repository(NamedTuple):
    """A repository of a user of the hook."""

    folder: Path
    env: dict[str, str]

    def git(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run git here; its exit status is the caller's to judge."""
        return command(["git", *IDENTITY, *arguments], self.folder, self.env)

    def commit(self, project: Path) -> subprocess.CompletedProcess[str]:
        """Put the files of `project` in place, add them, and try to commit."""
        for path in project.iterdir():
            shutil.copyfile(path, self.folder / path.name)
        self.git("add", "--all")
        return self.git("commit", "--message", "try")


def command(line: list[str], cwd: Path, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run one command to its end, however it ends."""
    return subprocess.run(
        line,
        cwd=cwd,
        env=env,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
        stdin=subprocess.DEVNULL,
    )


def must(line: list[str], cwd: Path, env: dict[str, str]) -> str:
    """Run a command that has to succeed; what it printed."""
    done = command(line, cwd, env)
    assert done.returncode == 0, f"{line}: {done.stdout}\n{done.stderr}"
    return done.stdout.strip()


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """This checkout as a git repository, and pre-commit's environment made from it."""
    root = tmp_path_factory.mktemp("precommit")
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("GIT_", "PYTHONPATH"))}
    env = kept | {"PRE_COMMIT_HOME": str(root / "store"), "NO_COLOR": "1", "PRE_COMMIT_COLOR": "never"}
    project = root / "dpmigrate"
    project.mkdir()
    for name in must(["git", "ls-files", "-co", "--exclude-standard"], CHECKOUT, env).splitlines():
        if name.startswith("tests/") or not (CHECKOUT / name).is_file():
            continue
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(CHECKOUT / name, project / name)
    must(["git", "init", "--quiet"], project, env)
    must(["git", "add", "--all"], project, env)
    must(["git", *IDENTITY, "commit", "--quiet", "--message", "snapshot"], project, env)
    rev = must(["git", "rev-parse", "HEAD"], project, env)
    made = Store(CONFIG.format(url=project.as_uri(), rev=rev), env, root / "store")
    user = root / "user"
    user.mkdir()
    done = install(user, made)
    if done.returncode:
        said = done.stdout + done.stderr
        if os.environ.get("CI") or not any(word in said for word in OFFLINE):
            pytest.fail(f"the environment of the hook could not be made: {said[-2000:]}")
        pytest.skip("the environment of the hook can only be made with the network")
    return made


def install(folder: Path, store: Store) -> subprocess.CompletedProcess[str]:
    """Make `folder` a repository that has the hook."""
    must(["git", "init", "--quiet"], folder, store.env)
    (folder / ".pre-commit-config.yaml").write_text(store.config, encoding="utf-8")
    return command([sys.executable, "-m", "pre_commit", "install", "--install-hooks"], folder, store.env)


@pytest.fixture
def repository(store: Store, tmp_path: Path) -> Repository:
    """An empty repository with the hook."""
    assert install(tmp_path, store).returncode == 0
    return Repository(tmp_path, store.env)


def test_a_clean_commit_passes(repository: Repository) -> None:
    done = repository.commit(FIXED)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "dpmigrate (faulty ghost clipping)" in done.stderr
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
    assert min(times) < 0.3


def own_time() -> float:
    """Processor seconds of the child processes so far: what a busy machine does not stretch."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
