"""What every parser yields: one `Pin` for each place where a file says which Opacus it wants."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from dpmigrate.model import NotAnalysed, Place

from .faulty_commits import UPSTREAM_OWNERS, classify_commit
from .releases import RELEASES, VersionSet, build_of, everything
from .specifiers import Dialect, parse_specifier

Kind = Literal[
    "requirements",
    "constraints",
    "pyproject",
    "poetry",
    "setup.cfg",
    "setup.py",
    "pipfile",
    "conda",
    "lock",
    "notebook",
    "script",
    "shell",
    "metadata",
]


@dataclass(frozen=True, slots=True)
class Pin:
    """One declaration of Opacus.

    ``versions`` is what it admits. ``environment`` is shared by the pins that are installed together, and
    ``variant`` names an extra, a group or a marker inside it. ``specifier`` is the version text as
    written, in ``dialect``; ``span`` are its offsets in the decoded file (in the cell's source for a
    notebook; an empty span stands where a specifier would go; None where there is nothing to edit).
    ``git`` is the ref of a git or URL requirement ("" for the default branch). ``tool`` is the program
    that wrote a lock or a compiled requirements file. ``shell_word`` are the
    offsets of a whole unquoted word of a notebook install: a ``<`` or ``>`` put there needs quotes.
    """

    path: str
    line: int
    text: str
    kind: Kind
    environment: str
    versions: VersionSet
    specifier: str = ""
    span: tuple[int, int] | None = None
    dialect: Dialect = "pep440"
    cell: int | None = None
    variant: str = ""
    marker: str = ""
    has_hash: bool = False
    git: str | None = None
    tool: str | None = None
    shell_word: tuple[int, int] | None = None

    @property
    def place(self) -> Place:
        """Where the pin stands, as reports show it."""
        return Place(self.path, self.line, self.text, self.cell)


@dataclass(frozen=True, slots=True)
class Include:
    """``-r`` or ``-c`` in a requirements file: the pins of ``path`` belong to ``environment`` too.

    A file of constraints installs nothing by itself, a file of requirements may.
    """

    environment: str
    path: str
    constraint: bool = False


@dataclass(frozen=True, slots=True)
class Parsed:
    """What one dependency file holds."""

    pins: tuple[Pin, ...] = ()
    includes: tuple[Include, ...] = ()
    problems: tuple[NotAnalysed, ...] = ()


@dataclass(frozen=True, slots=True)
class Requirement:
    """A PEP 508 requirement on Opacus; ``start`` and ``end`` enclose its specifier in the given text."""

    specifier: str
    start: int
    end: int
    marker: str
    url: str | None

    def admitted(self) -> tuple[VersionSet, str | None]:
        """What it admits, and the git ref or URL that it installs from. Raises ValueError."""
        if self.url is None:
            return parse_specifier(self.specifier), None
        versions, ref = versions_of_url(self.url)
        return versions, self.url if ref is None else ref

    def span(self, offset: int | None) -> tuple[int, int] | None:
        """Where its specifier stands, given where its own text does; None where there is nothing to edit."""
        if offset is None or self.url is not None:
            return None
        return offset + self.start, offset + self.end

    def pin(
        self,
        path: str,
        line: int,
        text: str,
        kind: Kind,
        environment: str,
        offset: int | None,
        variant: str = "",
    ) -> Pin:
        """The pin that it makes, standing at ``offset``. Raises ValueError for no specifier."""
        versions, git = self.admitted()
        return Pin(
            path=path,
            line=line,
            text=text,
            kind=kind,
            environment=environment,
            versions=versions,
            specifier=self.specifier,
            span=self.span(offset),
            variant=f"{variant}; {self.marker}" if self.marker else variant,
            marker=self.marker,
            git=git,
        )


_NAME = re.compile(r"\s*opacus(?![\w.-])\s*", re.IGNORECASE)
_URL = re.compile(r"@\s*([^\s;]+)\s*")
_COMPARISON = re.compile(r"(?:===?|~=|!=|<=?|>=?)\s*[^\s=<>!~]+")
_WHEEL_OR_SDIST = re.compile(r"/opacus-(\d[^-/]*?)(?:-[^/]*\.whl|\.tar\.gz|\.zip)(?:[#?]|$)", re.IGNORECASE)
_GITHUB = re.compile(
    r"github\.com[/:](?P<owner>[^/]{1,100})/(?P<repo>[^/@#?]+?)(?:\.git)?"
    r"(?:/?@(?P<ref>[^#?]+)|/(?:archive|zipball|tarball)/(?P<archive>[^#?]+?)(?:\.zip|\.tar\.gz)?)?/?(?:[#?]|$)",
    re.IGNORECASE,
)
_OTHER_REF = re.compile(r"/[^@/]*@(?P<ref>[^#?@]+)(?:[#?]|$)")


def parse_requirement(text: str) -> Requirement | None:
    """Read ``opacus[extra]>=1.5; marker`` or ``opacus @ url``; None where the text is something else."""
    name = _NAME.match(text)
    if name is None:
        return None
    position = name.end()
    if text.startswith("[", position):
        closing = text.find("]", position)
        if closing < 0:
            return None
        position = closing + 1
    elif position == len(text) or text[position] == ";":
        # No space before a marker counts as part of the specifier that could stand there.
        position = len(text[: name.end()].rstrip())
    url = _URL.match(text, position + len(text[position:]) - len(text[position:].lstrip()))
    if url is not None:
        marker = _marker(text[url.end() :])
        return None if marker is None else Requirement("", url.end(1), url.end(1), marker, url[1])
    written = text[position:].split(";", 1)[0]
    marker = _marker(text[position + len(written) :])
    stripped = written.strip()
    if marker is None or not _is_specifier(stripped):
        return None
    start = position + len(written) - len(written.lstrip()) if stripped else position
    if stripped.startswith("("):
        inner = stripped[1:-1]
        start += 1 + len(inner) - len(inner.lstrip())
        stripped = inner.strip()
    return Requirement(stripped, start, start + len(stripped), marker, None)


def _marker(rest: str) -> str | None:
    """What follows a semicolon; None where the rest of a requirement is anything else."""
    rest = rest.strip()
    return rest[1:].strip() if rest.startswith(";") else "" if not rest else None


def _is_specifier(text: str) -> bool:
    if text.startswith("("):
        return text.endswith(")") and _is_specifier(text[1:-1].strip())
    pieces = [piece.strip() for piece in text.split(",")]
    return all(_COMPARISON.fullmatch(piece) for piece in pieces if piece)


def versions_of_url(url: str) -> tuple[VersionSet, str | None]:
    """What a git, archive, wheel or local URL installs, and its git ref (None: not from git).

    A wheel or sdist names its version; a tag or known commit is what it is; a conda build folder, which
    ``pip freeze`` writes, holds some release; the rest is unknown.
    """
    if release := _WHEEL_OR_SDIST.search(url):
        number = release[1]
        return (VersionSet.of([number]) if number in RELEASES else build_of(number)), None
    if "feedstock_root" in url or "/croot/" in url:
        return everything(), None
    if github := _GITHUB.search(url):
        return versions_of_git(github["owner"], github["ref"] or github["archive"])
    other = _OTHER_REF.search(url.split("://", 1)[-1])
    return versions_of_git(None, other["ref"] if other else None)


def versions_of_git(owner: str | None, ref: str | None) -> tuple[VersionSet, str]:
    """What a git ref installs, and the ref ("" for the default branch)."""
    upstream = (owner or "").lower() in UPSTREAM_OWNERS
    return classify_commit(ref, upstream=upstream), ref or ""


def owner_of(url: str) -> str | None:
    """The owner in a GitHub URL, None for any other."""
    match = _GITHUB.search(url)
    return match["owner"] if match else None
