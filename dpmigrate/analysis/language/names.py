"""Names: how they are looked up, and what imports bind."""

from __future__ import annotations

from collections.abc import Hashable

import libcst as cst

from dpmigrate.analysis import registry
from dpmigrate.analysis.core import Interpreter
from dpmigrate.analysis.domain.atoms import External, Imported, Module, Obj, Unknown
from dpmigrate.analysis.domain.values import NOTHING, Entry, Function, Value, const, merge_entries, of
from dpmigrate.analysis.frames import Frame
from dpmigrate.analysis.notes import Slot
from dpmigrate.analysis.source.modules import ModuleInfo
from dpmigrate.workspace.core_patch import MODULE

STARRED: Slot[dict[str, list[Imported]]] = Slot(dict)
"""By module (its key): what it imports all names of."""
BUILTINS = frozenset(
    [
        "__import__",
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
        "pow",
        "frozenset",
        "exit",
        "quit",
    ]
)


def lookup(ip: Interpreter, name: str, node: cst.CSTNode) -> Value:
    """The value of a name where control is now."""
    for scope in ip.frame.scopes():
        value = ip.store.get(scope.owner, name)
        if value is not None:
            return settle_imports(ip, ip.feasible(value), scope.owner, name)
    return module_name(ip, ip.module, name, node)


def name_around(ip: Interpreter, fn: Function, name: str, node: cst.CSTNode) -> Value:
    """The value of a name that a function's body takes from around it, where it is read and not run."""
    scope: Frame | None = fn.closure
    while scope is not None:
        value = None if scope.is_class_body else ip.store.get(scope.owner, name)
        if value is not None:
            return settle_imports(ip, ip.feasible(value), scope.owner, name)
        scope = scope.closure
    return module_name(ip, fn.module, name, node)


def module_name(ip: Interpreter, info: ModuleInfo, name: str, node: cst.CSTNode) -> Value:
    """The value of a module's global name, a builtin, or something unknown."""
    owner = ("module", info.key)
    value = ip.store.get(owner, name)
    if value is not None:
        return settle_imports(ip, ip.feasible(value), owner, name)
    starred_value = _starred(ip, info, name, node)
    if starred_value:
        return starred_value
    if name in BUILTINS:
        return of(External(f"builtins.{name}"))
    if name == "__name__":
        return const("__main__" if info.key in ip.entry_paths else info.key)
    if name in ("True", "False", "None"):
        return const({"True": True, "False": False, "None": None}[name])
    return of(Unknown(("name", info.key, name), f"name {name}"))


def settle_imports(ip: Interpreter, value: Value, owner: Hashable, name: Hashable) -> Value:
    """Replace imports by what they mean, once they are read."""
    for e in value.entries:
        if isinstance(e.atom, Imported):
            break
    else:
        return value
    entries: list[Entry] = []
    for e in value.entries:
        if isinstance(e.atom, Imported):
            resolved = resolve_import(ip, e.atom)
            entries.extend(Entry(r.atom, r.guard | e.guard, r.because) for r in resolved.entries)
        else:
            entries.append(e)
    return merge_entries(entries)


def resolve_import(ip: Interpreter, atom: Imported) -> Value:
    """What an import statement bound."""
    if atom.name is None:
        return import_module(ip, atom.dotted, atom.importer, atom.level)
    return from_import(ip, atom, atom.name, None)


def import_module(ip: Interpreter, dotted: str, importer: ModuleInfo, level: int) -> Value:
    """The module behind a dotted name: one of the project, or a library's."""
    written = importer.written_beside(dotted)
    if written is not None:
        return of(Module(written))
    path = ip.modules.path_of(dotted, importer.key, level)
    if path is None:
        if dotted.rpartition(".")[2] == MODULE:
            return of(External(MODULE))
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
        value = member_of_module(ip, atom.info, name)
        if value:
            return value
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
    # What is looked up while it runs are questions of their own.
    outer, ip.starred = ip.starred, {}
    try:
        owner = ip.run_module(info)
    finally:
        ip.starred = outer
    value = ip.store.get(owner, name)
    # A package that says "from package import module" in its own __init__ means the module.
    if value is not None and (owner, name) not in ip.resolving:
        ip.resolving.add((owner, name))
        try:
            return settle_imports(ip, value, owner, name)
        finally:
            ip.resolving.discard((owner, name))
    starred_value = _starred(ip, info, name, info.tree)
    if starred_value:
        return starred_value
    if info.is_package:
        path = ip.modules.path_of(name, info.key, 1)
        inner = ip.modules.get(path) if path else None
        if inner is not None:
            if inner.library_path is not None:
                return of(External(registry.canonical(inner.library_path)))
            return of(Module(inner))
    return NOTHING


def _starred(ip: Interpreter, info: ModuleInfo, name: str, node: cst.CSTNode) -> Value:
    """A name that a module has by ``from x import *``; empty where it has none so."""
    # Modules that import all of one another are asked once each, however many ways lead to them.
    asked = ip.starred.setdefault(name, set())
    if info.key in asked:
        return NOTHING
    outermost = not asked
    asked.add(info.key)
    try:
        for starred in STARRED.of(ip).get(info.key, ()):
            value = from_import(ip, starred, name, node)
            if value:
                return value
    finally:
        if outermost:
            ip.starred.pop(name, None)
    return NOTHING
