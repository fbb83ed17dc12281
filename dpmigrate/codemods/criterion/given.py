"""Whether a loop's loss is what the criterion given to ``make_private`` computes.

Only then may the returned criterion, which wraps that one, take the loss over.
"""

from __future__ import annotations

from collections.abc import Iterable

import libcst as cst

from dpmigrate.analysis.ledger import Constant, Thing, What
from dpmigrate.analysis.ledger.expressions import Named
from dpmigrate.codemods.criterion.classes import COUNTERPARTS
from dpmigrate.codemods.editing.edits import Withheld
from dpmigrate.codemods.losses.functional import functional_arguments
from dpmigrate.codemods.losses.origins import LossSite
from dpmigrate.codemods.program.facts import Facts, keys_of, making_node
from dpmigrate.codemods.returned.upgraded_call import UpgradedCall

Computation = tuple[str, frozenset[str], str]
"""The class of ``torch.nn``, the other arguments as text, and the reduction."""


def computes_what_is_given(upgrade: UpgradedCall, site: LossSite, wanted: str) -> None:
    """Raise `Withheld` unless every criterion that may be given computes what ``site`` computes.

    ``wanted`` is the run's ``loss_reduction``: what the wrapped criterion's losses are reduced by.
    """
    facts = upgrade.facts
    given = {what for r in upgrade.ghost for what in r.argument("criterion").each}
    if all(isinstance(m, Thing) and m.key in keys_of(given) for m in site.makers):
        return
    mine = {_of_site(facts, site, m, upgrade.call) for m in site.makers}
    theirs = {_of_given(facts, what) for what in given}
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


def _of_site(facts: Facts, site: LossSite, maker: What, at: cst.Call) -> Computation | None:
    if isinstance(maker, Named):
        class_name = COUNTERPARTS.get(maker.name.rpartition(".")[2])
        _, keywords, reduction = functional_arguments(facts, site.call, at)
        return (class_name, frozenset(keywords), reduction) if class_name is not None else None
    return _of_given(facts, maker)


def _of_given(facts: Facts, what: What) -> Computation | None:
    if what == Constant(None):
        return ("CrossEntropyLoss", frozenset(), "mean")
    if not isinstance(what, Thing) or what.kind != "criterion":
        return None
    call = making_node(what)
    if not isinstance(call, cst.Call) or not facts.knows(call):
        return None
    return _of_constructor(facts, what.name.rpartition(".")[2], call.args)


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
