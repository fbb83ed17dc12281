"""What the text of a ``forward`` says of dimensions: a shape taken apart, turned, flattened or pooled."""

from __future__ import annotations

import libcst as cst


def taken_apart_into_three(
    target: cst.BaseExpression, value: cst.BaseExpression
) -> cst.BaseExpression | None:
    """What is asked for its shape in ``b, t, d = x.shape``."""
    if not isinstance(target, cst.Tuple) or len(target.elements) != 3:
        return None
    asked = value.func if isinstance(value, cst.Call) and not value.args else value
    if isinstance(asked, cst.Attribute) and asked.attr.value in ("shape", "size"):
        return asked.value
    return None


def is_turned(node: cst.BaseExpression) -> bool:
    """``keys.transpose(-2, -1)``, ``keys.transpose(1, 2)``, ``keys.mT``: the last two dimensions."""
    if isinstance(node, cst.Attribute):
        return node.attr.value == "mT"
    if not isinstance(node, cst.Call) or not isinstance(node.func, cst.Attribute):
        return False
    texts = sorted(text(arg.value) for arg in node.args)
    return node.func.attr.value == "transpose" and texts in (["-1", "-2"], ["1", "2"])


def text(node: cst.BaseExpression) -> str:
    return cst.Module([]).code_for_node(node)


def flattens(node: cst.Call, of_library: bool) -> bool:
    """``h.flatten(1)``, ``h.view(len(h), -1)``: one dimension of all but that of the examples."""
    if not isinstance(node.func, cst.Attribute):
        return False
    name, texts = node.func.attr.value, [text(arg.value) for arg in node.args][int(of_library) :]
    if name == "flatten":
        return texts[:1] in (["1"], ["start_dim=1"]) and len(texts) == 1
    return name in ("view", "reshape") and len(texts) == 2 and texts[1] == "-1" and texts[0] != "-1"


def items_of(loop: cst.For) -> tuple[cst.BaseExpression, cst.BaseExpression]:
    """The container that a loop goes over, and what its items are called: ``enumerate`` and keys left out."""
    given, target, numbered = loop.iter, loop.target, False
    if isinstance(given, cst.Call) and given.args and getattr(given.func, "value", "") == "enumerate":
        given, numbered = given.args[0].value, True
    elif isinstance(given, cst.Call) and isinstance(given.func, cst.Attribute) and not given.args:
        numbered = given.func.attr.value == "items"
        given = given.func.value if numbered or given.func.attr.value == "values" else given
    pair = target.elements if isinstance(target, cst.Tuple) and len(target.elements) == 2 else None
    return given, pair[1].value if numbered and pair else target


def takes_one_step(node: cst.Subscript) -> bool:
    """``h[:, 0]``, ``h[:, -1]``: of each example one."""
    if len(node.slice) != 2:
        return False
    first, second = (part.slice for part in node.slice)
    everything = isinstance(first, cst.Slice) and not (first.lower or first.upper or first.step)
    step = second.value if isinstance(second, cst.Index) else None
    number = step.expression if isinstance(step, cst.UnaryOperation) else step
    return everything and isinstance(number, cst.Integer)


def index(node: cst.Subscript) -> int | None:
    """The integer by which something is subscripted, if it is just one."""
    only = node.slice[0].slice if len(node.slice) == 1 else None
    if isinstance(only, cst.Index) and isinstance(only.value, cst.Integer):
        return only.value.evaluated_value
    return None


def over_time(node: cst.Call, of_library: bool) -> bool:
    """Whether a pooling call goes over dimension 1."""
    positional = [arg.value for arg in node.args if arg.keyword is None][int(of_library) :]
    named = [
        arg.value for arg in node.args if arg.keyword is not None and arg.keyword.value in ("dim", "axis")
    ]
    given = named[0] if named else positional[0] if positional else None
    return isinstance(given, cst.Integer) and given.evaluated_value == 1
