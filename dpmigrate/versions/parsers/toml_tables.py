"""Entries of name-to-constraint tables: Poetry's, Pipfile's, uv's sources.

``opacus = "^1.5"``, ``opacus = {version = "^1.5", extras = [..]}``, ``opacus = {git = "..", rev = ".."}``,
and lists of such tables.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from ..decoding import line_at
from ..pin import Kind, Pin, owner_of, versions_of_git, versions_of_url
from ..releases import UNKNOWN_GIT, VersionSet
from ..specifiers import Dialect, parse_specifier
from .toml_text import TomlKey, TomlString

_REFS = ("rev", "ref", "tag", "branch")


@dataclass(frozen=True, slots=True)
class OpacusEntry:
    """What a table says about Opacus: its fields by name ("version" for a plain string)."""

    fields: dict[str, TomlString]
    first: TomlString


def entries(strings: Iterable[TomlString], table: tuple[TomlKey, ...]) -> Iterator[OpacusEntry]:
    """The entries for Opacus in the table at ``table``."""
    depth = len(table)
    grouped: dict[tuple[TomlKey, ...], dict[str, TomlString]] = {}
    for string in strings:
        keys = string.keys
        if keys[:depth] != table or len(keys) <= depth or str(keys[depth]).lower() != "opacus":
            continue
        rest = keys[depth + 1 :]
        if not rest:
            grouped.setdefault((), {})["version"] = string
        elif isinstance(rest[0], int):
            name = str(rest[1]) if len(rest) > 1 else "version"
            grouped.setdefault((rest[0],), {}).setdefault(name, string)
        else:
            grouped.setdefault((), {}).setdefault(str(rest[0]), string)
    for fields in grouped.values():
        yield OpacusEntry(fields, next(iter(fields.values())))


def entry_pin(
    path: str, text: str, entry: OpacusEntry, kind: Kind, environment: str, variant: str, dialect: Dialect
) -> Pin | None:
    """The pin that an entry makes; None where it says nothing about versions (an extra, an index).

    Raises ValueError for a version that is no specifier.
    """
    fields = entry.fields
    marker = "; ".join(fields[name].value for name in ("markers", "marker", "python") if name in fields)
    specifier, span = "", None
    elsewhere = _from_elsewhere(fields)
    if elsewhere is not None:
        anchor, versions, git = elsewhere
    elif "version" in fields:
        anchor, git = fields["version"], None
        specifier = anchor.value
        versions = parse_specifier(specifier, dialect)
        span = (anchor.start, anchor.end) if anchor.plain else None
    else:
        return None
    label = f"{variant}; {marker}" if marker else variant
    return Pin(
        path=path,
        line=line_at(text, anchor.start),
        text=_shown(text, anchor),
        kind=kind,
        environment=environment,
        versions=versions,
        specifier=specifier,
        span=span,
        dialect=dialect,
        variant=label,
        marker=marker,
        git=git,
    )


def _from_elsewhere(fields: Mapping[str, TomlString]) -> tuple[TomlString, VersionSet, str | None] | None:
    """The field that says where Opacus comes from, if not from an index; the versions, and which state."""
    if "git" in fields:
        refs = [fields[name].value for name in _REFS if name in fields]
        tag = fields["tag"].value if "tag" in fields else None
        versions, git = versions_of_git(owner_of(fields["git"].value), tag or (refs[0] if refs else None))
        return fields["git"], versions, git
    if location := next((fields[name] for name in ("url", "file") if name in fields), None):
        versions, ref = versions_of_url(location.value)
        return location, versions, ref if ref is not None else location.value
    if "path" in fields:
        return fields["path"], UNKNOWN_GIT, fields["path"].value
    return None


def _shown(text: str, anchor: TomlString) -> str:
    start = text.rfind("\n", 0, anchor.start) + 1
    end = text.find("\n", anchor.end)
    return text[start : end if end >= 0 else len(text)].split(" #")[0].strip()
