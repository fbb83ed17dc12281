"""Classes of the project: members, inheritance, enums, and what library class they descend from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import libcst as cst

from dpmigrate.analysis import registry
from dpmigrate.analysis.core import Interpreter
from dpmigrate.analysis.domain.atoms import External, Obj, Unknown
from dpmigrate.analysis.domain.values import NOTHING, Bound, Class, Entry, Function, Value, merge_entries, of

BASE_KINDS: dict[str, str] = {}
"""Library classes by name: the kind of object that an instance of a subclass also is."""


def linear(cls: Class, limit: int = 12) -> Iterator[Class]:
    """The class and its project ancestors, nearest first."""
    seen: dict[Class, None] = {}
    queue = [cls]
    while queue and len(seen) < limit:
        current = queue.pop(0)
        if current in seen:
            continue
        seen[current] = None
        yield current
        for base in current.bases:
            queue.extend(a for a in base.atoms if isinstance(a, Class))


def external_names(cls: Class) -> list[str]:
    """The library classes among its ancestors, nearest first."""
    return [a.name for c in linear(cls) for base in c.bases for a in base.atoms if isinstance(a, External)]


def external_base(ip: Interpreter, cls: Class) -> str | None:
    """The kind of library object that an instance is, if it descends from one that is known."""
    for name in external_names(cls):
        kind = BASE_KINDS.get(name)
        if kind is not None:
            return kind
    return None


def is_torch_module(cls: Class) -> bool:
    """Whether it descends from ``nn.Module``, or from what a library calls a module or model."""
    names = external_names(cls)
    return any(BASE_KINDS.get(n) == "model" or n.endswith(("Module", "Model")) for n in names)


def has_unknown_base(cls: Class) -> bool:
    """Whether some ancestor cannot be seen (a library class or an unresolved name)."""
    return any(
        not isinstance(a, Class) and not (isinstance(a, External) and a.name == "builtins.object")
        for c in linear(cls)
        for base in c.bases
        for a in base.atoms
    )


def is_enum(cls: Class) -> bool:
    """Whether it is an enumeration."""
    return any(n.rpartition(".")[2] in ("Enum", "StrEnum", "IntEnum") for n in external_names(cls))


_OF_ATTRIBUTES = frozenset(["__init__", "__getattr__", "__setattr__", "__delattr__", "__slots__", "__doc__"])
_OF_DICTS = frozenset(
    ["__getitem__", "__setitem__", "__missing__", "__contains__", "__iter__", "__len__", "__new__"]
) | frozenset(name for name in dir(dict) if not name.startswith("_"))
"""What a class may give a dict that makes it something else."""


def is_dict(ip: Interpreter, cls: Class) -> bool:
    """Whether it is a dict that gives its entries as attributes, or has methods beside those of a dict."""
    dicts = ("builtins.dict", "collections.OrderedDict", "collections.UserDict")
    if not any(name in dicts for name in external_names(cls)):
        return False
    slots = {slot for c in linear(cls) for slot in ip.store.keys(("class", c.key))}
    return slots <= _OF_ATTRIBUTES or slots.isdisjoint(_OF_DICTS | {"__init__"})


def member_values(ip: Interpreter, cls: Class) -> Iterator[Value]:
    """The values of an enumeration's members; of any other class none."""
    for slot in ip.store.keys(("class", cls.key)) if is_enum(cls) else ():
        held = ip.read(("class", cls.key), slot)
        if isinstance(slot, str) and not slot.startswith("_") and held:
            yield held.select(lambda a: not isinstance(a, Function))


def is_record(cls: Class) -> bool:
    """Whether its constructor takes its annotated fields (dataclass, pydantic, NamedTuple, attrs)."""
    marks = {
        "dataclass",
        "define",
        "frozen",
        "attrs",
        "s",
        "dataclasses",
        "pydantic_dataclass",
        "configclass",
        "chz",
    }
    if any(d.rpartition(".")[2] in marks for c in linear(cls) for d in c.decorators):
        return True
    names = {"BaseModel", "BaseSettings", "NamedTuple", "TypedDict", "Struct", "PretrainedConfig", "Tap"}
    return any(n.rpartition(".")[2] in names for n in external_names(cls))


def reads_environment(cls: Class) -> bool:
    """Whether a field that its constructor is not given comes from the environment, where it is set there."""
    return any(name.rpartition(".")[2] == "BaseSettings" for name in external_names(cls))


def record_fields(cls: Class) -> list[str]:
    """The constructor's fields in order, inherited ones first."""
    fields: dict[str, None] = {}
    for c in reversed(list(linear(cls))):
        fields.update(dict.fromkeys(c.fields))
    return list(fields)


def named_fields(atom: object) -> Sequence[str] | None:
    """The fields, in order, of a named tuple; None for anything else."""
    if not isinstance(atom, Obj):
        return None
    if atom.kind == "record":
        return atom.data if isinstance(atom.data, tuple) else None
    if atom.kind != "instance" or not isinstance(atom.data, Class):
        return None
    names = (name.rpartition(".")[2] for name in external_names(atom.data))
    return record_fields(atom.data) if "NamedTuple" in names else None


def find_member(ip: Interpreter, cls: Class, name: str, after: Class | None = None) -> Value | None:
    """A class attribute or method through inheritance (``after`` a class, for ``super()``)."""
    skipping = after is not None
    for current in linear(cls):
        if skipping:
            skipping = current != after
            continue
        member = ip.read(("class", current.key), name)
        if member:
            return member
    return None


def class_attribute(ip: Interpreter, cls: Class, name: str, node: cst.CSTNode) -> Value:
    """``Class.name``: an enum member, a method, or a plain attribute."""
    member_value = find_member(ip, cls, name)
    if member_value is None:
        if name == "__name__":
            return of(Unknown(("classname", cls.key)))
        for base in external_names(cls):
            full = registry.canonical(f"{base}.{name}")
            of_a_library = (BASE_KINDS.get(base), name) in registry.METHODS
            if of_a_library or registry.function_for(full) is not None:
                return of(External(full))
        return of(Unknown((cls.key, ".", name), f"attribute {name}"))
    if is_enum(cls):
        member = Obj("enum", (cls.key, name), cls.module, cls.node, (cls, name, member_value))
        return of(member)
    parts = []
    for e in member_value.entries:
        if isinstance(e.atom, Function) and "classmethod" in e.atom.decorators:
            parts.append(Entry(Bound(cls, name, e.atom), e.guard, e.because))
        else:
            parts.append(e)
    return merge_entries(parts) if parts else NOTHING


def members_of(ip: Interpreter, cls: Class, node: cst.CSTNode) -> Value:
    """Any member of an enumeration of the project; empty for any other class."""
    slots = [s for s in ip.store.keys(("class", cls.key)) if isinstance(s, str) and not s.startswith("_")]
    members = [class_attribute(ip, cls, slot, node) for slot in slots] if is_enum(cls) else []
    return merge_entries(
        e for value in members for e in value.entries if getattr(e.atom, "kind", "") == "enum"
    )
