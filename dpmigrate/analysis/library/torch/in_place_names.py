"""Which of torch's names change a tensor in place, and which give the same memory back."""

from __future__ import annotations

import libcst as cst

from dpmigrate.analysis.ledger.models import VIEWS
from dpmigrate.analysis.tree import keyword_node

SAME_MEMORY = VIEWS | {"Flatten", "Unflatten", "Identity"}
"""What gives the same memory back, or parts of it, layers among them."""
_NOT_IN_PLACE = frozenset(["requires_grad_", "share_memory_"])
"""What ends in an underscore, and leaves the values alone."""
_PLACES = {
    **dict.fromkeys(["ReLU", "ReLU6", "SELU", "SiLU", "Mish", "Hardswish", "Hardsigmoid"], 0),
    **dict.fromkeys(["LeakyReLU", "ELU", "CELU", "Dropout", "Dropout1d", "Dropout2d", "Dropout3d"], 1),
    **dict.fromkeys(["AlphaDropout", "FeatureAlphaDropout"], 1),
    **dict.fromkeys(["Threshold", "Hardtanh", "RReLU"], 2),
    **dict.fromkeys(["relu", "relu6", "selu", "silu", "mish", "hardswish", "hardsigmoid"], 1),
    **dict.fromkeys(["leaky_relu", "elu", "celu"], 2),
    **dict.fromkeys(["dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout"], 3),
    **dict.fromkeys(["threshold", "hardtanh", "feature_alpha_dropout"], 3),
    "rrelu": 4,
}
"""Which of its arguments ``inplace`` is, counted from 0, where it has one."""


def place_of_inplace(name: str) -> int | None:
    """Which argument of a layer or function ``inplace`` is, counted from 0; None where it has none."""
    return _PLACES.get(name)


def asked_in_place(call: cst.CSTNode | None, name: str) -> bool:
    """Whether a call of a layer or function says ``inplace=True``, by keyword or in its place."""
    given = keyword_node(call, "inplace")
    positional = [a.value for a in getattr(call, "args", ()) if a.keyword is None and not a.star]
    place = _PLACES.get(name, len(positional))
    value = given.value if given is not None else positional[place] if len(positional) > place else None
    return isinstance(value, cst.Name) and value.value == "True"


def changes_in_place(name: str) -> bool:
    """Whether a method or function of torch changes what it is given."""
    return name.endswith("_") and not name.endswith("__") and name not in _NOT_IN_PLACE
