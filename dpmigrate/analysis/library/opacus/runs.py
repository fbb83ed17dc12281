"""Recording a private run, one for each mode, and the objects that stand for what it returns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

import libcst as cst

from dpmigrate.analysis import registry
from dpmigrate.analysis.core import Interpreter
from dpmigrate.analysis.domain.atoms import Absent, Atom, Const, Obj, Unknown
from dpmigrate.analysis.domain.ordering import in_order
from dpmigrate.analysis.domain.values import NOTHING, Entry, Value, join_all, of
from dpmigrate.analysis.guards import ALWAYS, Guard, Literal, contradict, doubt, either_guard, shorten
from dpmigrate.analysis.language.classes import external_base
from dpmigrate.analysis.ledger import MadeBy, Origin, Unpack, Wrapped
from dpmigrate.analysis.ledger.circumstances import Circumstances
from dpmigrate.analysis.ledger.events import Event
from dpmigrate.analysis.ledger.models import (
    BatchStatistics,
    ChangedInPlace,
    DataParallel,
    PaddingRead,
    ParameterOutside,
    SequenceLayer,
)
from dpmigrate.analysis.library.torch.batch_norm import tell_of_batch_norm
from dpmigrate.analysis.library.torch.batch_statistics import batch_statistics, collated_statistics
from dpmigrate.analysis.library.torch.in_place.operations import changed_in_place, hooks_layers
from dpmigrate.analysis.library.torch.names import real
from dpmigrate.analysis.library.torch.outside import parameters_outside
from dpmigrate.analysis.library.torch.padding import pads_to_the_longest, read_by_position
from dpmigrate.analysis.library.torch.sequences import linear_on_sequences
from dpmigrate.analysis.library.torch.structure import WRAPPED
from dpmigrate.analysis.registry import CallInfo
from dpmigrate.analysis.source.tree import MAKING_CALLS
from dpmigrate.analysis.training import GHOST_MODES, TrainingRun


def modes_of(ip: Interpreter, given: Value) -> Iterator[tuple[str, Entry]]:
    """Every mode that a value can stand for, once for each set of assumptions under which it does.

    Something unknown may be a ghost mode (entries whose atom is the unknown itself, see
    :attr:`TrainingRun.supposed`) or any other one ("?"), so that what the program does after testing it
    is followed for both.
    """
    seen: dict[str, list[Entry]] = {}
    for e in ip.feasible(given).entries:
        for mode, mode_entry in _modes_of_entry(ip, e):
            entries = seen.setdefault(mode, [])
            for place, old in enumerate(entries):
                if (joined := either_guard(old.guard, mode_entry.guard)) is not None:
                    atom = mode_entry.atom if isinstance(old.atom, Unknown) else old.atom
                    entries[place] = Entry(atom, joined, old.because or mode_entry.because)
                    break
            else:
                entries.append(mode_entry)
    yield from ((mode, entry) for mode, entries in seen.items() for entry in entries)


def shown_modes(modes: Iterable[tuple[str, Entry]]) -> tuple[str, ...]:
    """The modes as reports list them: what is only supposed is unknown."""
    return tuple(dict.fromkeys("?" if isinstance(e.atom, Unknown) else mode for mode, e in modes))


def _modes_of_entry(ip: Interpreter, e: Entry) -> Iterator[tuple[str, Entry]]:
    atom = registry.data_of(e.atom)
    mode = _mode_of(atom)
    if mode != "?" or not isinstance(atom, Unknown):
        yield mode, e
        return
    symbol = atom.symbol
    for lit in ip.path | e.guard:
        if lit.symbol == symbol and lit.holds and lit.test[0] == "eq" and isinstance(lit.test[1], str):
            yield lit.test[1], Entry(Const(lit.test[1]), e.guard, e.because)
            return
    tested = sorted(c for c in ip.tested.get(symbol, ()) if c in GHOST_MODES)
    ghosts = [Literal(symbol, ("eq", mode), True) for mode in tested or GHOST_MODES[:1]]
    rest = frozenset(lit._replace(holds=False) for lit in ghosts)
    for lit in ghosts:
        if not contradict(frozenset({lit}), e.guard | ip.path):
            yield lit.test[1], Entry(atom, shorten(e.guard | {lit}), e.because)
    if not contradict(rest, e.guard | ip.path):
        yield "?", Entry(atom, shorten(e.guard | rest), e.because)


def _mode_of(atom: Atom) -> str:
    if isinstance(atom, Const) and isinstance(atom.value, str):
        return atom.value
    if isinstance(atom, Absent) or atom == Const(None):
        return "hooks"
    if isinstance(atom, Obj) and atom.kind == "enum":
        held = atom.data[2].only
        if isinstance(held, Const) and isinstance(held.value, str):
            return held.value
    return "?"


def record_run(
    ip: Interpreter,
    info: CallInfo,
    call: MadeBy,
    mode: str,
    entry: Entry,
    modes: tuple[str, ...],
    guard: Guard,
) -> TrainingRun:
    """The run that a call makes in a mode: a new one, or the one that it has made here before."""
    key = ("run", id(info.node), ip.context, mode)
    old = ip.runs.get(key)
    if old is not None:
        _made_again(ip, old, info, entry, guard)
        return old
    origin = _asked_for_at(ip, info.node)._replace(text=f"{call}(...)")
    run = TrainingRun(
        origin.module,
        origin,
        call,
        mode,
        entry.because,
        modes,
        (guard,),
        ip.context,
        tuple(f.owner for f in ip.frames),
        arguments={name: _under(value, guard) for name, value in info.keywords.items()},
        open_call=info.unknown_keywords,
        raw_models=_raw(ip, info.argument(None, "module")),
        raw_optimizers=objects_in(info.argument(None, "optimizer")),
        raw_loaders=objects_in(info.argument(None, "data_loader")),
        loops=tuple(ip.loops),
        chain=ip.chain,
    )
    run.seeded = seeded_here(ip)
    run.mode_atom = entry.atom
    ip.runs[key] = run
    ip.met[run] = None
    hand_over(ip, run)
    _look_into_models(ip, run)
    registry.tell_hooks(ip, "<run made>", CallInfo(info.node, [of(part(run, "dp-model"))]))
    return run


def _made_again(ip: Interpreter, old: TrainingRun, info: CallInfo, entry: Entry, guard: Guard) -> None:
    """The call of a run is come to again in the same context, with other arguments perhaps."""
    ip.remade.append(old)
    old.made_again(guard)
    if old.supposed:
        old.mode_atom = entry.atom
    _given_again(old, info, guard)
    old.raw_models |= _not_its_own(old, _raw(ip, info.argument(None, "module")))
    old.raw_optimizers |= _not_its_own(old, objects_in(info.argument(None, "optimizer")))
    old.raw_loaders |= _not_its_own(old, objects_in(info.argument(None, "data_loader")))
    hand_over(ip, old)


def _look_into_models(ip: Interpreter, run: TrainingRun) -> None:
    """Record what ghost clipping gets wrong in some kinds of layers, and what no hook survives.

    What is so of one of several models that may be handed over is so where it is the one.
    """
    tell_of_batch_norm(ip, run)
    models = in_order(run.raw_models)
    for look in (_sequences, _statistics, _padding, _outside, _in_place, _wrapped):
        told = [(model, list(look(ip, run, model))) for model in models]
        whichever = all(events for _, events in told)
        for model, events in told:
            under = ALWAYS if whichever else _handed_over(run, model)
            for event in events:
                ip.happen(run, replace(event, at=replace(event.at, guard=event.at.guard | under)))


def _handed_over(run: TrainingRun, model: Atom) -> Guard:
    """The assumption under which it is this model that a run is given."""
    given = run.argument("module").entries
    if len(given) < 2:
        return ALWAYS
    guards = [e.guard for e in given if real(e.atom) == model]
    return guards[0] if len(guards) == 1 and guards[0] else frozenset({doubt("one of several", model)})


def _sequences(ip: Interpreter, run: TrainingRun, model: Atom) -> Iterator[Event]:
    for origin in linear_on_sequences(ip, model) if run.ghost else ():
        yield SequenceLayer(Circumstances(origin, ip.path))


def _statistics(ip: Interpreter, run: TrainingRun, model: Atom) -> Iterator[Event]:
    for origin, sure in batch_statistics(ip, model):
        yield BatchStatistics(Circumstances(origin, ip.path), origin.text, sure)
    for origin in (at for loader in run.raw_loaders for at in collated_statistics(ip, loader)):
        yield BatchStatistics(Circumstances(origin, ip.path), origin.text, sure=False, given=True)


def _padding(ip: Interpreter, run: TrainingRun, model: Atom) -> Iterator[Event]:
    padded = any(pads_to_the_longest(ip, loader) for loader in run.raw_loaders)
    for origin, averaged in read_by_position(ip, model) if padded else ():
        yield PaddingRead(Circumstances(origin, ip.path), origin.text, averaged)


def _outside(ip: Interpreter, run: TrainingRun, model: Atom) -> Iterator[Event]:
    for origin in parameters_outside(ip, model):
        yield ParameterOutside(Circumstances(origin, ip.path), origin.text)


def _in_place(ip: Interpreter, run: TrainingRun, model: Atom) -> Iterator[Event]:
    for origin, by, sure in changed_in_place(ip, model) if hooks_layers(run) else ():
        path = ip.path if sure else ip.path | {doubt("in place", origin.node)}
        yield ChangedInPlace(Circumstances(origin, path), origin.text, by)


def _wrapped(ip: Interpreter, run: TrainingRun, model: Atom) -> Iterator[Event]:
    wrapped = isinstance(model, Obj) and model.data == "torch.nn.parallel.DistributedDataParallel"
    if wrapped and isinstance(model, Obj) and model.module is not None and model.node is not None:
        there = Circumstances(Origin(model.module, model.node), ip.path)
        yield DataParallel(there, before=True)


def _asked_for_at(ip: Interpreter, node: cst.CSTNode) -> Origin:
    """The call that asks for a run: that of the engine's own override, where it is made in one."""
    origin = ip.origin(node)
    for frame, caller in zip(reversed(ip.frames), reversed(ip.frames[:-1]), strict=False):
        fn = frame.function
        overrides = fn is not None and fn.owner is not None and fn.name in MAKING_CALLS
        if not overrides or not isinstance(frame.call, cst.Call):
            break
        assert fn is not None and fn.owner is not None
        if external_base(ip, fn.owner) not in ("engine", "adaptive-engine"):
            break
        origin = Origin(caller.module, frame.call, "")
    return origin


def _given_again(run: TrainingRun, info: CallInfo, guard: Guard) -> None:
    """Join the arguments of a call that is made once more (the next time round, or on another way).

    A pair that is wrapped by hand gets its arguments from several calls, none of which has them all.
    """
    run.open_call |= info.unknown_keywords
    names = info.keywords if run.manual else {**run.arguments, **info.keywords}
    for name in names:
        given = _under(info.keywords.get(name, NOTHING), guard)
        run.arguments[name] = join_all(value or of(Absent()) for value in (run.argument(name), given))


def _under(value: Value, guard: Guard) -> Value:
    """The part of an argument that agrees with the run's own assumptions."""
    return Value(tuple(e for e in value.entries if not contradict(e.guard, guard)))


def hand_over(ip: Interpreter, run: TrainingRun) -> None:
    given = frozenset(a for a in run.argument("criterion").atoms if isinstance(a, Obj))
    ip.hand_over(run, *run.raw_models, *run.raw_optimizers, *run.raw_loaders, *given)


def seeded_here(ip: Interpreter) -> bool | None:
    """Whether a global seed of torch was set on the way here."""
    state = ip.read("<global>", "seed")
    if not state:
        return False
    constants = {a.value for a in state.atoms if isinstance(a, Const)}
    return True if constants == {True} else None


def objects_in(value: Value) -> frozenset[Atom]:
    return frozenset(real(a) for a in value.atoms if isinstance(a, Obj))


def _not_its_own(run: TrainingRun, objects: frozenset[Atom]) -> frozenset[Atom]:
    """Objects but those that the run itself returned, which a loop may seem to hand over again."""
    return frozenset(a for a in objects if not (isinstance(a, Obj) and a.data is run))


def _raw(ip: Interpreter, value: Value) -> frozenset[Atom]:
    """The objects that are handed over, and the weights in what an earlier run returned."""
    raw: set[Atom] = set()
    for a in value.atoms:
        if isinstance(a, Obj):
            raw.add(real(a))
            raw |= WRAPPED.of(ip).get(a, set())
            if a.kind == "dp-model":
                raw |= a.data.raw_models
        elif isinstance(a, Unknown):
            raw |= {p for p in a.parts if isinstance(p, Obj) and p.kind in ("model", "instance", "dp-model")}
            raw.add(a)
    return frozenset(raw)


def part(run: TrainingRun, kind: str) -> Obj:
    return Obj(kind, (kind, id(run)), run.module, run.origin.node, run)


def criterion_of(run: TrainingRun) -> Obj:
    return part(run, "dp-criterion")


def result_parts(run: TrainingRun, count: int | None) -> list[Atom] | None:
    """The elements of the result when it has ``count`` of them; None when it never does."""
    model, optimizer, loader = (part(run, k) for k in ("dp-model", "dp-optimizer", "dp-loader"))
    four: list[Atom] = [model, optimizer, criterion_of(run), loader]
    three: list[Atom] = [model, optimizer, loader]
    if not run.ghost:
        return three if count in (3, None) else None
    if count is None:
        return four if run.ghost else three
    return {3: three, 4: four}.get(count)


def wraps_its_losses(run: TrainingRun) -> bool:
    """Whether the program is written for the criterion that Opacus wraps since 1.5.3."""
    return any(e.count == 4 for e in run.happened(Unpack)) or any(True for _ in run.happened(Wrapped))


def run_of(e: Entry) -> TrainingRun:
    assert isinstance(e.atom, Obj)
    run: TrainingRun = e.atom.data
    return run
