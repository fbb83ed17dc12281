"""Who else sees the tensor that a name holds, and would see it changed in place."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst
from libcst.helpers import get_full_name_for_node

from dpmigrate.analysis.ledger.models import VIEWS
from dpmigrate.codemods.editing.edits import Withheld
from dpmigrate.codemods.program.facts import Facts, Scope

_SAME_MEMORY = VIEWS | {"detach"}
"""Methods of a tensor that give its memory back, or parts of it, to whoever reads it."""
_KEEPING = frozenset(["append", "insert", "extend", "add", "put", "setdefault", "update"])
"""Methods of containers that keep what they are given."""
_Block = cst.IndentedBlock | cst.SimpleStatementSuite | cst.Module
_LOOPS = (cst.For, cst.While)


def refuse_shared(facts: Facts, node: cst.CSTNode, name: str) -> None:
    """Refuse a new tensor for the one that ``name`` holds where somebody else holds the old one, too.

    ``name`` is a variable or an attribute, as it is written. Raises `Withheld`.
    """
    since = bound_before(facts, node, name)
    other = seen_through(since.value if since is not None else None)
    viewed = set()
    if isinstance(since, cst.Assign) and other == name and len(since.targets) == 1:
        refuse_shared(facts, since, name)  # `x = x.view(-1)` gives the name a view of what it held
        viewed = set(map(id, facts.below(since)))
    for read in _reads(facts, node, name):
        if id(read) not in viewed and _keeps(facts, read) and not _out_of_reach(facts, read, since, node):
            raise _by_another_name(facts, node, name, read)
    if since is not None and (
        _keeps(facts, since) or (isinstance(since, cst.Assign) and len(since.targets) > 1)
    ):
        raise _by_another_name(facts, node, name, since)
    if other and other != name and any(_behind(facts, node, other)):
        raise _by_another_name(facts, node, name, since)
    if "." not in name and (since is None or other == name):
        _refuse_callers_that_read_on(facts, facts.scope(node), name)


def refuse_reads_behind(facts: Facts, call: cst.Call, name: str) -> None:
    """Refuse where what a call changes in place is read after it by the same name. Raises `Withheld`."""
    if next(_behind(facts, call, name), None) is not None:
        raise Withheld(
            f"{name} is read again after it was changed in place: say which of the two is meant",
            facts.module_of(call),
            call,
        )


def text_of(node: cst.BaseExpression | None) -> str:
    """A variable or attribute as it is written; empty for any other expression."""
    return get_full_name_for_node(node) or "" if isinstance(node, (cst.Name, cst.Attribute)) else ""


def _by_another_name(facts: Facts, node: cst.CSTNode, name: str, place: cst.CSTNode | None) -> Withheld:
    return Withheld(
        f"{name} has another name, which is changed along with it: put the new value into a variable of its "
        "own",
        facts.module_of(node),
        place if place is not None else node,
    )


def _reads(facts: Facts, node: cst.CSTNode, name: str) -> Iterator[cst.Name | cst.Attribute]:
    """Where a name is read in the scope of a node and the functions within it, in the order of the text."""
    first = name.partition(".")[0]
    for read in facts.inside(facts.scope(node), cst.Name):
        if read.value != first:
            continue
        whole: cst.Name | cst.Attribute = read
        around = facts.parent(whole)
        for _ in range(name.count(".")):
            if not isinstance(around, cst.Attribute) or around.value is not whole:
                break
            whole, around = around, facts.parent(around)
        if text_of(whole) != name or isinstance(around, (cst.AssignTarget, cst.Param, cst.AnnAssign)):
            continue
        if isinstance(around, (cst.AugAssign, cst.For, cst.NamedExpr)) and around.target is whole:
            continue
        yield whole


def seen_through(node: cst.BaseExpression | None) -> str:
    """The variable that a part or a view shows, ``x`` of ``x.view(-1)`` and ``x[:, 0]``; empty for none."""
    while True:
        if isinstance(node, cst.Subscript):
            node = node.value
        elif isinstance(node, cst.Call) and isinstance(node.func, cst.Attribute):
            if node.func.attr.value not in _SAME_MEMORY:
                return ""
            node = node.func.value
        else:
            return text_of(node)


def _keeps(facts: Facts, read: cst.CSTNode) -> bool:
    """Whether a read of a tensor puts it, a part, or a view of it into some other place."""
    node, around = read, facts.parent(read)
    while around is not None:
        if isinstance(around, cst.Subscript) and around.value is node:
            node, around = around, facts.parent(around)
        elif isinstance(around, cst.Attribute) and around.attr.value in _SAME_MEMORY:
            call = facts.parent(around)
            node, around = (call, facts.parent(call)) if isinstance(call, cst.Call) else (around, None)
        else:
            break
    if isinstance(around, (cst.Element, cst.DictElement, cst.StarredElement)):
        return not any(isinstance(n, cst.AssignTarget) for n in facts.above(around))
    if isinstance(around, cst.Arg):
        call = facts.parent(around)
        func = call.func if isinstance(call, cst.Call) else None
        return isinstance(func, cst.Attribute) and func.attr.value in _KEEPING
    return isinstance(around, (cst.Assign, cst.AnnAssign, cst.NamedExpr)) and around.value is node


def bound_before(facts: Facts, node: cst.CSTNode, name: str) -> cst.Assign | cst.NamedExpr | None:
    """The last assignment of a name that every way to a node comes by."""
    inside: cst.CSTNode = node
    for around in facts.above(node):
        if isinstance(around, (cst.FunctionDef, cst.Lambda, cst.ClassDef)):
            break
        if isinstance(around, _Block):
            for statement in reversed(around.body[: _place_in(around, inside)]):
                if isinstance(statement, cst.SimpleStatementLine):
                    for assignment in reversed(facts.inside(statement, cst.Assign)):
                        if any(name in _targets(t.target) for t in assignment.targets):
                            return assignment
                    for walrus in facts.inside(statement, cst.NamedExpr):
                        if text_of(walrus.target) == name:
                            return walrus
        inside = around
    return None


def _place_in(block: _Block, statement: cst.CSTNode) -> int:
    return next(number for number, one in enumerate(block.body) if one is statement)


def _targets(target: cst.BaseExpression) -> list[str]:
    if isinstance(target, (cst.Tuple, cst.List)):
        return [name for element in target.elements for name in _targets(element.value)]
    return [text_of(target)]


def _loop(facts: Facts, node: cst.CSTNode) -> cst.CSTNode | None:
    """The innermost loop around a node, within its function."""
    around = next(
        (n for n in facts.above(node) if isinstance(n, (*_LOOPS, cst.FunctionDef, cst.Lambda))), None
    )
    return around if isinstance(around, _LOOPS) else None


def _out_of_reach(
    facts: Facts, read: cst.CSTNode, since: cst.Assign | cst.NamedExpr | None, node: cst.CSTNode
) -> bool:
    """Whether a read comes before the name was bound, or after the change, and so meets another tensor."""
    if since is not None and _loop(facts, since) is _loop(facts, node):
        return facts.is_before(read, since) or facts.is_before(node, read)
    return _loop(facts, node) is None and facts.is_before(node, read)


def _behind(facts: Facts, node: cst.CSTNode, name: str) -> Iterator[cst.CSTNode]:
    """The reads of a name that come after a node, until it is bound again in the same block."""
    statement: cst.CSTNode = node
    for around in facts.above(node):
        if isinstance(around, _Block):
            break
        statement = around
    if isinstance(statement, cst.SimpleStatementLine) and any(
        name in _targets(target.target) for a in facts.inside(statement, cst.Assign) for target in a.targets
    ):
        return
    block = facts.parent(statement)
    end: cst.CSTNode | None = None
    for later in block.body[_place_in(block, statement) + 1 :] if isinstance(block, _Block) else ():
        assigns = facts.inside(later, cst.Assign) if isinstance(later, cst.SimpleStatementLine) else []
        if any(name in _targets(target.target) for assign in assigns for target in assign.targets):
            end = later
            break
    inner = set(map(id, facts.below(statement)))
    loop = _loop(facts, node)
    rebound = end is not None or (loop is not None and _loop_binds(facts, loop, name))
    again = set() if loop is None or rebound else set(map(id, facts.below(loop)))
    for read in _reads(facts, node, name):
        if id(read) in inner:
            if facts.is_before(node, read) and id(read) not in set(map(id, facts.below(node))):
                yield read
        elif id(read) in again:
            yield read
        elif facts.is_before(statement, read):
            in_last = end is not None and id(read) in set(map(id, facts.below(end)))
            if end is None or in_last or facts.is_before(read, end):
                yield read


def _loop_binds(facts: Facts, loop: cst.CSTNode, name: str) -> bool:
    return any(
        name in _targets(target.target) for a in facts.inside(loop, cst.Assign) for target in a.targets
    ) or (isinstance(loop, cst.For) and name in _targets(loop.target))


def _refuse_callers_that_read_on(
    facts: Facts, function: Scope, name: str, seen: frozenset[cst.CSTNode] = frozenset()
) -> None:
    """A parameter is the caller's tensor, who may go on to read it. Raises `Withheld`."""
    if not isinstance(function, cst.FunctionDef) or function.name.value == "forward" or function in seen:
        return
    names = [p.name.value for p in (*function.params.posonly_params, *function.params.params)]
    keywords = [p.name.value for p in function.params.kwonly_params]
    if name not in (*names, *keywords):
        return
    method = facts.class_of(function) is not None
    place = names.index(name) - method if name in names else None
    called = function.name.value
    for read in _mentions(facts, function):
        call = facts.parent(read)
        if not isinstance(call, cst.Call) or call.func is not read:
            raise Withheld(
                f"{called}() changes {name} in place, and is handed on here, to whoever calls it: let that "
                "keep what the function returns",
                facts.module_of(read),
                read,
            )
        positional = [a.value for a in call.args if a.keyword is None]
        given = positional[place : place + 1] if place is not None else []
        given += [a.value for a in call.args if a.keyword is not None and a.keyword.value == name]
        for value in given:
            held = seen_through(value)
            if held and next(_behind(facts, call, held), None) is not None:
                raise Withheld(
                    f"{held} is changed in place by {called}(), and read again behind that: keep what the "
                    "function returns",
                    facts.module_of(call),
                    call,
                )
            if held and "." not in held and bound_before(facts, call, held) is None:
                _refuse_callers_that_read_on(facts, facts.scope(call), held, seen | {function})


def _mentions(facts: Facts, function: cst.FunctionDef) -> Iterator[cst.Name | cst.Attribute]:
    """Where a function is called, by its name, and where it is read to be handed on."""
    called = function.name.value
    method = facts.class_of(function) is not None
    for info in facts.modules:
        names = {called} | {
            alias.evaluated_alias
            for alias in facts.inside(info.tree, cst.ImportAlias)
            if alias.evaluated_alias and alias.evaluated_name == called
        }
        for found in facts.inside(info.tree, cst.Name):
            if found.value not in names:
                continue
            around = facts.parent(found)
            if isinstance(around, cst.Attribute) and around.attr is found:
                of_itself = method and text_of(around.value) == "self"
                call = facts.parent(around)
                if of_itself or (isinstance(call, cst.Call) and call.func is around):
                    yield around
            elif not method and _is_read(around, found):
                yield found


def _is_read(around: cst.CSTNode | None, name: cst.Name) -> bool:
    """Whether a name stands for its value: it is not bound here, nor the name of an argument or import."""
    if isinstance(around, (cst.FunctionDef, cst.ClassDef)):
        return around.name is not name
    if isinstance(around, cst.Arg):
        return around.value is name
    return not isinstance(around, (cst.ImportAlias, cst.AsName, cst.Param, cst.AssignTarget, cst.NameItem))
