"""Operations in place behind hooked layers become operations that make a new tensor.

``nn.ReLU(inplace=True)`` loses the argument, ``out += x`` becomes ``out = out + x``: the same numbers for a
little more memory, as long as nobody reads the tensor from before by another name.
"""

from __future__ import annotations

from collections.abc import Sequence

import libcst as cst

from dpmigrate.analysis.ledger import PrivateRun
from dpmigrate.analysis.ledger.models import ChangedInPlace, InPlaceBy
from dpmigrate.codemods.binders import binders, bound_by
from dpmigrate.codemods.edits import ProjectEdits, Withheld
from dpmigrate.codemods.jobs import Found, Job
from dpmigrate.codemods.listed import without
from dpmigrate.codemods.nodes import name_of, receiver, remove_argument
from dpmigrate.codemods.program_facts import Facts, FactsByPart
from dpmigrate.codemods.shared_tensors import refuse_reads_behind, refuse_shared, seen_through, text_of

_OPERATORS: dict[type[cst.BaseAugOp], type[cst.BaseBinaryOp]] = {
    cst.AddAssign: cst.Add,
    cst.SubtractAssign: cst.Subtract,
    cst.MultiplyAssign: cst.Multiply,
    cst.DivideAssign: cst.Divide,
}


def in_place_jobs(facts: FactsByPart, found: Sequence[Found]) -> list[Job]:
    """One job for each operation in place that a finding is about."""
    jobs = []
    for finding, match in found:
        if match.advisory.fix.concerns != "in-place" or match.origin is None or match.run is None:
            continue
        job = Job([(finding, match)], [match.run])
        node = match.origin.node
        try:
            for change in _changes([match.run]):
                if change.origin.node is node:
                    out_of_place(facts.of(match.origin.module), job.edits, node, change.by)
        except Withheld as withheld:
            job.withheld = withheld
        jobs.append(job)
    return jobs


def all_out_of_place(facts: Facts, edits: ProjectEdits, runs: Sequence[PrivateRun]) -> None:
    """Rewrite whatever the models of some runs change in place. Raises `Withheld`."""
    for change in _changes(runs):
        if not change.library:
            out_of_place(facts, edits, change.origin.node, change.by)


def _changes(runs: Sequence[PrivateRun]) -> list[ChangedInPlace]:
    """What the models of some runs change in place, each place once."""
    return list({e.origin.node: e for run in runs for e in run.happened(ChangedInPlace)}.values())


def of_a_library(runs: Sequence[PrivateRun]) -> bool:
    """Whether some model is a library's that changes outputs in place."""
    return any(e.library for run in runs for e in run.happened(ChangedInPlace))


def out_of_place(facts: Facts, edits: ProjectEdits, node: cst.CSTNode, by: InPlaceBy) -> None:
    """Rewrite one operation. Raises `Withheld`."""
    own = edits.of(facts.module_of(node))
    if by == "operator":
        if not isinstance(node, cst.AugAssign) or not text_of(node.target):
            raise _raises_later(
                facts, node, "write into a copy of that output, which layer(x).clone() makes before"
            )
        if type(node.operator) not in _OPERATORS:
            raise _raises_later(facts, node, "write it as an operation that makes a new tensor (x = x + y)")
        refuse_shared(facts, node, text_of(node.target))
        own.change(node, _as_assignment)
    elif by == "library":
        raise Withheld(
            "the model is a library's, which changes outputs of layers in place: stay on Opacus 1.5.3, or "
            "write its blocks without",
            facts.module_of(node),
            node,
        )
    elif isinstance(node, cst.Call) and _asks(node):
        for call in _calls_of_layer(facts, node) if by == "layer" else [node]:
            given = text_of(call.args[0].value) if call.args else ""
            if given:
                refuse_shared(facts, call, given)
                refuse_reads_behind(facts, call, given)
        own.change(node, _not_in_place)
    else:
        assert isinstance(node, cst.Call)
        _make_new(facts, edits, node, by)


def _raises_later(facts: Facts, node: cst.CSTNode, instead: str) -> Withheld:
    return Withheld(
        f"this changes the output of a layer in place, which raises from Opacus 1.5.4 on: {instead}",
        facts.module_of(node),
        node,
    )


def _make_new(facts: Facts, edits: ProjectEdits, node: cst.Call, by: InPlaceBy) -> None:
    """``h.relu_()`` becomes ``h.relu()``, and ``h = h.relu()`` where nothing took the result."""
    own = edits.of(facts.module_of(node))
    new_name = _without_underscore(node)
    changed = node.args[0].value if by == "function" and node.args else receiver(node)
    alone = isinstance(facts.parent(node), cst.Expr)
    held = text_of(changed) if alone else seen_through(changed)
    if not new_name or (alone and not _can_be_bound(facts, node, held)):
        raise _raises_later(
            facts,
            node,
            "use the operation that makes a new tensor (without the underscore), and keep what it returns",
        )
    if held:
        refuse_shared(facts, node, held)
    if alone:
        assert isinstance(changed, (cst.Name, cst.Attribute))
        target = cst.AssignTarget(changed.deep_clone())
        own.change(facts.removable(node), lambda new: _assigned(new, target))
    elif held:
        refuse_reads_behind(facts, node, held)
    own.change(node, lambda new: new.with_changes(func=_renamed(new.func, new_name)))


def _can_be_bound(facts: Facts, node: cst.CSTNode, held: str) -> bool:
    """Whether an assignment here would bind what is meant: an attribute, or a variable of this very scope."""
    if "." in held:
        return True
    return held in {name for b in binders(facts, facts.scope(node)) for name in bound_by(facts, b)}


def _renamed(func: cst.BaseExpression, name: str) -> cst.BaseExpression:
    assert isinstance(func, cst.Attribute)
    return func.with_changes(attr=cst.Name(name))


def _assigned(new: cst.CSTNode, target: cst.AssignTarget) -> cst.CSTNode:
    """The statement ``h.relu()`` as ``h = h.relu()``; one that another finding has rewritten stays."""
    if isinstance(new, cst.Expr):
        return cst.Assign([target], new.value, semicolon=new.semicolon)
    if isinstance(new, cst.SimpleStatementLine):
        return new.with_changes(body=[_assigned(new.body[0], target)])
    return new


def _asks(node: cst.Call) -> bool:
    """Whether ``inplace=True`` is among the arguments, by name or by position."""
    return any(a.keyword is not None and a.keyword.value == "inplace" for a in node.args) or _last_true(node)


def _last_true(node: cst.Call) -> bool:
    last = node.args[-1] if node.args else None
    return (
        last is not None
        and last.keyword is None
        and isinstance(last.value, cst.Name)
        and last.value.value == "True"
    )


_NEW_ONES = frozenset(
    [
        *("relu_", "elu_", "leaky_relu_", "selu_", "celu_", "hardtanh_", "sigmoid_", "tanh_"),
        *("add_", "sub_", "mul_", "div_", "clamp_", "clip_", "pow_", "sqrt_", "exp_", "abs_", "neg_"),
        *("masked_fill_", "unsqueeze_", "squeeze_", "transpose_", "t_"),
    ]
)
"""What torch has without the underscore, too, with the same arguments."""


def _without_underscore(node: cst.Call) -> str:
    """The name of the operation that makes a new tensor; empty where torch has none."""
    name = name_of(node.func)
    return name[:-1] if name in _NEW_ONES and isinstance(node.func, cst.Attribute) else ""


def _not_in_place(new: cst.CSTNode) -> cst.CSTNode:
    assert isinstance(new, cst.Call)
    if any(a.keyword is not None and a.keyword.value == "inplace" for a in new.args):
        return remove_argument(new, "inplace")
    return new.with_changes(args=without(new.args, len(new.args) - 1)) if _last_true(new) else new


def _as_assignment(new: cst.CSTNode) -> cst.CSTNode:
    if not isinstance(new, cst.AugAssign):
        return new
    right = new.value
    loose = isinstance(
        right, (cst.BinaryOperation, cst.IfExp, cst.Comparison, cst.BooleanOperation, cst.Lambda)
    )
    if loose and not right.lpar:
        right = right.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()])
    operator = _OPERATORS[type(new.operator)]()
    value = cst.BinaryOperation(new.target.deep_clone(), operator, right)
    return cst.Assign([cst.AssignTarget(new.target)], value, semicolon=new.semicolon)


def _calls_of_layer(facts: Facts, made: cst.Call) -> list[cst.Call]:
    """The calls of a layer by the attribute that it is put into."""
    home = facts.parent(made)
    if not isinstance(home, cst.Assign) or not isinstance(home.targets[0].target, cst.Attribute):
        return []
    owner = facts.nearest(home, cst.ClassDef)
    attribute = home.targets[0].target.attr.value
    return [
        call
        for call in (facts.inside(owner, cst.Call) if owner is not None else ())
        if isinstance(call.func, cst.Attribute) and call.func.attr.value == attribute
    ]
