"""Private objects that a loop makes and keeps: each model is trained by the criterion that came with it.

A variable has the criterion of the last turn alone. Behind the loop it is right where the model is that of
the last turn as well.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from functools import partial

import libcst as cst

from dpmigrate.codemods.editing.edits import Withheld
from dpmigrate.codemods.editing.nodes import name_of
from dpmigrate.codemods.program.binders import binders, bound_by
from dpmigrate.codemods.program.facts import Facts
from dpmigrate.codemods.program.ways import MAX_CALLS

_Binding = cst.Assign | cst.AnnAssign | cst.NamedExpr | cst.For | cst.CompFor | cst.WithItem
_COLLECTS = frozenset(["append", "appendleft", "add", "insert", "extend", "put", "setdefault"])
"""Methods that put what they are given among what is there."""


def refuse_last_of_many(
    facts: Facts, made_by: cst.Call, taken_at: Iterable[cst.CSTNode], uses: Iterable[cst.CSTNode]
) -> None:
    """Each use of a criterion is of the model that came with it, and of no other that the same call made.

    ``taken_at`` are nodes in what takes the private objects of the call ``made_by``, and ``uses`` calls that
    make losses or lead to where they are made, and what is returned, of the same scope. Raises `Withheld`.
    """
    takers = facts.in_order(taken_at)
    for use in uses if takers else ():
        around = {use, *facts.above(use)}
        taker = _last_before(facts, takers, use)
        beside = beside_it(facts, taker, takers)
        if facts.scope(made_by) is facts.scope(use):
            beside |= {text for arg in made_by.args for text in _texts(facts, arg.value)}
        loops = _loops(facts, taker)
        of_it = partial(_is_of, facts, use=use, taker=taker, beside=beside)
        strangers = [n for n in _private_objects(facts, use, made_by) if not of_it(n)]
        mentioned = (n for n in facts.inside(use, cst.Name) if n.value in beside)
        if not strangers and (all(loop in around for loop in loops) or any(map(of_it, mentioned))):
            continue
        which = f" ({facts.code(strangers[0]).strip()})" if strangers else ""
        made = f"in each turn of the loop in line {facts.position(loops[0])}" if loops else "more than once"
        raise Withheld(
            f"make_private is called {made}, each time with a criterion of its own, and a model that was "
            f"kept is trained here{which}: keep the criterion beside its model (the third object that "
            f"make_private returns, line {facts.position(taker)}), and make the losses by that",
            facts.module_of(use),
            use,
        )


def is_of_taker(facts: Facts, node: cst.BaseExpression, use: cst.CSTNode, taker: cst.CSTNode) -> bool:
    """Whether an expression in a use is, or is read out of, what was bound where ``taker`` takes it apart."""
    return _is_of(facts, node, use, taker, beside_it(facts, taker))


def beside_it(facts: Facts, node: cst.CSTNode, takers: Iterable[cst.CSTNode] = ()) -> set[str]:
    """The variables and members, as text, that are bound where a node takes private objects apart.

    What is taken by number (``result[0]``, ``result[1]``) is taken together, by all of ``takers``.
    """
    if isinstance(node, cst.Subscript):
        base = {n.value for n in facts.inside(node.value, cst.Name)}
        together = [t for t in takers if isinstance(t, cst.Subscript) and t is not node]
        return base.union(_bound_at(facts, node), *(_bound_at(facts, other) for other in together))
    return _bound_at(facts, node)


def _bound_at(facts: Facts, node: cst.CSTNode) -> set[str]:
    holder = _holder(facts, node)
    if isinstance(holder, cst.Assign):
        targets: list[cst.CSTNode] = [t.target for t in holder.targets]
        targets += [holder.value] if isinstance(holder.value, cst.Name) else []
    elif isinstance(holder, cst.WithItem):
        targets = [holder.asname.name] if holder.asname is not None else []
    else:
        targets = [holder.target] if holder is not None else []
    return {text for target in targets for text in _texts(facts, target)}


def _holder(facts: Facts, node: cst.CSTNode) -> _Binding | None:
    """What binds the variables in which private objects are taken apart, or are kept whole."""
    statement = facts.statement(node)
    for around in (node, *facts.above(node)):
        if isinstance(around, (cst.Assign, cst.AnnAssign, cst.NamedExpr, cst.For, cst.CompFor, cst.WithItem)):
            return around
        if around is statement:
            break
    return None


def _texts(facts: Facts, target: cst.CSTNode) -> Iterator[str]:
    if isinstance(target, (cst.Tuple, cst.List)):
        for element in target.elements:
            yield from _texts(facts, element.value)
    elif isinstance(target, (cst.Name, cst.Attribute)):
        yield facts.code(target).strip()


def _last_before(facts: Facts, takers: list[cst.CSTNode], use: cst.CSTNode) -> cst.CSTNode:
    """What took private objects last before a use; where none did, in the turn before."""
    for comprehension in facts.above(use):
        if isinstance(comprehension, (cst.BaseSimpleComp, cst.DictComp)):
            clauses = facts.inside(comprehension, cst.CompFor)
            if (inside := next((t for t in takers if _holder(facts, t) in clauses), None)) is not None:
                return inside
    before = [t for t in takers if facts.is_before(t, use) or t in facts.below(use)]
    return before[-1] if before else takers[-1]


def _private_objects(facts: Facts, use: cst.CSTNode, made_by: cst.Call) -> Iterator[cst.BaseExpression]:
    """The variables, members and entries in a use that are private models and optimizers, each as a whole."""
    for node in facts.below(use):
        if not isinstance(node, (cst.Name, cst.Attribute, cst.Subscript)):
            continue
        if made_by not in (facts.made_at(node, kind) for kind in ("dp-model", "dp-optimizer")):
            continue
        around = facts.parent(node)
        if not (isinstance(around, cst.Attribute) and around.attr is node):
            yield node


def _is_of(
    facts: Facts,
    node: cst.BaseExpression,
    use: cst.CSTNode,
    taker: cst.CSTNode,
    beside: Collection[str],
    depth: int = 3,
) -> bool:
    """Whether an expression is, or is read out of, what was bound beside a criterion, and not anew since."""
    if facts.code(node).strip() in beside:
        root = next((n for n in facts.inside(node, cst.Name)), None)
        return root is None or not _bound_since(facts, root, use, taker)
    if isinstance(node, (cst.Attribute, cst.Subscript)):
        return _is_of(facts, node.value, use, taker, beside, depth)
    if isinstance(node, (cst.Tuple, cst.List, cst.Dict)):
        names = [n for n in facts.inside(node, cst.Name) if n.value in beside]
        return bool(names) and all(_is_of(facts, n, use, taker, beside, depth) for n in names)
    if not isinstance(node, cst.Name) or not depth:
        return False
    bound = [b for b in binders(facts, facts.scope(use)) if node.value in bound_by(facts, b)]
    assign = facts.parent(bound[0]) if len(bound) == 1 and isinstance(bound[0], cst.AssignTarget) else None
    return isinstance(assign, cst.Assign) and _is_of(facts, assign.value, use, taker, beside, depth - 1)


def _bound_since(facts: Facts, name: cst.Name, use: cst.CSTNode, taker: cst.CSTNode) -> bool:
    """Whether a variable that was bound with a criterion is bound to another model by the time of a use.

    What makes it of itself (``net = net.to(device)``) leaves it as it is.
    """
    holder = _holder(facts, taker)
    for around in facts.above(name):
        if isinstance(around, (cst.BaseSimpleComp, cst.DictComp)):
            clauses = facts.inside(around, cst.CompFor)
            if any(name.value in set(_texts(facts, c.target)) for c in clauses if c is not holder):
                return True
    for binder in binders(facts, facts.scope(use)):
        if name.value not in bound_by(facts, binder) or not facts.is_before(taker, binder):
            continue
        if _in_other_branch(facts, binder, taker):
            continue
        if not facts.is_before(binder, use) or (
            holder is not None
            and binder in facts.below(holder.target if isinstance(holder, cst.For) else holder)
        ):
            continue
        assign = facts.parent(binder)
        value = assign.value if isinstance(assign, cst.Assign) else None
        if value is None or all(n.value != name.value for n in facts.inside(value, cst.Name)):
            return True
    return False


def refuse_kept_among_others(facts: Facts, bound_at: Iterable[cst.CSTNode], name: str) -> None:
    """A member of an object is the criterion of one model, and not of each that the object collects.

    Raises `Withheld` where what is bound beside it is put into a container.
    """
    for node in bound_at:
        beside = beside_it(facts, node)
        for call in facts.own(facts.scope(node), cst.Call):
            inside = {n.value for arg in call.args for n in facts.inside(arg.value, cst.Name)}
            if name_of(call.func) in _COLLECTS and len(beside & inside) > 1:
                raise Withheld(
                    f"models that are made private are collected here, and {name} would be the criterion of "
                    "the last of them: keep the criterion beside its model, and make the losses by that",
                    facts.module_of(call),
                    call,
                )


def refuse_member_of_another(facts: Facts, made_by: cst.Call, name: str, uses: Iterable[cst.CSTNode]) -> None:
    """A member is the criterion that came last; where one object is filled again and again, so is its model.

    Raises `Withheld` where a use is of a model that is no member.
    """
    if not refilled(facts, made_by):
        return
    for use in uses:
        for node in _private_objects(facts, use, made_by):
            text = facts.code(node).strip()
            if not text.startswith("self."):
                raise Withheld(
                    "make_private is called again and again for one object (line "
                    f"{facts.position(made_by)}), and {name} would be the criterion of the last call, while "
                    f"{text} may be the model of an earlier one: return the third object beside the model, "
                    "and make the losses by that",
                    facts.module_of(use),
                    use,
                )


def refilled(
    facts: Facts, node: cst.CSTNode, homes: Collection[cst.CSTNode] = (), depth: int = MAX_CALLS
) -> bool:
    """Whether the method around a node is called again and again for one object.

    ``for f in folds: t.setup(f)`` does so; ``for c in clients: c.setup()`` calls it for another in each turn.
    ``homes`` are where a member of it is made: a loop around the node and not around those is one as well.
    """
    around_homes = {n for home in homes for n in facts.above(home)}
    if homes and any(loop not in around_homes for loop in _repeating(facts, node)):
        return True
    for call, _ in facts.callers.get(facts.scope(node), ()) if depth else ():
        if not facts.gives_back(call):
            return True
        reached = call.func if isinstance(call, cst.Call) else call  # A property is reached without a call.
        owner = reached.value if isinstance(reached, cst.Attribute) else None
        root = next((n.value for n in facts.inside(owner, cst.Name)), "") if owner is not None else ""
        if owner is not None and any(not _binds(facts, loop, root) for loop in _repeating(facts, call)):
            return True
        if root == "self" and refilled(facts, call, (), depth - 1):
            return True
    return False


def _repeating(facts: Facts, node: cst.CSTNode) -> Iterator[cst.CSTNode]:
    """What evaluates a node again and again within its scope: loops and comprehensions."""
    scope = facts.scope(node)
    for around in facts.above(node):
        if around is scope:
            return
        if isinstance(around, (cst.For, cst.While, cst.BaseSimpleComp, cst.DictComp)):
            yield around


def _binds(facts: Facts, loop: cst.CSTNode, name: str) -> bool:
    """Whether each turn of a loop gives a variable its value."""
    binding: list[cst.For | cst.CompFor | cst.AssignTarget] = [*facts.inside(loop, cst.For)]
    binding += (*facts.inside(loop, cst.CompFor), *facts.inside(loop, cst.AssignTarget))
    return any(name in set(_texts(facts, each.target)) for each in binding)


def _loops(facts: Facts, node: cst.CSTNode) -> list[cst.For | cst.While]:
    """The loops around a node, as far as its scope goes, the innermost first."""
    scope = facts.scope(node)
    found: list[cst.For | cst.While] = []
    for around in facts.above(node):
        if around is scope:
            break
        if isinstance(around, (cst.For, cst.While)):
            found.append(around)
    return found


def _in_other_branch(facts: Facts, one: cst.CSTNode, other: cst.CSTNode) -> bool:
    """Whether no execution of an ``if`` passes both of two nodes."""
    above = [other, *facts.above(other)]
    inside = one
    for around in facts.above(one):
        if isinstance(around, cst.If) and around in above:
            came_by = above[above.index(around) - 1]
            return {inside, came_by} == {around.body, around.orelse}
        inside = around
    return False
