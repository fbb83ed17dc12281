"""Whether a criterion yields one loss per example when Opacus asks for ``reduction="none"``.

Opacus since 1.5.3 sets ``criterion.reduction = "none"`` and takes what the call returns for one
loss per example; a criterion that returns a mean all the same is never clipped (FACTS b3).
"""

from __future__ import annotations

import libcst as cst

from dpmigrate.analysis.classes import BASE_KINDS, external_names, find_member
from dpmigrate.analysis.core import Interpreter
from dpmigrate.analysis.library.torch.names import LOSS_FUNCTIONS
from dpmigrate.analysis.mentions import Mentions
from dpmigrate.analysis.values import Atom, Class, Const, External, Function, Obj, Partial, Value
from dpmigrate.model import Tri

_REDUCERS = frozenset({"mean", "sum"})


def honours_reduction(ip: Interpreter, atom: Atom) -> Tri:
    """Whether a criterion's result follows its ``reduction``; True also where nothing is known of it."""
    if isinstance(atom, (External, Function, Partial)):
        return makes_one_loss_per_example(ip, atom)
    if isinstance(atom, Obj) and atom.kind == "instance" and isinstance(atom.data, Class):
        return _class_honours(ip, atom, atom.data)
    return True


def makes_one_loss_per_example(ip: Interpreter, atom: Atom) -> bool:
    """Whether a function asks for ``reduction="none"`` itself, so that it is right on 1.6.0."""
    if isinstance(atom, Partial):
        given = dict(atom.keywords).get("reduction", Value())
        return given.only == Const("none")
    if isinstance(atom, Function):
        return _asks_for_none(atom.node) and not (_REDUCERS & Mentions().of(atom.node))
    if isinstance(atom, External):
        return not atom.name.startswith("torch.nn.functional.")
    return False


def _asks_for_none(node: cst.CSTNode) -> bool:
    """Whether some call below a node is given ``reduction="none"``."""
    stack = [node]
    while stack:
        current = stack.pop()
        if (
            isinstance(current, cst.Arg)
            and current.keyword is not None
            and current.keyword.value == "reduction"
        ):
            value = current.value
            return isinstance(value, cst.SimpleString) and value.evaluated_value == "none"
        stack.extend(current.children)
    return False


def _class_honours(ip: Interpreter, instance: Obj, cls: Class) -> Tri:
    """Whether the result of a project class's forward follows ``self.reduction``."""
    forward = find_member(ip, cls, "forward")
    method = forward.only if forward is not None else None
    from_library = any(BASE_KINDS.get(name) == "criterion" for name in external_names(cls))
    if not isinstance(method, Function):
        return True if from_library or method is None else None
    names = Mentions().of(method.node)
    if _reads_reduction(method.node) or ("super" in names and from_library):
        return True
    if _REDUCERS & names:
        return False
    inner = _inner_criteria(ip, instance, names)
    if inner:
        return all(reduction == "none" for reduction in inner)
    if names & LOSS_FUNCTIONS:
        return _asks_for_none(method.node)
    return None


def _reads_reduction(node: cst.CSTNode) -> bool:
    """Whether an attribute ``reduction`` is read somewhere below a node."""
    stack = [node]
    while stack:
        current = stack.pop()
        if isinstance(current, cst.Attribute) and current.attr.value == "reduction":
            return True
        stack.extend(current.children)
    return False


def _inner_criteria(ip: Interpreter, instance: Obj, names: frozenset[str]) -> list[object]:
    """The reductions of the criteria that an instance holds and its forward mentions."""
    found = []
    for slot in ip.store.keys(instance):
        if slot not in names:
            continue
        for atom in (ip.store.get(instance, slot) or Value()).atoms:
            if isinstance(atom, Obj) and atom.kind == "criterion":
                reduction = (ip.store.get(atom, "reduction") or Value()).only
                found.append(reduction.value if isinstance(reduction, Const) else None)
    return found
