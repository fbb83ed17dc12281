"""The loops that step the optimizers of a 0.x engine, and the variable of the loader that they read."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Iterator
from typing import TypeGuard

import libcst as cst

from dpmigrate.codemods.editing.nodes import name_of
from dpmigrate.codemods.losses.origins import argument_for
from dpmigrate.codemods.program.assignments import Home, homes_in, target_texts
from dpmigrate.codemods.program.facts import Facts, Scope, keys_of
from dpmigrate.codemods.program.ways import same_class

_WRAPPING = frozenset(["enumerate", "tqdm", "iter", "trange", "track", "cycle"])
"""What is put around a loader in the head of a loop, the loader being its first argument."""
_ONLY_PUBLIC = frozenset(["batch_size", "sampler", "batch_sampler"])
"""Members of a loader that say something else, or nothing, once it draws Poisson batches."""
MAX_CALLERS = 4


class Trained:
    """What trains by some optimizers, seen from the scope in which their engine is attached."""

    def __init__(self, facts: Facts, scope: Scope, optimizers: Collection[Hashable]) -> None:
        self.facts = facts
        self.scope = scope
        self.optimizers = frozenset(optimizers)

    def steps(self) -> Iterator[cst.Call]:
        """The calls that step one of the optimizers."""
        return (c for c in self._calls_of_optimizers() if name_of(c.func) in ("step", "virtual_step"))

    def uncleared(self) -> Iterator[cst.Call]:
        """The steps after which gradients stay: no ``zero_grad()`` of the optimizer before the next ones."""
        for step in self.steps():
            if name_of(step.func) == "virtual_step":
                continue
            loop = next((n for n in self.facts.above(step) if isinstance(n, (cst.For, cst.While))), None)
            around = loop if loop is not None else self.facts.scope(step)
            moments = [c for c in self.facts.inside(around, cst.Call) if self._is_moment(c)]
            place = moments.index(step)
            following = [name_of(c.func) for c in (*moments[place + 1 :], *moments[:place])]
            if following:
                cleared = following[0] == "zero_grad"
            else:
                cleared = any(name_of(c.func) == "zero_grad" for c in self._calls_of_optimizers())
            if not cleared:
                yield step

    def _calls_of_optimizers(self) -> Iterator[cst.Call]:
        for info in self.facts.modules:
            yield from (
                c
                for c in self.facts.inside(info.tree, cst.Call)
                if isinstance(c.func, cst.Attribute)
                and self.optimizers & keys_of(self.facts.held(c.func.value))
            )

    def _is_moment(self, call: cst.Call) -> bool:
        """Whether gradients come, go or are used by a call."""
        func = call.func
        if not isinstance(func, cst.Attribute):
            return False
        ours = func.attr.value in ("step", "zero_grad") and bool(
            self.optimizers & keys_of(self.facts.held(func.value))
        )
        return ours or func.attr.value == "backward"

    def loaders(self) -> dict[str, list[cst.For]]:
        """The loops by the variable of their loader where ``attach`` is; empty text where it has none."""
        loops: dict[str, list[cst.For]] = {}
        for step in self.steps():
            for loop in self.loops_around(step):
                for node in self._sources(loop):
                    for text in self._texts(node, loop, step):
                        loops.setdefault(text, []).append(loop)
        return loops

    def _texts(self, node: cst.BaseExpression | None, loop: cst.For, step: cst.Call) -> Iterator[str]:
        """A loader as the scope of ``attach`` knows it; ``loaders[phase]`` by the phase that steps."""
        key = _key_tested(node, self.facts.above(step), loop) if isinstance(node, cst.Subscript) else None
        if key is None or not isinstance(node, cst.Subscript):
            yield from self._variable(node, loop, MAX_CALLERS)
            return
        for text in self._variable(node.value, loop, MAX_CALLERS):
            yield f"{text}[{self.facts.code(key).strip()}]" if text else ""

    def _sources(self, loop: cst.For) -> Iterator[cst.BaseExpression | None]:
        """What a loop reads, also by a variable that holds ``tqdm(loader)``."""
        node = read_by(loop)
        homes: list[Home] = (
            []
            if not isinstance(node, cst.Name)
            else list(homes_in(self.facts, self.facts.scope(loop), own=True))
        )
        wrapped = [
            h.value for h in homes if isinstance(h.value, cst.Call) and name_of(h.value.func) in _WRAPPING
        ]
        held = [w for w, h in ((w, self.facts.parent(w)) for w in wrapped) if self._binds(h, node)]
        yield from (_unwrapped(w) for w in held) if held else (self._aliased(homes, node, loop),)

    def _aliased(
        self, homes: list[Home], node: cst.BaseExpression | None, loop: cst.For
    ) -> cst.BaseExpression | None:
        """The variable that the loop's own one stands for: ``batches = loader``, in a function that trains.

        Beside ``attach`` the loop's own one is bound anew, whatever else has the loader.
        """
        bound = [home for home in homes if self._binds(home, node)]
        alias = bound[0].value if len(bound) == 1 and self.facts.scope(loop) is not self.scope else None
        return alias if isinstance(alias, cst.Name) else node

    def _binds(self, home: cst.CSTNode | None, node: cst.BaseExpression | None) -> bool:
        bound = target_texts(self.facts, home) if isinstance(home, (cst.Assign, cst.AnnAssign)) else []
        return node is not None and self.facts.code(node).strip() in bound

    def asked_of_loaders(self) -> Iterator[cst.Attribute]:
        """What the program reads of the loaders that no private loader has."""
        loaders = {key for node in self.read() for key in keys_of(self.facts.held(node))}
        for info in self.facts.modules:
            for node in self.facts.inside(info.tree, cst.Attribute):
                if node.attr.value in _ONLY_PUBLIC and loaders & keys_of(self.facts.held(node.value)):
                    yield node

    def read(self) -> list[cst.BaseExpression]:
        """What the loops read."""
        loops = [loop for step in self.steps() for loop in self.loops_around(step)]
        return [node for loop in loops for node in self._sources(loop) if node is not None]

    def bound_anew(self, loader: str, attached: cst.CSTNode) -> Home | None:
        """Where the loader's variable gets another one after ``attach``, before a loop that trains on it."""
        facts = self.facts
        loops = [
            loop
            for step in self.steps()
            for loop in self.loops_around(step)
            if facts.scope(loop) is self.scope
            and any(node is not None and facts.code(node).strip() == loader for node in self._sources(loop))
        ]
        for home in homes_in(facts, self.scope, own=True):
            ours = loader in target_texts(facts, home) and facts.is_before(attached, home)
            if ours and any(facts.is_before(home, loop) for loop in loops):
                return home
        return None

    def sampled_by(self) -> Iterator[cst.BaseExpression]:
        """The samplers of the loaders that choose records, and do not only shuffle them."""
        for step in self.steps():
            for loop in self.loops_around(step):
                node = read_by(loop)
                made = self.facts.made_at(node, "loader") if node is not None else None
                if isinstance(made, cst.Call) and self.facts.knows(made):
                    sampler = argument_of(made, 3, "sampler")
                    values = [] if sampler is None else list(values_of(self.facts, sampler))
                    yield from (v for v in values if not _shuffles(v))

    def loops_around(self, node: cst.CSTNode, depth: int = MAX_CALLERS) -> Iterator[cst.For]:
        """The innermost loop around a node, or around the calls that lead to it."""
        scope = self.facts.scope(node)
        for above in self.facts.above(node):
            if above is scope:
                break
            if isinstance(above, cst.For):
                yield above
                return
        if depth:
            for call in self._calls_of(scope):
                yield from self.loops_around(call, depth - 1)

    def _calls_of(self, scope: Scope) -> list[cst.CSTNode]:
        """The calls of a function, without those that give it other optimizers where some give these."""
        calls = [call for call, _ in self.facts.callers.get(scope, ())]
        if not isinstance(scope, cst.FunctionDef):
            return calls
        for param in self.facts.inside(scope.params, cst.Param):
            given = {c: self._given(c, scope, param.name.value) for c in calls}
            if any(self.optimizers & atoms for atoms in given.values()):
                calls = [c for c in calls if not given[c] or self.optimizers & given[c]]
        return calls

    def _given(self, call: cst.CSTNode, function: cst.FunctionDef, name: str) -> set[Hashable]:
        value = argument_for(self.facts, call, function, name) if isinstance(call, cst.Call) else None
        return keys_of(self.facts.held(value)) if value is not None else set()

    def _variable(self, node: cst.BaseExpression | None, at: cst.CSTNode, depth: int) -> Iterator[str]:
        """A loader's variable as the scope of ``attach`` knows it: through the arguments of calls."""
        facts = self.facts
        scope = facts.scope(at)
        if scope is self.scope and _is_entry(node):
            yield facts.code(node).strip()
            return
        if not isinstance(node, (cst.Name, cst.Attribute)) or depth == 0:
            yield ""
            return
        of_same_class = facts.code(node).strip().startswith("self.") and same_class(facts, scope, self.scope)
        if isinstance(node, cst.Attribute) and scope is not self.scope and not of_same_class:
            yield ""
            return
        if scope is self.scope or of_same_class:
            yield facts.code(node).strip()
            return
        assert isinstance(node, cst.Name)
        if isinstance(scope, cst.FunctionDef):
            given = [
                (c, argument_for(facts, c, scope, node.value))
                for c in self._calls_of(scope)
                if isinstance(c, cst.Call)
            ]
            if any(value is not None for _, value in given):
                for call, value in given:
                    if value is not None:
                        yield from self._variable(value, call, depth - 1)
                return
        taken = self._taken_as(node, scope)
        near = facts.module_of(scope) is facts.module_of(self.scope)
        calls_it = any(facts.scope(call) is scope for call, _ in facts.callers.get(self.scope, ()))
        yield taken or (node.value if near or calls_it else "")

    def _taken_as(self, node: cst.Name, scope: Scope) -> str:
        """The parameter by which the scope of ``attach`` is given a variable of one that calls it."""
        facts = self.facts
        if not isinstance(self.scope, cst.FunctionDef):
            return ""
        for call, _ in facts.callers.get(self.scope, ()):
            if not isinstance(call, cst.Call) or facts.scope(call) is not scope:
                continue
            for param in facts.inside(self.scope.params, cst.Param):
                given = argument_for(facts, call, self.scope, param.name.value)
                if isinstance(given, cst.Name) and given.value == node.value:
                    return param.name.value
        return ""


def _is_entry(node: cst.BaseExpression | None) -> TypeGuard[cst.Subscript]:
    """Whether it is ``loaders["train"]``: an entry by its literal key."""
    if not isinstance(node, cst.Subscript) or not isinstance(node.value, cst.Name) or len(node.slice) != 1:
        return False
    index = node.slice[0].slice
    return isinstance(index, cst.Index) and isinstance(index.value, (cst.SimpleString, cst.Integer))


def _key_tested(
    node: cst.Subscript, around: Iterable[cst.CSTNode], loop: cst.For
) -> cst.BaseExpression | None:
    """The literal that a variable key is, by the tests between a loop and a step in it."""
    index = node.slice[0].slice if len(node.slice) == 1 else None
    key = index.value if isinstance(index, cst.Index) else None
    inside: cst.CSTNode | None = None
    for above in around:
        if above is loop or not isinstance(key, cst.Name):
            return None
        if isinstance(above, cst.If) and inside is above.body:
            for test in _all_true(above.test):
                if isinstance(test.left, cst.Name) and test.left.value == key.value:
                    return test.comparisons[0].comparator
        inside = above
    return None


def _all_true(test: cst.BaseExpression) -> Iterator[cst.Comparison]:
    """The comparisons with a string, ``phase == "train"``, that all hold where a test does."""
    if isinstance(test, cst.BooleanOperation) and isinstance(test.operator, cst.And):
        yield from _all_true(test.left)
        yield from _all_true(test.right)
    elif isinstance(test, cst.Comparison) and len(test.comparisons) == 1:
        compared = test.comparisons[0]
        if isinstance(compared.operator, cst.Equal) and isinstance(compared.comparator, cst.SimpleString):
            yield test


def argument_of(call: cst.Call, place: int, *names: str) -> cst.BaseExpression | None:
    """An argument by position or by one of some keywords."""
    for arg in call.args:
        if arg.keyword is not None and arg.keyword.value in names:
            return arg.value
    plain = [a.value for a in call.args if a.keyword is None and not a.star]
    return plain[place] if place < len(plain) else None


def read_by(loop: cst.For) -> cst.BaseExpression | None:
    """What a loop reads, under ``enumerate``, ``tqdm`` and the like."""
    return _unwrapped(loop.iter)


def _unwrapped(node: cst.BaseExpression | None) -> cst.BaseExpression | None:
    while isinstance(node, cst.Call) and name_of(node.func) in _WRAPPING:
        node = argument_of(node, 0, "iterable")
    return node


def values_of(facts: Facts, node: cst.BaseExpression) -> Iterator[cst.BaseExpression]:
    """An expression, or what its variable is given in its scope or its module."""
    if not isinstance(node, (cst.Name, cst.Attribute)):
        yield node
        return
    text = facts.code(node).strip()
    for scope in (facts.scope(node), facts.module_of(node).tree):
        homes = [h for h in homes_in(facts, scope, own=True) if text in target_texts(facts, h)]
        if homes:
            yield from (h.value for h in homes if h.value is not None)
            return


def _shuffles(sampler: cst.BaseExpression) -> bool:
    """Whether a sampler goes over all records, in some order."""
    whole = ("RandomSampler", "SequentialSampler", "None")
    return name_of(sampler.func if isinstance(sampler, cst.Call) else sampler) in whole
