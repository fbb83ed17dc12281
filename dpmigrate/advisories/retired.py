"""DPM409 to DPM413: calls and names of Opacus that some release has dropped.

The ``[match]`` table of such a rule has ``about = "retired"``, the ``call`` that it is about or the rows of
``names``, and a ``message`` with {what}, {since}, {error}, {instead}, {reach}. A row is a dotted name
(``old``, with everything below it), the release that dropped it (``gone``), and what takes its place
(``instead``). Where that is the same thing under another name, `fix` goes by ``new``; ``below`` lists what is
still there, when that is not everything, and ``keywords`` the functions that take arguments by keyword only.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dpmigrate.advisories.catalogue import Advisory
from dpmigrate.advisories.evidence import Assumed
from dpmigrate.advisories.matching import GoneName, Match
from dpmigrate.analysis.ledger import Origin
from dpmigrate.analysis.ledger.retired import LibraryName, RetiredCall
from dpmigrate.model import Place
from dpmigrate.versions.releases import FAULTY_GIT, UNKNOWN_GIT, between, everything, nothing

if TYPE_CHECKING:
    from dpmigrate.project import Project


@dataclass(frozen=True, slots=True)
class Row:
    """One row of ``names``."""

    old: str
    gone: str
    instead: str
    new: str = ""
    below: Sequence[str] | None = None
    keywords: Mapping[str, Sequence[str]] = field(default_factory=dict)


def match_retired(project: Project, advisory: Advisory, assumed: Assumed, target: Assumed) -> Iterator[Match]:
    """What a project uses of the calls or names that a rule is about."""
    program = project.program
    if program is None:
        return
    for part in program.parts:
        # What attaches the engine of a fork of 0.x has that fork for its Opacus.
        if part.retired_calls and not program.modules.holds_zero_x:
            yield from _calls(project, part.retired_calls, advisory, assumed, target)
        # A copy of Opacus in the project has the names that it has, whatever the releases dropped.
        if part.retired_names and not program.modules.holds_library:
            yield from _names(project, part.retired_names, advisory, assumed, target)


def _calls(
    project: Project, calls: Iterable[RetiredCall], advisory: Advisory, assumed: Assumed, target: Assumed
) -> Iterator[Match]:
    for call in calls:
        if call.kind == advisory.match.get("call") and not call.tolerated:
            said = {name: advisory.match[name] for name in ("what", "instead") if name in advisory.match}
            words = {"error": call.error, **said}
            match = _match(
                project, advisory, assumed, target, call.origin, call.since, words, _because(call), call.sure
            )
            if match.severity is None or not advisory.match.get("only-where-dropped"):
                yield match


def _because(call: RetiredCall) -> tuple[Place, ...]:
    attached = [origin.module.place(origin.node, origin.text) for _, origin in call.attached]
    made = call.engine_made
    if made is not None and made.node is not call.origin.node:
        attached.append(made.module.place(made.node, "the engine"))
    return tuple(dict.fromkeys(attached))


def _names(
    project: Project, names: Iterable[LibraryName], advisory: Advisory, assumed: Assumed, target: Assumed
) -> Iterator[Match]:
    rows = [Row(**row) for row in advisory.match.get("names", ())]
    for name in names if rows else ():
        row = row_of(rows, name)
        if row is None or name.tolerated:
            continue
        words = {"what": name.dotted, "instead": row.instead, "error": "ImportError"}
        match = _match(project, advisory, assumed, target, name.origin, row.gone, words)
        match.gone = _gone(row, name.dotted)
        if match.severity is None or not advisory.match.get("only-where-dropped"):
            yield match


def _gone(row: Row, dotted: str) -> GoneName:
    """The name, and where it is now, as far as the row says so for all that is below it."""
    below = dotted.removeprefix(row.old)
    if not row.new or (row.below is not None and below[1:] not in row.below):
        return GoneName(dotted)
    return GoneName(dotted, row.new + below, row.keywords)


def row_of(rows: list[Row], name: LibraryName) -> Row | None:
    """The row that a name falls under; none where what it is reached through is gone already."""
    above = name.dotted.rpartition(".")[0]
    if not name.imported and _row(rows, above) is not None:
        return None
    return _row(rows, name.dotted)


def _row(rows: list[Row], dotted: str) -> Row | None:
    """The row with the longest name that is, or is above, a dotted name."""
    under = [row for row in rows if f"{dotted}.".startswith(f"{row.old}.")]
    return max(under, key=lambda row: len(row.old), default=None)


def _match(
    project: Project,
    advisory: Advisory,
    assumed: Assumed,
    target: Assumed,
    origin: Origin,
    since: str,
    words: Mapping[str, str],
    because: tuple[Place, ...] = (),
    sure: bool = True,
) -> Match:
    """A finding about one place: where no admitted release has dropped it, it is what a move needs."""
    declared = everything()
    sources: tuple[Place, ...] = ()
    given = assumed(origin.module.path)
    if given is not None:
        declared = given
    elif project.declarations is not None:
        declared_here = project.declarations.declared_for(origin.module.path)
        declared, sources = declared_here.versions, declared_here.places
    declared |= target(origin.module.path) or nothing()
    dropped = between(since) | (FAULTY_GIT if "1.5.3" in between(since) else nothing())
    without_it = declared & (dropped | UNKNOWN_GIT)
    admitted = f"; the pins admit Opacus {declared.words()} alone"
    reach = "" if without_it else f"{admitted}, so that this is what a move needs"
    certain = sure and (not without_it or declared <= dropped)
    message = advisory.match["message"].format(since=_spoken(since), reach=reach, **words)
    return Match(
        advisory,
        None,
        "definite" if certain else "possible",
        message,
        (*because, *sources[:4]),
        origin,
        severity=None if without_it else "info",
        gone=GoneName(words["what"]) if "what" in words else None,
    )


def _spoken(release: str) -> str:
    """A release as people say it: 1.0 for 1.0.0."""
    return release.removesuffix(".0") if release.count(".") == 2 else release
