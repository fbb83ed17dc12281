"""What a file imports of Opacus that only some releases have: on any other it raises ImportError.

Measured on the sources of the releases from 1.5 on. Dropped names are not here: a fix takes them out.
"""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst
from libcst.helpers import get_full_name_for_node

from dpmigrate.analysis.source.modules import ModuleInfo
from dpmigrate.versions.releases import UNKNOWN_GIT, WRAPPED_CRITERION, VersionSet, between

_ONLY_FROM_1_6 = between("1.6.0") | UNKNOWN_GIT
_RELEASES: dict[str, VersionSet] = dict.fromkeys(
    (
        *("AbstractGradSampleHooks", "GradSampleHooks", "GradSampleHooksNoOp"),
        *("GradSampleHooksFastGradientClipping", "FSDPOptimizerFastGradientClipping", "FSDP2Wrapper"),
        *("GradSampleHooksFastGradientClippingFSDP", "GradSampleHooksFastGradientClippingTP"),
        *("GradSampleModuleFastGradientClippingFSDP", "GradSampleModuleFastGradientClippingTP"),
        "register_accountant",
    ),
    _ONLY_FROM_1_6,
) | dict.fromkeys(
    (
        *("DPLossFastGradientClipping", "DPTensorFastGradientClipping", "PrivacyEngineAdaptiveClipping"),
        *("DPLossFastGradientAdaptiveClipping", "DPTensorFastGradientAdaptiveClipping"),
    ),
    WRAPPED_CRITERION,
)


def releases_imported(module: ModuleInfo) -> Iterator[tuple[str, cst.CSTNode, VersionSet]]:
    """The names that a file imports before it does anything else, where they are, and who has them."""
    for line in module.tree.body:
        parts = line.body if isinstance(line, cst.SimpleStatementLine) else ()
        for part in parts:
            if not isinstance(part, cst.ImportFrom) or part.module is None or part.relative:
                continue
            package = get_full_name_for_node(part.module) or ""
            if package.partition(".")[0] != "opacus" or isinstance(part.names, cst.ImportStar):
                continue
            for alias in part.names:
                name = alias.evaluated_name
                if name in _RELEASES:
                    yield name, alias, _RELEASES[name]
