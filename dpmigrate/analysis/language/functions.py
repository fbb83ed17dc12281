"""Entering functions of the project: constructors, arguments, bodies, and calls that cannot be followed."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace

import libcst as cst

from dpmigrate.analysis import registry
from dpmigrate.analysis.batches import batches_of, passes_behind, without_records
from dpmigrate.analysis.core import MAX_CALL_DEPTH, Interpreter
from dpmigrate.analysis.domain.atoms import (
    NO_WAY_ON,
    Absent,
    Atom,
    Batch,
    Mark,
    Obj,
    Params,
    Tensor,
    Unknown,
    behind,
    deeper,
)
from dpmigrate.analysis.domain.values import (
    NONE,
    NOTHING,
    Class,
    Entry,
    Function,
    Seq,
    Value,
    join_all,
    merge_entries,
    of,
)
from dpmigrate.analysis.frames import Frame
from dpmigrate.analysis.language import decorated
from dpmigrate.analysis.language.beside import had_its_share, sharing
from dpmigrate.analysis.language.choices import open_default
from dpmigrate.analysis.language.classes import (
    external_base,
    find_member,
    is_dict,
    is_enum,
    is_record,
    member_values,
    reads_environment,
    record_fields,
)
from dpmigrate.analysis.language.constants import LEAVES_THE_GRAPH, params_in_value
from dpmigrate.analysis.language.fields import open_field
from dpmigrate.analysis.language.managers import AFTER_THE_YIELD, Halves, halves_of, yields_in_order
from dpmigrate.analysis.language.naming import compares
from dpmigrate.analysis.registry import CallInfo


def unknown_call(ip: Interpreter, callee: Atom, info: CallInfo) -> Value:
    """A call into code that cannot be followed: what goes in may come out, and may be used there."""
    arguments = join_all(info.everything())
    tensors = [a for a in arguments.atoms if isinstance(a, Tensor)]
    held = frozenset(a for a in arguments.atoms if isinstance(a, (Obj, Params)))
    if isinstance(callee, Unknown) and callee.parts and isinstance(info.node, cst.Call):
        # ``terms.sum()``: a number of what it is called on.
        without = info.name in LEAVES_THE_GRAPH or info.name == "detach"
        of_receiver = isinstance(info.node.func, cst.Attribute) and not without
        penalty = frozenset(params_in_value(of(callee))) if of_receiver else frozenset()
    else:
        penalty = frozenset()
    if held:
        registry.tell_hooks(ip, "<escape>", CallInfo(info.node, [arguments, of(callee)], name=info.name))
    if not isinstance(callee, Function):
        registry.tell_hooks(
            ip, "<unknown call>", CallInfo(info.node, [of(callee), *info.positional], info.keywords)
        )
    if isinstance(callee, Unknown) and info.takes_data:
        given = CallInfo(info.node, [of(callee), *info.everything()], name=info.name)
        made = registry.tell_hooks(ip, "<part of a model>", given)
        if made:
            return made
    if tensors:
        sources, detached = behind(tensors)
        coefficient = next((t.coefficient for t in tensors if t.coefficient), None)
        return of(
            Tensor(sources, callee, (), coefficient, detached=detached, passes=passes_behind([arguments]))
        )
    batches = frozenset[Batch]()
    if not without_records(info.name.rpartition(".")[2]):
        batches = batches_of(ip, [of(callee), *info.everything(), *info.spread])
    went_in = (callee, *arguments.atoms)
    marks = frozenset(p for a in went_in if isinstance(a, Unknown) for p in a.parts if isinstance(p, Mark))
    return ip.unknown(info.node, f"result of {info.name or 'a call'}", held | penalty | batches | marks)


def instantiate(ip: Interpreter, cls: Class, info: CallInfo) -> Value:
    """``Class(...)``."""
    if is_enum(cls):
        return _enum_by_value(ip, cls, info)
    if is_dict(ip, cls):
        entries = registry.FUNCTIONS["easydict.EasyDict"](ip, info)
        return entries.map(lambda a: replace(a, data=cls) if isinstance(a, Obj) and a.kind == "dict" else a)
    made = ip.new("instance", info.node, cls, cls.key)
    initialiser = find_member(ip, cls, "__init__")
    base = external_base(ip, cls)
    if initialiser is not None:
        for e in initialiser.entries:
            if isinstance(e.atom, Function):
                enter_function(ip, e.atom, info, receiver=made)
    elif is_record(cls):
        fill_record(ip, cls, made, info)
    elif base is not None:
        handler = registry.METHODS.get((base, "__init__"))
        if handler is not None:
            handler(ip, info, Entry(Obj(base, made.key, made.module, made.node, made)))
    post = find_member(ip, cls, "__post_init__")
    if post is not None and isinstance(post.only, Function):
        enter_function(ip, post.only, CallInfo(info.node), receiver=made)
    ip.instances[made] = ip.store.get("<global>", "seed")
    return of(made)


def _enum_by_value(ip: Interpreter, cls: Class, info: CallInfo) -> Value:
    wanted = info.argument(0, "value")
    parts = []
    for member_value in member_values(ip, cls):
        for constant in member_value.constants():
            compares(ip, wanted, constant)
    for slot in ip.store.keys(("class", cls.key)):
        if not isinstance(slot, str) or slot.startswith("_"):
            continue
        held = ip.read(("class", cls.key), slot)
        if held is None or any(isinstance(a, Function) for a in held.atoms):
            continue
        member = Obj("enum", (cls.key, slot), cls.module, cls.node, (cls, slot, held))
        for e in wanted.entries:
            if e.atom == held.only or isinstance(e.atom, Unknown):
                parts.append(Entry(member, e.guard, held.entries[0].because if held.entries else ()))
    return merge_entries(parts) if parts else ip.unknown(info.node, "an enum member")


def fill_record(ip: Interpreter, cls: Class, made: Obj, info: CallInfo) -> None:
    """Set the fields of a dataclass-like object from its constructor's arguments and defaults."""
    fields = record_fields(cls)
    for position, name in enumerate(fields):
        value = info.argument(position, name)
        if not value or any(isinstance(a, Absent) for a in value.atoms):
            default = find_member(ip, cls, name)
            rest = value.select(lambda a: not isinstance(a, Absent))
            from_elsewhere = default is not None and reads_environment(cls)
            if info.unknown_keywords or info.unknown_positional or from_elsewhere:
                value = join_all([rest, open_field(ip, made, cls, name, info.node)])
            elif default is not None:
                value = join_all([rest, default])
            elif not rest:
                value = join_all([rest, of(Unknown((made.key, ".", name), f"field {name}"))])
        ip.store.set(made, name, value)
    for name, value in info.keywords.items():
        if name not in fields:
            ip.store.set(made, name, value)


def enter_function(ip: Interpreter, fn: Function, info: CallInfo, receiver: Atom | None = None) -> Value:
    """Execute a function of the project with these arguments; what it returns."""
    if fn.decorators:
        outer = decorated.function_around(ip, fn)
        if outer is not None:
            result = enter_function(ip, outer, info, receiver)
            if fn.key in ip.entered:
                return result
            if result and not any(isinstance(a, Unknown) or a == NONE.only for a in result.atoms):
                return join_all([result, _enter_itself(ip, fn, info, receiver)])  # if it is called at all
        receiver, info = _own_receiver(ip, fn, info, receiver)
    return _enter_itself(ip, fn, info, receiver)


def _enter_itself(ip: Interpreter, fn: Function, info: CallInfo, receiver: Atom | None) -> Value:
    """Execute a function, whatever is put around it."""
    active = sum(1 for f in ip.frames if f.function is not None and f.function.node is fn.node)
    if active or len(ip.frames) > MAX_CALL_DEPTH or ip.exhausted or had_its_share(ip, fn):
        if active:
            ip.recursive[fn] = None
            again = CallInfo(info.node, [of(fn), *info.everything()])
            registry.tell_hooks(ip, "<called again within itself>", again)
        else:
            registry.tell_hooks(ip, "<call not followed>", CallInfo(info.node, [of(fn)]))
        return unknown_call(ip, fn, info)
    ip.entered.add(fn.key)
    if isinstance(receiver, Obj) and isinstance(receiver.data, Class):
        ip.entered_of.add((fn.key, receiver.data.key))
    ip.callees.setdefault(info.node, {})[fn] = None
    with ip.inside(info.node), sharing(ip, fn, info, receiver):
        owner: Hashable = ("frame", fn.key, ip.context)
        frame = Frame(
            owner,
            fn.module,
            closure=fn.closure,
            function=fn,
            defining=fn.owner if fn.owner is not None else (fn.closure.defining if fn.closure else None),
            receiver=receiver if receiver is not None else (fn.closure.receiver if fn.closure else None),
            call=info.node,
            depth=ip.store.depth,
            entry_path=ip.path,
            way=ip.way_here,
        )

        def run() -> Value:
            bind_parameters(ip, fn, info, receiver)
            return _run_body(ip, fn, frame)

        before, ip.gradients_off = ip.gradients_off, ip.gradients_off or decorated.without_graph(fn)
        try:
            return _activated(ip, frame, run)
        finally:
            ip.gradients_off = before


def _own_receiver(
    ip: Interpreter, fn: Function, info: CallInfo, receiver: Atom | None
) -> tuple[Atom | None, CallInfo]:
    """The receiver of a method that a function around it calls with all that it was given itself."""
    first = info.positional[0].only if info.positional else None
    if (
        receiver is None
        and fn.owner is not None
        and isinstance(first, Obj)
        and decorated.is_called_within(ip, fn)
    ):
        rest = info.positional[1:]
        spread, more = info.unknown_positional, info.unknown_keywords
        return first, CallInfo(info.node, rest, info.keywords, spread, more, name=info.name)
    return receiver, info


def _activated(ip: Interpreter, frame: Frame, run: Callable[[], Value]) -> Value:
    """Execute in a frame; what it leaves behind is joined to what is around."""
    saved_path = ip.path
    ip.store.push()
    ip.frames.append(frame)
    try:
        result = run()
    finally:
        ip.frames.pop()
        ip.store.pop()
        ip.path = saved_path
    if frame.exits:
        if not frame.captured:
            _forget_names(ip, frame.owner, frame)
        ip.store.join(frame.exits)
        shared = frame.exits[0][1]
        for _, beyond in frame.exits[1:]:
            shared &= beyond
        ip.assume(shared)
    return result


def _forget_names(ip: Interpreter, owner: Hashable, frame: Frame) -> None:
    """Drop a returned function's own variables, which nothing can read any more."""
    for delta, _ in frame.exits:
        for slot in [s for s in delta if s[0] == owner]:
            del delta[slot]
    ip.store.names.pop(owner, None)


def _run_body(ip: Interpreter, fn: Function, frame: Frame) -> Value:
    if isinstance(fn.node, cst.Lambda):
        result = ip.evaluate(fn.node.body)
        frame.exits.append((ip.store.snapshot(frame.depth), ip.path - frame.entry_path))
        return result
    manages = "contextmanager" in fn.decorators or "asynccontextmanager" in fn.decorators
    halves = halves_of(fn.node.body.body) if manages else None
    if halves is not None:
        return _until_the_yield(ip, fn, frame, halves)
    if ip.execute(fn.node.body):
        beyond = ip.path - frame.entry_path
        frame.returns.append(NONE.guarded(beyond))
        frame.exits.append((ip.store.snapshot(frame.depth), beyond))
    if frame.yields:
        element = join_all(frame.yields)
        if manages:
            return of(Obj("generator-manager", (fn.key, ip.context), fn.module, fn.node, element))
        in_order = not frame.yields_more and yields_in_order(fn.node.body)
        return of(Seq(tuple(frame.yields)) if in_order else Seq(None, element))
    if not frame.returns:
        reason = NO_WAY_ON if frame.ended else "never"
        return of(Unknown((reason, fn.key, ip.context), "a function that does not come back"))
    return join_all(frame.returns)


def _until_the_yield(ip: Interpreter, fn: Function, frame: Frame, halves: Halves) -> Value:
    """What comes before the ``yield`` of a context manager; the rest waits for the end of the ``with``."""
    frame.captured = True
    _execute_in(ip, frame, halves.before)
    made = Obj("generator-manager", (fn.key, ip.context), fn.module, fn.node, join_all(frame.yields))

    def go_on() -> None:
        frame.depth, frame.entry_path, frame.exits = ip.store.depth, ip.path, []
        with ip.inside(frame.call or fn.node):
            _activated(ip, frame, lambda: _execute_in(ip, frame, halves.after))

    AFTER_THE_YIELD.of(ip)[made] = go_on
    return of(made)


def _execute_in(ip: Interpreter, frame: Frame, statements: Sequence[cst.CSTNode]) -> Value:
    if all(map(ip.execute, statements)):
        frame.exits.append((ip.store.snapshot(frame.depth), ip.path - frame.entry_path))
    return NONE


def bind_parameters(ip: Interpreter, fn: Function, info: CallInfo, receiver: Atom | None) -> None:
    """Give the parameters their values, as Python binds them."""
    params = fn.node.params
    owner = ip.frame.owner
    positional = [*params.posonly_params, *params.params]
    given = list(info.positional)
    if receiver is not None:
        given.insert(0, of(receiver))
    keywords = dict(info.keywords)
    for index, param in enumerate(positional):
        name = param.name.value
        if index < len(given):
            ip.store.set(owner, name, given[index])
        else:
            spread = NOTHING
            if param.default is None and name not in keywords:
                spread = _of_the_spread(info, index - len(given))
            value = spread or _by_keyword(ip, fn, param, keywords, info, info.unknown_positional)
            ip.store.set(owner, name, value)
    for param in params.kwonly_params:
        ip.store.set(owner, param.name.value, _by_keyword(ip, fn, param, keywords, info, False))
    if isinstance(params.star_arg, cst.Param):
        rest = given[len(positional) :]
        seq = Seq(None, join_all(rest)) if info.unknown_positional else Seq(tuple(rest))
        ip.store.set(owner, params.star_arg.name.value, of(seq))
    if params.star_kwarg is not None:
        made = ip.new("dict", fn.node, extra="**")
        for name, value in keywords.items():
            ip.store.set(made, ("key", name), value)
        if info.unknown_keywords:
            ip.store.set(made, "rest", of(Unknown((made.key, "rest"), "unknown keyword arguments")))
        ip.store.set(owner, params.star_kwarg.name.value, of(made))


def _of_the_spread(info: CallInfo, place: int) -> Value:
    """What ``loss(*model(x))``, ``step(*batch)`` give a parameter: outputs of a model, parts of a batch."""
    parts: list[Value] = []
    for e in (e for value in info.spread for e in value.entries):
        atom = e.atom
        if isinstance(atom, Unknown) and atom.parts:
            parts.append(of(Unknown(deeper(atom.symbol, place), atom.reason, atom.parts), guard=e.guard))
        elif isinstance(atom, Tensor):
            parts.append(Value((e,)))
        else:
            return NOTHING
    return join_all(parts) if info.unknown_positional else NOTHING


def _by_keyword(
    ip: Interpreter, fn: Function, param: cst.Param, keywords: dict[str, Value], info: CallInfo, maybe: bool
) -> Value:
    name = param.name.value
    value = keywords.pop(name, NOTHING)
    absent = not value or any(isinstance(a, Absent) for a in value.atoms)
    kept = value.select(lambda a: not isinstance(a, Absent))
    if not absent:
        return kept
    parts = [kept]
    default = ip.store.get(("defaults", fn.key), name)
    if default is not None and decorated.is_configured(fn):
        origin = ip.origin(param, "default that a configuration may change")
        parts.append(open_default(ip, ("param", fn.key, name), default, origin))
    elif default is not None:
        parts.append(default.because(ip.origin(param, "parameter default")))
    if default is None and not maybe and name in (by_decorators := decorated.given(ip, fn)):
        parts.append(by_decorators[name])
    elif default is None and not maybe and fn.decorators and not info.unknown_keywords:
        # It gets it from a decorator, as hydra.main and pyrallis.wrap do.
        told = registry.tell_hooks(ip, "<given by a decorator>", CallInfo(param, [of(fn)]))
        parts.append(told or of(Unknown(("param", fn.key, name, ip.context), f"parameter {name}")))
    elif default is None or maybe or (info.unknown_keywords and not value):
        parts.append(of(Unknown(("param", fn.key, name, ip.context), f"parameter {name}")))
    return join_all(parts)
