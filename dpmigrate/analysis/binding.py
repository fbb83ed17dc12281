"""Names, attributes and subscripts: how they are looked up, assigned and unpacked."""

from __future__ import annotations

from collections.abc import Hashable

import libcst as cst

from dpmigrate.analysis.classes import class_attribute, external_base, find_member
from dpmigrate.analysis.core import Frame, Interpreter
from dpmigrate.analysis.library import registry
from dpmigrate.analysis.modules import ModuleInfo
from dpmigrate.analysis.store import ABSENT
from dpmigrate.analysis.values import (
    NOTHING,
    Absent,
    Atom,
    Bound,
    Class,
    Const,
    Entry,
    External,
    Function,
    Imported,
    Literal,
    Module,
    Obj,
    Params,
    Seq,
    Tensor,
    Unknown,
    Value,
    const,
    join_all,
    merge,
    of,
)

BUILTINS = frozenset(
    [
        "len",
        "range",
        "enumerate",
        "zip",
        "print",
        "isinstance",
        "getattr",
        "setattr",
        "hasattr",
        "dict",
        "list",
        "tuple",
        "set",
        "str",
        "int",
        "float",
        "bool",
        "type",
        "super",
        "sorted",
        "reversed",
        "iter",
        "next",
        "sum",
        "min",
        "max",
        "abs",
        "any",
        "all",
        "map",
        "filter",
        "vars",
        "open",
        "callable",
        "id",
        "repr",
        "NotImplementedError",
        "ValueError",
        "TypeError",
        "Exception",
        "RuntimeError",
        "ImportError",
        "object",
        "property",
        "staticmethod",
        "classmethod",
        "globals",
        "locals",
        "round",
        "frozenset",
    ]
)


# -- names ------------------------------------------------------------------------------------


def lookup(ip: Interpreter, name: str, node: cst.CSTNode) -> Value:
    """The value of a name where control is now."""
    frame: Frame | None = ip.frame
    scope = frame
    first = True
    while scope is not None:
        if first or not scope.is_class_body:
            value = ip.store.get(scope.owner, name)
            if value is not None:
                return settle(ip, ip.feasible(value), scope.owner, name)
        first = False
        scope = scope.closure
    return module_name(ip, ip.module, name, node)


def module_name(ip: Interpreter, info: ModuleInfo, name: str, node: cst.CSTNode) -> Value:
    """The value of a module's global name, a builtin, or something unknown."""
    owner = ("module", info.key)
    value = ip.store.get(owner, name)
    if value is not None:
        return settle(ip, ip.feasible(value), owner, name)
    for starred in ip.notes.get(("star", info.key), ()):
        found = from_import(ip, starred, name, node)
        if found:
            return found
    if name in BUILTINS:
        return of(External(f"builtins.{name}"))
    if name == "__name__":
        return const("__main__" if info.key in ip.entry_paths else info.key)
    if name in ("True", "False", "None"):
        return const({"True": True, "False": False, "None": None}[name])
    return of(Unknown(("name", info.key, name), f"name {name}"))


def settle(ip: Interpreter, value: Value, owner: Hashable, name: Hashable) -> Value:
    """Replace imports by what they mean, once they are read."""
    if not any(isinstance(a, Imported) for a in value.atoms):
        return value
    entries: list[Entry] = []
    for e in value.entries:
        if isinstance(e.atom, Imported):
            resolved = resolve_import(ip, e.atom)
            entries.extend(Entry(r.atom, r.guard | e.guard, r.because) for r in resolved.entries)
        else:
            entries.append(e)
    return merge(entries)


def resolve_import(ip: Interpreter, atom: Imported) -> Value:
    """What an import statement bound."""
    if atom.name is None:
        return import_module(ip, atom.dotted, atom.importer, atom.level)
    return from_import(ip, atom, atom.name, None)


def import_module(ip: Interpreter, dotted: str, importer: ModuleInfo, level: int) -> Value:
    """The module behind a dotted name: one of the project, or a library's."""
    if level == 0 and dotted.partition(".")[0] in registry.CANONICAL:
        return of(External(registry.canonical(dotted)))
    path = ip.modules.path_of(dotted, importer.key, level)
    if path is None:
        if level or ip.modules.is_package_folder(dotted, importer.key, level):
            return of(
                Obj("package", ("package", dotted, importer.key, level), importer, None, (dotted, level))
            )
        return of(External(registry.canonical(dotted)))
    info = ip.modules.get(path)
    if info is None:
        return of(Unknown(("module", path), f"module {path} could not be read"))
    if info.library_path is not None:
        return of(External(registry.canonical(info.library_path)))
    return of(Module(info))


def from_import(ip: Interpreter, source: Imported, name: str, node: cst.CSTNode | None) -> Value:
    """``from source import name``; empty when ``source`` is one of ours and has no such name."""
    owner = (
        import_module(ip, source.dotted, source.importer, source.level)
        if source.dotted or source.level
        else NOTHING
    )
    atom = owner.only
    if isinstance(atom, Module):
        found = member_of_module(ip, atom.info, name)
        if found:
            return found
        if node is not None:
            return NOTHING
        return of(Unknown(("name", atom.info.key, name), f"{name} of {atom.info.key}"))
    if isinstance(atom, Obj) and atom.kind == "package":
        inner = f"{source.dotted}.{name}" if source.dotted else name
        return import_module(ip, inner, source.importer, source.level)
    if isinstance(atom, External):
        full = registry.canonical(f"{atom.name}.{name}")
        if node is not None and registry.function_for(full) is None:
            return NOTHING
        return of(External(full))
    return of(Unknown(("import", source.dotted, name), f"import of {name}"))


def member_of_module(ip: Interpreter, info: ModuleInfo, name: str) -> Value:
    """A name of another module of the project, which is executed first; empty if there is none."""
    owner = ip.run_module(info)
    value = ip.store.get(owner, name)
    # A package that says "from package import module" in its own __init__ means the module.
    if value is not None and (owner, name) not in ip.resolving:
        ip.resolving.add((owner, name))
        try:
            return settle(ip, value, owner, name)
        finally:
            ip.resolving.discard((owner, name))
    for starred in ip.notes.get(("star", info.key), ()):
        found = from_import(ip, starred, name, info.tree)
        if found:
            return found
    if info.is_package:
        path = ip.modules.path_of(name, info.key, 1)
        inner = ip.modules.get(path) if path else None
        if inner is not None:
            if inner.library_path is not None:
                return of(External(registry.canonical(inner.library_path)))
            return of(Module(inner))
    return NOTHING


# -- attributes -------------------------------------------------------------------------------


def get_attribute(ip: Interpreter, value: Value, name: str, node: cst.CSTNode) -> Value:
    """``value.name``."""
    parts: list[Entry] = []
    for e in value.entries:
        for found in attribute_of(ip, e, name, node).entries:
            parts.append(Entry(found.atom, found.guard | e.guard, found.because))
    if not parts:
        return ip.unknown(node, f"attribute {name}")
    return ip.feasible(merge(parts))


def attribute_of(ip: Interpreter, entry: Entry, name: str, node: cst.CSTNode) -> Value:
    """An attribute of one atom; empty when the atom cannot have it (None has none)."""
    atom = entry.atom
    if isinstance(atom, Module):
        return member_of_module(ip, atom.info, name) or of(Unknown(("name", atom.info.key, name)))
    if isinstance(atom, External):
        return of(External(registry.canonical(f"{atom.name}.{name}")))
    if isinstance(atom, Obj):
        return _attribute_of_object(ip, entry, atom, name, node)
    if isinstance(atom, Class):
        return class_attribute(ip, atom, name, node)
    if isinstance(atom, Tensor):
        return of(
            Tensor(atom.sources, atom.maker, (*atom.steps, f".{name}")[-6:], atom.coefficient, atom.reduction)
        )
    if isinstance(atom, Params):
        return of(atom)
    if isinstance(atom, Unknown):
        return of(Unknown(deeper(atom.symbol, name), atom.reason, atom.parts), *entry.because)
    if isinstance(atom, Const) and atom.value is None:
        return NOTHING
    if isinstance(atom, (Const, Seq, Function, Bound)):
        return of(Bound(atom, name))
    return NOTHING


def deeper(symbol: Hashable, name: Hashable) -> Hashable:
    """The symbol of a part of an unknown thing (bounded in depth)."""
    depth, inner = 0, symbol
    while isinstance(inner, tuple) and len(inner) == 3 and inner[1] == ".":
        depth, inner = depth + 1, inner[0]
    return (symbol, ".", name) if depth < 6 else (inner, ".", "...")


def _attribute_of_object(ip: Interpreter, entry: Entry, atom: Obj, name: str, node: cst.CSTNode) -> Value:
    handler = registry.ATTRIBUTES.get((atom.kind, name))
    if handler is not None:
        return handler(ip, entry, node)
    stored = ip.read(atom, name)
    if stored:
        return settle(ip, stored, atom, name)
    if atom.kind == "package":
        dotted, level = atom.data
        assert atom.module is not None
        return import_module(ip, f"{dotted}.{name}" if dotted else name, atom.module, level)
    if atom.kind == "instance":
        return _attribute_of_instance(ip, entry, atom, name, node)
    if atom.kind in ("namespace", "record"):
        return of(Unknown((atom.key, ".", name), f"attribute {name}"), *entry.because)
    if atom.kind == "dict":
        return of(Bound(atom, name))
    if registry.method_for(atom, name) is not None:
        return of(Bound(atom, name))
    return of(Unknown((atom.key, ".", name), f"attribute {name}", frozenset({atom})))


def _attribute_of_instance(ip: Interpreter, entry: Entry, atom: Obj, name: str, node: cst.CSTNode) -> Value:
    cls: Class = atom.data
    member = find_member(ip, cls, name)
    if member is not None:
        parts: list[Entry] = []
        for e in member.entries:
            if isinstance(e.atom, Function):
                if "property" in e.atom.decorators or "cached_property" in e.atom.decorators:
                    from dpmigrate.analysis.calls import enter_function

                    result = enter_function(ip, e.atom, registry.CallInfo(node), receiver=atom)
                    parts.extend(result.entries)
                    continue
                if "staticmethod" in e.atom.decorators:
                    parts.append(e)
                    continue
                parts.append(Entry(Bound(atom, name, e.atom), e.guard, e.because))
            else:
                parts.append(e)
        return merge(parts)
    base = external_base(ip, cls)
    if base is not None:
        stand_in = Obj(base, atom.key, atom.module, atom.node, atom)
        handler = registry.ATTRIBUTES.get((base, name))
        if handler is not None:
            return handler(ip, Entry(stand_in, entry.guard, entry.because), node)
        if registry.method_for(stand_in, name) is not None:
            return of(Bound(atom, name))
    return of(Unknown((atom.key, ".", name), f"attribute {name}", frozenset({atom})))


def set_attribute(ip: Interpreter, value: Value, name: str, new: Value, node: cst.CSTNode) -> None:
    """``value.name = new``: strong when there is one owner, else either old or new."""
    owners = [e for e in value.entries if isinstance(e.atom, (Obj, Class, Module))]
    for e in value.entries:
        if isinstance(e.atom, Params) and name == "grad":
            handler = registry.FUNCTIONS.get("<gradient assignment>")
            if handler is not None:
                handler(ip, registry.CallInfo(node, [of(e.atom), new]))
    for e in owners:
        owner: Hashable = ("module", e.atom.info.key) if isinstance(e.atom, Module) else e.atom
        if isinstance(e.atom, Class):
            owner = ("class", e.atom.key)
        handler = (
            registry.FUNCTIONS.get(f"<assign {e.atom.kind}.{name}>") if isinstance(e.atom, Obj) else None
        )
        if handler is not None:
            handler(ip, registry.CallInfo(node, [Value((e,)), new]))
        if len(owners) == 1:
            ip.store.set(owner, name, new)
        else:
            before = ip.store.get(owner, name) or NOTHING
            ip.store.set(owner, name, join_all([before, new]))


# -- assignment -------------------------------------------------------------------------------


def assign_name(ip: Interpreter, name: str, value: Value) -> None:
    """Bind a name in the scope that Python would."""
    frame = ip.frame
    where = frame.foreign.get(name)
    owner: Hashable = frame.owner
    if where == "global":
        owner = ("module", frame.module.key)
    elif where == "nonlocal":
        scope = frame.closure
        while scope is not None:
            if not scope.is_class_body and ip.store.get(scope.owner, name) is not None:
                owner = scope.owner
                break
            scope = scope.closure
    ip.store.set(owner, name, value)


def assign_target(ip: Interpreter, target: cst.CSTNode, value: Value, narrowing: bool = False) -> None:
    """Assign to any target; ``narrowing`` only writes what a test already told."""
    if isinstance(target, cst.Name):
        assign_name(ip, target.value, value)
    elif isinstance(target, cst.Attribute):
        owner = ip.evaluate(target.value)
        if narrowing:
            if len(owner.entries) == 1 and isinstance(owner.only, Obj):
                ip.store.set(owner.only, target.attr.value, value)
            return
        set_attribute(ip, owner, target.attr.value, value, target)
    elif isinstance(target, cst.Subscript):
        set_item(ip, target, value)
    elif isinstance(target, (cst.Tuple, cst.List)):
        _assign_many(ip, target, value)
    elif isinstance(target, (cst.StarredElement, cst.Element)):
        assign_target(ip, target.value, value)


def _assign_many(ip: Interpreter, target: cst.Tuple | cst.List, value: Value) -> None:
    stars = [i for i, e in enumerate(target.elements) if isinstance(e, cst.StarredElement)]
    parts = unpack(ip, target, value, len(target.elements), stars[0] if stars else None)
    for element, part in zip(target.elements, parts, strict=True):
        assign_target(ip, element.value, part)


def unpack(ip: Interpreter, node: cst.CSTNode, value: Value, count: int, star: int | None) -> list[Value]:
    """The values that ``count`` targets get; an alternative that does not fit raises, so is left out."""
    columns: list[list[Value]] = [[] for _ in range(count)]
    for e in value.entries:
        row = _unpack_atom(ip, e, node, count, star)
        if row is not None:
            for column, part in zip(columns, row, strict=True):
                column.append(part.guarded(e.guard))
    out = []
    for i, column in enumerate(columns):
        joined = join_all(column)
        out.append(
            joined or of(Unknown(("unpack", id(node), ip.context, i), "unpacked from something unknown"))
        )
    return out


def _unpack_atom(
    ip: Interpreter, e: Entry, node: cst.CSTNode, count: int, star: int | None
) -> list[Value] | None:
    atom = e.atom
    if isinstance(atom, Obj) and atom.kind == "private-result":
        handler = registry.METHODS["private-result", "<unpack>"]
        info = registry.CallInfo(node, [const(count), const(star)])
        result = handler(ip, info, e).only
        return list(result.items) if isinstance(result, Seq) and result.items is not None else None
    if isinstance(atom, Seq):
        if atom.items is None:
            return [atom.each()] * count
        n = len(atom.items)
        if star is None:
            return list(atom.items) if n == count else None
        if n < count - 1:
            return None
        tail = count - star - 1
        middle = of(Seq(atom.items[star : n - tail], None, True))
        return [*atom.items[:star], middle, *(atom.items[n - tail :] if tail else ())]
    if isinstance(atom, Const):
        return None
    if isinstance(atom, Tensor):
        return [of(atom)] * count
    if isinstance(atom, Unknown):
        return [of(Unknown(deeper(atom.symbol, i), atom.reason, atom.parts)) for i in range(count)]
    element = iterate(ip, Value((e,)), node)
    return [element] * count


def iterate(ip: Interpreter, value: Value, node: cst.CSTNode) -> Value:
    """What a loop over the value yields."""
    parts: list[Value] = []
    for e in value.entries:
        atom = e.atom
        if isinstance(atom, Seq):
            parts.append(atom.each().guarded(e.guard))
        elif isinstance(atom, Params):
            parts.append(Value((e,)))
        elif isinstance(atom, Obj):
            handler = registry.ITERATION.get(atom.kind)
            if handler is not None:
                parts.append(handler(ip, e, node).guarded(e.guard))
            else:
                parts.append(of(Unknown((atom.key, "element"), "element")))
        elif isinstance(atom, Unknown):
            parts.append(of(Unknown(deeper(atom.symbol, "element"), atom.reason, atom.parts), guard=e.guard))
        elif isinstance(atom, Tensor):
            parts.append(Value((e,)))
    return join_all(parts) or ip.unknown(node, "element of something unknown")


# -- subscripts -------------------------------------------------------------------------------


def set_item(ip: Interpreter, target: cst.Subscript, value: Value) -> None:
    """``container[key] = value``."""
    container = ip.evaluate(target.value)
    key = subscript_key(ip, target)
    known = key.only if key is not None else None
    owners = [e for e in container.entries if isinstance(e.atom, Obj)]
    for e in owners:
        slot: Hashable = ("key", known.value) if isinstance(known, Const) else "rest"
        before = ip.store.get(e.atom, slot)
        strong = len(owners) == 1 and isinstance(known, Const)
        ip.store.set(e.atom, slot, value if strong else join_all([before or ABSENT, value]))
    if isinstance(target.value, cst.Name):
        for e in container.entries:
            if isinstance(e.atom, Seq) and isinstance(known, Const) and isinstance(known.value, int):
                _set_sequence_item(ip, target.value, e.atom, known.value, value)


def _set_sequence_item(ip: Interpreter, name: cst.Name, seq: Seq, index: int, value: Value) -> None:
    if seq.items is None or not -len(seq.items) <= index < len(seq.items):
        return
    items = list(seq.items)
    items[index] = value
    assign_name(ip, name.value, of(Seq(tuple(items), None, seq.mutable)))


def subscript_key(ip: Interpreter, node: cst.Subscript) -> Value | None:
    """The value of a plain index; None for slices and several indices."""
    if len(node.slice) == 1 and isinstance(node.slice[0].slice, cst.Index):
        return ip.evaluate(node.slice[0].slice.value)
    return None


def get_item(ip: Interpreter, container: Value, key: Value | None, node: cst.CSTNode) -> Value:
    """``container[key]``."""
    parts: list[Value] = []
    for e in container.entries:
        for found in _item_of(ip, e, key, node).entries:
            if not isinstance(found.atom, Absent):
                parts.append(Value((Entry(found.atom, found.guard | e.guard, found.because),)))
    return ip.feasible(join_all(parts)) or ip.unknown(node, "item")


def _item_of(ip: Interpreter, e: Entry, key: Value | None, node: cst.CSTNode) -> Value:
    atom = e.atom
    known = [a.value for a in key.atoms if isinstance(a, Const)] if key is not None else []
    if isinstance(atom, Obj) and atom.kind == "private-result":
        if key is not None and isinstance(key.only, Const):
            info = registry.CallInfo(node, [key])
            return registry.METHODS["private-result", "<item>"](ip, info, e)
        return ip.unknown(node, "an element of the result", frozenset({atom}))
    if isinstance(atom, Obj) and atom.kind in ("dict", "namespace", "record"):
        return dict_items(ip, atom, key)
    if isinstance(atom, Obj):
        handler = registry.METHODS.get((atom.kind, "<item>"))
        if handler is not None:
            return handler(ip, registry.CallInfo(node, [key] if key else []), e)
        return iterate(ip, Value((e,)), node)
    if isinstance(atom, Seq):
        if atom.items is not None and key is not None and isinstance(key.only, Const) and known:
            index = known[0]
            if isinstance(index, int) and -len(atom.items) <= index < len(atom.items):
                return atom.items[index]
            return NOTHING
        return atom.each() if key is not None else of(Seq(None, atom.each(), atom.mutable))
    if isinstance(atom, Unknown):
        part = repr(known[0]) if len(known) == 1 else "[]"
        return of(Unknown(deeper(atom.symbol, part), atom.reason, atom.parts), *e.because)
    if isinstance(atom, (Tensor, Params)):
        return of(atom)
    if isinstance(atom, Class):
        if key is not None and isinstance(key.only, Const):
            return class_attribute(ip, atom, str(known[0]), node)
        return of(atom)
    if isinstance(atom, External):
        return of(External(registry.canonical(f"{atom.name}.[]")))
    return NOTHING


def dict_items(ip: Interpreter, atom: Obj, key: Value | None) -> Value:
    """The entry of a dict under a key; with an unknown key any of them. Absent stays among it."""
    parts: list[Value] = []
    if key is not None and key.entries and all(isinstance(a, Const) for a in key.atoms):
        for k in key.entries:
            assert isinstance(k.atom, Const)
            slot: Hashable = ("key", k.atom.value) if atom.kind == "dict" else k.atom.value
            found = ip.read(atom, slot)
            if found is None:
                found = ip.read(atom, "rest")
                parts.append(ABSENT if found is None else join_all([ABSENT, found]))
                if found is None and atom.kind != "dict":
                    parts.append(of(Unknown((atom.key, ".", k.atom.value))))
            else:
                parts.append(found.guarded(k.guard))
        return join_all(parts)
    symbols = [a.symbol for a in key.atoms if isinstance(a, Unknown)] if key is not None else []
    for slot in ip.store.keys(atom):
        found = ip.read(atom, slot)
        if not found:
            continue
        if len(symbols) == 1 and isinstance(slot, tuple):
            found = found.guarded(frozenset({Literal(symbols[0], ("eq", slot[1]), True)}))
        parts.append(found)
    if not parts or ip.store.get(atom, "rest") or atom.kind != "dict":
        parts.append(of(Unknown((atom.key, "rest"), "an unknown key")))
    return join_all(parts)


def entries_of(ip: Interpreter, atom: Obj) -> tuple[dict[str, Value], bool]:
    """The string keys of a dict-like object with their values, and whether there may be others."""
    known: dict[str, Value] = {}
    for slot in ip.store.keys(atom):
        name = slot[1] if isinstance(slot, tuple) and slot[0] == "key" else slot
        if atom.kind != "dict" and isinstance(slot, str):
            name = slot
        if not isinstance(name, str) or name == "rest":
            continue
        value = ip.read(atom, slot)
        if value:
            known[name] = value
    return known, ip.read(atom, "rest") is not None


def attribute_path(node: Atom) -> str:
    """A library object's name, for messages."""
    return node.name if isinstance(node, External) else ""
