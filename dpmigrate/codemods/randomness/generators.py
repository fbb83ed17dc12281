"""Generators that start from torch's public default seed: fresh entropy, or the project's own seed.

``torch.Generator()`` always begins with the same seed. ``generator.seed()`` replaces that public
constant by entropy of the operating system; ``generator.initial_seed()`` can be logged to repeat
the run.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterator

import libcst as cst

from dpmigrate.analysis.ledger import Constant
from dpmigrate.analysis.ledger.expressions import Named
from dpmigrate.codemods.editing.edits import ProjectEdits, Withheld
from dpmigrate.codemods.editing.nodes import name_of
from dpmigrate.codemods.program.binders import binders, bound_by
from dpmigrate.codemods.program.facts import Facts, Scope
from dpmigrate.codemods.program.places import fresh_name, variables_in

SEED_NAMES = ("seed", "random_seed", "manual_seed")
SEEDERS = frozenset(["manual_seed", "manual_seed_all", "seed_everything", "set_seed", "seed"])


def give_entropy(facts: Facts, constructor: cst.CSTNode, seed: str | None, device: str = "") -> ProjectEdits:
    """Seed the generator that is made at a node: by ``.seed()``, or by an expression. Raises `Withheld`.

    ``device`` is the argument that it gets.
    """
    statement = _line_of_its_own(facts, constructor, seed)
    module, edits = facts.module_of(constructor), ProjectEdits()
    module_edits = edits.of(module)
    if device:
        module_edits.change(constructor, lambda new: new.with_changes(args=[_argument(device)]))
    variable = _assigned_to(statement.body[0], constructor)
    if variable is not None:
        seeding = "seed()" if seed is None else f"manual_seed({seed})"
        module_edits.insert_after(statement, f"{facts.code(variable).strip()}.{seeding}")
    elif seed is not None:

        def seeded(new: cst.BaseExpression) -> cst.Call:
            return cst.Call(
                cst.Attribute(new, cst.Name("manual_seed")), [cst.Arg(cst.parse_expression(seed))]
            )

        module_edits.change(constructor, seeded)
    else:
        made = constructor.with_changes(args=[_argument(device)]) if device else constructor
        text = module.tree.code_for_node(made)
        edits.extend(_seeded_on_a_line_before(facts, constructor, statement, text))
    return edits


def _line_of_its_own(facts: Facts, constructor: cst.CSTNode, seed: str | None) -> cst.SimpleStatementLine:
    """The statement that makes the generator, where the seed is bound already. Raises `Withheld`."""
    module = facts.module_of(constructor)
    called = facts.called(constructor) if isinstance(constructor, cst.Call) else []
    if not any(isinstance(w, Named) and w.name == "torch.Generator" for w in called):
        raise Withheld(
            "this generator is made by other code than torch.Generator(): call seed() on it right after",
            module,
            constructor,
        )
    if seed is not None and not visible(facts, constructor, seed):
        raise Withheld(
            f"{seed} is not bound yet where this generator is made: call manual_seed({seed}) on it by hand, "
            "where it is",
            module,
            constructor,
        )
    statement = facts.statement(constructor)
    if not isinstance(statement, cst.SimpleStatementLine) or len(statement.body) != 1:
        raise Withheld(
            "this generator is made in the head of a statement, or beside others: assign it on a line of "
            "its own, and call seed() on it",
            module,
            constructor,
        )
    return statement


def _assigned_to(small: cst.BaseSmallStatement, constructor: cst.CSTNode) -> cst.BaseExpression | None:
    """The variable or attribute that a generator is assigned to as it is made; None for any other place."""
    if isinstance(small, cst.Assign) and small.value is constructor:
        target = small.targets[0].target
    elif isinstance(small, cst.AnnAssign) and small.value is constructor:
        target = small.target
    else:
        return None
    return target if isinstance(target, (cst.Name, cst.Attribute)) else None


def _seeded_on_a_line_before(
    facts: Facts, constructor: cst.CSTNode, statement: cst.SimpleStatementLine, made: str
) -> ProjectEdits:
    """Make a generator (``made``), and call ``seed()`` on it, before a statement. Raises `Withheld`."""
    module = facts.module_of(constructor)
    sometimes = (cst.Lambda, cst.CompFor, cst.IfExp, cst.BooleanOperation)
    if any(isinstance(n, sometimes) for n in facts.above(constructor)):
        raise Withheld(
            "this generator is made inside an expression that may run often or never: assign it before, "
            "and call seed() on it",
            module,
            constructor,
        )
    arg = facts.parent(constructor)
    wanted = arg.keyword.value if isinstance(arg, cst.Arg) and arg.keyword is not None else "generator"
    taken = wanted in variables_in(facts, facts.scope(constructor))
    name = fresh_name(facts, facts.scope(constructor), "fresh_generator") if taken else wanted
    edits = ProjectEdits()
    module_edits = edits.of(module)
    module_edits.insert_before(statement, f"{name} = {made.strip()}")
    module_edits.insert_before(statement, f"{name}.seed()")
    module_edits.replace(constructor, name)
    return edits


def _argument(text: str) -> cst.Arg:
    """``keyword=value`` of a call."""
    keyword, _, value = text.partition("=")
    none = cst.SimpleWhitespace("")
    return cst.Arg(
        cst.parse_expression(value),
        cst.Name(keyword),
        equal=cst.AssignEqual(whitespace_before=none, whitespace_after=none),
    )


def visible(facts: Facts, node: cst.CSTNode, expression: str) -> bool:
    """Whether every variable of an expression is bound in the scopes around a node, before it."""
    names = {n.id for n in ast.walk(ast.parse(expression, mode="eval")) if isinstance(n, ast.Name)}
    bound = set(dir(builtins))
    line = facts.position(node)
    scope = facts.scope(node)
    first = True
    while True:
        if not isinstance(scope, cst.ClassDef):
            bound |= _bound(facts, scope, line if first else None)
        if isinstance(scope, cst.Module):
            return names <= bound
        scope, first = facts.scope(scope), False


def _bound(facts: Facts, scope: Scope, before: int | None) -> set[str]:
    """The names that a scope binds, up to a line."""
    made = [n for n in binders(facts, scope) if isinstance(n, cst.Param) or _is_before(facts, n, before)]
    return {name for node in made for name in bound_by(facts, node)}


def _is_before(facts: Facts, node: cst.CSTNode, line: int | None) -> bool:
    return line is None or facts.position(node) < line


def projects_seed(facts: Facts, node: cst.CSTNode) -> str | None:
    """The expression that the project seeds torch with, where a node can read it too; None without one.

    A literal is no seed to repeat: for noise it would only trade one public constant for another.
    """
    module = facts.module_of(node)
    for call in facts.inside(module.tree, cst.Call):
        if name_of(call.func) not in SEEDERS or len(call.args) != 1 or call.args[0].star:
            continue
        value = call.args[0].value
        receiver = call.func.value if isinstance(call.func, cst.Attribute) else None
        if receiver is not None and facts.is_a(receiver, "generator"):
            continue
        if not isinstance(value, (cst.Name, cst.Attribute)) or not facts.reached(value):
            continue
        text = facts.code(value).strip()
        if visible(facts, node, text):
            return text
    return _seed_at_hand(facts, node)


def _seed_at_hand(facts: Facts, node: cst.CSTNode) -> str | None:
    """``args.seed`` or the like: the seed of an object that a node can read, seeded with or not."""
    constants_by_seed = _seeds(facts, node)
    return next((text for text, constants in constants_by_seed.items() if not constants), None)


def _seeds(facts: Facts, node: cst.CSTNode) -> dict[str, list[object]]:
    """The seeds of objects that a node can read, each with the constants that it may be."""
    constants_by_seed: dict[str, list[object]] = {}
    for scope in (facts.scope(node), facts.module_of(node).tree):
        for name, value in _variables(facts, scope):
            for member in SEED_NAMES:
                held = facts.members(value, member)
                text = f"{name}.{member}"
                if held and visible(facts, node, text):
                    constants_by_seed[text] = [w.value for w in held if isinstance(w, Constant)]
    return constants_by_seed


def _variables(facts: Facts, scope: Scope) -> Iterator[tuple[str, cst.CSTNode]]:
    """The variables of a scope, each with the expressions that were seen to be its values."""
    for name in facts.own(scope, cst.Name):
        yield name.value, name
    for assign in facts.own(scope, cst.Assign):
        for target in assign.targets:
            if isinstance(target.target, cst.Name):
                yield target.target.value, assign.value


def why_no_seed(facts: Facts, node: cst.CSTNode) -> str:
    """Why `projects_seed` has none."""
    for text, constants in _seeds(facts, node).items():
        if constants:
            return f"{text} may be {constants[0]!r}, which is no seed to hide noise behind"
    return "the project has no seed of its own to use"
