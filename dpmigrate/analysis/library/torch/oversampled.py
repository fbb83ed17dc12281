"""Records that are drawn or made again before a data set is made of them: oversampling, SMOTE, ``np.tile``.

What comes out is marked as batches are, so that whatever is computed of it tells.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import libcst as cst

from dpmigrate.analysis.batches import batches_of, marked, taken
from dpmigrate.analysis.core import Interpreter
from dpmigrate.analysis.domain.atoms import (
    SOME,
    Atom,
    Batch,
    Const,
    External,
    Obj,
    Unknown,
    deeper,
    is_one_of_several,
)
from dpmigrate.analysis.domain.ordering import in_order
from dpmigrate.analysis.domain.values import NOTHING, Entry, Seq, Value, of
from dpmigrate.analysis.language.functions import unknown_call
from dpmigrate.analysis.ledger import Circumstances, Origin
from dpmigrate.analysis.ledger.models import RecordsRepeated
from dpmigrate.analysis.library.records import datasets_given
from dpmigrate.analysis.library.torch.data import GIVEN, wholes_of
from dpmigrate.analysis.registry import CallInfo, function, method, prefix
from dpmigrate.analysis.source.tree import every, in_a_line
from dpmigrate.analysis.training import TrainingRun

_AGAIN, _OF_OTHERS = "records drawn again", "records made of others"


@prefix("imblearn.over_sampling.", "imblearn.combine.")
def _oversampler(ip: Interpreter, info: CallInfo) -> Value:
    return of(ip.new("oversampler", info.node, info.name))


@method("oversampler", "fit_resample", "fit_sample")
def _resampled(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    """``X, y = SMOTE().fit_resample(X, y)``."""
    made = ip.unknown(info.node, "records and labels")
    assert isinstance(e.atom, Obj)
    again = str(e.atom.data).endswith("RandomOverSampler")
    return _mark(ip, made, info.node, _AGAIN if again else _OF_OTHERS)


@function("sklearn.utils.resample")
def _bootstrap(ip: Interpreter, info: CallInfo) -> Value:
    """``resample(minority, n_samples=5000)``, with replacement unless it is told otherwise."""
    made = unknown_call(ip, External(info.name), info)
    replaced = info.argument(None, "replace").only
    return made if replaced == Const(False) else _mark(ip, made, info.node, _AGAIN)


@method("unknown", "sample")
def _sampled(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    """``frame.sample(frac=2, replace=True)``."""
    made = unknown_call(ip, e.atom, info)
    return _mark(ip, made, info.node, _AGAIN) if info.argument(None, "replace").only == Const(True) else made


@function("numpy.tile")
def _tiled(ip: Interpreter, info: CallInfo) -> Value:
    """``np.tile(table, (3, 1))``: each row three times."""
    made = unknown_call(ip, External(info.name), info)
    times = info.argument(1, "reps").only
    rows = times.items[0].only if isinstance(times, Seq) and times.items and len(times.items) > 1 else None
    often = isinstance(rows, Const) and isinstance(rows.value, int) and rows.value > 1
    return _mark(ip, made, info.node, _AGAIN) if often else made


@function("pandas.concat")
def _frames_together(ip: Interpreter, info: CallInfo) -> Value:
    """``pd.concat([frame, frame[frame.label == 1]])``."""
    return chosen_again(ip, info, unknown_call(ip, External(info.name), info))


def chosen_again(ip: Interpreter, info: CallInfo, made: Value) -> Value:
    """``torch.cat([x, x[y == 3]])``: the rows that are chosen are there twice."""
    joined, over = info.argument(0, "tensors").only, info.argument(1, "dim") or info.argument(None, "axis")
    if not isinstance(joined, Seq) or (over and over.only != Const(0)):
        return made
    members = [item.only for item in joined.items or ()]
    symbols = {m.symbol for m in members if isinstance(m, Unknown) and not is_one_of_several(m.symbol)}
    again = any(isinstance(m, Unknown) and m.symbol in {deeper(s, SOME) for s in symbols} for m in members)
    return _mark(ip, made, info.node, _AGAIN) if again else made


def views_together(ip: Interpreter, info: CallInfo, made: Value) -> Value:
    """``torch.cat([x, jitter(x)])``: a row for each view of a record, each of which is clipped by itself."""
    over = info.argument(1, "dim") or info.argument(None, "axis")
    call = info.node
    first = call.args[0].value if isinstance(call, cst.Call) and call.args else None
    if not isinstance(first, (cst.List, cst.Tuple)) or (over and over.only != Const(0)) or not ip.loops:
        return made
    views = [element.value for element in first.elements]
    whole = [view.value for view in views if isinstance(view, cst.Name)]
    again = [
        name
        for name in whole
        if sum(name in _made_of_whole(view, ip.frame.code) for view in views) > 1
        and any(_is_private(batch.loader) for batch in batches_of(ip, [ip.evaluate(cst.Name(name))]))
    ]
    return _mark(ip, made, call, _AGAIN) if again and not ip.gradients_off else made


def _is_private(loader: Atom) -> bool:
    return isinstance(loader, Obj) and loader.kind in ("dp-loader", "managed-loader")


def _made_of_whole(view: cst.BaseExpression, around: cst.CSTNode) -> set[str]:
    """The variables that a view is, or that a call makes it of; not those of which it takes a part."""
    if isinstance(view, cst.Name):
        given = [
            node.value
            for node in every(around)
            if isinstance(node, cst.Assign) and any(view.deep_equals(t.target) for t in node.targets)
        ]
        called = [value for value in given if isinstance(value, cst.Call)]
        inner = _made_of_whole(called[0], around) if len(given) == len(called) == 1 else set()
        return {view.value, *inner}
    if not isinstance(view, cst.Call):
        return set()
    parts = [arg.value for arg in view.args]
    if isinstance(view.func, cst.Attribute):
        if view.func.attr.value in ("chunk", "split"):
            return set()
        parts.append(view.func.value)
    return {part.value for part in parts if isinstance(part, cst.Name)}


@function("<given to a private model>")
def _given(ip: Interpreter, info: CallInfo) -> Value:
    """A private model gets records that are in the batch more than once."""
    private, *inputs = info.positional
    run = private.only.data if isinstance(private.only, Obj) else None
    if not isinstance(run, TrainingRun) or ip.gradients_off:
        return NOTHING
    for batch in batches_of(ip, inputs):
        source = batch.loader
        if isinstance(source, Obj) and source.kind == "repeated-records" and source.node is not None:
            there = ip.at(source.node, batch.guard)
            ip.happen(run, RecordsRepeated(there, in_a_line(source.node), 0, sure=False))
    return NOTHING


def _mark(ip: Interpreter, made: Value, node: cst.CSTNode, how: str) -> Value:
    return marked(made, frozenset({taken(ip, _repeated(ip, node, how), node)}))


def _repeated(ip: Interpreter, node: cst.CSTNode, how: str) -> Obj:
    """What stands for the records that a call gives more than once."""
    return ip.new("repeated-records", node, how)


@function("<run made>")
def _made(ip: Interpreter, info: CallInfo) -> Value:
    private = info.positional[0].only
    if isinstance(private, Obj):
        run: TrainingRun = private.data
        for e in datasets_given(ip, run):
            for batch in _first(_marks(ip, e.atom)):
                source = batch.loader
                if isinstance(source, Obj) and source.node is not None and source.module is not None:
                    there = Circumstances(Origin(source.module, source.node), ip.path | e.guard | batch.guard)
                    text = in_a_line(source.node)
                    mixed = source.data == _OF_OTHERS
                    ip.happen(run, RecordsRepeated(there, text, 0, sure=False, of_others=mixed))
    return NOTHING


def _first(marks: Iterable[Batch]) -> list[Batch]:
    """Of the marks one: records and labels have theirs by calls of their own, ``cat([x, ...])`` and so on."""
    by_source = {mark.loader: mark for mark in marks if isinstance(mark.loader, Obj)}
    return [by_source[first] for first in in_order(by_source.keys())[:1]]


def _marks(ip: Interpreter, dataset: Atom) -> Iterator[Batch]:
    """The marks of what a data set is made of, of one of the project's own as well."""
    for whole in wholes_of(ip, dataset):
        given = GIVEN.of(ip).get(whole)
        held = [of(whole)] if given is None else given.everything()
        if isinstance(whole, Obj) and whole.kind == "instance":
            held += [value for slot in ip.store.keys(whole) if (value := ip.read(whole, slot))]
        for batch in batches_of(ip, held):
            if isinstance(batch.loader, Obj) and batch.loader.kind == "repeated-records":
                yield batch
