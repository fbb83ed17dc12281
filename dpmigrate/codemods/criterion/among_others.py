"""Private objects that the function which makes them collects: the criterion is collected with its model.

``workers.append((model, optimizer, loader))`` in a loop, and another loop that trains each: the tuple, dict
or record has the criterion in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial

import libcst as cst

from dpmigrate.codemods.criterion.by_holder import kept_by_holder
from dpmigrate.codemods.criterion.in_parallel import Parallel
from dpmigrate.codemods.criterion.one_for_each import refuse_last_of_many
from dpmigrate.codemods.criterion.wrapping import Wrapping
from dpmigrate.codemods.editing.edits import ProjectEdits, Withheld
from dpmigrate.codemods.editing.nodes import add_entry, with_element
from dpmigrate.codemods.program.facts import Facts, Scope
from dpmigrate.codemods.program.ways import calls_lead, calls_leading_to, leading_calls
from dpmigrate.codemods.returned.collected import Collected, container_of
from dpmigrate.codemods.returned.entries import refuse_taken_whole
from dpmigrate.codemods.returned.record import Record

Bundle = cst.Tuple | cst.Dict | cst.Call


@dataclass(frozen=True)
class Among:
    """How a criterion is kept among others, and the scopes that have it then."""

    edits: ProjectEdits
    sources: list[Scope]


def kept_among_others(
    wrapping: Wrapping, name: str, scope: Scope, taken_at: Sequence[cst.CSTNode], wanted_in: Scope
) -> Among | None:
    """Let what a scope collects of the private objects have the criterion in it, and whoever takes it out.

    None where nothing is collected, or each model is trained before the next one is made. Raises `Withheld`.
    """
    facts, call = wrapping.facts, wrapping.upgrade.call
    own = uses_in(wrapping, [scope], wanted_in)
    if calls_lead(facts, scope, wanted_in) and own:
        try:
            refuse_last_of_many(facts, call, taken_at, own)
        except Withheld as withheld:
            refused: Withheld | None = withheld
        else:
            return None
    else:
        refused = None
    bundles = [
        b for b in _bundles(facts, scope) if call in _made_by(facts, b) and container_of(facts, b) is not None
    ]
    if len(bundles) > 1 or wrapping.upgrade.mixed:
        return None
    if not bundles:
        try:
            return _beside_each(wrapping, name, scope, taken_at, wanted_in)
        except Withheld:
            if refused is None:
                return None
            raise
    bundle = bundles[0]
    size = len(bundle.elements) if isinstance(bundle, cst.Tuple) else 0
    try:
        collected = Collected.of(facts, bundle, [bundle], size)
    except Withheld:
        if refused is None:
            return None
        raise
    if collected is None or not collected.targets:
        return None
    targets = list(dict.fromkeys(collected.targets))
    collected.targets[:] = targets
    scopes = list(dict.fromkeys(facts.scope(t) for t in targets))
    uses = [*(site.call for site in wrapping.sites), *calls_leading_to(facts, wanted_in)]
    for taking in dict.fromkeys([scope, *scopes]):
        takers = [t for t in (*taken_at, *targets) if facts.scope(t) is taking]
        refuse_last_of_many(facts, call, takers, uses_in(wrapping, [taking], wanted_in))
    edits = _grown(facts, bundle, name, collected, uses)
    return Among(edits, [scope, *scopes] if own else scopes)


def _beside_each(
    wrapping: Wrapping, name: str, scope: Scope, taken_at: Sequence[cst.CSTNode], wanted_in: Scope
) -> Among | None:
    """Let the criteria have a collection, or a member, beside that of the optimizers; None: there is none.

    Raises `Withheld`.
    """
    needing: list[cst.CSTNode] = [
        *(site.call for site in wrapping.sites),
        *calls_leading_to(wrapping.facts, wanted_in),
    ]
    parallel = Parallel.of(wrapping, name, scope, needing)
    if parallel is not None:
        edits, covered = parallel.kept().edits, parallel.covered
    elif (held := kept_by_holder(wrapping, name, scope, needing)) is not None:
        edits, covered = held
    else:
        return None
    if not covered:
        return None
    rest = [use for use in uses_in(wrapping, [scope], wanted_in) if use not in covered]
    refuse_last_of_many(wrapping.facts, wrapping.upgrade.call, taken_at, rest)
    sources = dict.fromkeys(wrapping.facts.scope(use) for use in covered)
    return Among(edits, [*sources, *([scope] if rest else [])])


def uses_in(wrapping: Wrapping, scopes: Iterable[Scope], wanted_in: Scope) -> list[cst.CSTNode]:
    """What needs the criterion in some scopes: the calls that make losses, or lead to where they are made."""
    facts = wrapping.facts
    uses: list[cst.CSTNode] = []
    for scope in dict.fromkeys(scopes):
        uses += [site.call for site in wrapping.sites if facts.scope(site.call) is scope]
        uses += leading_calls(facts, scope, wanted_in) if scope is not wanted_in else []
    return uses


def _bundles(facts: Facts, scope: Scope) -> list[Bundle]:
    return [*facts.own(scope, cst.Tuple), *facts.own(scope, cst.Dict), *facts.own(scope, cst.Call)]


def _made_by(facts: Facts, bundle: Bundle) -> set[cst.CSTNode | None]:
    """The calls of ``make_private`` whose optimizers are among the parts of a bundle."""
    if isinstance(bundle, cst.Call):
        parts = [arg.value for arg in bundle.args if not arg.star]
    else:
        parts = [element.value for element in bundle.elements]
    return {facts.made_at(part, "dp-optimizer") for part in parts} - {None}


def _grown(
    facts: Facts, bundle: Bundle, name: str, collected: Collected, uses: Sequence[cst.CSTNode]
) -> ProjectEdits:
    """A bundle with the criterion in it, which is taken out where it is used. Raises `Withheld`."""
    edits = ProjectEdits()
    of_module = edits.of(facts.module_of(bundle))
    if isinstance(bundle, cst.Tuple):
        optimizers = [i for i, e in enumerate(bundle.elements) if facts.is_a(e.value, "dp-optimizer")]
        place = optimizers[0] + 1 if collected.plain else len(bundle.elements)
        of_module.change(bundle, with_element(place, name))
        edits.extend(collected.take(name, f"{{}}[{place}]", place, uses))
    elif isinstance(bundle, cst.Dict):
        refuse_taken_whole(facts, bundle, name, "dict")
        first = next((e.key for e in bundle.elements if isinstance(e, cst.DictElement)), None)
        quote = first.quote if isinstance(first, cst.SimpleString) else '"'
        key = f"{quote}{name}{quote}"
        of_module.change(bundle, partial(add_entry, key=key, value=name))
        edits.extend(collected.take(name, f"{{}}[{key}]", 0, uses))
    else:
        record = Record.returned(facts, bundle)
        if record is None:
            raise Withheld(
                f"{name}, the wrapped criterion, has to be kept in what is made here, beside its model: give "
                "it one field more, and make the losses by that",
                facts.module_of(bundle),
                bundle,
            )
        refuse_taken_whole(facts, bundle, name, record.kind, record.place)
        edits.extend(record.grow(name, (), edits))
        edits.extend(collected.take(name, record.reading, record.place, uses))
    return edits
