"""Sets of Opacus versions: every release on the package index, and three members that have no number.

A `VersionSet` is what a pin, a lock, a git commit or the use of an API admits. It is a bit mask over
`MEMBERS`, so that the set operations cost nothing and the sets can be dictionary keys.

`everything()` is what a plain ``pip install opacus`` can give: the releases, and `NEWER`. Git commits are
not in it, for nobody gets one without naming it; `universe()` has them too. What is known from the API
that code uses (`WRAPPED_CRITERION`, `BEFORE_WRAPPED_CRITERION`) therefore has the git members as well, or
a project pinned to a commit would always contradict its own code.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache

RELEASES: tuple[str, ...] = (
    "0.9.0",
    "0.9.1",
    "0.10.0",
    "0.10.1",
    "0.11.0",
    "0.12.0",
    "0.13.0",
    "0.14.0",
    "0.15.0",
    "1.0.0",
    "1.0.1",
    "1.0.2",
    "1.1.0",
    "1.1.1",
    "1.1.2",
    "1.1.3",
    "1.2.0",
    "1.3.0",
    "1.4.0",
    "1.4.1",
    "1.5",
    "1.5.1",
    "1.5.2",
    "1.5.3",
    "1.5.4",
    "1.6.0",
)
"""Every release on the package index, oldest first, in the index's own spelling (2026-11)."""

NEWER = "newer"
"""Any release after the newest that is known here."""

GIT_FAULTY = "git faulty"
"""A commit with the wrapped criterion and the memory manager fault (see `faulty_commits`)."""

GIT_UNKNOWN = "git unknown"
"""A commit, branch, fork, private build or local copy that nothing is known about."""

MEMBERS: tuple[str, ...] = (*RELEASES, NEWER, GIT_FAULTY, GIT_UNKNOWN)
_BIT = {member: 1 << index for index, member in enumerate(MEMBERS)}
_NUMBERED = (1 << (len(RELEASES) + 1)) - 1
_NEWEST = len(RELEASES) - 1

EMPTY_SPEC = "<0"
"""How `VersionSet.spec` writes the empty set: a legal specifier that admits nothing."""


@dataclass(frozen=True, slots=True)
class VersionSet:
    """A set over `MEMBERS`; hashable, compared by its members only.

    ``refs`` are the git refs that brought the git members in. They only serve `spec`: two sets with the
    same members and other refs are equal.
    """

    mask: int
    refs: frozenset[tuple[str, str]] = field(default=frozenset(), compare=False)

    @classmethod
    def of(cls, members: Iterable[str], ref: str | None = None) -> VersionSet:
        """The set of ``members`` (release numbers as in `RELEASES`, `NEWER`, or git members).

        Raises KeyError for a member that does not exist.
        """
        members = tuple(members)
        mask = 0
        for member in members:
            mask |= _BIT[member]
        named = frozenset((m, ref) for m in members if m in (GIT_FAULTY, GIT_UNKNOWN)) if ref else frozenset()
        return cls(mask, named)

    def __and__(self, other: VersionSet) -> VersionSet:
        return self._with(self.mask & other.mask, other)

    def __or__(self, other: VersionSet) -> VersionSet:
        return self._with(self.mask | other.mask, other)

    def __sub__(self, other: VersionSet) -> VersionSet:
        return self._with(self.mask & ~other.mask, self)

    def __le__(self, other: VersionSet) -> bool:
        return self.mask & ~other.mask == 0

    def __ge__(self, other: VersionSet) -> bool:
        return other <= self

    def __bool__(self) -> bool:
        return self.mask != 0

    def __contains__(self, member: object) -> bool:
        return isinstance(member, str) and bool(self.mask & _BIT.get(member, 0))

    def __iter__(self) -> Iterator[str]:
        """The members, oldest release first, then `NEWER` and the git members."""
        return (member for member in MEMBERS if self.mask & _BIT[member])

    def __len__(self) -> int:
        return self.mask.bit_count()

    def __str__(self) -> str:
        return self.spec() or "any version"

    def _with(self, mask: int, other: VersionSet) -> VersionSet:
        refs = self.refs | other.refs
        return VersionSet(mask, frozenset(r for r in refs if mask & _BIT[r[0]]) if refs else refs)

    @property
    def has_git(self) -> bool:
        """Whether some member is a git commit rather than a release."""
        return bool(self.mask & ~_NUMBERED)

    @property
    def oldest(self) -> str | None:
        """The oldest release in the set, None where there is none."""
        numbered = self.mask & _NUMBERED
        return MEMBERS[(numbered & -numbered).bit_length() - 1] if numbered else None

    def spec(self) -> str | None:
        """The set as the shortest PEP 440 specifiers, alternatives joined by ``" || "``.

        None when it is all that the index can give (with or without git members): nothing is known.
        Git members are written ``git+<ref>``, builds that are no release of the index ``==<version>``.
        `specifiers.parse_specifier` reads the result back.
        """
        if self.mask & _NUMBERED == _NUMBERED:
            return None
        parts = [_range_spec(first, last) for first, last in _ranges(self.mask)]
        for member, nameless in ((GIT_FAULTY, "faulty commit"), (GIT_UNKNOWN, "unknown commit")):
            if self.mask & _BIT[member]:
                refs = sorted(ref for m, ref in self.refs if m == member)
                parts += [ref if ref.startswith("==") else f"git+{ref}" for ref in refs or [nameless]]
        return " || ".join(parts) or EMPTY_SPEC

    def words(self) -> str:
        """The set as a sentence after "Opacus": "1.5.2", "1.5 to 1.5.2", "1.4.1 or 1.5.4 and later"."""
        parts = [_range_words(first, last) for first, last in _ranges(self.mask)]
        if self.mask & _BIT[GIT_FAULTY]:
            parts.append("git commits before the fix (53b3c254)")
        if self.mask & _BIT[GIT_UNKNOWN]:
            refs = sorted(ref for member, ref in self.refs if member == GIT_UNKNOWN)
            parts += [ref.removeprefix("==") for ref in refs] or ["an unknown git commit"]
        return " or ".join(filter(None, [", ".join(parts[:-1]), *parts[-1:]])) or "no known version"


@cache
def _ranges(mask: int) -> tuple[tuple[int, int], ...]:
    """Runs of neighbouring releases as (first, last) indexes into `MEMBERS`."""
    ranges: list[tuple[int, int]] = []
    first: int | None = None
    for index in range(_NEWEST + 2):
        inside = bool(mask >> index & 1)
        if inside and first is None:
            first = index
        elif not inside and first is not None:
            ranges.append((first, index - 1))
            first = None
    if first is not None:
        ranges.append((first, _NEWEST + 1))
    return tuple(ranges)


def _range_spec(first: int, last: int) -> str:
    newer = _NEWEST + 1
    if first == newer:
        return f">{RELEASES[_NEWEST]}"
    if first == last:
        return f"=={RELEASES[first]}"
    lower = f">={RELEASES[first]}" if first else ""
    if last == newer:
        upper = ""
    elif last == _NEWEST:
        upper = f"<={RELEASES[last]}"
    else:
        upper = f"<{RELEASES[last + 1]}"
    return ",".join(part for part in (lower, upper) if part)


def _range_words(first: int, last: int) -> str:
    newer = _NEWEST + 1
    if last < newer:
        return RELEASES[first] if first == last else f"{RELEASES[first]} to {RELEASES[last]}"
    if first == newer:
        return f"later than {RELEASES[_NEWEST]}"
    return f"{RELEASES[first]} and later"


def everything() -> VersionSet:
    """All that a plain install from the package index can give: every release, and `NEWER`."""
    return _EVERYTHING


def universe() -> VersionSet:
    """Everything, and the git members."""
    return _UNIVERSE


def nothing() -> VersionSet:
    """The empty set."""
    return _NOTHING


def between(low: str | None, below: str | None = None) -> VersionSet:
    """The releases from ``low`` on and before ``below`` (None: open), without any specifier parsing.

    Raises ValueError for a bound that is no member of `RELEASES`.
    """
    first = RELEASES.index(low) if low is not None else 0
    stop = RELEASES.index(below) if below is not None else _NEWEST + 2
    return VersionSet(((1 << stop) - 1) & ~((1 << first) - 1))


def build_of(version: str) -> VersionSet:
    """A version that Opacus never released (``1.5.4.post13``): somebody's own build, of unknown code."""
    return VersionSet.of([GIT_UNKNOWN], f"=={version}")


_EVERYTHING = VersionSet(_NUMBERED)
_UNIVERSE = VersionSet((1 << len(MEMBERS)) - 1)
_NOTHING = VersionSet(0)

RELEASED = VersionSet((1 << len(RELEASES)) - 1)
"""Every release that is known."""
FAULTY_GIT = VersionSet(_BIT[GIT_FAULTY])
UNKNOWN_GIT = VersionSet(_BIT[GIT_UNKNOWN])
GHOST_CAPABLE = between("1.5") | FAULTY_GIT | UNKNOWN_GIT
"""Versions that have ghost clipping at all."""

BEFORE_WRAPPED_CRITERION = between("1.5", "1.5.3") | UNKNOWN_GIT
"""Evidence of the old API: ``clipping="ghost"``, two passes by hand."""

DOUBLE_BACKWARD = between("1.5.2", "1.5.3") | UNKNOWN_GIT
"""Evidence of ``double_backward``, which only 1.5.2 has."""

WRAPPED_CRITERION = between("1.5.3") | FAULTY_GIT | UNKNOWN_GIT
"""Evidence of the API since 1.5.3: ``criterion=``, four results in ghost mode."""
