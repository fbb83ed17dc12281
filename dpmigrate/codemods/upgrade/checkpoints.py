"""Checkpoints: since 1.5.3 ``load_checkpoint`` says ``weights_only`` itself, and a second one is a TypeError.

And since 1.6.0 no accountant's state from before is loaded. opacus, ``PrivacyEngine.load_checkpoint``, 1.5.2
and 1.5.3; ``IAccountant.load_state_dict``, 1.5.4 and 1.6.0.
"""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst
from packaging.version import Version

from dpmigrate.analysis.ledger import Thing
from dpmigrate.codemods.editing.edits import Edits, ProjectEdits, Withheld
from dpmigrate.codemods.editing.listed import without
from dpmigrate.codemods.editing.nodes import name_of, remove_argument
from dpmigrate.codemods.program.facts import Facts

_METHOD = "load_checkpoint"
_NAME = "weights_only"
_ARGUMENT = "torch_load_kwargs"


def drop_weights_only(facts: Facts) -> ProjectEdits:
    """Take ``weights_only`` out of what the engines' ``load_checkpoint`` is given. Raises `Withheld`."""
    edits = ProjectEdits()
    for call in _loading(facts):
        given = next(
            arg.value for arg in call.args if arg.keyword is not None and arg.keyword.value == _ARGUMENT
        )
        module_edits = edits.of(facts.module_of(call))
        if isinstance(given, cst.Name):
            given = _only_value(facts, call, given.value) or given
            if _has_it(given):
                _take_out(module_edits, given)
            elif isinstance(given, cst.Name) and _NAME in facts.code(facts.module_of(call).tree):
                raise Withheld(
                    f"{_METHOD}() says {_NAME} itself since Opacus 1.5.3, and raises where it is given: "
                    f"leave it out of {given.value}",
                    facts.module_of(call),
                    call,
                )
        elif _has_it(given) and _size(given) == 1:
            module_edits.change(call, lambda new: remove_argument(new, _ARGUMENT))
        elif _has_it(given):
            _take_out(module_edits, given)
    return edits


def states_of_before(facts: Facts, release: str) -> list[str]:
    """What to do about the accountants that the program resumes, where the pin is raised past 1.5.4.

    Up to 1.5.4 the saved state names the accountant by a bound method, since 1.6.0 by a text, and each
    refuses the other's (ValueError, measured for all three accountants).
    """
    if Version(release) < Version("1.6.0"):
        return []
    resumed = [c for c in _calls(facts, _METHOD) if _is_of_an_engine(facts, c)]
    for call in _calls(facts, "load_state_dict"):
        loads = call.func.value if isinstance(call.func, cst.Attribute) else None
        if isinstance(loads, (cst.Name, cst.Attribute)) and name_of(loads) == "accountant":
            resumed.append(call)
    places = [facts.module_of(call).place(call).shown for call in resumed]
    return [
        f"{place}: Opacus {release} does not load an accountant that 1.5.4 or earlier has saved "
        '(ValueError): set "mechanism" of its state to engine.accountant.mechanism() first'
        for place in places
    ]


def _calls(facts: Facts, method: str) -> Iterator[cst.Call]:
    """The calls of a method by its name, of whatever object."""
    for module in facts.modules:
        if method.encode() not in module.source.data:
            continue  # asked once for every run
        for call in facts.inside(module.tree, cst.Call):
            if isinstance(call.func, cst.Attribute) and call.func.attr.value == method:
                yield call


def _is_of_an_engine(facts: Facts, call: cst.Call) -> bool:
    """Whether a method is called on an engine, or on what may be one."""
    owner = call.func.value if isinstance(call.func, cst.Attribute) else call
    things = [what for what in facts.held(owner) if isinstance(what, Thing)]
    return not things or any("engine" in thing.kind for thing in things)


def _loading(facts: Facts) -> Iterator[cst.Call]:
    """The calls of ``load_checkpoint``, of an engine or of what may be one, that say how torch is to load."""
    for call in _calls(facts, _METHOD):
        says_how = any(arg.keyword is not None and arg.keyword.value == _ARGUMENT for arg in call.args)
        if says_how and _is_of_an_engine(facts, call):
            yield call


def _only_value(facts: Facts, call: cst.Call, name: str) -> cst.BaseExpression | None:
    """What the only assignment of a variable, here or in the module, gives it."""
    for scope in dict.fromkeys([facts.scope(call), facts.module_of(call).tree]):
        values = [
            assign.value
            for assign in facts.own(scope, cst.Assign)
            if any(name_of(target.target) == name for target in assign.targets)
        ]
        if values:
            return values[0] if len(values) == 1 else None
    return None


def _is_entry(node: cst.CSTNode) -> bool:
    """Whether an entry of a dict, or an argument of ``dict``, is the one."""
    if isinstance(node, cst.Arg):
        return node.keyword is not None and node.keyword.value == _NAME
    key = node.key if isinstance(node, cst.DictElement) else None
    return isinstance(key, cst.SimpleString) and key.evaluated_value == _NAME


def _entries(given: cst.BaseExpression) -> list[cst.CSTNode]:
    if isinstance(given, cst.Dict):
        return list(given.elements)
    made = isinstance(given, cst.Call) and isinstance(given.func, cst.Name) and given.func.value == "dict"
    return list(given.args) if made and isinstance(given, cst.Call) else []


def _has_it(given: cst.BaseExpression) -> bool:
    return any(map(_is_entry, _entries(given)))


def _size(given: cst.BaseExpression) -> int:
    return len(_entries(given))


def _take_out(module_edits: Edits, given: cst.BaseExpression) -> None:
    def change(new: cst.CSTNode) -> cst.CSTNode:
        assert isinstance(new, (cst.Dict, cst.Call))
        items = new.elements if isinstance(new, cst.Dict) else new.args
        place = next((number for number, item in enumerate(items) if _is_entry(item)), None)
        if place is None:
            return new
        left = without(list(items), place)
        return new.with_changes(**{"elements" if isinstance(new, cst.Dict) else "args": left})

    module_edits.change(given, change)
