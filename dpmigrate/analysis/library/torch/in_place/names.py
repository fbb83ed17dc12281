"""Which of torch's names change a tensor in place, and which give the same memory back."""

from __future__ import annotations

import libcst as cst

from dpmigrate.analysis.ledger.models import INPLACE_PLACES, VIEWS
from dpmigrate.analysis.source.tree import keyword_node

SAME_MEMORY = VIEWS | {"Flatten", "Unflatten", "Identity"}
"""What gives the same memory back, or parts of it, layers among them."""
_NOT_IN_PLACE = frozenset(["requires_grad_", "share_memory_"])
"""What ends in an underscore, and leaves the values alone."""


def asked_in_place(call: cst.CSTNode | None, name: str) -> cst.BaseExpression | None:
    """What a call of a layer or function gives as ``inplace``, by keyword or in its place."""
    given = keyword_node(call, "inplace")
    if given is not None:
        return given.value
    positional = [a.value for a in getattr(call, "args", ()) if a.keyword is None and not a.star]
    place = INPLACE_PLACES.get(name, len(positional))
    return positional[place] if len(positional) > place else None


def changes_in_place(name: str) -> bool:
    """Whether a method or function of torch changes what it is given."""
    return name.endswith("_") and not name.endswith("__") and name not in _NOT_IN_PLACE
