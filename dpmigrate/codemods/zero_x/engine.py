"""One engine of Opacus 0.x: what it was made with, where it was attached, which loader is trained on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property

import libcst as cst

from dpmigrate.analysis.ledger.retired import RetiredCall
from dpmigrate.codemods.editing.edits import ProjectEdits, Withheld
from dpmigrate.codemods.editing.imports import spelling
from dpmigrate.codemods.editing.nodes import name_of
from dpmigrate.codemods.losses.homes import same_variables
from dpmigrate.codemods.program.assignments import Home, target_text
from dpmigrate.codemods.program.binders import binders, bound_by
from dpmigrate.codemods.program.facts import Facts, Scope, keys_of
from dpmigrate.codemods.program.ways import calls_lead, declared_global, same_class
from dpmigrate.codemods.randomness.generators import visible
from dpmigrate.codemods.zero_x.arguments import arguments_of
from dpmigrate.codemods.zero_x.foreign_loaders import refuse_foreign_loader
from dpmigrate.codemods.zero_x.helper import Helper
from dpmigrate.codemods.zero_x.loader import Trained, argument_of, read_by
from dpmigrate.codemods.zero_x.passes import passes_told
from dpmigrate.codemods.zero_x.words import attached_to
from dpmigrate.codemods.zero_x.written import Written, code_of


class AttachedEngine:
    """Its constructor and its ``attach``, and the edits that make one ``make_private`` of them."""

    def __init__(self, facts: Facts, edits: ProjectEdits, made: RetiredCall) -> None:
        """Read them. Raises `Withheld` for what is no plain constructor with one plain ``attach``."""
        self.facts = facts
        self.edits = edits
        node = made.origin.node
        self.module = made.origin.module
        assert isinstance(node, cst.Call)
        self.made = node
        self.key = made.engine.key if made.engine is not None else None
        self.notices: list[str] = []
        self.known_by_optimizer = False
        """Whether code reaches the engine through the optimizer."""
        self.own_alphas = ""
        """The orders that the accountant asks, where they can be read here only."""
        self.own_delta = ""
        """The delta that it was given, where other code asks the engine for it."""
        self.logical_size = ""
        """The size of the logical batches, where the loader that is given has another."""
        self.early = False
        """Whether it is made private where it is made: other branches make others, attached by one call."""
        self.is_made_elsewhere = False
        """Whether a function attaches what another one made, perhaps many times."""
        read = arguments_of(facts, node, self.withheld)
        self.given, self.remarks = read.given, read.remarks
        self.attached, self.statement = self._only_attach(made)
        self.scope: Scope = facts.scope(self.attached)
        self.trained = Trained(facts, self.scope, [a.optimizer.key for a in made.attached])
        self.optimizer = self._plain(argument_of(self.attached, 0, "optimizer"), "the optimizer")
        self.model = self._model_where_attached(self._plain(self.given.get("module"), "the model"))
        self.whole: cst.Call = self.made
        """The constructor, and ``to(device)`` after it."""
        self.name = self._name()
        func = self.attached.func
        self.called = self.name or "privacy_engine"
        """What the engine is called where it is attached."""
        if self.is_made_elsewhere and isinstance(func, cst.Attribute):
            self.called = code_of(func.value)

    def _only_attach(self, made: RetiredCall) -> tuple[cst.Call, cst.SimpleStatementLine]:
        """The one ``attach`` and its line."""
        places = {a.origin.node: a.origin for a in made.attached}
        if len(places) != 1:
            raise self.withheld(attached_to([self.facts.position(place) for place in places]))
        ((call, origin),) = places.items()
        statement = self.facts.statement(call)
        if not isinstance(statement, cst.SimpleStatementLine) or len(statement.body) != 1:
            raise Withheld(
                "attach() stands beside other code on this line: give it a line of its own",
                origin.module,
                call,
            )
        assert isinstance(call, cst.Call)
        return call, statement

    def withheld(self, reason: str) -> Withheld:
        """Why it is left alone, said of its constructor."""
        return Withheld(reason, self.module, self.made)

    def _plain(self, node: cst.BaseExpression | None, what: str) -> str:
        if isinstance(node, cst.Name) and node.value == "self" and what == "the model":
            raise self.withheld(
                "this engine is given self, and make_private returns another object around it, which nothing "
                "can put into the place of self here: call it where this object is made and trained"
            )
        if not isinstance(node, (cst.Name, cst.Attribute)):
            raise self.withheld(
                f"{what} is given to this engine as an expression: put it in a variable first, which takes "
                "what make_private returns"
            )
        return self.facts.code(node).strip()

    def _name(self) -> str:
        """The variable of the engine; an engine that is attached at once gets one."""
        parent = self.facts.parent(self.made)
        around = self.facts.parent(parent) if parent is not None else None
        if isinstance(parent, cst.Attribute) and parent.attr.value == "to" and isinstance(around, cst.Call):
            self.whole, parent = around, self.facts.parent(around)
        if isinstance(parent, cst.IfExp) and self._or_none(parent):
            parent = self.facts.parent(parent)
        if isinstance(parent, Home):
            text = target_text(self.facts, parent)
            if text:
                return text
        if isinstance(parent, cst.Attribute) and self.facts.parent(parent) is self.attached:
            return ""
        if isinstance(parent, cst.IfExp):
            raise self.withheld(
                "a condition chooses between this engine and another thing: write if and else, and call "
                "make_private in each branch that has an engine"
            )
        if isinstance(parent, cst.Return):
            raise self.withheld(
                "this engine is made here, returned, and attached elsewhere: make it by engine = "
                f"PrivacyEngine(...) where it is attached (line {self.facts.position(self.attached)}), with "
                "model, optimizer and loader at hand"
            )
        raise self.withheld(
            "this engine is kept in no variable of its own: write engine = PrivacyEngine(...)"
        )

    def _or_none(self, chosen: cst.IfExp) -> bool:
        """Whether it is this engine or None, which nobody can attach."""
        other = chosen.orelse if self.whole is chosen.body else chosen.body
        return self.whole is not chosen.test and isinstance(other, cst.Name) and other.value == "None"

    @cached_property
    def conditions(self) -> list[cst.If]:
        """The tests under which it is attached, in its function and around the only call of that."""
        calls = [call for call, _ in self.facts.callers.get(self.scope, ())]
        return [test for node in (self.attached, *calls[: len(calls) == 1]) for test in self._tests(node)]

    def _tests(self, node: cst.CSTNode) -> Iterator[cst.If]:
        for above in self.facts.above(node):
            if above is self.facts.scope(node):
                break
            if isinstance(above, cst.If) and "__name__" not in self.facts.code(above.test):
                yield above

    def is_in_body_of(self, test: cst.If) -> bool:
        """Whether it is attached where a test holds, and not in its other branches."""
        calls = [call for call, _ in self.facts.callers.get(self.scope, ())]
        return any(test.body in self.facts.above(node) for node in (self.attached, *calls))

    @property
    def may_be_off(self) -> bool:
        """Whether the loops may train by an optimizer that no engine is attached to."""
        calls = [call for call, _ in self.facts.callers.get(self.scope, ())]
        return bool(self.conditions) or any(True for call in calls for _ in self._tests(call))

    # -- what it becomes ------------------------------------------------------------------

    def make_private(self) -> None:
        """Collect the edits of the constructor and of ``attach``. Raises `Withheld`."""
        loader = self.loader
        helper = (
            None if self.early else Helper.around(self.facts, self.scope, self.model, self.optimizer, loader)
        )
        if helper is not None:
            helper.rewrite(self.edits)
        else:
            self._refuse_foreign(self.model, self.optimizer, loader)
        self._refuse_steps_elsewhere(helper)
        self._refuse_other_loaders(loader)
        module_edits = self.edits.of(self.module)
        lines = self._lines(loader)
        if self.name:
            module_edits.replace(self.whole, Written(self).new_engine())
        if self.is_made_elsewhere:
            self._wrap()
        if self.early:
            self._refuse_between(loader)
            for line in lines:
                module_edits.insert_after(self.facts.statement(self.made), line)
            module_edits.remove(self.statement)
        else:
            for line in lines[:-1]:
                module_edits.insert_before(self.statement, line)
            last = cst.parse_statement(lines[-1], config=self.module.tree.config_for_parsing)
            assert isinstance(last, cst.SimpleStatementLine)
            module_edits.change(self.statement, lambda line: line.with_changes(body=last.body))
        self._clear_gradients()
        place = self.module.place(self.statement)
        self.notices.append(
            f"{place.shown}: the loader that make_private returns draws Poisson batches, as the "
            "accountant has assumed all along: their sizes vary around that of the loader"
        )
        self.notices += passes_told(self.trained, self.given["module"])

    def _lines(self, loader: str) -> list[str]:
        """What stands in the place of ``attach``: the call, and what is set before and after it."""
        written, called = Written(self), self.called
        before = [] if self.name else [f"{called} = {written.new_engine()}"]
        if self.own_alphas:
            before.append(f"{called}.accountant.DEFAULT_ALPHAS = {self.own_alphas}")
        if self.logical_size:
            before.append(written.enlarged(loader))
        call = f"{self.model}, {self.optimizer}, {loader} = {written.call(called, loader)}"
        after = [f"{called}.target_delta = {self.own_delta}"] if self.own_delta else []
        if self.known_by_optimizer:
            after.append(f"{self.optimizer}.privacy_engine = {called}")
        return [*before, call, *after]

    def _refuse_other_loaders(self, loader: str) -> None:
        """Refuse a loader that is bound anew, one with a sampler, and what is asked of it later on."""
        anew = self.trained.bound_anew(loader, self.attached)
        if anew is not None:
            raise Withheld(
                f"{loader} gets another loader here, after attach(), and the training goes over that one: "
                "make it before, give make_private the one that is trained on, and loop over what comes back",
                self.module,
                anew,
            )
        refuse_foreign_loader(self.facts, loader, self.trained.read())
        for sampler in self.trained.sampled_by():
            raise Withheld(
                f"{self.facts.code(sampler).strip()} chooses the records of this loader, and make_private "
                "draws from the whole dataset: give the loader the records themselves "
                "(torch.utils.data.Subset) and no sampler",
                self.facts.module_of(sampler),
                sampler,
            )
        for asked in self.trained.asked_of_loaders():
            before = self.facts.module_of(asked) is self.module and self._is_before_attach(asked)
            if not before:
                raise Withheld(
                    f"{self.facts.code(asked).strip()} says nothing of the loader that make_private returns, "
                    "whose batches vary in size: write what it was before",
                    self.facts.module_of(asked),
                    asked,
                )

    def _is_before_attach(self, node: cst.CSTNode) -> bool:
        return self.facts.scope(node) is self.scope and self.facts.position(node) < self.facts.position(
            self.attached
        )

    def _wrap(self) -> None:
        """An engine that is attached anew by each call of a function: the model gets its hooks once."""
        if {"batch_first", "loss_reduction"} & set(self.given):
            raise self.withheld(
                "this engine is made in another function than the one that attaches it: make the optimizer "
                "there, too, call make_private after it, and hand on what that returns"
            )
        text, needed = spelling(self.module.tree, "opacus.grad_sample", "GradSampleModule")
        module_edits = self.edits.of(self.module)
        if needed is not None:
            text = "GradSampleModule"
            module_edits.need_import(f"from opacus.grad_sample import {text}")
        model = code_of(self.given["module"])
        module_edits.insert_before(self.facts.statement(self.made), f"{model} = {text}({model})")

    def _model_where_attached(self, text: str) -> str:
        """The model's variable in the function that attaches, which may be another than makes the engine."""
        facts, made_in = self.facts, self.facts.scope(self.made)
        if made_in is self.scope or (text.startswith("self.") and same_class(facts, made_in, self.scope)):
            return text
        held = keys_of(facts.held(self.given["module"]))
        names = {n.value for n in facts.own(self.scope, cst.Name) if held & keys_of(facts.held(n))}
        if len(names) != 1 or not isinstance(facts.statement(self.made), cst.SimpleStatementLine):
            return text
        self.is_made_elsewhere = True
        return names.pop()

    def _refuse_between(self, loader: str) -> None:
        """Nothing may change between the constructor and ``attach``. Raises `Withheld`."""
        facts = self.facts
        taken = {self.model, self.optimizer, loader}
        plain = visible(facts, self.made, loader.partition(".")[0])
        if (
            facts.scope(self.made) is not self.scope
            or not self.name
            or not plain
            or self._bound_between(taken)
        ):
            raise self.withheld(
                "another branch makes another engine, and one attach() takes both: make the optimizer and "
                "the loader before, and call make_private in each branch"
            )

    def _bound_between(self, variables: set[str]) -> bool:
        first, last = self.facts.position(self.made), self.facts.position(self.statement)
        return any(
            first < self.facts.position(target) < last and self.facts.code(target.target).strip() in variables
            for target in self.facts.own(self.scope, cst.AssignTarget)
        )

    def _clear_gradients(self) -> None:
        """0.x took each sum anew; since 1.0 a step without ``zero_grad()`` before the next one raises."""
        for step in self.trained.uncleared():
            statement, func = self.facts.statement(step), step.func
            assert isinstance(func, cst.Attribute)
            if not isinstance(statement, cst.SimpleStatementLine):
                raise Withheld(
                    "nothing clears the gradients between this step and the next, which Opacus 1.x refuses: "
                    "call optimizer.zero_grad() after the step",
                    self.facts.module_of(step),
                    step,
                )
            module_edits = self.edits.of(self.facts.module_of(step))
            module_edits.insert_after(statement, f"{self.facts.code(func.value).strip()}.zero_grad()")
            if self.may_be_off:
                place = self.facts.module_of(step).place(step)
                self.notices.append(
                    f"{place.shown}: the gradients are cleared after this step, which without "
                    "an engine had added them to the next ones"
                )

    def refuse_rebound(self, value: cst.BaseExpression) -> None:
        """An argument is read later than before: nothing must have changed it by then. Raises `Withheld`."""
        if self.early or not self.facts.knows(value):
            return
        if self.facts.scope(self.made) is not self.scope:
            if not same_variables(self.facts, value, self.statement):
                raise self.withheld(
                    "this engine is made in another function than the one that attaches it: make the "
                    "optimizer there, too, call make_private after it, and hand on what that returns"
                )
            return
        names = {n.value for n in self.facts.inside(value, cst.Name)}
        first, last = self.facts.position(self.made), self.facts.position(self.statement)
        for target in self.facts.own(self.scope, cst.AssignTarget):
            bound = {n.value for n in self.facts.inside(target.target, cst.Name)}
            if first < self.facts.position(target) < last and names & bound:
                raise self.withheld(
                    "an argument of this engine changes before attach() is called, which is where "
                    "make_private would read it: attach it at once"
                )

    # -- the loader -----------------------------------------------------------------------

    @cached_property
    def loader(self) -> str:
        """The variable, where the engine is attached, of the loader that the training reads."""
        loops = self.trained.loaders()
        if len(loops) == 1 and "" not in loops:
            return next(iter(loops))
        raise Withheld(
            "make_private takes the place of attach() here, and needs the loader that is trained on "
            f"({self._read_in(loops)}): make the loader in this function, before this line, and loop over "
            "what make_private returns",
            self.module,
            self.attached,
        )

    def _read_in(self, loops: Mapping[str, Sequence[cst.For]]) -> str:
        """What the loops read that step its optimizer, and where."""
        said = []
        for loop in dict.fromkeys(loop for each in loops.values() for loop in each):
            module = self.facts.module_of(loop)
            drawn = self._drawn_in(loop)
            read = self.facts.code(drawn or read_by(loop) or loop.iter).strip()
            place = module.place(drawn or loop)
            where = f"line {place.line}" if module is self.module else place.shown
            said.append(f"{read} in {where}")
        return " and ".join(said) or "no loop is seen that steps its optimizer"

    def _drawn_in(self, loop: cst.For) -> cst.Call | None:
        """``next(iter(loader))`` in a loop over anything else than a loader."""
        head = read_by(loop)
        if head is not None and self.facts.made_at(head, "loader") is not None:
            return None
        return next((c for c in self.facts.inside(loop, cst.Call) if name_of(c.func) == "next"), None)

    def _refuse_steps_elsewhere(self, helper: Helper | None) -> None:
        """Whoever steps has to get what make_private returns. Raises `Withheld`."""
        source = self.scope if helper is None else self.facts.scope(helper.call)
        shared = isinstance(self.scope, cst.Module) or bool(declared_global(self.facts, self.scope))
        for step in self.trained.steps():
            scope = self.facts.scope(step)
            member = self.optimizer.startswith("self.") and same_class(self.facts, scope, self.scope)
            if not shared and not member and not calls_lead(self.facts, source, scope):
                raise Withheld(
                    f"the optimizer is also stepped in line {self.facts.position(step)}: return model, "
                    "optimizer and loader from here, and take them where this is called",
                    self.module,
                    self.attached,
                )

    def _refuse_foreign(self, *variables: str) -> None:
        """What takes a new value has to be a variable of the function that attaches. Raises `Withheld`."""
        if isinstance(self.scope, cst.Module):
            return
        bound = {name for b in binders(self.facts, self.scope) for name in bound_by(self.facts, b)}
        for statement in declared_global(self.facts, self.scope):
            bound |= {n.value for n in self.facts.inside(statement, cst.Name)}
        for variable in variables:
            if variable.isidentifier() and variable not in bound:
                raise Withheld(
                    f"{variable} is a variable of other code than this function, which make_private binds "
                    "anew: attach where it is made, or declare it global",
                    self.module,
                    self.attached,
                )
