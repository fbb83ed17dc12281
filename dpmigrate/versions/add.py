"""Declaring one more distribution beside Opacus, in the dependency file's own style.

For the ``patch`` strategy: code that imports dpmigrate at run time must declare it. The new entry goes next
to Opacus's own, so that it lands in the right list, extra or group.
"""

from __future__ import annotations

import re

from .decoding import lines_of
from .edit import Edit, Refusal
from .parsers import parser_for
from .pin import Pin

_SPLIT = re.compile(r"(?P<name>[A-Za-z0-9._-]+)(?:\[(?P<extras>[^\]]*)\])?(?P<specifier>.*)$")


def plan_add(path: str, text: str, requirement: str) -> Edit | Refusal | None:
    """The edit that declares ``requirement`` (PEP 508, such as ``dpmigrate[verify]``) in a dependency file.

    ``text`` is the decoded file at ``path``. None where it is declared already. A file without Opacus, a
    lock, and a file of hashes are refused.
    """
    parts = _SPLIT.match(requirement)
    if parts is None:
        raise ValueError(f"not a requirement: {requirement!r}")
    if re.search(rf"^[^#\n]*(?<![\w.-]){re.escape(parts['name'])}(?![\w.-])", text, re.M | re.I):
        return None
    parse = parser_for(path)
    pins = parse(path, text).pins if parse is not None else ()
    if not pins:
        return Refusal(path, None, 1, f"does not name Opacus: add {requirement} by hand")
    pin = next((p for p in pins if not p.variant), pins[0])

    def refuse(reason: str) -> Refusal:
        return Refusal(path, None, pin.line, f"{reason}: add {requirement} by hand")

    if pin.kind == "metadata":
        return refuse("a built package's metadata is written by its build")
    if pin.kind == "lock":
        return refuse("a lock is written by its own tool")
    if pin.kind in ("requirements", "constraints") and "--hash" in text:
        return refuse("every line has hashes")
    start, new = _insertion(pin, text, requirement, parts)
    if new is None:
        return refuse("Opacus is not declared on a line of its own")
    return Edit(path, None, pin.line, start, start, new, "safe", f"declare {requirement}")


def _insertion(pin: Pin, text: str, requirement: str, parts: re.Match[str]) -> tuple[int, str | None]:
    """Where to insert what beside a pin; None for what when its form has no place for a neighbour."""
    lines = lines_of(text)
    line_start = sum(map(len, lines[: pin.line - 1]))
    line = lines[pin.line - 1]
    if pin.kind in ("poetry", "pipfile"):
        if not re.match(r"\s*['\"]?opacus['\"]?\s*=", line, re.I) or line.count("{") != line.count("}"):
            return line_start, None
        return _after_line(lines, pin.line, f"{parts['name']} = {_table(parts)}")
    if pin.kind in ("pyproject", "setup.py"):
        return _in_array(text, line_start, line, requirement)
    if pin.kind == "conda":
        return _in_environment(lines, pin, requirement)
    indent = _indent(line)
    if pin.kind == "setup.cfg" and not indent:
        found = re.search(r"opacus", line, re.I)
        assert found is not None
        return line_start + found.start(), f"{requirement}; "
    last = pin.line
    while lines[last - 1].rstrip("\r\n").endswith("\\") and last < len(lines):
        last += 1
    return _after_line(lines, last, indent + requirement)


def _table(parts: re.Match[str]) -> str:
    version = parts["specifier"].strip() or "*"
    if not parts["extras"]:
        return f'"{version}"'
    extras = ", ".join(f'"{extra.strip()}"' for extra in parts["extras"].split(","))
    return f'{{version = "{version}", extras = [{extras}]}}'


def _after_line(lines: list[str], number: int, new: str) -> tuple[int, str]:
    """A new line after the 1-based line ``number``, with the file's line end."""
    end = sum(map(len, lines[:number]))
    ending = _ending(lines)
    if lines[number - 1].endswith(("\n", "\r")):
        return end, new + ending
    return end, ending + new


def _indent(line: str) -> str:
    return line[: len(line) - len(line.lstrip())]


def _ending(lines: list[str]) -> str:
    first = lines[0]
    return first[len(first.rstrip("\r\n")) :] or "\n"


def _in_array(text: str, line_start: int, line: str, requirement: str) -> tuple[int, str | None]:
    """An element before Opacus's in a TOML array or a Python list."""
    # A quoted key of a table is no element.
    literal = re.search(r"(?P<quote>[\"'])\s*opacus(?![\w.-]|(?P=quote)\s*=)", line, re.I)
    if literal is None:
        return line_start, None
    quote, before = literal["quote"], line[: literal.start()]
    if before.endswith(quote) or before.rstrip().endswith(("=", "(", ":")):
        # A triple quote, or a literal that is no element of a list.
        return line_start, None
    element = f"{quote}{requirement}{quote},"
    if before.strip():
        return line_start + literal.start(), element + " "
    newline = re.search(r"\r?\n", text)
    return line_start + literal.start(), element + (newline[0] if newline else "\n") + before


def _in_environment(lines: list[str], pin: Pin, requirement: str) -> tuple[int, str | None]:
    """An item of the pip list of a conda environment, which is made where there is none."""
    line = lines[pin.line - 1]
    indent = _indent(line)
    if pin.dialect == "pep440":
        return _after_line(lines, pin.line, f"{indent}- {requirement}")
    for number, other in enumerate(lines, start=1):
        if re.match(r"\s*-\s+pip\s*:", other):
            own = _indent(other)
            inner = _indent(lines[number]) if number < len(lines) else ""
            return _after_line(
                lines, number, f"{inner if len(inner) > len(own) else own + '    '}- {requirement}"
            )
    last = pin.line
    while last < len(lines) and re.match(rf"{re.escape(indent)}-\s", lines[last]):
        last += 1
    ending = _ending(lines)
    return _after_line(lines, last, f"{indent}- pip:{ending}{indent}    - {requirement}")
