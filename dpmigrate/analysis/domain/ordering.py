"""Sets of what values hold, in an order that is the same in every process."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from dpmigrate.analysis.domain.atoms import Atom

Held = TypeVar("Held", bound=Atom)


def in_order(atoms: Iterable[Held]) -> list[Held]:
    """Some atoms by their kind and place in the text, those without a place first."""
    together = list(atoms)
    return together if len(together) < 2 else sorted(together, key=_place)


def _place(atom: Atom) -> tuple[str, int, str, str]:
    module, node = getattr(atom, "module", None), getattr(atom, "node", None)
    name = f"{getattr(atom, 'kind', '')} {getattr(atom, 'name', '')}"
    if module is None or node is None:
        return "", 0, type(atom).__name__, name
    return module.key, module.nesting.number(node), type(atom).__name__, name
