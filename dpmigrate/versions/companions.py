"""What a release of Opacus requires beside itself, and pins of it that leave no room.

Figures from the metadata of the releases themselves: torch>=2.0 up to 1.5.4, torch>=2.6 since 1.6.0; numpy<2
up to 1.5.3. Each torch has its own torchvision and torchaudio, which are raised along.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

_BESIDE_TORCH = {
    "2.0": {"torch": "2.0", "torchvision": "0.15", "torchaudio": "2.0"},
    "2.6": {"torch": "2.6", "torchvision": "0.21", "torchaudio": "2.6"},
}
_LATER = ("2.6.0", "2.7.0", "2.8.0", "2.9.0", "2.10.0", "2.11.0", "2.12.0", "2.13.0", "3.0.0")
_SPEC = (
    r"""(?:^|["'\s-]){name}(?:\[[^\]]*\])?["']?(?:\s*=\s*["'])?\s*"""
    r"""(?P<spec>(?:(?:\^|[=<>!~]=?=?)\s*\d[\w.*+]*(?:\s*,\s*)?)+)"""
)
_PINS = {
    "torch": re.compile(_SPEC.replace("{name}", "(?:py)?torch")),
    "torchvision": re.compile(_SPEC.replace("{name}", "torchvision")),
    "torchaudio": re.compile(_SPEC.replace("{name}", "torchaudio")),
    "numpy": re.compile(_SPEC.replace("{name}", "numpy")),
}


@dataclass(frozen=True, slots=True)
class NoRoom:
    """A pin beside Opacus's own that admits nothing of what a release requires.

    ``text[start:end]`` is its specifier, and ``wanted`` what would do; ``shown`` is the whole pin.
    """

    line: int
    start: int
    end: int
    shown: str
    needed: str
    wanted: str


def leaves_no_room(text: str, release: str) -> list[NoRoom]:
    """The pins of a dependency file that a release of Opacus cannot stand beside: torch's first."""
    torch = "2.6" if Version(release) >= Version("1.6.0") else "2.0"
    in_the_way = list(_too_old(text, "torch", torch))
    for name in ("torchvision", "torchaudio") if in_the_way else ():
        in_the_way += _too_old(text, name, _BESIDE_TORCH[torch][name])
    if Version(release) < Version("1.5.4"):
        for line, start, end, shown, spec in _pins(text, "numpy"):
            if not _admits(spec, "1.15", below="2"):
                in_the_way.append(NoRoom(line, start, end, shown, "numpy<2.0", "<2.0"))
    return in_the_way


def _too_old(text: str, name: str, least: str) -> Iterator[NoRoom]:
    for line, start, end, shown, spec in _pins(text, name):
        if not _admits(spec, least):
            yield NoRoom(line, start, end, shown, f"{name}>={least}", f">={least}")


def _pins(text: str, name: str) -> Iterator[tuple[int, int, int, str, str]]:
    """Line, start and end of the specifier, the pin as it is written, and the specifier."""
    before = 0
    for number, line in enumerate(text.split("\n"), 1):
        match = _PINS[name].search(line.split("#")[0])
        if match is not None:
            spec = match["spec"].strip().rstrip(",").rstrip()
            start = before + match.start("spec")
            yield number, start, start + len(spec), match[0].strip(" \t\"'-"), spec
        before += len(line) + 1


def _admits(spec: str, least: str, below: str = "") -> bool:
    """Whether a specifier, in the words of pip, conda or Poetry, admits some release from ``least`` on."""
    spec = re.sub(r"\+[\w.]+", "", spec)
    named = re.findall(r"\d[\w.]*", spec)
    one = re.fullmatch(r"([=~^])\s*(\d[\w.]*)", spec)
    try:
        if one is not None and one[1] == "^":
            major = Version(one[2]).major
            spec = f">={one[2]},<{major + 1}" if major else f"~={one[2]}"
        elif one is not None:
            spec = f"=={one[2]}.*" if one[1] == "=" or one[2].count(".") < 2 else f"~={one[2]}"
        admitted = SpecifierSet(spec)
        candidates = [Version(v) for v in (least, *_LATER, *named, "99.0.0")]
    except (InvalidSpecifier, InvalidVersion):
        return True
    if below:
        candidates = [v for v in (*candidates, Version("1.26.4")) if v < Version(below)]
    return any(admitted.contains(v) for v in candidates if v >= Version(least))
