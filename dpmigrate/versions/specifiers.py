"""Version specifiers in the three dialects of dependency files, read into `VersionSet`s.

PEP 440 (``>=1.5,<1.5.3``), Poetry (``^1.3.0``, ``~1.5``, ``1.5.*``) and conda (``=1.5``, ``1.5.*|1.4.1``).
Each is split into clauses that keep their place in the text, for `edit` rewrites single clauses.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

from .faulty_commits import classify_commit
from .releases import (
    FAULTY_GIT,
    NEWER,
    RELEASED,
    RELEASES,
    UNKNOWN_GIT,
    VersionSet,
    build_of,
    everything,
    nothing,
)

Dialect = Literal["pep440", "poetry", "conda"]

_CLAUSE = re.compile(r"(?P<op>===|==|~=|!=|<=|>=|<|>|=|\^|~)?\s*(?P<version>[^\s,|=<>!~^]+)")
_LONGEST = 1000
_NEWEST = Version(RELEASES[-1])
_LATER = tuple(Version(v) for v in ("1.6.1", "1.7.0", "2.0.0", "99.0.0"))


@dataclass(frozen=True, slots=True)
class Clause:
    """One comparison of a specifier: ``op`` and ``version`` as written, offsets into the specifier."""

    op: str
    version: str
    start: int
    end: int
    dialect: Dialect

    def pep440(self) -> str:
        """The clause as PEP 440 writes it. Raises ValueError when it is no legal clause."""
        version, op = self.version, self.op
        if version == "*":
            return ""
        if self.dialect == "poetry":
            if op == "^":
                return _capped(version, _caret_cap(version))
            if op == "~":
                return _capped(version, _tilde_cap(version))
            op = {"": "==", "=": "=="}.get(op, op)
        elif self.dialect == "conda":
            exact = op == "=="
            if op in ("", "=") and not version.endswith("*"):
                # `opacus=1.5` is a prefix match; `opacus 1.5.2` inside quotes is as `opacus==1.5.2`.
                version, exact = (f"{version}.*", False) if op == "=" else (version, True)
            if op in ("", "=", "=="):
                op = "=="
            if version.endswith("*") and not exact:
                version = version[:-1].rstrip(".") + ".*"
                # conda writes `>=1.5.*` for `>=1.5`, which PEP 440 does not allow.
                version = version if op in ("==", "!=") else version[:-2]
        elif op in ("", "="):
            if op == "=":
                raise ValueError(f"'=' is no version operator: {version!r}")
            op = "=="
        return op + version


def clauses(text: str, dialect: Dialect = "pep440") -> list[Clause]:
    """The comma-separated (in Poetry also space-separated) clauses of one alternative.

    Raises ValueError when something in the text is no clause.
    """
    if len(text) > _LONGEST:
        raise ValueError(f"not a version specifier: {text[:40]!r}...")
    clauses_read: list[Clause] = []
    position = 0
    for match in _CLAUSE.finditer(text):
        if text[position : match.start()].strip(" \t,\r\n\\"):
            break
        clauses_read.append(
            Clause(match["op"] or "", match["version"], match.start(), match.end(), dialect),
        )
        position = match.end()
    if text[position:].strip(" \t,\r\n\\"):
        raise ValueError(f"not a version specifier: {text.strip()!r}")
    return clauses_read


@lru_cache(maxsize=1024)
def parse_specifier(text: str, dialect: Dialect = "pep440") -> VersionSet:
    """The versions that a specifier admits; the inverse of `VersionSet.spec`. Raises ValueError.

    Besides the dialect's own syntax: alternatives joined by ``||`` (``|`` in conda), a bare version, and
    ``git+<ref>``. Pre-releases of Opacus never were on the index and do not matter.
    """
    result = nothing()
    separator = r"\|\|?" if dialect == "conda" else r"\|\|"
    for alternative in re.split(separator, text):
        part = alternative.strip()
        if part.startswith("git+"):
            result |= _git_member(part[4:].strip())
        elif part in ("", "*"):
            result |= everything()
        else:
            result |= _admitted(",".join(c.pep440() for c in clauses(part, dialect)))
    return result


def assumed(text: str) -> VersionSet:
    """What a user says to assume: a version, or a specifier, that admits some known release (or a commit).

    Raises ValueError, with a sentence, for anything else: judged on no release at all, nothing is wrong.
    """
    if not text.strip():
        raise ValueError("it is empty; give a version or a version specifier such as '>=1.5,<1.5.3'.")
    try:
        versions = parse_specifier(text.strip())
    except ValueError as error:
        raise ValueError(
            f"{text!r} is not a version or a version specifier such as '>=1.5,<1.5.3'."
        ) from error
    if versions & RELEASED or "git+" in text:
        return versions
    raise ValueError(f"{text!r} admits no release of Opacus that is known (the newest is {RELEASES[-1]}).")


def admits(text: str, version: str, dialect: Dialect = "pep440") -> bool:
    """Whether a specifier admits ``version``, be it a known release or not."""
    if text.strip() in ("", "*"):
        return True
    spec = ",".join(c.pep440() for c in clauses(text, dialect))
    return _specifier_set(spec).contains(Version(version), prereleases=True)


def _git_member(ref: str) -> VersionSet:
    if ref == "unknown commit":
        return UNKNOWN_GIT
    return FAULTY_GIT if ref == "faulty commit" else classify_commit(ref)


def _specifier_set(spec: str) -> SpecifierSet:
    try:
        return SpecifierSet(spec)
    except InvalidSpecifier as error:
        raise ValueError(f"not a version specifier: {spec!r}") from error


def _admitted(spec: str) -> VersionSet:
    specifiers = _specifier_set(spec)
    members = [r for r in RELEASES if specifiers.contains(r, prereleases=True)]
    if any(specifiers.contains(v, prereleases=True) for v in _later_versions(specifiers)):
        members.append(NEWER)
    return VersionSet.of(members) if members else _private_build(specifiers)


def _private_build(specifiers: SpecifierSet) -> VersionSet:
    """What a pin to one version means that is no release of the index, such as ``==1.5.4.post1``."""
    exact = [s.version for s in specifiers if s.operator == "==" and not s.version.endswith(".*")]
    named = [version for version in exact if specifiers.contains(version, prereleases=True)]
    return build_of(named[0]) if named else nothing()


def _later_versions(specifiers: SpecifierSet) -> set[Version]:
    """Versions after the newest release that tell whether some such version is admitted."""
    later = set(_LATER)
    for specifier in specifiers:
        try:
            named = Version(specifier.version.removesuffix(".*"))
        except InvalidVersion:  # `===anything` is legal
            continue
        if named > _NEWEST:
            later |= {named, Version(f"{named.base_version}.1")}
    return later


def _numbers(version: str) -> list[int]:
    try:
        return list(Version(version.removesuffix(".*").removesuffix(".x")).release)
    except InvalidVersion as error:
        raise ValueError(f"not a version: {version!r}") from error


def _capped(version: str, cap: list[int]) -> str:
    return f">={version.removesuffix('.*')},<{'.'.join(map(str, cap))}"


def _caret_cap(version: str) -> list[int]:
    """Poetry's caret: up to the next change of the leftmost part that is not zero."""
    numbers = _numbers(version)
    at = next((i for i, n in enumerate(numbers) if n), len(numbers) - 1)
    return [*numbers[:at], numbers[at] + 1]


def _tilde_cap(version: str) -> list[int]:
    """Poetry's tilde: the last part may change, the minor version at most."""
    numbers = _numbers(version)
    return [numbers[0] + 1] if len(numbers) == 1 else [numbers[0], numbers[1] + 1]
