"""What a fix asks about an analysed program: parents, scopes, callers, what expressions were."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator
from functools import cached_property
from typing import Any, TypeVar

import libcst as cst

from dpmigrate.analysis.atoms import Atom, External, Module, Obj, Unknown
from dpmigrate.analysis.classes import is_record
from dpmigrate.analysis.core import Interpreter
from dpmigrate.analysis.ledger import ALWAYS, Guard, contradict
from dpmigrate.analysis.modules import ModuleInfo
from dpmigrate.analysis.nesting import Nesting
from dpmigrate.analysis.per_example import class_honours, reduction_default
from dpmigrate.analysis.program import Program
from dpmigrate.analysis.retired import RetiredCall
from dpmigrate.analysis.values import Class, Function

Scope = cst.FunctionDef | cst.Lambda | cst.ClassDef | cst.Module
Node = TypeVar("Node", bound=cst.CSTNode)
Answer = TypeVar("Answer")


class Facts:
    """Queries over what one interpreter saw. Nodes are those of ``ModuleInfo.tree``."""

    def __init__(self, interpreter: Interpreter, modules: Iterable[ModuleInfo]) -> None:
        self.interpreter = interpreter
        self.modules = list(modules)
        self._module_of: dict[int, ModuleInfo] = {}
        """By the identity of every node."""
        self._atoms: dict[int, list[Atom]] = {}
        """What each node was seen to be, whatever is assumed; and below, what each call calls."""
        self._callees: dict[int, list[Atom]] = {}
        self._once: dict[Callable[[Facts], Any], Any] = {}
        self.callers: dict[cst.CSTNode, list[tuple[cst.CSTNode, ModuleInfo]]] = {}
        """Call nodes by the function node that they enter."""
        for info in self.modules:
            self._module_of.update(dict.fromkeys(map(id, info.nesting.nodes), info))
        for call, functions in interpreter.callees.items():
            module = self._module_of.get(id(call))
            if module is not None:
                for fn in functions:
                    self.callers.setdefault(fn.node, []).append((call, module))

    # -- criteria -------------------------------------------------------------------------

    def honours_reduction(self, criterion: Class) -> bool:
        """Whether a project's class certainly gives one loss per example once ``reduction`` is "none"."""
        return class_honours(self.interpreter, criterion) is True

    def reduction_default(self, criterion: Class) -> str | None:
        """The default that a project's class gives ``reduction``; None where it has none."""
        return reduction_default(self.interpreter, criterion)

    def once(self, ask: Callable[[Facts], Answer]) -> Answer:
        """What a function says of these facts, which many fixes ask and all of the code answers."""
        if ask not in self._once:
            self._once[ask] = ask(self)
        answer: Answer = self._once[ask]
        return answer

    # -- the tree -------------------------------------------------------------------------

    def module_of(self, node: cst.CSTNode) -> ModuleInfo:
        """The module that a node belongs to."""
        return self._module_of[id(node)]

    def knows(self, node: cst.CSTNode) -> bool:
        """Whether a node belongs to a module of the project."""
        return id(node) in self._module_of

    def parent(self, node: cst.CSTNode) -> cst.CSTNode | None:
        """The node around a node."""
        return self._nesting(node).parent(node)

    def above(self, node: cst.CSTNode) -> Iterator[cst.CSTNode]:
        """The nodes around a node, innermost first."""
        return self._nesting(node).above(node)

    def nearest(self, node: cst.CSTNode, *kinds: type[cst.CSTNode]) -> cst.CSTNode | None:
        """The node itself, or the innermost around it, of some kinds."""
        if isinstance(node, kinds):
            return node
        return next((n for n in self.above(node) if isinstance(n, kinds)), None)

    def statement(self, node: cst.CSTNode) -> cst.CSTNode:
        """The statement (a line, or a compound statement) that holds a node."""
        kinds = (cst.SimpleStatementLine, cst.SimpleStatementSuite, cst.BaseCompoundStatement)
        found = node if isinstance(node, kinds) else next(n for n in self.above(node) if isinstance(n, kinds))
        assert found is not None
        return found

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
        found = next(
            n
            for n in self.above(node)
            if isinstance(n, (cst.FunctionDef, cst.Lambda, cst.ClassDef, cst.Module))
        )
        if isinstance(found, cst.FunctionDef) and not self._in_body(node, found):
            return self.scope(found)
        return found

    def _in_body(self, node: cst.CSTNode, function: cst.FunctionDef) -> bool:
        current: cst.CSTNode | None = node
        while current is not None and current is not function:
            if current is function.body or current is function.params:
                return True
            current = self.parent(current)
        return False

    def class_of(self, function: cst.CSTNode) -> cst.ClassDef | None:
        """The class whose method a function is."""
        found = next(
            (n for n in self.above(function) if isinstance(n, (cst.FunctionDef, cst.ClassDef))), None
        )
        return found if isinstance(found, cst.ClassDef) else None

    def _nesting(self, node: cst.CSTNode) -> Nesting:
        return self._module_of[id(node)].nesting

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

    @property
    def retired_calls(self) -> list[RetiredCall]:
        """The calls of the API of Opacus 0.x."""
        return list(self.interpreter.retired.calls.values())

    # -- values ---------------------------------------------------------------------------

    def atoms(self, node: cst.CSTNode, guard: Guard = ALWAYS) -> list[Atom]:
        """What an expression was seen to be, where that does not contradict ``guard``."""
        known = self._atoms.get(id(node)) if not guard else None
        if known is None:
            seen = self.interpreter.observed.get(node, {})
            known = list(dict.fromkeys(a for a, g in seen if not contradict(g, guard)))
            if not guard:
                self._atoms[id(node)] = known
        return known

    def is_a(self, node: cst.CSTNode, kind: str) -> bool:
        """Whether an expression was seen to be an object of a kind."""
        return any(isinstance(a, Obj) and a.kind == kind for a in self.atoms(node))

    def made_at(self, node: cst.CSTNode, kind: str) -> cst.CSTNode | None:
        """Where the only object of a kind that an expression was seen to be was made."""
        places = {a.node for a in self.atoms(node) if isinstance(a, Obj) and a.kind == kind}
        return places.pop() if len(places) == 1 else None

    def reached(self, node: cst.CSTNode, guard: Guard = ALWAYS) -> bool:
        """Whether an expression was evaluated under ``guard`` at all."""
        return any(not contradict(g, guard) for _, g in self.interpreter.observed.get(node, {}))

    def callee_atoms(self, call: cst.Call, guard: Guard = ALWAYS) -> list[Atom]:
        """What the thing that is called was seen to be."""
        if guard:
            return self._called(call, guard)
        known = self._callees.get(id(call))
        if known is None:
            known = self._callees[id(call)] = self._called(call, guard)
        return known

    def _called(self, call: cst.Call, guard: Guard) -> list[Atom]:
        entered = self.interpreter.callees.get(call)
        func = call.func
        if not isinstance(func, cst.Attribute):
            return self.atoms(func, guard) or list(entered or ())
        found: list[Atom] = []
        for receiver in self.atoms(func.value, guard):
            found.extend(self._member(receiver, func.attr.value))
        return list(dict.fromkeys(found)) or list(entered or ())

    @cached_property
    def _calls_by_callee(self) -> dict[Hashable, list[cst.Call]]:
        calls: dict[Hashable, list[cst.Call]] = {}
        for info in self.modules:
            for call in self.inside(info.tree, cst.Call):
                for atom in {*self.callee_atoms(call), *self.interpreter.callees.get(call, ())}:
                    calls.setdefault(atom, []).append(call)
        return calls

    def calls_of(self, callee: Hashable, guard: Guard) -> Iterator[cst.Call]:
        """The calls of a thing under ``guard``, in the order of the modules and their text."""
        calls = self._calls_by_callee.get(callee, ())
        return (call for call in calls if callee in self.callee_atoms(call, guard))

    def members(self, node: cst.CSTNode, name: str) -> list[Atom]:
        """What a member of an expression was seen to be; nothing where it has none that is known."""
        atoms = [a for a in self.atoms(node) if isinstance(a, (Class, Obj))]
        return [m for a in atoms for m in self._member(a, name)]

    def _member(self, receiver: Atom, name: str) -> list[Atom]:
        from dpmigrate.analysis.library.registry import canonical

        if isinstance(receiver, External):
            return [External(canonical(f"{receiver.name}.{name}"))]
        owner: object = None
        if isinstance(receiver, Module):
            owner = ("module", receiver.info.key)
        elif isinstance(receiver, Class):
            owner = ("class", receiver.key)
        elif isinstance(receiver, Obj) and receiver.kind != "parser":
            # What the analysis keeps with a parser are options: they become attributes of its result.
            owner = receiver
        elif isinstance(receiver, Unknown):
            return [Unknown(("member", receiver.symbol, name))]
        if owner is None:
            return []
        value = self.interpreter.store.get(owner, name)
        return list(value.atoms) if value is not None else []

    def record_made_only_by(self, call: cst.Call) -> cst.ClassDef | None:
        """The project's record (a named tuple, a dataclass) that a call makes and no other call does."""
        atoms = self.callee_atoms(call)
        made = atoms[0] if len(atoms) == 1 else None
        if not isinstance(made, Class) or not is_record(made) or not self.knows(made.node):
            return None
        return made.node if list(self.calls_of(made, ALWAYS)) == [call] else None

    def functions_entered(self, call: cst.Call) -> list[Function]:
        """The project's functions that a call enters."""
        return list(self.interpreter.callees.get(call, ()))


class FactsByPart:
    """The facts of each component of a program, made when somebody asks: nothing flows between two.

    ``known`` holds those of components that other programs may share, by ``id`` of the interpreter.
    """

    def __init__(self, program: Program, known: dict[int, Facts] | None = None) -> None:
        self.program = program
        self.known: dict[int, Facts] = {} if known is None else known

    def of(self, module: ModuleInfo) -> Facts:
        """The facts of the component that a module is part of."""
        ip = self.program.interpreter_of(module) or self.program.parts[0].interpreter
        if id(ip) not in self.known:
            self.known[id(ip)] = Facts(ip, (m for m in self.program.modules.loaded() if m.key in ip.executed))
        return self.known[id(ip)]
