"""Facts about secure mode, and about the package that it needs."""

from __future__ import annotations

import libcst as cst

from dpmigrate.advisories.facts.general import fact
from dpmigrate.advisories.subjects import Subject
from dpmigrate.model import Tri

_CATCHES = frozenset(["ImportError", "ModuleNotFoundError", "Exception", "BaseException"])


@fact
def _csprng_named(s: Subject) -> Tri:
    """Whether the project names torchcsprng: in a dependency file, or in the modules of this run."""
    return s.versions.csprng or (s.run.engine is not None and s.run.engine.csprng)


@fact
def _import_error_caught(s: Subject) -> Tri:
    """Whether the program goes on where this cannot be made for want of a package."""
    nesting, inner = s.module.nesting, s.origin.node
    for around in nesting.above(inner):
        if isinstance(around, cst.Try) and around.body is inner and any(map(_catches, around.handlers)):
            return True
        inner = around
    return False


def _catches(handler: cst.ExceptHandler) -> bool:
    if handler.type is None:
        return True
    parts = handler.type.elements if isinstance(handler.type, cst.Tuple) else ()
    names = [part.value for part in parts] or [handler.type]
    return any(isinstance(name, cst.Name) and name.value in _CATCHES for name in names)
