"""Operators: arithmetic on constants and tensors, and tests used as values."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import libcst as cst

from dpmigrate.analysis import registry
from dpmigrate.analysis.batches import batches_of, joined, kind_of_number
from dpmigrate.analysis.core import Interpreter, expression
from dpmigrate.analysis.domain.atoms import (
    A_LENGTH,
    Atom,
    Const,
    Length,
    Obj,
    Params,
    Tensor,
    Unknown,
    behind,
    is_number,
)
from dpmigrate.analysis.domain.values import (
    MAX_TEXT,
    NOTHING,
    Entry,
    Seq,
    Value,
    const,
    join_all,
    merge_entries,
    of,
)
from dpmigrate.analysis.guards import ALWAYS, Guard, contradict, denial
from dpmigrate.analysis.language import narrowing, outcomes
from dpmigrate.analysis.language.assignment import parts_in_order
from dpmigrate.analysis.language.constants import computed, opaque
from dpmigrate.analysis.language.counting import length_or_one
from dpmigrate.analysis.language.effects import effects_kept
from dpmigrate.analysis.language.items import update_dict
from dpmigrate.analysis.language.sets import OPERATORS, combined
from dpmigrate.analysis.language.strings import formatted
from dpmigrate.analysis.ledger.reductions import COUPLED_MEANS

_PLAIN = (int, float, str, bool)


def _times(left: Any, right: Any) -> Any:
    """A product; texts are not repeated to any length."""
    text, count = (left, right) if isinstance(left, str) else (right, left)
    if isinstance(text, str) and isinstance(count, int) and len(text) * count > MAX_TEXT:
        raise ValueError("too long a text")
    return left * right


def _power(base: Any, exponent: Any) -> Any:
    """A power of numbers; what could be large is not worked out."""
    if isinstance(base, str) or abs(exponent) > MAX_EXPONENT or abs(base) > MAX_BASE:
        raise ValueError("too large a number")
    result = base**exponent
    if isinstance(result, complex):
        raise ValueError("no real number")
    return result


MAX_EXPONENT, MAX_BASE = 64, 1_000_000
"""How large the numbers of a power are that is worked out."""

_OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "Add": operator.add,
    "Subtract": operator.sub,
    "Multiply": _times,
    "Divide": operator.truediv,
    "FloorDivide": operator.floordiv,
    "Modulo": operator.mod,
    "Power": _power,
}


@expression(cst.BinaryOperation)
def _binary(ip: Interpreter, node: cst.BinaryOperation) -> Value:
    return arithmetic(ip, type(node.operator).__name__, ip.evaluate(node.left), ip.evaluate(node.right), node)


def arithmetic(ip: Interpreter, name: str, left: Value, right: Value, node: cst.CSTNode) -> Value:
    """The value of a binary operation; tensors remember what was done to them."""
    entries = (*left.entries, *right.entries)
    if any(isinstance(e.atom, Tensor) for e in entries):
        _tell_of_tensors(ip, name, left, right, node)
        return _tensor_arithmetic(name, left, right)
    if name in ("Subtract", "Divide") and ip.loops and batches_of(ip, [left]):
        given = registry.CallInfo(node, [left, right], name=name)
        marked = registry.tell_hooks(ip, "<arithmetic of batches>", given)
        if marked:
            return opaque(ip, node, [left, right, marked])
    if name in ("Power", "Multiply", "Add", "Subtract", "Divide"):
        of_parameters = [e for e in entries if isinstance(e.atom, Params)]
        if any(isinstance(e.atom, Params) and e.atom.of_gradient for e in of_parameters):
            return opaque(ip, node, [left, right])
        if of_parameters:
            return Value(tuple(of_parameters))
    put_together = _of_containers(ip, name, left, right, node)
    if put_together is not None:
        return put_together

    def compute(x: Any, y: Any) -> Any:
        if name not in _OPERATORS or not (isinstance(x, _PLAIN) and isinstance(y, _PLAIN)):
            raise TypeError("not computed")
        return _OPERATORS[name](x, y)

    measured = _of_lengths(ip, name, left.only, right.only, node)
    if measured is not None:
        return measured
    result = computed(ip, node, [left, right], compute)
    if name in ("Add", "Subtract", "Multiply", "Divide", "Modulo"):
        given = registry.CallInfo(node, [left, right, result], name=name)
        return registry.tell_hooks(ip, "<arithmetic>", given) or result
    return result


def _tell_of_tensors(ip: Interpreter, name: str, left: Value, right: Value, node: cst.CSTNode) -> None:
    """Tell the libraries' hooks of tensors that are multiplied, subtracted or divided."""
    given = registry.CallInfo(node, [left, right], name=name)
    if name == "MatrixMultiply":
        registry.tell_hooks(ip, "<product of tensors>", given)
    if name in ("Subtract", "Divide", "Multiply"):
        registry.tell_hooks(ip, "<arithmetic of tensors>", given)


def _of_containers(ip: Interpreter, name: str, left: Value, right: Value, node: cst.CSTNode) -> Value | None:
    """``[a] + [b]``, ``options | more``, ``"%s" % name``; None for anything else."""
    a, b = left.only, right.only
    if name == "Add" and (isinstance(a, Seq) or isinstance(b, Seq)):
        one, other = parts_in_order(ip, left, node), parts_in_order(ip, right, node)
        if one is not None and other is not None:
            return of(Seq((*one, *other), None, isinstance(a, Seq) and a.mutable))
    if isinstance(a, Seq) and isinstance(b, Seq) and a.items is not None and b.items is not None:
        made_of = combined(OPERATORS[name], [a, b]) if name in OPERATORS else None
        return opaque(ip, node, [left, right]) if made_of is None else made_of
    if name == "BitOr" and isinstance(a, Obj) and a.kind == "dict":
        made = ip.new("dict", node)
        update_dict(ip, made, left)
        update_dict(ip, made, right)
        return of(made)
    if name == "Modulo" and any(isinstance(constant, str) for constant in left.constants()):
        return formatted(ip, node, left, right)
    return None


def _of_lengths(
    ip: Interpreter, name: str, a: Atom | None, b: Atom | None, node: cst.CSTNode
) -> Value | None:
    """One over a length, times and powers of it, and the batches that it makes; None for anything else."""
    if name == "Divide" and isinstance(a, Const):
        over = frozenset(replace(p, over_one=True) for p in _lengths(b) if _about_one(a.value, p))
        one_over = ip.unknown(node, "one over a length", over) if over else None
        return one_over and one_over.because(ip.origin(node, "one over a length"))
    if name == "Power" and isinstance(b, Const) and is_number(b.value):
        return _power_of_length(ip, _lengths(a), b.value, node)
    if name == "Multiply":
        factor, length = (a, b) if isinstance(a, Const) else (b, a)
        times = factor.value if isinstance(factor, Const) and is_number(factor.value) else 0
        longer = frozenset(replace(p, times=p.times * times) for p in _lengths(length))
        return ip.unknown(node, A_LENGTH, longer) if longer and times > 0 else None
    return batches_counted(a, b, node) if name == "FloorDivide" else None


def _power_of_length(
    ip: Interpreter, lengths: list[Length], exponent: float, node: cst.CSTNode
) -> Value | None:
    """``len(data) ** 0.5``, and one over such a power, ``len(data) ** -1.1``; None for anything else."""
    raised = [
        replace(p, times=p.times ** abs(exponent), power=p.power * abs(exponent)) for p in lengths if exponent
    ]
    if not raised:
        return None
    if exponent > 0:
        return ip.unknown(node, A_LENGTH, frozenset(raised))
    return _of_lengths(
        ip, "Divide", Const(1), Unknown(("power", id(node)), A_LENGTH, frozenset(raised)), node
    )


def batches_counted(a: Atom | None, b: Atom | None, node: cst.CSTNode) -> Value | None:
    """How many batches of one size so many records make; None where it is another number that is divided."""
    if not isinstance(a, Unknown) or (isinstance(b, Const) and b.value in (0, 1)):
        return None
    records = (p for p in a.parts if isinstance(p, Length) and not p.over_one)
    counted = frozenset(replace(p, in_batches=True) for p in records)
    return of(Unknown(("batches", a.symbol, id(node)), A_LENGTH, counted)) if counted else None


def _lengths(atom: Atom | None) -> list[Length]:
    """What a number is the length of; empty where it is worked out from one in another way."""
    is_length = isinstance(atom, Unknown) and atom.reason == A_LENGTH
    return [p for p in atom.parts if isinstance(p, Length)] if is_length and isinstance(atom, Unknown) else []


def _about_one(numerator: object, length: Length) -> bool:
    """Whether something over a length is one over it; where batches are counted, 0.5 is no better.

    One over a root is more than that, and one over a power less.
    """
    if not is_number(numerator) or length.power > 1:
        return False
    batches = isinstance(length.of, Obj) and length.of.kind in ("loader", "dp-loader", "managed-loader")
    share = numerator / length.times
    return bool(share == 1 or (length.power < 1 < share) or (batches and 0.5 <= share <= 1))


def _tensor_arithmetic(name: str, left: Value, right: Value) -> Value:
    """Combine tensors: the maker that survives is the one a gradient flows to."""
    out: list[Entry] = []
    done = _STEPS.get(name) or name.lower()
    penalties = {id(e) for e in (*left.entries, *right.entries) if is_penalty(e.atom)}
    for x in left.entries or (None,):
        for y in right.entries or (None,):
            pair = [e for e in (x, y) if e is not None]
            tensors = [e.atom for e in pair if isinstance(e.atom, Tensor)]
            if not tensors or (x and y and x.guard and y.guard and contradict(x.guard, y.guard)):
                continue
            coefficient = next((t.coefficient for t in tensors if t.coefficient is not None), None)
            makers = [t for t in tensors if t.maker is not None and t.coefficient is None] or tensors
            lead = next((t for t in makers if _is_wrapped(t)), makers[0])
            step = done
            if len(tensors) == 2 and tensors[0].maker != tensors[1].maker and coefficient is None:
                other = tensors[0] if lead is tensors[1] else tensors[1]
                step = f"{done}-{'reduced' if _is_of_the_batch(other, lead) else 'other'}"
            elif penalties and any(id(e) in penalties for e in pair):
                step = f"{done}-penalty"
            elif done in ("mul", "div") and len(pair) == 2 and len(tensors) == 1:
                step = done + kind_of_number(pair[0 if pair[1].atom is tensors[0] else 1].atom)
            sources, detached = behind(tensors)
            made = replace(
                lead.after(step),
                sources=sources,
                coefficient=coefficient,
                detached=detached,
                passes=joined(tensors),
            )
            out.append(Entry(made, pair[0].guard if len(pair) == 1 else pair[0].guard | pair[1].guard))
    return merge_entries(out)


_STEPS = {"Divide": "div", "Multiply": "mul", "Add": "add", "Subtract": "sub"}
"""What each operation leaves in the steps of a tensor."""


def _is_wrapped(t: Tensor) -> bool:
    """Whether the criterion that a private run returned made it: one loss for each example."""
    return isinstance(t.maker, Obj) and t.maker.kind == "dp-criterion"


def _is_of_the_batch(t: Tensor, losses: Tensor) -> bool:
    """Whether a criterion made one number of a model's whole batch, beside its wrapped losses."""
    if not _is_wrapped(losses) or not t.sources & losses.sources:
        return False
    return t.reduction in ("mean", "sum", *COUPLED_MEANS) and all(
        step.startswith(("mul", "div")) for step in t.steps
    )


def is_penalty(atom: Atom) -> bool:
    """Whether a number was made of a model's parameters alone."""
    parts = atom.parts if isinstance(atom, Unknown) else (atom,)
    return any(isinstance(part, Params) and not part.of_gradient and not part.detached for part in parts)


@expression(cst.UnaryOperation)
def _unary(ip: Interpreter, node: cst.UnaryOperation) -> Value:
    if isinstance(node.operator, cst.Not):
        return truth_value(ip, node, narrowing.narrow(ip, node))
    value = ip.evaluate(node.expression)
    atom = value.only
    if (
        isinstance(node.operator, cst.Minus)
        and isinstance(atom, Const)
        and isinstance(atom.value, (int, float))
    ):
        return const(-atom.value, ip.origin(node, "literal"))
    if any(isinstance(a, Tensor) for a in value.atoms):
        return value
    return opaque(ip, node, [value])


@expression(cst.Comparison)
def _comparison(ip: Interpreter, node: cst.Comparison) -> Value:
    if len(node.comparisons) == 1:
        return truth_value(ip, node, narrowing.narrow(ip, node))
    ip.evaluate(node.left)
    for part in node.comparisons:
        ip.evaluate(part.comparator)
    return ip.unknown(node, "a chained comparison")


def truth_value(ip: Interpreter, node: cst.CSTNode, outcome: outcomes.Outcome) -> Value:
    """A test used as a value: True and False, each under what it takes."""
    parts = []
    for branch, truth in ((outcome.true, True), (outcome.false, False)):
        if branch.possible:
            parts += [of(Const(truth), ip.origin(node, "test"), guard=way.guard) for way in branch.each()]
    if not outcome.telling:
        return ip.unknown(node, "a test")
    return join_all(parts) or ip.unknown(node, "a test")


@expression(cst.BooleanOperation)
def _boolean(ip: Interpreter, node: cst.BooleanOperation) -> Value:
    outcome = narrowing.narrow(ip, node.left)
    left = ip.evaluate(node.left)
    yes, no = outcomes.split_by_truth(ip, left)
    is_and = isinstance(node.operator, cst.And)
    goes_on, kept = (outcome.true, no) if is_and else (outcome.false, yes)
    if not goes_on.possible:
        return kept or left
    right = _under(ip, outcome.as_it_may_be(goes_on, node, ip.context), node.right)
    length = NOTHING if is_and else length_or_one(left, right)
    if length or not kept:
        return length or right
    return join_all([kept, right.guarded(goes_on.guard | _denied(kept, goes_on))])


def _denied(kept: Value, goes_on: outcomes.Branch) -> Guard:
    """What several ways that go on to the right have in common: the left is none of what ends there."""
    denials = [denial(e.guard) for e in kept.entries] if goes_on.ways else []
    return ALWAYS.union(*[each for each in denials if each is not None])


def _under(ip: Interpreter, branch: outcomes.Branch, node: cst.BaseExpression) -> Value:
    """Evaluate an expression in one branch of a test."""
    with effects_kept(ip, branch.guard):
        if not narrowing.enter(ip, branch):
            return NOTHING
        return ip.evaluate(node)
