"""What is so on one way to a call and not on another: sure of no execution that takes the other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

import libcst as cst

from dpmigrate.advisories.matching import Match
from dpmigrate.analysis.ledger import PrivateRun

ON_ONE_WAY = "only possible: this call is also come to on another way, on which it is not so"


def sure_on_every_way(matches: Iterable[Match], runs: Iterable[PrivateRun]) -> Iterator[Match]:
    """The matches of a project; possible at most is what one way alone to a call makes sure.

    A helper that is called in two branches makes one private training run, and there is a record of it for
    each. What is said of its call has to hold of every record, or of one that is made wherever another is.
    Ways that begin in different functions are different programs, each of which is judged by itself.
    """
    records: dict[int, list[PrivateRun]] = {}
    for run in runs:
        records.setdefault(id(run.origin.node), []).append(run)
    matched = list(matches)
    sure: dict[tuple[str, str, int], list[PrivateRun]] = {}
    for match in matched:
        if match.certainty == "definite" and match.run is not None and match.origin is not None:
            said = match.advisory.id, match.message, id(match.origin.node)
            sure.setdefault(said, []).append(match.run)
    for match in matched:
        if match.certainty == "definite" and match.run is not None and match.origin is not None:
            alike = records.get(id(match.run.origin.node), [])
            node = match.origin.node
            if len(alike) > 1 and _is_of_the_call(match.run, node):
                holding = sure[match.advisory.id, match.message, id(node)]
                beside = [other for other in alike if _begins_in(other) is _begins_in(match.run)]
                if not all(any(_made_wherever(one, other) for one in holding) for other in beside):
                    doubt = match.origin.module.place(node, ON_ONE_WAY)
                    match = replace(match, certainty="possible", because=(*match.because, doubt))
        yield match


def _is_of_the_call(run: PrivateRun, node: cst.CSTNode) -> bool:
    """Whether a node is the call that made a run, or one of its arguments."""
    call = run.origin.node
    return node is call or any(node is arg or node is arg.value for arg in getattr(call, "args", ()))


def _made_wherever(one: PrivateRun, other: PrivateRun) -> bool:
    """Whether an execution that makes the second record of a call makes the first as well."""
    return one is other or (one.guard <= other.guard and _begins_in(one) is _begins_in(other))


def _begins_in(run: PrivateRun) -> cst.CSTNode:
    """The function, or the module, in which the way to a run begins."""
    origin = run.chain[0].through if run.chain else run.origin
    around = [origin.node, *origin.module.nesting.above(origin.node)]
    return next((node for node in around if isinstance(node, cst.FunctionDef)), around[-1])
