"""From the files of a project to its private training runs: what belongs together, then what it does."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from types import MappingProxyType
from typing import Protocol

from dpmigrate.analysis import library
from dpmigrate.analysis.closing.records import Closing
from dpmigrate.analysis.closing.sightings import Sightings
from dpmigrate.analysis.core import Interpreter
from dpmigrate.analysis.domain.atoms import Unknown
from dpmigrate.analysis.language import (
    calls,
    comprehensions,
    exceptions,
    expressions,
    flow,
    operators,
    patterns,
    statements,
    strings,
)
from dpmigrate.analysis.ledger import Origin, PrivateRun
from dpmigrate.analysis.ledger.expressions import Expressions
from dpmigrate.analysis.ledger.retired import LibraryName, RetiredCall
from dpmigrate.analysis.roots.entering import MODULE_SEEDS, enter_root, enter_uncalled
from dpmigrate.analysis.roots.left_out import not_reached
from dpmigrate.analysis.roots.switches import switches_of
from dpmigrate.analysis.source.components import Group, components, imports_in
from dpmigrate.analysis.source.modules import ModuleInfo, Modules
from dpmigrate.analysis.source.speaking import leading_to_makers, speaks_of_opacus
from dpmigrate.workspace.errors import own_error
from dpmigrate.workspace.source import is_too_large
from dpmigrate.workspace.stack import room_for_trees

_LOADED = (calls, comprehensions, exceptions, expressions, flow, operators, patterns, statements, strings)
"""Importing these registers their handlers."""
library.load()

MAX_CALLERS = 150
"""Modules beyond the telling ones that are read for the arguments which they call with."""


class FileTexts(Protocol):
    """The texts of a project's files, by their key below its root."""

    def parse(self, key: str, library_path: str | None) -> ModuleInfo | None:
        """A parsed module; None when it cannot be."""

    def text(self, key: str) -> bytes:
        """The bytes of a file; empty when it cannot be read."""

    def mentioning(self, names: Iterable[str]) -> list[str]:
        """The files that are not telling in themselves, with an import statement that holds a name."""


@dataclass(eq=False)
class InterpretedPart:
    """One component of a project, interpreted on its own: a `ledger.analysed.Component`."""

    interpreter: Interpreter

    @property
    def modules(self) -> Modules:
        """The modules as this component met them."""
        return self.interpreter.modules

    @property
    def executed(self) -> Collection[str]:
        """The keys of its own modules."""
        return self.interpreter.executed

    @cached_property
    def runs(self) -> list[PrivateRun]:
        """Its private training runs, one record for each context and mode."""
        return Closing(self.interpreter).runs()

    @cached_property
    def expressions(self) -> Expressions:
        """What its expressions were seen to be."""
        return Sightings(self.interpreter)

    @cached_property
    def retired_calls(self) -> list[RetiredCall]:
        """Its calls of the API of Opacus 0.x."""
        return Closing(self.interpreter).retired_calls()

    @cached_property
    def retired_names(self) -> list[LibraryName]:
        """The dotted names of Opacus that it has."""
        return list(self.interpreter.retired.names.values())

    @property
    def plain_passes(self) -> Iterator[ModuleInfo]:
        """The module of each backward pass that no private run has to do with."""
        return (module for module, _, _ in self.interpreter.plain_passes)


class Program:
    """Everything that the analysis of one project found out."""

    def __init__(self, modules: Modules, parts: Sequence[InterpretedPart]) -> None:
        self.modules = modules
        self.parts = tuple(parts)

    @cached_property
    def runs(self) -> list[PrivateRun]:
        """Every private training run, in the order in which they were met."""
        return [run for part in self.parts for run in part.runs]

    @property
    def is_private(self) -> bool:
        """Whether there is anything that a finding, a fix or a pin can be about."""
        return bool(self.runs) or self.uses_retired

    @property
    def uses_retired(self) -> bool:
        """Whether some name or call of Opacus is kept that a release may have dropped."""
        return any(part.interpreter.retired for part in self.parts)

    @cached_property
    def _part_of(self) -> dict[str, InterpretedPart]:
        return {key: part for part in reversed(self.parts) for key in part.executed}

    def part_of(self, module: ModuleInfo) -> InterpretedPart | None:
        """The component that executed a module; None when none did."""
        return self._part_of.get(module.key)

    @property
    def exhausted(self) -> Iterator[str]:
        """Where the analysis ran out of its budget: module keys, with the function entered."""
        return (name for part in self.parts for name in part.interpreter.roots_exhausted)

    @property
    def not_reached(self) -> Iterator[Origin]:
        """The calls that would make runs and that nothing came to before the budget was used up."""
        return (origin for part in self.parts for origin in not_reached(part.interpreter))

    @property
    def failures(self) -> Iterator[tuple[str, str]]:
        """Keys of modules that the analysis itself failed in, and how."""
        return (failure for part in self.parts for failure in part.interpreter.failures.items())

    @property
    def too_deep(self) -> Iterator[str]:
        """Keys of modules with code nested too deeply to follow."""
        return (key for part in self.parts for key in part.interpreter.too_deep)


def groups_of(modules: Modules, telling: Sequence[str], texts: FileTexts) -> list[Group]:
    """The modules where the analysis begins, in groups that have nothing to do with one another.

    These are the telling ones, Opacus's own source excepted, and those that import them, where that leads
    to something private. A module that speaks of Opacus in its comments alone is not telling.
    """
    imported: dict[str, frozenset[str]] = {}

    def imports(key: str) -> frozenset[str]:
        if key not in imported:
            text = texts.text(key)
            # What is too large is not parsed, and its imports lead nowhere; those of a notebook are few.
            read = b"import" in text and (key.endswith(".ipynb") or not is_too_large(text))
            names_imported = imports_in(modules, key, text) if read else ()
            imported[key] = frozenset(k for k in names_imported if modules.is_followed(k))
        return imported[key]

    followed = [k for k in telling if modules.is_followed(k)]
    entries = [k for k in followed if speaks_of_opacus(k, texts.text(k))]
    silent = sorted(set(followed) - set(entries))
    callers: dict[str, None] = {}
    frontier = set(entries)
    for _ in range(3):
        names = {_module_name(k) for k in frontier if not k.endswith(".ipynb")}
        mentioning = [k for k in (*texts.mentioning(names), *silent) if k not in callers] if names else []
        frontier = {k for k in mentioning if not modules.in_library(k) and imports(k) & frontier}
        if not frontier:
            break
        callers.update(dict.fromkeys(sorted(frontier)))
        if len(callers) > MAX_CALLERS:
            break
    leading = leading_to_makers(callers, imports, texts.text)
    groups = components([*entries, *(k for k in callers if k in leading)], imports)
    # A call of that name alone is no run where nothing that belongs to it has a word of Opacus.
    return [
        group._replace(beside=_beside(group.members, imports, texts))
        for group in groups
        if any(b"opacus" in texts.text(key) for key in group.members)
    ]


def _beside(
    members: frozenset[str], imports: Callable[[str], frozenset[str]], texts: FileTexts
) -> frozenset[str]:
    """The members from which no import leads to where a run may be made, and that make nothing of torch."""
    leading = leading_to_makers(members, imports, texts.text)
    return frozenset(key for key in members - leading if b"torch" not in texts.text(key))


def analyse(
    modules: Modules, groups: Iterable[Group], known: Mapping[Group, InterpretedPart] = MappingProxyType({})
) -> Program:
    """Interpret each group of modules, as :func:`groups_of` found them, but for those that are ``known``."""
    with room_for_trees():
        return Program(modules, [known.get(group) or _part_or_failure(modules, group) for group in groups])


def _part_or_failure(modules: Modules, group: Group) -> InterpretedPart:
    """One component interpreted; without any run where the analysis itself fails in it."""
    try:
        return _part(modules, group)
    except Exception as error:
        failed = Interpreter(modules)
        failed.failures = dict.fromkeys(group.entries, own_error(error))
        return InterpretedPart(failed)


def _part(modules: Modules, group: Group) -> InterpretedPart:
    ip = _interpret(Interpreter(modules), group)
    if switches := switches_of(ip):
        ip = _interpret(_again(ip, switches), group)
    if _mode_is_tested(ip):
        tested, again = ip.tested, _again(ip, ip.switches)
        again.tested = tested
        ip = _interpret(again, group)
    _name_supposed_modes(ip)
    return InterpretedPart(ip)


def _again(ip: Interpreter, switches: frozenset[int]) -> Interpreter:
    """A fresh start; what the one before found is let go of first, which nobody asks for any more."""
    modules = ip.modules
    vars(ip).clear()
    again = Interpreter(modules)
    again.switches = switches
    return again


def _name_supposed_modes(ip: Interpreter) -> None:
    """A mode that something unknown may stand for is one of its values where the program tests for it."""
    for run in ip.runs.values():
        tested = ip.tested.get(run.mode_atom.symbol, ()) if isinstance(run.mode_atom, Unknown) else ()
        if run.supposed and any("ghost" in c for c in tested):
            run.modes = tuple(dict.fromkeys((*run.modes, run.mode)))


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


def _module_name(key: str) -> str:
    """The name by which an import statement ends in a module."""
    parts = re.split(r"[/\\]", key.removesuffix(".py"))
    return parts[-2] if parts[-1] == "__init__" and len(parts) > 1 else parts[-1]


def _interpret(ip: Interpreter, group: Group) -> Interpreter:
    ip.beside = group.beside
    modules = [info for info in map(ip.modules.get, group.entries) if info is not None]
    infos = [info for main in _mains_first(modules) for info in (main, *main.written)]
    ip.entry_paths = {info.key for info in infos}
    for info in infos:
        enter_root(ip, info.key, "", partial(ip.run_module, info))
        MODULE_SEEDS.of(ip)[info.key] = ip.store.get("<global>", "seed")
    enter_uncalled(ip, {info.key for info in infos})
    return ip


def _mains_first(infos: list[ModuleInfo]) -> list[ModuleInfo]:
    """Scripts before the modules that they import, so that functions are met with real arguments."""

    def rank(info: ModuleInfo) -> tuple[int, str]:
        text = info.source.data
        return (0 if b"__main__" in text or info.key.endswith(".ipynb") else 1, info.key)

    return sorted(infos, key=rank)


__all__ = ["FileTexts", "InterpretedPart", "Program", "analyse", "groups_of"]
