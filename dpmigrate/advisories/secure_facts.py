"""Facts about secure mode, and about the package that it needs."""

from __future__ import annotations

from functools import lru_cache

import libcst as cst

from dpmigrate.advisories.facts import fact
from dpmigrate.advisories.subjects import Subject
from dpmigrate.analysis.tree import contains, every
from dpmigrate.model import Tri

_CATCHES = frozenset(["ImportError", "ModuleNotFoundError", "Exception", "BaseException"])


@fact
def _csprng_named(s: Subject) -> Tri:
    """Whether the project names torchcsprng: in a dependency file, or in the modules of this run."""
    return s.versions.csprng or (s.run.engine is not None and s.run.engine.csprng)


@fact
def _import_error_caught(s: Subject) -> Tri:
    """Whether the program goes on where this cannot be made for want of a package."""
    return _is_tried(s.module.tree, s.origin.node)


def _is_tried(root: cst.CSTNode, wanted: cst.CSTNode) -> bool:
    """Whether a node stands in the body of a ``try`` that takes ImportError."""
    return any(contains(body, wanted) for body in _tried(root))


@lru_cache(maxsize=8)
def _tried(root: cst.CSTNode) -> tuple[cst.CSTNode, ...]:
    """The bodies of every ``try`` that takes ImportError; the runs of a file come one after the other."""
    tries = (node for node in every(root) if isinstance(node, cst.Try))
    return tuple(node.body for node in tries if any(map(_catches, node.handlers)))


def _catches(handler: cst.ExceptHandler) -> bool:
    if handler.type is None:
        return True
    parts = handler.type.elements if isinstance(handler.type, cst.Tuple) else ()
    names = [part.value for part in parts] or [handler.type]
    return any(isinstance(name, cst.Name) and name.value in _CATCHES for name in names)
