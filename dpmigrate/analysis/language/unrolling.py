"""Which iterables are short and telling enough to be followed item by item."""

from __future__ import annotations

from collections.abc import Sequence

import libcst as cst
from libcst.helpers import get_full_name_for_node

from dpmigrate.analysis.core import MAX_UNROLL, Interpreter
from dpmigrate.analysis.domain.atoms import Absent, Const, External, Obj
from dpmigrate.analysis.domain.values import Bound, Class, Function, Partial, Seq, Value, const, of
from dpmigrate.analysis.language.classes import is_enum, members_of
from dpmigrate.analysis.language.items import entries_of
from dpmigrate.analysis.source.once import read_once
from dpmigrate.analysis.source.tree import every


def worth_unrolling(ip: Interpreter, value: Value) -> Sequence[Value] | None:
    """The items of something iterated over, each on its own; None where one stands for all."""
    items = exact_items(ip, value)
    if items is None or not 0 < len(items) <= MAX_UNROLL:
        return None
    return items if len(items) == 1 or any(map(_telling, items)) else None


def _calls_added(loop: cst.For) -> list[cst.Call]:
    """The calls in what a loop adds to a list."""
    added = (node for node in every(loop.body) if _adds(node))
    return [call for node in added for call in every(node) if isinstance(call, cst.Call)]


def turns_that_make_layers(ip: Interpreter, loop: cst.For, given: Value) -> Sequence[Value] | None:
    """The numbers that a loop goes over which adds a layer for each: one by one they are known in order."""
    if not any(_makes_a_layer(ip, call) for call in read_once(ip, _calls_added, loop)):
        return None
    items = exact_items(ip, given) or _counted(ip, loop.iter)
    return items if items is not None and 0 < len(items) <= MAX_UNROLL else None


def grows_meanwhile(loop: cst.For) -> bool:
    """Whether a loop adds to the list that it goes over: it goes over what it adds as well."""
    over = loop.iter
    if isinstance(over, cst.Call):
        through = isinstance(over.func, cst.Name) and over.func.value in ("enumerate", "iter", "zip")
        lists = [arg.value for arg in over.args] if through else []
    else:
        lists = [over]
    names = {get_full_name_for_node(over) for over in lists if isinstance(over, (cst.Name, cst.Attribute))}
    return bool(names) and any(
        get_full_name_for_node(_added_to(n)) in names for n in every(loop.body) if _adds(n)
    )


def _added_to(node: cst.CSTNode) -> cst.CSTNode:
    """The list that something adds to, see `_adds`."""
    if isinstance(node, cst.AugAssign):
        return node.target
    return cst.ensure_type(cst.ensure_type(node, cst.Call).func, cst.Attribute).value


def _adds(node: cst.CSTNode) -> bool:
    """``layers.append(...)``, ``layers += [...]``, ``self.add_module(name, ...)``."""
    if isinstance(node, cst.Call):
        called = node.func
        adding = ("append", "extend", "add_module")
        return isinstance(called, cst.Attribute) and called.attr.value in adding
    return isinstance(node, cst.AugAssign) and isinstance(node.operator, cst.AddAssign)


def _makes_a_layer(ip: Interpreter, node: cst.CSTNode) -> bool:
    """Whether a call is of ``nn.Linear`` or another layer of torch's."""
    if not isinstance(node, cst.Call) or not isinstance(node.func, (cst.Name, cst.Attribute)):
        return False
    if isinstance(node.func, cst.Attribute) and not isinstance(node.func.value, cst.Name):
        return False
    called = ip.evaluate(node.func).only
    name = called.name if isinstance(called, External) else ""
    return name.startswith("torch.nn.") and name.rpartition(".")[2][:1].isupper()


def _counted(ip: Interpreter, call: cst.BaseExpression) -> Sequence[Value] | None:
    """The numbers of ``range(3)``."""
    if not isinstance(call, cst.Call) or not isinstance(call.func, cst.Name) or call.func.value != "range":
        return None
    ends = [ip.evaluate(arg.value).only for arg in call.args]
    numbers = [end.value for end in ends if isinstance(end, Const) and isinstance(end.value, int)]
    if not numbers or len(numbers) < len(ends) or (len(numbers) == 3 and not numbers[2]):
        return None
    counted = range(*numbers)
    return [const(number) for number in counted] if len(counted) <= MAX_UNROLL else None


def exact_items(ip: Interpreter, value: Value) -> Sequence[Value] | None:
    """Every item of something iterated over, in order; None where they are not all known."""
    atom = value.only
    if isinstance(atom, Seq):
        return atom.items
    if isinstance(atom, Const) and isinstance(atom.value, str) and len(atom.value) <= MAX_UNROLL:
        return [const(letter) for letter in atom.value]
    if isinstance(atom, Class) and is_enum(atom):
        members = [of(e.atom, *e.because) for e in members_of(ip, atom, atom.node).entries]
        return members or None
    if not isinstance(atom, Obj) or atom.kind not in ("dict", "dict-items"):
        return None
    named, more = entries_of(ip, atom if atom.kind == "dict" else atom.data)
    if more or any(isinstance(a, Absent) for held in named.values() for a in held.atoms):
        return None
    if atom.kind == "dict":
        return [const(key) for key in named]
    return [of(Seq((const(key), held))) for key, held in named.items()]


def _telling(value: Value) -> bool:
    return any(
        isinstance(a, (Function, Bound, Partial, Class, Obj, External))
        or (isinstance(a, Const) and isinstance(a.value, (str, bool)))
        or (isinstance(a, Seq) and a.items is not None and any(map(_telling, a.items)))
        for a in value.atoms
    )
