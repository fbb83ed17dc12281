"""Whether a criterion yields one loss per example when Opacus asks for ``reduction="none"``.

Opacus since 1.5.3 sets ``criterion.reduction = "none"`` and takes what the call returns for one
loss per example; a criterion that returns a mean all the same is never clipped (measured: DPM104).
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator

import libcst as cst

from dpmigrate.analysis.closing.forwards import (
    honours_forward,
    joins_examples_itself,
    keeps_examples_apart,
    reads_reduction,
)
from dpmigrate.analysis.core import Interpreter
from dpmigrate.analysis.domain.atoms import Atom, Const, External, Obj
from dpmigrate.analysis.domain.values import Class, Function, Partial, Value
from dpmigrate.analysis.language.classes import BASE_KINDS, external_names, find_member
from dpmigrate.analysis.loss_functions import LOSS_FUNCTIONS
from dpmigrate.analysis.source.mentions import Mentions
from dpmigrate.analysis.source.tree import children, every
from dpmigrate.model import Tri


def honours_reduction(ip: Interpreter, atom: Atom) -> Tri:
    """Whether a criterion's result follows its ``reduction``; True also where nothing is known of it."""
    if isinstance(atom, (External, Function, Partial)):
        return makes_one_loss_per_example(ip, atom)
    if isinstance(atom, Obj) and atom.kind == "instance" and isinstance(atom.data, Class):
        return class_honours(ip, atom.data, atom)
    return True


def makes_one_loss_per_example(ip: Interpreter, atom: Atom) -> Tri:
    """Whether a function gives one loss for each example by itself, so that it is right on 1.6.0."""
    if isinstance(atom, Partial):
        given = dict(atom.keywords).get("reduction", Value())
        return given.only == Const("none")
    if isinstance(atom, Function):
        if _joins_examples(atom.node):
            return False
        if _asks_for_none(atom.node):
            return True
        called = _criteria_called(ip, atom)
        if called:
            return all(reduction == "none" for reduction in called)
        return False if Mentions().of(atom.node) & LOSS_FUNCTIONS else None
    if isinstance(atom, External):
        return not atom.name.startswith("torch.nn.functional.")
    return False


def _joins_examples(node: cst.CSTNode) -> bool:
    """Whether some mean or sum below a node goes over the batch."""
    return any(map(joins_examples_itself, every(node)))


def _criteria_called(ip: Interpreter, fn: Function) -> list[object]:
    """The reductions of the criteria that a function takes from around it."""
    owners: list[Hashable] = [("module", fn.module.key)]
    frame = fn.closure
    while frame is not None:
        owners.append(frame.owner)
        frame = frame.closure
    return [
        reduction
        for owner in owners
        for name in Mentions().of(fn.node)
        for reduction in _reductions(ip, ip.store.get(owner, name))
    ]


def _reductions(ip: Interpreter, value: Value | None) -> Iterator[object]:
    """The reductions of the criteria that a value can be."""
    for atom in value.atoms if value is not None else ():
        if isinstance(atom, Obj) and atom.kind == "criterion":
            reduction = (ip.store.get(atom, "reduction") or Value()).only
            yield reduction.value if isinstance(reduction, Const) else None


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
        stack.extend(children(current))
    return False


def class_honours(ip: Interpreter, cls: Class, instance: Obj) -> Tri:
    """Whether the result of a project class's forward, or of its call, follows ``self.reduction``."""
    forward = find_member(ip, cls, "forward") or find_member(ip, cls, "__call__")
    method = forward.only if forward is not None else None
    from_library = any(BASE_KINDS.get(name) == "criterion" for name in external_names(cls))
    if not isinstance(method, Function) or not isinstance(method.node, cst.FunctionDef):
        return True if from_library or method is None else None
    names = Mentions().of(method.node)
    if reads_reduction(method.node):
        return honours_forward(method.node)
    if _joins_examples(method.node):
        return False  # also of what the library's ``super().forward(...)`` gives for each example
    if "super" in names and from_library:
        return True
    inner = _inner_criteria(ip, instance, names)
    if inner:
        return all(reduction == "none" for reduction in inner)
    if names & LOSS_FUNCTIONS:
        return _asks_for_none(method.node)
    return True if keeps_examples_apart(method.node) else None


def _inner_criteria(ip: Interpreter, instance: Obj, names: frozenset[str]) -> list[object]:
    """The reductions of the criteria that an instance holds and its forward mentions."""
    held = [ip.store.get(instance, slot) for slot in ip.store.keys(instance) if slot in names]
    return [reduction for value in held for reduction in _reductions(ip, value)]


def reduction_default(ip: Interpreter, cls: Class) -> str | None:
    """The default of ``reduction`` where a criterion of the project is made; None where it takes none."""
    init = find_member(ip, cls, "__init__")
    for atom in init.atoms if init is not None else ():
        if isinstance(atom, Function) and isinstance(atom.node, cst.FunctionDef):
            for param in (*atom.node.params.params, *atom.node.params.kwonly_params):
                if param.name.value == "reduction" and isinstance(param.default, cst.SimpleString):
                    value = param.default.evaluated_value
                    return value if isinstance(value, str) else None
            return None
    from_library = set(external_names(cls)) - {"torch.nn.Module", "builtins.object"}
    return "mean" if from_library else None
