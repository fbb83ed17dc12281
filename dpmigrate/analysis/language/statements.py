"""Statements of a straight line, definitions and imports."""

from __future__ import annotations

from collections.abc import Sequence

import libcst as cst
from libcst.helpers import get_full_name_for_node

from dpmigrate.analysis import registry
from dpmigrate.analysis.core import Interpreter, statement
from dpmigrate.analysis.domain.atoms import NO_WAY_ON, External, Imported, Unknown
from dpmigrate.analysis.domain.values import NONE, Bound, Class, Function, Seq, Value, of
from dpmigrate.analysis.frames import CONTINUED, Frame
from dpmigrate.analysis.guards import ALWAYS
from dpmigrate.analysis.language import decorated, narrowing
from dpmigrate.analysis.language.assignment import assign_name, assign_target, delete_item
from dpmigrate.analysis.language.attributes import ACCESSORS, delete_attribute
from dpmigrate.analysis.language.exceptions import raised
from dpmigrate.analysis.language.functions import enter_function
from dpmigrate.analysis.language.names import STARRED
from dpmigrate.analysis.language.operators import arithmetic
from dpmigrate.analysis.language.shared_lists import changed_in_place
from dpmigrate.analysis.registry import CallInfo


@statement(cst.SimpleStatementLine, cst.SimpleStatementSuite, cst.IndentedBlock)
def _block(ip: Interpreter, node: cst.SimpleStatementLine | cst.IndentedBlock) -> bool:
    return ip.execute_all(node.body)


def done(ip: Interpreter, node: cst.BaseExpression) -> bool:
    """Evaluate an expression for what it does; whether anything goes on after it."""
    return not _never_comes_back(ip, ip.evaluate(node))


def _never_comes_back(ip: Interpreter, value: Value) -> bool:
    """Whether what was called does not come back; a cell of a notebook ends alone."""
    only = value.only
    if not isinstance(only, Unknown) or not isinstance(only.symbol, tuple) or only.symbol[:1] != (NO_WAY_ON,):
        return False
    if ip.frame.function is None and ip.module.source.is_notebook:
        return False
    ip.frame.ended = True
    ip.store.leave()
    raised(ip)
    return True


@statement(cst.Assign)
def _assign(ip: Interpreter, node: cst.Assign) -> bool:
    value = ip.evaluate(node.value)
    for target in node.targets:
        assign_target(ip, target.target, value)
    return True


@statement(cst.AnnAssign)
def _annotated(ip: Interpreter, node: cst.AnnAssign) -> bool:
    _read_annotation(ip, node.annotation)
    if node.value is not None:
        assign_target(ip, node.target, ip.evaluate(node.value))
    return True


@statement(cst.AugAssign)
def _augmented(ip: Interpreter, node: cst.AugAssign) -> bool:
    name = type(node.operator).__name__.removesuffix("Assign")
    left, right = ip.evaluate(node.target), ip.evaluate(node.value)
    registry.tell_hooks(ip, "<changed by an operator>", CallInfo(node, [left, right]))
    result = arithmetic(ip, name, left, right, node)
    is_a_list = isinstance(left.only, Seq) and left.only.mutable
    (changed_in_place if is_a_list else assign_target)(ip, node.target, result)
    return True


@statement(cst.Del)
def _delete(ip: Interpreter, node: cst.Del) -> bool:
    target = node.target
    for each in [e.value for e in target.elements] if isinstance(target, cst.Tuple | cst.List) else [target]:
        if isinstance(each, cst.Subscript):
            delete_item(ip, each)
        elif isinstance(each, cst.Attribute):
            delete_attribute(ip, each)
    return True


@statement(cst.Assert)
def _assert(ip: Interpreter, node: cst.Assert) -> bool:
    branch = narrowing.narrow(ip, node.test).true
    return narrowing.enter(ip, branch) or not branch.possible


@statement(cst.Return)
def _return(ip: Interpreter, node: cst.Return) -> bool:
    value = ip.evaluate(node.value) if node.value is not None else NONE
    if _never_comes_back(ip, value):
        return False
    frame = ip.frame
    beyond = ip.path - frame.entry_path
    frame.returns.append(value.guarded(beyond))
    frame.exits.append((ip.store.snapshot(frame.depth), beyond))
    return False


@statement(cst.Break)
def _break(ip: Interpreter, node: cst.Break) -> bool:
    if ip.frame.loops:
        control = ip.frame.loops[-1]
        control.breaks.append((ip.store.snapshot(control.depth), ALWAYS))
    return False


@statement(cst.Continue)
def _continue(ip: Interpreter, node: cst.Continue) -> bool:
    if ip.frame.loops:
        control = ip.frame.loops[-1]
        control.continues.append((ip.store.snapshot(control.depth), ALWAYS))
        tests = [asked for asked in ip.tests if asked[1] == len(ip.loops)]
        if len(tests) == 1:
            CONTINUED.of(ip).setdefault(ip.loops[-1].loop.node, {})[tests[0][0]] = tests[0][2]
    return False


@statement(cst.Global)
def _global(ip: Interpreter, node: cst.Global) -> bool:
    ip.frame.foreign.update({item.name.value: "global" for item in node.names})
    return True


@statement(cst.Nonlocal)
def _nonlocal(ip: Interpreter, node: cst.Nonlocal) -> bool:
    ip.frame.foreign.update({item.name.value: "nonlocal" for item in node.names})
    return True


def decorator_names(decorators: Sequence[cst.Decorator]) -> tuple[str, ...]:
    """The dotted names of decorators, calls stripped."""
    names = []
    for d in decorators:
        node = d.decorator.func if isinstance(d.decorator, cst.Call) else d.decorator
        names.append(get_full_name_for_node(node) or "")
    return tuple(names)


@statement(cst.FunctionDef)
def _function(ip: Interpreter, node: cst.FunctionDef) -> bool:
    frame = ip.frame
    function = Function(
        ip.module,
        node,
        (id(node), frame.owner),
        closure=frame,
        owner=frame.defining if frame.is_class_body else None,
        decorators=tuple(n.rpartition(".")[2] for n in decorator_names(node.decorators)),
    )
    for default in (*node.params.params, *node.params.kwonly_params, *node.params.posonly_params):
        if default.default is not None:
            ip.store.set(("defaults", function.key), default.name.value, ip.evaluate(default.default))
    decorators = [(decorator.decorator, ip.evaluate(decorator.decorator)) for decorator in node.decorators]
    for annotation in (
        node.returns,
        *(p.annotation for p in ip.module.nesting.inside(node.params, cst.Param)),
    ):
        _read_annotation(ip, annotation)
    ip.made.append(function)
    frame.captured = True
    _wrap(ip, function, decorators)
    assign_name(ip, _slot_of(node), of(function))
    return True


def _slot_of(node: cst.FunctionDef) -> str:
    """What a definition is kept under: ``@mode.setter`` leaves ``mode`` what the property is read by."""
    name = node.name.value
    slots = {f"{name}.{accessor}" for accessor in ACCESSORS}.intersection(decorator_names(node.decorators))
    return slots.pop() if slots else name


def _read_annotation(ip: Interpreter, annotation: cst.Annotation | None) -> None:
    """Note what an annotation reads of Opacus through a module: a name that is gone fails here, too."""
    for member in ip.module.nesting.inside(annotation, cst.Attribute) if annotation is not None else ():
        root: cst.BaseExpression = member
        while isinstance(root, cst.Attribute):
            root = root.value
        bound = ip.evaluate(root).only if isinstance(root, cst.Name) else None
        if isinstance(bound, External) and bound.name.partition(".")[0] == "opacus":
            ip.evaluate(member)


def _wrap(ip: Interpreter, fn: Function, decorators: Sequence[tuple[cst.CSTNode, Value]]) -> None:
    """Find the functions that the project's own decorators put around one."""
    results = (result.only for result in _entered_with(ip, fn, decorators))
    around = [outer for outer in results if isinstance(outer, Function) and outer.node is not fn.node]
    if around:
        decorated.put_around(ip, fn, around)


def _entered_with(
    ip: Interpreter, what: Function | Class, decorators: Sequence[tuple[cst.CSTNode, Value]]
) -> list[Value]:
    """What the project's own decorators of a function or class return, the nearest one's first."""
    results: list[Value] = []
    for node, value in reversed(decorators):
        by = value.only
        receiver = by.receiver if isinstance(by, Bound) else None  # ``@TABLE.add``
        by = by.function if isinstance(by, Bound) else by
        if isinstance(by, Function):
            made_before = len(ip.made)
            results.append(enter_function(ip, by, CallInfo(node, [of(what)]), receiver=receiver))
            # It runs where what is decorated is called, and is no place to begin by itself.
            del ip.made[made_before:]
    return results


@statement(cst.ClassDef)
def _class(ip: Interpreter, node: cst.ClassDef) -> bool:
    ip.frame.captured = True
    bases = tuple(ip.evaluate(arg.value) for arg in node.bases)
    key = (id(node), ip.frame.owner)
    fields = _fields(node)
    decorators = [(decorator.decorator, ip.evaluate(decorator.decorator)) for decorator in node.decorators]
    cls = Class(ip.module, node, key, bases, tuple(fields), fields, decorator_names(node.decorators))
    ip.classes.append(cls)
    frame = Frame(
        ("class", key),
        ip.module,
        closure=ip.frame,
        defining=cls,
        is_class_body=True,
        depth=ip.store.depth,
        entry_path=ip.path,
        way=ip.way_here,
    )
    ip.frames.append(frame)
    try:
        ip.execute(node.body)
    finally:
        ip.frames.pop()
    _entered_with(ip, cls, decorators)  # ``@register("focal")`` puts it into a table
    assign_name(ip, node.name.value, of(cls))
    return True


def _fields(node: cst.ClassDef) -> dict[str, cst.BaseExpression]:
    """The annotated names of a class, with their annotations."""
    fields: dict[str, cst.BaseExpression] = {}
    for line in node.body.body:
        for small in getattr(line, "body", ()) if isinstance(line, cst.SimpleStatementLine) else ():
            if isinstance(small, cst.AnnAssign) and isinstance(small.target, cst.Name):
                fields[small.target.value] = small.annotation.annotation
    return fields


@statement(cst.Import)
def _import(ip: Interpreter, node: cst.Import) -> bool:
    for alias in node.names:
        dotted = get_full_name_for_node(alias.name) or ""
        ip.retired.name(dotted, ip.origin(alias.name), imported=True)
        if alias.asname is not None and isinstance(alias.asname.name, cst.Name):
            assign_name(ip, alias.asname.name.value, of(Imported(dotted, None, ip.module)))
        else:
            top = dotted.partition(".")[0]
            assign_name(ip, top, of(Imported(top, None, ip.module)))
    return True


@statement(cst.ImportFrom)
def _import_from(ip: Interpreter, node: cst.ImportFrom) -> bool:
    dotted = get_full_name_for_node(node.module) or "" if node.module is not None else ""
    level = len(node.relative)
    if isinstance(node.names, cst.ImportStar):
        if node.module is not None and not level:
            ip.retired.name(dotted, ip.origin(node.module), imported=True)
        STARRED.of(ip).setdefault(ip.module.key, []).append(Imported(dotted, "*", ip.module, level))
        return True
    for alias in node.names:
        name = get_full_name_for_node(alias.name) or ""
        if not level:
            ip.retired.name(f"{dotted}.{name}", ip.origin(alias.name), imported=True)
        bound = alias.asname.name.value if alias.asname and isinstance(alias.asname.name, cst.Name) else name
        assign_name(ip, bound, of(Imported(dotted, name, ip.module, level)))
    return True
