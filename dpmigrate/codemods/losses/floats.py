"""Python numbers where the program had tensors of one number: what was asked of those is left out.

``total += losses.mean()`` becomes ``total += losses.item()``; a ``total.item()`` further on would
then fail, and ``torch.stack`` of a list of such numbers too.
"""

from __future__ import annotations

from typing import NoReturn

import libcst as cst

from dpmigrate.analysis.ledger.expressions import Named
from dpmigrate.codemods.editing.edits import ProjectEdits, Withheld
from dpmigrate.codemods.editing.imports import spelled
from dpmigrate.codemods.editing.nodes import name_of, receiver
from dpmigrate.codemods.program.assignments import homes_in, is_bound_by, target_texts
from dpmigrate.codemods.program.facts import Facts

_LEFT_OUT = frozenset(["item", "detach", "cpu", "clone", "float", "double", "data", "to", "cuda", "mean"])

_TAKE_NUMBERS = frozenset(["tensor", "as_tensor", "scalar_tensor"])
_MAKE_TENSORS = frozenset(f"torch.{name}" for name in ("tensor", "as_tensor", "zeros", "ones", "full"))
_OF_ONE_TENSOR = frozenset(
    ["abs", "exp", "exp2", "log", "log2", "log10", "round", "sqrt", "isfinite", "isinf", "isnan"]
)
"""Functions of torch that only read their tensor, and of which no device or gradient is asked."""

_NUMBER_OF_MANY = frozenset(["sum", "min", "max"])
"""Functions of Python that give a number of such numbers."""


class UseWithheld(Withheld):
    """Something done with losses of the project's criterion that those of the wrapped one do not offer."""


def refuse_use(facts: Facts, node: cst.CSTNode, what: str) -> NoReturn:
    """Refuse what is done with losses, or with a number of theirs. Raises `UseWithheld`."""
    raise UseWithheld(
        f"{what}, which the wrapped criterion does not offer: compute it apart",
        facts.module_of(node),
        node,
    )


class Floats:
    """Follows a number from where it is made to everything that is done with it."""

    def __init__(self, facts: Facts, edits: ProjectEdits) -> None:
        self.facts = facts
        self.edits = edits
        """Those of `Uses`, which this is a part of."""
        self._seen: set[cst.CSTNode] = set()

    def follow(self, node: cst.CSTNode) -> None:
        """Rewrite what only tensors have. Raises `UseWithheld` for what cannot be rewritten."""
        if node in self._seen:
            return
        self._seen.add(node)
        facts = self.facts
        parent = facts.parent(node)
        if isinstance(parent, (cst.BinaryOperation, cst.UnaryOperation, cst.IfExp)):
            self.follow(parent)
        elif isinstance(parent, cst.AugAssign) and self._holds_a_tensor(parent.target):
            return
        elif isinstance(parent, (cst.AugAssign, cst.AnnAssign)):
            self._target(parent.target)
        elif isinstance(parent, cst.NamedExpr):
            self._target(parent.target)
            self.follow(parent)
        elif isinstance(parent, cst.Assign):
            for target in parent.targets:
                self._target(target.target)
        elif isinstance(parent, cst.Return):
            for call, _ in facts.callers.get(facts.scope(node), ()):
                if facts.gives_back(call):
                    self.follow(call)
        elif isinstance(parent, (cst.ListComp, cst.GeneratorExp, cst.SetComp)) and parent.elt is node:
            self._collected(parent)
        elif isinstance(parent, cst.Element):
            self._element(node, parent)
        elif isinstance(parent, cst.Arg):
            self._argument(node, parent)
        elif isinstance(parent, cst.Attribute) and parent.value is node:
            self._member(node, parent)

    def _target(self, target: cst.CSTNode) -> None:
        facts = self.facts
        if not isinstance(target, (cst.Name, cst.Attribute, cst.Subscript)):
            return
        where: cst.CSTNode = facts.scope(target)
        if isinstance(target, cst.Attribute):
            where = facts.nearest(target, cst.ClassDef) or where
        text = facts.code(target).strip()
        kind = type(target)
        for load in facts.inside(where, kind):
            if load is not target and facts.code(load).strip() == text and not is_bound_by(self.facts, load):
                if isinstance(facts.parent(load), cst.Attribute) and not self._only_numbers(where, text):
                    refuse_use(self.facts, load, f"{text} may also be a tensor")
                self.follow(load)

    def _holds_a_tensor(self, target: cst.CSTNode) -> bool:
        """Whether a variable is made a tensor by torch: with a number added it is one still."""
        facts, text = self.facts, self.facts.code(target).strip()
        homes = [h for h in homes_in(facts, facts.scope(target)) if text in target_texts(facts, h)]
        made = [home.value for home in homes]
        return bool(made) and all(
            isinstance(value, cst.Call)
            and any(isinstance(w, Named) and w.name in _MAKE_TENSORS for w in facts.called(value))
            for value in made
        )

    def _only_numbers(self, scope: cst.CSTNode, text: str) -> bool:
        """Whether a variable is only ever given literal numbers and what is followed here."""
        facts = self.facts
        for assign in homes_in(facts, scope):
            if text in target_texts(facts, assign) and assign.value is not None:
                literal = isinstance(assign.value, (cst.Integer, cst.Float))
                if not literal and not self._seen.intersection(facts.below(assign.value)):
                    return False
        return True

    def _element(self, node: cst.CSTNode, element: cst.Element) -> None:
        facts = self.facts
        sequence = facts.parent(element)
        around = facts.parent(sequence) if sequence is not None else None
        if isinstance(around, cst.Arg):
            self._argument(node, around)
            return
        if isinstance(sequence, cst.List):
            self._collected(sequence)
        if not isinstance(sequence, cst.Tuple) or not isinstance(facts.parent(sequence), cst.Return):
            return
        place = next(i for i, e in enumerate(sequence.elements) if e is element)
        for call, _ in facts.callers.get(facts.scope(node), ()):
            assign = facts.parent(call)
            target = assign.targets[0].target if isinstance(assign, cst.Assign) else None
            if isinstance(target, cst.Tuple) and len(target.elements) == len(sequence.elements):
                self._target(target.elements[place].value)

    def _argument(self, node: cst.CSTNode, arg: cst.Arg) -> None:
        facts = self.facts
        call = facts.parent(arg)
        if not isinstance(call, cst.Call):
            return
        if name_of(call.func) != "append":
            self._into_torch(node, arg, call)
            return
        assert isinstance(call.func, cst.Attribute)
        self._out_of(call.func.value)

    def _collected(self, collection: cst.BaseExpression) -> None:
        """Numbers that are listed, as they are or in a variable."""
        parent = self.facts.parent(collection)
        if isinstance(parent, cst.Arg):
            self._taken_whole(collection)
        elif isinstance(parent, cst.Assign):
            for target in parent.targets:
                self._out_of(target.target)

    def _out_of(self, collection: cst.BaseExpression) -> None:
        """What is done with the numbers in a variable, each or all together."""
        facts, text = self.facts, self.facts.code(collection).strip()
        if not isinstance(collection, (cst.Name, cst.Attribute)):
            return
        for load in facts.inside(facts.scope(collection), type(collection)):
            if load is collection or facts.code(load).strip() != text:
                continue
            around = facts.parent(load)
            if isinstance(around, cst.Subscript) and around.value is load:
                self.follow(around)
            elif isinstance(around, (cst.For, cst.CompFor)) and around.iter is load:
                self._each_of(around)
            else:
                self._taken_whole(load)

    def _each_of(self, loop: cst.For | cst.CompFor) -> None:
        """The variable that is each of the numbers in its turn."""
        target = loop.target
        if not isinstance(target, cst.Name):
            return
        around = self.facts.parent(loop) if isinstance(loop, cst.CompFor) else loop
        for load in self.facts.inside(around or loop, cst.Name):
            if load is not target and load.value == target.value:
                self.follow(load)

    def _taken_whole(self, collection: cst.CSTNode) -> None:
        """A call that is given all numbers at once."""
        facts, arg = self.facts, self.facts.parent(collection)
        call = facts.parent(arg) if isinstance(arg, cst.Arg) else None
        if not isinstance(call, cst.Call) or arg is not call.args[0] or call in self._seen:
            return
        if facts.code(call.func) in ("torch.stack", "torch.cat"):
            self._seen.add(call)
            if name_of(call.func) == "cat" or len(call.args) > 1:
                refuse_use(self.facts, call, f"the tensors in {facts.code(collection).strip()} are joined")
            self.edits.of(facts.module_of(call)).change(call.func, _tensor)
        elif isinstance(call.func, cst.Name) and call.func.value in _NUMBER_OF_MANY:
            self.follow(call)

    def _into_torch(self, node: cst.CSTNode, arg: cst.Arg, call: cst.Call) -> None:
        """A function of torch takes the number as a tensor again, where that is all that it needs."""
        facts = self.facts
        names = [w.name for w in facts.called(call) if isinstance(w, Named)]
        if arg is not call.args[0] or not any(name.startswith("torch.") for name in names):
            return
        name = name_of(call.func)
        if name in _TAKE_NUMBERS:
            return
        if name not in _OF_ONE_TENSOR or arg.value is not node:
            refuse_use(self.facts, node, f"the losses go into torch's {name}")
        module = facts.module_of(node)
        module_edits = self.edits.of(module)
        text = spelled(module_edits, "torch", "tensor")
        module_edits.change(node, lambda new: cst.Call(func=cst.parse_expression(text), args=[cst.Arg(new)]))

    def _member(self, node: cst.CSTNode, attribute: cst.Attribute) -> None:
        facts = self.facts
        around = facts.parent(attribute)
        whole = around if isinstance(around, cst.Call) and around.func is attribute else attribute
        if attribute.attr.value not in _LEFT_OUT:
            refuse_use(facts, node, f"the losses' .{attribute.attr.value} is used")
        self.edits.of(facts.module_of(whole)).change(whole, receiver)
        self.follow(whole)


def _tensor(new: cst.CSTNode) -> cst.CSTNode:
    assert isinstance(new, cst.Attribute)
    return new.with_changes(attr=cst.Name("tensor"))


__all__ = ["Floats", "UseWithheld", "refuse_use"]
