"""The interpreter: frames, the path condition, bounds, and dispatch to the handlers of each node.

The handlers live in the room ``language`` and register themselves here; what library names mean lives in
``library``. Values that hit a bound become Unknown, never wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from typing import Any

import libcst as cst

from dpmigrate.analysis.domain.atoms import Atom, Batch, Const, Obj, Unknown
from dpmigrate.analysis.domain.store import Delta, Store
from dpmigrate.analysis.domain.values import Class, Function, Value, of
from dpmigrate.analysis.frames import Attempt, ExhaustedError, Frame
from dpmigrate.analysis.guards import ALWAYS, Guard, Literal, contradict, none_of, together
from dpmigrate.analysis.ledger import Circumstances, Event, Origin, Step, Turn
from dpmigrate.analysis.notes import Slot
from dpmigrate.analysis.observations import Observations
from dpmigrate.analysis.retired import Retired
from dpmigrate.analysis.source.modules import ModuleInfo, Modules
from dpmigrate.analysis.source.texts import JoinedTexts
from dpmigrate.analysis.training import Fallback, TrainingRun
from dpmigrate.workspace.errors import own_error

MAX_CALL_DEPTH = 14
MAX_STEPS = 30_000
"""Statements and calls executed from one root before calls are no longer entered."""
RESERVE = 2 / 3
"""What the roots of a project may take beyond that, all together, as a part of it: most projects that need
more have one root that does, and it needs little more."""
MAX_TOTAL = 270_000
"""Statements and calls executed in one project before calls are no longer entered at all."""
MAX_UNROLL = 8


Handler = Callable[["Interpreter", Any], Value]
StatementHandler = Callable[["Interpreter", Any], bool]

EXPRESSIONS: dict[type[cst.CSTNode], Handler] = {}
STATEMENTS: dict[type[cst.CSTNode], StatementHandler] = {}


def expression(*kinds: type[cst.CSTNode]) -> Callable[[Handler], Handler]:
    """Register the evaluation of some expression nodes."""

    def register(handler: Handler) -> Handler:
        EXPRESSIONS.update(dict.fromkeys(kinds, handler))
        return handler

    return register


def statement(*kinds: type[cst.CSTNode]) -> Callable[[StatementHandler], StatementHandler]:
    """Register the execution of some statement nodes; handlers say whether control goes on."""

    def register(handler: StatementHandler) -> StatementHandler:
        STATEMENTS.update(dict.fromkeys(kinds, handler))
        return handler

    return register


class Interpreter:
    """The state of one analysis of one project."""

    def __init__(self, modules: Modules) -> None:
        self.modules = modules
        self.store = Store()
        self.path: Guard = ALWAYS
        self.frames: list[Frame] = []
        self.loops: list[Turn] = []
        self.gradients_off = False
        """Whether what is computed has no graph, as under ``torch.no_grad()``."""
        self.attempts: list[Attempt] = []
        """The bodies of ``try`` that are being executed, across frames."""
        self.conditional = 0
        self.tests: list[tuple[cst.BaseExpression, int, Guard]] = []
        """The tests of the branches that are being executed: each with the number of loops around it, and
        the path condition without it."""
        self.fallbacks: dict[Literal, Fallback] = {}
        """By the assumption that something raised: what handles it."""
        self.apart_ways = 0
        """Enclosing conditions whose branches are executed once for each way into them."""
        self.runs: dict[Hashable, TrainingRun] = {}
        self.runs_by_object: dict[Atom, dict[int, TrainingRun]] = {}
        """The runs that an object was handed to (model, optimizer, loader, criterion)."""
        self.remade: list[TrainingRun] = []
        """Runs whose call was come to again in the same context, one entry for each time."""
        self.making_calls: set[cst.CSTNode] = set()
        """The calls of a method that makes private runs, whoever's it is, that were come to."""
        self.retired = Retired()
        """What is used of Opacus's API that some release has dropped."""
        self.met: dict[TrainingRun, None] = {}
        """The runs that the current root made, or did something to."""
        self.executed: dict[str, ModuleInfo] = {}
        self.texts = JoinedTexts()
        """Those of the executed modules."""
        self.resolving: set[tuple[Hashable, str]] = set()
        """Names of modules that are being settled, each of which may mean itself."""
        self.starred: dict[str, set[str]] = {}
        """By name that is being looked up: the modules asked for it among what they import by a star."""
        self.replaced: set[tuple[Atom, str]] = set()
        """Methods of objects that the program replaced, of which the new one is being called."""
        self.entered: set[Hashable] = set()
        """Keys of the functions that some call entered (a nested one once per enclosing frame)."""
        self.entered_of: set[tuple[Hashable, Hashable]] = set()
        """Methods (by key) that some call entered on an instance of a class (by key), inherited ones too."""
        self.recursive: dict[Function, None] = {}
        """Functions that call themselves, in the end, which is not followed."""
        self.made: list[Function] = []
        """Every function that was defined, to enter those that nothing calls."""
        self.classes: list[Class] = []
        self.instances: dict[Obj, Value | None] = {}
        """The instances of the project's classes, and how the process was seeded when each was made."""
        self.births: dict[Obj, Circumstances] = {}
        """Where, and in which loops, each object of a library or of a project's class is made."""
        self.tested: dict[Hashable, set[str]] = {}
        """Constants that the program compares an unknown value with."""
        self.questions: dict[Hashable, Origin] = {}
        """Where the program first asks what an assumption is about."""
        self.switches: frozenset[int] = frozenset()
        """Literals (by identity) that whoever runs the program may change, see ``roots.switches``."""
        self.turnable: dict[Literal, Origin] = {}
        """Those that were met, by the assumption that they are as they are written."""
        self.seeds: dict[tuple[Origin, tuple[Turn, ...], bool, bool], None] = {}
        """Where, and in which loops, a global seed was set; whether to a constant, and to just one value."""
        self.plain_passes: dict[tuple[ModuleInfo, cst.CSTNode, int], None] = {}
        """Backward passes, by context, over losses of a known kind that no private run has to do with."""
        self.observations = Observations()
        self.callees: dict[cst.CSTNode, dict[Function, None]] = {}
        """The project's functions that each call was seen to enter."""
        self.notes: dict[Slot[Any], Any] = {}
        """What handlers remember, each in the slots that it declares."""
        self.entry_paths: set[str] = set()
        self.beside: frozenset[str] = frozenset()
        """The modules (by key) that have to do with no private run, see ``Group.beside``."""
        self.steps = 0
        self.reserve = int(RESERVE * MAX_STEPS)
        """How much of the reserve is left."""
        self.allowed = MAX_STEPS + self.reserve
        """How many steps the present root may take."""
        self.total = 0
        self.exhausted = False
        self.spent = False
        self.roots_exhausted: list[str] = []
        self.too_deep: list[str] = []
        self.failures: dict[str, str] = {}
        """What the analysis itself failed with in a module (by key): the first error of each."""
        self.entered_on: Hashable = None
        """The object that the method which nothing calls is entered on."""
        self._contexts: dict[tuple[Hashable, ...], int] = {(): 0}
        self._calls: list[Hashable] = []
        self._context: int | None = None
        """The number of the current chain of calls, once somebody asked for it."""
        self._chain: list[Step] = []
        """The same chain, as the ledger has it."""

    # -- where we are ---------------------------------------------------------------------

    @property
    def frame(self) -> Frame:
        """The innermost frame."""
        return self.frames[-1]

    @property
    def module(self) -> ModuleInfo:
        """The module whose code is being executed."""
        return self.frames[-1].module

    @property
    def context(self) -> int:
        """A number for the current chain of calls and unrolled iterations."""
        if self._context is None:
            self._context = self._contexts.setdefault(tuple(self._calls), len(self._contexts))
        return self._context

    @property
    def in_one_turn(self) -> bool:
        """Whether what is executed happens once: all loops around are followed turn by turn."""
        return all(turn.number is not None for turn in self.loops)

    @property
    def chain(self) -> tuple[Step, ...]:
        """The calls and followed turns on the way here, outermost first."""
        return tuple(self._chain)

    @property
    def way_here(self) -> tuple[tuple[Hashable, ...], tuple[Step, ...]]:
        """The calling context, to be resumed by what is defined here and called later."""
        return tuple(self._calls), tuple(self._chain)

    def resume(self, frame: Frame) -> None:
        """Go on in the calling context of a frame: what one activation defines is not another's."""
        self._calls, self._chain = list(frame.way[0]), list(frame.way[1])

    @contextmanager
    def inside(self, node: cst.CSTNode, number: int | None = None) -> Iterator[None]:
        """Execute in a longer calling context: after a call, or in one turn of a loop."""
        receiver = None if self._calls else self.entered_on
        around, self._context = self._context, None
        self._calls.append((id(node), number, receiver))
        self._chain.append(Step(self.origin(node), number, receiver))
        try:
            yield
        finally:
            self._calls.pop()
            self._chain.pop()
            self._context = around

    def origin(self, node: cst.CSTNode, text: str = "") -> Origin:
        """A place in the current module."""
        return Origin(self.module, node, text)

    # -- values ---------------------------------------------------------------------------

    def evaluate(self, node: cst.CSTNode) -> Value:
        """The value of an expression under the current path condition."""
        handler = EXPRESSIONS.get(type(node))
        if handler is None:
            return self.unknown(node, "expression")
        value = handler(self, node)
        entries = value.entries
        if entries and (len(entries) > 1 or type(entries[0].atom) is not Const):
            self.observations.add(node, value, self.path)
        return value

    def unknown(
        self, node: cst.CSTNode, reason: str, parts: frozenset[Atom] = frozenset(), never_none: bool = False
    ) -> Value:
        """A fresh unknown, the same one whenever this node is evaluated in this context, of one batch."""
        batches = frozenset([part for part in parts if type(part) is Batch]) if parts else None
        told_by = ("node", id(node), self.context, batches) if batches else ("node", id(node), self.context)
        return of(Unknown(told_by, reason, parts, never_none))

    def new(self, kind: str, node: cst.CSTNode, data: Any = None, extra: Hashable = None) -> Obj:
        """An object allocated at a node in the current context."""
        made = Obj(kind, (id(node), self.context, extra), self.module, node, data)
        if kind in ("dict", "instance"):
            self.store.make(made)
        if kind != "dict" and made not in self.births:
            self.births[made] = self.at(node)
        return made

    def feasible(self, value: Value) -> Value:
        """The part of a value that agrees with the path condition."""
        path = self.path
        if path:
            for e in value.entries:
                if e.guard and contradict(e.guard, path):
                    return Value(tuple(e for e in value.entries if not contradict(e.guard, path)))
        return value

    def read(self, owner: Hashable, name: Hashable) -> Value | None:
        """A slot of the store, seen under the path condition."""
        value = self.store.get(owner, name)
        return None if value is None else self.feasible(value)

    # -- statements -----------------------------------------------------------------------

    def execute(self, node: cst.CSTNode) -> bool:
        """Run a statement; says whether control goes on after it."""
        self.count()
        handler = STATEMENTS.get(type(node))
        return True if handler is None else handler(self, node)

    def count(self) -> None:
        """Count one statement or call. Raises ExhaustedError far beyond the budget.

        What stands in no call, no loop and no branch that is gone through once for each way into it
        is executed once for every time that it is written: its text bounds it, however long.
        """
        if not (self._calls or self.loops or self.apart_ways):
            return
        self.steps += 1
        self.total += 1
        if self.steps > self.allowed or self.total > MAX_TOTAL:
            self.exhausted = True
        if self.steps > self.allowed + MAX_STEPS:
            raise ExhaustedError

    def execute_all(self, nodes: Any) -> bool:
        """Run statements in order until one does not go on."""
        return all(map(self.execute, nodes))

    def assume(self, guard: Guard) -> bool:
        """Extend the path condition; False when that makes the path impossible."""
        if not guard:
            return True
        if contradict(self.path, guard):
            return False
        self.path = together(self.path, guard)
        return True

    def alternatives(self, branches: list[tuple[Guard, Callable[[], bool]]]) -> bool:
        """Run alternative continuations from the same state and join what they leave.

        Each branch is a guard and an action that says whether control goes on. A branch whose
        guard contradicts the path is not run. Returns whether control goes on at all.
        """
        before = self.path
        survivors: list[tuple[Delta, Guard, Guard]] = []
        left: list[Guard] = []
        for guard, action in branches:
            self.path = before
            if not self.assume(guard):
                continue
            self.store.push()
            try:
                alive = action()
            finally:
                delta = self.store.pop()
            if alive:
                survivors.append((delta, guard, self.path))
            else:
                left.append(guard)
        self.path = before
        if not survivors:
            return False
        # What all had to assume that go on holds from here on.
        self.path = frozenset.intersection(*(path for _, _, path in survivors))
        if left and any(path != self.path for _, _, path in survivors):
            self.path = together(self.path, frozenset({none_of(left)}))
        if len(survivors) == 1:
            self.store.join([(survivors[0][0], ALWAYS)])
        else:
            # What a branch had to assume to go on (what it raises on does not hold) goes with what it leaves.
            self.store.join([(delta, together(guard, path - before)) for delta, guard, path in survivors])
        return True

    # -- modules --------------------------------------------------------------------------

    def run_module(self, info: ModuleInfo) -> Hashable:
        """Execute a module's top level once, in the outermost layer; the owner of its names."""
        owner = ("module", info.key)
        if info.key in self.executed:
            return owner
        self.executed[info.key] = info
        self.texts.add(info.source.data)
        with self.apart():
            self.frames.append(Frame(owner, info, depth=1))
            with self.failing_apart(info.key):
                self.execute_all(info.tree.body)
        return owner

    @contextmanager
    def failing_apart(self, key: str) -> Iterator[None]:
        """Keep an error of our own to one module: it is noted, and the rest of the program goes on."""
        try:
            yield
        except (ExhaustedError, RecursionError):
            raise
        except Exception as error:
            self.failures.setdefault(key, own_error(error))

    @contextmanager
    def apart(self) -> Iterator[None]:
        """Execute outside the current function, path and layers (imports, roots)."""
        names = ("path", "frames", "loops", "attempts", "conditional", "entered_on", "_calls", "_chain")
        saved = {name: getattr(self, name) for name in (*names, "gradients_off")}
        self.path, self.frames, self.loops, self.attempts = ALWAYS, [], [], []
        self.conditional, self.entered_on, self._calls, self._chain = 0, None, [], []
        self.gradients_off = False
        around, self._context = self._context, None
        try:
            with self.store.standing_on(1):
                yield
        finally:
            for name, value in saved.items():
                setattr(self, name, value)
            self._context = around

    # -- runs -----------------------------------------------------------------------------

    def hand_over(self, run: TrainingRun, *objects: Atom) -> None:
        """Remember that a run was made from these objects."""
        for atom in objects:
            self.runs_by_object.setdefault(atom, {})[id(run)] = run

    def at(self, node: cst.CSTNode, guard: Guard = ALWAYS) -> Circumstances:
        """A node as the place of an event, under the path condition and ``guard``."""
        return Circumstances(
            self.origin(node), guard | self.path, self.chain, tuple(self.loops), self.conditional > 0
        )

    def happen(self, run: TrainingRun, event: Event) -> None:
        """Record an event of a run, unless its assumptions contradict one another."""
        if not contradict(event.guard, event.guard):
            self.met[run] = None
            run.add(event)

    def asks(self, test: cst.CSTNode, guard: Guard) -> None:
        """A test has come to depend on assumptions: where each was asked first is remembered."""
        for literal in guard - self.path:
            self.questions.setdefault(literal.symbol, self.origin(test))

    def names_ghost(self, run: TrainingRun) -> None:
        """The program takes four results of a run: it is written for a ghost mode, whoever sets it."""
        if run.supposed and isinstance(run.mode_atom, Unknown):
            self.tested.setdefault(run.mode_atom.symbol, set()).add(run.mode)
