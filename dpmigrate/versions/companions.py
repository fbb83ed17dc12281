"""What a release of Opacus requires beside itself, and files whose pins leave no room for that."""

from __future__ import annotations

import re

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

_TORCH_SINCE = {"1.6.0": "2.6"}
"""The least torch that a release and the later ones ask for (the package's own metadata)."""
_LATER = ("2.6.0", "2.7.0", "2.8.0", "2.9.0", "2.10.0", "2.11.0", "2.12.0", "2.13.0", "3.0.0")
_PIN = re.compile(
    r"""(?:^|["'\s-])(?:py)?torch(?:\[[^\]]*\])?["']?(?:\s*=\s*["'])?\s*"""
    r"""(?P<spec>(?:[=<>!~]=?=?\s*\d[\w.*+]*(?:\s*,\s*)?)+)""",
)


def leaves_no_room(text: str, release: str) -> tuple[int, str, str] | None:
    """The line and text of a pin of torch that a release of Opacus cannot stand beside, and its need."""
    needed = [torch for since, torch in _TORCH_SINCE.items() if Version(release) >= Version(since)]
    for number, line in enumerate(text.split("\n"), 1):
        match = _PIN.search(line.split("#")[0]) if needed else None
        if match is not None and not _admits(match["spec"].strip().rstrip(","), needed[-1]):
            return number, match[0].strip(" \t\"'-"), f"torch>={needed[-1]}"
    return None


def _admits(spec: str, least: str) -> bool:
    """Whether a specifier, in the words of pip, conda or Poetry, admits some release from ``least`` on."""
    spec = re.sub(r"\+[\w.]+", "", spec)
    named = re.findall(r"\d[\w.]*", spec)
    one = re.fullmatch(r"([=~])\s*(\d[\w.]*)", spec)
    if one is not None:
        spec = f"=={one[2]}.*" if one[1] == "=" or one[2].count(".") < 2 else f"~={one[2]}"
    try:
        admitted = SpecifierSet(spec)
        candidates = [Version(v) for v in (*_LATER, *named)]
    except (InvalidSpecifier, InvalidVersion):
        return True
    return any(admitted.contains(v) for v in candidates if v >= Version(least))
