"""The real pre-commit, with an environment for the hooks that is made from this checkout once."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
IDENTITY = ("-c", "user.name=Tester", "-c", "user.email=tester@example.org", "-c", "commit.gpgsign=false")
OFFLINE = ("No matching distribution", "Connection", "Temporary failure in name resolution", "Max retries")
URL, COMMIT = "<URL of this repository>", "<commit>"


def as_printed() -> str:
    """The configuration that README.md prints."""
    text = (CHECKOUT / "README.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"^```yaml\n(repos:\n.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert URL in block
    assert COMMIT in block
    return block


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


@pytest.fixture(scope="session")
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
    # README.md says to take the commit that this prints.
    commit = must(["git", "ls-remote", project.as_uri(), "HEAD"], root, env).split()[0]
    config = as_printed().replace(URL, project.as_uri()).replace(COMMIT, commit)
    made = Store(config, env, root / "store")
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
