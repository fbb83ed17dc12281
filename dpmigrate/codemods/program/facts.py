"""What a fix asks about an analysed program: parents, scopes, callers, what expressions were."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator
from functools import cached_property
from typing import Any, TypeVar

import libcst as cst

from dpmigrate.analysis.ledger import ALWAYS, Guard, Thing, What
from dpmigrate.analysis.ledger.analysed import Analysed, Component
from dpmigrate.analysis.ledger.expressions import Defined, Named
from dpmigrate.analysis.source.modules import ModuleInfo
from dpmigrate.analysis.source.tree import Nesting
from dpmigrate.codemods.program.wrappers import calls_through

Scope = cst.FunctionDef | cst.Lambda | cst.ClassDef | cst.Module
Node = TypeVar("Node", bound=cst.CSTNode)
Answer = TypeVar("Answer")


class Facts:
    """Queries over what was seen of one component. Nodes are those of ``ModuleInfo.tree``."""

    def __init__(self, part: Component, modules: Iterable[ModuleInfo]) -> None:
        self.expressions = part.expressions
        self.retired_calls = part.retired_calls
        self.paths = part.modules
        """Which file an import leads to."""
        self.modules = list(modules)
        self._module_of: dict[int, ModuleInfo] = {}
        """By the identity of every node, where there are several modules."""
        self._held: dict[int, list[What]] = {}
        """What each node was seen to be, whatever is assumed; and below, what each call calls."""
        self._called: dict[int, list[What]] = {}
        self._once: dict[Callable[[Facts], Any], Any] = {}
        self.callers: dict[cst.CSTNode, list[tuple[cst.CSTNode, ModuleInfo]]] = {}
        """Call nodes by the function node that they enter."""
        for info in self.modules if len(self.modules) > 1 else ():
            self._module_of.update(dict.fromkeys(map(id, info.nesting.nodes), info))
        for call in self.expressions.calls:
            module = self._module(call)
            if module is not None:
                for fn in self.expressions.entered(call):
                    self.callers.setdefault(fn.node, []).append((call, module))
        self._through: dict[int, list[Defined]] = {}
        """The decorated functions that a call enters through what the decorator put around them."""
        self._see_through_wrappers()

    def _see_through_wrappers(self) -> None:
        for call, inside, called in calls_through(self):
            entered = self._through.setdefault(id(call), [])
            if called not in entered:
                entered.append(called)
                kept = [caller for caller in self.callers[called.node] if caller[0] is not inside]
                self.callers[called.node] = [*kept, (call, self.module_of(call))]

    def once(self, ask: Callable[[Facts], Answer]) -> Answer:
        """What a function says of these facts, which many fixes ask and all of the code answers."""
        if ask not in self._once:
            self._once[ask] = ask(self)
        answer: Answer = self._once[ask]
        return answer

    # -- the tree -------------------------------------------------------------------------

    def module_of(self, node: cst.CSTNode) -> ModuleInfo:
        """The module that a node belongs to. Raises KeyError for a node of none of them."""
        module = self._module(node)
        if module is None:
            raise KeyError(node)
        return module

    def _module(self, node: cst.CSTNode) -> ModuleInfo | None:
        if len(self.modules) == 1:
            return self.modules[0] if node in self.modules[0].nesting else None
        return self._module_of.get(id(node))

    def knows(self, node: cst.CSTNode) -> bool:
        """Whether a node belongs to a module of the project."""
        return self._module(node) is not None

    def parent(self, node: cst.CSTNode) -> cst.CSTNode | None:
        """The node around a node."""
        return self._nesting(node).parent(node)

    def above(self, node: cst.CSTNode) -> Iterator[cst.CSTNode]:
        """The nodes around a node, innermost first."""
        return self._nesting(node).above(node)

    def _nesting(self, node: cst.CSTNode) -> Nesting:
        return self.module_of(node).nesting

    def nearest(self, node: cst.CSTNode, *kinds: type[cst.CSTNode]) -> cst.CSTNode | None:
        """The node itself, or the innermost around it, of some kinds."""
        if isinstance(node, kinds):
            return node
        return next((n for n in self.above(node) if isinstance(n, kinds)), None)

    def statement(self, node: cst.CSTNode) -> cst.CSTNode:
        """The statement (a line, or a compound statement) that holds a node."""
        kinds = (cst.SimpleStatementLine, cst.SimpleStatementSuite, cst.BaseCompoundStatement)
        around = (
            node if isinstance(node, kinds) else next(n for n in self.above(node) if isinstance(n, kinds))
        )
        assert around is not None
        return around

    def removable(self, node: cst.CSTNode) -> cst.CSTNode:
        """What goes when the statement that holds a node goes: its line, or its part of a shared line."""
        around = (node, *self.above(node))
        small = next((n for n in around if isinstance(n, cst.BaseSmallStatement)), None)
        line = self.statement(node)
        if small is None or (isinstance(line, cst.SimpleStatementLine) and len(line.body) == 1):
            return line
        return small

    def scope(self, node: cst.CSTNode) -> Scope:
        """The function or module (or class body) whose variables a node sees first."""
        around = next(
            n
            for n in self.above(node)
            if isinstance(n, (cst.FunctionDef, cst.Lambda, cst.ClassDef, cst.Module))
        )
        if isinstance(around, cst.FunctionDef) and not self._in_body(node, around):
            return self.scope(around)
        return around

    def _in_body(self, node: cst.CSTNode, function: cst.FunctionDef) -> bool:
        current: cst.CSTNode | None = node
        while current is not None and current is not function:
            if current is function.body or current is function.params:
                return True
            current = self.parent(current)
        return False

    def class_of(self, function: cst.CSTNode) -> cst.ClassDef | None:
        """The class whose method a function is."""
        around = next(
            (n for n in self.above(function) if isinstance(n, (cst.FunctionDef, cst.ClassDef))), None
        )
        return around if isinstance(around, cst.ClassDef) else None

    def below(self, root: cst.CSTNode) -> list[cst.CSTNode]:
        """A node and all nodes below it, in the order of the text."""
        return self._nesting(root).below(root)

    def inside(self, root: cst.CSTNode, kind: type[Node]) -> list[Node]:
        """Those of a kind, in the order of the text."""
        return self._nesting(root).inside(root, kind)

    def own(self, scope: cst.CSTNode, kind: type[Node]) -> list[Node]:
        """The nodes of a kind in a scope, nested functions and classes left out."""
        return self._nesting(scope).own(scope, kind)

    def code(self, node: cst.CSTNode) -> str:
        """The text of a node."""
        return self.module_of(node).tree.code_for_node(node)

    def position(self, node: cst.CSTNode) -> int:
        """The line on which a node begins."""
        return self.module_of(node).line(node)

    def in_order(self, nodes: Iterable[Node]) -> list[Node]:
        """Nodes, each once, in the order of the modules and their text."""
        places = {info.key: place for place, info in enumerate(self.modules)}

        def place(node: cst.CSTNode) -> tuple[int, int]:
            info = self.module_of(node)
            return places[info.key], info.nesting.number(node)

        return sorted(dict.fromkeys(nodes), key=place)

    def is_before(self, one: cst.CSTNode, other: cst.CSTNode) -> bool:
        """Whether one node begins before another of the same module."""
        lines = self.position(one), self.position(other)
        if lines[0] != lines[1] or one is other:
            return lines[0] < lines[1]
        nesting = self._nesting(one)
        return nesting.number(one) < nesting.number(other)

    # -- values ---------------------------------------------------------------------------

    def held(self, node: cst.CSTNode, guard: Guard = ALWAYS) -> list[What]:
        """What an expression was seen to be, where that does not contradict ``guard``."""
        if guard:
            return self.expressions.held(node, guard)
        if id(node) not in self._held:
            self._held[id(node)] = self.expressions.held(node, guard)
        return self._held[id(node)]

    def is_a(self, node: cst.CSTNode, kind: str) -> bool:
        """Whether an expression was seen to be an object of a kind."""
        return any(isinstance(w, Thing) and w.kind == kind for w in self.held(node))

    def made_at(self, node: cst.CSTNode, kind: str) -> cst.CSTNode | None:
        """Where the only object of a kind that an expression was seen to be was made."""
        places = {making_node(w) for w in self.held(node) if isinstance(w, Thing) and w.kind == kind}
        return places.pop() if len(places) == 1 else None

    def reached(self, node: cst.CSTNode, guard: Guard = ALWAYS) -> bool:
        """Whether an expression was evaluated under ``guard`` at all."""
        return self.expressions.reached(node, guard)

    def called(self, call: cst.Call, guard: Guard = ALWAYS) -> list[What]:
        """What the thing that is called was seen to be."""
        if guard:
            return self.expressions.called(call, guard)
        if id(call) not in self._called:
            self._called[id(call)] = self.expressions.called(call, guard)
        return self._called[id(call)]

    @cached_property
    def called_places(self) -> frozenset[cst.CSTNode | None]:
        """Where each object is made that is called anywhere."""
        calls = (call for info in self.modules for call in self.inside(info.tree, cst.Call))
        return frozenset(making_node(w) for call in calls for w in self.called(call) if isinstance(w, Thing))

    @cached_property
    def _calls_by_callee(self) -> dict[Hashable, list[cst.Call]]:
        calls: dict[Hashable, list[cst.Call]] = {}
        for info in self.modules:
            for call in self.inside(info.tree, cst.Call):
                for key in {*keys_of(self.called(call)), *keys_of(self.functions_entered(call))}:
                    calls.setdefault(key, []).append(call)
        return calls

    def calls_of(self, callee: Thing, guard: Guard) -> Iterator[cst.Call]:
        """The calls of a thing under ``guard``, in the order of the modules and their text."""
        calls = self._calls_by_callee.get(callee.key, ())
        return (call for call in calls if callee.key in keys_of(self.called(call, guard)))

    def members(self, node: cst.CSTNode, name: str) -> list[What]:
        """What a member of an expression was seen to be; nothing where it has none that is known."""
        return self.expressions.members(node, name)

    def record_made_only_by(self, call: cst.Call) -> cst.ClassDef | None:
        """The project's record (a named tuple, a dataclass) that a call makes and no other call does."""
        things_called = self.called(call)
        made = things_called[0] if len(things_called) == 1 else None
        if not isinstance(made, Defined) or not isinstance(made.node, cst.ClassDef) or not made.record:
            return None
        return made.node if self.knows(made.node) and list(self.calls_of(made, ALWAYS)) == [call] else None

    def gives_back(self, call: cst.CSTNode) -> bool:
        """Whether a call that enters a function has its result as its value: ``map(f, xs)`` has not."""
        if not isinstance(call, cst.Call):
            return True
        things = [what for what in self.called(call) if isinstance(what, Thing)]
        return bool(things) and not any(isinstance(thing, Named) for thing in things)

    def functions_entered(self, call: cst.Call) -> list[Defined]:
        """The project's functions that a call enters, through what decorators put around them."""
        return self._through.get(id(call)) or self.expressions.entered(call)


def making_node(thing: Thing) -> cst.CSTNode | None:
    """The node at which an object is made; None where that cannot be seen."""
    return thing.made.origin.node if thing.made is not None else None


def keys_of(things: Iterable[What]) -> set[Hashable]:
    """What tells the objects among some things apart."""
    return {thing.key for thing in things if isinstance(thing, Thing)}


class FactsByPart:
    """The facts of each component of a program, made when somebody asks: nothing flows between two.

    ``known`` holds those of components that other programs may share.
    """

    def __init__(self, program: Analysed, known: dict[Component, Facts] | None = None) -> None:
        self.program = program
        self.known: dict[Component, Facts] = {} if known is None else known

    def of(self, module: ModuleInfo) -> Facts:
        """The facts of the component that a module is part of."""
        part = self.program.part_of(module) or self.program.parts[0]
        if part not in self.known:
            modules = (m for m in self.program.modules.loaded() if m.key in part.executed)
            self.known[part] = Facts(part, modules)
        return self.known[part]
