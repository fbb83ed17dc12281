"""The statements and expressions that give a variable a value."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from dpmigrate.codemods.program.facts import Facts

Home = cst.Assign | cst.AnnAssign | cst.NamedExpr
"""What gives a variable a value."""
_KINDS: tuple[type[Home], ...] = (cst.Assign, cst.AnnAssign, cst.NamedExpr)


def homes_in(facts: Facts, root: cst.CSTNode, own: bool = False) -> Iterator[Home]:
    """The assignments in a scope, nested functions left out where only its ``own`` are asked for."""
    for kind in _KINDS:
        yield from facts.own(root, kind) if own else facts.inside(root, kind)


def targets_of(home: Home) -> list[cst.BaseExpression]:
    """What an assignment binds, one after the other."""
    return [t.target for t in home.targets] if isinstance(home, cst.Assign) else [home.target]


def target_texts(facts: Facts, home: Home) -> list[str]:
    """The variables of an assignment as text: the names and attributes among its targets."""
    return [facts.code(t).strip() for t in targets_of(home) if isinstance(t, (cst.Name, cst.Attribute))]


def target_text(facts: Facts, home: Home) -> str:
    """The variable of an assignment as text; empty for anything but one name or attribute.

    Of several (``criterion = kept = ...``) it is the first, where nothing reads the others.
    """
    first, *others = targets_of(home)
    if not isinstance(first, (cst.Name, cst.Attribute)) or any(_is_read(facts, t) for t in others):
        return ""
    return facts.code(first).strip()


def _is_read(facts: Facts, target: cst.BaseExpression) -> bool:
    """Whether a variable is read anywhere in the module; True for what is no plain name."""
    if not isinstance(target, cst.Name):
        return True
    names = facts.inside(facts.module_of(target).tree, cst.Name)
    return any(n.value == target.value and not is_bound_by(facts, n) for n in names)


def is_bound_by(facts: Facts, name: cst.CSTNode) -> bool:
    """Whether a name is the target of an assignment, and not read."""
    around = facts.parent(name)
    if isinstance(around, (cst.AnnAssign, cst.AugAssign, cst.NamedExpr)):
        return around.target is name
    return isinstance(around, cst.AssignTarget)
