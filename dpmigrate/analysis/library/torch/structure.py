"""How modules of torch are put together: what handlers remember of it, and what readers of their text ask."""

from __future__ import annotations

from dpmigrate.analysis.core import Interpreter
from dpmigrate.analysis.domain.atoms import Atom, Obj
from dpmigrate.analysis.domain.values import Class, Function, Value
from dpmigrate.analysis.language.classes import find_member
from dpmigrate.analysis.notes import Slot

LAYERS: Slot[dict[Atom, list[Value]]] = Slot(dict)
"""The layers of a Sequential or ModuleList, in order, where they are known one by one."""

KEYED: Slot[dict[Atom, tuple[Atom, ...]]] = Slot(dict)
"""What a ModuleDict was made of."""

WRAPPED: Slot[dict[Atom, set[Atom]]] = Slot(dict)
"""The modules within one that wraps them (DataParallel, GradSampleModule)."""

MODELS: Slot[dict[Atom, set[Atom]]] = Slot(dict)
"""The models whose parameters an optimizer holds."""

IN_PART: Slot[dict[Atom, set[Atom]]] = Slot(dict)
"""Those of them of which it holds a part."""

OF_BEFORE = "<of before>"
"""Whether the parameters that an optimizer holds are those of before its model was copied."""


def forward_of(ip: Interpreter, model: Atom | None) -> Function | None:
    """The ``forward`` that a module's class of the project gives it; None for none, and for several."""
    if not isinstance(model, Obj) or not isinstance(model.data, Class):
        return None
    member = find_member(ip, model.data, "forward")
    forward = member.only if member is not None else None
    return forward if isinstance(forward, Function) else None


def attributes_of(ip: Interpreter, model: Obj) -> dict[str, Atom]:
    """The attributes of a module that are one thing each, layers among them."""
    attributes: dict[str, Atom] = {}
    for slot in ip.store.keys(model):
        held = ip.store.get(model, slot)
        if isinstance(slot, str) and held is not None and held.only is not None:
            attributes[slot] = held.only
    return attributes
