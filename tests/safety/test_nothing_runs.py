"""Whatever a folder holds, `scan` and `fix` run nothing of it and open nothing outside of it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.opacus_releases import CHECKOUT

FAULTY = CHECKOUT / "fixtures" / "single-script" / "before"
COMMANDS = (("scan", "."), ("inventory", "train.py"), ("fix", "--apply", "."))


def git(folder: Path, *arguments: str) -> str:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
    identity = ("-c", "user.name=a", "-c", "user.email=a@b.c")
    done = subprocess.run(
        ["git", *identity, *arguments],
        cwd=folder,
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout.strip()


def config(tree: Path, *settings: str) -> None:
    for setting in settings:
        git(tree, "config", *setting.split("=", 1))


def lazy_fetch(tree: Path, mark: Path) -> None:
    """A missing ignore file that git would fetch from a remote whose program is the folder's choice."""
    (tree / "sub").mkdir()
    (tree / "sub" / ".gitignore").write_text("x\n")
    (tree / "sub" / "b.py").write_text("import opacus\n")
    git(tree, "add", "-A")
    git(tree, "commit", "-qm", "a")
    blob = git(tree, "rev-parse", "HEAD:sub/.gitignore")
    git(tree, "update-index", "--skip-worktree", "sub/.gitignore")
    (tree / "sub" / ".gitignore").unlink()
    (tree / ".git" / "objects" / blob[:2] / blob[2:]).unlink()
    (tree / "sub" / "untracked.txt").write_text("1\n")
    config(tree, "core.repositoryformatversion=1", "extensions.partialClone=origin")
    config(
        tree, "remote.origin.promisor=true", "remote.origin.url=ssh://x/y", f"core.sshCommand=touch {mark};"
    )


def programs(tree: Path, mark: Path) -> None:
    """Every setting by which a repository names a program."""
    program = tree / "evil"
    program.write_text(f"#!/bin/sh\ntouch {mark}\n")
    program.chmod(0o755)
    for hook in ("post-index-change", "fsmonitor-watchman", "pre-commit", "post-checkout"):
        shutil.copy(program, tree / ".git" / "hooks" / hook)
    (tree / ".gitattributes").write_text("*.py filter=evil diff=evil\n")
    config(tree, f"core.fsmonitor={program}", f"core.hooksPath={tree / '.git' / 'hooks'}")
    config(
        tree,
        f"filter.evil.clean={program}",
        f"filter.evil.process={program}",
        f"diff.evil.textconv={program}",
    )
    config(tree, f"alias.ls-files=!{program}", f"core.pager={program}", f"core.editor={program}")
    config(tree, f"credential.helper=!{program}", f"gpg.program={program}", "core.untrackedCache=true")
    config(tree, f"diff.external={program}", f"diff.evil.command={program}", f"filter.evil.smudge={program}")
    config(tree, f"core.sshCommand={program}", f"core.askPass={program}", f"core.gitProxy={program}")
    config(tree, f"uploadpack.packObjectsHook={program}", f"remote.origin.uploadpack={program}")
    config(tree, f"remote.origin.url=ext::{program}", "remote.origin.promisor=true", "protocol.allow=always")
    config(tree, f"core.alternateRefsCommand={program}", f"submodule.s.update=!{program}")
    (tree / "more").write_text(f"[core]\n\tfsmonitor = {program}\n")
    config(tree, f"includeIf.gitdir:**.path={tree / 'more'}", "extensions.worktreeConfig=true")
    (tree / ".git" / "config.worktree").write_text(f"[core]\n\tfsmonitor = {program}\n")


def elsewhere(tree: Path, mark: Path) -> None:
    """Settings and files that name what lies outside."""
    outside = tree.parent / "outside"
    config(tree, f"core.worktree={outside}", f"include.path={outside / 'config'}")
    config(tree, f"core.excludesFile={outside / 'ignore'}", f"core.attributesFile={outside / 'attributes'}")
    (tree / ".git" / "objects" / "info" / "alternates").write_text(f"{outside}/.git/objects\n")
    (tree / ".gitmodules").symlink_to(outside / "modules")
    (tree / "sub").mkdir()
    (tree / "sub" / ".gitignore").symlink_to(outside / "ignore")
    (tree / "sub" / "pyproject.toml").symlink_to(outside / "pyproject.toml")
    (tree / "sub" / "requirements.txt").symlink_to(outside / "requirements.txt")
    (tree / "sub" / "b.py").symlink_to(outside / "b.py")
    (tree / "out").symlink_to(outside)
    (tree / "up").symlink_to("..")


def pointer(tree: Path, mark: Path) -> None:
    """A .git that names a repository elsewhere, which knows nothing of this folder."""
    shutil.rmtree(tree / ".git")
    git(tree.parent / "outside", "init", "-q")
    git(tree.parent / "outside", "add", "-A")
    (tree / ".git").write_text(f"gitdir: {tree.parent}/outside/.git\n")
    (tree / ".gitignore").write_text("ignored.py\n")
    (tree / "ignored.py").write_text("import opacus\n")


def common_folder(tree: Path, mark: Path) -> None:
    """A .git whose shared part, and whose info, lie elsewhere."""
    outside = tree.parent / "outside"
    (outside / "info").mkdir()
    (outside / "info" / "exclude").write_text("train.py\n")
    (tree / ".git" / "commondir").write_text(f"{outside}\n")
    (tree / "sub").mkdir()
    git(tree / "sub", "init", "-q")
    shutil.rmtree(tree / "sub" / ".git" / "info", ignore_errors=True)
    (tree / "sub" / ".git" / "info").symlink_to(outside / "info")
    kept = tree / "kept" / "worktrees" / "w"
    kept.mkdir(parents=True)
    (kept / "gitdir").write_text(f"{tree}/work/.git\n")
    (kept / "commondir").write_text(f"{outside}\n")
    (kept / "index").symlink_to(outside / "b.py")
    (tree / "work").mkdir()
    (tree / "work" / ".git").write_text(f"gitdir: {kept}\n")
    (tree / "work" / "train.py").write_text("import opacus\n")


def submodules(tree: Path, mark: Path) -> None:
    """Submodules that are links: out, and in circles."""
    (tree / ".gitmodules").write_text(
        "".join(f'[submodule "{n}"]\n\tpath = {n}\n' for n in ("s1", "s2", "out", "../outside", "/etc"))
    )
    (tree / "s1").symlink_to(".")
    (tree / "s2").symlink_to(".")
    (tree / "out").symlink_to(tree.parent / "outside")


def crafted_index(tree: Path, mark: Path) -> None:
    """An index whose names lead out of the tree, or through a link."""
    (tree / "aaaaaaa").mkdir()
    (tree / "aaaaaaa" / "b.py").write_text("x = 1\n")
    git(tree, "add", "-A")
    index = tree / ".git" / "index"
    index.write_bytes(index.read_bytes().replace(b"aaaaaaa/b.py", b"../outside/b.py"[3:15]))
    (tree / ".gitignore").write_text("outside\n")
    (tree / "outside").symlink_to(tree.parent / "outside")


def modules(tree: Path, mark: Path) -> None:
    """Modules with the names of those that dpmigrate itself imports, and what Python runs at its start."""
    text = f"import pathlib\npathlib.Path({str(mark)!r}).touch()\n"
    for name in (
        "click",
        "libcst",
        "tomllib",
        "sitecustomize",
        "usercustomize",
        "opacus",
        "torch",
        "conftest",
    ):
        (tree / f"{name}.py").write_text(text + "import opacus\n")
    (tree / "setup.py").write_text(
        text + 'import setuptools\nsetuptools.setup(install_requires=["opacus==1.5.2"])\n'
    )


TRAPS: tuple[Callable[[Path, Path], None], ...] = (
    lazy_fetch,
    programs,
    elsewhere,
    pointer,
    common_folder,
    submodules,
    crafted_index,
    modules,
)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A faulty project in a repository, beside a folder that is none of its business."""
    shutil.copytree(FAULTY, tmp_path / "tree")
    git(tmp_path / "tree", "init", "-q")
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "b.py").write_text("import opacus\nmake_private\n")
    (outside / "ignore").write_text("train.py\n")
    (outside / "pyproject.toml").write_text('[tool.dpmigrate]\nignore = ["DPM1"]\n')
    (outside / "requirements.txt").write_text("opacus==1.5.4\n")
    return tmp_path / "tree"


def watched(tree: Path, *command: str) -> list[str]:
    """What a command did that it had no need for, and its exit status at the end."""
    log = tree.parent / "log"
    log.unlink(missing_ok=True)
    script = CHECKOUT / "tests" / "safety" / "watched.py"
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("GIT_", "COV", "PYTEST"))}
    environment["XDG_CACHE_HOME"] = str(tree.parent / "cache")
    subprocess.run(
        [sys.executable, str(script), str(log), *command],
        cwd=tree,
        env=environment,
        capture_output=True,
        timeout=120,
        check=False,
    )
    return log.read_text().splitlines()


@pytest.mark.parametrize("trap", TRAPS, ids=lambda trap: trap.__name__)
def test_no_program_is_started_and_nothing_outside_is_opened(
    tree: Path, trap: Callable[[Path, Path], None]
) -> None:
    mark = tree.parent / "mark"
    trap(tree, mark)
    for command in COMMANDS:
        assert [line for line in watched(tree, *command) if not line.startswith("exit")] == []
        assert not mark.exists()


def test_what_changed_since_is_asked_of_git_and_starts_nothing_of_the_folder(tree: Path) -> None:
    mark = tree.parent / "mark"
    lazy_fetch(tree, mark)
    programs(tree, mark)
    mark.unlink(missing_ok=True)
    (tree / "train.py").write_text((tree / "train.py").read_text(encoding="utf-8") + "# more\n")
    for command in (("scan", "--diff-base", "HEAD", "."), ("scan", "--diff-base", "origin/main", "sub")):
        assert watched(tree, *command)[-1].startswith("exit")
        assert not mark.exists()


def test_the_watch_sees_a_program_a_file_outside_and_code_of_the_folder(tree: Path) -> None:
    program = (
        "import runpy, subprocess, sys; sys.argv = ['watched.py', '../log', '--version']\n"
        f"try: runpy.run_path({str(CHECKOUT / 'tests' / 'safety' / 'watched.py')!r})\n"
        "except SystemExit: pass\n"
        "subprocess.run(['true']); open('../outside/b.py').close(); sys.path.insert(0, '.'); import harmless"
    )
    (tree / "harmless.py").write_text("")
    subprocess.run([sys.executable, "-c", program], cwd=tree, check=True, capture_output=True)
    seen = [line.split()[0] for line in (tree.parent / "log").read_text().splitlines()]
    assert seen == ["exit", "subprocess.Popen", "open", "exec"]


def test_python_s_own_way_to_start_a_module_imports_nothing_of_the_folder(tree: Path) -> None:
    mark = tree.parent / "mark"
    modules(tree, mark)
    (tree / "sitecustomize.py").unlink()
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-m", "dpmigrate", "scan", "."],
        cwd=tree,
        env=environment,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 1
    assert not mark.exists()


def test_a_configuration_that_lies_outside_is_an_error_and_is_not_read(tree: Path) -> None:
    (tree / "pyproject.toml").symlink_to(tree.parent / "outside" / "pyproject.toml")
    assert watched(tree, "scan", ".") == ["exit 2"]
    assert watched(tree, "fix", "--apply", ".") == ["exit 2"]


def test_a_link_to_a_configuration_inside_is_followed(tree: Path) -> None:
    (tree / "sub").mkdir()
    (tree / "sub" / "pyproject.toml").write_text('[tool.dpmigrate]\nexclude = ["train.py"]\n')
    (tree / "pyproject.toml").symlink_to("sub/pyproject.toml")
    assert watched(tree, "scan", ".") == ["exit 0"]


def test_the_faults_are_found_all_the_same(tree: Path) -> None:
    lazy_fetch(tree, tree.parent / "mark")
    programs(tree, tree.parent / "mark")
    assert watched(tree, "scan", ".") == ["exit 1"]
    assert watched(tree, "fix", "--apply", ".") == ["exit 0"]
