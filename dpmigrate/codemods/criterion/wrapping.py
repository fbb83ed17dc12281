"""What the recipes of a criterion share, and what each of them returns."""

from __future__ import annotations

from dataclasses import dataclass

import libcst as cst

from dpmigrate.codemods.editing.edits import ProjectEdits
from dpmigrate.codemods.losses.origins import LossSite
from dpmigrate.codemods.program.facts import Facts, Scope
from dpmigrate.codemods.returned.result import Result
from dpmigrate.codemods.returned.upgraded_call import UpgradedCall

_KINDS = ("dp-model", "dp-optimizer")


@dataclass(frozen=True, eq=False)
class Wrapping:
    """One call whose criterion ``make_private`` wraps. No recipe changes it."""

    upgrade: UpgradedCall
    sites: tuple[LossSite, ...]
    """The calls that make the losses, but those of a criterion that is wrapped already."""
    result: Result
    """How what the call returns is taken apart."""

    @property
    def facts(self) -> Facts:
        """What is known of the program."""
        return self.upgrade.facts

    @property
    def loss_scopes(self) -> set[Scope]:
        """The functions in which losses are made."""
        return {self.facts.scope(site.call) for site in self.sites}

    def private_in(self, root: cst.CSTNode, *kinds: type[cst.BaseExpression]) -> list[cst.BaseExpression]:
        """The private models and optimizers of the call at or below a node, as expressions of some kinds."""
        nodes = [node for kind in kinds for node in self.facts.inside(root, kind)]
        return [
            node for node in nodes if any(self.facts.made_at(node, k) is self.upgrade.call for k in _KINDS)
        ]


@dataclass(frozen=True, eq=False)
class Wrapped:
    """How one recipe lets the wrapped criterion make the losses."""

    edits: ProjectEdits
    losses: tuple[tuple[cst.Call, bool], ...] = ()
    """The calls whose losses it will make; whether they were one number until now."""
    name: str = ""
    """The variable that it comes back in; empty where nothing reads it."""
