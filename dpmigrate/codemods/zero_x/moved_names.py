"""Names of Opacus that are elsewhere now: imports and uses rewritten by the table in the rule files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import libcst as cst

from dpmigrate.analysis.ledger import Origin
from dpmigrate.codemods.editing.edits import Edits, NodeChange, ProjectEdits, Withheld
from dpmigrate.codemods.editing.imports import bindings, spelling
from dpmigrate.codemods.editing.listed import without
from dpmigrate.codemods.program.binders import binders, bound_by
from dpmigrate.codemods.program.called_names import names_called
from dpmigrate.codemods.program.facts import Facts, Scope


@dataclass(frozen=True)
class MovedName:
    """One place that uses a name that moved."""

    origin: Origin
    old: str
    new: str
    """Both dotted."""
    keywords: Mapping[str, Sequence[str]]
    """The parameters of functions below the name that are taken by keyword only now, in their old order."""


def move_names(facts: Facts, edits: ProjectEdits, moves: Sequence[MovedName]) -> None:
    """Rewrite every import and use of what moved."""
    statements: dict[cst.CSTNode, list[MovedName]] = {}
    for move in moves:
        node = move.origin.node
        statement = facts.nearest(node, cst.Import, cst.ImportFrom)
        if statement is not None:
            statements.setdefault(statement, []).append(move)
        else:
            _written_anew(facts, edits.of(move.origin.module), node, move.new)
        _name_arguments(facts, edits.of(move.origin.module), move)
    for statement, moved in statements.items():
        module_edits = edits.of(moved[0].origin.module)
        assert isinstance(statement, (cst.Import, cst.ImportFrom))
        if isinstance(statement.names, cst.ImportStar) or isinstance(statement, cst.Import):
            for move in moved:
                module_edits.replace(move.origin.node, move.new)
        else:
            _imported_anew(facts, module_edits, statement, moved)


def rename_coefficient(facts: Facts, edits: ProjectEdits, origin: Origin) -> None:
    """``model.get_coeff()`` gets the name that it has since Opacus 1.5.3. Raises `Withheld`."""
    call = origin.node
    named = call.func.attr if isinstance(call, cst.Call) and isinstance(call.func, cst.Attribute) else None
    if named is None or named.value != "get_coeff":
        raise Withheld(
            "get_coeff is called under another name here: call model.get_clipping_coef()", origin.module, call
        )
    edits.of(origin.module).replace(named, "get_clipping_coef")


def _imported_anew(
    facts: Facts, module_edits: Edits, statement: cst.ImportFrom, moved: Sequence[MovedName]
) -> None:
    """``from old import a, b``: what moved comes from where it is, in the place of the last that went."""
    assert not isinstance(statement.names, cst.ImportStar)
    lines = []
    for move in moved:
        alias = facts.parent(move.origin.node)
        assert isinstance(alias, cst.ImportAlias)
        package, _, name = move.new.rpartition(".")
        bound = alias.evaluated_alias or alias.evaluated_name
        if (
            bound != name
            and alias.asname is None
            and name[:1].isupper()
            and _renamed(facts, module_edits, bound, name)
        ):
            bound = name
        lines.append(f"from {package} import {name}" + (f" as {bound}" if bound != name else ""))
    if len(moved) == len(statement.names):
        first, *lines = lines
        module_edits.change(statement, lambda new: _in_place(new, first))
    else:
        module_edits.change(statement, lambda new: _without(new, {m.origin.node for m in moved}, statement))
    for line in lines:
        module_edits.need_import(line)


def _in_place(new: cst.CSTNode, line: str) -> cst.CSTNode:
    assert isinstance(new, cst.ImportFrom)
    parsed = cst.parse_statement(line)
    assert isinstance(parsed, cst.SimpleStatementLine)
    inner = parsed.body[0]
    assert isinstance(inner, cst.ImportFrom) and not isinstance(inner.names, cst.ImportStar)
    if isinstance(new.names, cst.ImportStar) or len(new.names) > 1:
        return inner.with_changes(semicolon=new.semicolon)
    kept = inner.names[0].with_changes(comma=new.names[0].comma)
    return new.with_changes(module=inner.module, names=[kept])


def _without(new: cst.CSTNode, gone: set[cst.CSTNode], old: cst.ImportFrom) -> cst.CSTNode:
    assert isinstance(new, cst.ImportFrom) and not isinstance(old.names, cst.ImportStar)
    assert not isinstance(new.names, cst.ImportStar)
    names = list(new.names)
    for place in reversed([i for i, alias in enumerate(old.names) if alias.name in gone]):
        names = without(names, place)
    return new.with_changes(names=names)


def _renamed(facts: Facts, module_edits: Edits, old: str, new: str) -> bool:
    """Rename a module's uses of an imported name, where nothing else binds it or the new one."""
    tree = module_edits.module.tree
    scopes: list[Scope] = [tree, *facts.inside(tree, cst.FunctionDef), *facts.inside(tree, cst.ClassDef)]
    bound = [name for s in scopes for b in binders(facts, s) for name in bound_by(facts, b)]
    if bound.count(old) != 1 or new in bound:
        return False
    for name in facts.inside(tree, cst.Name):
        around = facts.parent(name)
        member = isinstance(around, cst.Attribute) and around.attr is name
        keyword = isinstance(around, cst.Arg) and around.keyword is name
        if name.value == old and not member and not keyword and not isinstance(around, cst.ImportAlias):
            module_edits.change(name, lambda node: node.with_changes(value=new))
    return True


def _written_anew(facts: Facts, module_edits: Edits, node: cst.CSTNode, new: str) -> None:
    """An expression that reaches the old name through a package."""
    package, _, name = new.rpartition(".")
    module = new if name[:1].islower() else package
    dotted_by_bound, root = bindings(module_edits.module.tree), node
    while isinstance(root, cst.Attribute):
        root = root.value
    if isinstance(root, cst.Name) and dotted_by_bound.get(root.value) == "opacus":
        module_edits.need_import(f"import {module}")
        module_edits.replace(node, new.replace("opacus", root.value, 1))
        return
    text, needed = spelling(module_edits.module.tree, package, name)
    if needed is not None:
        module_edits.need_import(needed)
    module_edits.replace(node, text)


def _name_arguments(facts: Facts, module_edits: Edits, move: MovedName) -> None:
    """Arguments by position of functions that take them by keyword only now."""
    for call in facts.inside(module_edits.module.tree, cst.Call):
        for name in sorted(names_called(facts, call)):
            start, _, function = name.rpartition(".")
            if move.old in (start, f"{start}.{function}") and function in move.keywords:
                module_edits.change(call, _by_keyword(move.keywords[function]))


def _by_keyword(names: Sequence[str]) -> NodeChange:
    bare = cst.AssignEqual(cst.SimpleWhitespace(""), cst.SimpleWhitespace(""))

    def change(new: cst.CSTNode) -> cst.CSTNode:
        assert isinstance(new, cst.Call)
        args = [
            arg.with_changes(keyword=cst.Name(names[place]), equal=bare)
            if arg.keyword is None and not arg.star and place < len(names)
            else arg
            for place, arg in enumerate(new.args)
        ]
        return new.with_changes(args=args)

    return change
