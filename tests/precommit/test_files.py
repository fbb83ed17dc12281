"""The hooks are given every file that scan reads, and no other."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from dpmigrate.workspace import names

HOOKS = yaml.safe_load((Path(__file__).parents[2] / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))


def bare(pattern: str) -> str:
    return re.sub(r"\s+", "", pattern)


def test_the_pattern_of_the_hooks_is_that_of_dependency_files_and_sources() -> None:
    for hook in HOOKS:
        assert bare(hook["files"]) == bare(rf"(?xi)(\.(?:py|ipynb)$|{names._DEPENDENCY.pattern})")
        pattern = re.compile(hook["files"])
        for path in ("a/train.py", "n.ipynb", "docker/Dockerfile.gpu", "requirements/dp.txt", "pixi.toml"):
            assert pattern.search(path), path
        for path in ("README.md", "data.json", "profile", "notes.txt"):
            assert not pattern.search(path), path
