"""The private model, optimizer, criterion and loader."""

from __future__ import annotations

from dataclasses import replace

import libcst as cst

from dpmigrate.analysis import registry
from dpmigrate.analysis.batches import batches_of, passes_behind, passes_through, taken
from dpmigrate.analysis.core import Interpreter
from dpmigrate.analysis.domain.atoms import Atom, Const, Obj, Params, Tensor
from dpmigrate.analysis.domain.values import NONE, NOTHING, Entry, Function, Seq, Value, const, join_all, of
from dpmigrate.analysis.language.calls import call_own
from dpmigrate.analysis.language.holding import runs_of_model
from dpmigrate.analysis.ledger import (
    UNKNOWN_AMOUNT,
    CoefficientAsked,
    HooksRemoved,
    HooksSwitched,
    Iterated,
    ManagerUsed,
    Stepped,
)
from dpmigrate.analysis.ledger.events import TurnFed
from dpmigrate.analysis.ledger.gradients import ColumnOfLosses, TokensIgnored
from dpmigrate.analysis.ledger.sampling import BatchSkipped
from dpmigrate.analysis.library import pending
from dpmigrate.analysis.library.gradients import step_taken, touch
from dpmigrate.analysis.library.opacus.empty_batches import skips_of_an_empty_batch
from dpmigrate.analysis.library.opacus.escapes import kept
from dpmigrate.analysis.library.opacus.flattened import (
    classes_before_tokens,
    target_is_a_column,
    tell_of_flattened,
)
from dpmigrate.analysis.library.opacus.memory import guard_of_tests, loop_over
from dpmigrate.analysis.library.opacus.runs import part, run_of, wraps_its_losses
from dpmigrate.analysis.library.torch.batch_norm import whole_in_train_mode
from dpmigrate.analysis.library.torch.columns import ELEMENTWISE, columns_of, gives_classes_before_tokens
from dpmigrate.analysis.library.torch.ignored import reduction_of_its_own
from dpmigrate.analysis.library.torch.models import clearing_of
from dpmigrate.analysis.library.torch.record_seeds import tell_of_seeding_records
from dpmigrate.analysis.library.trained_before import state_of
from dpmigrate.analysis.registry import CallInfo, attribute, function, method, tell_hooks
from dpmigrate.analysis.retired import MetCall
from dpmigrate.analysis.training import TrainingRun


@method("dp-model", "train")
def _train(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    whole_in_train_mode(ip, run_of(e), info, e.guard)
    return of(e.atom, *e.because)


@method("dp-model", "to", "cuda", "cpu", "eval", "float", "double", "half", "apply")
@method("dp-optimizer", "expected_batch_size")
def _same(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    return of(e.atom, *e.because)


@method("dp-model", "__call__", "forward")
def _forward(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    kept(ip, CallInfo(info.node, [of(e.atom), join_all(info.everything())]))
    tell_hooks(ip, "<given to a private model>", CallInfo(info.node, [of(e.atom), *info.everything()]))
    inputs = [a for v in info.everything() for a in v.atoms if isinstance(a, Tensor)]
    sources = frozenset({e.atom}).union(*(t.reached for t in inputs))
    reduction = reduction_of_its_own(ip, run_of(e), info)
    return of(Tensor(sources, e.atom, passes=passes_through(ip, e.atom, info), reduction=reduction))


@method(("dp-model", "dp-optimizer"), "zero_grad")
def _zero_grad(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    touch(ip, run_of(e), info.node, clearing_of(info, default=False), e.guard)
    return NONE


@method("dp-model", "get_coeff", "get_clipping_coef", "get_norm_sample")
def _coefficient(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    run = run_of(e)
    if info.name == "get_coeff" and wraps_its_losses(run):
        ip.retired.note(MetCall("get-coeff", ip.origin(info.node), "1.5.3", "AttributeError", sure=True))
    ip.happen(run, CoefficientAsked(ip.at(info.node, e.guard), info.name))
    return of(Tensor(frozenset({e.atom}), None, (), e.atom))


@method("dp-model", "disable_hooks", "enable_hooks")
def _switch_hooks(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    ip.happen(run_of(e), HooksSwitched(ip.at(info.node, e.guard), info.name == "enable_hooks"))
    return NONE


@method("dp-model", "remove_hooks")
def _remove_hooks(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    ip.happen(run_of(e), HooksRemoved(ip.at(info.node, e.guard)))
    return NONE


@attribute("dp-model", "_module", "module")
def _inner_model(ip: Interpreter, e: Entry, node: cst.CSTNode) -> Value:
    run = run_of(e)
    models = [a for a in run.raw_models if isinstance(a, Obj)]
    return join_all(map(of, models)) if len(models) == len(run.raw_models) and models else of(e.atom)


@method("dp-model", "*")
def _other_of_model(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    kept(ip, CallInfo(info.node, [of(e.atom), join_all(info.everything())]))
    if not info.takes_data and info.name != "generate":
        inner = run_of(e).raw_models
        for model in inner if len(inner) == 1 else ():  # ``net.penalty()`` is the wrapped model's own method
            result = call_own(ip, model, info.name, info)
            if result is not None:
                return result
        return ip.unknown(info.node, f"result of {info.name}", frozenset({e.atom}))
    inputs = [a for v in info.everything() for a in v.atoms if isinstance(a, Tensor)]
    sources = frozenset({e.atom}).union(*(t.reached for t in inputs))
    return of(Tensor(sources, e.atom, (f".{info.name}",), passes=passes_through(ip, e.atom, info)))


@method("dp-model", "state_dict")
def _state(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    return state_of(ip, e.atom, info.node)


@method(
    "dp-model",
    "buffers",
    "named_buffers",
    "get_submodule",
    "add_module",
    "register_buffer",
    "register_forward_hook",
    "add_hooks",
    "validate",
    "save_pretrained",
    "num_parameters",
    "print_trainable_parameters",
)
def _no_tensor(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    return ip.unknown(info.node, f"result of {info.name}", frozenset({e.atom}))


@method("dp-model", "to_standard_module")
def _standard_module(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    """The module that was passed in, without its hooks."""
    ip.happen(run_of(e), HooksRemoved(ip.at(info.node, e.guard)))
    return _inner_model(ip, e, info.node)


@method("dp-optimizer", "step")
def _step(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    for argument in info.everything():
        for entry in argument.entries:
            if isinstance(entry.atom, Function):
                from dpmigrate.analysis.language.calls import call_value

                call_value(ip, Value((entry,)), CallInfo(info.node))
    step_taken(ip, run_of(e), info.node, e.guard)
    function = ip.frame.function
    if (
        ip.loops
        and not ip.frame.loops
        and function is not None
        and isinstance(function.node, cst.FunctionDef)
    ):
        for skip in skips_of_an_empty_batch(function.node, ip.module.tree):
            tested = guard_of_tests(ip, skip)
            if tested is not None:
                there = replace(ip.at(info.node, e.guard | tested), origin=ip.origin(skip.node))
                ip.happen(run_of(e), BatchSkipped(there, skip.how))
    return NONE


@method("dp-optimizer", "signal_skip_step")
def _signal(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    given = info.argument(0, "do_skip") or const(True)
    if Const(False) == given.only:
        return NONE
    ip.happen(run_of(e), ManagerUsed(ip.at(info.node, e.guard), "signal_skip_step", UNKNOWN_AMOUNT))
    pending.put_off(ip, run_of(e), info.node, e.guard)
    return NONE


@attribute("dp-optimizer", "original_optimizer")
def _original(ip: Interpreter, e: Entry, node: cst.CSTNode) -> Value:
    return join_all(of(a) for a in run_of(e).raw_optimizers) or of(part(run_of(e), "original-optimizer"))


@method("original-optimizer", "step")
def _step_past(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    ip.happen(run_of(e), Stepped(ip.at(info.node, e.guard), raw=True))
    return NONE


@method("original-optimizer", "zero_grad")
def _zero_past(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    touch(ip, run_of(e), info.node, clearing_of(info, default=True), e.guard, raw=True)
    return NONE


@attribute("dp-optimizer", "param_groups")
def _optimizer_groups(ip: Interpreter, e: Entry, node: cst.CSTNode) -> Value:
    group = ip.new("dict", node)
    ip.store.set(group, ("key", "params"), _optimizer_params(ip, e, node))
    ip.store.set(group, "rest", ip.unknown(node, "an option of a group"))
    return of(Seq(None, of(group)))


@attribute("dp-optimizer", "params")
def _optimizer_params(ip: Interpreter, e: Entry, node: cst.CSTNode) -> Value:
    return of(Params(frozenset({part(run_of(e), "dp-model")})))


@method("dp-criterion", "__call__", "forward")
def _wrapped_loss(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    inputs = [a for v in info.everything() for a in v.atoms if isinstance(a, Tensor)]
    sources = frozenset[Atom]().union(*(t.reached for t in inputs))
    trained = [run for source in sources for run in runs_of_model(ip, source)]
    if not trained or any(run is run_of(e) for run in trained):  # else the outputs are another run's
        sources |= {part(run_of(e), "dp-model")}
    tell_hooks(ip, "<given to a loss>", info)
    _tell_of_columns(ip, info, e)
    _tell_of_ignored(ip, info, e)
    tell_of_flattened(ip, run_of(e), info, e)
    return of(Tensor(sources, e.atom, passes=passes_behind(info.everything())))


def _tell_of_ignored(ip: Interpreter, info: CallInfo, e: Entry) -> None:
    """Tell of tokens that are to be ignored, where the losses of a sequence's tokens become one."""
    run = run_of(e)
    made = run.argument("criterion").only
    ignored = ip.read(made, "ignore_index") if isinstance(made, Obj) else None
    if ignored and info.given(None, "shape") is True and info.argument(None, "shape").only != Const(None):
        ip.happen(run, TokensIgnored(ip.at(info.node, e.guard), "target" in info.keywords))


_OF_CLASSES = ("torch.nn.CrossEntropyLoss", "torch.nn.NLLLoss")
"""Criteria whose losses have the shape of the model's output without its classes."""


def _tell_of_columns(ip: Interpreter, info: CallInfo, e: Entry) -> None:
    """Tell of losses of each element, of a column or of what the linear units give that the model ends in."""
    run = run_of(e)
    made = run.argument("criterion").only
    name = made.data if isinstance(made, Obj) and isinstance(made.data, str) else ""
    if name in _OF_CLASSES and info.given(None, "shape") is not True and _of_tokens(ip, run, info):
        ip.happen(run, ColumnOfLosses(ip.at(info.node, e.guard), name.replace("torch.nn.", "nn."), None))
    if name not in ELEMENTWISE:
        return
    output = info.argument(0, "input").only
    columns = 1 if target_is_a_column(ip, info.node) else None
    if columns is None and isinstance(output, Tensor) and not output.steps:
        numbers = {columns_of(ip, model) for model in run.raw_models}
        columns = numbers.pop() if len(numbers) == 1 else None
    if columns is not None:
        ip.happen(run, ColumnOfLosses(ip.at(info.node, e.guard), name.replace("torch.nn.", "nn."), columns))


def _of_tokens(ip: Interpreter, run: TrainingRun, info: CallInfo) -> bool:
    """Whether the logits have the classes before the tokens, [B, V, T], here or as the model returns them."""
    output = info.argument(0, "input").only
    as_returned = isinstance(output, Tensor) and not output.steps and bool(run.raw_models)
    turned = as_returned and all(gives_classes_before_tokens(ip, model) for model in run.raw_models)
    return turned or classes_before_tokens(ip, info.node)


def _iterate_private(ip: Interpreter, e: Entry, node: cst.CSTNode) -> Value:
    ip.happen(run_of(e), Iterated(ip.at(node, e.guard)))
    tell_of_seeding_records(ip, run_of(e), node, e.guard, loop_over(ip, node))
    return ip.unknown(node, "a batch", frozenset({taken(ip, e.atom, node)}))


@function("<a turn for each>")
def _fed_in_turns(ip: Interpreter, info: CallInfo) -> Value:
    """A loop gets batches from the loader, or from a generator or a list that they are handed on by."""
    around = {turn.loop for turn in ip.loops}
    for batch in batches_of(ip, info.positional):
        if not isinstance(batch.loader, Obj) or batch.loader.kind != "dp-loader":
            continue
        run: TrainingRun = batch.loader.data
        outer = (e for e in run.events if isinstance(e, TurnFed) and e.origin in around)
        if not any(batch.origin in e.taken for e in outer):
            ip.happen(run, TurnFed(ip.at(info.node, batch.guard), frozenset({batch.origin})))
    return NOTHING


registry.ITERATION["dp-loader"] = _iterate_private
