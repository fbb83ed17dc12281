"""What is done with losses, rewritten for losses that the returned criterion makes.

Those answer to ``backward()`` and ``item()`` (their mean) and to little else: on Opacus 1.5.3 and
1.5.4 ``.mean()`` or ``float()`` of one raises. So ``losses.mean().item()`` becomes
``losses.item()``, and what needs one number per example withholds the fix.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import libcst as cst

from dpmigrate.analysis.ledger import Guard, What
from dpmigrate.analysis.ledger.expressions import Computed
from dpmigrate.codemods.editing.edits import ProjectEdits
from dpmigrate.codemods.editing.nodes import name_of, receiver
from dpmigrate.codemods.losses.counted import mean_by_hand
from dpmigrate.codemods.losses.examples import Examples
from dpmigrate.codemods.losses.floats import Floats, refuse_use
from dpmigrate.codemods.losses.in_dicts import reads_of
from dpmigrate.codemods.program.assignments import is_bound_by
from dpmigrate.codemods.program.facts import Facts
from dpmigrate.codemods.program.places import parameter_of

_DROPPED = frozenset(["detach", "cpu", "clone", "float", "double", "data", "to", "cuda"])
"""What a wrapped loss has not, and needs not: ``losses.detach()`` becomes ``losses``."""
_WHOLE = (cst.AugAssign, cst.Assign, cst.AnnAssign, cst.Arg, cst.Return, cst.Element)
"""Where an expression stands by itself: a product in its place needs no brackets."""
_ARRAYS = frozenset(["torch", "np", "numpy"])
_REDUCTIONS = frozenset(["mean", "sum"])
_FINE = frozenset(["item", "backward"])
"""What a wrapped loss has, too."""
_BLIND = frozenset(["isinstance", "type", "id", "hasattr"])
"""Functions that look at no number of the losses."""

_LossesIn = Callable[[cst.CSTNode], cst.BaseExpression]
"""The losses in a reduction: what ``losses.mean()`` is called on, or ``torch.mean(losses)`` is given."""


class Uses:
    """Follows losses from the calls that make them to everything that is done with them."""

    def __init__(
        self,
        facts: Facts,
        guard: Guard,
        handled: set[cst.CSTNode],
        reduction: str = "mean",
    ) -> None:
        self.facts = facts
        self.edits = ProjectEdits()
        """What is rewritten on the way, here and by ``floats``."""
        self.guard = guard
        self.handled = handled
        """Statements and calls that another recipe rewrites or removes."""
        self.reduction = reduction
        """What ``item()`` of a wrapped loss is over the examples: their mean or their sum."""
        self.floats = Floats(facts, self.edits)
        self._seen: set[cst.CSTNode] = set()
        self._examples = Examples(facts)
        self._alike: dict[cst.Call, set[What]] = {}
        """What every call holds whose losses, one per example until now, the wrapped criterion will make."""

    def rewritten(self, calls: Sequence[tuple[cst.Call, bool]]) -> ProjectEdits:
        """What is done with the losses that some calls make, for those of the wrapped criterion.

        With each call: whether it gives one number until now. Raises `UseWithheld`.
        """
        self._alike = {call: set(self.facts.held(call)) for call, reduced in calls if not reduced}
        for call, reduced in calls:
            self._examples.begin_at(call)
            self.follow(call, reduced)
        return self.edits

    def follow(self, node: cst.CSTNode, reduced: bool) -> None:
        """Rewrite what is done with the losses that an expression holds.

        ``reduced`` tells whether the program already sees one number there. Raises `UseWithheld`.
        """
        if node in self._seen:
            return
        self._seen.add(node)
        facts = self.facts
        parent = facts.parent(node)
        while isinstance(parent, (cst.Await,)):
            parent = facts.parent(parent)
        if any(n in self.handled for n in facts.above(node)):
            if isinstance(parent, cst.NamedExpr):
                self._target(parent.target, node, reduced)
            return
        live = facts.reached(node, self.guard)
        if isinstance(parent, cst.Attribute) and parent.value is node:
            self._method(node, parent, reduced, live)
        elif isinstance(parent, cst.Assign):
            for target in parent.targets:
                self._target(target.target, node, reduced)
        elif isinstance(parent, cst.AnnAssign):
            self._target(parent.target, node, reduced)
        elif isinstance(parent, cst.NamedExpr):
            self._target(parent.target, node, reduced)
            self.follow(parent, reduced)
        elif isinstance(parent, cst.IfExp) and parent.test is not node:
            self.follow(parent, reduced)
        elif isinstance(parent, cst.Return):
            self._returned(node, None, reduced)
        elif isinstance(parent, cst.Element):
            self._element(node, parent, reduced, live)
        elif isinstance(parent, cst.Arg):
            self._argument(node, parent, reduced, live)
        elif isinstance(parent, cst.DictElement) and parent.value is node:
            self._entry(node, parent, reduced, live)
        elif not isinstance(parent, (cst.Expr, cst.Del)):
            self._number(node, reduced, live)

    def _method(self, node: cst.CSTNode, attribute: cst.Attribute, reduced: bool, live: bool) -> None:
        facts = self.facts
        name = attribute.attr.value
        around = facts.parent(attribute)
        whole = around if isinstance(around, cst.Call) and around.func is attribute else attribute
        if name in _FINE:
            return
        counted = self._counted(attribute)
        if counted is not None and not reduced:
            if live:
                self._count_examples(counted, node, f".{name}")
            return
        if name in ("numpy", "tolist") and reduced:
            self._becomes_item(whole)
            return
        if name in _REDUCTIONS and not (isinstance(whole, cst.Call) and whole.args):
            if live:
                self._reduction(whole, node, name, reduced, receiver)
            return
        if name not in _DROPPED:
            refuse_use(self.facts, node, f"the losses' .{name} is used")
        if live:
            self.edits.of(facts.module_of(whole)).change(whole, receiver)
            self.follow(whole, reduced)

    def _reduction(
        self, whole: cst.CSTNode, node: cst.CSTNode, name: str, reduced: bool, losses_in: _LossesIn
    ) -> None:
        """``losses.mean()``, ``torch.mean(losses)`` become ``losses``, scaled where those do it otherwise."""
        if not reduced and self._is_mean_by_hand(whole, node):
            self._drop_mean_by_hand(whole, losses_in)
        elif not reduced and name != self.reduction:
            self._scale(whole, node, name, losses_in)
        else:
            self.edits.of(self.facts.module_of(whole)).change(whole, losses_in)
            self.follow(whole, True)

    def _is_mean_by_hand(self, total: cst.CSTNode, node: cst.CSTNode) -> bool:
        """Whether a sum of losses is divided by their number, where the wrapped losses have a mean."""
        around = self.facts.parent(total)
        return self.reduction == "mean" and around is not None and mean_by_hand(self.facts, around) is node

    def _drop_mean_by_hand(self, total: cst.CSTNode, losses_in: _LossesIn) -> None:
        """``losses.sum() / len(x)`` becomes ``losses``."""
        mean = self.facts.parent(total)
        assert isinstance(mean, cst.BinaryOperation)

        def change(new: cst.CSTNode) -> cst.BaseExpression:
            assert isinstance(new, cst.BinaryOperation)
            return losses_in(new.left)

        self.edits.of(self.facts.module_of(mean)).change(mean, change)
        self.follow(mean, True)

    def _counted(self, attribute: cst.Attribute) -> cst.CSTNode | None:
        """``losses.shape[0]``, ``losses.size(0)`` and ``losses.numel()``: as many as there are examples."""
        facts, name = self.facts, attribute.attr.value
        whole = facts.parent(attribute)
        if name == "shape":
            return whole if isinstance(whole, cst.Subscript) and facts.code(whole).endswith("[0]") else None
        if not isinstance(whole, cst.Call) or whole.func is not attribute:
            return None
        given = [facts.code(arg.value) for arg in whole.args]
        return whole if (name, given) in (("size", ["0"]), ("numel", []), ("nelement", [])) else None

    def _count_examples(self, whole: cst.CSTNode, node: cst.CSTNode, what: str) -> None:
        """Count the targets in place of their losses. Raises `UseWithheld` where none are known."""
        text = self._examples.number_at(node)
        if text is None:
            refuse_use(self.facts, node, f"the losses' {what} is used")
        self.edits.of(self.facts.module_of(whole)).replace(whole, text)

    def _scale(self, whole: cst.CSTNode, node: cst.CSTNode, wanted: str, losses_in: _LossesIn) -> None:
        """``losses.sum().item()`` becomes ``losses.item() * len(targets)``, and 0 for an empty batch."""
        facts = self.facts
        text = self._examples.number_at(node)
        if text is None:
            refuse_use(self.facts, node, f"the losses' .{wanted} is used")
        layers = 1
        plain = False
        parent = facts.parent(whole)
        while isinstance(parent, cst.Attribute) and parent.attr.value in (*_DROPPED, "item"):
            plain = plain or parent.attr.value == "item"
            around = facts.parent(parent)
            whole = around if isinstance(around, cst.Call) and around.func is parent else parent
            layers += 1
            parent = facts.parent(whole)
        bare = isinstance(parent, _WHOLE)
        # The mean of an empty Poisson batch is no number.
        scaled = f"x.item() * {text} if {text} else 0.0" if wanted == "sum" else f"x.item() / max({text}, 1)"

        def change(new: cst.CSTNode) -> cst.CSTNode:
            for layer in range(layers, 0, -1):
                new = losses_in(new) if layer == 1 else receiver(new)
            number = cst.parse_expression(scaled if bare else f"({scaled})")
            return number.with_deep_changes(_receiver_of_item(number), value=new)

        self.edits.of(facts.module_of(whole)).change(whole, change)
        if not plain:
            self.floats.follow(whole)

    def _becomes_item(self, whole: cst.CSTNode) -> None:
        """``losses.numpy()`` becomes ``losses.item()``."""
        self.edits.of(self.facts.module_of(whole)).change(whole, lambda new: _item(receiver(new)))

    def _target(self, target: cst.CSTNode, node: cst.CSTNode, reduced: bool) -> None:
        if isinstance(target, cst.Name):
            self._loads(target.value, node, reduced)
        elif isinstance(target, cst.Attribute):
            owner = self.facts.nearest(target, cst.ClassDef) or self.facts.module_of(target).tree
            text = self.facts.code(target)
            for attribute in self.facts.inside(owner, cst.Attribute):
                if attribute is not target and self.facts.code(attribute).strip() == text:
                    self.follow(attribute, reduced)
        else:
            refuse_use(self.facts, node, "the losses are taken apart")

    def _loads(self, name: str, node: cst.CSTNode, reduced: bool) -> None:
        """Every read of a variable that was seen to hold these losses."""
        facts = self.facts
        held = set(facts.held(node))
        scope = facts.scope(node)
        for load in facts.inside(scope, cst.Name):
            if load.value != name or not held & set(facts.held(load)):
                continue
            if is_bound_by(facts, load) or isinstance(facts.parent(load), cst.Param):
                continue
            others = [w for w in facts.held(load, self.guard) if isinstance(w, Computed) and w not in held]
            beside = [call for call, made in self._alike.items() if not made.isdisjoint(others)]
            foreign = [w for w in others if all(w not in self._alike[call] for call in beside)]
            if not reduced and any(w.reduction != "mean" for w in foreign):
                refuse_use(self.facts, load, f"{name} may also hold other losses")
            with self._examples.shared_with(beside):
                self.follow(load, reduced)

    def _returned(self, node: cst.CSTNode, place: int | None, reduced: bool) -> None:
        facts = self.facts
        function = facts.scope(node)
        for call, _ in facts.callers.get(function, ()):
            if not facts.gives_back(call):
                refuse_use(self.facts, call, "the losses come back through a function that calls another")
            assign = facts.parent(call)
            target = assign.targets[0].target if isinstance(assign, cst.Assign) else None
            self._examples.come_back(function, call, target)
            if place is None:
                self.follow(call, reduced)
                continue
            if not isinstance(target, (cst.Tuple, cst.List)) or len(target.elements) <= place:
                if isinstance(assign, cst.Expr):
                    continue
                refuse_use(self.facts, call, "the losses come out of a function among other things")
            assert isinstance(target, (cst.Tuple, cst.List))
            taken = target.elements[place].value
            if isinstance(taken, cst.Name):
                self._taken(taken, node, reduced)
            else:
                refuse_use(self.facts, call, "the losses are taken apart")

    def _taken(self, target: cst.Name, node: cst.CSTNode, reduced: bool) -> None:
        facts = self.facts
        held = set(facts.held(node))
        for load in facts.inside(facts.scope(target), cst.Name):
            if load is not target and load.value == target.value and held & set(facts.held(load)):
                self.follow(load, reduced)

    def _element(self, node: cst.CSTNode, element: cst.Element, reduced: bool, live: bool) -> None:
        facts = self.facts
        sequence = facts.parent(element)
        assert sequence is not None
        around = facts.parent(sequence)
        if isinstance(sequence, cst.Tuple) and isinstance(around, cst.Return):
            place = next(i for i, e in enumerate(sequence.elements) if e is element)
            self._returned(node, place, reduced)
        elif isinstance(sequence, cst.Tuple) and isinstance(around, cst.Assign):
            place = next(i for i, e in enumerate(sequence.elements) if e is element)
            for target in around.targets:
                taken = target.target
                if isinstance(taken, (cst.Tuple, cst.List)) and len(taken.elements) == len(sequence.elements):
                    self._target(taken.elements[place].value, node, reduced)
                else:
                    refuse_use(self.facts, node, "the losses are put into a tuple")
        else:
            self._number(node, reduced, live)

    def _entry(self, node: cst.CSTNode, element: cst.DictElement, reduced: bool, live: bool) -> None:
        reads = reads_of(self.facts, element)
        if reads is None:
            self._number(node, reduced, live)
        for read in reads or ():
            self.follow(read, reduced)

    def _argument(self, node: cst.CSTNode, arg: cst.Arg, reduced: bool, live: bool) -> None:
        facts = self.facts
        call = facts.parent(arg)
        if not isinstance(call, cst.Call):
            self._number(node, reduced, live)
            return
        entered = facts.functions_entered(call)
        if entered:
            for fn in entered:
                name = parameter_of(facts, fn.node, call, arg)
                if name is None:
                    refuse_use(self.facts, node, "the losses go into a function")
                self._parameter_loads(fn.node, name, node, reduced)
            return
        name = name_of(call.func)
        if name in _BLIND:
            return
        if name == "len" and not reduced:
            if live:
                self._count_examples(call, node, "number")
            return
        if name in _REDUCTIONS and len(call.args) == 1 and self._is_of_arrays(call.func):
            if live:
                self._reduction(call, node, name, reduced, _argument_of)
            return
        if name == "float" and reduced:
            if live:
                self.edits.of(facts.module_of(call)).change(call, lambda new: _item(_argument_of(new)))
            return
        self._number(node, reduced, live)

    def _is_of_arrays(self, func: cst.BaseExpression) -> bool:
        """Whether a function is torch's or numpy's, and not a meter's of that name."""
        return isinstance(func, cst.Attribute) and self.facts.code(func.value).strip() in _ARRAYS

    def _parameter_loads(
        self, function: cst.CSTNode, name: str | None, node: cst.CSTNode, reduced: bool
    ) -> None:
        facts = self.facts
        held = set(facts.held(node))
        assert isinstance(function, cst.FunctionDef)
        for load in facts.inside(function.body, cst.Name):
            if load.value == name and held & set(facts.held(load)):
                self.follow(load, reduced)

    def _number(self, node: cst.CSTNode, reduced: bool, live: bool) -> None:
        """The losses enter arithmetic, a string, a list: as one number, or not at all."""
        if not live and reduced:
            return
        if not reduced:
            refuse_use(self.facts, node, "one loss per example is used")
        self.edits.of(self.facts.module_of(node)).change(node, _item)
        self.floats.follow(node)


def _item(losses: cst.BaseExpression) -> cst.Call:
    return cst.Call(func=cst.Attribute(losses, cst.Name("item")))


def _argument_of(new: cst.CSTNode) -> cst.BaseExpression:
    """``x`` of ``torch.sum(x)``."""
    assert isinstance(new, cst.Call)
    return new.args[0].value


def _receiver_of_item(number: cst.CSTNode) -> cst.CSTNode:
    """The attribute ``x.item`` in a parsed ``x.item() * n``, with or without a condition."""
    product = number.body if isinstance(number, cst.IfExp) else number
    assert isinstance(product, cst.BinaryOperation) and isinstance(product.left, cst.Call)
    return product.left.func
