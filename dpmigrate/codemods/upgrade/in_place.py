"""Operations in place after hooked layers become operations that make a new tensor.

``nn.ReLU(inplace=True)`` loses the argument, ``out += x`` becomes ``out = out + x``: the same numbers for a
little more memory, as long as nobody reads the tensor from before by another name.
"""

from __future__ import annotations

from collections.abc import Sequence

import libcst as cst

from dpmigrate.analysis.ledger import PrivateRun
from dpmigrate.analysis.ledger.expressions import Named
from dpmigrate.analysis.ledger.models import INPLACE_PLACES, ChangedInPlace, InPlaceBy
from dpmigrate.codemods.editing.edits import ProjectEdits, Withheld
from dpmigrate.codemods.editing.listed import without
from dpmigrate.codemods.editing.nodes import add_argument, name_of, receiver, remove_argument
from dpmigrate.codemods.jobs import Job, MatchedFinding
from dpmigrate.codemods.program.binders import binders, bound_by
from dpmigrate.codemods.program.facts import Facts, FactsByPart
from dpmigrate.codemods.upgrade.shared_tensors import (
    bound_before,
    refuse_reads_behind,
    refuse_shared,
    seen_through,
    text_of,
)

_OPERATORS: dict[type[cst.BaseAugOp], type[cst.BaseBinaryOp]] = {
    cst.AddAssign: cst.Add,
    cst.SubtractAssign: cst.Subtract,
    cst.MultiplyAssign: cst.Multiply,
    cst.DivideAssign: cst.Divide,
}


def in_place_jobs(facts: FactsByPart, found: Sequence[MatchedFinding]) -> list[Job]:
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
                    job.edits.extend(out_of_place(facts.of(match.origin.module), node, change.by))
        except Withheld as withheld:
            job.withheld = withheld
        jobs.append(job)
    return jobs


def all_out_of_place(facts: Facts, runs: Sequence[PrivateRun]) -> ProjectEdits:
    """Rewrite whatever the models of some runs change in place. Raises `Withheld`."""
    changes = [change for change in _changes(runs) if not change.library]
    return ProjectEdits(*(out_of_place(facts, change.origin.node, change.by) for change in changes))


def _changes(runs: Sequence[PrivateRun]) -> list[ChangedInPlace]:
    """What the models of some runs change in place, each place once."""
    return list({e.origin.node: e for run in runs for e in run.happened(ChangedInPlace)}.values())


def of_a_library(runs: Sequence[PrivateRun]) -> bool:
    """Whether some model is a library's that changes outputs in place."""
    return any(e.library for run in runs for e in run.happened(ChangedInPlace))


def out_of_place(facts: Facts, node: cst.CSTNode, by: InPlaceBy) -> ProjectEdits:
    """Rewrite one operation, or let it work on a copy of the layer's output. Raises `Withheld`."""
    try:
        return _rewritten(facts, node, by)
    except Withheld:
        on_a_copy = _on_a_copy(facts, node, by)
        if on_a_copy is None:
            raise
        return on_a_copy


def _on_a_copy(facts: Facts, node: cst.CSTNode, by: InPlaceBy) -> ProjectEdits | None:
    """Let the call that what is changed comes right from give a copy; None where it comes from no call."""
    changed = _changed_by(node, by)
    held = seen_through(changed)
    bound = bound_before(facts, node, held) if held and "." not in held else None
    if (
        not isinstance(bound, cst.Assign)
        or not isinstance(bound.value, cst.Call)
        or seen_through(bound.value)
    ):
        return None
    functions = {f.name.value for info in facts.modules for f in facts.inside(info.tree, cst.FunctionDef)}
    if name_of(bound.value.func) in functions or not all(
        isinstance(t.target, cst.Name) for t in bound.targets
    ):
        return None  # a function may have kept what it gives
    edits = ProjectEdits()
    edits.of(facts.module_of(node)).change(bound.value, _copied)
    return edits


def _changed_by(node: cst.CSTNode, by: InPlaceBy) -> cst.BaseExpression | None:
    """The tensor that an operation changes, as far as it is an expression of its own."""
    if isinstance(node, cst.Call) and by == "function":
        return node.args[0].value if node.args else None
    if isinstance(node, cst.Call) and by == "method":
        return receiver(node)
    if isinstance(node, cst.AugAssign):
        return node.target
    return node if isinstance(node, cst.Subscript) and by == "operator" else None


def _copied(new: cst.CSTNode) -> cst.CSTNode:
    assert isinstance(new, cst.Call)
    if isinstance(new.func, cst.Attribute) and new.func.attr.value == "clone":
        return new  # for another change of the same tensor
    return cst.Call(cst.Attribute(new, cst.Name("clone")))


def _rewritten(facts: Facts, node: cst.CSTNode, by: InPlaceBy) -> ProjectEdits:
    edits = ProjectEdits()
    module_edits = edits.of(facts.module_of(node))
    if by == "operator":
        if not isinstance(node, cst.AugAssign) or not text_of(node.target):
            raise _raises_later(
                facts, node, "write into a copy of that output, which layer(x).clone() makes before"
            )
        if type(node.operator) not in _OPERATORS:
            raise _raises_later(facts, node, "write it as an operation that makes a new tensor (x = x + y)")
        refuse_shared(facts, node, text_of(node.target))
        module_edits.change(node, _as_assignment)
    elif by == "library":
        raise Withheld(
            "the model is a library's, which changes outputs of layers in place: stay on Opacus 1.5.3, or "
            "write its blocks without",
            facts.module_of(node),
            node,
        )
    elif isinstance(node, cst.Call) and by in ("layer", "function") and _flag(facts, node) is not None:
        flag = _flag(facts, node)
        assert flag is not None
        for call in _calls_of_layer(facts, node) if by == "layer" else [node]:
            given = text_of(call.args[0].value) if call.args else ""
            if given:
                refuse_shared(facts, call, given)
                refuse_reads_behind(facts, call, given)
        module_edits.change(node, lambda new: _without_flag(new, flag))
    elif by == "layer" and isinstance(node, cst.Call) and not any(a.star for a in node.args):
        module_edits.change(
            node, lambda new: add_argument(new, "inplace", "False", ())
        )  # over what partial() gives
    elif by == "layer":
        raise _raises_later(facts, node, "leave inplace out of what this call is given")
    else:
        assert isinstance(node, cst.Call)
        return _made_new(facts, node, by)
    return edits


def _raises_later(facts: Facts, node: cst.CSTNode, instead: str) -> Withheld:
    return Withheld(
        f"this changes the output of a layer in place, which raises from Opacus 1.5.4 on: {instead}",
        facts.module_of(node),
        node,
    )


def _made_new(facts: Facts, node: cst.Call, by: InPlaceBy) -> ProjectEdits:
    """``h.relu_()`` becomes ``h.relu()``, and ``h = h.relu()`` where nothing took the result."""
    edits = ProjectEdits()
    module_edits = edits.of(facts.module_of(node))
    new_name = _without_underscore(node)
    changed = node.args[0].value if by == "function" and node.args else receiver(node)
    while by == "method" and isinstance(changed, cst.Call) and _without_underscore(changed):
        changed = receiver(changed)  # h.mul_(2).add_(1)
    alone = isinstance(facts.parent(_whole_chain(facts, node) if by == "method" else node), cst.Expr)
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
        module_edits.change(facts.removable(node), lambda new: _assigned(new, target))
    elif held:
        refuse_reads_behind(facts, node, held)
    module_edits.change(node, lambda new: new.with_changes(func=_renamed(new.func, new_name)))
    return edits


def _whole_chain(facts: Facts, node: cst.Call) -> cst.Call:
    """``h.mul_(2).add_(1)`` of the first of its operations in place."""
    member = facts.parent(node)
    call = facts.parent(member) if isinstance(member, cst.Attribute) else None
    if isinstance(call, cst.Call) and call.func is member and _without_underscore(call):
        return _whole_chain(facts, call)
    return node


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


def _flag(facts: Facts, node: cst.Call) -> int | None:
    """The place of the argument by which a layer or function works in place; None for none."""
    named = [n for n, a in enumerate(node.args) if a.keyword is not None and a.keyword.value == "inplace"]
    if named or any(a.star for a in node.args):
        return named[0] if named else None
    names = {name_of(node.func)} | {
        w.name.rpartition(".")[2] for w in facts.called(node) if isinstance(w, Named)
    }
    place = next((INPLACE_PLACES[name] for name in names if name in INPLACE_PLACES), len(node.args))
    return place if place < len(node.args) and node.args[place].keyword is None else None


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


def _without_flag(new: cst.CSTNode, place: int) -> cst.CSTNode:
    assert isinstance(new, cst.Call)
    if new.args[place].keyword is not None:
        return remove_argument(new, "inplace")
    if any(a.keyword is None for a in new.args[place + 1 :]):
        off = new.args[place].with_changes(value=cst.Name("False"))
        return new.with_changes(args=[*new.args[:place], off, *new.args[place + 1 :]])
    return new.with_changes(args=without(new.args, place))


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
    """The calls of a layer by the attribute or the variable that it is put into."""
    home = facts.parent(made)
    if not isinstance(home, cst.Assign):
        return []
    if isinstance(home.targets[0].target, cst.Name):
        variable = home.targets[0].target.value
        return [call for call in facts.inside(facts.scope(home), cst.Call) if name_of(call.func) == variable]
    if not isinstance(home.targets[0].target, cst.Attribute):
        return []
    owner = facts.nearest(home, cst.ClassDef)
    attribute = home.targets[0].target.attr.value
    return [
        call
        for call in (facts.inside(owner, cst.Call) if owner is not None else ())
        if isinstance(call.func, cst.Attribute) and call.func.attr.value == attribute
    ]
