"""Where the meaning of library names is registered, and how it is looked up.

Tables, not code paths: ``functions`` by canonical qualified name (classes are functions that
make objects), ``methods`` and ``attributes`` by kind of object. A new library is a new module
that fills these.
"""

from __future__ import annotations

import builtins
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field
from importlib import import_module
from itertools import combinations
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Any, TypeVar

import libcst as cst

from dpmigrate.analysis.domain.atoms import Absent, Atom, Const, External, Obj, Tensor, Unknown
from dpmigrate.analysis.domain.values import MAX_CASES, NOTHING, Entry, Value, join_all
from dpmigrate.analysis.guards import ALWAYS, Guard, contradict
from dpmigrate.analysis.notes import Slot

if TYPE_CHECKING:
    from dpmigrate.analysis.core import Interpreter


@dataclass(slots=True)
class CallInfo:
    """A call with its arguments evaluated."""

    node: cst.CSTNode
    positional: list[Value] = field(default_factory=list)
    keywords: dict[str, Value] = field(default_factory=dict)
    unknown_positional: bool = False
    """``*args`` of unknown length follow."""
    unknown_keywords: bool = False
    """``**kwargs`` with unknown keys are among the keywords."""
    spread: list[Value] = field(default_factory=list)
    """What the elements of ``*args`` of unknown length can be, and the values of ``**kwargs``."""
    guard: Guard = ALWAYS
    """The assumptions under which the callee is this one."""
    name: str = ""

    def argument(self, position: int | None, name: str) -> Value:
        """An argument by position or keyword; empty when it is not given."""
        if name in self.keywords:
            return self.keywords[name]
        if position is not None and position < len(self.positional):
            return self.positional[position]
        return NOTHING

    def given(self, position: int | None, name: str) -> bool | None:
        """Whether an argument is given; None when only on some paths."""
        value = self.argument(position, name)
        if not value:
            return None if self.unknown_keywords else False
        absent = [isinstance(a, Absent) for a in value.atoms]
        return None if any(absent) and not all(absent) else not all(absent)

    @property
    def called(self) -> str:
        """The last name of what the call calls, as it is written there; empty when it has none."""
        func = self.node.func if isinstance(self.node, cst.Call) else None
        if isinstance(func, cst.Attribute):
            return func.attr.value
        return func.value if isinstance(func, cst.Name) else ""

    @property
    def takes_data(self) -> bool:
        """Whether anything but literals is given, as to what computes with it."""
        if self.unknown_positional or self.unknown_keywords:
            return True
        return any(not isinstance(a, Const) for value in self.everything() for a in value.atoms)

    def everything(self) -> list[Value]:
        """All arguments."""
        return [*self.positional, *self.keywords.values()]

    def tensors(self) -> list[tuple[Guard, list[Tensor]]]:
        """The tensors among the arguments: each way that they come together, and when it is that one.

        What is computed by one model or by another stays apart where assumptions tell which; else there is
        one way, with all of them.
        """
        held = [
            [(e.guard, e.atom) for e in value.entries if isinstance(e.atom, Tensor)]
            for value in self.everything()
        ]
        several = [ways for ways in held if len(ways) > 1]
        if len(several) == 1 and len(several[0]) <= MAX_CASES:
            (ways,) = several
            others = [tensor for one in held if len(one) == 1 for _, tensor in one]
            if all(contradict(a, b) for (a, _), (b, _) in combinations(ways, 2)):
                return [(guard, [tensor, *others]) for guard, tensor in ways]
        return [(ALWAYS, [tensor for ways in held for _, tensor in ways])]


FunctionHandler = Callable[["Interpreter", CallInfo], Value]
MethodHandler = Callable[["Interpreter", CallInfo, Entry], Value]
AttributeHandler = Callable[["Interpreter", Entry, cst.CSTNode], Value]

Key = TypeVar("Key", bound=Hashable)
Registered = TypeVar("Registered")

MembersHandler = Callable[["Interpreter", str], Value]

FUNCTIONS: dict[str, FunctionHandler] = {}
MEMBERS: dict[str, MembersHandler] = {}
HOOKS: dict[str, list[FunctionHandler]] = {}
"""Who waits for moments of the analysis that are no call of a library's name.

``<unknown call>`` (callee, *arguments) and ``<escape>`` (what goes in, callee): code that cannot be
followed; ``<analysed>`` (): nothing is left to be followed; ``<call not followed>`` (callee): code that the
budget did not reach; ``<called again within itself>`` (callee, *arguments);
``<state loaded into something unknown>`` (what, state);
``<call of a package>``, by its name: a result that is not empty stands for the call's; ``<part of a model>``
(callee, *arguments): a result that is not empty stands for the call's; ``<kept>`` (keeper, value);
``<gradient assignment>`` (parameters, value); ``<step of something unknown>`` (as called); ``<run
made>`` (its private model); ``<arithmetic>`` (left, right, result), named "Add" and the like;
``<product of tensors>`` (left, right), a matrix product of what models made; ``<arithmetic of
tensors>`` (left, right), a difference, product or quotient of such; ``<given to a module>`` (module,
*arguments): a module that is not entered gets what a model made;
``<assign KIND.NAME>`` (object, value), and the same for an attribute of a library's name; ``<iterated>``
(what): a loop over something unknown, a data set, or a sequence once there are runs; ``<returned to a
framework>`` (receiver, result): a method that nothing in the project calls returned; ``<given to a private
model>`` (model, *arguments); ``<one of several>`` (key, what): a dict is asked for a key that it may have,
and the same stands for what each of its others has; ``<text of parts>`` (*parts, result): an f-string, for
which what is returned stands unless it is empty.
"""
METHODS: dict[tuple[str, str], MethodHandler] = {}
ATTRIBUTES: dict[tuple[str, str], AttributeHandler] = {}
ITERATION: dict[str, Callable[[Interpreter, Entry, cst.CSTNode], Value]] = {}
ENTERING: dict[str, Callable[[Interpreter, Entry, cst.CSTNode], Value]] = {}
GIVEN: dict[tuple[str, str], str] = {}
"""What a framework calls the methods of a subclass with: the attribute, by kind and parameter."""
PREFIXES: list[tuple[str, FunctionHandler]] = []
"""Handlers for whole families of names (``torch.nn.``), tried after exact names."""
CANONICAL: dict[str, Callable[[str], str]] = {}
"""By top-level package: how its many import paths reduce to one name."""


def function(*names: str) -> Callable[[FunctionHandler], FunctionHandler]:
    """Register what calling some library names does.

    A name in angle brackets is a moment of the analysis (:data:`HOOKS`), which any number of libraries
    may wait for. Raises ValueError for a library name that has another handler already.
    """

    def register(handler: FunctionHandler) -> FunctionHandler:
        for name in names:
            if name.startswith("<"):
                HOOKS.setdefault(name, []).append(handler)
            else:
                _once(FUNCTIONS, name, handler)
        return handler

    return register


def _once(table: dict[Key, Registered], key: Key, handler: Registered) -> None:
    if table.setdefault(key, handler) is not handler:
        raise ValueError(f"{key} has a handler already: one library would silently replace another")


def load_all(package: str, path: Iterable[str]) -> None:
    """Import the modules of a package and of the packages in it, each of which registers its handlers."""
    for module in iter_modules(path, f"{package}."):
        loaded = import_module(module.name)
        if module.ispkg:
            load_all(module.name, loaded.__path__)


def tell_hooks(ip: Interpreter, hook: str, info: CallInfo) -> Value:
    """Tell all that wait for a moment of the analysis; what they make of it, joined."""
    return join_all(handler(ip, info) for handler in HOOKS.get(hook, ()))


def prefix(*names: str) -> Callable[[FunctionHandler], FunctionHandler]:
    """Register what calling any name below some packages does."""

    def register(handler: FunctionHandler) -> FunctionHandler:
        PREFIXES.extend((n, handler) for n in names)
        PREFIXES.sort(key=lambda item: -len(item[0]))
        return handler

    return register


def method(kinds: str | tuple[str, ...], *names: str) -> Callable[[MethodHandler], MethodHandler]:
    """Register methods of some kinds of object; "*" stands for every other method."""
    kinds = (kinds,) if isinstance(kinds, str) else kinds

    def register(handler: MethodHandler) -> MethodHandler:
        for key in ((k, n) for k in kinds for n in names):
            _once(METHODS, key, handler)
        return handler

    return register


def attribute(kinds: str | tuple[str, ...], *names: str) -> Callable[[AttributeHandler], AttributeHandler]:
    """Register attributes of some kinds of object."""
    kinds = (kinds,) if isinstance(kinds, str) else kinds

    def register(handler: AttributeHandler) -> AttributeHandler:
        ATTRIBUTES.update({(k, n): handler for k in kinds for n in names})
        return handler

    return register


def members(owner: str) -> Callable[[MembersHandler], MembersHandler]:
    """Register what the attributes of a library's object are, by their names."""

    def register(handler: MembersHandler) -> MembersHandler:
        MEMBERS[owner] = handler
        return handler

    return register


def canonical(name: str) -> str:
    """One name for a library object, whichever path it was imported by."""
    rule = CANONICAL.get(name.partition(".")[0])
    return rule(name) if rule else name


def function_for(name: str) -> FunctionHandler | None:
    """What calling a library name does, if it is known."""
    exact = FUNCTIONS.get(name)
    if exact is not None:
        return exact
    for start, handler in PREFIXES:
        if name.startswith(start):
            return handler
    return None


def data_of(atom: Atom) -> Atom:
    """What a package outside the project holds, as something unknown; code, and any other atom, as it is.

    A module and what the tables know are code. Whatever else is read from a package (``sys.platform``,
    ``wandb.config.mode``, ``torch.__version__``) can be equal to anything, and true or not.
    """
    if not isinstance(atom, External) or not is_data(atom.name):
        return atom
    return Unknown(symbol_of_name(atom.name), f"`{atom.name}` of another package")


def is_data(name: str) -> bool:
    """Whether a library name is none of the modules, functions and classes that are known."""
    module, _, member = name.partition(".")
    if module == "builtins":
        return not hasattr(builtins, member.partition(".")[0])
    if not member or name.startswith("torch.nn."):
        return False
    return name not in FUNCTIONS and name not in CONSTANTS


CONSTANTS = dict.fromkeys(("typing.TYPE_CHECKING", "typing_extensions.TYPE_CHECKING"), Const(False))
"""Names of libraries that have one value in every execution."""


def symbol_of_name(name: str) -> Hashable:
    """What to call the value of a library name; a variable of the environment is one however it is read."""
    variable = name.removeprefix("os.environ[")
    return ("environment", variable[1:-2]) if variable != name else ("external", name)


ATTRIBUTES_OF: Slot[dict[Atom, Obj]] = Slot(dict)
"""By dict: the object whose attributes it is, as ``vars(x)`` and ``x.__dict__`` give them."""


def method_for(receiver: Obj, name: str) -> MethodHandler | None:
    """What a method of an object does, if it is known."""
    return METHODS.get((receiver.kind, name)) or METHODS.get((receiver.kind, "*"))


__all__: list[Any] = [
    "ATTRIBUTES",
    "CANONICAL",
    "ENTERING",
    "FUNCTIONS",
    "HOOKS",
    "ITERATION",
    "METHODS",
    "CallInfo",
    "attribute",
    "canonical",
    "data_of",
    "function",
    "function_for",
    "load_all",
    "method",
    "method_for",
    "prefix",
    "tell_hooks",
]
