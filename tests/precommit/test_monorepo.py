"""Real commits in a monorepo of three packages, with the hooks as README.md prints them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.precommit.conftest import CHECKOUT, Repository, Store, install

FIXTURE = CHECKOUT / "fixtures" / "single-script"
FAULTY = (FIXTURE / "before" / "train.py").read_text(encoding="utf-8")
FIXED = (FIXTURE / "after" / "train.py").read_text(encoding="utf-8")
PACKAGES = {
    "pyproject.toml": '[tool.dpmigrate]\nignore = ["DPM203"]\nexclude = ["third_party/"]\n',
    "ads/pyproject.toml": '[project]\nname = "ads"\nversion = "1"\ndependencies = ["opacus==1.5.2"]\n',
    "fed/requirements.txt": "opacus>=1.5.4\n",
    "old/pyproject.toml": '[tool.dpmigrate]\nignore = ["DPM1", "DPM9"]\n',
    "old/requirements.txt": "opacus==1.5.2\n",
}

# One group: the environment of the hook is made once, on one worker.
pytestmark = [pytest.mark.network, pytest.mark.slow, pytest.mark.xdist_group("pre-commit")]


@pytest.fixture
def monorepo(store: Store, tmp_path: Path) -> Repository:
    """Three packages with pins and options of their own, committed."""
    assert install(tmp_path, store).returncode == 0
    repository = Repository(tmp_path, store.env)
    done = commit(repository, PACKAGES)
    assert done.returncode == 0, done.stdout + done.stderr
    return repository


def commit(repository: Repository, files: dict[str, str]) -> subprocess.CompletedProcess[str]:
    for name, text in files.items():
        path = repository.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    repository.git("add", "--all")
    return repository.git("commit", "--message", "try")


@pytest.mark.parametrize(
    "files",
    [
        {"fed/train.py": FIXED},
        {"old/train.py": FAULTY},  # its own options ignore the fault
        {"third_party/train.py": FAULTY},  # excluded, although pre-commit names it
        {"fed/train.py": FIXED, "third_party/train.py": FAULTY, "old/train.py": FAULTY},
    ],
    ids=lambda files: " ".join(files),
)
def test_a_commit_that_each_package_lets_pass(monorepo: Repository, files: dict[str, str]) -> None:
    done = commit(monorepo, files)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_fault_is_refused_by_the_pin_and_the_options_of_its_package(monorepo: Repository) -> None:
    done = commit(monorepo, {"ads/train.py": FAULTY, "fed/train.py": FIXED, "old/train.py": FAULTY})
    assert done.returncode == 1
    assert "ads/train.py:" in done.stderr
    assert "DPM101 [error]" in done.stderr
    assert "old/train.py:" not in done.stderr
    assert "fed/train.py:" not in done.stderr


def test_the_other_hook_mends_it_in_its_package_alone(monorepo: Repository) -> None:
    path = monorepo.folder / ".pre-commit-config.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("id: dpmigrate ", "id: dpmigrate-fix "), "utf-8")
    files = {"ads/train.py": FAULTY, "ads/pyproject.toml": PACKAGES["ads/pyproject.toml"] + "\n"}
    done = commit(monorepo, {**files, "old/train.py": FAULTY, "third_party/train.py": FAULTY})
    assert done.returncode == 1, done.stdout + done.stderr
    assert "files were modified by this hook" in done.stderr
    assert (monorepo.folder / "ads" / "train.py").read_text(encoding="utf-8") == FIXED
    assert "opacus==1.5.4" in (monorepo.folder / "ads" / "pyproject.toml").read_text(encoding="utf-8")
    for name in ("old", "third_party"):
        assert (monorepo.folder / name / "train.py").read_text(encoding="utf-8") == FAULTY
    done = commit(monorepo, {})
    assert done.returncode == 0, done.stdout + done.stderr
