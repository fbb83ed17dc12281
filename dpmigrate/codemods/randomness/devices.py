"""The device on which a run draws its noise, which its generator has to be of: that of the model."""

from __future__ import annotations

import libcst as cst

from dpmigrate.analysis.ledger import PrivateRun
from dpmigrate.codemods.editing.edits import Withheld
from dpmigrate.codemods.program.binders import binders, bound_by
from dpmigrate.codemods.program.facts import Facts, Scope

_MOVING = frozenset(["to", "cuda", "mps", "xpu", "to_empty", "device", "set_default_device"])
"""What code mentions that may put a model elsewhere than on the CPU."""


def mentions(facts: Facts, names: frozenset[str]) -> bool:
    """Whether code mentions any of some names."""
    return any(n.value in names for info in facts.modules for n in facts.inside(info.tree, cst.Name))


def device_of(facts: Facts, run: PrivateRun, call: cst.Call) -> str:
    """Where the parameters are, for ``torch.Generator``; empty for the CPU. Raises `Withheld`."""
    if not mentions(facts, _MOVING):
        return ""
    given = next((a.value for a in call.args if a.keyword is not None and a.keyword.value == "module"), None)
    if given is None and call.args and call.args[0].keyword is None and not call.args[0].star:
        given = call.args[0].value
    if not isinstance(given, (cst.Name, cst.Attribute)):
        raise Withheld(
            "the noise is drawn on the device of the model, which cannot be asked: keep it in a variable",
            run.module,
            call,
        )
    later = next(
        (m for m in _moves(facts, facts.scope(call)) if facts.position(m) > facts.position(call)), None
    )
    if later is not None:
        raise Withheld(
            "the private model is moved after make_private, and its noise is drawn there: move it before",
            facts.module_of(later),
            later,
        )
    return f"device=next({facts.code(given).strip()}.parameters()).device"


def _moves(facts: Facts, scope: Scope) -> list[cst.Call]:
    """The calls in a scope that move a private model."""
    return [
        call
        for call in facts.own(scope, cst.Call)
        if isinstance(call.func, cst.Attribute)
        and call.func.attr.value in _MOVING
        and facts.is_a(call.func.value, "dp-model")
    ]


def device_beside(facts: Facts, run: PrivateRun, constructor: cst.Call) -> str:
    """The same for a bare ``torch.Generator()`` of a run, where the model is at hand there; else empty."""
    call = run.origin.node
    if (
        constructor.args
        or not isinstance(call, cst.Call)
        or facts.scope(call) is not facts.scope(constructor)
    ):
        return ""
    try:
        text = device_of(facts, run, call)
    except Withheld:
        return ""
    if call in facts.above(constructor):
        return text
    model = text.removeprefix("device=next(").removesuffix(".parameters()).device")
    bound = [b for b in binders(facts, facts.scope(call)) if model in bound_by(facts, b)]
    there = any(isinstance(b, cst.Param) or facts.is_before(b, constructor) for b in bound)
    return text if there else ""
