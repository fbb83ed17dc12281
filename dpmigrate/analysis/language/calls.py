"""Calls: functions, methods, and what libraries know."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from itertools import combinations

import libcst as cst

from dpmigrate.analysis import registry
from dpmigrate.analysis.core import Interpreter, expression
from dpmigrate.analysis.domain.atoms import (
    Atom,
    Const,
    External,
    Module,
    Obj,
    Params,
    Tensor,
    Unknown,
)
from dpmigrate.analysis.domain.values import (
    NONE,
    NOTHING,
    Bound,
    Class,
    Entry,
    Function,
    Partial,
    Seq,
    Value,
    join_all,
    of,
)
from dpmigrate.analysis.guards import contradict, doubts
from dpmigrate.analysis.language.arguments import gather
from dpmigrate.analysis.language.attributes import get_attribute, handed_on, is_property, part_of_unknown
from dpmigrate.analysis.language.classes import (
    BASE_KINDS,
    external_base,
    find_member,
    has_unknown_base,
)
from dpmigrate.analysis.language.functions import enter_function, instantiate, unknown_call
from dpmigrate.analysis.language.holding import holds_a_private_model, is_given_a_private_model
from dpmigrate.analysis.registry import CallInfo
from dpmigrate.analysis.source.tree import MAKING_CALLS

MAX_TOLD_APART = 8
"""How many callees of one call are compared."""


@expression(cst.Call)
def _call(ip: Interpreter, node: cst.Call) -> Value:
    ip.count()
    if isinstance(node.func, cst.Attribute):
        receiver = ip.evaluate(node.func.value)
        info = gather(ip, node)
        info.name = node.func.attr.value
        if info.name in MAKING_CALLS:
            ip.making_calls.add(node)
        result = call_attribute(ip, receiver, info.name, info)
    else:
        callee = ip.evaluate(node.func)
        result = call_value(ip, callee, gather(ip, node))
    return result.map(_without_graph) if ip.gradients_off else result


def _without_graph(atom: Atom) -> Atom:
    return replace(atom, detached=True) if isinstance(atom, Tensor) else atom


def _each(ip: Interpreter, value: Value, info: CallInfo, call_one: Callable[[Entry], Value]) -> Value:
    """Call every alternative callee under its own assumptions, and join what they return and leave."""
    live = ip.feasible(value).entries
    if len(live) == 1 and not live[0].guard:
        # The one thing that it can be, which needs no layer of its own.
        saved = ip.path
        result = call_one(live[0])
        ip.path = saved
        return join_all([result])
    parts: list[Value] = []
    each_its_own = _one_after_another(live)

    def calling(number: int, e: Entry) -> Callable[[], bool]:
        def action() -> bool:
            with ip.inside(info.node, number) if each_its_own else nullcontext():
                result = call_one(e)
            parts.append(result.guarded(e.guard if len(live) > 1 else doubts(e.guard)))
            return True

        return action

    saved = ip.path
    ip.alternatives([(e.guard, calling(number, e)) for number, e in enumerate(live)])
    ip.path = saved
    return join_all(parts) if parts else ip.unknown(info.node, "a call of something unknown")


def _one_after_another(callees: Sequence[Entry]) -> bool:
    """Whether several of the project's callees are no alternatives: elements of a list, each in its turn.

    What one call leaves is not what the next one finds, and no assumption tells the two apart.
    """
    of_the_project = [e for e in callees if _enters_the_project(e.atom)]
    pairs = combinations(of_the_project[:MAX_TOLD_APART], 2)
    return any(not contradict(a.guard, b.guard) for a, b in pairs)


def _enters_the_project(atom: Atom) -> bool:
    return isinstance(atom, (Function, Bound, Partial)) or (isinstance(atom, Obj) and atom.kind == "instance")


def call_value(ip: Interpreter, callee: Value, info: CallInfo) -> Value:
    """Call whatever a value may be."""
    return _each(ip, callee, info, lambda e: call_atom(ip, e, info))


def call_atom(ip: Interpreter, e: Entry, info: CallInfo) -> Value:
    """Call one alternative."""
    atom = e.atom
    if isinstance(atom, Function):
        return enter_function(ip, atom, info)
    if isinstance(atom, Class):
        return instantiate(ip, atom, info)
    if isinstance(atom, Bound):
        if atom.function is not None:
            return enter_function(ip, atom.function, info, receiver=atom.receiver)
        return call_attribute(ip, of(atom.receiver), atom.name, info)
    if isinstance(atom, External):
        return call_external(ip, atom, info)
    if isinstance(atom, Partial):
        merged = CallInfo(
            info.node,
            [*atom.positional, *info.positional],
            {**dict(atom.keywords), **info.keywords},
            info.unknown_positional,
            info.unknown_keywords,
        )
        return call_value(ip, atom.function, merged)
    if isinstance(atom, Obj):
        if atom.kind == "instance":
            return call_method(ip, atom, "__call__", info, fallback="forward")
        handler = registry.METHODS.get((atom.kind, "__call__"))
        if handler is not None:
            return handler(ip, info, e)
    if isinstance(atom, Const):
        return NOTHING
    return unknown_call(ip, atom, info)


def call_external(ip: Interpreter, atom: External, info: CallInfo) -> Value:
    """Call a library name."""
    info.name = atom.name
    if atom.name not in registry.FUNCTIONS:
        kind, name = _unbound(atom.name)
        if kind and info.positional:
            return _call_unbound(ip, kind, name, info)
    handler = registry.function_for(atom.name)
    if handler is not None:
        return handler(ip, info)
    owner, _, method = atom.name.rpartition(".")
    if method in _OF_DATA and registry.is_data(owner):
        info.name = method
        return registry.METHODS["unknown", method](ip, info, Entry(registry.data_of(External(owner))))
    return registry.tell_hooks(ip, "<call of a package>", info) or unknown_call(ip, atom, info)


_OF_DATA = frozenset(["get", "pop", "setdefault", "lower", "upper", "strip"])
"""Methods of what a package holds that give what it holds, too."""


def _without_receiver(info: CallInfo, name: str) -> CallInfo:
    """The call of a method that was given its receiver as the first argument."""
    return CallInfo(
        info.node,
        info.positional[1:],
        info.keywords,
        info.unknown_positional,
        info.unknown_keywords,
        name=name,
    )


def _unbound(name: str) -> tuple[str, str]:
    """(kind, method) where a library name is a method of a class that is known; else empty."""
    owner, _, method = name.rpartition(".")
    kind = BASE_KINDS.get(owner, "")
    return (kind, method) if (kind, method) in registry.METHODS else ("", "")


def _call_unbound(ip: Interpreter, kind: str, name: str, info: CallInfo) -> Value:
    """``Library.method(self, ...)``: the same as ``super().method(...)`` on the first argument."""
    rest = _without_receiver(info, name)

    def call(e: Entry) -> Value:
        receiver = e.atom
        if isinstance(receiver, Obj) and receiver.kind == "instance":
            receiver = Obj(kind, receiver.key, receiver.module, receiver.node, receiver)
        elif not isinstance(receiver, Obj):
            receiver = Obj(kind, ("unbound", id(info.node), ip.context), ip.module, info.node)
        handler = registry.method_for(receiver, name)
        return handler(ip, rest, Entry(receiver)) if handler else unknown_call(ip, receiver, rest)

    return _each(ip, info.positional[0], info, call)


def call_attribute(ip: Interpreter, receiver: Value, name: str, info: CallInfo) -> Value:
    """``receiver.name(...)``."""
    return _each(ip, receiver, info, lambda e: _call_on(ip, e, name, info))


def _call_on(ip: Interpreter, e: Entry, name: str, info: CallInfo) -> Value:
    atom = e.atom
    info.name = name
    if isinstance(atom, (Module, Class)):
        member = get_attribute(ip, Value((e,)), name, info.node)
        receiver = info.positional[0].only if info.positional else None
        if isinstance(atom, Class) and _is_method(member.only) and isinstance(receiver, Obj):
            return _call_on_its_own(ip, member, receiver, info)
        if (
            isinstance(atom, Class)
            and isinstance(member.only, Unknown)
            and find_member(ip, atom, name) is None
        ):
            asked = CallInfo(info.node, [of(atom), *info.positional], info.keywords, name=name)
            made = registry.tell_hooks(ip, "<inherited from a package>", asked)
            return made or call_value(ip, member, info)
        return call_value(ip, member, info)
    if isinstance(atom, External):
        ip.retired.name(f"{atom.name}.{name}", ip.origin(getattr(info.node, "func", info.node)))
        return call_external(ip, External(registry.canonical(f"{atom.name}.{name}")), info)
    if isinstance(atom, Obj) and atom.kind == "super":
        return _call_super(ip, atom, name, info)
    if isinstance(atom, Obj):
        return call_method(ip, atom, name, info)
    put = part_of_unknown(ip, atom, name) if isinstance(atom, Unknown) else None
    if put:
        return call_value(ip, put, info)
    kind = _KINDS.get(type(atom))
    if kind is not None:
        handler = registry.METHODS.get((kind, name)) or registry.METHODS.get((kind, "*"))
        if handler is not None:
            return handler(ip, info, e)
    if isinstance(atom, Const) and atom.value is None:
        return NOTHING
    return unknown_call(ip, atom, info)


_KINDS: dict[type[Atom], str] = {
    Tensor: "tensor",
    Params: "params",
    Unknown: "unknown",
    Seq: "sequence",
    Const: "constant",
    Function: "function",
}
"""What kind of object, as the tables of methods have it, is no `Obj`."""


def _is_method(atom: Atom | None) -> bool:
    """Whether it is a function that a class holds to be called on an instance."""
    return isinstance(atom, Function) and atom.owner is not None and "staticmethod" not in atom.decorators


def _call_on_its_own(ip: Interpreter, member: Value, receiver: Obj, info: CallInfo) -> Value:
    """``Class.method(instance, ...)``: inside, ``super()`` still means the instance's."""
    rest = _without_receiver(info, info.name)
    assert isinstance(member.only, Function)
    return enter_function(ip, member.only, rest, receiver=receiver)


def call_method(ip: Interpreter, atom: Obj, name: str, info: CallInfo, fallback: str | None = None) -> Value:
    """Call a method of an object: its own attribute, its class's method, or the library's."""
    stored = ip.read(atom, name)
    replaced = (atom, name)
    if stored and replaced not in ip.replaced:
        # What a method was replaced by may call the method that it replaces, which is the library's.
        ip.replaced.add(replaced)
        try:
            return call_value(ip, get_attribute(ip, of(atom), name, info.node), info)
        finally:
            ip.replaced.discard(replaced)
    if atom.kind == "instance":
        return _call_on_instance(ip, atom, name, info, fallback)
    of_class = (
        find_member(ip, atom.data, name) if atom.kind == "dict" and isinstance(atom.data, Class) else None
    )
    if of_class:
        return call_value(ip, get_attribute(ip, of(atom), name, info.node), info)
    handler = registry.method_for(atom, name)
    if handler is not None:
        return handler(ip, info, Entry(atom))
    if atom.kind == "package":
        return call_value(ip, get_attribute(ip, of(atom), name, info.node), info)
    return unknown_call(ip, atom, _with_receiver(info, atom))


def call_own(ip: Interpreter, atom: Atom | None, name: str, info: CallInfo) -> Value | None:
    """What a method gives that the program's own class has, ``__next__`` say; None where it has none."""
    if not isinstance(atom, Obj) or atom.kind != "instance" or not isinstance(atom.data, Class):
        return None
    return call_method(ip, atom, name, info) if find_member(ip, atom.data, name) is not None else None


def _with_receiver(info: CallInfo, atom: Atom) -> CallInfo:
    return CallInfo(info.node, [of(atom), *info.positional], info.keywords, name=info.name)


def _call_on_instance(ip: Interpreter, atom: Obj, name: str, info: CallInfo, fallback: str | None) -> Value:
    cls: Class = atom.data
    base = external_base(ip, cls)
    member = find_member(ip, cls, name)
    if member is not None:
        parts = []
        for e in member.entries:
            if isinstance(e.atom, Function) and is_property(e.atom):
                held = enter_function(ip, e.atom, CallInfo(info.node), receiver=atom)
                if isinstance(info.node, cst.Call):
                    ip.observations.add(info.node.func, held, ip.path)
                parts.append(call_value(ip, held, info))
            elif isinstance(e.atom, Function):
                static = "staticmethod" in e.atom.decorators
                receiver = cls if "classmethod" in e.atom.decorators else atom
                parts.append(enter_function(ip, e.atom, info, receiver=None if static else receiver))
            else:
                parts.append(call_atom(ip, e, info))
        return join_all(parts)
    overridden = fallback is not None and find_member(ip, cls, fallback) is not None
    if fallback is not None and overridden and _has_a_private_model(ip, atom, info):
        return call_method(ip, atom, fallback, info)
    if base is not None:
        handler = registry.method_for(Obj(base, atom.key), name)
        if handler is not None:
            return handler(ip, info, Entry(Obj(base, atom.key, atom.module, atom.node, atom)))
    if fallback is not None and overridden:
        return call_method(ip, atom, fallback, info)
    if fallback is None and (named := handed_on(ip, atom, name, info.node)):
        return call_value(ip, named, info)
    if has_unknown_base(cls):
        generic = registry.METHODS.get(("unknown", name))
        if generic is not None:
            return generic(ip, info, Entry(atom))
    return unknown_call(ip, atom, _with_receiver(info, atom))


def _has_a_private_model(ip: Interpreter, module: Obj, info: CallInfo) -> bool:
    """Whether a module computes with a private model, its part or its argument: its own code says what."""
    if module == ip.frame.receiver or holds_a_private_model(ip, module):
        return True
    return module not in ip.runs_by_object and is_given_a_private_model(ip, info.everything())


def _call_super(ip: Interpreter, atom: Obj, name: str, info: CallInfo) -> Value:
    receiver, defining = atom.data
    if not isinstance(receiver, Obj) or not isinstance(receiver.data, Class):
        return unknown_call(ip, atom, info)
    member = find_member(ip, receiver.data, name, after=defining)
    if member is not None:
        return join_all(
            enter_function(ip, e.atom, info, receiver=receiver)
            for e in member.entries
            if isinstance(e.atom, Function)
        )
    base = external_base(ip, receiver.data)
    if base is not None:
        stand_in = Obj(base, receiver.key, receiver.module, receiver.node, receiver)
        if name == "__init__":
            initialise = registry.METHODS.get((base, "__init__"))
            return initialise(ip, info, Entry(stand_in)) if initialise else NONE
        handler = registry.method_for(stand_in, name)
        if handler is not None:
            return handler(ip, info, Entry(stand_in))
    return unknown_call(ip, atom, _with_receiver(info, receiver)) if name != "__init__" else NONE
