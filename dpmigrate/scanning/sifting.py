"""What of the findings of a scan is reported: certain enough, new, and where something changed."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import partial

from dpmigrate.advisories.choice import Choices
from dpmigrate.model import Finding, ScanResult
from dpmigrate.scanning.baseline import BaselineEntry, hold_against
from dpmigrate.workspace.discover import Workspace


def sifted(
    result: ScanResult, workspace: Workspace, baseline: Sequence[BaselineEntry], diff_base: str | None
) -> ScanResult:
    """The result without what is not certain enough, what a baseline knows, and what was there before."""
    choices = Choices(workspace.settings)

    def shown(finding: Finding) -> bool:
        return choices.of(workspace.absolute(finding.span.path)).shows(finding)

    if baseline:
        result = hold_against(result, baseline, partial(_would_be_reported, workspace, choices))
    result = result._replace(
        findings=tuple(filter(shown, result.findings)),
        suppressed=tuple(s for s in result.suppressed if shown(s.finding)),
    )
    if diff_base is None:
        return result
    from dpmigrate.scanning.changes import Changes

    return Changes(diff_base, workspace.settings, workspace.roots).only(result)


def _would_be_reported(workspace: Workspace, choices: Choices, entry: BaselineEntry) -> bool:
    """Whether an entry of a baseline is about a file of the given paths, and a rule looked for there."""
    path = os.path.normpath(f"{workspace.root}/{entry.path}")
    return workspace.is_target(path) and entry.rule in choices.of(path).enabled
