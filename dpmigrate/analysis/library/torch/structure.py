"""How modules of torch are put together, as far as handlers remember it."""

from __future__ import annotations

from dpmigrate.analysis.domain.atoms import Atom
from dpmigrate.analysis.domain.values import Value
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
