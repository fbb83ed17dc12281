"""The recipes as LibCST codemod commands, for people who compose their own.

``python -m libcst.tool codemod -x --no-format dpmigrate.fixing.commands.Upgrade train.py``, or,
with ``dpmigrate.fixing`` among the ``modules`` of ``.libcst.codemod.yaml``, ``python -m
libcst.tool codemod --no-format commands.Upgrade train.py``. Without ``--no-format`` LibCST runs the
formatter of that file (black, unless it says otherwise) over the whole module. A command
rewrites the file that it is given and nothing else: a fix that also needs another source file is
skipped with that reason, as every `patch` would be, for ``dpmigrate fix`` to make as a whole; a pin
that must be raised is named in a warning.
"""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path
from typing import ClassVar

import libcst as cst
from libcst.codemod import CodemodCommand, SkipFile

from dpmigrate.advisories.catalogue import concerned_with, mended_by
from dpmigrate.fixing import fix
from dpmigrate.model import Strategy


class _FixCommand(CodemodCommand):
    strategy: ClassVar[Strategy] = "upgrade"

    # Abstract, or libcst.tool would list this class among the commands.
    @property
    @abstractmethod
    def rules(self) -> frozenset[str]:
        """The ids of the advisories that it mends."""

    def transform_module_impl(self, tree: cst.Module) -> cst.Module:
        """The module as ``dpmigrate fix`` makes it. Raises SkipFile where it makes nothing of it."""
        if self.context.filename is None:
            raise SkipFile("a fix needs the file's path, to see its project")
        path = Path(self.context.filename).resolve()
        result = fix([_project_of(path)], strategy=self.strategy, select=self.rules, cwd=path.parent)
        if path.name not in result.contents:
            reasons = [reason for refused, reason in result.refused if refused == path.name]
            raise SkipFile(reasons[0] if reasons else "nothing to change")
        others = [p for p in result.contents if p != path.name]
        sources = [p for p in others if p.endswith((".py", ".ipynb"))]
        if sources:
            raise SkipFile(f"the fix also needs {', '.join(sources)}: run dpmigrate fix")
        for other in others:
            self.warn(f"{other} must change too: run dpmigrate fix")
        for notice in result.notices:
            self.warn(notice)
        return cst.parse_module(result.contents[path.name])


def _project_of(path: Path) -> str:
    from dpmigrate.workspace.roots import Roots

    return Roots().root_of(str(path.parent))


class Upgrade(_FixCommand):
    """Ghost clipping on the API of Opacus 1.5.3 and later."""

    DESCRIPTION = "Move ghost clipping to the API of Opacus 1.5.3 and later."
    rules = mended_by("upgrade")


class SetToNone(_FixCommand):
    """Gradients are let go of after each step, before Opacus 1.5.3."""

    DESCRIPTION = "Set gradients to None after each step, so that the clipped sum survives."
    strategy = "set-to-none"
    rules = mended_by("set-to-none")


class Hooks(_FixCommand):
    """Ghost clipping back to standard clipping."""

    DESCRIPTION = "Move ghost clipping back to standard (hooks) clipping."
    strategy = "hooks"
    rules = mended_by("hooks")


class GeneratorEntropy(_FixCommand):
    """Bare generators start from fresh entropy."""

    DESCRIPTION = "Seed bare generators with fresh entropy."
    rules = concerned_with("generator")
