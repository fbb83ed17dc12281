"""Whether a loop's loss is what the criterion given to ``make_private`` computes.

Only then may the returned criterion, which wraps that one, take the loss over.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

import libcst as cst

from dpmigrate.analysis.atoms import Atom, Const, External, Obj
from dpmigrate.analysis.ledger import Constant, Thing, What
from dpmigrate.codemods.criteria import COUNTERPARTS
from dpmigrate.codemods.edits import Withheld
from dpmigrate.codemods.functional_losses import functional_arguments
from dpmigrate.codemods.losses import LossSite
from dpmigrate.codemods.program_facts import Facts
from dpmigrate.codemods.upgraded_call import UpgradedCall

Computation = tuple[str, frozenset[str], str]
"""The class of ``torch.nn``, the other arguments as text, and the reduction."""


def computes_what_is_given(upgrade: UpgradedCall, site: LossSite, wanted: str) -> None:
    """Raise `Withheld` unless every criterion that may be given computes what ``site`` computes.

    ``wanted`` is the run's ``loss_reduction``: what the wrapped criterion's losses are reduced by.
    """
    facts = upgrade.facts
    given = {_atom(what) for r in upgrade.ghost for what in r.argument("criterion").each}
    if set(site.makers) <= given:
        return
    mine = {_of_site(facts, site, m, upgrade.call) for m in site.makers}
    theirs = {_of_given(facts, a) for a in given}
    one, other = next(iter(mine)), next(iter(theirs))
    several = len(mine) > 1 or len(theirs) > 1
    if several or one is None or other is None or one[:2] != other[:2]:
        raise upgrade.withheld(
            "make_private is given another criterion than the one that makes the losses: give it the one "
            "that does, and let the third object that it returns make them"
        )
    if one[2] not in ("none", wanted):
        raise Withheld(
            f'the loss is a {one[2]} over the examples, but the run has loss_reduction="{wanted}": let '
            "both be the same",
            site.module,
            site.call,
        )


def _of_site(facts: Facts, site: LossSite, maker: Atom, at: cst.Call) -> Computation | None:
    if isinstance(maker, External):
        class_name = COUNTERPARTS.get(maker.name.rpartition(".")[2])
        _, keywords, reduction = functional_arguments(facts, site.call, at)
        return (class_name, frozenset(keywords), reduction) if class_name is not None else None
    return _of_given(facts, maker)


def _atom(what: What) -> Atom | None:
    """A criterion that may be given, as expressions were seen to hold it; None for what cannot be known."""
    if isinstance(what, Constant):
        return Const(what.value)
    return cast(Atom, what.key) if isinstance(what, Thing) else None


def _of_given(facts: Facts, atom: Atom | None) -> Computation | None:
    if atom == Const(None):
        return ("CrossEntropyLoss", frozenset(), "mean")
    if not isinstance(atom, Obj) or atom.kind != "criterion":
        return None
    if not isinstance(atom.node, cst.Call) or not facts.knows(atom.node):
        return None
    return _of_constructor(facts, str(atom.data).rpartition(".")[2], atom.node.args)


def _of_constructor(facts: Facts, class_name: str, args: Iterable[cst.Arg]) -> Computation | None:
    texts, reduction = [], "mean"
    for arg in args:
        if arg.keyword is None:
            return None
        value = facts.code(arg.value).strip()
        if arg.keyword.value != "reduction":
            texts.append(f"{arg.keyword.value}={value}")
        elif isinstance(arg.value, cst.SimpleString):
            reduction = str(arg.value.evaluated_value)
        else:
            return None
    return (class_name, frozenset(texts), reduction)
