"""Attributes of values: read, and set."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import replace

import libcst as cst

from dpmigrate.analysis import registry
from dpmigrate.analysis.batches import without_records
from dpmigrate.analysis.core import Interpreter
from dpmigrate.analysis.domain.atoms import (
    Absent,
    Atom,
    Batch,
    Const,
    External,
    Module,
    Obj,
    Params,
    Tensor,
    Unknown,
    deeper,
)
from dpmigrate.analysis.domain.store import ABSENT, PARTS
from dpmigrate.analysis.domain.values import (
    NOTHING,
    Bound,
    Class,
    Entry,
    Function,
    Seq,
    Value,
    const,
    join_all,
    merge_entries,
    of,
)
from dpmigrate.analysis.guards import ALWAYS, denial
from dpmigrate.analysis.language.classes import class_attribute, external_base, find_member
from dpmigrate.analysis.language.functions import enter_function
from dpmigrate.analysis.language.names import import_module, member_of_module, settle_imports
from dpmigrate.analysis.notes import Slot

BY_ATTRIBUTE: Slot[set[Atom]] = Slot(set)
"""Dicts whose entries are attributes as well."""


def get_attribute(ip: Interpreter, value: Value, name: str, node: cst.CSTNode) -> Value:
    """``value.name``."""
    parts: list[Entry] = []
    for e in value.entries:
        parts += attribute_of(ip, e, name, node).guarded(e.guard).entries
    if not parts:
        return ip.unknown(node, f"attribute {name}")
    return ip.feasible(merge_entries(parts))


def attribute_of(ip: Interpreter, entry: Entry, name: str, node: cst.CSTNode) -> Value:
    """An attribute of one atom; empty when the atom cannot have it (None has none)."""
    atom = entry.atom
    if isinstance(atom, Module):
        return member_of_module(ip, atom.info, name) or of(Unknown(("name", atom.info.key, name)))
    if isinstance(atom, External):
        ip.retired.name(f"{atom.name}.{name}", ip.origin(node))
        members = registry.MEMBERS.get(atom.name)
        return members(ip, name) if members else of(External(registry.canonical(f"{atom.name}.{name}")))
    if isinstance(atom, Obj):
        return _attribute_of_object(ip, entry, atom, name, node)
    if isinstance(atom, Class):
        return const(atom.node.name.value) if name == "__name__" else class_attribute(ip, atom, name, node)
    if isinstance(atom, Tensor):
        asked = registry.CallInfo(node, [Value((entry,))], name=name)
        if name != "backward":
            registry.tell_hooks(ip, "<asked of a tensor>", asked)
        if ("tensor", name) in registry.METHODS:
            return of(Bound(atom, name))
        return ip.unknown(node, f"attribute {name}") if name in _KINDS else of(atom.after(f".{name}"))
    if isinstance(atom, Params):
        return _attribute_of_parameters(ip, atom, name, node)
    if isinstance(atom, Unknown):
        parts = atom.parts
        if parts and without_records(name):
            parts = frozenset(part for part in parts if not isinstance(part, Batch))
        unknown = of(Unknown(deeper(atom.symbol, name), atom.reason, parts), *entry.because)
        return part_of_unknown(ip, atom, name) or unknown
    if isinstance(atom, Const) and atom.value is None:
        return NOTHING
    if isinstance(atom, Function) and name == "__name__":
        return const(atom.name or "<lambda>")
    if isinstance(atom, (Const, Seq, Function, Bound)):
        return of(Bound(atom, name))
    return NOTHING


_KINDS = frozenset(["device", "dtype", "layout", "ndim", "is_cuda"])
"""What tells a tensor's kind and place, and has none of its numbers: ``torch.zeros(1, device=x.device)``."""


def _attribute_of_parameters(ip: Interpreter, atom: Params, name: str, node: cst.CSTNode) -> Value:
    """``p.grad``, ``p.shape``, and ``p.data``, which shares its numbers."""
    if name == "shape" or name in _KINDS:
        return ip.unknown(node, f"attribute {name}")
    if name == "data":
        return of(replace(atom, detached=True))
    return of(replace(atom, of_gradient=True) if name == "grad" else atom)


def part_of_unknown(ip: Interpreter, atom: Unknown, name: Hashable) -> Value | None:
    """What was put into something unknown under a name or key; None where nothing was."""
    return ip.read((*PARTS, atom.symbol), deeper(atom.symbol, name))


def set_part_of_unknown(ip: Interpreter, atom: Unknown, name: Hashable, new: Value) -> None:
    """Put something into something unknown, whose other parts stay unknown."""
    ip.store.set((*PARTS, atom.symbol), deeper(atom.symbol, name), new)


def _attribute_of_object(ip: Interpreter, entry: Entry, atom: Obj, name: str, node: cst.CSTNode) -> Value:
    handler = registry.ATTRIBUTES.get((atom.kind, name))
    if handler is not None:
        return handler(ip, entry, node)
    stored = ip.read(atom, name)
    if stored:
        assigned = stored.select(lambda a: not isinstance(a, Absent))
        gaps = [e.guard for e in stored.entries if isinstance(e.atom, Absent)]
        inherited = _attribute_of_instance(ip, entry, atom, name, node) if gaps else NOTHING
        return join_all(
            [settle_imports(ip, assigned, atom, name), *(inherited.guarded(guard) for guard in gaps)]
        )
    if atom.kind == "package":
        dotted, level = atom.data
        assert atom.module is not None
        return import_module(ip, f"{dotted}.{name}" if dotted else name, atom.module, level)
    if atom.kind == "instance":
        return _attribute_of_instance(ip, entry, atom, name, node)
    if atom.kind in ("namespace", "record"):
        return of(Unknown((atom.key, ".", name), f"attribute {name}"), *entry.because)
    if atom.kind == "dict":
        entry_of_name = ip.read(atom, ("key", name)) if atom in BY_ATTRIBUTE.of(ip) else None
        if (
            not entry_of_name
            and isinstance(atom.data, Class)
            and find_member(ip, atom.data, name) is not None
        ):
            return _attribute_of_instance(ip, entry, atom, name, node)
        return entry_of_name or of(Bound(atom, name))
    if _is_its_own(atom, name):
        return of(Bound(atom, name))
    return of(Unknown((atom.key, ".", name), f"attribute {name}", frozenset({atom})))


def _is_its_own(atom: Obj, name: str) -> bool:
    """Whether the library's object has a method of that name, and not perhaps a part of a model."""
    if (atom.kind, name) in registry.METHODS:
        return True
    return atom.kind not in ("model", "dp-model") and registry.method_for(atom, name) is not None


def is_property(method: Function) -> bool:
    """Whether an attribute is what the method returns."""
    return "property" in method.decorators or "cached_property" in method.decorators


def _attribute_of_instance(ip: Interpreter, entry: Entry, atom: Obj, name: str, node: cst.CSTNode) -> Value:
    cls: Class = atom.data
    member = find_member(ip, cls, name)
    if member is not None:
        parts: list[Entry] = []
        for e in member.entries:
            if isinstance(e.atom, Function):
                if is_property(e.atom):
                    result = enter_function(ip, e.atom, registry.CallInfo(node), receiver=atom)
                    parts.extend(result.entries)
                    continue
                if "staticmethod" in e.atom.decorators:
                    parts.append(e)
                    continue
                parts.append(Entry(Bound(atom, name, e.atom), e.guard, e.because))
            else:
                parts.append(e)
        return merge_entries(parts)
    base = external_base(ip, cls)
    if base is not None:
        stand_in = Obj(base, atom.key, atom.module, atom.node, atom)
        handler = registry.ATTRIBUTES.get((base, name))
        if handler is not None:
            return handler(ip, Entry(stand_in, entry.guard, entry.because), node)
        if _is_its_own(stand_in, name):
            return of(Bound(atom, name))
    return handed_on(ip, atom, name, node) or of(
        Unknown((atom.key, ".", name), f"attribute {name}", frozenset({atom}))
    )


def handed_on(ip: Interpreter, atom: Obj, name: str, node: cst.CSTNode) -> Value:
    """What ``__getattr__`` of a class says of an attribute that is not there; empty where it has none."""
    method = find_member(ip, atom.data, "__getattr__")
    if method is None or not isinstance(method.only, Function):
        return NOTHING
    given = registry.CallInfo(node, [const(name)], name="__getattr__")
    return enter_function(ip, method.only, given, receiver=atom)


def written_to_one(ip: Interpreter, owner: Entry, before: Value, new: Value) -> Value:
    """What one of several owners has after a write: the new value where it is the one, else what it had."""
    is_the_one = owner.guard - ip.path
    is_another = denial(is_the_one)
    if is_another is None:
        return join_all([before, new])
    return join_all([before.guarded(is_another), new.guarded(is_the_one)])


ACCESSORS = ("setter", "deleter")
"""What a class keeps of a property beside the method that reads it, as ``mode.setter``: no name of Python."""


def _setter_of(ip: Interpreter, atom: Atom, name: str) -> Function | None:
    if not isinstance(atom, Obj) or atom.kind != "instance":
        return None
    setter = find_member(ip, atom.data, f"{name}.setter")
    return setter.only if setter is not None and isinstance(setter.only, Function) else None


def _set_by_property(
    ip: Interpreter, owner: Entry, setter: Function, info: registry.CallInfo, is_sole_owner: bool
) -> None:
    """``owner.name = new`` where the name is a property: its setter is called if this is the owner."""

    def set_it() -> bool:
        enter_function(ip, setter, info, receiver=owner.atom)
        return True

    saved = ip.path
    if is_sole_owner:
        set_it()
    else:
        is_another = denial(owner.guard - ip.path)
        ip.alternatives([(owner.guard, set_it), (is_another or ALWAYS, lambda: True)])
    ip.path = saved


def set_attribute(ip: Interpreter, value: Value, name: str, new: Value, node: cst.CSTNode) -> None:
    """``value.name = new``: strong when there is one owner, else either old or new."""
    registry.tell_hooks(ip, "<kept>", registry.CallInfo(node, [value, new], name=name))
    if isinstance(value.only, Unknown):
        registry.tell_hooks(ip, f"<assign unknown.{name}>", registry.CallInfo(node, [value, new]))
        if name == "grad":
            registry.tell_hooks(ip, "<gradient assignment>", registry.CallInfo(node, [value, new]))
        set_part_of_unknown(ip, value.only, name, new)
    owners = [e for e in value.entries if isinstance(e.atom, (Obj, Class, Module))]
    for e in value.entries:
        if isinstance(e.atom, Params) and name == "grad":
            registry.tell_hooks(ip, "<gradient assignment>", registry.CallInfo(node, [of(e.atom), new]))
        if isinstance(e.atom, Params):
            registry.tell_hooks(ip, f"<assign params.{name}>", registry.CallInfo(node, [Value((e,)), new]))
        if isinstance(e.atom, External):
            registry.tell_hooks(
                ip, f"<assign {e.atom.name}.{name}>", registry.CallInfo(node, [Value((e,)), new])
            )
    for e in owners:
        if (setter := _setter_of(ip, e.atom, name)) is not None:
            _set_by_property(ip, e, setter, registry.CallInfo(node, [new], name=name), len(owners) == 1)
            continue
        owner: Hashable = ("module", e.atom.info.key) if isinstance(e.atom, Module) else e.atom
        if isinstance(e.atom, Class):
            owner = ("class", e.atom.key)
        if isinstance(e.atom, Obj):
            registry.tell_hooks(
                ip, f"<assign {e.atom.kind}.{name}>", registry.CallInfo(node, [Value((e,)), new])
            )
        _write(ip, e, owner, name, new, len(owners) == 1)


def _write(
    ip: Interpreter, entry: Entry, owner: Hashable, name: str, new: Value, is_sole_owner: bool
) -> None:
    """Let an attribute be ``new``: of the one owner, or of one of several where it is the one."""
    if not is_sole_owner:
        new = written_to_one(ip, entry, ip.store.get(owner, name) or ip.store.unset((owner, name)), new)
    ip.store.set(owner, name, new)


def delete_attribute(ip: Interpreter, target: cst.Attribute) -> None:
    """``del value.name``: what the class has under that name is seen again."""
    owners = [e for e in ip.evaluate(target.value).entries if isinstance(e.atom, Obj)]
    for e in (owner for owner in owners if isinstance(owner.atom, Obj) and owner.atom.kind == "instance"):
        _write(ip, e, e.atom, target.attr.value, ABSENT, len(owners) == 1)
