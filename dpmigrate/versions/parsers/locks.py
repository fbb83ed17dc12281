"""Lock files: poetry.lock, uv.lock, pdm.lock, pylock.toml, Pipfile.lock, conda-lock.yml, pixi.lock.

They are long and written by programs in one fixed shape, so the entry for Opacus is found by its lines;
nothing else of them is read. A lock is never edited.
"""

from __future__ import annotations

import posixpath
import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from functools import lru_cache

from dpmigrate.model import NotAnalysed

from ..decoding import line_at
from ..pin import Parsed, Pin, owner_of, versions_of_git
from ..releases import NEWER, RELEASES, UNKNOWN_GIT, VersionSet, build_of
from .pipfile import pipenv_environment
from .pyproject import project_environment

_PACKAGE = re.compile(r"^\[\[packages?\]\][ \t]*\r?$", re.M)
_NAME = re.compile(r"^name\s*=\s*[\"']opacus[\"']", re.M | re.I)
_VERSION = re.compile(r"^version\s*=\s*[\"'](?P<version>[^\"']+)[\"']", re.M)
_GIT_URL = re.compile(r"\bgit\s*=\s*\"(?P<url>[^\"?#]+)(?:[^\"#]*)(?:#(?P<commit>[0-9a-f]{7,40}))?\"")
_POETRY_GIT = re.compile(
    r"^\[package\.source\]\s*type\s*=\s*\"git\"\s*url\s*=\s*\"(?P<url>[^\"]+)\".*?"
    r"^resolved_reference\s*=\s*\"(?P<commit>[0-9a-f]+)\"",
    re.M | re.S,
)
_PDM_GIT = re.compile(
    r"^git\s*=\s*\"(?P<url>[^\"]+)\".*?^revision\s*=\s*\"(?P<commit>[0-9a-f]+)\"", re.M | re.S
)
_PYLOCK_GIT = re.compile(r"commit-id\s*=\s*\"(?P<commit>[0-9a-f]+)\"")
_PIPFILE_ENTRY = re.compile(
    r"^(?P<indent>[ \t]*)\"opacus\"\s*:\s*\{(?P<body>.*?)^(?P=indent)\}", re.M | re.S | re.I
)
_JSON_VERSION = re.compile(r"\"version\"\s*:\s*\"==(?P<version>[^\"]+)\"")
_JSON_GIT = re.compile(r"\"git\"\s*:\s*\"(?P<url>[^\"]+)\"")
_JSON_REF = re.compile(r"\"ref\"\s*:\s*\"(?P<commit>[^\"]+)\"")
_CONDA_ENTRY = re.compile(
    r"^(?:- |  )name:\s*opacus\s*\r?\n(?:^ .*\n)*?^ +version:\s*(?P<version>\S+)", re.M | re.I
)

_PIXI_CONDA = re.compile(r"^- conda: \S+/opacus-(?P<version>\d[^-\s]*)-[^/\s]+\r?$", re.M | re.I)

_UV_MEMBER = re.compile(r"^source = \{ (?:editable|virtual) = \"(?P<folder>[^\"]+)\" \}", re.M)

_TOOLS = {
    "poetry.lock": "poetry",
    "uv.lock": "uv",
    "pdm.lock": "pdm",
    "pipfile.lock": "pipenv",
    "pixi.lock": "pixi",
}


def parse(path: str, text: str) -> Parsed:
    """The pins of a lock file: one for each locked version of Opacus."""
    name = posixpath.basename(path).lower()
    if re.search(r"^(?:<{7}|>{7}) ", text, re.M):
        line = line_at(text, next(re.finditer(r"^<{7}|^>{7}", text, re.M)).start())
        return Parsed(problems=(NotAnalysed(path, line, "unresolved merge conflict"),))
    environment = pipenv_environment(path) if name == "pipfile.lock" else project_environment(path)
    tool = _TOOLS.get(name, "conda-lock" if name.startswith("conda-lock") else "pylock")
    if name == "pipfile.lock":
        entries_at = _pipfile_lock(text)
    elif tool == "conda-lock":
        environment = posixpath.join(posixpath.dirname(path), "environment.yml")
        entries_at = ((m.start(), m["version"].strip("'\""), None, None) for m in _CONDA_ENTRY.finditer(text))
    elif tool == "pixi":
        entries = {m.start(): m["version"] for p in (_CONDA_ENTRY, _PIXI_CONDA) for m in p.finditer(text)}
        entries_at = ((start, entries[start].strip("'\""), None, None) for start in sorted(entries))
    else:
        entries_at = _toml_lock(text)
    environments = [environment]
    if tool == "uv":
        # One lock at the root of a workspace holds for every member.
        root = posixpath.dirname(path)
        members = (posixpath.normpath(posixpath.join(root, m["folder"])) for m in _UV_MEMBER.finditer(text))
        environments += [f"{member}#project" for member in members if member != (root or ".")]
    pins = []
    for start, version, git_url, commit in entries_at:
        if git_url is not None:
            versions, git = versions_of_git(owner_of(git_url), commit)
        else:
            versions, git = _locked(version), None
        pins += [
            Pin(
                path=path,
                line=line_at(text, start),
                text=f"opacus {version or commit or ''} (locked)".replace("  ", " "),
                kind="lock",
                environment=each,
                versions=versions,
                specifier=f"=={version}" if git is None else "",
                git=git,
                tool=tool,
            )
            for each in environments
        ]
    return Parsed(tuple(pins))


_Found = tuple[int, str, str | None, str | None]
"""Offset, version, git URL, git commit."""


@lru_cache(maxsize=1_000)
def _locked(version: str) -> VersionSet:
    from packaging.version import Version

    try:
        locked = Version(version)
    except ValueError:  # no version, or numbers of more digits than Python reads
        return UNKNOWN_GIT
    for release in RELEASES:
        if Version(release) == locked:
            return VersionSet.of([release])
    return VersionSet.of([NEWER]) if locked > Version(RELEASES[-1]) else build_of(version)


def _toml_lock(text: str) -> Iterator[_Found]:
    starts = [match.start() for match in _PACKAGE.finditer(text)]
    for name in _NAME.finditer(text):
        after = bisect_left(starts, name.start())
        if after == 0:
            continue
        begin = starts[after - 1]
        rest = bisect_right(starts, name.start())
        end = starts[rest] if rest < len(starts) else len(text)
        block = text[begin:end]
        version = _VERSION.search(block)
        for pattern in (_POETRY_GIT, _PDM_GIT, _GIT_URL):
            if git := pattern.search(block):
                commit = git["commit"] or None
                yield name.start(), version["version"] if version else "", git["url"], commit
                break
        else:
            if commit_id := _PYLOCK_GIT.search(block):
                url = re.search(r"\burl\s*=\s*\"([^\"]+)\"", block)
                number = version["version"] if version else ""
                yield name.start(), number, url[1] if url else "", commit_id["commit"]
            elif version:
                yield name.start(), version["version"], None, None


def _pipfile_lock(text: str) -> Iterator[_Found]:
    for entry in _PIPFILE_ENTRY.finditer(text):
        start = entry.start("indent") + len(entry["indent"])
        version = _JSON_VERSION.search(entry["body"])
        if git := _JSON_GIT.search(entry["body"]):
            ref = _JSON_REF.search(entry["body"])
            yield start, version["version"] if version else "", git["url"], ref["commit"] if ref else None
        elif version:
            yield start, version["version"], None, None
