"""Which files a scan looks at, inside git and outside."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from dpmigrate.workspace.config import Config
from dpmigrate.workspace.discover import Workspace, discover
from dpmigrate.workspace.errors import UsageError
from dpmigrate.workspace.names import is_dependency_file
from dpmigrate.workspace.reading import telling
from dpmigrate.workspace.settings import Settings

Plant = Callable[..., None]


def git(folder: Path, *arguments: str) -> None:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
    identity = ["-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "protocol.file.allow=always"]
    subprocess.run(
        ["git", *identity, *arguments],
        cwd=folder,
        env=environment,
        check=True,
        capture_output=True,
        timeout=30,
    )


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path.resolve() / "project"
    folder.mkdir()
    return folder


@pytest.fixture(params=["git", "no git"])
def project(request: pytest.FixtureRequest, root: Path) -> Path:
    if request.param == "git":
        git(root, "init", "-q")
    return root


def plant(root: Path, *paths: str, text: str = "x = 1\n") -> None:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)


def opened(
    paths: Sequence[str | Path], cwd: Path, exclude: Sequence[str] = (), base: Path | None = None
) -> Workspace:
    given = Config(exclude=tuple(exclude), base=None if base is None else str(base))
    return discover(paths, Settings(str(cwd), given))


def shown(workspace: Workspace) -> list[str]:
    return [os.path.relpath(path, workspace.roots[0]) for path in workspace.files]


def test_an_empty_folder_has_no_files(project: Path) -> None:
    workspace = opened(["."], project)
    assert workspace.files == workspace.dependency_files == workspace.not_analysed == ()


def test_sources_and_notebooks_are_listed_and_stubs_are_not(project: Path) -> None:
    plant(project, "b.py", "a/c.ipynb", "a/d.pyi", "e.txt")
    assert shown(opened([], project)) == ["a/c.ipynb", "b.py"]


def test_ignored_files_and_environments_are_left_out(project: Path) -> None:
    plant(project, ".gitignore", text="old/\n*_gen.py\n!keep_gen.py\n/top.py\n")
    plant(project, "a/.gitignore", text="!b_gen.py\n/local.py\n")
    plant(project, "old/x.py", "a_gen.py", "keep_gen.py", "top.py", "a/top.py", "a/b_gen.py", "a/local.py")
    plant(project, "env/pyvenv.cfg", "env/lib/x.py", ".venv/x.py", "node_modules/x.py", ".tox/a/x.py")
    plant(project, "lib/site-packages/x.py", "__pycache__/x.py", ".ipynb_checkpoints/x.ipynb", "build/x.py")
    assert shown(opened(["."], project)) == ["a/b_gen.py", "a/top.py", "build/x.py", "keep_gen.py"]


def test_a_path_limits_the_targets_and_not_the_project(project: Path) -> None:
    plant(project, "pyproject.toml", "a/x.py", "b/y.py")
    workspace = opened(["a"], project)
    assert workspace.root == str(project)
    assert shown(workspace) == ["a/x.py", "b/y.py"]
    assert workspace.targets == (str(project / "a/x.py"),)
    assert workspace.is_target(project / "a/x.py")
    assert not workspace.is_target(project / "b/y.py")
    assert not workspace.is_target(project / "ab.py")


def test_a_file_given_by_name_is_a_target_even_when_ignored(project: Path) -> None:
    plant(project, ".gitignore", text="*.py\n")
    plant(project, "x.py", "y.py", "script")
    workspace = opened(["x.py", "script"], project)
    assert shown(workspace) == ["script", "x.py"]
    assert workspace.targets == workspace.files


def test_an_ignored_folder_given_by_name_is_read(project: Path) -> None:
    plant(project, "pyproject.toml", "x.py")
    plant(project, ".gitignore", text="vendor/\n")
    plant(project, "vendor/a/y.py", "vendor/a/.gitignore", "vendor/a/requirements.txt")
    workspace = opened(["vendor/a"], project)
    assert shown(workspace) == ["vendor/a/y.py", "x.py"]
    assert [Path(p).name for p in workspace.dependency_files] == ["pyproject.toml", "requirements.txt"]


def test_links_are_not_followed_out_and_nothing_is_listed_twice(project: Path) -> None:
    plant(project.parent, "outside/o.py")
    plant(project, "a/x.py", "a/program")
    (project / "out").symlink_to(project.parent / "outside")
    (project / "out.py").symlink_to(project.parent / "outside" / "o.py")
    (project / "again.py").symlink_to(project / "a" / "x.py")
    (project / "loop").symlink_to(project)
    (project / "dangling.py").symlink_to(project / "gone.py")
    (project / "named.py").symlink_to(project / "a" / "program")
    os.mkfifo(project / "pipe.py")
    workspace = opened(["."], project)
    assert shown(workspace) == ["a/program", "a/x.py"]
    assert workspace.not_analysed == ()


def test_what_the_user_names_and_cannot_be_read_is_reported(project: Path) -> None:
    plant(project.parent, "outside/o.py")
    (project / "out.py").symlink_to(project.parent / "outside" / "o.py")
    (project / "dangling.py").symlink_to(project / "gone.py")
    os.mkfifo(project / "pipe.py")
    workspace = opened(["out.py", "dangling.py", "pipe.py"], project)
    assert [(n.path, n.reason) for n in workspace.not_analysed] == [
        ("out.py", "link out of the project"),
        ("dangling.py", "dangling link"),
        ("pipe.py", "not a regular file"),
    ]
    assert workspace.targets == ()


def test_a_link_given_by_name_is_the_file_it_points_to(project: Path) -> None:
    plant(project, "x.py")
    (project / "link.py").symlink_to("x.py")
    assert opened(["link.py", "x.py"], project).targets == (str(project / "x.py"),)


def test_a_path_that_is_missing_is_a_usage_error(project: Path) -> None:
    with pytest.raises(UsageError, match=r"gone\.py: no such file or folder"):
        opened(["gone.py"], project)


def test_the_root_is_the_repository_else_the_topmost_project_file_else_the_folder(root: Path) -> None:
    plant(root, "sub/deep/x.py")
    assert opened(["sub/deep/x.py"], root).root == str(root / "sub" / "deep")
    plant(root, "sub/setup.cfg", "sub/deep/pyproject.toml")
    assert opened(["sub/deep"], root).root == str(root / "sub")
    assert opened([root / "sub" / "deep" / "x.py"], root.parent).root == str(root / "sub")
    plant(root, "requirements.txt")
    assert opened(["sub/deep"], root).root == str(root)
    git(root / "sub", "init", "-q")
    assert opened(["sub/deep"], root).root == str(root / "sub")


def test_several_projects_are_read_together(root: Path) -> None:
    plant(root, "a/pyproject.toml", "a/x.py", "b/pyproject.toml", "b/y.py", "c/z.py")
    workspace = opened(["a", "b/y.py"], root)
    assert workspace.root == str(root)
    assert [workspace.display(p) for p in workspace.files] == ["a/x.py", "b/y.py"]
    assert len(workspace.dependency_files) == 2


def test_patterns_of_the_configuration_exclude(project: Path) -> None:
    plant(project, "a/x.py", "a/y.py", "b/x.py")
    assert shown(opened(["."], project, ["a/", "!a/y.py", "/b/x.py"], project)) == ["a/y.py"]
    assert shown(opened(["."], project, ["x.py"], project)) == ["a/y.py"]
    assert shown(opened(["."], project, ["/x.py"], project / "b")) == ["a/x.py", "a/y.py"]


def test_paths_are_shown_relative_to_the_current_folder(project: Path) -> None:
    plant(project, "a/x.py", "y.py")
    workspace = opened([project], project / "a")
    assert [workspace.display(p) for p in (project / "a/x.py", project / "y.py")] == ["x.py", "../y.py"]


def test_tracked_files_count_though_ignored_and_deleted_ones_do_not(root: Path) -> None:
    git(root, "init", "-q")
    plant(root, "kept.py", "gone.py", "café.py", "a b\nc.py")
    git(root, "add", ".")
    plant(root, ".gitignore", text="kept.py\n")
    (root / "gone.py").unlink()
    assert shown(opened(["."], root)) == ["a b\nc.py", "café.py", "kept.py"]


def test_a_hook_s_environment_does_not_mislead_git(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(root.parent, "other/z.py")
    git(root.parent / "other", "init", "-q")
    git(root, "init", "-q")
    plant(root, "x.py")
    monkeypatch.setenv("GIT_DIR", str(root.parent / "other" / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(root.parent / "other"))
    assert shown(opened(["."], root)) == ["x.py"]


def test_repositories_inside_a_repository_are_read(root: Path) -> None:
    git(root, "init", "-q")
    plant(root, "x.py", "nested/y.py", "nested/.gitignore", text="skipped.py\n")
    plant(root, "nested/skipped.py")
    git(root / "nested", "init", "-q")
    plant(root.parent, "library/z.py")
    git(root.parent / "library", "init", "-q")
    git(root.parent / "library", "add", ".")
    git(root.parent / "library", "commit", "-qm", "a")
    git(root, "submodule", "add", "-q", str(root.parent / "library"), "libs/library")
    assert shown(opened(["."], root)) == ["libs/library/z.py", "nested/y.py", "x.py"]


@pytest.mark.parametrize("version", ["2", "3", "4", "split", "sha256"])
def test_every_form_of_an_index_is_read(root: Path, version: str) -> None:
    git(root, "init", "-q", *(["--object-format=sha256"] if version == "sha256" else []))
    plant(root, "a/kept.py", "a/keptlonger.py", "b/c/kept.py", "untracked.py", "z.txt")
    git(root, "add", "a", "b", "z.txt")
    if version == "3":
        git(root, "add", "-N", "untracked.py")
    elif version == "split":
        git(root, "update-index", "--split-index")
        plant(root, "later/new.py")
        git(root, "add", "later/new.py")
    elif version == "4":
        git(root, "update-index", "--index-version", "4")
    plant(root, ".gitignore", text="*.py\nb/\n")
    more = {"3": ["untracked.py"], "split": ["later/new.py"]}.get(version, [])
    assert shown(opened(["."], root)) == ["a/kept.py", "a/keptlonger.py", "b/c/kept.py", *more]


@pytest.mark.parametrize(
    "damage", [b"", b"DIRC", b"DIRC\0\0\0\2\xff\xff\xff\xff", b"DIRC\0\0\0\4" + b"\x80" * 99]
)
def test_a_damaged_index_tracks_nothing(root: Path, damage: bytes) -> None:
    git(root, "init", "-q")
    plant(root, "x.py", "y.py")
    git(root, "add", ".")
    plant(root, ".gitignore", text="y.py\n")
    (root / ".git" / "index").write_bytes(damage)
    assert shown(opened(["."], root)) == ["x.py"]


def test_what_a_repository_excludes_for_itself_alone_is_left_out(root: Path) -> None:
    git(root, "init", "-q")
    plant(root, "x.py", "y.py", "a/y.py")
    plant(root, ".git/info/exclude", text="/y.py\n")
    assert shown(opened(["."], root)) == ["a/y.py", "x.py"]


def test_a_further_worktree_knows_what_is_tracked_and_excluded(root: Path) -> None:
    git(root, "init", "-q")
    plant(root, "kept.py")
    plant(root, ".gitignore", text="kept.py\n")
    git(root, "add", "-f", ".")
    git(root, "commit", "-qm", "a")
    git(root, "worktree", "add", "-q", str(root.parent / "more"))
    plant(root, ".git/info/exclude", text="own.py\n")
    plant(root.parent / "more", "own.py", "x.py")
    assert shown(opened(["."], root.parent / "more")) == ["kept.py", "x.py"]


def test_a_folder_that_cannot_be_read_is_reported(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(project, "a/x.py", "b/y.py", "c/z.py")
    list_folder = os.scandir

    def deny(path: str) -> Any:
        if path.endswith("/a"):
            raise PermissionError(13, "Permission denied")
        return list_folder(path)

    monkeypatch.setattr(os, "scandir", deny)
    workspace = opened(["."], project)
    assert [(n.path, n.reason) for n in workspace.unlisted] == [("a", "cannot be read: permission denied")]
    assert shown(workspace) == ["b/y.py", "c/z.py"]
    assert opened(["b"], project).unlisted == ()
    assert len(opened(["a"], project).unlisted) == 1


def test_a_pattern_without_meaning_is_passed_over_with_its_place(project: Path) -> None:
    plant(project, "x.py", "y.py", "a/x.py")
    plant(project, ".gitignore", text="!\n\n[\n/y.py\n")
    plant(project, "a/.gitignore", text="\\\n")
    workspace = opened(["."], project, ["!", "a/"], project)
    assert shown(workspace) == ["x.py"]
    assert [(w.path, w.line) for w in workspace.warnings] == [
        (".", 1),
        (".gitignore", 1),
        (".gitignore", 3),
        ("a/.gitignore", 1),
    ]


@pytest.mark.parametrize(
    "path",
    [
        "requirements.txt",
        "requirements-dev.txt",
        "a/dev_requirements.in",
        "constraints.txt",
        "requirements/base.txt",
        "pyproject.toml",
        "setup.cfg",
        "setup.py",
        "Pipfile",
        "Pipfile.lock",
        "environment.yml",
        "env.yaml",
        "environment-gpu.yaml",
        "conda.yml",
        "conda-env.yml",
        "poetry.lock",
        "uv.lock",
        "pdm.lock",
        "pylock.toml",
        "pylock.dev.toml",
        "pixi.lock",
        "env_gpu.yml",
        "dp_env.yaml",
        "dev-reqs.txt",
        "requirements/dev.in",
        "dp-1.0.dist-info/METADATA",
        "PKG-INFO",
    ],
)
def test_dependency_files_are_known_by_name(path: str) -> None:
    assert is_dependency_file(path)
    assert is_dependency_file(f"/project/{path}")


@pytest.mark.parametrize(
    "path",
    [
        "a.txt",
        "README.md",
        "config.yml",
        "docs/environment.md",
        "my_setup.py",
        "package-lock.json",
        "x.lock",
        "dp.egg-info/PKG-INFO",
        "METADATA",
    ],
)
def test_other_files_are_not(path: str) -> None:
    assert not is_dependency_file(path)


def test_only_files_that_hold_a_needle_are_returned(project: Path) -> None:
    plant(project, "a.py", "long.py", "c.py")
    (project / "long.py").write_bytes(b"#" * 200_000 + b"opacus" + b"#" * 2_000_000)
    (project / "c.py").write_bytes(b"from dp import ghost")
    workspace = opened(["."], project)
    (project / "a.py").unlink()
    found = telling(workspace.files, [b"opacus", b"ghost"], workspace.display)
    assert {workspace.display(path) for path in found.data} == {"long.py", "c.py"}
    assert len(found.data[str(project / "long.py")]) == 2_200_006
    assert (found.seen, found.not_analysed) == (2, ())


def test_a_file_that_cannot_be_read_is_reported(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(project, "a.py")
    real_open = os.open

    def deny(path: str, flags: int, mode: int = 0o777) -> int:
        if str(path).endswith("a.py"):
            raise PermissionError(13, "Permission denied")
        return real_open(path, flags, mode)

    monkeypatch.setattr(os, "open", deny)
    found = telling([str(project / "a.py")], [b"x"], lambda path: "a.py")
    assert [(n.path, n.reason) for n in found.not_analysed] == [("a.py", "cannot be read: permission denied")]
    assert found.seen == 1
