"""One criterion of the project that serves several private models: each model's run gets its own.

``train(a, opt_a, loader_a, criterion)`` and ``train(b, opt_b, loader_b, criterion)`` hand on what
``make_private`` wrapped for that model; so does ``criterion(a(x), y)`` where the models are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

import libcst as cst

from dpmigrate.analysis.ledger import Thing, What
from dpmigrate.analysis.ledger.expressions import Instance
from dpmigrate.analysis.source.tree import keyword_node
from dpmigrate.codemods.criterion.handover import give
from dpmigrate.codemods.criterion.kept import Kept, built, kept_by
from dpmigrate.codemods.criterion.one_for_each import beside_it, is_of_taker, refuse_last_of_many
from dpmigrate.codemods.criterion.own import reduction_of
from dpmigrate.codemods.criterion.wrapping import Wrapped, Wrapping
from dpmigrate.codemods.editing.edits import ProjectEdits
from dpmigrate.codemods.editing.nodes import add_argument, add_parameter, with_element
from dpmigrate.codemods.losses.origins import argument_for, is_object
from dpmigrate.codemods.program.assignments import homes_in, target_text
from dpmigrate.codemods.program.binders import binders, bound_by
from dpmigrate.codemods.program.facts import Facts, Scope, making_node
from dpmigrate.codemods.program.places import fresh_name, is_called_by_name
from dpmigrate.codemods.program.ways import MAX_CALLS, is_parameter, same_class
from dpmigrate.codemods.returned.alternatives import give_alternatives
from dpmigrate.codemods.returned.annotations import lengthen, result_annotations
from dpmigrate.codemods.returned.ways_out import given_back

_Targets = cst.Tuple | cst.List


@dataclass(frozen=True, eq=False)
class _Taker:
    """Targets that take the private objects of one model, and the variable of its wrapped criterion."""

    targets: _Targets
    place: int
    """Where the criterion goes among them."""
    name: str
    has_one: bool
    """Whether a target is there already."""


def of_each_model(wrapping: Wrapping) -> Wrapped | None:
    """Each private model's losses by a criterion of its own, under a name made of the model's.

    None where the project's criterion serves one model, or where it is not plain which model each
    use of it belongs to. Raises `Withheld`.
    """
    upgrade, result = wrapping.upgrade, wrapping.result
    plain = not (upgrade.mixed or upgrade.adaptive or result.items or result.receivers or result.records)
    if not plain or not all(is_object(maker) for site in wrapping.sites for maker in site.makers):
        return None
    if upgrade.has_criterion and _criterion_argument(upgrade.call) is None:
        return None  # it comes with ``**options``
    one = len({frozenset(site.makers) for site in wrapping.sites}) == 1 == len(wrapping.sites[0].makers)
    kept = kept_by(upgrade, wrapping.sites) if one else None
    takers = _takers(wrapping)
    if takers is None or (kept is not None and len(takers) == 1 and not _serves_others(wrapping, kept)):
        return None
    called = wrapping.facts.code(wrapping.sites[0].call.func).strip().rpartition(".")[2]
    uses = _Uses(wrapping, takers, called)
    if not all(uses.get_their_own(site.call, site.call.func) for site in wrapping.sites):
        return None
    kept = kept or _one_of_several(wrapping, uses.makers)
    if kept is None or (kept.per_example and not all(map(_plainly_ghost, uses.others))):
        return None
    edits = uses.edits
    code, imported = built(upgrade, kept, upgrade.call)
    edits.extend(imported)
    edits.extend(_given(wrapping, code))
    edits.extend(_taken(wrapping, takers))
    return Wrapped(edits, tuple((site.call, not kept.per_example) for site in wrapping.sites), takers[0].name)


def _plainly_ghost(call: cst.CSTNode) -> bool:
    """Whether a call makes ghost runs alone: what is done with losses per example changes for all."""
    modes = [
        a.value
        for a in (call.args if isinstance(call, cst.Call) else ())
        if a.keyword is not None and a.keyword.value == "grad_sample_mode"
    ]
    return any(isinstance(m, cst.SimpleString) and str(m.evaluated_value).startswith("ghost") for m in modes)


def _one_of_several(wrapping: Wrapping, makers: set[What]) -> Kept | None:
    """The criterion of torch that this call's models are trained by, where others have another one there.

    All must give one loss per example, or none, since the same code takes them up. Raises `Withheld`.
    """
    upgrade = wrapping.upgrade
    all_makers = {maker for site in wrapping.sites for maker in site.makers}
    made = {maker: _constructor(wrapping, maker) for maker in all_makers}
    constructors = {maker: call for maker, call in made.items() if call is not None}
    if len(makers) != 1 or len(constructors) != len(made) or not makers <= constructors.keys():
        return None
    maker = next(iter(makers))
    assert isinstance(maker, Thing)
    kinds = {
        reduction_of(upgrade, other, call) == "none"
        for other, call in constructors.items()
        if isinstance(other, Thing)
    }
    if len(kinds) != 1:
        return None
    call, short = constructors[maker], maker.name.rpartition(".")[2]
    return Kept((maker,), kinds.pop(), "", [], [], short, call.args, [call])


def _constructor(wrapping: Wrapping, maker: What) -> cst.Call | None:
    """The call of the project that makes one of torch's criteria."""
    if not isinstance(maker, Thing) or maker.kind != "criterion" or isinstance(maker, Instance):
        return None
    call = making_node(maker)
    return call if isinstance(call, cst.Call) and wrapping.facts.knows(call) else None


def _serves_others(wrapping: Wrapping, kept: Kept) -> bool:
    """Whether a criterion makes losses of private models of other calls, too."""
    facts = wrapping.facts
    things = (
        thing
        for call in kept.calls
        for arg in call.args
        for node in _values_behind(facts, arg.value)
        for thing in _private(facts, node)
    )
    return any(making_node(thing) is not wrapping.upgrade.call for thing in things)


# -- what takes the private objects ---------------------------------------------------------------


def _helper(wrapping: Wrapping) -> cst.FunctionDef | None:
    """The function that calls ``make_private`` and returns what it took apart."""
    facts, scope = wrapping.facts, wrapping.upgrade.scope
    apart = {facts.scope(event.origin.node) for event in wrapping.result.unpacks}
    if not isinstance(scope, cst.FunctionDef) or apart != {scope}:
        return None
    returned = given_back(facts, scope)
    value = returned[0] if len(returned) == 1 else None
    if not isinstance(value, cst.Tuple) or any(facts.scope(s.call) is scope for s in wrapping.sites):
        return None
    return scope if any(facts.is_a(e.value, "dp-optimizer") for e in value.elements) else None


def _takers(wrapping: Wrapping) -> list[_Taker] | None:
    """All that takes private objects of the call for training; None where that is not plain."""
    facts = wrapping.facts
    takers: list[_Taker | None] = []
    if (helper := _helper(wrapping)) is not None:
        returned = given_back(facts, helper)[0]
        assert isinstance(returned, cst.Tuple)
        models = [i for i, e in enumerate(returned.elements) if facts.is_a(e.value, "dp-model")]
        optimizers = [i for i, e in enumerate(returned.elements) if facts.is_a(e.value, "dp-optimizer")]
        for call, _ in facts.callers.get(helper, ()):
            assign = facts.parent(call) if facts.gives_back(call) else None
            alone = isinstance(assign, cst.Assign) and len(assign.targets) == 1
            target = assign.targets[0].target if isinstance(assign, cst.Assign) and alone else None
            whole = isinstance(target, _Targets) and len(target.elements) == len(returned.elements)
            if not isinstance(target, _Targets) or not whole or len(models) != 1:
                return None
            takers.append(_taker(facts, target, models[0], optimizers[0] + 1, has_one=False))
    for event in wrapping.result.unpacks if helper is None else ():
        has_one = wrapping.result.has_criterion(event)
        targets = wrapping.result.targets(event)
        if event.star is not None or len(targets.elements) != 3 + has_one:
            return None
        takers.append(_taker(facts, targets, 0, 2, has_one))
    sure = [taker for taker in takers if taker is not None]
    return sure if sure and len(sure) == len(takers) else None


def _taker(facts: Facts, targets: _Targets, model: int, place: int, has_one: bool) -> _Taker | None:
    """Targets with the name that the criterion of their model gets: ``net`` has ``net_criterion``."""
    if any(isinstance(e, cst.StarredElement) for e in targets.elements):
        return None
    node = targets.elements[model].value
    own = isinstance(node, cst.Attribute) and isinstance(node.value, cst.Name) and node.value.value == "self"
    if not (isinstance(node, cst.Name) and node.value.strip("_")) and not own:
        return None
    text = facts.code(node).strip()
    owner, _, short = text.rpartition(".")
    name = fresh_name(facts, facts.module_of(targets).tree, f"{short}_criterion")
    return _Taker(targets, place, f"{owner}.{name}" if owner else name, has_one)


# -- where the criterion is used --------------------------------------------------------------------


@dataclass
class _Uses:
    """What makes losses by the project's criterion, or hands it on: each gets that of its model."""

    wrapping: Wrapping
    takers: Sequence[_Taker]
    called: str
    """What the criterion is called where a function takes it from now on."""
    edits: ProjectEdits = field(default_factory=ProjectEdits)
    led: dict[cst.CSTNode, str] = field(default_factory=dict)
    """The functions whose callers are dealt with, and the parameter of each."""
    makers: set[What] = field(default_factory=set)
    """The criteria that they had until now."""
    others: set[cst.CSTNode] = field(default_factory=set)
    """The other calls whose models the same functions train."""

    def get_their_own(
        self, use: cst.Call, given: cst.BaseExpression | None, keyword: str = "", depth: int = MAX_CALLS
    ) -> bool:
        """Let a call have the criterion of its model in the place of what is ``given``, or by ``keyword``.

        Where the model is a parameter, the criterion comes from the callers as well. False where it is not
        plain which model a call is about. Raises `Withheld`.
        """
        facts = self.wrapping.facts
        scope = facts.scope(use)
        if isinstance(given, cst.Name) and is_parameter(facts, given.value, scope):
            bound = [b for b in binders(facts, scope) if given.value in bound_by(facts, b)]
            return len(bound) == 1 and self._from_callers(scope, given.value, taken=True, depth=depth)
        name = _name_for(self.wrapping, self.takers, use)
        if name is None:
            if not isinstance(scope, cst.FunctionDef) or not is_called_by_name(facts, scope):
                return False
            name = self._parameter(scope)
            if not self._from_callers(scope, name, taken=False, depth=depth):
                return False
        of_module = self.edits.of(facts.module_of(use))
        if given is not None:
            held = facts.called(use) if given is use.func else facts.held(given)
            self.makers.update(what for what in held if isinstance(what, Thing))
            of_module.replace(given, name)
        else:
            of_module.change(use, partial(add_argument, keyword=keyword, value=name, after=()))
        return True

    def _parameter(self, function: cst.FunctionDef) -> str:
        """The name of a parameter more; that of the criterion where the function has no other use for it."""
        facts = self.wrapping.facts
        read = {site.call.func for site in self.wrapping.sites}
        names = [n for n in facts.inside(function, cst.Name) if n.value == self.called]
        if all(n in read or isinstance(facts.parent(n), cst.Attribute) for n in names):
            return self.called
        return fresh_name(facts, function, "criterion", "loss_fn", "private_criterion")

    def _from_callers(self, function: Scope, parameter: str, taken: bool, depth: int) -> bool:
        """Let every caller that has a model of this call give its criterion for a parameter.

        ``taken``: whether the function has that parameter already.
        """
        facts = self.wrapping.facts
        if function in self.led or not isinstance(function, cst.FunctionDef) or not depth:
            return self.led.get(function) == parameter
        self.led[function] = parameter
        if not taken:
            self.edits.of(facts.module_of(function)).change(
                function, lambda new: add_parameter(new, parameter)
            )
        for call, _ in facts.callers.get(function, ()):
            if not isinstance(call, cst.Call):
                return False
            given = argument_for(facts, call, function, parameter) if taken else None
            made = {making_node(thing) for thing in _private_things(facts, call)}
            if not made or (taken and given is None):
                return False  # Nothing private is trained by it here: it takes a criterion as it was.
            self.others |= {each for each in made - {self.wrapping.upgrade.call} if each is not None}
            if self.wrapping.upgrade.call in made and not self.get_their_own(
                call, given, parameter, depth - 1
            ):
                return False
        return True


def _private_things(facts: Facts, root: cst.CSTNode) -> Iterator[Thing]:
    """The private models and optimizers among the parts of an expression."""
    for kind in (cst.Name, cst.Attribute, cst.Subscript):
        for node in facts.inside(root, kind):
            yield from _private(facts, node)


def _private(facts: Facts, node: cst.CSTNode) -> Iterator[Thing]:
    """The private models and optimizers that an expression is, called (``self.net(x)``) or not."""
    call = facts.parent(node)
    called = facts.called(call) if isinstance(call, cst.Call) and call.func is node else []
    for what in (*facts.held(node), *called):
        if isinstance(what, Thing) and what.kind in ("dp-model", "dp-optimizer"):
            yield what


def _values_behind(facts: Facts, node: cst.BaseExpression) -> Iterator[cst.BaseExpression]:
    """The variables and members in an expression, and in what those variables are computed by."""
    waiting, seen = [node], set[tuple[Scope, str]]()
    while waiting:
        expression = waiting.pop()
        names = facts.inside(expression, cst.Name)
        yield from names
        yield from facts.inside(expression, cst.Attribute)
        for name in names:
            scope = facts.scope(name)
            if (scope, name.value) not in seen:
                seen.add((scope, name.value))
                homes = (h for h in homes_in(facts, scope, own=True) if target_text(facts, h) == name.value)
                waiting += [home.value for home in homes if home.value is not None]


def _name_for(wrapping: Wrapping, takers: Sequence[_Taker], use: cst.Call) -> str | None:
    """The variable of the criterion that came with the model of a use; None where it is not plain which."""
    facts, scope = wrapping.facts, wrapping.facts.scope(use)
    behind = (n for arg in use.args for n in _values_behind(facts, arg.value))
    things = list(_private_things(facts, use)) or [thing for n in behind for thing in _private(facts, n)]
    if any(making_node(thing) is not wrapping.upgrade.call for thing in things):
        return None
    objects = _of_this_call(wrapping, use)
    here = [t for t in takers if facts.scope(t.targets) is scope]
    fitting = [t for t in here if objects and all(is_of_taker(facts, n, use, t.targets) for n in objects)]
    if not here:
        members = {facts.code(node).strip() for node in objects}
        fitting = [t for t in takers if members and members <= beside_it(facts, t.targets)]
        fitting = [
            t for t in fitting if _is_member(t.name) and same_class(facts, facts.scope(t.targets), scope)
        ]
    names = {taker.name for taker in fitting}
    if len(names) == 1 and here:
        refuse_last_of_many(facts, wrapping.upgrade.call, [t.targets for t in fitting], [use])
    return names.pop() if len(names) == 1 else None


def _is_member(name: str) -> bool:
    return name.startswith("self.")


def _of_this_call(wrapping: Wrapping, use: cst.Call) -> list[cst.BaseExpression]:
    """The private objects of the call in a use of its criterion, or in what goes into it."""
    facts, call = wrapping.facts, wrapping.upgrade.call

    def made_here(node: cst.BaseExpression) -> bool:
        return {making_node(thing) for thing in _private(facts, node)} == {call}

    inside = [*facts.inside(use, cst.Name), *facts.inside(use, cst.Attribute)]
    behind = (n for arg in use.args for n in _values_behind(facts, arg.value))
    return [n for n in inside if made_here(n)] or [n for n in behind if made_here(n)]


# -- the edits --------------------------------------------------------------------------------


def _given(wrapping: Wrapping, code: str) -> ProjectEdits:
    """Give the call a criterion of its own, in the place of one that it has."""
    upgrade, edits = wrapping.upgrade, ProjectEdits()
    given = _criterion_argument(upgrade.call)
    if given is None:
        return give(upgrade, code)
    edits.of(upgrade.module).replace(given, code)
    return edits


def _criterion_argument(call: cst.Call) -> cst.BaseExpression | None:
    argument = keyword_node(call, "criterion")
    return argument.value if argument is not None else None


def _taken(wrapping: Wrapping, takers: Sequence[_Taker]) -> ProjectEdits:
    """Take the wrapped criterion with each model. Raises `Withheld`."""
    facts, upgrade = wrapping.facts, wrapping.upgrade
    edits = result_annotations(facts, upgrade.call)
    if (helper := _helper(wrapping)) is not None:
        inner = fresh_name(facts, helper, "criterion", "private_criterion")
        for event in wrapping.result.taken_by_three:
            edits.extend(give_alternatives(facts, event, inner, lambda _: False))
            edits.of(upgrade.module).change(wrapping.result.targets(event), with_element(2, inner))
        returned = given_back(facts, helper)[0]
        assert isinstance(returned, cst.Tuple)
        edits.of(upgrade.module).change(returned, with_element(takers[0].place, inner))
        if helper.returns is not None:
            edits.extend(lengthen(facts, helper.returns, len(returned.elements), takers[0].place))
    for taker in takers:
        of_module = edits.of(facts.module_of(taker.targets))
        if taker.has_one:
            of_module.replace(taker.targets.elements[taker.place].value, taker.name)
        else:
            of_module.change(taker.targets, with_element(taker.place, taker.name))
    if helper is None:
        for event in wrapping.result.taken_by_three:
            name = next(t.name for t in takers if t.targets is wrapping.result.targets(event))
            edits.extend(give_alternatives(facts, event, name, lambda _: False))
    return edits
