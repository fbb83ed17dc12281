"""What many groups under one pin decide together, from what they decide a few at a time.

Groups under one pin have to do with one another through such decisions alone (``fixing.deciding``). Each
piece is planned beside a few representatives of the others: two of those that a decision moves, and the
one that refuses it. Where all pieces decide alike, so do all groups together; a piece that did not know of a
decision is planned again, and where the pieces come to no agreement nothing is said of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from dpmigrate.fixing.decisions import Decision, PassOutcome, SharedOutcome

if TYPE_CHECKING:
    from dpmigrate.model import FindingKey
    from dpmigrate.scanning.offering import Offer, Passes

MOST_REPRESENTATIVES = 8
"""Groups that represent the others; where more are needed, too much is decided to say it piece by piece."""
PASSES = 2
"""Passes of planning, with unsafe fixes and without: one piece may need the second where another does not."""

DecisionKey = tuple[int, tuple[str, ...], tuple[str, ...]]
"""The pass, and the pins that are decided on; where there are none, the edits."""


class Piece(NamedTuple):
    """What planning some groups beside the representatives of the others came to, by numbers of groups."""

    own: frozenset[int]
    beside: frozenset[int]
    offers: Mapping[FindingKey, Offer]
    passes: Passes

    @property
    def present(self) -> frozenset[int]:
        """All groups that took part."""
        return self.own | self.beside

    @property
    def decided(self) -> dict[DecisionKey, list[SharedOutcome]]:
        """What was decided, by what it is about."""
        made: dict[DecisionKey, list[SharedOutcome]] = {}
        for number, outcome in enumerate(self.passes or ()):
            for shared in outcome.shared:
                made.setdefault(_key(number, shared), []).append(shared)
        return made


def _key(number: int, shared: SharedOutcome) -> DecisionKey:
    return number, shared.decision.pins, () if shared.decision.pins else shared.decision.edits


def renumbered(passes: Passes, numbers: Sequence[int] | Mapping[int, int]) -> Passes:
    """The same with other numbers of groups: ``numbers`` has the new one of each."""
    if passes is None:
        return None
    return tuple(
        PassOutcome(
            tuple(
                shared._replace(
                    members=tuple(numbers[n] for n in shared.members),
                    refusing=tuple(numbers[n] for n in shared.refusing),
                )
                for shared in outcome.shared
            )
        )
        for outcome in passes
    )


def representatives_of(passes: Passes) -> frozenset[int] | None:
    """The groups that represent all in what was decided; None where that is too much, or cannot be said."""
    if passes is None:
        return None
    moved: dict[SharedOutcome, set[int]] = {}
    for outcome in passes:
        for shared in outcome.shared:
            moved.setdefault(shared._replace(members=()), set()).update(shared.members)
    chosen = {n for decided, held in moved.items() for n in (*sorted(held)[:2], *decided.refusing)}
    return frozenset(chosen) if len(chosen) <= MOST_REPRESENTATIVES else None


def _binds(shared: SharedOutcome) -> bool:
    """Whether groups that a decision does not move have to do with it: not if it is refused untried."""
    return not shared.decision.refusal or bool(shared.decision.edits)


def binds_others(passes: Passes) -> bool:
    """Whether some decision makes a difference to groups that have no say in it, or they to it."""
    return any(_binds(shared) for outcome in passes or () for shared in outcome.shared)


class Settled(NamedTuple):
    """What all pieces come to."""

    decided: Passes
    """What all groups decide; None where the pieces do not agree on it."""
    stale: tuple[Piece, ...] = ()
    """The pieces that are to be planned again beside the representatives of this."""
    undecided: frozenset[int] = frozenset()
    """The groups that are to be planned by themselves, to know which of several refusals is that of all."""


class _Tally(NamedTuple):
    """One decision, and the pieces that came to it."""

    shared: SharedOutcome
    pieces: list[Piece]
    members: list[tuple[int, ...]]

    @property
    def representatives(self) -> frozenset[int]:
        return frozenset([*sorted({n for moved in self.members for n in moved})[:2], *self.shared.refusing])


def settled(pieces: Sequence[Piece]) -> Settled:
    """What the groups of all pieces decide together, and which pieces did not know of it."""
    unsaid = tuple(piece for piece in pieces if piece.passes is None)
    if any(not piece.own for piece in unsaid):
        return Settled(None)
    told: dict[DecisionKey, dict[Decision, _Tally]] = {}
    for piece in pieces:
        for key, outcomes in piece.decided.items():
            for shared in outcomes:
                one = told.setdefault(key, {}).setdefault(shared.decision, _Tally(shared, [], []))
                one.pieces.append(piece)
                one.members.append(shared.members)
    final: dict[DecisionKey, SharedOutcome] = {}
    members: dict[DecisionKey, list[tuple[int, ...]]] = {}
    undecided = frozenset[int]()
    for key, candidates in told.items():
        refusing = {n for one in candidates.values() for n in one.shared.refusing}
        knowing = [
            one for one in candidates.values() if any(refusing <= piece.present for piece in one.pieces)
        ]
        if len(knowing) > 1:
            return Settled(None)
        if not knowing:
            undecided = undecided.union(*(one.representatives for one in candidates.values()))
            continue
        final[key] = knowing[0].shared
        every = {moved for one in candidates.values() for moved in one.members}
        # What raises one pin is one job; moves from 0.x are one for each place.
        members[key] = [tuple(sorted(set().union(*every)))] if key[1] else sorted(every)
    if undecided:
        return Settled(None, undecided=undecided)
    outcomes_of_all = [
        (key[0], final[key]._replace(members=moved)) for key in final for moved in members[key]
    ]
    decided = tuple(
        PassOutcome(tuple(sorted((o for n, o in outcomes_of_all if n == number), key=lambda o: o.members)))
        for number in range(PASSES)
    )
    alike = {key: min(2, len(set().union(*members[key]))) for key in final}
    representatives = representatives_of(decided)
    if representatives is None or any(representatives <= piece.present for piece in unsaid):
        return Settled(None)  # knowing of what all decide is no help
    said = (piece for piece in pieces if piece.passes is not None)
    return Settled(decided, (*unsaid, *(piece for piece in said if not _agrees(piece, final, alike))))


def _agrees(
    piece: Piece, final: Mapping[DecisionKey, SharedOutcome], least: Mapping[DecisionKey, int]
) -> bool:
    """Whether the groups of a piece were planned as all are; ``least`` says how many are to be moved."""
    here = piece.decided
    for key, shared in final.items():
        if key not in here:
            if _binds(shared):
                return False
            continue
        moved = {n for outcome in here[key] for n in outcome.members}
        refused = all(outcome.decision.refusal for outcome in (shared, *here[key]))
        if refused and not moved & piece.own:
            continue  # who refuses is all that may differ, and none of its own is told
        if any(outcome.decision != shared.decision for outcome in here[key]) or len(moved) < least[key]:
            return False
    return True
