"""What is so on one way to a call and not on another: sure of no execution that takes the other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

import libcst as cst

from dpmigrate.advisories.matching import Match
from dpmigrate.analysis.ledger import PrivateRun

ON_ONE_WAY = "only possible: this call is also come to on another way, on which it is not so"
IN_A_TEST = "only possible: it is so in a test alone, which gives the program what it likes"


def sure_on_every_way(matches: Iterable[Match], runs: Iterable[PrivateRun]) -> Iterator[Match]:
    """The matches of a project; possible at most is what one way alone to a call makes sure.

    A helper that is called in two branches makes one private training run, and there is a record of it for
    each. What is said of its call has to hold of every record, or of one that is made wherever another is.
    Ways that begin in different functions are different programs, each of which is judged by itself; a test
    of another module is none, but one way in which the program can be used.
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
            holding = sure[match.advisory.id, match.message, id(node)]
            doubt = ""
            if _is_handed_on(match.run, node) and all(map(_is_a_tests, holding)):
                doubt = IN_A_TEST
            elif len(alike) > 1 and _is_of_the_call(match.run, node):
                beside = [other for other in alike if _begins_in(other) is _begins_in(match.run)]
                if not all(any(_made_wherever(one, other) for one in holding) for other in beside):
                    doubt = ON_ONE_WAY
            if doubt:
                because = (*match.because, match.origin.module.place(node, doubt))
                match = replace(match, certainty="possible", because=because)
        yield match


def _is_of_the_call(run: PrivateRun, node: cst.CSTNode) -> bool:
    """Whether a node is the call that made a run, or one of its arguments."""
    call = run.origin.node
    return node is call or any(node is arg or node is arg.value for arg in getattr(call, "args", ()))


def _is_handed_on(run: PrivateRun, node: cst.CSTNode) -> bool:
    """Whether a node is an argument of the call that made a run, and no literal that stands there."""
    values = [arg.value for arg in getattr(run.origin.node, "args", ()) if node is arg or node is arg.value]
    return any(
        not isinstance(value, (cst.BaseNumber, cst.BaseString))
        and not (isinstance(value, cst.Name) and value.value in ("True", "False", "None"))
        for value in values
    )


def _made_wherever(one: PrivateRun, other: PrivateRun) -> bool:
    """Whether an execution that makes the second record of a call makes the first as well."""
    return one is other or (one.guard <= other.guard and _begins_in(one) is _begins_in(other))


def _is_a_tests(run: PrivateRun) -> bool:
    """Whether the way to a run begins in a test, in another module than the call that makes it."""
    begins = _begins_in(run)
    in_a_test = isinstance(begins, cst.FunctionDef) and begins.name.value.startswith("test")
    return in_a_test and run.chain[:1] != () and run.chain[0].through.module is not run.origin.module


def _begins_in(run: PrivateRun) -> cst.CSTNode:
    """The function, or the module, in which the way to a run begins."""
    origin = run.chain[0].through if run.chain else run.origin
    around = [origin.node, *origin.module.nesting.above(origin.node)]
    return next((node for node in around if isinstance(node, cst.FunctionDef)), around[-1])
