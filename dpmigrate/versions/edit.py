"""Raising a pin so that it no longer admits affected versions, by the smallest change of its own text.

Only the specifier's characters are replaced, by offset: comments, markers, extras, quotes and order stay.
A pin whose cap excludes the new lower bound can only be raised by lifting the cap, which is unsafe. Locks,
hashed lines and git refs are never edited; a `Refusal` names what to run or do instead.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from packaging.version import Version

from dpmigrate.model import Applicability

from .decoding import decode
from .pin import Pin
from .releases import GIT_FAULTY
from .specifiers import Clause, Dialect, admits, clauses, parse_specifier

DEFAULT_LOWER_BOUND = "1.5.4"

_LOCK_COMMANDS = {
    "poetry": "poetry update opacus",
    "uv": "uv lock --upgrade-package opacus",
    "pdm": "pdm update opacus",
    "pipenv": "pipenv update opacus",
    "pylock": "pip lock",
    "conda-lock": "conda-lock lock --update opacus",
    "pixi": "pixi update opacus",
    "pip-compile": "pip-compile --upgrade-package opacus",
}


_NAME = re.compile(r"(?:[\w./-]+::)?opacus(?:\[[\w, .-]*\])?", re.I)


@dataclass(frozen=True, slots=True)
class Edit:
    """One replacement in a dependency file or a notebook cell: ``text[start:end]`` becomes ``new``.

    Offsets are into the text that `decoding.decode` gives. ``summary`` is one line for people.
    """

    path: str
    cell: int | None
    line: int
    start: int
    end: int
    new: str
    applicability: Applicability
    summary: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a pin is not edited, and the command that changes it (None where there is none)."""

    path: str
    cell: int | None
    line: int
    reason: str
    command: str | None = None


def plan_raise(pin: Pin, lower_bound: str = DEFAULT_LOWER_BOUND) -> Edit | Refusal | None:
    """The edit that makes ``pin`` admit only ``lower_bound`` and later; None where it already does.

    ``lower_bound`` is a release number, known or not. Raises ValueError when it is no version.
    """
    wanted = parse_specifier(f">={lower_bound}")
    refusal = _refusal(pin, lower_bound)
    if pin.git is None and pin.versions and pin.versions <= wanted:
        return None
    if refusal is not None:
        return refusal
    assert pin.span is not None
    new, lifted = _raised(pin.specifier, lower_bound, pin.dialect)
    if pin.specifier == new:
        return None
    start, end = pin.span
    replacement = new
    if pin.shell_word is not None:
        start, end = pin.shell_word
        replacement = _name_of(pin) + new
        if any(character in new for character in "<>!*~ "):
            replacement = f'"{replacement}"'
    applicability: Applicability = "unsafe" if lifted else "safe"
    old = pin.specifier if pin.specifier.strip("* ") else ""
    summary = f"raise opacus from {old} to {new}" if old else f"bound opacus to {new}"
    if lifted:
        summary += f", which lifts its cap {lifted}"
    return Edit(pin.path, pin.cell, pin.line, start, end, replacement, applicability, summary)


def apply_edits(text: str, edits: Iterable[Edit]) -> str:
    """``text`` with the edits made. Raises ValueError when two of them overlap."""
    ordered = sorted(set(edits), key=lambda edit: (edit.start, edit.end))
    pieces: list[str] = []
    position = 0
    for edit in ordered:
        if edit.start < position:
            raise ValueError(f"overlapping edits in {edit.path} at line {edit.line}")
        pieces += (text[position : edit.start], edit.new)
        position = edit.end
    return "".join((*pieces, text[position:]))


def rewritten_bytes(data: bytes, edits: Iterable[Edit]) -> bytes:
    """The bytes of a dependency file (no notebook) with the edits made; encoding, BOM, line ends stay."""
    decoded = decode(data)
    return decoded.encode(apply_edits(decoded.text, edits))


def _refusal(pin: Pin, lower_bound: str) -> Refusal | None:
    def refuse(reason: str, command: str | None = None) -> Refusal:
        return Refusal(pin.path, pin.cell, pin.line, reason, command)

    if pin.kind == "lock":
        command = _LOCK_COMMANDS.get(pin.tool or "")
        if pin.tool == "uv" and not pin.path.endswith(".lock"):
            command = "uv pip compile --upgrade-package opacus"
        return refuse("a lock is written by its own tool and is not edited", command)
    if pin.git is not None:
        ref = pin.git or "the default branch"
        fault = " (a commit with the memory manager fault)" if GIT_FAULTY in pin.versions else ""
        return refuse(f"installs Opacus from {ref}{fault}: install opacus>={lower_bound} instead")
    if pin.kind == "metadata":
        return refuse(
            "a built package's metadata is written by its build: raise it in the project's own files"
        )
    if pin.has_hash:
        return refuse(
            "the line is pinned by hashes, which only hold for the version they were made for",
            "pip-compile --generate-hashes --upgrade-package opacus",
        )
    if pin.span is None:
        return refuse("the version is not written as a plain specifier: change it by hand")
    separator = "|" if pin.dialect == "conda" else "||"
    if separator in pin.specifier:
        return refuse(f"alternatives ({separator}) in {pin.specifier}: change it by hand")
    return None


def _raised(specifier: str, bound: str, dialect: Dialect) -> tuple[str, str]:
    """The new specifier, and the clauses that had to go because they exclude ``bound`` ("" for none)."""
    parts = clauses(specifier, dialect)
    if all(part.version == "*" for part in parts):
        return f">={bound}", ""
    if len(parts) == 1 and (exact := _exact(parts[0], bound, dialect)) is not None:
        return exact
    above = parse_specifier(specifier, dialect) & parse_specifier(f">={bound}")
    if not above and not admits(specifier, bound, dialect):
        return _lifted(specifier, parts, bound)
    return _with_lower_bound(specifier, parts, bound), ""


def _exact(clause: Clause, bound: str, dialect: Dialect) -> tuple[str, str] | None:
    """The rewrite of a lone clause that is not a plain comparison; None where the general way will do."""
    op, version = clause.op, clause.version
    numbers = version.removesuffix(".*").removesuffix("*").rstrip(".").count(".") + 1
    holds = admits(clause.pep440(), bound)
    if dialect == "poetry" and op in ("^", "~"):
        if holds and _same_cap(clause, bound):
            return f"{op}{bound}", ""
        if holds:
            return clause.pep440().replace(f">={version}", f">={bound}"), ""
        return f"{op}{bound}", f"{op}{version}"
    if op not in ("", "=", "==", "==="):
        return None
    wildcard = version.endswith("*")
    if not wildcard and (numbers >= 3 or op != "=" or dialect != "conda") and not holds:
        return f"{op}{bound}", ""
    if wildcard or (dialect == "conda" and op == "="):
        if holds:
            return (f">={bound},<{_next(version)}" if dialect == "conda" else f"{op}{version},>={bound}"), ""
        if not parse_specifier(f"{clause.pep440()}") & parse_specifier(f">={bound}"):
            return f">={bound}", f"{op}{version}"
    return None


def _same_cap(clause: Clause, bound: str) -> bool:
    raised = Clause(clause.op, bound, 0, 0, clause.dialect)
    return raised.pep440().split("<")[1] == clause.pep440().split("<")[1]


def _next(version: str) -> str:
    """The first version after a prefix: 1.5 (or 1.5.*) gives 1.6."""
    numbers = [int(n) for n in version.rstrip("*").rstrip(".").split(".")]
    return ".".join(map(str, [*numbers[:-1], numbers[-1] + 1]))


def _lifted(specifier: str, parts: list[Clause], bound: str) -> tuple[str, str]:
    """Every clause that excludes ``bound`` goes, and the lower bound is raised."""
    stay = [p for p in parts if admits(p.pep440(), bound) and p.op not in (">=", ">")]
    kept = [specifier[p.start : p.end] for p in stay]
    exact = next((p for p in parts if p.op in ("==", "===") and not p.version.endswith("*")), None)
    if exact is not None:
        return ",".join((f"{exact.op}{bound}", *kept)), ""
    gone = [specifier[p.start : p.end] for p in parts if not admits(p.pep440(), bound) and p.op[:1] != ">"]
    return ",".join((f">={bound}", *kept)), ",".join(gone)


def _with_lower_bound(specifier: str, parts: list[Clause], bound: str) -> str:
    """The specifier with its lower bound replaced, or one added (after ``~=``, which reads as one itself)."""
    for clause in parts:
        if clause.op in (">=", ">"):
            written = specifier[clause.start : clause.end]
            gap = written[len(clause.op) : len(written) - len(clause.version)]
            if clause.op == ">" and Version(clause.version) >= Version(bound):
                return specifier
            return f"{specifier[: clause.start]}>={gap}{bound}{specifier[clause.end :]}"
    comma = ", " if ", " in specifier else ","
    if parts[0].op in ("~=", "==", "", "~", "^", "="):
        last = parts[-1].end
        return f"{specifier[:last]}{comma}>={bound}{specifier[last:]}"
    return f">={bound}{comma}{specifier}"


def _name_of(pin: Pin) -> str:
    """The channel, name and extras of a shell word, without its specifier and quotes."""
    named = _NAME.search(pin.text)
    return named[0] if named else "opacus"
