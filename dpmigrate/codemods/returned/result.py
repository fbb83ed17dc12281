"""How the code takes apart what one ``make_private`` call returns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import libcst as cst

from dpmigrate.analysis.ledger import (
    CoefficientAsked,
    DoubleBackward,
    HandedOnWhole,
    Happening,
    ItemTaken,
    LengthAsked,
    ResultUsed,
    Unpack,
)
from dpmigrate.codemods.editing.edits import Withheld
from dpmigrate.codemods.program.facts import Facts, Scope
from dpmigrate.codemods.returned.record import Record
from dpmigrate.codemods.returned.spread import filled_records, receivers
from dpmigrate.codemods.returned.upgraded_call import UpgradedCall

UNUSUAL = (
    "what make_private returns is taken apart here in a way that no fourth object can be put into: write "
    "model, optimizer, criterion, loader = ..., and make the losses by that criterion"
)

Targets = cst.Tuple | cst.List


@dataclass(frozen=True, eq=False)
class Result:
    """Every place where the result of one call is taken apart."""

    upgrade: UpgradedCall
    unpacks: tuple[Unpack, ...]
    """By targets, ``model, optimizer, loader = ...``."""
    items: tuple[ResultUsed, ...]
    """By number, ``result[0]``."""
    records: Mapping[cst.Call, Record]
    """Records whose fields the result is, by the calls that make them."""
    receivers: Mapping[cst.FunctionDef, int]
    """Functions whose arguments the result is, and which parameter the criterion becomes."""

    @classmethod
    def of(cls, upgrade: UpgradedCall) -> Result:
        """What is seen of a call. Raises `Withheld` where no fourth object can be put into it."""
        facts, events = upgrade.facts, upgrade.events
        records = filled_records(upgrade)
        taken_by = receivers(upgrade, records)
        unpacks = _once(
            e for e in events if isinstance(e, Unpack) and facts.parent(e.origin.node) not in records
        )
        whole = (LengthAsked, HandedOnWhole)
        items = _once(e for e in events if isinstance(e, ResultUsed) and not isinstance(e, whole))
        if not (unpacks or items or taken_by or records):
            raise upgrade.withheld(
                "what make_private returns here is taken apart nowhere that is seen: write model, "
                "optimizer, criterion, loader = ... where it is"
            )
        result = cls(upgrade, tuple(unpacks), tuple(items), records, taken_by)
        for event in unpacks:
            if not result._is_plain(event):
                raise Withheld(UNUSUAL, event.origin.module, event.origin.node)
        for taken in items:
            by_number = isinstance(taken, ItemTaken) and isinstance(taken.index, int)
            if not by_number or not isinstance(taken.origin.node, cst.Subscript):
                raise Withheld(UNUSUAL, taken.origin.module, taken.origin.node)
        return result

    @property
    def facts(self) -> Facts:
        """What is known of the program."""
        return self.upgrade.facts

    @property
    def scopes(self) -> list[Scope]:
        """The scopes in which the result is taken apart."""
        apart = [e.origin.node for e in (*self.unpacks, *self.items)]
        kept = [self.facts.scope(node) for node in (*apart, *self.records)]
        return list(dict.fromkeys([*kept, *self.receivers]))

    @property
    def taken_by_three(self) -> list[Unpack]:
        """Where three targets take the result apart, among which a fourth is put."""
        return [e for e in self.unpacks if not self.has_criterion(e)]

    @property
    def criterion_named(self) -> str | None:
        """The third of four targets, where the code has them already."""
        for event in self.unpacks:
            targets = self.targets(event)
            if self.has_criterion(event):
                return self.facts.code(targets.elements[2].value).strip()
        return None

    def has_criterion(self, event: Unpack) -> bool:
        """Whether the third target takes the criterion already."""
        return event.count == 4 and (event.star is None or (event.star == 3 and not self._of_three))

    @property
    def _of_three(self) -> bool:
        """Whether the code is written for the releases whose ghost mode returns three objects."""
        asks = (DoubleBackward, CoefficientAsked)
        given = any(r.argument("clipping") for r in self.upgrade.ghost)
        return given or any(isinstance(e, asks) for e in self.upgrade.events)

    def targets(self, event: Unpack) -> Targets:
        """The targets that take the result apart. Raises `Withheld`."""
        node = event.origin.node
        if isinstance(node, cst.Assign):
            node = node.targets[0].target
        if not isinstance(node, (cst.Tuple, cst.List)):
            raise Withheld(UNUSUAL, event.origin.module, node)
        return node

    def _is_plain(self, event: Unpack) -> bool:
        """Whether a third target can be put in, or is the criterion already."""
        if event.star is None:
            return event.count in (3, 4)
        if event.star == event.count - 1 == 3:
            return True  # Three and a rest: of three objects it is empty, of four it has the loader.
        takes_two = event.star == event.count - 1 == 2
        return not self.upgrade.has_criterion and (takes_two or self.beside_star(event) is not None)

    def beside_star(self, event: Unpack) -> tuple[Targets, int] | None:
        """Where the third of four goes when a starred target takes more than the last of three.

        Before the last target, which takes the loader, or where the rest is taken apart in its turn.
        """
        if self.upgrade.mixed or event.star is None:
            return None
        targets = self.targets(event)
        if event.star < event.count - 1:
            return targets, event.count - 1
        rest = targets.elements[event.star].value
        reads = [
            name
            for name in self.facts.inside(self.facts.scope(targets), cst.Name)
            if isinstance(rest, cst.Name) and name.value == rest.value and name is not rest
        ]
        taken = self.facts.parent(reads[0]) if len(reads) == 1 else None
        if event.count != 2 or not isinstance(taken, cst.Assign) or len(taken.targets) != 1:
            return None
        apart = taken.targets[0].target
        plain = isinstance(apart, (cst.Tuple, cst.List)) and taken.value is reads[0]
        if not isinstance(apart, (cst.Tuple, cst.List)) or not plain or len(apart.elements) != 2:
            return None
        starred = any(isinstance(e, cst.StarredElement) for e in apart.elements)
        return None if starred else (apart, 1)


def _once(events: Iterable[Happening]) -> list[Happening]:
    return list({e.origin.node: e for e in events}.values())
