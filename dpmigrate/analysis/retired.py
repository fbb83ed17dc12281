"""What one interpreter met of Opacus that some release has dropped; `closing` makes records of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dpmigrate.analysis.domain.atoms import Atom, Obj
from dpmigrate.analysis.ledger import Origin
from dpmigrate.analysis.ledger.models import InPlace
from dpmigrate.analysis.ledger.retired import LibraryName, RetiredKind

if TYPE_CHECKING:
    import libcst as cst


@dataclass(slots=True)
class MetCall:
    """A call of the API of Opacus 0.x, as far as it is known until now; see `RetiredCall` of the ledger."""

    kind: RetiredKind
    origin: Origin
    since: str
    error: str
    sure: bool
    engine: Obj | None = None
    optimizers: dict[Atom, Origin] = field(default_factory=dict)
    """What the engine was attached to, and where."""
    in_place: list[InPlace] = field(default_factory=list)


class Retired:
    """All of it."""

    def __init__(self) -> None:
        self.calls: dict[tuple[RetiredKind, cst.CSTNode], MetCall] = {}
        self.names: dict[cst.CSTNode, LibraryName] = {}

    def __bool__(self) -> bool:
        """Whether there is any."""
        return bool(self.calls or self.names)

    def note(self, met: MetCall) -> MetCall:
        """Keep a call; one that was met before is as sure as its surest meeting, and fails as early."""
        noted = self.calls.setdefault((met.kind, met.origin.node), met)
        noted.sure = noted.sure or met.sure
        noted.since = min(noted.since, met.since)
        return noted

    def name(self, dotted: str, origin: Origin, *, imported: bool = False) -> None:
        """Keep a dotted name; those of other packages are none of ours."""
        if dotted.partition(".")[0] == "opacus":
            self.names.setdefault(origin.node, LibraryName(dotted, origin, imported))
