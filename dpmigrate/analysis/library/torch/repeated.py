"""Records that are in the data of a run more than once: ``ConcatDataset([data, data])``, ``data + data``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from dpmigrate.analysis.core import Interpreter
from dpmigrate.analysis.domain.atoms import Atom, Const, External, Obj, Unknown, is_one_of_several
from dpmigrate.analysis.domain.values import NOTHING, Class, Entry, Seq, Value, of
from dpmigrate.analysis.language.classes import external_base, find_member
from dpmigrate.analysis.language.functions import unknown_call
from dpmigrate.analysis.ledger import Circumstances, Origin
from dpmigrate.analysis.ledger.models import RecordsRepeated
from dpmigrate.analysis.library.records import datasets_given
from dpmigrate.analysis.library.torch.data import GIVEN, PART_OF
from dpmigrate.analysis.library.torch.oversampled import chosen_again
from dpmigrate.analysis.notes import Slot
from dpmigrate.analysis.registry import CallInfo, function, method
from dpmigrate.analysis.source.tree import in_a_line
from dpmigrate.analysis.training import TrainingRun

_TIMES: Slot[dict[Atom, int]] = Slot(dict)
"""By unknown thing: how many times each row, or position, is there, where that is more than once."""
_VIEWS = frozenset(["transform", "target_transform", "transforms", "loader", "download"])
"""What two data sets of one set of records may differ in."""
_MAX_DEPTH = 4
_MAX_JOINED = 16


class _Repetition(NamedTuple):
    """A call, or a sum, by which each record is in the data so many times."""

    of: Obj
    times: int
    sure: bool


@function("<run made>")
def _made(ip: Interpreter, info: CallInfo) -> Value:
    private = info.positional[0].only
    if isinstance(private, Obj):
        run: TrainingRun = private.data
        for e in datasets_given(ip, run):
            for made, times, sure in _repeated(ip, e.atom, sure=True, depth=_MAX_DEPTH):
                if made.node is not None and made.module is not None:
                    there = Circumstances(Origin(made.module, made.node), ip.path | e.guard)
                    ip.happen(run, RecordsRepeated(there, in_a_line(made.node), times, sure))
    return NOTHING


def _repeated(ip: Interpreter, dataset: Atom, sure: bool, depth: int) -> Iterator[_Repetition]:
    """What repeats records in a data set. Of a part of one nobody knows what it leaves out."""
    if not isinstance(dataset, Obj) or dataset.kind != "dataset" or not depth:
        return
    given = GIVEN.of(ip).get(dataset)
    joined = _joined(ip, dataset)
    times = max((sum(_hold_the_same(ip, one, other) for other in joined) for one in joined), default=1)
    if times > 1:
        yield _Repetition(dataset, times, sure)
        return
    number = _of_rows(ip, given)
    if number > 1:
        yield _Repetition(dataset, number, sure)
        return
    for member in joined:
        yield from _repeated(ip, member, sure, depth - 1)
    whole = ip.read(dataset, PART_OF)
    if whole is not None and whole.only is not None:
        yield from _repeated(ip, whole.only, False, depth - 1)


def _joined(ip: Interpreter, dataset: Obj) -> list[Atom]:
    """The data sets that one is put together from."""
    given = GIVEN.of(ip).get(dataset)
    if given is None or not (given.name.endswith("ConcatDataset") or given.name == "Add"):
        return []
    members = given.positional if given.name == "Add" else _members(given.argument(0, "datasets"))
    joined: list[Atom] = []
    for member in members[:_MAX_JOINED]:
        only = member.only
        added = GIVEN.of(ip).get(only) if isinstance(only, Obj) else None
        if isinstance(only, Obj) and added is not None and added.name == "Add":
            joined += _joined(ip, only)  # ``data + data + data``
        elif only is not None:
            joined.append(only)
    return joined


def _members(listed: Value) -> Sequence[Value]:
    only = listed.only
    return only.items if isinstance(only, Seq) and only.items is not None else ()


def _hold_the_same(ip: Interpreter, one: Atom, other: Atom) -> bool:
    """Whether two data sets are one, or are made alike but for how records are shown."""
    if one == other:
        if isinstance(one, Obj):
            birth = ip.births.get(one)
            return birth is not None and not birth.loops  # else it may be of another turn
        return isinstance(one, Unknown) and not is_one_of_several(one.symbol)
    if not isinstance(one, Obj) or not isinstance(other, Obj) or one.data != other.data:
        return False
    if not isinstance(one.data, str) or not one.data.startswith("torchvision.datasets."):
        return False
    first, second = GIVEN.of(ip).get(one), GIVEN.of(ip).get(other)
    return first is not None and second is not None and _of_one_source(first, second)


def _of_one_source(one: CallInfo, other: CallInfo) -> bool:
    """``CIFAR10(root, True, transform=a)``, ``CIFAR10(root, True, transform=b)``: the same images."""
    if one.unknown_keywords or other.unknown_keywords or one.unknown_positional or other.unknown_positional:
        return False
    names = (one.keywords.keys() | other.keywords.keys()) - _VIEWS
    pairs = [(one.keywords.get(name, NOTHING), other.keywords.get(name, NOTHING)) for name in names]
    if len(one.positional) != len(other.positional):
        return False
    pairs += list(zip(one.positional, other.positional, strict=True))
    return bool(pairs) and all(a.only is not None and a.only == b.only for a, b in pairs)


# -- rows and positions that are repeated before a data set is made of them --------------------------


def _of_rows(ip: Interpreter, given: CallInfo | None) -> int:
    """How many times a position of a subset, or a row of a tensor, is there; 1 where that is not known."""
    subset = given is not None and given.name.endswith(".Subset")
    if given is None or not (subset or given.name.endswith(".TensorDataset")):
        return 1
    rows = (given.argument(1, "indices") if subset else given.argument(0, "tensors")).only
    if isinstance(rows, Unknown):
        return _TIMES.of(ip).get(rows, 1)
    if subset and isinstance(rows, Seq) and rows.items:
        numbers = [item.only for item in rows.items]
        return max(map(numbers.count, numbers)) if all(isinstance(n, Const) for n in numbers) else 1
    return 1


def rows_repeated(ip: Interpreter, info: CallInfo, made: Value) -> Value:
    """What ``torch.cat([x, x])`` makes: each row twice."""
    members = _members(info.argument(0, "tensors"))
    over = info.argument(1, "dim") or info.argument(None, "axis")
    first = members[0].only if members else None
    alike = isinstance(first, Unknown) and all(member.only == first for member in members)
    if alike and len(members) > 1 and (not over or over.only == Const(0)):
        assert isinstance(first, Unknown)
        _note(ip, made, 1 if is_one_of_several(first.symbol) else len(members))
    return made


@function("numpy.concatenate", "numpy.vstack")
def _concatenated(ip: Interpreter, info: CallInfo) -> Value:
    return chosen_again(ip, info, rows_repeated(ip, info, unknown_call(ip, External(info.name), info)))


@function("numpy.repeat")
def _repeat(ip: Interpreter, info: CallInfo) -> Value:
    """``np.repeat(x, 3, axis=0)``, ``np.repeat(positions, 3)``."""
    made = unknown_call(ip, External(info.name), info)
    over = info.argument(2, "axis")
    if not over or over.only == Const(0):
        _note(ip, made, _number(info.argument(1, "repeats")))
    return made


@method("unknown", "repeat", "repeat_interleave")
def _repeated_by_itself(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    """``x.repeat(3, 1)``, ``x.repeat_interleave(3, 0)``."""
    made = unknown_call(ip, e.atom, info)
    if info.name == "repeat" or info.argument(1, "dim").only == Const(0):
        _note(ip, made, _number(info.argument(0, "repeats")))
    return made


@function("<arithmetic>")
def _arithmetic(ip: Interpreter, info: CallInfo) -> Value:
    """``positions * 3`` of a list, ``[data] * 3``, ``data + data``."""
    left, right, result = info.positional
    if info.name == "Add" and any(_is_joined_by_adding(ip, side.only) for side in (left, right)):
        made = ip.new("dataset", info.node, "torch.utils.data.ConcatDataset")
        GIVEN.of(ip)[made] = CallInfo(info.node, [left, right], name="Add")
        return of(made)
    if info.name != "Multiply":
        return NOTHING
    for listed, times in ((left.only, _number(right)), (right.only, _number(left))):
        if isinstance(listed, Seq) and times > 1:
            if listed.items is not None and all(_is_dataset(item.only) for item in listed.items):
                return of(Seq(listed.items * min(times, _MAX_JOINED), None, listed.mutable))
            _note(ip, result, times)
    return NOTHING


def _is_joined_by_adding(ip: Interpreter, atom: Atom | None) -> bool:
    """Whether it is a data set, of a library's or the program's own class that has no addition of its own."""
    if isinstance(atom, Obj) and atom.kind == "instance" and isinstance(atom.data, Class):
        return external_base(ip, atom.data) == "dataset" and find_member(ip, atom.data, "__add__") is None
    return _is_dataset(atom)


def _is_dataset(atom: Atom | None) -> bool:
    return isinstance(atom, Obj) and atom.kind == "dataset"


def _number(value: Value) -> int:
    only = value.only
    return only.value if isinstance(only, Const) and type(only.value) is int else 1


def _note(ip: Interpreter, made: Value, times: int) -> None:
    if times > 1 and isinstance(made.only, Unknown):
        _TIMES.of(ip)[made.only] = times
