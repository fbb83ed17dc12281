"""Facts about secure mode, and about the package that it needs."""

from __future__ import annotations

import libcst as cst

from dpmigrate.advisories.facts.general import fact
from dpmigrate.advisories.subjects import Subject
from dpmigrate.analysis.source.tree import catches
from dpmigrate.model import Tri


@fact
def _csprng_named(s: Subject) -> Tri:
    """Whether the project names torchcsprng: in a dependency file, or in the modules of this run."""
    return s.versions.csprng or (s.run.engine is not None and s.run.engine.csprng)


@fact
def _import_error_caught(s: Subject) -> Tri:
    """Whether the program goes on where this cannot be made for want of a package."""
    nesting, inner = s.module.nesting, s.origin.node
    for around in nesting.above(inner):
        handlers = around.handlers if isinstance(around, cst.Try) and around.body is inner else ()
        if any(catches(handler, "ImportError", "ModuleNotFoundError") for handler in handlers):
            return True
        inner = around
    return False
