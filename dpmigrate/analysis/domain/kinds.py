"""What ``isinstance`` and ``hasattr`` tell of a thing."""

from __future__ import annotations

from dpmigrate.analysis.domain.atoms import Atom, Const, External, Obj, Tensor
from dpmigrate.analysis.domain.values import Seq, Value

_BUILTIN_TYPES = {"str": str, "int": int, "float": float, "bool": bool, "tuple": tuple, "list": list}

_OPTIMIZER, _FAST_OPTIMIZER = "opacus.DPOptimizer", "opacus.DPOptimizerFastGradientClipping"
_MODEL, _FAST_MODEL = "opacus.GradSampleModule", "opacus.GradSampleModuleFastGradientClipping"
_LOSS = "opacus.DPLossFastGradientClipping"

_IN_HOOKS_MODE = {
    "dp-optimizer": frozenset({_OPTIMIZER}),
    "dp-model": frozenset({_MODEL}),
    "optimizer": frozenset[str](),
    "model": frozenset[str](),
    "criterion": frozenset[str](),
}
_IN_GHOST_MODE = {
    **_IN_HOOKS_MODE,
    "dp-optimizer": frozenset({_OPTIMIZER, _FAST_OPTIMIZER}),
    "dp-model": frozenset({_FAST_MODEL}),
    "dp-criterion": frozenset({_LOSS}),
}
"""Of which classes of Opacus (by their canonical names) the objects of a kind are."""

_CLASSES_OF_OPACUS = frozenset({_OPTIMIZER, _FAST_OPTIMIZER, _MODEL, _FAST_MODEL, _LOSS})

_ATTRIBUTES = {
    "dp-optimizer": frozenset(["expected_batch_size", "noise_multiplier", "max_grad_norm"]),
    "dp-model": frozenset(["_module", "to_standard_module", "remove_hooks"]),
}
"""What the objects that a private run returns have, and those that it was made of have not."""

ATTRIBUTES_OF_OPACUS = frozenset[str]().union(*_ATTRIBUTES.values())
"""The attributes that `has_attribute` can tell of."""


def type_names(kind: Value) -> frozenset[str] | None:
    """The library names of the second argument of ``isinstance``; None where it has others."""
    names = set()
    for atom in kind.atoms:
        if isinstance(atom, External):
            names.add(atom.name)
        elif isinstance(atom, Seq) and atom.items is not None:
            inner = type_names(atom.each())
            if inner is None:
                return None
            names |= inner
        else:
            return None
    return frozenset(names)


def is_instance(atom: Atom, names: frozenset[str]) -> bool | None:
    """Whether something is of one of these classes; None where it cannot be told."""
    plain = {n.removeprefix("builtins.") for n in names}
    if "object" in plain:
        return True
    if isinstance(atom, Const):
        if not plain <= set(_BUILTIN_TYPES):
            return False if atom.value is None else None
        return isinstance(atom.value, tuple(_BUILTIN_TYPES[n] for n in plain))
    if isinstance(atom, Tensor) and isinstance(atom.maker, Obj) and atom.maker.kind == "dp-criterion":
        # A wrapped loss is no tensor, until something takes the number out of it.
        return False if not atom.steps and plain == {"torch.Tensor"} else None
    if isinstance(atom, Obj) and atom.kind == "private-result" and plain <= {"tuple", "list"}:
        return "tuple" in plain
    if isinstance(atom, Seq) and plain <= set(_BUILTIN_TYPES):
        return ("list" if atom.mutable else "tuple") in plain
    if isinstance(atom, Obj) and names <= _CLASSES_OF_OPACUS:
        return _is_of_opacus(atom, names)
    return None


def _is_of_opacus(atom: Obj, names: frozenset[str]) -> bool | None:
    """Whether an object is of one of these classes of Opacus.

    A run that was put together by hand may have the model of one mode and the optimizer of the other. The
    model of ghost mode is a ``GradSampleModule`` up to Opacus 1.5.4, and none in 1.6.0.
    """
    made_private = atom.kind.startswith("dp-")
    if made_private and (atom.data.manual or atom.data.supposed):
        return None
    ghost = made_private and atom.data.ghost
    classes = (_IN_GHOST_MODE if ghost else _IN_HOOKS_MODE).get(atom.kind)
    if classes is None or not names.isdisjoint(classes):
        return None if classes is None else True
    return None if ghost and atom.kind == "dp-model" and _MODEL in names else False


def has_attribute(name: str, atom: Atom) -> bool | None:
    """Whether something has an attribute of `ATTRIBUTES_OF_OPACUS`; None where it cannot be told."""
    if not isinstance(atom, Obj) or atom.kind not in _IN_GHOST_MODE:
        return None
    return name in _ATTRIBUTES.get(atom.kind, frozenset())
