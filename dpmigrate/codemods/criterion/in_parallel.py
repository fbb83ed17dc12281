"""Private objects in a collection each, by one key or in one order: their criteria get one as well.

``models[name], optimizers[name], loaders[name] = ...`` is joined by ``criteria[name]``, read where the
optimizer of that key is; ``zip(models, optimizers, loaders)`` goes over the criteria, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import libcst as cst

from dpmigrate.codemods.criterion.wrapping import Wrapping
from dpmigrate.codemods.editing.edits import ProjectEdits, Withheld
from dpmigrate.codemods.editing.nodes import name_of, with_argument_after, with_element
from dpmigrate.codemods.program.binders import binders, bound_by
from dpmigrate.codemods.program.facts import Facts, Scope
from dpmigrate.codemods.program.places import fresh_name
from dpmigrate.codemods.returned.collected import bound_to, is_empty, occurrences

_KEYS = (cst.Name, cst.SimpleString, cst.Integer)


@dataclass
class Parallel:
    """The collection of the optimizers of one call, and that of their criteria beside it."""

    wrapping: Wrapping
    name: str
    base: cst.Name | cst.Attribute
    stored: cst.CSTNode
    """What puts an optimizer in."""
    key: str
    """By which key; empty for ``append``."""
    needing: Sequence[cst.CSTNode]
    """What needs a criterion."""
    edits: ProjectEdits = field(default_factory=ProjectEdits)
    covered: list[cst.CSTNode] = field(default_factory=list)
    criteria: str = ""

    @property
    def facts(self) -> Facts:
        """What is known of the program."""
        return self.wrapping.facts

    @classmethod
    def of(
        cls, wrapping: Wrapping, name: str, scope: Scope, needing: Sequence[cst.CSTNode]
    ) -> Parallel | None:
        """The collection that a scope puts the optimizers of its call into; None where it is not one."""
        stores = list(_stores(wrapping, scope))
        return cls(wrapping, name, *stores[0], needing) if len(stores) == 1 else None

    def kept(self) -> Parallel:
        """Keep the criteria beside the optimizers, and read them where those are read. Raises `Withheld`."""
        facts, base = self.facts, self.facts.code(self.base).strip()
        scope, tree = facts.scope(self.base), facts.module_of(self.base).tree
        owner, _, member = base.rpartition(".")
        free = fresh_name(facts, tree, "criteria", f"{member}_criteria")
        self.criteria = f"{owner}.{free}" if owner else free
        begun, zipped, entries = [], [], []
        for node in occurrences(facts, base, scope):
            value, around = bound_to(facts, node), facts.parent(node)
            if value is not None:
                begun.append((node, value))
            elif isinstance(around, cst.Subscript) and around.value is node:
                entries.append(around)
            elif isinstance(around, cst.Arg) and self._zip_of(around) is not None:
                zipped.append(around)
            elif not self._only_counted(node) and facts.parent(around or node) is not self.stored:
                raise self._by_hand(node)
        if len(begun) != 1 or not is_empty(begun[0][1]):
            raise self._by_hand(begun[0][0] if begun else self.stored)
        of_module = self.edits.of(facts.module_of(begun[0][0]))
        line = f"{self.criteria} = {facts.code(begun[0][1]).strip()}"
        of_module.insert_after(facts.statement(begun[0][0]), line)
        put = (
            f"{self.criteria}[{self.key}] = {self.name}"
            if self.key
            else f"{self.criteria}.append({self.name})"
        )
        self.edits.of(facts.module_of(self.stored)).insert_after(facts.statement(self.stored), put)
        for arg in zipped:
            self._zip(arg)
        self._read([e for e in entries if not self._is_made(e)])
        return self

    def _is_made(self, entry: cst.Subscript) -> bool:
        """Whether an entry is written, or read for the call that makes the optimizer private."""
        around = self.facts.parent(entry)
        if isinstance(around, cst.Element):
            around = self.facts.parent(self.facts.parent(around) or around)
        return isinstance(around, cst.AssignTarget) or self.wrapping.upgrade.call in self.facts.above(entry)

    def _zip_of(self, arg: cst.Arg) -> tuple[cst.Call, cst.For | cst.CompFor, cst.Tuple | cst.List] | None:
        """``zip(models, optimizers)`` that a loop goes over, the loop, and the target that takes it apart."""
        facts, call = self.facts, self.facts.parent(arg)
        if not isinstance(call, cst.Call) or name_of(call.func) != "zip" or any(a.star for a in call.args):
            return None
        around = facts.parent(call)
        outer = facts.parent(around) if isinstance(around, cst.Arg) else None
        counted = isinstance(outer, cst.Call) and name_of(outer.func) == "enumerate"
        loop = facts.parent(outer) if counted and outer is not None else around
        target: cst.BaseExpression | None = loop.target if isinstance(loop, (cst.For, cst.CompFor)) else None
        if counted and isinstance(target, (cst.Tuple, cst.List)) and len(target.elements) == 2:
            target = target.elements[1].value
        if not isinstance(loop, (cst.For, cst.CompFor)) or not isinstance(target, (cst.Tuple, cst.List)):
            return None
        return (call, loop, target) if len(target.elements) == len(call.args) else None

    def _zip(self, arg: cst.Arg) -> None:
        """Let a loop over several collections go over the criteria, too. Raises `Withheld`."""
        zipped = self._zip_of(arg)
        assert zipped is not None
        call, loop, target = zipped
        facts, place = self.facts, list(call.args).index(arg) + 1
        of_module = self.edits.of(facts.module_of(call))
        of_module.change(call, with_argument_after(place, self.criteria))
        of_module.change(target, with_element(place, self.name))
        taken = {n.value for n in facts.inside(target, cst.Name)}
        inside = facts.below(facts.parent(loop) or loop if isinstance(loop, cst.CompFor) else loop)
        for use in (u for u in self.needing if u in inside):
            others = [n for n in self._private(use) if not (isinstance(n, cst.Name) and n.value in taken)]
            if others:
                raise self._by_hand(use)
            self.covered.append(use)

    def _read(self, entries: Sequence[cst.Subscript]) -> None:
        """Read the criterion of the same key in each block that needs one. Raises `Withheld`."""
        facts = self.facts
        blocks: dict[cst.CSTNode, list[cst.Subscript]] = {}
        for entry in entries:
            blocks.setdefault(self._block(entry), []).append(entry)
        for block, inside in blocks.items():
            below = facts.below(block)
            uses = [u for u in self.needing if u in below and facts.scope(u) is facts.scope(inside[0])]
            if not uses:
                continue
            first, keys = facts.in_order(inside)[0], {_key(facts, e) for e in inside}
            statement = facts.statement(first)
            key = keys.pop()
            if keys or not key or any(facts.is_before(u, statement) for u in uses):
                raise self._by_hand(first)
            bound = [b for b in binders(facts, facts.scope(first)) if key in bound_by(facts, b)]
            if any(b is not block and b in below for b in bound):
                raise self._by_hand(first)
            for use in uses:
                if any(self._key_of(n) != key for n in self._private(use)):
                    raise self._by_hand(use)
                self.covered.append(use)
            line, of_module = f"{self.name} = {self.criteria}[{key}]", self.edits.of(facts.module_of(first))
            if isinstance(statement, (cst.SimpleStatementLine, cst.With)):
                of_module.insert_before(statement, line)
            else:
                raise self._by_hand(first)

    def _block(self, entry: cst.Subscript) -> cst.CSTNode:
        """The loop that gives an entry's key its value; the function around it where none does."""
        facts, scope, key = self.facts, self.facts.scope(entry), _key(self.facts, entry)
        for around in facts.above(entry):
            if around is scope:
                break
            if isinstance(around, cst.For) and key in {
                n.value for n in facts.inside(around.target, cst.Name)
            }:
                return around
        return scope

    def _private(self, use: cst.CSTNode) -> list[cst.BaseExpression]:
        """The private models and optimizers of the call in what needs a criterion."""
        return self.wrapping.private_in(use, cst.Name, cst.Subscript)

    def _key_of(self, node: cst.BaseExpression) -> str:
        """The key by which an expression was taken out of its collection; empty where that is not seen."""
        facts = self.facts
        if isinstance(node, cst.Subscript):
            return _key(facts, node)
        if not isinstance(node, cst.Name):
            return ""
        bound = [b for b in binders(facts, facts.scope(node)) if node.value in bound_by(facts, b)]
        target = bound[0].target if len(bound) == 1 and isinstance(bound[0], cst.AssignTarget) else None
        names = facts.inside(target, cst.Name) if target is not None else []
        mine = next((n for n in names if n.value == node.value), None)
        value = bound_to(facts, mine) if mine is not None else None
        return _key(facts, value) if isinstance(value, cst.Subscript) else ""

    def _only_counted(self, node: cst.BaseExpression) -> bool:
        around = self.facts.parent(node)
        if isinstance(around, cst.Arg):
            call = self.facts.parent(around)
            return isinstance(call, cst.Call) and name_of(call.func) == "len"
        goes_over = isinstance(around, (cst.For, cst.CompFor)) and around.iter is node
        return goes_over and self.facts.is_a(node, "dict")

    def _by_hand(self, node: cst.CSTNode) -> Withheld:
        base, key = self.facts.code(self.base).strip(), self.key or "i"
        return Withheld(
            f"each entry of {base} has a criterion of its own (line {self.facts.position(self.stored)}), "
            "and what becomes of it here is not seen: keep the third object that make_private returns in a "
            f"collection beside it, {self.criteria or 'criteria'}[{key}], and let that make the losses of "
            "the model of the same key",
            self.facts.module_of(node),
            node,
        )


def _stores(wrapping: Wrapping, scope: Scope) -> list[tuple[cst.Name | cst.Attribute, cst.CSTNode, str]]:
    """The collections that the optimizers of a call are put into in a scope, what puts them, and the key."""
    facts, made_by = wrapping.facts, wrapping.upgrade.call
    found: list[tuple[cst.Name | cst.Attribute, cst.CSTNode, str]] = []

    def put(base: cst.BaseExpression, by: cst.CSTNode, key: str) -> None:
        if isinstance(base, (cst.Name, cst.Attribute)):
            found.append((base, by, key))

    for call in facts.own(scope, cst.Call):
        into = (
            call.func if isinstance(call.func, cst.Attribute) and call.func.attr.value == "append" else None
        )
        if (
            into is not None
            and len(call.args) == 1
            and facts.made_at(call.args[0].value, "dp-optimizer") is made_by
        ):
            put(into.value, call, "")
    for event in wrapping.result.unpacks:
        if facts.scope(event.origin.node) is scope and event.count == 3 and event.star is None:
            second = wrapping.result.targets(event).elements[1].value
            if isinstance(second, cst.Subscript) and (key := _key(facts, second)):
                put(second.value, second, key)
    for assign in facts.own(scope, cst.Assign):
        target = assign.targets[0].target
        if isinstance(target, cst.Subscript) and facts.made_at(assign.value, "dp-optimizer") is made_by:
            put(target.value, assign, _key(facts, target))
    return found


def _key(facts: Facts, entry: cst.Subscript) -> str:
    index = entry.slice[0].slice if len(entry.slice) == 1 else None
    value = index.value if isinstance(index, cst.Index) else None
    return facts.code(value).strip() if isinstance(value, _KEYS) else ""
