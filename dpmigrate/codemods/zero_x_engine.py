"""One engine of Opacus 0.x: what it was made with, where it was attached, which loader is trained on."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from dpmigrate.analysis.ledger.retired import RetiredCall
from dpmigrate.codemods.assignments import Home, target_text
from dpmigrate.codemods.binders import binders, bound_by
from dpmigrate.codemods.edits import ProjectEdits, Withheld
from dpmigrate.codemods.homes import same_variables
from dpmigrate.codemods.listed import comments_of
from dpmigrate.codemods.losses import argument_for
from dpmigrate.codemods.nodes import name_of
from dpmigrate.codemods.program_facts import Facts, Scope, keys_of
from dpmigrate.codemods.ways import calls_lead, declared_global, same_class
from dpmigrate.codemods.zero_x_helper import Helper
from dpmigrate.codemods.zero_x_words import attached_to

_PLACES = ("module", "batch_size", "sample_size", "alphas", "noise_multiplier", "max_grad_norm")
"""The parameters of the constructor by position, as up to 0.12."""
_TO_MAKE_PRIVATE = ("noise_multiplier", "max_grad_norm", "batch_first", "loss_reduction")
_DROPPED = ("batch_size", "sample_size", "sample_rate", "alphas", "poisson", "target_delta", "epochs")
_KNOWN = frozenset([*_PLACES, *_TO_MAKE_PRIVATE, *_DROPPED, "target_epsilon", "secure_mode", "secure_rng"])
DEFAULT_DELTA = "1e-6"
_WRAPPING = frozenset(["enumerate", "tqdm", "iter", "trange", "track", "cycle"])
"""What is put around a loader in the head of a loop, the loader being its first argument."""
MAX_CALLERS = 4
LINE = 100


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
        self.notices: list[str] = []
        self.known_by_optimizer = False
        """Whether code reaches the engine through the optimizer."""
        self.own_alphas = ""
        """The orders that the accountant asks, where they can be read here only."""
        self.remarks: dict[str, tuple[list[str], str]] = {}
        """The comments above and behind each argument."""
        self.given = self._arguments()
        if len(made.attached) != 1:
            raise self.withheld(attached_to(len(made.attached)))
        ((self.known_optimizer, attached),) = made.attached
        self.attached = attached.node
        statement = facts.statement(self.attached)
        if not isinstance(statement, cst.SimpleStatementLine) or len(statement.body) != 1:
            raise Withheld(
                "attach() stands beside other code on this line: give it a line of its own",
                attached.module,
                self.attached,
            )
        self.statement = statement
        self.scope: Scope = facts.scope(self.attached)
        assert isinstance(self.attached, cst.Call)
        self.optimizer = self._plain(argument_of(self.attached, 0, "optimizer"), "the optimizer")
        self.model = self._plain(self.given.get("module"), "the model")
        self.name = self._name()

    def withheld(self, reason: str) -> Withheld:
        """Why it is left alone, said of its constructor."""
        return Withheld(reason, self.module, self.made)

    def _plain(self, node: cst.BaseExpression | None, what: str) -> str:
        if not isinstance(node, (cst.Name, cst.Attribute)):
            raise self.withheld(
                f"{what} is given to this engine as an expression: put it in a variable first, which takes "
                "what make_private returns"
            )
        return self.facts.code(node).strip()

    def _arguments(self) -> dict[str, cst.BaseExpression]:
        given: dict[str, cst.BaseExpression] = {}
        for place, arg in enumerate(self.made.args):
            if arg.star or (arg.keyword is None and place >= len(_PLACES)):
                raise self.withheld(
                    "this engine takes its arguments from a * or **: write engine = "
                    'PrivacyEngine(accountant="rdp"), and give noise_multiplier and max_grad_norm to '
                    "engine.make_private"
                )
            name = arg.keyword.value if arg.keyword is not None else _PLACES[place]
            given[name] = arg.value
            self.remarks[name] = comments_of(self.made, place)
        for name in given.keys() - _KNOWN:
            raise self.withheld(
                f"{name}= of this engine has no counterpart in Opacus 1.x: leave it out, and keep what it "
                "did in the loop"
            )
        if isinstance(given.get("max_grad_norm"), cst.List):
            raise self.withheld(
                "max_grad_norm of this engine is a list, one norm for each parameter: give make_private "
                'clipping="per_layer" beside it'
            )
        return given

    def _name(self) -> str:
        """The variable of the engine; an engine that is attached at once gets one."""
        parent = self.facts.parent(self.made)
        if isinstance(parent, Home):
            text = target_text(self.facts, parent)
            if text:
                return text
        if isinstance(parent, cst.Attribute) and self.facts.parent(parent) is self.attached:
            return ""
        raise self.withheld(
            "this engine is kept in no variable of its own: write engine = PrivacyEngine(...)"
        )

    # -- what it becomes ------------------------------------------------------------------

    def make_private(self) -> None:
        """Collect the edits of the constructor and of ``attach``."""
        loader = self._loader()
        helper = Helper.around(self.facts, self.scope, self.model, self.optimizer, loader)
        if helper is not None:
            helper.rewrite(self.edits)
        else:
            self._refuse_foreign(self.model, self.optimizer, loader)
        self._refuse_steps_elsewhere(helper)
        own = self.edits.of(self.module)
        engine = self._new_engine()
        call_on = self.name or "privacy_engine"
        new = self._call(call_on, loader)
        lines = [f"{self.model}, {self.optimizer}, {loader} = {new}"]
        if not self.name:
            lines.insert(0, f"{call_on} = {engine}")
        else:
            own.replace(self.made, engine)
        if self.own_alphas:
            lines.insert(len(lines) - 1, f"{call_on}.accountant.DEFAULT_ALPHAS = {self.own_alphas}")
        if self.known_by_optimizer:
            lines.append(f"{self.optimizer}.privacy_engine = {call_on}")
        for line in lines[:-1]:
            own.insert_before(self.statement, line)
        last = cst.parse_statement(lines[-1], config=self.module.tree.config_for_parsing)
        assert isinstance(last, cst.SimpleStatementLine)
        own.change(self.statement, lambda line: line.with_changes(body=last.body))
        place = self.module.place(self.statement)
        self.notices.append(
            f"{place.path}:{place.line}: the loader that make_private returns draws Poisson batches, as the "
            "accountant has assumed all along: their sizes vary around that of the loader"
        )

    def _new_engine(self) -> str:
        secure = self.given.get("secure_mode") or self.given.get("secure_rng")
        text = f'{self.facts.code(self.made.func).strip()}(accountant="rdp"'
        if secure is not None and self.facts.code(secure).strip() != "False":
            text += f", secure_mode={self.facts.code(secure).strip()}"
        return text + ")"

    def _call(self, engine: str, loader: str) -> str:
        method = "make_private"
        arguments = {"module": self.model, "optimizer": self.optimizer, "data_loader": loader}
        names = [n for n in _TO_MAKE_PRIVATE if n in self.given]
        if "noise_multiplier" not in self.given or self._is_none("noise_multiplier"):
            method = "make_private_with_epsilon"
            names = [
                "target_epsilon",
                "target_delta",
                "epochs",
                *(n for n in names if n != "noise_multiplier"),
            ]
            if {"target_epsilon", "epochs"} - set(self.given):
                raise self.withheld(
                    "this engine is given neither noise_multiplier nor both target_epsilon and epochs: give "
                    "make_private the one, or make_private_with_epsilon the others"
                )
        for name in names:
            value = self.given.get(name)
            arguments[name] = self.facts.code(value).strip() if value is not None else DEFAULT_DELTA
            if value is not None:
                self._refuse_rebound(value)
        parts = [f"{name}={text}" for name, text in arguments.items()]
        remarks = [self.remarks.get(name, ([], "")) for name in arguments]
        code = f"{engine}.{method}({', '.join(parts)})"
        if len(code) + 40 > LINE or any(above or behind for above, behind in remarks):
            lines = [
                "".join(f"    {comment}\n" for comment in above) + f"    {part},  {behind}".rstrip() + "\n"
                for part, (above, behind) in zip(parts, remarks, strict=True)
            ]
            code = f"{engine}.{method}(\n{''.join(lines)})"
        return code

    def _is_none(self, name: str) -> bool:
        value = self.given.get(name)
        return isinstance(value, cst.Name) and value.value == "None"

    def _refuse_rebound(self, value: cst.BaseExpression) -> None:
        """An argument is read later than before: nothing must have changed it by then. Raises `Withheld`."""
        if self.facts.scope(self.made) is not self.scope:
            if not same_variables(self.facts, value, self.statement):
                raise self.withheld(
                    "this engine is made in another function than the one that attaches it: make the "
                    "optimizer there, too, call make_private behind it, and hand on what that returns"
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

    def _loader(self) -> str:
        """The variable, where the engine is attached, of the loader that the training reads."""
        found = {
            text
            for step in self.steps()
            for loop in self.loops_around(step, MAX_CALLERS)
            for text in self._variable(read_by(loop), loop, MAX_CALLERS)
        }
        if len(found) != 1 or "" in found:
            said = " and ".join(sorted(found - {""})) or "no variable that can be seen"
            raise Withheld(
                "make_private takes the place of attach() here, and needs the loader that is trained on "
                f"({said}): make the loader in this function, before this line, and loop over what "
                "make_private returns",
                self.module,
                self.attached,
            )
        return found.pop()

    def _refuse_steps_elsewhere(self, helper: Helper | None) -> None:
        """Whoever steps has to get what make_private returns. Raises `Withheld`."""
        source = self.scope if helper is None else self.facts.scope(helper.call)
        shared = isinstance(self.scope, cst.Module) or bool(declared_global(self.facts, self.scope))
        for step in self.steps():
            scope = self.facts.scope(step)
            member = self.optimizer.startswith("self.") and same_class(self.facts, scope, self.scope)
            if not shared and not member and not calls_lead(self.facts, source, scope):
                raise Withheld(
                    f"the optimizer is also stepped in line {self.facts.position(step)}: return model, "
                    "optimizer and loader from here, and take them where this is called",
                    self.module,
                    self.attached,
                )

    def steps(self) -> Iterator[cst.Call]:
        """The calls that step the optimizer."""
        for info in self.facts.modules:
            for call in self.facts.inside(info.tree, cst.Call):
                func = call.func
                if not isinstance(func, cst.Attribute) or func.attr.value not in ("step", "virtual_step"):
                    continue
                if self.known_optimizer.key in keys_of(self.facts.held(func.value)):
                    yield call

    def loops_around(self, node: cst.CSTNode, depth: int) -> Iterator[cst.For]:
        """The innermost loop around a node, or around the calls that lead to it."""
        scope = self.facts.scope(node)
        for above in self.facts.above(node):
            if above is scope:
                break
            if isinstance(above, cst.For):
                yield above
                return
        if depth:
            for call, _ in self.facts.callers.get(scope, ()):
                yield from self.loops_around(call, depth - 1)

    def _variable(self, node: cst.BaseExpression | None, at: cst.CSTNode, depth: int) -> Iterator[str]:
        """A loader's variable as the scope of ``attach`` knows it: through the arguments of calls."""
        facts = self.facts
        scope = facts.scope(at)
        if not isinstance(node, (cst.Name, cst.Attribute)) or depth == 0:
            yield ""
            return
        own = facts.code(node).strip().startswith("self.") and same_class(facts, scope, self.scope)
        if isinstance(node, cst.Attribute) and scope is not self.scope and not own:
            yield ""
            return
        if scope is self.scope or own:
            yield facts.code(node).strip()
            return
        assert isinstance(node, cst.Name)
        if isinstance(scope, cst.FunctionDef):
            given = [
                (c, argument_for(facts, c, scope, node.value))
                for c, _ in facts.callers.get(scope, ())
                if isinstance(c, cst.Call)
            ]
            if any(value is not None for _, value in given):
                for call, value in given:
                    if value is not None:
                        yield from self._variable(value, call, depth - 1)
                return
        yield node.value if facts.module_of(scope) is facts.module_of(self.scope) else ""

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


def argument_of(call: cst.Call, place: int, *names: str) -> cst.BaseExpression | None:
    """An argument by position or by one of some keywords."""
    for arg in call.args:
        if arg.keyword is not None and arg.keyword.value in names:
            return arg.value
    plain = [a.value for a in call.args if a.keyword is None and not a.star]
    return plain[place] if place < len(plain) else None


def read_by(loop: cst.For) -> cst.BaseExpression | None:
    """What a loop reads, under ``enumerate``, ``tqdm`` and the like."""
    node: cst.BaseExpression | None = loop.iter
    while isinstance(node, cst.Call) and name_of(node.func) in _WRAPPING:
        node = argument_of(node, 0, "iterable")
    return node
