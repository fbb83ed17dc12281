"""The two backward passes of Opacus 1.5 to 1.5.2, by hand or by ``double_backward``, become one.

Since 1.5.3 the loss that the returned criterion makes does both in its ``backward()``: the pass
for the norms, the clearing between the passes, and the pass over the rescaled losses with the
hooks switched off.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

import libcst as cst

from dpmigrate.analysis.ledger import Backward, CoefficientAsked, Event, HooksSwitched, ZeroGrad
from dpmigrate.analysis.ledger.expressions import Computed
from dpmigrate.codemods.editing.edits import ProjectEdits, Withheld
from dpmigrate.codemods.losses.counted import mean_by_hand
from dpmigrate.codemods.program.assignments import homes_in, is_bound_by, target_text
from dpmigrate.codemods.program.facts import Facts


def losses_of_double_backward(call: cst.Call) -> cst.BaseExpression | None:
    """The losses given to ``double_backward(module, optimizer, loss_per_sample)``."""
    return _argument(call, 2, "loss_per_sample", "first_loss_per_sample")


def _argument(call: cst.Call, place: int, *names: str) -> cst.BaseExpression | None:
    for arg in call.args:
        if arg.keyword is not None and arg.keyword.value in names:
            return arg.value
    plain = [a for a in call.args if a.keyword is None and not a.star]
    return plain[place].value if len(plain) > place else None


def replace_double_backward(facts: Facts, call: cst.Call, clears: bool, reduction: str = "") -> ProjectEdits:
    """``double_backward(model, optimizer, losses)`` becomes ``losses.backward()``.

    ``clears`` says that nothing else in the loop clears the gradients: then it is done before.
    ``reduction`` ("mean" or "sum") is called on the losses first, where they are plain tensors.
    """
    edits, optimizer = ProjectEdits(), _argument(call, 1, "optimizer")
    statement = facts.statement(call)
    if clears and optimizer is not None and isinstance(statement, cst.SimpleStatementLine):
        edits.of(facts.module_of(call)).insert_before(
            statement, f"{facts.code(optimizer).strip()}.zero_grad()"
        )

    def change(new: cst.CSTNode) -> cst.CSTNode:
        assert isinstance(new, cst.Call)
        losses = losses_of_double_backward(new)
        assert losses is not None
        if reduction:
            losses = cst.Call(func=cst.Attribute(losses, cst.Name(reduction)))
        return cst.Call(func=cst.Attribute(losses, cst.Name("backward")))

    edits.of(facts.module_of(call)).change(call, change)
    return edits


def _second_pass(events: list[Event]) -> Backward:
    """The one pass over rescaled losses."""
    passes = {e.origin.node: e for e in events if isinstance(e, Backward) and e.loss == "two-pass"}
    if len(passes) != 1:
        place = events[0].origin if events else None
        raise Withheld(
            "several two-pass steps train the same model: put one loss.backward() of the criterion that "
            "make_private returns in the place of each",
            place.module if place else None,
            place.node if place else None,
        )
    return next(iter(passes.values()))


class TwoPassBlock:
    """The statements of one hand-written two-pass step."""

    def __init__(self, facts: Facts, events: Iterable[Event]) -> None:
        """Raises `Withheld` where the two passes are not one after the other, in statements of their own."""
        self.facts = facts
        events = list(events)
        second = _second_pass(events)
        self.second, self.module = second.origin.node, second.origin.module
        scope = facts.scope(self.second)
        here = [e for e in events if facts.scope(e.origin.node) is scope]
        self.first = self._first_pass(here)
        between = [e for e in here if isinstance(e, ZeroGrad) and self._is_between(e.origin.node)]
        self.clearing = [e.origin.node for e in between]
        """The calls that clear the gradients between the two passes."""
        around = [e for e in here if isinstance(e, (CoefficientAsked, HooksSwitched))]
        parts = [*(e.origin.node for e in (*between, *around)), self.first, self.second]
        self.statements = dict.fromkeys(map(facts.removable, parts))
        self._add_intermediate(scope)
        for statement in self.statements:
            if not isinstance(statement, (cst.SimpleStatementLine, cst.BaseSmallStatement)):
                raise Withheld(
                    "a part of the two passes stands in the head of this statement: put one "
                    "loss.backward() of the criterion that make_private returns in the place of both passes",
                    self.module,
                    statement,
                )

    def _first_pass(self, here: Iterable[Event]) -> cst.CSTNode:
        """The last pass before the second, in the same function."""
        passes = [e.origin.node for e in here if isinstance(e, Backward) and e.loss != "two-pass"]
        before = [node for node in passes if self.facts.is_before(node, self.second)]
        if not before:
            raise Withheld(
                "the second of two passes stands here, and the first in another function: put one "
                "loss.backward() of the criterion that make_private returns in the place of both",
                self.module,
                self.second,
            )
        return max(before, key=self.facts.position)

    def _is_between(self, node: cst.CSTNode) -> bool:
        return self.facts.is_before(self.first, node) and self.facts.is_before(node, self.second)

    @property
    def losses(self) -> cst.BaseExpression:
        """The expression of the losses in the first pass, without its mean or sum."""
        assert isinstance(self.first, cst.Call) and isinstance(self.first.func, cst.Attribute)
        return self._unreduced(self.first.func.value)

    def _unreduced(self, node: cst.BaseExpression) -> cst.BaseExpression:
        node = mean_by_hand(self.facts, node) or node
        while (
            isinstance(node, cst.Call)
            and isinstance(node.func, cst.Attribute)
            and node.func.attr.value in ("mean", "sum")
            and not node.args
        ):
            node = node.func.value
        if isinstance(node, cst.Call) and node.args and isinstance(node.func, cst.Attribute):
            of_torch = self.facts.code(node.func.value) == "torch"
            if of_torch and node.func.attr.value in ("mean", "sum"):
                node = node.args[0].value
        if isinstance(node, cst.Name):
            for statement in self.statements:
                for assign in homes_in(self.facts, statement):
                    if target_text(self.facts, assign) == node.value and assign.value is not None:
                        return self._unreduced(assign.value)
        return node

    def _add_intermediate(self, scope: cst.CSTNode) -> None:
        """Variables that only serve the two passes: the coefficients, the rescaled losses."""
        changed = True
        while changed:
            changed = False
            for assign in homes_in(self.facts, scope, own=True):
                statement = self.facts.removable(assign)
                name = target_text(self.facts, assign)
                if statement in self.statements or not name.isidentifier() or assign.value is None:
                    continue
                if self._serves_only_here(scope, name, assign.value):
                    self.statements[statement] = None
                    changed = True

    def _serves_only_here(self, scope: cst.CSTNode, name: str, value: cst.BaseExpression) -> bool:
        facts = self.facts
        derived = [w for w in facts.held(value) if isinstance(w, Computed)]
        if not any(w.rescaled or w.last in ("mean", "sum") for w in derived):
            return False
        loads = [n for n in facts.inside(scope, cst.Name) if n.value == name and not is_bound_by(facts, n)]
        return bool(loads) and all(facts.removable(n) in self.statements for n in loads)

    def rewritten(self, clears: bool, reduction: str = "") -> ProjectEdits:
        """One ``backward()`` stands where the first pass stood; the rest goes.

        ``clears`` says that nothing else in the loop clears the gradients: then what did so between
        the passes does it before. ``reduction`` ("mean" or "sum") is called on the losses
        first, where they are plain tensors.
        """
        edits = ProjectEdits()
        module_edits = edits.of(self.module)
        keep = self.facts.removable(self.first)
        text = self.facts.code(self.losses).strip()
        if clears and self.clearing:
            moved = self.facts.removable(self.clearing[0])
            module_edits.insert_before(self.facts.statement(self.first), _written(self.facts.code(moved)))
        for statement in self.statements:
            if statement is not keep:
                module_edits.remove(statement)

        def change(new: cst.CSTNode) -> cst.CSTNode:
            reduced = f"{text}.{reduction}()" if reduction else text
            call = cst.parse_expression(f"{reduced}.backward()")
            if isinstance(new, cst.BaseSmallStatement):
                return cst.Expr(call, semicolon=new.semicolon)
            assert isinstance(new, cst.SimpleStatementLine)
            lines = [line for line in new.leading_lines if line.comment is None]
            trailing = new.trailing_whitespace.with_changes(comment=None, whitespace=cst.SimpleWhitespace(""))
            return new.with_changes(body=[cst.Expr(call)], leading_lines=lines, trailing_whitespace=trailing)

        module_edits.change(keep, change)
        return edits


def _written(code: str) -> str:
    """A statement with its comments, without blank lines around it and what ended it on a shared line."""
    return "\n".join(line for line in code.splitlines() if line.strip()).strip().rstrip(";").rstrip()


def nothing_else_clears(events: Iterable[Event], handled: Collection[cst.CSTNode]) -> bool:
    """Whether the gradients are cleared nowhere but in what the fix takes out (calls, in ``handled``)."""
    return not any(isinstance(e, ZeroGrad) and e.origin.node not in handled for e in events)
