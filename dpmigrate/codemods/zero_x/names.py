"""Names of Opacus 0.x that moved: converters and inspectors of models, and what is only elsewhere now."""

from __future__ import annotations

import libcst as cst

from dpmigrate.analysis.ledger import Origin
from dpmigrate.codemods.editing.edits import ProjectEdits, Withheld
from dpmigrate.codemods.editing.imports import spelling, used_names
from dpmigrate.codemods.editing.nodes import add_argument, name_of
from dpmigrate.codemods.program.called_names import names_called
from dpmigrate.codemods.program.facts import Facts

_VALIDATOR = ("opacus.validators", "ModuleValidator")


def imported_in_vain(facts: Facts, origin: Origin) -> str:
    """The name that an import binds to what is gone, where its module reads it nowhere; else empty."""
    alias = facts.nearest(origin.node, cst.ImportAlias)
    if not isinstance(alias, cst.ImportAlias):
        return ""
    bound = alias.evaluated_alias or alias.evaluated_name
    return "" if bound.partition(".")[0] in used_names(origin.module.tree) else bound


def rename(facts: Facts, edits: ProjectEdits, dotted: str, origin: Origin, message: str) -> None:
    """Rewrite what a module does with a name that is gone. Raises `Withheld`."""
    if dotted.startswith("opacus.utils.module_modification"):
        _converted(facts, edits, origin)
    elif dotted.startswith("opacus.dp_model_inspector"):
        _validated(facts, edits, origin)
    else:
        raise Withheld(message, origin.module, origin.node)


def _converted(facts: Facts, edits: ProjectEdits, origin: Origin) -> None:
    """``convert_batchnorm_modules(model)`` becomes ``ModuleValidator.fix(model)``. Raises `Withheld`."""
    module_edits = edits.of(origin.module)
    for call in facts.inside(origin.module.tree, cst.Call):
        if not _is_called(facts, call, "opacus.utils.module_modification."):
            continue
        if name_of(call.func) != "convert_batchnorm_modules" or len(call.args) != 1:
            raise Withheld(
                f"{facts.code(call.func).strip()} makes another layer of these than ModuleValidator.fix, "
                "which only makes GroupNorm of BatchNorm: write the conversion as a function of this "
                "project",
                origin.module,
                call,
            )
        text, needed = spelling(origin.module.tree, *_VALIDATOR)
        if needed is not None:
            module_edits.need_import(f"from {_VALIDATOR[0]} import {_VALIDATOR[1]}")
        module_edits.replace(call.func, f"{_VALIDATOR[1] if needed else text}.fix")
        if isinstance(facts.parent(call), cst.Expr):
            raise Withheld(
                "this converts the model in place, and ModuleValidator.fix returns a new one: write model = "
                "ModuleValidator.fix(model) before the optimizer is made",
                origin.module,
                call,
            )


def _validated(facts: Facts, edits: ProjectEdits, origin: Origin) -> None:
    """``DPModelInspector().validate(model)`` becomes ``ModuleValidator.validate(model, strict=True)``."""
    module_edits = edits.of(origin.module)
    for call in facts.inside(origin.module.tree, cst.Call):
        if not _is_called(facts, call, "opacus.dp_model_inspector."):
            continue
        text, needed = spelling(origin.module.tree, *_VALIDATOR)
        if needed is not None:
            module_edits.need_import(f"from {_VALIDATOR[0]} import {_VALIDATOR[1]}")
        validator = _VALIDATOR[1] if needed else text
        parent = facts.parent(call)
        if isinstance(parent, cst.Assign):
            module_edits.remove(facts.removable(call))
        for check in _checks(facts, origin, call):
            if not isinstance(facts.parent(check), cst.Expr):
                # It told whether the model is valid; ``validate`` tells of errors now.
                module_edits.replace(check.func, f"{validator}.is_valid")
                continue
            module_edits.replace(check.func, f"{validator}.validate")
            module_edits.change(check, lambda new: add_argument(new, "strict", "True", ()))


def _checks(facts: Facts, origin: Origin, inspector: cst.Call) -> list[cst.Call]:
    """The calls of ``validate`` on an inspector, made at once or by its variable. Raises `Withheld`."""
    parent = facts.parent(inspector)
    checks: list[cst.CSTNode | None] = [None]
    if isinstance(parent, cst.Attribute) and parent.attr.value == "validate" and not inspector.args:
        checks = [facts.parent(parent)]
    elif (
        isinstance(parent, cst.Assign)
        and isinstance(parent.targets[0].target, cst.Name)
        and not inspector.args
    ):
        name = parent.targets[0].target.value
        uses = [
            n
            for n in facts.inside(origin.module.tree, cst.Name)
            if n.value == name and facts.parent(n) is not parent.targets[0]
        ]
        members = [facts.parent(n) for n in uses]
        if not all(isinstance(m, cst.Attribute) and m.attr.value == "validate" for m in members):
            raise Withheld(
                "this inspector is used in another way than validate(): use "
                "ModuleValidator.validate(model, strict=True), or ModuleValidator.is_valid(model)",
                origin.module,
                inspector,
            )
        checks = [facts.parent(m) for m in members if m is not None]
    called = [check for check in checks if isinstance(check, cst.Call)]
    if len(called) < len(checks):
        raise Withheld(
            "DPModelInspector is gone since Opacus 1.0: use ModuleValidator.validate(model, "
            "strict=True) here",
            origin.module,
            inspector,
        )
    return called


def _is_called(facts: Facts, call: cst.Call, start: str) -> bool:
    return any(name.startswith(start) for name in names_called(facts, call))
