"""Which modules, functions and methods are entered, in what order: from files to TrainingRuns."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import libcst as cst

from dpmigrate.analysis import calls, expressions, statements
from dpmigrate.analysis.calls import enter_function, instantiate
from dpmigrate.analysis.classes import is_enum, is_record, linear
from dpmigrate.analysis.core import ExhaustedError, Frame, Interpreter
from dpmigrate.analysis.library import frameworks, opacus, options, python, seeds, torch
from dpmigrate.analysis.library.options import outside_parameter
from dpmigrate.analysis.library.registry import CallInfo
from dpmigrate.analysis.mentions import Mentions
from dpmigrate.analysis.modules import ModuleInfo, Modules
from dpmigrate.analysis.training import TrainingRun
from dpmigrate.analysis.values import NOTHING, Class, Const, Function, Obj, Seq, Unknown, Value, join_all

_LOADED = (calls, expressions, statements, frameworks, opacus, options, python, seeds, torch)
"""Importing these registers their handlers."""

TELLING = (b"opacus", b"make_private")
"""Bytes of the files where an analysis begins."""


MAX_FRAMES_OF_ONE = 24
"""How many activations of a function a nested function that nothing calls is entered for."""


MAKES_PRIVATE = (b"make_private", b"FastGradientClipping", b"wrap_model", b"prepare_module")
"""Bytes of the files in which a private run can be made."""


@dataclass(slots=True)
class Program:
    """Everything that the analysis of one project found out."""

    runs: list[TrainingRun] = field(default_factory=list)
    interpreter: Interpreter | None = None
    modules: list[ModuleInfo] = field(default_factory=list)
    exhausted: list[str] = field(default_factory=list)
    """Where the analysis ran out of its budget."""
    too_deep: list[str] = field(default_factory=list)
    """Keys of files with code nested too deeply to follow."""


def analyse(
    keys: Sequence[str],
    seeds: Sequence[str],
    load: Callable[[str, str | None], ModuleInfo | None],
    importers: Callable[[Iterable[str]], list[str]],
) -> Program:
    """Analyse a project.

    ``keys`` are the paths of all its files below the root, ``seeds`` those with telling bytes,
    ``load`` parses one (None when it cannot be), ``importers`` finds the files whose text
    imports one of some module names.
    """
    modules = Modules(keys, load)
    entries = [s for s in seeds if modules.library_path(s) is None]
    entries += [
        k for k in _callers(entries, importers) if modules.library_path(k) is None and k not in entries
    ]
    ip = _interpret(modules, entries)
    if _mode_is_tested(ip):
        ip = _interpret(modules, entries, ip.tested)
    return Program(list(ip.runs.values()), ip, modules.loaded(), ip.roots_exhausted, ip.too_deep)


def _mode_is_tested(ip: Interpreter) -> bool:
    """Whether an unknown mode of some run is compared with a ghost mode elsewhere in the program.

    What the user can set (an option without choices, a field) then takes that value, too.
    """
    tested = {symbol for symbol, constants in ip.tested.items() if any("ghost" in c for c in constants)}
    unknown = [run.mode_atom.symbol for run in ip.runs.values() if isinstance(run.mode_atom, Unknown)]
    return any(_within(part, symbol) for part in tested for symbol in unknown)


def _within(part: object, symbol: object) -> bool:
    """Whether a symbol is, or was derived from, another."""
    return part == symbol or (isinstance(symbol, tuple) and any(_within(part, s) for s in symbol))


def _callers(seeds: Sequence[str], importers: Callable[[Iterable[str]], list[str]]) -> list[str]:
    """Modules that import the seeds, directly or through others: they call with the real arguments."""
    found: dict[str, None] = {}
    frontier: list[str] = list(seeds)
    for _ in range(3):
        names = {n for n in map(_module_name, frontier) if n}
        more = [k for k in importers(names) if k not in found and k not in seeds] if names else []
        if not more or len(found) > 150:
            break
        found.update(dict.fromkeys(more))
        frontier = more
    return list(found)


def _module_name(key: str) -> str:
    parts = re.split(r"[/\\]", key.removesuffix(".py"))
    if key.endswith(".ipynb"):
        return ""
    return parts[-2] if parts[-1] == "__init__" and len(parts) > 1 else parts[-1]


def _interpret(
    modules: Modules, entries: Sequence[str], tested: dict[object, set[str]] | None = None
) -> Interpreter:
    ip = Interpreter(modules)
    ip.tested = dict(tested or {})
    infos = [info for info in (modules.get(k) for k in entries) if info is not None]
    ip.entry_paths = {info.key for info in infos}
    for info in _mains_first(infos):
        _root(ip, info.key, lambda info=info: ip.run_module(info))  # type: ignore[misc]
        ip.notes["module seed", info.key] = ip.store.get("<global>", "seed")
    wanted = {info.key for info in infos}
    for callees_too in (False, True):
        _enter_uncalled(ip, wanted, callees_too)
    return ip


def _mains_first(infos: list[ModuleInfo]) -> list[ModuleInfo]:
    """Scripts before the modules that they import, so that functions are met with real arguments."""

    def rank(info: ModuleInfo) -> tuple[int, str]:
        text = info.source.data
        return (0 if b"__main__" in text or info.key.endswith(".ipynb") else 1, info.key)

    return sorted(infos, key=rank)


def _root(ip: Interpreter, name: str, action: Callable[[], object], seed: Value | None = None) -> None:
    """Enter the program at one place, in a process that is seeded as its module or ``seed`` says."""
    key = name.partition(":")[0]
    ip.steps, ip.exhausted = 0, False
    ip.store.set("<global>", "seed", seed or ip.notes.get(("module seed", key)) or NOTHING)
    try:
        action()
    except ExhaustedError:
        ip.exhausted = True
    except RecursionError:
        ip.exhausted = True
        ip.too_deep.append(key)
    if ip.exhausted:
        ip.roots_exhausted.append(name)


# -- what nothing calls -----------------------------------------------------------------------


def _enter_uncalled(ip: Interpreter, wanted: set[str], callees_too: bool) -> None:
    """Enter functions and methods of the entry modules that no call reached.

    Those that others mention come last (``callees_too``): by then a caller may have entered them
    with real arguments.
    """
    ip.notes["telling functions"] = _telling_functions(ip)
    ip.notes["mentioned"] = frozenset() if callees_too else _mentioned_by_others(ip)
    done = 0
    while done < len(ip.made):
        fn = ip.made[done]
        done += 1
        if fn.key in ip.entered or fn.module.key not in wanted or not isinstance(fn.node, cst.FunctionDef):
            continue
        if fn.node.name.value in ip.notes["mentioned"]:
            continue
        siblings = ip.notes.setdefault(("frames of", id(fn.node)), [])
        if len(siblings) >= MAX_FRAMES_OF_ONE:
            continue
        siblings.append(fn.key)
        if fn.owner is None and not _is_overload(fn) and _worth_entering(ip, fn):
            _root(ip, f"{fn.module.key}:{fn.node.name.value}", lambda fn=fn: _enter_alone(ip, fn))  # type: ignore[misc]
    for cls in list(ip.classes):
        if cls.module.key in wanted and not is_enum(cls):
            _enter_class(ip, cls)


_TELLING_NAMES = frozenset(
    [
        "make_private",
        "make_private_with_epsilon",
        "backward",
        "step",
        "zero_grad",
        "BatchMemoryManager",
        "wrap_data_loader",
        "manual_seed",
        "double_backward",
        "get_coeff",
        "get_clipping_coef",
        "wrap_model",
        "signal_skip_step",
        "PrivacyEngine",
        "seed_everything",
        "GradSampleModuleFastGradientClipping",
        "DPOptimizerFastGradientClipping",
        "DPLossFastGradientClipping",
    ]
)


def _mentioned_by_others(ip: Interpreter) -> frozenset[str]:
    """Names of functions and methods that some other function's body mentions."""
    mentions = _mentions(ip)
    names = {f.node.name.value for f in ip.made if isinstance(f.node, cst.FunctionDef)}
    found: set[str] = set()
    for fn in ip.made:
        if isinstance(fn.node, cst.FunctionDef):
            found |= (mentions.of(fn.node.body) & names) - {fn.node.name.value}
    return frozenset(found - {"__init__", "__call__", "forward"})


_MAKERS = frozenset(
    [
        "make_private",
        "make_private_with_epsilon",
        "BatchMemoryManager",
        "wrap_data_loader",
        "wrap_model",
        "prepare_module",
        "double_backward",
        "GradSampleModuleFastGradientClipping",
        "GradSampleHooksFastGradientClipping",
        "DPOptimizerFastGradientClipping",
        "DPLossFastGradientClipping",
    ]
)


def _worth_entering(ip: Interpreter, fn: Function) -> bool:
    """Whether a function, or a nested one, mentions anything that an analysis is about.

    What it merely calls may matter as well: names that are project functions worth entering count.
    Where a file makes nothing private, a training loop alone is no reason.
    """
    data = fn.module.source.data
    around = _TELLING_NAMES if any(mark in data for mark in MAKES_PRIVATE) else _MAKERS
    return bool(_mentions(ip).of(fn.node) & (around | ip.notes["telling functions"]))


def _mentions(ip: Interpreter) -> Mentions:
    known: Mentions = ip.notes.setdefault("mentions", Mentions())
    return known


def _telling_functions(ip: Interpreter) -> frozenset[str]:
    """Names of project functions and classes that lead to something telling."""
    mentions = _mentions(ip)
    bodies = [
        (f.node.name.value, mentions.of(f.node)) for f in ip.made if isinstance(f.node, cst.FunctionDef)
    ]
    bodies += [(c.node.name.value, mentions.of(c.node)) for c in ip.classes]
    telling: set[str] = set()
    for _ in range(4):
        reach = _MAKERS | telling
        more = {name for name, names in bodies if names & reach} - {"forward", "__init__", "__call__"}
        if more <= telling:
            break
        telling |= more
    return frozenset(telling)


def _is_overload(fn: Function) -> bool:
    return any(d in ("overload", "abstractmethod") for d in fn.decorators)


def _enter_alone(ip: Interpreter, fn: Function, receiver: Obj | None = None) -> None:
    """Enter a function as somebody outside the project would: defaults, annotations, unknowns."""
    assert isinstance(fn.node, cst.FunctionDef)
    with ip.apart():
        ip.frames.append(fn.closure or Frame(("module", fn.module.key), fn.module))
        for arguments in _parametrized(ip, fn):
            params = fn.node.params
            plain = [*params.posonly_params, *params.params]
            keywords: dict[str, Value] = {}
            for index, param in enumerate((*plain, *params.kwonly_params)):
                name = param.name.value
                if index == 0 and receiver is not None and "staticmethod" not in fn.decorators:
                    continue
                default = ip.store.get(("defaults", fn.key), name)
                keywords[name] = arguments.get(name) or outside_parameter(ip, fn, param, default)
            enter_function(ip, fn, CallInfo(fn.node, [], keywords), receiver=receiver)


def _parametrized(ip: Interpreter, fn: Function) -> list[dict[str, Value]]:
    """The arguments that ``pytest.mark.parametrize`` or click give a function, one set per call."""
    assert isinstance(fn.node, cst.FunctionDef)
    out: list[dict[str, Value]] = [{}]
    clicked = {
        name: value
        for name, value, node in ip.notes.get(("click options", fn.module.key), ())
        if any(node is d.decorator for d in fn.node.decorators)
    }
    for decorator in fn.node.decorators:
        call = decorator.decorator
        if not isinstance(call, cst.Call) or not isinstance(call.func, cst.Attribute):
            continue
        if call.func.attr.value != "parametrize" or len(call.args) < 2:
            continue
        names, rows = ip.evaluate(call.args[0].value).only, ip.evaluate(call.args[1].value).only
        if not isinstance(rows, Seq) or rows.items is None:
            continue
        columns = _column_names(names)
        expanded = []
        for before in out[:6]:
            for row in rows.items[:6]:
                expanded.append({**before, **_row(columns, row)})
        out = expanded or out
    return [{**clicked, **row} for row in out]


def _column_names(names: object) -> list[str]:
    if isinstance(names, Const) and isinstance(names.value, str):
        return [n.strip() for n in names.value.split(",")]
    if isinstance(names, Seq) and names.items is not None:
        return [str(v.only.value) for v in names.items if isinstance(v.only, Const)]
    return []


def _row(columns: list[str], row: Value) -> dict[str, Value]:
    if len(columns) == 1:
        return {columns[0]: row}
    atom = row.only
    if isinstance(atom, Seq) and atom.items is not None:
        return dict(zip(columns, atom.items, strict=False))
    return {}


def _enter_class(ip: Interpreter, cls: Class) -> None:
    """Make an instance as an outsider would, and enter the methods that no call reached on it."""
    methods = _methods(ip, cls)
    own_modes = _names_a_ghost_mode(cls)
    again = cls.key in ip.notes.setdefault("entered classes", set())
    every = _stores_runs(ip, cls) if again else False
    inherited = own_modes and not again
    fresh = [m for m in methods if every or m.key not in ip.entered or (inherited and m.owner is not cls)]
    mentioned = ip.notes["mentioned"]
    fresh = [m for m in fresh if m.node.name.value not in mentioned]  # type: ignore[union-attr]
    fresh = [m for m in fresh if not _is_overload(m) and _worth_entering(ip, m)]
    if not fresh:
        return
    ip.notes["entered classes"].add(cls.key)
    made: list[Obj] = []

    def make() -> None:
        with ip.apart():
            ip.frames.append(Frame(("module", cls.module.key), cls.module))
            initialiser = next((m for m in methods if m.node.name.value == "__init__"), None)  # type: ignore[union-attr]
            keywords: dict[str, Value] = {}
            if initialiser is not None:
                assert isinstance(initialiser.node, cst.FunctionDef)
                params = initialiser.node.params
                for param in (*params.params[1:], *params.kwonly_params):
                    default = ip.store.get(("defaults", initialiser.key), param.name.value)
                    keywords[param.name.value] = outside_parameter(ip, initialiser, param, default)
            elif is_record(cls):
                made.extend(
                    a for a in options.set_from_outside(ip, cls, cls.node).atoms if isinstance(a, Obj)
                )
                return
            made.extend(
                a for a in instantiate(ip, cls, CallInfo(cls.node, [], keywords)).atoms if isinstance(a, Obj)
            )

    known = ip.notes.setdefault("outside instances", {})
    if cls.key in known:
        made.append(known[cls.key])
    else:
        _root(ip, f"{cls.module.key}:{cls.node.name.value}", make)
        ip.notes["seed of", cls.key] = ip.store.get("<global>", "seed")
        if made:
            known[cls.key] = made[0]
    for method in fresh:
        if method.node.name.value == "__init__" or not made:  # type: ignore[union-attr]
            continue
        name = f"{cls.module.key}:{cls.node.name.value}.{method.node.name.value}"  # type: ignore[union-attr]
        _root(ip, name, lambda m=method: _enter_method(ip, m, made[0]), ip.notes.get(("seed of", cls.key)))  # type: ignore[misc]


def _enter_method(ip: Interpreter, method: Function, receiver: Obj) -> None:
    """Enter a method; what it leaves on the instance is joined with what was there before."""
    before = {slot: ip.store.get(receiver, slot) for slot in ip.store.keys(receiver)}
    _enter_alone(ip, method, receiver)
    for slot, old in before.items():
        new = ip.store.get(receiver, slot)
        if old is not None and new is not None and new != old:
            ip.store.set(receiver, slot, join_all([new, old.select(lambda a: a != Const(None))]))


def _stores_runs(ip: Interpreter, cls: Class) -> bool:
    """Whether an instance that was entered keeps objects of a run for its other methods."""
    made = ip.notes.get("outside instances", {}).get(cls.key)
    held = [ip.store.get(made, slot) for slot in ip.store.keys(made)] if made is not None else []
    return any(
        isinstance(a, Obj) and a.kind.startswith("dp-") for v in held if v is not None for a in v.atoms
    )


def _names_a_ghost_mode(cls: Class) -> bool:
    """Whether a class speaks of ghost mode itself, so that inherited methods may do so on it."""
    return b"ghost" in cls.module.source.data and "ghost" in cls.module.tree.code_for_node(cls.node)


def _methods(ip: Interpreter, cls: Class) -> list[Function]:
    """The class's methods, inherited ones included, each name once, in order of definition."""
    found: dict[str, Function] = {}
    for current in linear(cls):
        for slot in ip.store.keys(("class", current.key)):
            value = ip.store.get(("class", current.key), slot)
            for atom in value.atoms if value is not None else ():
                if (
                    isinstance(atom, Function)
                    and isinstance(atom.node, cst.FunctionDef)
                    and isinstance(slot, str)
                ):
                    found.setdefault(slot, atom)
    return list(found.values())


__all__ = ["TELLING", "Program", "analyse"]
