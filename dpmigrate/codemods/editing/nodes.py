"""Small changes of LibCST nodes that keep the layout of what is around them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import libcst as cst

from dpmigrate.codemods.editing.listed import before_first, split_comma, without


def add_argument(call: cst.Call, keyword: str, value: str, after: Sequence[str]) -> cst.Call:
    """The call with ``keyword=value`` after the last of the keywords in ``after`` that it has.

    The new argument stands on a line of its own where its neighbour does, and takes over how the
    neighbour spaces its ``=``.
    """
    args = list(call.args)
    place = -1
    for index, arg in enumerate(args):
        if arg.keyword is not None and arg.keyword.value in after:
            place = index
    if place < 0:
        place = max((i for i, a in enumerate(args) if a.star != "**"), default=len(args) - 1)
    model = args[place] if args else None
    new = cst.Arg(
        value=cst.parse_expression(value),
        keyword=cst.Name(keyword),
        equal=cst.AssignEqual(cst.SimpleWhitespace(""), cst.SimpleWhitespace("")),
    )
    if model is None:
        return call.with_changes(args=[new])
    if isinstance(model.equal, cst.AssignEqual):
        new = new.with_changes(equal=model.equal)
    comma = model.comma if isinstance(model.comma, cst.Comma) else None
    if place == len(args) - 1:
        between = _separator(call, args)
        end = comma.whitespace_after if comma is not None else model.whitespace_after_arg
        args[place] = model.with_changes(
            comma=_with_comment_of(between, end),
            whitespace_after_arg=cst.SimpleWhitespace("") if comma is None else model.whitespace_after_arg,
        )
        new = new.with_changes(
            comma=_without_comment(comma) if comma is not None else cst.MaybeSentinel.DEFAULT,
            whitespace_after_arg=_bare(model.whitespace_after_arg),
        )
    else:
        assert comma is not None
        above, below = split_comma(comma)
        args[place] = model.with_changes(comma=above)
        new = new.with_changes(comma=below)
    args.insert(place + 1, new)
    return call.with_changes(args=args)


def _separator(call: cst.Call, args: list[cst.Arg]) -> cst.Comma:
    """The comma that stands between this call's arguments."""
    for arg in reversed(args[:-1]):
        if isinstance(arg.comma, cst.Comma):
            return _without_comment(arg.comma)
    if isinstance(call.whitespace_before_args, cst.ParenthesizedWhitespace):
        return cst.Comma(whitespace_after=call.whitespace_before_args)
    return cst.Comma(whitespace_after=cst.SimpleWhitespace(" "))


def _without_comment(comma: cst.Comma) -> cst.Comma:
    return comma.with_changes(whitespace_after=_bare(comma.whitespace_after))


def _bare(space: cst.BaseParenthesizableWhitespace) -> cst.BaseParenthesizableWhitespace:
    if not isinstance(space, cst.ParenthesizedWhitespace):
        return space
    first = space.first_line.with_changes(comment=None, whitespace=cst.SimpleWhitespace(""))
    return space.with_changes(first_line=first, empty_lines=[])


def _with_comment_of(comma: cst.Comma, end: cst.BaseParenthesizableWhitespace) -> cst.Comma:
    """A comma with the comment that stood at the end of its argument's line."""
    space = comma.whitespace_after
    if not isinstance(end, cst.ParenthesizedWhitespace) or end.first_line.comment is None:
        return comma
    if not isinstance(space, cst.ParenthesizedWhitespace):
        return comma.with_changes(whitespace_after=end)
    return comma.with_changes(whitespace_after=space.with_changes(first_line=end.first_line))


def with_argument_after(place: int, value: str) -> Callable[[cst.Call], cst.Call]:
    """A change that puts one positional argument behind the first ``place`` of a call."""

    def change(call: cst.Call) -> cst.Call:
        args = list(call.args)
        before = args[place - 1]
        comma = cst.Comma(whitespace_after=cst.SimpleWhitespace(" "))
        args[place - 1] = before.with_changes(comma=comma)
        args.insert(place, cst.Arg(cst.parse_expression(value), comma=before.comma))
        return call.with_changes(args=args)

    return change


def remove_argument(call: cst.Call, *keywords: str) -> cst.Call:
    """The call without some keyword arguments."""
    args = list(call.args)
    while True:
        place = next((i for i, a in enumerate(args) if a.keyword and a.keyword.value in keywords), None)
        if place is None:
            return call.with_changes(args=args)
        if place == 0 and len(args) > 1:
            call = call.with_changes(whitespace_before_args=before_first(call, args[0]))
        args = without(args, place)


def with_statement(place: int, code: str) -> Callable[[cst.SimpleStatementSuite], cst.SimpleStatementSuite]:
    """The change that puts one more statement into a suite on one line (``def f(): a()``), at a place."""
    parsed = cst.parse_statement(code)
    assert isinstance(parsed, cst.SimpleStatementLine)
    new = parsed.body[0].with_changes(semicolon=cst.Semicolon(whitespace_after=cst.SimpleWhitespace(" ")))
    return lambda suite: suite.with_changes(body=[*suite.body[:place], new, *suite.body[place:]])


def with_variable(name: str, value: str) -> Callable[[cst.ClassDef], cst.ClassDef]:
    """A class with one variable more, ahead of all but its docstring, unless it is there already."""

    def change(new: cst.ClassDef) -> cst.ClassDef:
        place = 1 if new.get_docstring() is not None else 0
        first, *rest = new.body.body[place:]
        if cst.Module([]).code_for_node(first).strip() == f"{name} = {value}":
            return new
        blank = [cst.EmptyLine(indent=False)]
        line = cst.parse_statement(f"{name} = {value}").with_changes(leading_lines=blank * place)
        if isinstance(first, cst.FunctionDef) and not first.leading_lines:
            first = first.with_changes(leading_lines=blank)
        body = [*new.body.body[:place], line, first, *rest]
        return new.with_changes(body=new.body.with_changes(body=body))

    return change


def with_element(place: int, value: str) -> Callable[[cst.Tuple | cst.List], cst.Tuple | cst.List]:
    """The change that gives a tuple or list one more element at a place."""
    return lambda new: add_element(new, place, value)


def add_element(node: cst.Tuple | cst.List, place: int, value: str) -> cst.Tuple | cst.List:
    """The tuple or list with one more element at a place, in the layout of its neighbours."""
    elements = list(node.elements)
    before = elements[place - 1]
    new = cst.Element(cst.parse_expression(value), before.comma)
    if isinstance(before.comma, cst.Comma):
        above, below = split_comma(before.comma)
        elements[place - 1] = before.with_changes(comma=above)
        new = new.with_changes(comma=below)
    elements.insert(place, new)
    return node.with_changes(elements=elements)


def add_entry(node: cst.Dict, key: str, value: str) -> cst.Dict:
    """The dict with one more entry at its end, in the layout of the others."""
    entries = list(node.elements)
    last = entries[-1]
    new = cst.DictElement(cst.parse_expression(key), cst.parse_expression(value), comma=last.comma)
    between = cst.Comma(whitespace_after=cst.SimpleWhitespace(" "))
    if len(entries) > 1 and isinstance(entries[-2].comma, cst.Comma):
        between = _without_comment(entries[-2].comma)
    entries[-1] = last.with_changes(comma=between)
    return node.with_changes(elements=[*entries, new])


def remove_element(node: cst.Tuple | cst.List, place: int) -> cst.Tuple | cst.List:
    """The tuple or list without the element at a place that is not its last."""
    return node.with_changes(elements=without(node.elements, place))


def add_parameter(function: cst.FunctionDef, name: str) -> cst.FunctionDef:
    """The function with one more parameter, after the others; by keyword only where it must be."""
    params = function.params
    new = cst.Param(cst.Name(name))
    plain = list(params.params)
    has_default = any(p.default is not None for p in plain)
    starred = isinstance(params.star_arg, cst.Param) or bool(params.kwonly_params)
    if not has_default and not starred:
        if plain and isinstance(plain[-1].comma, cst.Comma):
            new = new.with_changes(comma=plain[-1].comma)
            if len(plain) > 1 and isinstance(plain[-2].comma, cst.Comma):
                plain[-1] = plain[-1].with_changes(comma=_without_comment(plain[-2].comma))
        return function.with_changes(params=params.with_changes(params=[*plain, new]))
    star = params.star_arg if starred else cst.ParamStar()
    return function.with_changes(
        params=params.with_changes(star_arg=star, kwonly_params=[*params.kwonly_params, new])
    )


def add_name(statement: cst.Global | cst.Nonlocal, name: str) -> cst.Global | cst.Nonlocal:
    """The ``global`` or ``nonlocal`` statement with one more name."""
    names = list(statement.names)
    names[-1] = names[-1].with_changes(comma=cst.Comma(whitespace_after=cst.SimpleWhitespace(" ")))
    return statement.with_changes(names=[*names, cst.NameItem(cst.Name(name))])


def name_of(function: cst.BaseExpression) -> str:
    """The last part of a dotted name; empty for anything else."""
    if isinstance(function, cst.Name):
        return function.value
    return function.attr.value if isinstance(function, cst.Attribute) else ""


def receiver(node: cst.CSTNode) -> cst.BaseExpression:
    """``x`` of ``x.item()`` or ``x.data``."""
    function = node.func if isinstance(node, cst.Call) else node
    assert isinstance(function, cst.Attribute)
    return function.value
