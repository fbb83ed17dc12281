"""What Opacus's names mean: engines and runs, what they return by mode, memory managers, two passes.

Sources: Opacus 1.5 to 1.6.0. ``make_private`` in ghost mode returns (model, optimizer, loader)
before 1.5.3 and (model, optimizer, criterion, loader) since; in every other mode three.
"""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from dpmigrate.analysis.classes import BASE_KINDS
from dpmigrate.analysis.core import Interpreter
from dpmigrate.analysis.library import registry
from dpmigrate.analysis.library.gradients import step_taken, touch
from dpmigrate.analysis.library.registry import CallInfo, attribute, function, method
from dpmigrate.analysis.library.torch import models_in, real, set_to_none
from dpmigrate.analysis.training import TrainingRun, entries_of_kind
from dpmigrate.analysis.values import (
    ALWAYS,
    NONE,
    NOTHING,
    Absent,
    Atom,
    Const,
    Entry,
    External,
    Function,
    Guard,
    Obj,
    Origin,
    Params,
    Seq,
    Tensor,
    Unknown,
    Value,
    const,
    join_all,
    of,
)

NAMES = frozenset(
    [
        "PrivacyEngine",
        "PrivacyEngineAdaptiveClipping",
        "BatchMemoryManager",
        "wrap_data_loader",
        "wrap_model",
        "prepare_module",
        "DPOptimizer",
        "DPOptimizerFastGradientClipping",
        "DistributedDPOptimizerFastGradientClipping",
        "FSDPOptimizerFastGradientClipping",
        "DistributedDPOptimizer",
        "AdaClipDPOptimizer",
        "get_optimizer_class",
        "GradSampleModule",
        "GradSampleModuleExpandedWeights",
        "GradSampleModuleFastGradientClipping",
        "GradSampleModuleFastGradientClippingFSDP",
        "GradSampleModuleFastGradientClippingTP",
        "GradSampleHooks",
        "GradSampleHooksFastGradientClipping",
        "DPLossFastGradientClipping",
        "DPTensorFastGradientClipping",
        "double_backward",
        "ModuleValidator",
        "DPDataLoader",
        "DifferentiallyPrivateDistributedDataParallel",
        "DPLSTM",
        "DPGRU",
        "DPRNN",
        "DPMultiheadAttention",
    ]
)
GHOST_MODULES = {
    "opacus.GradSampleModuleFastGradientClipping": "ghost",
    "opacus.GradSampleHooksFastGradientClipping": "ghost",
    "opacus.GradSampleModuleFastGradientClippingFSDP": "ghost_fsdp",
    "opacus.GradSampleModuleFastGradientClippingTP": "ghost",
}
GHOST_OPTIMIZERS = (
    "opacus.DPOptimizerFastGradientClipping",
    "opacus.DistributedDPOptimizerFastGradientClipping",
    "opacus.FSDPOptimizerFastGradientClipping",
)


def _canonical(name: str) -> str:
    last = name.rpartition(".")[2]
    return f"opacus.{last}" if last in NAMES else name


registry.CANONICAL["opacus"] = _canonical
BASE_KINDS.update(
    {
        "opacus.PrivacyEngine": "engine",
        "opacus.PrivacyEngineAdaptiveClipping": "adaptive-engine",
        "opacus.BatchMemoryManager": "memory-manager",
        "opacus.GradSampleModule": "model",
    }
)


# -- engines ----------------------------------------------------------------------------------


@function("opacus.PrivacyEngine", "opacus.PrivacyEngineAdaptiveClipping")
def _make_engine(ip: Interpreter, info: CallInfo) -> Value:
    kind = "adaptive-engine" if "Adaptive" in info.name else "engine"
    made = ip.new(kind, info.node)
    ip.store.set(made, "secure_mode", info.argument(None, "secure_mode"))
    return of(made)


@method(("engine", "adaptive-engine"), "__init__")
def _init_engine(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    ip.store.set(real(e.atom), "secure_mode", info.argument(None, "secure_mode"))
    return NONE


@method(("engine", "adaptive-engine"), "make_private", "make_private_with_epsilon")
def _make_private(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    assert isinstance(e.atom, Obj)
    return private_run(ip, info, e.atom)


@method("unknown", "make_private", "make_private_with_epsilon")
def _make_private_on_unknown(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    """An engine that came in as a bare parameter: known by the keywords that only Opacus has."""
    telling = {"module", "optimizer", "data_loader", "max_grad_norm"}
    if not telling <= set(info.keywords) or not _handed_in(e.atom) or not _speaks_opacus(ip):
        return ip.unknown(info.node, "result of make_private")
    return private_run(ip, info, None)


def _handed_in(atom: Atom) -> bool:
    """Whether something unknown came in as a parameter or an attribute, and is no call's result."""
    symbol = atom.symbol if isinstance(atom, Unknown) else None
    while isinstance(symbol, tuple) and len(symbol) == 3 and symbol[1] == ".":
        symbol = symbol[0]
    return isinstance(symbol, tuple) and bool(symbol) and symbol[0] not in ("node", "name", "import", "never")


def _speaks_opacus(ip: Interpreter) -> bool:
    return any(b"opacus" in m.source.data for m in ip.modules.loaded())


def private_run(ip: Interpreter, info: CallInfo, engine: Obj | None) -> Value:
    """The result of ``make_private*``: one run for each mode that it can be called with."""
    call = "make_private_with_epsilon" if info.name.endswith("epsilon") else "make_private"
    given = info.argument(None, "grad_sample_mode")
    asked = bool(given)
    if not given:
        given = of(Unknown(("mode", id(info.node)))) if info.unknown_keywords else const("hooks")
    modes = list(_modes(ip, given))
    out = []
    for mode, entry in modes:
        guard = entry.guard | ip.path
        run = _run(ip, info, call, mode, entry, len(modes) == 1 and mode != "?", asked, guard)
        run.engine = engine
        run.adaptive = engine is not None and engine.kind == "adaptive-engine"
        result = Obj("private-result", ("result", id(info.node), ip.context, mode), ip.module, info.node, run)
        out.append(of(result, *entry.because, guard=entry.guard))
    return join_all(out)


def _modes(ip: Interpreter, given: Value) -> Iterator[tuple[str, Entry]]:
    seen: dict[str, Entry] = {}
    for e in ip.feasible(given).entries:
        mode = _mode_of(e.atom)
        guard = e.guard
        if mode in seen:
            guard = seen[mode].guard & guard
        seen[mode] = Entry(e.atom, guard, e.because)
    yield from seen.items()


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


def _run(
    ip: Interpreter, info: CallInfo, call: str, mode: str, entry: Entry, only: bool, asked: bool, guard: Guard
) -> TrainingRun:
    key = ("run", id(info.node), ip.context, mode)
    old = ip.runs.get(key)
    if old is not None:
        old.guard = old.guard & guard
        old.raw_models |= _raw(ip, info.argument(None, "module"))
        old.raw_optimizers |= _objects(info.argument(None, "optimizer"))
        old.raw_loaders |= _objects(info.argument(None, "data_loader"))
        _hand_over(ip, old)
        return old
    origin = ip.origin(info.node, f"{call}(...)")
    run = TrainingRun(
        ip.module,
        origin,
        call,  # type: ignore[arg-type]
        mode,
        entry.because,
        only,
        asked,
        guard,
        ip.context,
        tuple(f.owner for f in ip.frames),
        arguments=dict(info.keywords),
        raw_models=_raw(ip, info.argument(None, "module")),
        raw_optimizers=_objects(info.argument(None, "optimizer")),
        raw_loaders=_objects(info.argument(None, "data_loader")),
        loops=tuple(ip.loops),
    )
    run.seeded = seeded_here(ip)
    ip.runs[key] = run
    _hand_over(ip, run)
    return run


def _hand_over(ip: Interpreter, run: TrainingRun) -> None:
    given = frozenset(a for a in run.argument("criterion").atoms if isinstance(a, Obj))
    ip.hand_over(run, *run.raw_models, *run.raw_optimizers, *run.raw_loaders, *given)


def seeded_here(ip: Interpreter) -> bool | None:
    """Whether a global seed of torch was set on the way here."""
    state = ip.read("<global>", "seed")
    if not state:
        return False
    known = {a.value for a in state.atoms if isinstance(a, Const)}
    return True if known == {True} else None


def _objects(value: Value) -> frozenset[Atom]:
    return frozenset(real(a) for a in value.atoms if isinstance(a, Obj))


def _raw(ip: Interpreter, value: Value) -> frozenset[Atom]:
    found: set[Atom] = set()
    for a in value.atoms:
        if isinstance(a, Obj):
            found.add(real(a))
            found |= ip.notes.get(("wraps", a), set())
        elif isinstance(a, Unknown):
            found |= {
                p for p in a.parts if isinstance(p, Obj) and p.kind in ("model", "instance", "dp-model")
            }
            found.add(a)
    return frozenset(found)


# -- what make_private returns ----------------------------------------------------------------


def _part(run: TrainingRun, kind: str) -> Obj:
    return Obj(kind, (kind, id(run)), run.module, run.origin.node, run)


def _criterion_of(run: TrainingRun) -> Obj:
    return _part(run, "dp-criterion")


def parts_of(run: TrainingRun, count: int | None) -> list[Atom] | None:
    """The elements of the result when it has ``count`` of them; None when it never does."""
    model, optimizer, loader = (_part(run, k) for k in ("dp-model", "dp-optimizer", "dp-loader"))
    four: list[Atom] = [model, optimizer, _criterion_of(run), loader]
    three: list[Atom] = [model, optimizer, loader]
    if run.ghost is False:
        return three if count in (3, None) else None
    if count is None:
        return four if run.ghost else three
    return {3: three, 4: four}.get(count)


@method("private-result", "<unpack>")
def _unpack(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    assert isinstance(e.atom, Obj)
    run: TrainingRun = e.atom.data
    count, star = info.positional[0].constant, info.positional[1].constant
    ip.happen(run, "unpack", info.node, e.guard, count=count, star=star)
    if star is None:
        parts = parts_of(run, count)
        return of(Seq(tuple(map(of, parts)))) if parts else NONE
    whole = parts_of(run, None)
    assert whole is not None
    if len(whole) < count - 1:
        return NONE
    tail = count - star - 1
    values = [of(a) for a in whole]
    middle = of(Seq(tuple(values[star : len(values) - tail]), None, True))
    return of(Seq((*values[:star], middle, *(values[len(values) - tail :] if tail else ()))))


@method("private-result", "<item>")
def _item(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    assert isinstance(e.atom, Obj)
    run: TrainingRun = e.atom.data
    index = info.positional[0].constant
    ip.happen(run, "result-use", info.node, e.guard, index=index)
    model, optimizer, loader = (_part(run, k) for k in ("dp-model", "dp-optimizer", "dp-loader"))
    if run.ghost is False:
        table: dict[int, list[Atom]] = {
            0: [model],
            1: [optimizer],
            2: [loader],
            -1: [loader],
            -2: [optimizer],
            -3: [model],
        }
    else:
        wrapped = _criterion_of(run)
        third: list[Atom] = [wrapped] if run.argument("criterion") else [wrapped, loader]
        table = {0: [model], 1: [optimizer], 2: third, 3: [loader], -1: [loader], -2: [wrapped]}
    return join_all(of(a) for a in table.get(index, []))


def _iterate_result(ip: Interpreter, e: Entry, node: cst.CSTNode) -> Value:
    assert isinstance(e.atom, Obj)
    return join_all(of(a) for a in parts_of(e.atom.data, None) or [])


registry.ITERATION["private-result"] = _iterate_result


# -- the private model ------------------------------------------------------------------------


def _run_of(e: Entry) -> TrainingRun:
    assert isinstance(e.atom, Obj)
    run: TrainingRun = e.atom.data
    return run


@method(
    "dp-model", "to", "cuda", "cpu", "train", "eval", "float", "double", "half", "requires_grad_", "apply"
)
@method("dp-optimizer", "attach_step_hook", "expected_batch_size")
def _same(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    return of(e.atom, *e.because)


@method("dp-model", "__call__", "forward")
def _forward(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    return of(Tensor(frozenset({e.atom}), e.atom))


@method("dp-model", "zero_grad")
def _zero_model(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    touch(ip, _run_of(e), info.node, set_to_none(info, default=False), e.guard)
    return NONE


@method("dp-model", "get_coeff", "get_clipping_coef")
def _coefficient(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    ip.happen(_run_of(e), "coefficient", info.node, e.guard, name=info.name)
    return of(Tensor(frozenset({e.atom}), None, (), e.atom))


@method("dp-model", "disable_hooks", "enable_hooks")
def _switch_hooks(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    ip.happen(_run_of(e), "hooks-switch", info.node, e.guard, name=info.name)
    return NONE


@attribute("dp-model", "_module", "module")
def _inner_model(ip: Interpreter, e: Entry, node: cst.CSTNode) -> Value:
    run = _run_of(e)
    return join_all(of(a) for a in run.raw_models) or of(e.atom)


@method("dp-model", "*")
def _other_of_model(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    tensors = any(isinstance(a, Tensor) for v in info.everything() for a in v.atoms)
    if info.name in ("generate", "training_step", "compute_loss") or tensors:
        return of(Tensor(frozenset({e.atom}), e.atom, (f".{info.name}",)))
    return ip.unknown(info.node, f"result of {info.name}", frozenset({e.atom}))


# -- the private optimizer, criterion and loader ----------------------------------------------


@method("dp-optimizer", "step")
def _step(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    for argument in info.everything():
        for entry in argument.entries:
            if isinstance(entry.atom, Function):
                from dpmigrate.analysis.calls import call_value

                call_value(ip, Value((entry,)), CallInfo(info.node))
    step_taken(ip, _run_of(e), info.node, e.guard)
    return NONE


@method("dp-optimizer", "zero_grad")
def _zero_optimizer(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    touch(ip, _run_of(e), info.node, set_to_none(info, default=False), e.guard)
    return NONE


@method("dp-optimizer", "signal_skip_step")
def _signal(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    given = info.argument(0, "do_skip") or const(True)
    if Const(False) == given.only:
        return NONE
    ip.happen(_run_of(e), "memory-manager", info.node, e.guard, manager="signal_skip_step", maximum=NOTHING)
    return NONE


@attribute("dp-optimizer", "original_optimizer")
def _original(ip: Interpreter, e: Entry, node: cst.CSTNode) -> Value:
    return join_all(of(a) for a in _run_of(e).raw_optimizers) or ip.unknown(node, "the wrapped optimizer")


@attribute("dp-optimizer", "params")
def _optimizer_params(ip: Interpreter, e: Entry, node: cst.CSTNode) -> Value:
    return of(Params(frozenset({_part(_run_of(e), "dp-model")})))


@method("dp-criterion", "__call__", "forward")
def _wrapped_loss(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    inputs = [a for v in info.everything() for a in v.atoms if isinstance(a, Tensor)]
    sources = frozenset({_part(_run_of(e), "dp-model")}).union(*(t.sources for t in inputs))
    return of(Tensor(sources, e.atom))


def _iterate_private(ip: Interpreter, e: Entry, node: cst.CSTNode) -> Value:
    ip.happen(_run_of(e), "iterate", node, e.guard, loader="returned")
    return ip.unknown(node, "a batch")


registry.ITERATION["dp-loader"] = _iterate_private


# -- memory managers --------------------------------------------------------------------------


@function("opacus.BatchMemoryManager")
def _memory_manager(ip: Interpreter, info: CallInfo) -> Value:
    made = ip.new("memory-manager", info.node)
    _manage(ip, info, "BatchMemoryManager", info.argument(None, "max_physical_batch_size"))
    ip.store.set(made, "<loader>", info.argument(0, "data_loader"))
    return of(made)


@method("memory-manager", "__init__")
def _init_manager(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    _manage(ip, info, "BatchMemoryManager", info.argument(None, "max_physical_batch_size"))
    ip.store.set(real(e.atom), "<loader>", info.argument(0, "data_loader"))
    return NONE


def _enter_manager(ip: Interpreter, e: Entry, node: cst.CSTNode) -> Value:
    loader = ip.read(real(e.atom), "<loader>") or NOTHING
    return of(Obj("managed-loader", (real(e.atom), "loader"), ip.module, node, loader))


registry.ENTERING["memory-manager"] = _enter_manager


@method("memory-manager", "__enter__")
def _enter_by_hand(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    return _enter_manager(ip, e, info.node)


@function("opacus.wrap_data_loader")
def _wrap_loader(ip: Interpreter, info: CallInfo) -> Value:
    _manage(ip, info, "wrap_data_loader", info.argument(None, "max_batch_size"))
    return of(
        Obj(
            "managed-loader",
            (id(info.node), ip.context),
            ip.module,
            info.node,
            info.argument(0, "data_loader"),
        )
    )


def _manage(ip: Interpreter, info: CallInfo, manager: str, maximum: Value) -> None:
    optimizer = info.argument(None, "optimizer")
    told: set[int] = set()
    for entry, obj in entries_of_kind(optimizer, "dp-optimizer"):
        ip.happen(obj.data, "memory-manager", info.node, entry.guard, manager=manager, maximum=maximum)
        told.add(id(obj.data))
    if told:
        return
    for entry, obj in entries_of_kind(info.argument(0, "data_loader"), "dp-loader"):
        ip.happen(obj.data, "memory-manager", info.node, entry.guard, manager=manager, maximum=maximum)
        told.add(id(obj.data))
    if not told:
        ip.notes.setdefault("unlinked managers", []).append(
            (ip.origin(info.node), manager, maximum, optimizer)
        )


def _iterate_managed(ip: Interpreter, e: Entry, node: cst.CSTNode) -> Value:
    assert isinstance(e.atom, Obj)
    for entry in (e.atom.data or NOTHING).entries:
        if isinstance(entry.atom, Obj) and entry.atom.kind == "dp-loader":
            ip.happen(entry.atom.data, "iterate", node, entry.guard | e.guard, loader="managed")
    return ip.unknown(node, "a batch")


registry.ITERATION["managed-loader"] = _iterate_managed


# -- ghost pairs made by hand -----------------------------------------------------------------


def _manual(
    ip: Interpreter, info: CallInfo, mode: str, entry: Entry, only: bool, asked: bool = True
) -> TrainingRun:
    module = info.argument(0, "m") or info.argument(0, "module") or info.argument(0, "model")
    given = CallInfo(info.node, [], {**info.keywords, "module": module}, name=info.name)
    return _run(ip, given, "manual", mode, entry, only, asked, entry.guard | ip.path)


@function(*GHOST_MODULES)
def _ghost_module(ip: Interpreter, info: CallInfo) -> Value:
    ghost = info.argument(None, "use_ghost_clipping")
    mode = GHOST_MODULES[info.name]
    because = Origin(ip.module, info.node, info.name.rpartition(".")[2])
    run = _manual(ip, info, mode, Entry(Const(mode), ALWAYS, (because,)), ghost.only != Const(False))
    return of(_part(run, "dp-model"))


for _ghost_class in GHOST_MODULES:
    BASE_KINDS[_ghost_class] = "ghost-module"


@method("ghost-module", "__init__")
def _init_ghost_module(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    because = Origin(ip.module, info.node, "a subclass of GradSampleModuleFastGradientClipping")
    run = _manual(ip, info, "ghost", Entry(Const("ghost"), ALWAYS, (because,)), True)
    ip.store.set(real(e.atom), "<run>", of(_part(run, "dp-model")))
    return NONE


@method("ghost-module", "*")
def _on_ghost_module(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    from dpmigrate.analysis.calls import call_attribute

    stored = ip.read(real(e.atom), "<run>")
    return call_attribute(ip, stored, info.name, info) if stored else ip.unknown(info.node, info.name)


@function("opacus.wrap_model", "opacus.prepare_module")
def _wrap_model(ip: Interpreter, info: CallInfo) -> Value:
    given = info.argument(None, "grad_sample_mode") or const("hooks")
    modes = list(_modes(ip, given))
    out = []
    for mode, entry in modes:
        if mode != "?" and not mode.startswith("ghost"):
            out.append(
                of(
                    Obj("model", ("wrapped", id(info.node), ip.context), ip.module, info.node),
                    guard=entry.guard,
                )
            )
            continue
        run = _manual(ip, info, mode, entry, len(modes) == 1 and mode != "?")
        out.append(of(_part(run, "dp-model"), guard=entry.guard))
    return join_all(out)


@function(*GHOST_OPTIMIZERS)
def _ghost_optimizer(ip: Interpreter, info: CallInfo) -> Value:
    optimizer = info.argument(0, "optimizer")
    run = _run_for_optimizer(ip, optimizer)
    if run is None:
        because = Origin(ip.module, info.node, info.name.rpartition(".")[2])
        run = _manual(ip, info, "ghost", Entry(Const("ghost"), ALWAYS, (because,)), True)
    run.raw_optimizers |= _objects(optimizer)
    _hand_over(ip, run)
    for name, value in info.keywords.items():
        key = "noise_generator" if name == "generator" else name
        run.arguments.setdefault(key if key not in run.arguments else f"optimizer.{name}", value)
    return of(_part(run, "dp-optimizer"))


def _run_for_optimizer(ip: Interpreter, optimizer: Value) -> TrainingRun | None:
    """The hand-made run whose model's parameters the optimizer holds."""
    models: set[Atom] = set(models_in(ip, optimizer))
    for atom in optimizer.atoms:
        models |= ip.notes.get(("models", atom), set())
    manual = [r for r in ip.runs.values() if r.manual and r.ghost is not False]
    for run in reversed(manual):
        if models & run.raw_models or any(isinstance(m, Obj) and m.data is run for m in models):
            return run
    here = {f.owner for f in ip.frames}
    for run in reversed(manual):
        if run.frames and run.frames[-1] in here and not run.raw_optimizers:
            return run
    alone = [run for run in manual if run.module is ip.module and not run.raw_optimizers]
    return alone[-1] if alone else None


@function("opacus.get_optimizer_class")
def _optimizer_class(ip: Interpreter, info: CallInfo) -> Value:
    parts = []
    for mode, entry in _modes(ip, info.argument(None, "grad_sample_mode") or const("hooks")):
        clipping = info.argument(None, "clipping")
        if mode.startswith("ghost") or Const("ghost") in clipping.atoms:
            parts.append(of(External(GHOST_OPTIMIZERS[0]), guard=entry.guard))
        else:
            parts.append(
                of(Unknown(("optimizer class", id(info.node)), "an optimizer class"), guard=entry.guard)
            )
    return join_all(parts)


@function("opacus.DPLossFastGradientClipping")
def _wrap_loss(ip: Interpreter, info: CallInfo) -> Value:
    parts = []
    for value in (info.argument(0, "module"), info.argument(1, "optimizer")):
        for e in value.entries:
            if isinstance(e.atom, Obj) and e.atom.kind in ("dp-model", "dp-optimizer"):
                run: TrainingRun = e.atom.data
                run.arguments.setdefault("criterion", info.argument(2, "criterion"))
                ip.happen(run, "result-use", info.node, e.guard, wrapper="DPLossFastGradientClipping")
                parts.append(of(_criterion_of(run), guard=e.guard))
        if parts:
            break
    return join_all(parts) if parts else ip.unknown(info.node, "a wrapped criterion")


@function("opacus.double_backward")
def _double_backward(ip: Interpreter, info: CallInfo) -> Value:
    told: set[int] = set()
    for value in info.everything():
        for e in value.entries:
            if isinstance(e.atom, Obj) and e.atom.kind in ("dp-model", "dp-optimizer"):
                run: TrainingRun = e.atom.data
                if id(run) in told:
                    continue
                told.add(id(run))
                touch(ip, run, info.node, "backward", e.guard)
                losses = info.argument(2, "loss_per_sample") or info.argument(None, "losses")
                ip.happen(run, "two-pass-call", info.node, e.guard, losses=losses)
    if not told:
        ip.notes.setdefault("unlinked calls", []).append(("double_backward", ip.origin(info.node)))
    return NONE


@function("dpmigrate.runtime.patch_opacus", "dpmigrate.runtime.patch.patch_opacus")
def _patch_opacus(ip: Interpreter, info: CallInfo) -> Value:
    ip.notes["patched"] = True
    return ip.unknown(info.node, "a report of the patch")


# -- what leaves the code that can be followed ------------------------------------------------

HARMLESS = frozenset(
    [
        "print",
        "len",
        "type",
        "id",
        "str",
        "repr",
        "isinstance",
        "hasattr",
        "log",
        "info",
        "debug",
        "warning",
        "error",
        "format",
        "append",
        "write",
        "dump",
        "save",
        "tqdm",
        "builtins.print",
        "builtins.len",
        "builtins.type",
        "builtins.id",
        "torch.save",
        "set_postfix",
        "set_description",
        "Privacy",
    ]
)


@function("<escape>")
def _escape(ip: Interpreter, info: CallInfo) -> Value:
    if info.name.rpartition(".")[2] in HARMLESS or info.name in HARMLESS:
        return NONE
    for e in info.positional[0].entries:
        if isinstance(e.atom, Obj) and e.atom.kind in (
            "dp-model",
            "dp-optimizer",
            "dp-criterion",
            "dp-loader",
        ):
            ip.happen(e.atom.data, "escape", info.node, e.guard, what=e.atom.kind, into=info.name)
    return NONE


@function("opacus.ModuleValidator")
def _validator(ip: Interpreter, info: CallInfo) -> Value:
    return ip.unknown(info.node, "a validator")


@function("opacus.ModuleValidator.fix", "opacus.validators.ModuleValidator.fix")
def _validator_fix(ip: Interpreter, info: CallInfo) -> Value:
    return info.argument(0, "module")


@function("opacus.DPDataLoader", "opacus.DPDataLoader.from_data_loader")
def _dp_loader(ip: Interpreter, info: CallInfo) -> Value:
    return info.argument(0, "data_loader") or ip.unknown(info.node, "a loader")


@function("opacus.DifferentiallyPrivateDistributedDataParallel")
def _dp_ddp(ip: Interpreter, info: CallInfo) -> Value:
    return info.argument(0, "model")


@function("opacus.DPLSTM", "opacus.DPGRU", "opacus.DPRNN", "opacus.DPMultiheadAttention")
def _layer(ip: Interpreter, info: CallInfo) -> Value:
    return of(ip.new("model", info.node, info.name))


__all__ = ["parts_of", "private_run", "seeded_here"]
