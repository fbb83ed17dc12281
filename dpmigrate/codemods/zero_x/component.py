"""From the engine of Opacus 0.x to ``make_private``: one component of a project moved as a whole.

``PrivacyEngine(model, ...)`` with ``engine.attach(optimizer)`` becomes ``engine.make_private(...)`` where it
was attached, with the loader that the training reads. The accountant by moments stays (``accountant="rdp"``).
What changes is said: batches are drawn by Poisson sampling, which the accountant of 0.x assumed all along.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from typing import TYPE_CHECKING

import libcst as cst

from dpmigrate.codemods.editing.edits import Withheld
from dpmigrate.codemods.jobs import Job, MatchedFinding
from dpmigrate.codemods.options import Options
from dpmigrate.codemods.pins import plan_pins
from dpmigrate.codemods.program.facts import Facts, FactsByPart, keys_of
from dpmigrate.codemods.upgrade.in_place import out_of_place
from dpmigrate.codemods.zero_x.engine import AttachedEngine
from dpmigrate.codemods.zero_x.model import ask_behind_the_wrapper
from dpmigrate.codemods.zero_x.moved_names import MovedName, move_names, rename_coefficient
from dpmigrate.codemods.zero_x.names import imported_in_vain, rename
from dpmigrate.codemods.zero_x.steps import take_physical_batches
from dpmigrate.codemods.zero_x.uses import EngineUses
from dpmigrate.codemods.zero_x.words import CUT_FOR_SEVERAL, OF_SEVERAL, ownerless
from dpmigrate.project.users import users_of
from dpmigrate.versions.edit import DEFAULT_LOWER_BOUND
from dpmigrate.versions.releases import between
from dpmigrate.versions.specifiers import parse_specifier

if TYPE_CHECKING:
    from dpmigrate.analysis.ledger import Thing
    from dpmigrate.analysis.ledger.retired import RetiredCall
    from dpmigrate.project import Project
    from dpmigrate.versions.pin import Pin


def zero_x_jobs(
    project: Project, facts: FactsByPart, found: Sequence[MatchedFinding], options: Options
) -> list[Job]:
    """One job for the components that use what Opacus dropped and share pins: they move together or not."""
    groups: dict[int, tuple[Facts, list[MatchedFinding]]] = {}
    for finding, match in found:
        if match.advisory.fix.concerns == "retired" and match.origin is not None:
            part_facts = facts.of(match.origin.module)
            groups.setdefault(id(part_facts), (part_facts, []))[1].append((finding, match))
    pins = {key: _pins(project, members, options) for key, (_, members) in groups.items()}
    return [
        _moved(
            project,
            [groups[key] for key in together],
            [pin for key in together for pin in pins[key]],
            options,
        )
        for together in _sharing(pins)
    ]


def _pins(project: Project, found: list[MatchedFinding], options: Options) -> list[Pin]:
    """The pins of every file that uses what is gone, and of whoever imports it."""
    pins: dict[Pin, None] = {}
    if project.declarations is None:
        return []
    for _, match in found:
        assert match.origin is not None
        if options.at(match.origin.module.path).assumed:
            continue
        for path in users_of(project, match.origin.module):
            declared = project.declarations.declared_for(path)
            for pin in declared.admitting(parse_specifier(f"<{DEFAULT_LOWER_BOUND}")):
                pins[pin] = None
    return list(pins)


def _sharing(pins: dict[int, list[Pin]]) -> list[list[int]]:
    """The components in groups: those under one pin that admits 0.x alone have to agree on the release."""
    groups: list[tuple[list[int], set[Pin]]] = []
    for key, pins_of_part in pins.items():
        old = {pin for pin in pins_of_part if not pin.versions & between("1.0.0")}
        joined = [g for g in groups if g[1] & old]
        groups = [g for g in groups if not g[1] & old]
        groups.append(
            ([k for keys, _ in joined for k in keys] + [key], old.union(*(held for _, held in joined)))
        )
    return [keys for keys, _ in groups]


def _moved(
    project: Project, parts: list[tuple[Facts, list[MatchedFinding]]], pins: list[Pin], options: Options
) -> Job:
    job = Job([f for _, findings in parts for f in findings], privatizes=True)
    job.governed = None if pins else ()
    try:
        for facts, findings in parts:
            _plan(facts, findings, job)
        # A library's model in place trains on 1.5.3, and raises from 1.5.4 on.
        calls = [call for facts, _ in parts for call in facts.retired_calls]
        in_place = any(change.library for call in calls for change in call.in_place)
        bound = "1.5.3" if in_place else DEFAULT_LOWER_BOUND
        older = parse_specifier(f"<{bound}")
        job.pins = plan_pins(
            list(dict.fromkeys(pin for pin in pins if pin.versions & older)),
            options.unsafe,
            bound,
            project,
        )
        job.notices += job.pins.notices
    except Withheld as withheld:
        if len(parts) > 1:
            withheld.reason += " (what shares a pin of Opacus is moved together or not at all)"
        job.withheld = withheld
    return job


def _asked(facts: Facts, engines: Iterable[AttachedEngine], call: cst.CSTNode) -> list[AttachedEngine]:
    """The engines that a call may be of: those that its receiver is, or whose optimizers."""
    func = call.func if isinstance(call, cst.Call) else None
    held = keys_of(facts.held(func.value)) if isinstance(func, cst.Attribute) else set()
    return [engine for engine in engines if engine.key in held or engine.trained.optimizers & held]


def _plan(facts: Facts, found: Sequence[MatchedFinding], job: Job) -> None:
    """Collect the edits of one component. Raises `Withheld`."""
    calls = facts.retired_calls
    engines = {c.engine: AttachedEngine(facts, job.edits, c) for c in calls if c.makes_engine}
    attached = [engine.attached for engine in engines.values()]
    for engine in engines.values():
        engine.early = attached.count(engine.attached) > 1
    for call in calls:
        _rewrite_call(facts, job, engines, call)
    for call in calls:
        for change in call.in_place:
            if not change.library:
                job.edits.extend(out_of_place(facts, change.origin.node, change.by))
    for engine in engines.values():
        EngineUses(engine).rewrite()
        engine.make_private()
        ask_behind_the_wrapper(engine)
        job.notices += engine.notices
    _rewrite_names(facts, job, found, {c.origin.node for c in calls if c.kind == "get-coeff"})


def _rewrite_call(
    facts: Facts, job: Job, engines: Mapping[Thing | None, AttachedEngine], call: RetiredCall
) -> None:
    """Plan the edits of one call of the API of 0.x, but for engines, which come after all of them."""
    node, module = call.origin.node, call.origin.module
    if call.kind == "get-coeff":
        rename_coefficient(facts, job.edits, call.origin)
        return
    if call.kind == "engine-attach":
        if not call.makes_engine:
            raise Withheld(
                "attach() is called on an engine of Opacus 1.x, which has none: call "
                "engine.make_private(module=..., optimizer=..., data_loader=...) here",
                module,
                node,
            )
        return
    owner = engines.get(call.engine) if call.engine is not None else None
    if owner is None:
        raise Withheld(ownerless(call), module, node)
    several = _asked(facts, engines.values(), node)
    if call.kind == "get-privacy-spent":
        owners = dict.fromkeys((owner, *several))
        asked_as = {EngineUses(o).ask_accountant(node, len(owners) > 1) for o in owners}
        if len(asked_as) > 1:
            raise Withheld(OF_SEVERAL, module, node)
    elif call.kind == "virtual-step":
        if len(several) > 1:
            raise Withheld(CUT_FOR_SEVERAL, module, node)
        take_physical_batches(facts, job.edits, owner, node)


def _rewrite_names(
    facts: Facts, job: Job, found: Sequence[MatchedFinding], renamed: Set[cst.CSTNode]
) -> None:
    """Plan the edits of names that are gone, those apart that are ``renamed`` already. Raises `Withheld`."""
    moves = []
    rewritten: set[tuple[str, str]] = set()
    for finding, match in found:
        gone = match.gone
        if gone is None or match.origin is None or match.origin.node in renamed:
            continue
        vain = imported_in_vain(facts, match.origin)
        if vain and not gone.new:
            job.edits.of(match.origin.module).stale[vain] = None
        elif gone.new:
            moves.append(MovedName(match.origin, gone.name, gone.new, gone.keywords))
        elif (whole := (match.origin.module.key, ".".join(gone.name.split(".")[:2]))) not in rewritten:
            rewritten.add(whole)  # A module's uses of what is gone are rewritten at once.
            rename(facts, job.edits, gone.name, match.origin, finding.message)
    move_names(facts, job.edits, moves)
