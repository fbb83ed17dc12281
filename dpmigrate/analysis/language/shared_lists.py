"""Lists that change in place: whoever holds them sees it, under whatever name."""

from __future__ import annotations

from collections import Counter
from functools import lru_cache

import libcst as cst

from dpmigrate.analysis.core import Interpreter
from dpmigrate.analysis.domain.values import Value
from dpmigrate.analysis.frames import Frame
from dpmigrate.analysis.language.attributes import set_attribute
from dpmigrate.analysis.source.tree import bound_in, every


def changed_in_place(ip: Interpreter, target: cst.CSTNode, value: Value) -> None:
    """What a variable or attribute holds has become ``value``, without being assigned to."""
    if isinstance(target, cst.Attribute):
        set_attribute(ip, ip.evaluate(target.value), target.attr.value, value, target)
    elif isinstance(target, cst.Name):
        _change_variable(ip, target.value, value)


def _change_variable(ip: Interpreter, name: str, value: Value) -> None:
    """The variable is where it is read from: here, around the function, or in the module."""
    for scope in ip.frame.scopes():
        before = ip.store.get(scope.owner, name)
        if before is not None:
            ip.store.set(scope.owner, name, value)
            _change_argument(ip, scope, name, ip.feasible(before), value)
            _change_what_it_names(ip, scope, name, ip.feasible(before), value)
            return
    owner = ("module", ip.module.key)
    if ip.store.get(owner, name) is not None:
        ip.store.set(owner, name, value)


def _change_argument(ip: Interpreter, frame: Frame, parameter: str, before: Value, value: Value) -> None:
    """The caller's list is the one that a parameter stands for, as long as it is not assigned to."""
    argument = _argument_of(frame, parameter)
    depth = next((i for i, active in enumerate(ip.frames) if active is frame), 0)
    if not depth or not isinstance(argument, (cst.Name, cst.Attribute)):
        return
    inner, ip.frames = ip.frames, ip.frames[:depth]
    try:
        if ip.evaluate(argument).atoms == before.atoms:
            changed_in_place(ip, argument, value)
    finally:
        ip.frames = inner


def _change_what_it_names(ip: Interpreter, frame: Frame, name: str, before: Value, value: Value) -> None:
    """``losses = self.losses``: another name for a list, as long as it is the name of nothing else."""
    other = None if frame.is_class_body or frame is not ip.frame else _named_by(frame.code).get(name)
    if other is not None and ip.evaluate(other).atoms == before.atoms != value.atoms:
        changed_in_place(ip, other, value)


@lru_cache(maxsize=2_000)
def _named_by(scope: cst.CSTNode) -> dict[str, cst.BaseExpression]:
    """The variables of a function or module that are bound once, to another variable or an attribute."""
    bindings = Counter(bound_in(scope))
    return {
        node.targets[0].target.value: node.value
        for node in every(scope)
        if isinstance(node, cst.Assign)
        and isinstance(node.targets[0].target, cst.Name)
        and isinstance(node.value, (cst.Name, cst.Attribute))
        and bindings[node.targets[0].target.value] == 1
    }


def _argument_of(frame: Frame, parameter: str) -> cst.BaseExpression | None:
    """What the call that entered a frame gives for a parameter; None where that cannot be told."""
    function, call = frame.function, frame.call
    if function is None or not isinstance(function.node, cst.FunctionDef) or not isinstance(call, cst.Call):
        return None
    if parameter in bound_in(function.node.body):
        return None
    params = function.node.params
    names = [param.name.value for param in (*params.posonly_params, *params.params)]
    if function.owner is not None and "staticmethod" not in function.decorators:
        names = names[1:]
    for number, argument in enumerate(call.args):
        if argument.star:
            return None
        keyword = argument.keyword.value if argument.keyword is not None else None
        if keyword == parameter or (keyword is None and names[number : number + 1] == [parameter]):
            return argument.value
    return None
