"""pyproject.toml: PEP 621, dependency groups, Poetry, PDM, Hatch, uv and pixi; and pixi.toml."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from dataclasses import replace

from dpmigrate.model import NotAnalysed

from ..decoding import line_at
from ..pin import Kind, Parsed, Pin, parse_requirement
from ..specifiers import Dialect
from .toml_tables import entries, entry_pin
from .toml_text import TomlError, TomlKey, TomlString, toml_strings


def project_environment(path: str) -> str:
    """The environment of the project in a file's folder: its metadata files and locks share it."""
    return f"{posixpath.dirname(path)}#project"


def parse(path: str, text: str) -> Parsed:
    """Every pin of a pyproject.toml or a pixi.toml."""
    try:
        strings = toml_strings(text)
    except TomlError as error:
        return Parsed(problems=(NotAnalysed(path, error.line, str(error)),))
    pins: list[Pin] = []
    problems: list[NotAnalysed] = []
    for string in strings:
        variants = _requirement_variants(string.keys)
        if variants is None:
            continue
        try:
            pin = requirement_pin(path, text, string, variants)
        except ValueError as error:
            problems.append(NotAnalysed(path, line_at(text, string.start), str(error)))
            continue
        if pin is not None:
            pins.append(pin)
    pixi = () if posixpath.basename(path).lower() == "pixi.toml" else ("tool", "pixi")
    for table, kind, variant, dialect in (*_tables(strings), *_pixi_tables(strings, pixi)):
        for entry in entries(strings, table):
            try:
                pin = entry_pin(path, text, entry, kind, project_environment(path), variant, dialect)
            except ValueError as error:
                problems.append(NotAnalysed(path, line_at(text, entry.first.start), str(error)))
                continue
            if pin is not None:
                pins.append(pin)
    return Parsed((*pins, *_included(strings, pins)), (), tuple(problems))


def requirement_pin(path: str, text: str, string: TomlString, variant: str) -> Pin | None:
    """The pin that a PEP 508 string makes. Raises ValueError for a version that is no specifier."""
    requirement = parse_requirement(string.value)
    if requirement is None:
        if string.value.strip().lower().startswith("opacus") and _is_broken(string.value):
            raise ValueError(f"not a requirement: {string.value}")
        return None
    line, offset = line_at(text, string.start), string.start if string.plain else None
    return requirement.pin(path, line, string.value, "pyproject", project_environment(path), offset, variant)


def _is_broken(text: str) -> bool:
    rest = text.strip()[len("opacus") :].lstrip()
    return bool(rest) and rest[0] in "=<>!~@;(["


def _requirement_variants(keys: tuple[TomlKey, ...]) -> str | None:
    """The variant of a list of PEP 508 strings, None where the list is something else."""
    match keys:
        case ("project", "dependencies", int()):
            return ""
        case ("project", "optional-dependencies", str(extra), int()):
            return f"extra {extra}"
        case ("dependency-groups", str(group), int()):
            return f"group {group}"
        case ("tool", "pdm", "dev-dependencies", str(group), int()):
            return f"group {group}"
        case ("tool", "uv", "dev-dependencies", int()):
            return "group dev"
        case ("tool", "uv", "constraint-dependencies" | "override-dependencies", int()):
            return ""
        case ("tool", "hatch", "envs", str(env), "dependencies" | "extra-dependencies", int()):
            return f"environment {env}"
    return None


def _tables(strings: list[TomlString]) -> Iterator[tuple[tuple[TomlKey, ...], Kind, str, Dialect]]:
    """Name-to-constraint tables in the file, with kind, variant and dialect of their pins."""
    yield ("tool", "poetry", "dependencies"), "poetry", "", "poetry"
    yield ("tool", "poetry", "dev-dependencies"), "poetry", "group dev", "poetry"
    groups = {s.keys[3] for s in strings if s.keys[:3] == ("tool", "poetry", "group") and len(s.keys) > 4}
    for group in sorted(map(str, groups)):
        yield ("tool", "poetry", "group", group, "dependencies"), "poetry", f"group {group}", "poetry"
    yield ("tool", "uv", "sources"), "pyproject", "", "pep440"


def _pixi_tables(
    strings: list[TomlString], root: tuple[TomlKey, ...]
) -> Iterator[tuple[tuple[TomlKey, ...], Kind, str, Dialect]]:
    """The tables below pixi's ``root``, in every feature of it."""
    depth = len(root)
    features = {s.keys[depth + 1] for s in strings if s.keys[: depth + 1] == (*root, "feature")}
    inside: list[tuple[tuple[TomlKey, ...], str]] = [((), "")]
    inside += [(("feature", name), f"feature {name}") for name in sorted(map(str, features))]
    for below, variant in inside:
        yield (*root, *below, "dependencies"), "pyproject", variant, "conda"
        yield (*root, *below, "pypi-dependencies"), "pyproject", variant, "pep440"


def _included(strings: list[TomlString], pins: list[Pin]) -> Iterator[Pin]:
    """The pins of each group once more for every group that includes it."""
    inside: dict[str, set[str]] = {}
    for string in strings:
        match string.keys:
            case ("dependency-groups", str(group), int(), "include-group"):
                inside.setdefault(group, set()).add(string.value)
    for group in sorted(inside):
        reached: set[str] = set()
        waiting = set(inside[group])
        while waiting:
            member = waiting.pop()
            if member not in reached:
                reached.add(member)
                waiting |= inside.get(member, set())
        for pin in pins:
            if any(pin.variant == f"group {member}" for member in reached - {group}):
                yield replace(pin, variant=f"group {group}")
