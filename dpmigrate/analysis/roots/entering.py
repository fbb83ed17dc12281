"""Entering a program as the world outside does: roots, and what no call of its own reaches."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial

import libcst as cst

from dpmigrate.analysis import core, registry
from dpmigrate.analysis.core import Interpreter
from dpmigrate.analysis.domain.atoms import Const, Obj, Unknown
from dpmigrate.analysis.domain.values import NOTHING, Class, Function, Value, join_all, of
from dpmigrate.analysis.frames import ExhaustedError, Frame
from dpmigrate.analysis.guards import ALWAYS, Guard, entered
from dpmigrate.analysis.language.beside import left_something_out, root_entered
from dpmigrate.analysis.language.classes import external_base, external_names, is_enum, is_record
from dpmigrate.analysis.language.functions import enter_function, instantiate
from dpmigrate.analysis.library.filled_in import set_from_outside
from dpmigrate.analysis.library.options import outside_parameter
from dpmigrate.analysis.library.rounds import calls_in_rounds, made_for_a_round
from dpmigrate.analysis.notes import Slot
from dpmigrate.analysis.registry import CallInfo
from dpmigrate.analysis.roots.leading import (
    LEADING,
    MAKERS,
    RETIRED,
    TRAINING,
    holds_run,
    leading_to,
    leads_to_runs,
    may_use_runs,
    mentioned_by_others,
    modules_leading_to_runs,
)
from dpmigrate.analysis.roots.left_out import left_out, making_calls_in, only_new_places
from dpmigrate.analysis.roots.members import (
    fills_in,
    makes_runs,
    methods_of,
    mixins_last,
    names_a_ghost_mode,
)
from dpmigrate.analysis.roots.testing import argument_rows, of_a_fixture
from dpmigrate.analysis.source.mentions import BY_OTHERS, MENTIONS
from dpmigrate.analysis.source.tree import MAKING_CALLS

MAX_INSTANCES = 3
"""How many instances of a class the methods that nothing calls are entered on."""

MAX_HEIRS = 6
"""Classes that fill in what a method calls which they inherit, for which it is entered anew whatever they do
there. Of further ones those alone that take a part in training themselves."""

MODULE_SEEDS: Slot[dict[str, Value | None]] = Slot(dict)
"""By module (its key): how the process was seeded when its own code had been executed."""
MAX_FRAMES_OF_ONE = 24
"""How many activations of a function a nested function that nothing calls is entered for."""


@dataclass(slots=True)
class _Entering:
    """What was entered of what nothing calls."""

    left_out: frozenset[str] = frozenset()
    """The names of functions that are not entered now, since other code mentions them."""
    frames_of: dict[int, list[Hashable]] = field(default_factory=dict)
    """By function (the identity of its node): the activations that were entered, by key."""
    classes: set[Hashable] = field(default_factory=set)
    """The classes whose methods were entered, by key."""
    instances: dict[Hashable, list[Obj]] = field(default_factory=dict)
    """By class: what its methods are entered on."""
    with_a_run: set[tuple[Hashable, Hashable]] = field(default_factory=set)
    """By class and method: those that were entered on an object that keeps something of a run."""
    for_heirs: dict[Hashable, set[Hashable]] = field(default_factory=dict)
    """By method: the classes that inherit it, for which it was entered anew."""
    times: dict[tuple[Hashable, Obj], int] = field(default_factory=dict)
    """How often a method was entered on an object."""


_ENTERING: Slot[_Entering] = Slot(_Entering)
"""What was entered already."""


def enter_root(
    ip: Interpreter, key: str, entry: str, action: Callable[[], object], seed: Value | None = None
) -> None:
    """Enter a module at one place, in a process that is seeded as the module or ``seed`` says."""
    name = f"{key}:{entry}" if entry else key
    ip.steps, ip.exhausted = 0, False
    ip.allowed = core.MAX_STEPS + ip.reserve
    root_entered(ip)
    ip.met.clear()
    ip.store.set("<global>", "seed", seed or MODULE_SEEDS.of(ip).get(key) or _unseen_seed(ip, entry))
    try:
        with ip.failing_apart(key):
            action()
    except ExhaustedError:
        ip.exhausted = True
    except RecursionError:
        ip.exhausted = True
        ip.too_deep.append(key)
    ip.store.recall()
    ip.reserve -= min(ip.reserve, max(0, ip.steps - core.MAX_STEPS))
    if ip.exhausted or left_something_out(ip):
        # What was not followed may have done anything to the runs that this root has to do with.
        for run in ip.met:
            run.cut_short = True
    # Once the budget of the whole is used up every root is cut short: the first one tells.
    if left_something_out(ip) or (ip.exhausted and (ip.steps > ip.allowed or not ip.spent)):
        ip.roots_exhausted.append(name)
    ip.spent = ip.spent or ip.total > core.MAX_TOTAL


def _unseen_seed(ip: Interpreter, entry: str) -> Value:
    """What the callers of a function may have seeded, where not all code was followed to its end."""
    if not entry or not ip.roots_exhausted:
        return NOTHING
    name = entry.rpartition(".")[2].encode()
    if not ip.texts.hold(b"seed") or not ip.texts.hold(name, times=2):
        return NOTHING
    return of(Unknown(("seeded", "by a caller"), "callers that were not followed"))


def enter_uncalled(ip: Interpreter, wanted: set[str]) -> None:
    """Enter functions and methods of the modules ``wanted`` that no call reached.

    Those that lead to a private run come first, while there is budget, and what can only add to
    runs that were found comes after. Within each, functions that others mention come last: by
    then a caller may have entered them with real arguments. What makes runs itself is entered
    even when the budget of the whole is used up, and again where only a part of it was reached.
    """
    for leading in (True, False):
        for mentioned_too in (False, True):
            _sweep(ip, wanted, leading, mentioned_too)
    for fn in [f for f in ip.made if f.key not in ip.entered and f.module.key in wanted]:
        if isinstance(fn.node, cst.Lambda) or _is_overload(fn):
            continue
        if MENTIONS.of(ip).of(fn.node) & MAKERS:
            ip.total = 0
            enter_root(ip, fn.module.key, fn.name, partial(_enter_alone, ip, fn))
    _enter_otherwise_set(ip, wanted)
    for fn in left_out(ip, wanted, MENTIONS.of(ip)):
        ip.total = 0
        with only_new_places(ip):
            instances = _instances(ip, fn.owner) if fn.owner is not None else []
            enter_root(
                ip, fn.module.key, fn.name, partial(_enter_alone, ip, fn, instances[0] if instances else None)
            )


def _enter_otherwise_set(ip: Interpreter, wanted: set[str]) -> None:
    """Enter classes that speak of a ghost mode which no caller of the project asks them for.

    The options of a constructor are for whoever uses the class: the callers in this tree do not decide.
    """
    for cls in [c for c in ip.classes if c.module.key in wanted and names_a_ghost_mode(c)]:
        makers = [m for m in methods_of(ip, cls) if MENTIONS.of(ip).of(m.node) & MAKING_CALLS]
        inside = {id(node) for method in makers for node in making_calls_in(method.node)}
        runs = [run for run in ip.runs.values() if id(run.origin.node) in inside]
        if not runs or any(run.ghost for run in runs) or not _has_options(ip, cls):
            continue
        instance = _outside_instance(ip, cls)
        if instance is None:
            continue
        for method in makers:
            name = f"{cls.node.name.value}.{method.name}"
            enter_root(ip, cls.module.key, name, partial(_enter_method, ip, method, instance))


def _has_options(ip: Interpreter, cls: Class) -> bool:
    """Whether the constructor has a parameter that is on or off, or a word, unless it is given."""
    initialiser = next((m for m in methods_of(ip, cls) if m.name == "__init__"), None)
    if initialiser is None:
        return False
    slots = ip.store.keys(("defaults", initialiser.key))
    defaults = [ip.store.get(("defaults", initialiser.key), slot) for slot in slots]
    return any(isinstance(c, (bool, str)) for value in defaults if value for c in value.constants())


def _sweep(ip: Interpreter, wanted: set[str], leading: bool, mentioned_too: bool) -> None:
    leads, entering = LEADING.of(ip), _ENTERING.of(ip)
    if leads.functions != len(ip.made):
        leads.functions = len(ip.made)
        leads.to_runs = leading_to(ip, MAKERS | RETIRED)
        leads.modules_to_runs = modules_leading_to_runs(ip)
        leads.to_training = leading_to(ip, TRAINING)
        by_others = BY_OTHERS.of(ip)
        by_others.clear()
        by_others.update(mentioned_by_others(ip))
    entering.left_out = frozenset() if mentioned_too else frozenset(BY_OTHERS.of(ip))
    done = 0
    while done < len(ip.made):
        fn = ip.made[done]
        done += 1
        if fn.key in ip.entered or fn.module.key not in wanted:
            continue
        if fn.owner is not None or fn.name in entering.left_out or _is_overload(fn):
            continue
        if not leads_to_runs(ip, fn) and (leading or not may_use_runs(ip, fn)):
            continue
        siblings = entering.frames_of.setdefault(id(fn.node), [])
        if len(siblings) < MAX_FRAMES_OF_ONE:
            siblings.append(fn.key)
            enter_root(ip, fn.module.key, fn.name, partial(_enter_alone, ip, fn))
    for cls in mixins_last(ip):
        if cls.module.key in wanted and not is_enum(cls):
            _enter_class(ip, cls, leading)


def _is_overload(fn: Function) -> bool:
    return any(d in ("overload", "abstractmethod") for d in fn.decorators)


def _enter_alone(ip: Interpreter, fn: Function, receiver: Obj | None = None, assumed: Guard = ALWAYS) -> None:
    """Enter a function as somebody outside the project would: defaults, annotations, unknowns."""
    with ip.apart():
        ip.path, ip.entered_on = assumed, receiver.key if receiver is not None else None
        around = fn.closure or Frame(("module", fn.module.key), fn.module)
        ip.frames.append(around)
        ip.resume(around)
        rows = argument_rows(ip, fn)
        for number, row in enumerate(rows):
            with ip.inside(fn.node, number) if len(rows) > 1 else nullcontext():
                _enter_once(ip, fn, receiver, row)


def _enter_once(ip: Interpreter, fn: Function, receiver: Obj | None, arguments: dict[str, Value]) -> None:
    """Enter a function with some arguments, and the others as ``_enter_alone`` says."""
    params = fn.node.params
    keywords: dict[str, Value] = {}
    for index, param in enumerate((*params.posonly_params, *params.params, *params.kwonly_params)):
        name = param.name.value
        if index == 0 and receiver is not None and "staticmethod" not in fn.decorators:
            continue
        default = ip.store.get(("defaults", fn.key), name)
        told = arguments.get(name) or _told_by_framework(ip, receiver, name) or of_a_fixture(ip, fn, name)
        keywords[name] = told or outside_parameter(ip, fn, param, default)
    result = enter_function(ip, fn, CallInfo(fn.node, [], keywords), receiver=receiver)
    if receiver is not None:
        returned = CallInfo(fn.node, [of(receiver), result], name=fn.name)
        registry.tell_hooks(ip, "<returned to a framework>", returned)


def _told_by_framework(ip: Interpreter, receiver: Obj | None, name: str) -> Value | None:
    """What the base class of a method's class passes to it: a trainer, its own model."""
    if receiver is None or not isinstance(receiver.data, Class):
        return None
    if name != "self" and any(map(_is_a_callback, external_names(receiver.data))):
        # Its methods get one trainer and one module, which may carry something from one to the next.
        given_to_it = of(Unknown(("given to a callback", receiver.key, name), f"{name} of a callback"))
        ip.store.set(receiver, f"<given {name}>", given_to_it)
        return given_to_it
    slot = registry.GIVEN.get((external_base(ip, receiver.data) or "", name))
    return ip.store.get(receiver, slot) if slot is not None else None


def _is_a_callback(base: str) -> bool:
    return base.partition(".")[0] in ("pytorch_lightning", "lightning") and base.endswith(".Callback")


_SET_UPS = ("setUpClass", "setUp", "asyncSetUp", "setup_class", "setup_method")
"""What a test framework calls on an instance before any other method."""


def _enter_class(ip: Interpreter, cls: Class, leading: bool) -> None:
    """Enter the methods that no call reached, on the instances that the project makes, else on an outsider's.

    When one turns out to keep objects of a run, its other methods are entered (again) with them.
    """
    entering = _ENTERING.of(ip)
    again = cls.key in entering.classes
    keeps_run = not leading and any(holds_run(ip, i) for i in entering.instances.get(cls.key, ()))
    inherited = not again and names_a_ghost_mode(cls)
    private = makes_runs(ip, cls)
    trains = bool(MENTIONS.of(ip).of(cls.node) & TRAINING)
    with_run = entering.with_a_run

    def fresh(method: Function) -> bool:
        if method.name in entering.left_out or _is_overload(method):
            return False
        anew = method.owner is not cls and (method.key, cls.key) not in ip.entered_of
        heirs = entering.for_heirs.setdefault(method.key, set())
        few = cls.key in heirs or len(heirs) < MAX_HEIRS or trains
        anew = anew and (inherited or (private and few and fills_in(ip, cls, method)))
        done = method.key in ip.entered and not anew
        if done and (not keeps_run or (cls.key, method.key) in with_run):
            return False
        if leads_to_runs(ip, method):
            return True
        receivers: list[Obj | None] = [
            *(entering.instances.get(cls.key) or _made_by_the_project(ip, cls))
        ] or [None]
        return not leading and any(may_use_runs(ip, method, i) for i in receivers)

    chosen = [m for m in methods_of(ip, cls) if fresh(m)]
    if not chosen:
        return
    entering.classes.add(cls.key)
    if keeps_run:
        with_run.update((cls.key, m.key) for m in chosen)
    for method in chosen:
        for instance in _instances(ip, cls):
            if method.name in ("__init__", *_SET_UPS):
                continue
            name = f"{cls.node.name.value}.{method.name}"
            seed = ip.instances.get(instance)
            unset = _unset_slots(ip, instance)
            if method.owner is not cls:
                entering.for_heirs[method.key].add(cls.key)
            enter_root(ip, cls.module.key, name, partial(_enter_method, ip, method, instance), seed)
            in_rounds = method.name == "fit" and calls_in_rounds(cls) and not made_for_a_round(ip, instance)
            if in_rounds and unset - _unset_slots(ip, instance):
                # What one round left there, the accountant's state for one, is what the next begins with.
                enter_root(ip, cls.module.key, name, partial(_enter_method, ip, method, instance), seed)


def _unset_slots(ip: Interpreter, instance: Obj) -> set[Hashable]:
    """The attributes of an instance that hold None, and nothing else as yet."""
    held = {slot: ip.store.get(instance, slot) for slot in ip.store.keys(instance)}
    return {slot for slot, value in held.items() if value is not None and value.only == Const(None)}


def _instances(ip: Interpreter, cls: Class) -> list[Obj]:
    """What to call a class's methods on: the first instances that the project makes, else an outsider's."""
    by_class = _ENTERING.of(ip).instances
    if cls.key not in by_class:
        made = _made_by_the_project(ip, cls)
        by_class[cls.key] = made or [i for i in [_outside_instance(ip, cls)] if i is not None]
    return by_class[cls.key]


def _made_by_the_project(ip: Interpreter, cls: Class) -> list[Obj]:
    """The first few instances of a class that the project makes."""
    made = [i for i in ip.instances if isinstance(i.data, Class) and i.data.key == cls.key]
    return made[:MAX_INSTANCES]


def _outside_instance(ip: Interpreter, cls: Class) -> Obj | None:
    """An instance as an outsider would make it, set up as test frameworks do."""
    methods = methods_of(ip, cls)
    made: list[Obj] = []

    def make() -> None:
        with ip.apart():
            ip.frames.append(Frame(("module", cls.module.key), cls.module))
            initialiser = next((m for m in methods if m.name == "__init__"), None)
            keywords: dict[str, Value] = {}
            if initialiser is not None:
                assert isinstance(initialiser.node, cst.FunctionDef)
                params = initialiser.node.params
                for param in (*params.params[1:], *params.kwonly_params):
                    default = ip.store.get(("defaults", initialiser.key), param.name.value)
                    keywords[param.name.value] = outside_parameter(ip, initialiser, param, default)
            if initialiser is None and is_record(cls):
                value = set_from_outside(ip, cls, cls.node)
            else:
                value = instantiate(ip, cls, CallInfo(cls.node, [], keywords))
            made.extend(a for a in value.atoms if isinstance(a, Obj))

    enter_root(ip, cls.module.key, cls.node.name.value, make)
    for method in (m for m in methods if m.name in _SET_UPS and made):
        enter_root(ip, cls.module.key, cls.node.name.value, partial(_enter_alone, ip, method, made[0]))
    if made:
        ip.instances[made[0]] = ip.store.get("<global>", "seed")
    return made[0] if made else None


def _enter_method(ip: Interpreter, method: Function, receiver: Obj) -> None:
    """Enter a method; what it leaves on the instance is joined with what was there before.

    Whether it was called goes with both, where it makes runs: these are there together with what it left.
    """
    before = {slot: ip.store.get(receiver, slot) for slot in ip.store.keys(receiver)}
    called = skipped = ALWAYS
    if leads_to_runs(ip, method):
        all_times = _ENTERING.of(ip).times
        times = all_times[method.key, receiver] = 1 + all_times.get((method.key, receiver), 0)
        literal = entered(method.key, receiver.key, times)
        called, skipped = frozenset({literal}), frozenset({literal._replace(holds=False)})
    _enter_alone(ip, method, receiver, called)
    for slot in ip.store.keys(receiver):
        new = ip.store.get(receiver, slot)
        old = before.get(slot) or (ip.store.unset((receiver, slot)) if called else None)
        if old is not None and new is not None and new != old:
            kept = old.select(lambda a: a != Const(None))
            ip.store.set(receiver, slot, join_all([new.guarded(called), kept.guarded(skipped)]))
