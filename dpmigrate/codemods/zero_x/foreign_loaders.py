"""What a training loop reads that is no loader of torch: ``make_private`` can draw no batches from it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import libcst as cst

from dpmigrate.analysis.ledger.expressions import Named
from dpmigrate.codemods.editing.edits import Withheld
from dpmigrate.codemods.losses.origins import argument_for
from dpmigrate.codemods.program.assignments import homes_in, targets_of
from dpmigrate.codemods.program.facts import Facts

_FOREIGN = ("torchtext.", "tensorflow.", "tensorflow_datasets.", "webdataset.", "ffcv.", "nvidia.dali.")
"""Libraries whose loaders are none of torch's (``BucketIterator.splits``, ``tfds.load``)."""
MAX_DEPTH = 6


def refuse_foreign_loader(facts: Facts, loader: str, read: Iterable[cst.BaseExpression]) -> None:
    """Raise `Withheld` where a loop reads what ``make_private`` can make no private loader of."""
    for node in read:
        made = _foreign(facts, node, MAX_DEPTH)
        if made is not None:
            raise Withheld(
                f"{loader} comes from {facts.code(made.func).strip()}, which makes no DataLoader of torch, "
                "and make_private draws its batches from one: put the records into a Dataset and that into "
                "a torch.utils.data.DataLoader",
                facts.module_of(made),
                made,
            )


def _foreign(facts: Facts, node: cst.BaseExpression, depth: int) -> cst.Call | None:
    """The call that makes what an expression holds, of another library or a generator of the project."""
    if isinstance(node, cst.Call):
        names = [w.name for w in facts.called(node) if isinstance(w, Named)]
        of_library = any(name.startswith(_FOREIGN) and "Dataset" not in name for name in names)
        yields = any(facts.own(fn.node, cst.Yield) for fn in facts.functions_entered(node))
        return node if of_library or yields else None
    sources = _sources(facts, node) if isinstance(node, cst.Name) and depth else ()
    made = (_foreign(facts, source, depth - 1) for source in sources)
    return next((call for call in made if call is not None), None)


def _sources(facts: Facts, name: cst.Name) -> Iterator[cst.BaseExpression]:
    """The expressions that a variable gets its value from: assigned, unpacked, returned, handed over."""
    scope = facts.scope(name)
    for home in homes_in(facts, scope, own=True):
        for target in targets_of(home):
            if isinstance(target, cst.Name) and target.value == name.value and home.value is not None:
                yield from _given_back(facts, home.value, None)
            elif isinstance(target, (cst.Tuple, cst.List)) and home.value is not None:
                taken = [e.value.value if isinstance(e.value, cst.Name) else "" for e in target.elements]
                if name.value in taken:
                    yield from _given_back(facts, home.value, taken.index(name.value))
    if not isinstance(scope, cst.FunctionDef):
        return
    for call, _ in facts.callers.get(scope, ()):
        given = argument_for(facts, call, scope, name.value) if isinstance(call, cst.Call) else None
        if given is not None:
            yield given


def _given_back(facts: Facts, value: cst.BaseExpression, place: int | None) -> Iterator[cst.BaseExpression]:
    """A value, or that part of it, of a function of the project what it returns."""
    entered = facts.functions_entered(value) if isinstance(value, cst.Call) else []
    returned = [r.value for fn in entered for r in facts.own(fn.node, cst.Return)] if entered else [value]
    for each in returned:
        if place is not None and isinstance(each, cst.Tuple):
            yield from (e.value for e in each.elements[place : place + 1])
        elif each is not None and (place is None or not entered):
            yield each
