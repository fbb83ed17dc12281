"""Private objects that are collected, each with its own criterion, which whoever takes one out takes, too.

``workers.append((model, optimizer, loader))``, ``{name: make(name) for name in names}``: the tuple, dict or
record that is collected has the criterion in it, and every loop over the collection takes it from there.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

import libcst as cst

from dpmigrate.codemods.editing.edits import ProjectEdits, Withheld
from dpmigrate.codemods.editing.nodes import name_of, with_element
from dpmigrate.codemods.program.assignments import is_bound_by, target_text
from dpmigrate.codemods.program.binders import binders, bound_by
from dpmigrate.codemods.program.facts import Facts, Scope
from dpmigrate.codemods.program.places import parameter_of, unread

_DEPTH = 3
"""Functions through which a collection is followed."""
_AS_IT_IS = frozenset(["list", "tuple", "reversed", "iter", "tqdm", "trange", "track", "values"])
_BESIDE = frozenset(["enumerate", "items"])
"""What gives what is collected as the second of two."""


@dataclass(frozen=True)
class Collected:
    """One kind of bundle, where it is put into a collection, and the targets that take it out again."""

    facts: Facts
    put_in: Collection[cst.CSTNode]
    """The literals, or the calls of the one function, that make what is collected."""
    size: int
    """How many elements a bundle has that is a tuple; 0 for any other."""
    targets: list[cst.BaseExpression] = field(default_factory=list)

    by_number: list[cst.Subscript] = field(default_factory=list)
    """Where a part of a tuple is read by its number, without a variable."""
    comes_from: list[cst.CSTNode] = field(default_factory=list)
    """The calls of functions that return the collection."""

    @classmethod
    def of(
        cls,
        facts: Facts,
        node: cst.BaseExpression,
        alike: Collection[cst.CSTNode],
        size: int = 0,
        yielded: bool = False,
    ) -> Collected | None:
        """What becomes of a bundle that is put into a collection, or yielded; None where it is not.

        ``alike`` are all expressions that make such a bundle. Raises `Withheld` where it is not seen.
        """
        made = cls(facts, alike, size)
        if yielded:
            return made if made._gone_through(node) else None
        container = container_of(facts, node)
        if container is None:
            return None
        if isinstance(container, (cst.Name, cst.Attribute)):
            made._variable(facts.code(container).strip(), facts.scope(container), _DEPTH)
        else:
            made._read(container)
        return made

    @property
    def plain(self) -> bool:
        """Whether each target takes a tuple apart into all of its elements."""
        return not self.by_number and all(isinstance(t, (cst.Tuple, cst.List)) for t in self.targets)

    def take(self, name: str, reading: str, place: int, uses: Collection[cst.CSTNode]) -> ProjectEdits:
        """The variable ``name`` for the criterion wherever a bundle is taken out and some of ``uses`` follow.

        ``reading`` is how it is read of a bundle that a variable has (``{}["criterion"]``), and ``place``
        where it stands in a tuple. Raises `Withheld`.
        """
        facts, edits = self.facts, ProjectEdits()
        for target in self.targets:
            of_module = edits.of(facts.module_of(target))
            around = next(n for n in facts.above(target) if isinstance(n, (cst.For, cst.CompFor, cst.Assign)))
            inside = facts.parent(around) if isinstance(around, cst.CompFor) else around
            assert inside is not None
            below = facts.below(facts.scope(target) if isinstance(around, cst.Assign) else inside)
            wanted = any(use in below for use in uses)
            if isinstance(target, (cst.Tuple, cst.List)):
                taken = name if wanted else unread(facts, facts.scope(target))
                of_module.change(target, with_element(place, taken))
            elif wanted:
                line = f"{name} = {reading.format(facts.code(target).strip(), name)}"
                body = around.body if isinstance(around, cst.For) else None
                if isinstance(body, cst.IndentedBlock):
                    of_module.insert_before(body.body[0], line)
                elif isinstance(around, cst.Assign):
                    of_module.insert_after(facts.statement(target), line)
                else:
                    raise self._by_hand(target, f"take {name} out of it in a loop that is written out")
        return edits

    def _variable(self, text: str, scope: Scope, depth: int) -> None:
        """Follow a collection in a variable or member. Raises `Withheld`."""
        for node in occurrences(self.facts, text, scope):
            self._read(node, depth)

    def _read(self, node: cst.BaseExpression, depth: int = _DEPTH) -> None:
        """Follow one place where a collection is. Raises `Withheld`."""
        facts, around = self.facts, self.facts.parent(node)
        bound = bound_to(facts, node)
        if bound is not None:
            if not self._begins(bound):
                raise self._by_hand(node, "see to what else is put into it")
        elif self._is_store(node):
            pass
        elif isinstance(around, (cst.Assign, cst.AnnAssign)) and not isinstance(
            node, (cst.Name, cst.Attribute)
        ):
            text = target_text(facts, around)
            if not text:
                raise self._by_hand(node, "keep it under one name")
            self._variable(text, facts.scope(around), depth)
        elif isinstance(around, cst.Subscript) and around.value is node:
            self._taken_out(around)
        elif isinstance(around, cst.Return):
            self._handed_back(node, depth)
        elif not (self._counted(node) or self._gone_through(node) or self._handed_on(node, depth)):
            raise self._by_hand(node, "take what is in it out by a loop, or by its key")

    def _begins(self, value: cst.BaseExpression) -> bool:
        """Whether a collection begins empty, or with what is known to be put in."""
        if value in self.comes_from or is_empty(value):
            return True
        if isinstance(value, cst.List):
            return all(e.value in self.put_in for e in value.elements)
        if isinstance(value, cst.ListComp):
            return value.elt in self.put_in
        return isinstance(value, cst.DictComp) and value.value in self.put_in

    def _is_store(self, node: cst.BaseExpression) -> bool:
        """``workers.append(bundle)`` or ``workers[i] = bundle``, of what is known to be put in."""
        around = self.facts.parent(node)
        if isinstance(around, cst.Subscript) and isinstance(self.facts.parent(around), cst.AssignTarget):
            assign = self.facts.nearest(around, cst.Assign)
            return isinstance(assign, cst.Assign) and assign.value in self.put_in
        call = self.facts.parent(around) if isinstance(around, cst.Attribute) else None
        adds = isinstance(around, cst.Attribute) and around.attr.value == "append"
        return isinstance(call, cst.Call) and adds and [a.value in self.put_in for a in call.args] == [True]

    def _taken_out(self, entry: cst.Subscript) -> None:
        """``workers[i]``: of which one part is read, or which a variable keeps. Raises `Withheld`."""
        around = self.facts.parent(entry)
        if isinstance(around, cst.Attribute) and not self.size:
            return
        if isinstance(around, cst.Subscript) and around.value is entry and _by_entry(around):
            self.by_number.append(around)
            return
        assign = around if isinstance(around, cst.Assign) and len(around.targets) == 1 else None
        if assign is None:
            raise self._by_hand(entry, "keep what is taken out in a variable")
        self._target(assign.targets[0].target)

    def _gone_through(self, node: cst.BaseExpression) -> bool:
        """Whether a loop goes over a collection, by what of Python or of a progress bar it is written."""
        facts, current, ways = self.facts, node, list[tuple[str, int]]()
        while True:
            around = facts.parent(current)
            call = facts.parent(around) if around is not None else None
            if isinstance(around, (cst.For, cst.CompFor)) and around.iter is current:
                break
            if isinstance(around, cst.Attribute) and around.attr.value not in ("values", "items"):
                return False
            asked = isinstance(around, cst.Attribute) and around.value is current
            given = isinstance(around, cst.Arg) and not around.star and around.keyword is None
            if not isinstance(call, cst.Call) or not (asked or given):
                return False
            name = name_of(call.func)
            place = next((i for i, a in enumerate(call.args) if a is around), 0)
            if name == "zip" and given:
                ways.append(("zip", place))
            elif name in _BESIDE or name in _AS_IT_IS:
                ways.append((name, 0))
            else:
                return False
            current = call
        if facts.is_a(node, "dict") and (not ways or ways[0][0] not in ("values", "items")):
            return True  # Its keys alone.
        target: cst.BaseExpression = around.target
        for way, place in reversed(ways):
            at = place if way == "zip" else 1
            if way == "zip" or way in _BESIDE:
                if not isinstance(target, (cst.Tuple, cst.List)) or len(target.elements) <= at:
                    return False
                target = target.elements[at].value
        self._target(target)
        return True

    def _target(self, target: cst.BaseExpression) -> None:
        """One target that takes a bundle. Raises `Withheld` where one part more changes what follows."""
        facts = self.facts
        if isinstance(target, (cst.Tuple, cst.List)):
            starred = any(isinstance(e, cst.StarredElement) for e in target.elements)
            if not self.size or starred or len(target.elements) != self.size:
                raise self._by_hand(target, "take each of its parts by a name of its own")
        elif not isinstance(target, cst.Name):
            raise self._by_hand(target, "keep what is taken out in a variable")
        elif self.size:
            for name in facts.own(facts.scope(target), cst.Name):
                around = facts.parent(name)
                if name.value != target.value or name is target or is_bound_by(facts, name):
                    continue
                if not (isinstance(around, cst.Subscript) and around.value is name and _by_entry(around)):
                    raise self._by_hand(name, "take its parts by their numbers")
        self.targets.append(target)

    def _counted(self, node: cst.BaseExpression) -> bool:
        """``len(workers)``, ``name in workers``, ``if workers:``, ``for name in clients`` of a dict."""
        around = self.facts.parent(node)
        if isinstance(around, cst.Arg):
            call = self.facts.parent(around)
            return isinstance(call, cst.Call) and name_of(call.func) == "len"
        if isinstance(around, cst.Attribute) and around.attr.value == "keys":
            return True
        return isinstance(around, (cst.ComparisonTarget, cst.If, cst.UnaryOperation))

    def _handed_on(self, node: cst.BaseExpression, depth: int) -> bool:
        """Follow a collection into the one function that is given it, and by nobody else."""
        facts, arg = self.facts, self.facts.parent(node)
        call = facts.parent(arg) if isinstance(arg, cst.Arg) and not arg.star else None
        if not depth or not isinstance(arg, cst.Arg) or not isinstance(call, cst.Call):
            return False
        entered = [what.node for what in facts.functions_entered(call)]
        function = entered[0] if len(entered) == 1 else None
        parameter = parameter_of(facts, function, call, arg) if function is not None else None
        if not isinstance(function, cst.FunctionDef) or parameter is None:
            return False
        if [caller for caller, _ in facts.callers.get(function, ())] != [call]:
            return False
        self._variable(parameter, function, depth - 1)
        return True

    def _handed_back(self, node: cst.BaseExpression, depth: int) -> None:
        """Follow a collection out to those that call the function around it. Raises `Withheld`."""
        facts, function = self.facts, self.facts.scope(node)
        calls = facts.callers.get(function, ())
        if not depth or not calls or not isinstance(function, cst.FunctionDef):
            raise self._by_hand(node, "take what is in it out where it is called")
        for call, _ in calls:
            self.comes_from.append(call)
            home = facts.parent(call)
            text = target_text(facts, home) if isinstance(home, (cst.Assign, cst.AnnAssign)) else ""
            if text:
                self._variable(text, facts.scope(call), depth - 1)
            elif not isinstance(call, cst.Call) or not self._gone_through(call):
                raise self._by_hand(call, "keep what comes back in a variable")

    def _by_hand(self, node: cst.CSTNode, do: str) -> Withheld:
        place = self.facts.position(next(iter(self.put_in)))
        return Withheld(
            f"the private objects that are collected (line {place}) need their criterion beside them, one "
            "for each model, and what becomes of it is not seen here: put it into what is collected, and "
            f"{do}",
            self.facts.module_of(node),
            node,
        )


def is_empty(value: cst.BaseExpression) -> bool:
    """Whether an expression makes a list or a dict that nothing is in."""
    if isinstance(value, cst.Call):
        return not value.args and name_of(value.func) in ("list", "dict", "OrderedDict")
    return isinstance(value, (cst.List, cst.Dict)) and not value.elements


def container_of(facts: Facts, node: cst.BaseExpression) -> cst.BaseExpression | None:
    """What a bundle is put into: the variable or member, or the comprehension or list that is written out."""
    around = facts.parent(node)
    if isinstance(around, cst.Arg):
        call = facts.parent(around)
        func = call.func if isinstance(call, cst.Call) else None
        if isinstance(func, cst.Attribute) and func.attr.value == "append":
            return func.value if isinstance(func.value, (cst.Name, cst.Attribute)) else None
    if isinstance(around, cst.Assign) and len(around.targets) == 1:
        target = around.targets[0].target
        base = target.value if isinstance(target, cst.Subscript) else None
        return base if isinstance(base, (cst.Name, cst.Attribute)) else None
    if isinstance(around, (cst.ListComp, cst.GeneratorExp)) and around.elt is node:
        return around
    if isinstance(around, cst.DictComp) and around.value is node:
        return around
    listed = facts.parent(around) if isinstance(around, cst.Element) else None
    return listed if isinstance(listed, cst.List) else None


def bound_to(facts: Facts, node: cst.BaseExpression) -> cst.BaseExpression | None:
    """What a variable is bound to at a place; None where it is not bound there, but read."""
    around = facts.parent(node)
    home = facts.parent(around) if isinstance(around, cst.AssignTarget) else around
    if isinstance(home, (cst.Assign, cst.AnnAssign)) and home.value is not node:
        return home.value
    targets = facts.parent(around) if isinstance(around, cst.Element) else None
    if not isinstance(targets, (cst.Tuple, cst.List)) or not isinstance(
        facts.parent(targets), cst.AssignTarget
    ):
        return None
    assign = facts.nearest(targets, cst.Assign)
    values = assign.value if isinstance(assign, cst.Assign) else None
    if not isinstance(values, (cst.Tuple, cst.List)):
        return None
    places = [i for i, e in enumerate(targets.elements) if e is around]
    return values.elements[places[0]].value if len(targets.elements) == len(values.elements) else None


def occurrences(facts: Facts, text: str, scope: Scope) -> Iterator[cst.Name | cst.Attribute]:
    """Wherever a variable of a scope, or a member, is bound or read."""
    if text.isidentifier():
        for name in facts.inside(scope, cst.Name):
            around = facts.parent(name)
            named = isinstance(around, cst.Param) and around.default is not name
            named |= isinstance(around, cst.Attribute) and around.attr is name
            named |= isinstance(around, cst.Arg) and around.keyword is name
            if name.value == text and not named and not _is_of_another(facts, name, scope):
                yield name
        return
    member = text.rpartition(".")[2]
    for info in facts.modules:
        yield from (a for a in facts.inside(info.tree, cst.Attribute) if a.attr.value == member)


def _is_of_another(facts: Facts, name: cst.Name, scope: Scope) -> bool:
    """Whether a function between binds the name for itself."""
    inner = facts.scope(name)
    while inner is not scope and not isinstance(inner, cst.Module):
        if any(name.value in bound_by(facts, b) for b in binders(facts, inner)):
            return True
        inner = facts.scope(inner)
    return False


def _by_entry(node: cst.Subscript) -> bool:
    """Whether a part is read by a key, or by a number that counts from the front."""
    index = node.slice[0].slice if len(node.slice) == 1 else None
    key = index.value if isinstance(index, cst.Index) else None
    return isinstance(key, (cst.SimpleString, cst.Integer))
