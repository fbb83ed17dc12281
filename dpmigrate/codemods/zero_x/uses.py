"""What a program reads and asks of the engine of Opacus 0.x beside the training itself."""

from __future__ import annotations

import ast

import libcst as cst

from dpmigrate.analysis.ledger import Thing
from dpmigrate.codemods.editing.edits import Withheld
from dpmigrate.codemods.editing.nodes import name_of
from dpmigrate.codemods.losses.homes import same_variables
from dpmigrate.codemods.program.assignments import Home, target_text
from dpmigrate.codemods.program.facts import keys_of, making_node
from dpmigrate.codemods.randomness.generators import visible
from dpmigrate.codemods.zero_x.engine import AttachedEngine
from dpmigrate.codemods.zero_x.loader import argument_of, values_of
from dpmigrate.codemods.zero_x.words import without_counterpart
from dpmigrate.codemods.zero_x.written import DEFAULT_DELTA

_OF_OPTIMIZER = frozenset(["noise_multiplier", "max_grad_norm"])
"""What the private optimizer tells now."""
_DEFAULT_ALPHAS = "[1 + x / 10.0 for x in range(1, 100)] + list(range(12, 64))"
_STATES = frozenset(["state_dict", "load_state_dict"])
"""What the accountant has now; a state of 0.x is none that it takes."""
_SHAREABLE = frozenset([*_STATES, "steps"])
"""What is written alike of whichever engine it is."""
_MOVED_ELSEWHERE = frozenset(["attach", "get_privacy_spent", "virtual_step"])


class EngineUses:
    """Rewrites the uses of one engine."""

    def __init__(self, engine: AttachedEngine) -> None:
        self.engine = engine
        self.facts = engine.facts
        self.edits = engine.edits

    def rewrite(self) -> None:
        """Every member that is read of the engine. Raises `Withheld` for what has no counterpart."""
        for info in self.facts.modules:
            for node in self.facts.inside(info.tree, cst.Attribute):
                if self.engine.key in keys_of(self.facts.held(node.value)) and not self._is_rewritten(node):
                    raise Withheld(without_counterpart(node.attr.value), info, node)

    def _is_shared(self, receiver: cst.BaseExpression) -> bool:
        """Whether an expression is another engine of 0.x as well, in other turns or for other callers."""
        held = [w for w in self.facts.held(receiver) if isinstance(w, Thing) and w.kind == "engine-0.x"]
        return len({making_node(w) for w in held}) > 1

    def _is_rewritten(self, node: cst.Attribute) -> bool:
        facts, name, around = self.facts, node.attr.value, self.facts.parent(node)
        module_edits = self.edits.of(facts.module_of(node))
        line = facts.parent(around) if around is not None else None
        if name in _MOVED_ELSEWHERE:
            return True
        if name == "to" and (isinstance(line, cst.Expr) or self._is_kept(line, node.value)):
            module_edits.remove(facts.removable(node))
        elif name == "to" and around is self.engine.whole:
            return True
        elif name in _OF_OPTIMIZER and self._through_optimizer(node.value):
            module_edits.replace(node, f"{self._through_optimizer(node.value)}.{name}")
        elif self._is_shared(node.value) and name not in _SHAREABLE:
            return False
        elif name == "sample_rate" and self._is_loader_known(node):
            rate = f"1 / len({self.engine.loader})"
            alone = isinstance(around, (cst.Arg, cst.Assign, cst.FormattedStringExpression))
            module_edits.replace(node, rate if alone else f"({rate})")
        elif name in _OF_OPTIMIZER and self._is_optimizer_known(node):
            module_edits.replace(node, f"{self.engine.optimizer}.{name}")
        elif self._taken_before(node) is not None:
            self._set_steps(node)
        elif name == "target_delta" and self.engine.given.get(name) is not None:
            self._keep_delta(self.engine.given[name])
        elif name in _STATES and isinstance(around, cst.Call) and not self._is_state_looked_into():
            module_edits.replace(node, f"{self._reached(node.value)}.accountant.{name}")
        elif name == "steps" and not isinstance(around, (cst.AssignTarget, cst.AugAssign)):
            module_edits.replace(
                node, f"sum(count for _, _, count in {self._reached(node.value)}.accountant.history)"
            )
        elif name == "detach" and isinstance(line, cst.Expr) and self._are_bound_at(node):
            model, optimizer = self.engine.model, self.engine.optimizer
            code = f"{model}, {optimizer} = {model}.to_standard_module(), {optimizer}.original_optimizer"
            parsed = cst.parse_statement(code)
            assert isinstance(parsed, cst.SimpleStatementLine)
            taken = parsed.body[0]
            module_edits.change(line, lambda new: taken.with_changes(semicolon=new.semicolon))
        else:
            return False
        return True

    def _is_state_looked_into(self) -> bool:
        """Whether something may read the one entry, "steps", of what ``state_dict()`` of 0.x gives."""
        facts = self.facts
        strings = (s for info in facts.modules for s in facts.inside(info.tree, cst.SimpleString))
        return any(string.evaluated_value == "steps" for string in strings)

    def _through_optimizer(self, receiver: cst.BaseExpression) -> str:
        """The optimizer of ``optimizer.privacy_engine``; empty for anything else."""
        if not isinstance(receiver, cst.Attribute) or receiver.attr.value != "privacy_engine":
            return ""
        holder = receiver.value
        ours = self.engine.trained.optimizers & keys_of(self.facts.held(holder))
        return self.facts.code(holder).strip() if ours else ""

    def _is_loader_known(self, node: cst.CSTNode) -> bool:
        """Whether the private loader and optimizer can be read at a place."""
        return self._is_optimizer_known(node) and visible(
            self.facts, node, self.engine.loader.partition(".")[0]
        )

    def _taken_before(self, node: cst.Attribute) -> cst.BaseExpression | None:
        """``n`` of ``engine.steps = n`` and of ``engine.load_state_dict({"steps": n})``."""
        facts, around = self.facts, self.facts.parent(node)
        statement = facts.parent(around) if around is not None else None
        if node.attr.value == "steps" and isinstance(statement, cst.Assign) and len(statement.targets) == 1:
            return statement.value if isinstance(around, cst.AssignTarget) else None
        if node.attr.value != "load_state_dict" or not isinstance(statement, cst.Expr):
            return None
        given = argument_of(around, 0, "state_dict") if isinstance(around, cst.Call) else None
        states = [] if given is None else list(values_of(facts, given))
        entries = states[0].elements if len(states) == 1 and isinstance(states[0], cst.Dict) else ()
        first = entries[0] if len(entries) == 1 else None
        if isinstance(first, cst.DictElement) and facts.code(first.key).strip("\"' ") == "steps":
            return first.value
        return None

    def _set_steps(self, node: cst.Attribute) -> None:
        """That many steps as these, in the accountant's history. Raises `Withheld`."""
        facts, engine, taken = self.facts, self.engine, self._taken_before(node)
        line = facts.statement(node)
        plain = isinstance(line, cst.SimpleStatementLine) and len(line.body) == 1
        if taken is None or not plain or facts.scope(node) is not engine.scope or engine.early:
            raise Withheld(without_counterpart("steps"), facts.module_of(node), node)
        count = facts.code(taken).strip()
        step = f"({engine.optimizer}.noise_multiplier, 1 / len({engine.loader}), {count})"
        module_edits = self.edits.of(facts.module_of(node))
        module_edits.remove(line)
        history = "[]" if count == "0" else f"[{step}]"
        module_edits.insert_after(engine.statement, f"{engine.called}.accountant.history = {history}")

    def _is_kept(self, line: cst.CSTNode | None, engine: cst.BaseExpression) -> bool:
        """``engine = engine.to(device)``: the variable keeps what it holds."""
        return isinstance(line, Home) and target_text(self.facts, line) == self.facts.code(engine).strip()

    def _is_optimizer_known(self, node: cst.CSTNode) -> bool:
        """Whether the private optimizer can be read at a place, by the name that it has where it is made."""
        behind = self.facts.position(node) > self.facts.position(self.engine.attached)
        return behind and visible(self.facts, node, self.engine.optimizer.partition(".")[0])

    def _are_bound_at(self, node: cst.CSTNode) -> bool:
        """Whether model and optimizer are variables of the function that a node is in."""
        return self.facts.scope(node) is self.engine.scope and self._is_optimizer_known(node)

    def _reached(self, receiver: cst.BaseExpression) -> str:
        """The engine as a place can write it: by its variable, or through the optimizer."""
        engine, through = self.engine, self.facts.code(receiver).strip()
        if engine.is_made_elsewhere and self.facts.scope(receiver) is engine.scope:
            return engine.called
        if name_of(receiver) != "privacy_engine" or through == engine.name:
            return through
        alone = not self._is_shared(receiver)
        if alone and engine.name.isidentifier() and visible(self.facts, receiver, engine.name):
            return engine.name
        engine.known_by_optimizer = True
        return through

    def ask_accountant(self, node: cst.CSTNode, shared: bool) -> str:
        """``get_privacy_spent`` of the engine becomes that of its accountant: what is written there.

        ``shared``: the same call asks other engines, too, so that nothing of this one may stand there.
        """
        facts, given = self.facts, self.engine.given
        assert isinstance(node, cst.Call) and isinstance(node.func, cst.Attribute)
        engine, told = self._reached(node.func.value), given.get("target_delta")
        delta = argument_of(node, 0, "target_delta", "delta") or told
        text = facts.code(delta).strip() if delta is not None else DEFAULT_DELTA
        if delta is not None and delta is told and (shared or not same_variables(facts, delta, node)):
            self._keep_delta(delta)
            text = f"{engine}.target_delta"
        code = f"{engine}.accountant.get_privacy_spent(delta={text}{self._orders(node, shared)})"
        self.edits.of(facts.module_of(node)).replace(node, code)
        return code

    def _keep_delta(self, delta: cst.BaseExpression) -> None:
        """The engine goes on to tell the delta that it was given. Raises `Withheld`."""
        self.engine.refuse_rebound(delta)
        self.engine.own_delta = self.facts.code(delta).strip()

    def _orders(self, node: cst.CSTNode, shared: bool) -> str:
        """The orders that the engine was given, as one more argument; empty where they are the usual ones."""
        alphas = self.engine.given.get("alphas")
        if alphas is None or _dumped(self.facts.code(alphas)) == _dumped(_DEFAULT_ALPHAS):
            return ""
        text = self.facts.code(alphas).strip()
        bound = {n.value for n in self.facts.inside(alphas, cst.Name)} - {"x", "range", "list"}
        if not shared and (not bound or same_variables(self.facts, alphas, node)):
            return f", alphas={text}"
        self.engine.own_alphas = text
        return ""


def _dumped(code: str) -> str:
    """An expression without its layout and comments."""
    return ast.dump(ast.parse(f"({code}\n)", mode="eval"))
