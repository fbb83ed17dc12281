"""Three targets become four: what ghost ``make_private`` returns since Opacus 1.5.3.

(model, optimizer, criterion, loader) in a ghost mode, three in every other: where a call may run
in both, its result is kept in a variable and taken apart by mode.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

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
from dpmigrate.codemods.editing.nodes import add_element, with_element
from dpmigrate.codemods.program.facts import Facts, Scope
from dpmigrate.codemods.program.places import fresh_name
from dpmigrate.codemods.returned.annotations import result_annotations
from dpmigrate.codemods.returned.spread import (
    fill,
    filled_records,
    receivers,
    third_parameter_free,
    with_parameter,
)
from dpmigrate.codemods.returned.upgraded_call import UpgradedCall

UNUSUAL = (
    "what make_private returns is taken apart here in a way that no fourth object can be put into: write "
    "model, optimizer, criterion, loader = ..., and make the losses by that criterion"
)


class ResultPlan:
    """How the result of one ``make_private`` call is taken apart, and where its criterion goes."""

    def __init__(self, upgrade: UpgradedCall) -> None:
        self.upgrade = upgrade
        self.facts = upgrade.facts
        self.edits = upgrade.edits
        events = upgrade.events
        self.target: str | None = None
        """What the wrapped criterion is named where the result is taken apart."""
        self.records = filled_records(upgrade)
        """Records whose fields the result is, by the calls that make them."""
        self.receivers = receivers(upgrade, self.records)
        """Functions whose arguments the result is."""
        unpacks = (e for e in events if isinstance(e, Unpack))
        self.unpacks = _once(e for e in unpacks if self.facts.parent(e.origin.node) not in self.records)
        apart = (LengthAsked, HandedOnWhole)
        self.items = _once(e for e in events if isinstance(e, ResultUsed) and not isinstance(e, apart))
        if not (self.unpacks or self.items or self.receivers or self.records):
            raise upgrade.withheld(
                "what make_private returns here is taken apart nowhere that is seen: write model, "
                "optimizer, criterion, loader = ... where it is"
            )
        for event in self.unpacks:
            if not self._is_plain(event):
                raise Withheld(UNUSUAL, event.origin.module, event.origin.node)
        for taken in self.items:
            by_number = isinstance(taken, ItemTaken) and isinstance(taken.index, int)
            if not by_number or not isinstance(taken.origin.node, cst.Subscript):
                raise Withheld(
                    UNUSUAL,
                    taken.origin.module,
                    taken.origin.node,
                )

    def _is_plain(self, event: Unpack) -> bool:
        """Whether a third target can be put in, or is the criterion already."""
        if event.star is None:
            return event.count in (3, 4)
        if event.star == event.count - 1 == 3:
            return True  # Three and a rest: of three objects it is empty, of four it has the loader.
        given = any(r.argument("criterion") for r in self.upgrade.ghost)
        return not given and (event.star == event.count - 1 == 2 or self._beside_star(event) is not None)

    def _beside_star(self, event: Unpack) -> tuple[cst.Tuple | cst.List, int] | None:
        """Where the third of four goes when a starred target takes more than the last of three.

        Before the last target, which takes the loader, or where the rest is taken apart in its turn.
        """
        if self.upgrade.mixed or event.star is None:
            return None
        targets = self.targets(event)
        if event.star < event.count - 1:
            return targets, event.count - 1
        rest = targets.elements[event.star].value
        scope = self.facts.scope(targets)
        reads = [
            n
            for n in self.facts.inside(scope, cst.Name)
            if isinstance(rest, cst.Name) and n.value == rest.value and n is not rest
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

    @property
    def scopes(self) -> list[Scope]:
        """The scopes in which the result is taken apart."""
        apart = [e.origin.node for e in (*self.unpacks, *self.items)]
        kept = [self.facts.scope(node) for node in (*apart, *self.records)]
        return list(dict.fromkeys([*kept, *self.receivers]))

    @property
    def taken_by_three(self) -> list[Unpack]:
        """Where three targets take the result apart, among which a fourth is put."""
        return [e for e in self.unpacks if not self._has_criterion(e)]

    @property
    def names_four(self) -> str | None:
        """The third of four targets, where the code has them already."""
        for event in self.unpacks:
            node = self.targets(event)
            if self._has_criterion(event):
                return self.facts.code(node.elements[2].value).strip()
        return None

    def _has_criterion(self, event: Unpack) -> bool:
        """Whether the third target takes the criterion already."""
        return event.count == 4 and (event.star is None or (event.star == 3 and not self._of_three))

    @property
    def _of_three(self) -> bool:
        """Whether the code is written for the releases whose ghost mode returns three objects."""
        asks = (DoubleBackward, CoefficientAsked)
        given = any(r.argument("clipping") for r in self.upgrade.ghost)
        return given or any(isinstance(e, asks) for e in self.upgrade.events)

    def targets(self, event: Unpack) -> cst.Tuple | cst.List:
        """The targets that take the result apart. Raises `Withheld`."""
        node = event.origin.node
        if isinstance(node, cst.Assign):
            node = node.targets[0].target
        if not isinstance(node, (cst.Tuple, cst.List)):
            raise Withheld(UNUSUAL, event.origin.module, node)
        return node

    def give_criterion_once(self, target: str) -> None:
        """Plan the fourth target, or rename the third of four; a second wish must be the same."""
        if self.target is None:
            self.target = target
            self._give_criterion(target)
        elif self.target != target:
            raise self.upgrade.withheld(
                "the result of this call is taken apart in several places, under several names for the "
                "criterion: use one name, the third target, in all of them"
            )

    def _give_criterion(self, target: str) -> None:
        if not self.upgrade.mixed:
            result_annotations(self.facts, self.edits, self.upgrade.call)
        for event in self.unpacks:
            targets = self.targets(event)
            if self._has_criterion(event):
                third = self.facts.code(targets.elements[2].value).strip()
                if third != target:
                    self.edits.of(event.origin.module).replace(targets.elements[2].value, target)
            elif self.upgrade.mixed:
                self._by_mode(event, targets, target)
            elif event.star is not None and (beside := self._beside_star(event)) is not None:
                apart, place = beside
                self.edits.of(event.origin.module).change(apart, with_element(place, target))
            else:
                self.edits.of(event.origin.module).change(
                    targets,
                    lambda new: add_element(new, 2, target),
                )
        for function, place in self.receivers.items():
            third_parameter_free(self.facts, function, target)
            takes_it = partial(with_parameter, place=place, name=target)
            self.edits.of(self.facts.module_of(function)).change(function, takes_it)
        for record in self.records.values():
            fill(self.upgrade, record, target)
        self._items(target)

    def _items(self, target: str) -> None:
        named = False
        # Where a criterion is given the code knows that there are four: its indices are right.
        written_for_four = all(r.argument("criterion") for r in self.upgrade.ghost)
        for event in self.items:
            node = event.origin.node
            assert isinstance(node, cst.Subscript) and isinstance(event, ItemTaken)
            module_edits = self.edits.of(event.origin.module)
            index = event.index
            text = self.facts.code(node.value).strip()
            statement = self.facts.statement(node)
            if index in (2, -1) and not named:
                if self.upgrade.mixed:
                    module_edits.insert_before(statement, f"if len({text}) == 4:\n    {target} = {text}[2]")
                else:
                    module_edits.insert_before(statement, f"{target} = {text}[2]")
                named = True
            if written_for_four:
                continue
            if index == 2:
                module_edits.change(node.slice[0], _last)
            elif index in (-2, -3):
                module_edits.change(node.slice[0], _first if index == -3 else _second)
        if self.items and not self.unpacks and not named:
            raise self.upgrade.withheld(
                "only some elements of what this call returns are taken by number: write model, optimizer, "
                "criterion, loader = ... here, since the criterion stands third now"
            )

    def _by_mode(self, event: Unpack, targets: cst.Tuple | cst.List, target: str) -> None:
        facts = self.facts
        assign = facts.nearest(targets, cst.Assign)
        statement = facts.statement(targets)
        if (
            not isinstance(assign, cst.Assign)
            or len(assign.targets) > 1
            or assign.targets[0].target is not targets
        ):
            raise Withheld(UNUSUAL, event.origin.module, targets)
        module_edits = self.edits.of(event.origin.module)
        scope = facts.scope(targets)
        three = facts.code(targets).strip()
        four = _with_third(targets, target, facts)
        if isinstance(assign.value, cst.Name):
            held = assign.value.value
            module_edits.remove(facts.removable(targets))
        else:
            held = fresh_name(facts, scope, "private", "private_objects")
            module_edits.replace(targets, held)
        test = self._test(scope, held)
        module_edits.insert_after(
            statement, f"if {test}:\n    {four} = {held}\nelse:\n    {three} = {held}\n"
        )

    def _test(self, scope: Scope, held: str) -> str:
        """The condition under which there are four: the call's own mode, where it can be read again."""
        call = self.upgrade.call
        mode = next((a.value for a in call.args if a.keyword and a.keyword.value == "grad_sample_mode"), None)
        modes = {r.mode for r in self.upgrade.ghost}
        if mode is not None and self.facts.scope(call) is scope and modes == {"ghost"} and _readable(mode):
            return f"{self.facts.code(mode).strip()} == {self._quoted('ghost')}"
        return f"len({held}) == 4"

    def _quoted(self, text: str) -> str:
        quotes = [n.quote for n in self.facts.inside(self.upgrade.call, cst.SimpleString)]
        quote = quotes[0] if quotes and quotes[0] in ("'", '"') else '"'
        return f"{quote}{text}{quote}"


def _readable(node: cst.BaseExpression) -> bool:
    """Whether reading an expression again gives the same and does nothing."""
    if isinstance(node, cst.Attribute):
        return _readable(node.value)
    return isinstance(node, cst.Name)


def _with_third(targets: cst.Tuple | cst.List, target: str, facts: Facts) -> str:
    parts = [
        ("*" if isinstance(e, cst.StarredElement) else "") + facts.code(e.value).strip()
        for e in targets.elements
    ]
    return ", ".join([*parts[:2], target, *parts[2:]])


def _index(new: cst.CSTNode, text: str) -> cst.CSTNode:
    assert isinstance(new, cst.SubscriptElement)
    return new.with_changes(slice=cst.Index(cst.parse_expression(text)))


def _last(new: cst.CSTNode) -> cst.CSTNode:
    return _index(new, "-1")


def _first(new: cst.CSTNode) -> cst.CSTNode:
    return _index(new, "0")


def _second(new: cst.CSTNode) -> cst.CSTNode:
    return _index(new, "1")


def _once(events: Iterable[Happening]) -> list[Happening]:
    return list({e.origin.node: e for e in events}.values())
