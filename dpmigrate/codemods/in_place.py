"""Operations in place behind hooked layers become operations that make a new tensor.

``nn.ReLU(inplace=True)`` loses the argument, ``out += x`` becomes ``out = out + x``: the same numbers for a
little more memory, as long as nobody reads the tensor from before by another name.
"""

from __future__ import annotations

from collections.abc import Sequence

import libcst as cst

from dpmigrate.analysis.ledger import PrivateRun
from dpmigrate.analysis.ledger.models import ChangedInPlace
from dpmigrate.codemods.binders import binders, bound_by
from dpmigrate.codemods.edits import ProjectEdits, Withheld
from dpmigrate.codemods.jobs import Found, Job
from dpmigrate.codemods.listed import without
from dpmigrate.codemods.nodes import name_of, receiver, remove_argument
from dpmigrate.codemods.program_facts import Facts, FactsByPart

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
        try:
            out_of_place(facts.of(match.origin.module), job.edits, match.origin.node)
        except Withheld as withheld:
            job.withheld = withheld
        jobs.append(job)
    return jobs


def all_out_of_place(facts: Facts, edits: ProjectEdits, runs: Sequence[PrivateRun]) -> None:
    """Rewrite whatever the models of some runs change in place. Raises `Withheld`."""
    for node in {e.origin.node: None for r in runs for e in r.happened(ChangedInPlace) if not e.library}:
        out_of_place(facts, edits, node)


def of_a_library(runs: Sequence[PrivateRun]) -> bool:
    """Whether some model is a library's that changes outputs in place."""
    return any(e.library for run in runs for e in run.happened(ChangedInPlace))


def out_of_place(facts: Facts, edits: ProjectEdits, node: cst.CSTNode) -> None:
    """Rewrite one operation. Raises `Withheld`."""
    module = facts.module_of(node)
    own = edits.of(module)
    if isinstance(node, cst.AugAssign) and isinstance(node.target, cst.Name):
        if type(node.operator) not in _OPERATORS:
            raise Withheld(
                (
                    "this changes the output of a layer in place, which raises from Opacus 1.5.4 on: "
                    "write it as an operation that makes a new tensor (x = x + y)"
                ),
                module,
                node,
            )
        _refuse_aliases(facts, node, node.target.value)
        own.change(node, _as_assignment)
    elif isinstance(node, cst.Call) and _asks(node):
        _refuse_later_reads(facts, node)
        own.change(node, _not_in_place)
    elif isinstance(node, cst.Call) and _without_underscore(node):
        _make_new(facts, edits, node)
    elif isinstance(node, cst.Call) and not _with_underscore(node):
        raise Withheld(
            "the model is a library's, which changes outputs of layers in place: stay on Opacus 1.5.3, or "
            "write its blocks without",
            module,
            node,
        )
    else:
        raise Withheld(
            (
                "this changes the output of a layer in place, which raises from Opacus 1.5.4 on: use the "
                "operation that makes a new tensor (without the underscore), and keep what it returns"
            ),
            module,
            node,
        )


def _make_new(facts: Facts, edits: ProjectEdits, node: cst.Call) -> None:
    """``h.relu_()`` becomes ``h.relu()``, and ``h = h.relu()`` where nothing took the result."""
    own = edits.of(facts.module_of(node))
    new_name = _without_underscore(node)
    held = _changed(facts, node)
    if isinstance(facts.parent(node), cst.Expr):
        bound = {name for b in binders(facts, facts.scope(node)) for name in bound_by(facts, b)}
        if not isinstance(held, cst.Name) or held.value not in bound:
            raise Withheld(
                "this changes the output of a layer in place, which raises from Opacus 1.5.4 on: use the "
                "operation that makes a new tensor (without the underscore), and keep what it returns",
                facts.module_of(node),
                node,
            )
        _refuse_aliases(facts, node, held.value)
        target = cst.AssignTarget(cst.Name(held.value))
        own.change(facts.removable(node), lambda new: _assigned(new, target))
    else:
        _refuse_later_read(facts, node, _seen_through(facts, held))
    own.change(node, lambda new: new.with_changes(func=_renamed(new.func, new_name)))


def _changed(facts: Facts, node: cst.Call) -> cst.BaseExpression | None:
    """What a method or function changes."""
    return node.args[0].value if node.args and _is_function(facts, node) else receiver(node)


def _seen_through(facts: Facts, held: cst.BaseExpression | None) -> cst.BaseExpression | None:
    """The tensor that a part or a view shows, ``x`` of ``x.view(-1)`` and ``x[:, 0]``."""
    node = held
    while isinstance(node, (cst.Subscript, cst.Call)):
        if isinstance(node, cst.Call):
            if not isinstance(node.func, cst.Attribute) or _is_function(facts, node):
                return None
            node = node.func.value
        else:
            node = node.value
    return None if isinstance(node, cst.Name) and node.value == "self" else node


def _is_function(facts: Facts, node: cst.Call) -> bool:
    """Whether a call is one of a function of torch: ``torch.relu_(x)``, ``F.relu_(x)``, ``relu_(x)``."""
    root: cst.BaseExpression = node.func
    while isinstance(root, cst.Attribute):
        root = root.value
    if node.func is root:
        return True
    tree = facts.module_of(node).tree
    imports: list[cst.Import | cst.ImportFrom] = [*facts.inside(tree, cst.Import)]
    imports += facts.inside(tree, cst.ImportFrom)
    return isinstance(root, cst.Name) and any(root.value in bound_by(facts, i) for i in imports)


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


def _with_underscore(node: cst.Call) -> bool:
    return name_of(node.func).endswith("_")


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


def _refuse_aliases(facts: Facts, node: cst.CSTNode, name: str) -> None:
    """Another name for the tensor would change along with it. Raises `Withheld`."""
    for assign in facts.own(facts.scope(node), cst.Assign):
        if isinstance(assign.value, cst.Name) and assign.value.value == name:
            raise Withheld(
                f"{name} has another name, which is changed along with it: put the new value into a variable "
                "of its own",
                facts.module_of(node),
                assign,
            )


def _refuse_later_reads(facts: Facts, node: cst.Call) -> None:
    """What a layer or function in place is given must not be read afterwards. Raises `Withheld`."""
    makes_layer = name_of(node.func)[:1].isupper()  # whose arguments are no tensors
    calls = [] if makes_layer else [node]
    home = facts.parent(node)
    if isinstance(home, cst.Assign) and isinstance(home.targets[0].target, cst.Attribute):
        owner = facts.nearest(home, cst.ClassDef)
        attribute = home.targets[0].target.attr.value
        found = facts.inside(owner, cst.Call) if owner is not None else ()
        calls = [c for c in found if isinstance(c.func, cst.Attribute) and c.func.attr.value == attribute]
    for call in calls:
        _refuse_later_read(facts, call, call.args[0].value if call.args else None)


def _refuse_later_read(facts: Facts, call: cst.Call, given: cst.BaseExpression | None) -> None:
    """Raise `Withheld` where what a call changes in place is read behind it."""
    if not isinstance(given, cst.Name) or _rebinds(facts, call, given.value):
        return
    later = (
        n
        for n in facts.own(facts.scope(call), cst.Name)
        if n.value == given.value and facts.position(n) > facts.position(call)
    )
    if next(later, None) is not None:
        raise Withheld(
            f"{given.value} is read again after it was changed in place: say which of the two is meant",
            facts.module_of(call),
            call,
        )


def _rebinds(facts: Facts, call: cst.Call, name: str) -> bool:
    """Whether the result takes the name of what was given."""
    statement = facts.nearest(call, cst.Assign)
    target = statement.targets[0].target if isinstance(statement, cst.Assign) else None
    return isinstance(target, cst.Name) and target.value == name
