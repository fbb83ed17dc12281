"""From the engine of Opacus 0.x to ``make_private``: one component of a project moved as a whole.

``PrivacyEngine(model, ...)`` with ``engine.attach(optimizer)`` becomes ``engine.make_private(...)`` where it
was attached, with the loader that the training reads. The accountant by moments stays (``accountant="rdp"``).
What changes is said: batches are drawn by Poisson sampling, which the accountant of 0.x assumed all along.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from dpmigrate.codemods.edits import Withheld
from dpmigrate.codemods.in_place import out_of_place
from dpmigrate.codemods.jobs import Found, Job
from dpmigrate.codemods.moved_names import MovedName, move_names
from dpmigrate.codemods.options import Options
from dpmigrate.codemods.pins import plan_pins
from dpmigrate.codemods.program_facts import Facts, FactsByPart
from dpmigrate.codemods.zero_x_engine import AttachedEngine
from dpmigrate.codemods.zero_x_names import rename
from dpmigrate.codemods.zero_x_steps import take_physical_batches
from dpmigrate.codemods.zero_x_uses import EngineUses
from dpmigrate.codemods.zero_x_words import ownerless
from dpmigrate.project.users import users_of
from dpmigrate.versions.edit import DEFAULT_LOWER_BOUND
from dpmigrate.versions.specifiers import parse_specifier

if TYPE_CHECKING:
    from dpmigrate.project import Project
    from dpmigrate.versions.pin import Pin


def zero_x_jobs(project: Project, facts: FactsByPart, found: Sequence[Found], options: Options) -> list[Job]:
    """One job for each component that uses what Opacus dropped: its parts move together."""
    groups: dict[int, tuple[Facts, list[Found]]] = {}
    for finding, match in found:
        if match.advisory.fix.concerns == "retired" and match.origin is not None:
            own = facts.of(match.origin.module)
            groups.setdefault(id(own), (own, []))[1].append((finding, match))
    return [_moved(project, own, members, options) for own, members in groups.values()]


def _moved(project: Project, facts: Facts, found: list[Found], options: Options) -> Job:
    job = Job(list(found), privatizes=True)
    try:
        _plan(facts, job)
        # A library's model in place trains on 1.5.3, and raises from 1.5.4 on.
        in_place = any(change.library for call in facts.retired_calls for change in call.in_place)
        _raise_pins(project, job, options, "1.5.3" if in_place else DEFAULT_LOWER_BOUND)
    except Withheld as withheld:
        job.withheld = withheld
    return job


def _plan(facts: Facts, job: Job) -> None:
    calls = facts.retired_calls
    engines = {c.engine: AttachedEngine(facts, job.edits, c) for c in calls if c.makes_engine}
    for call in calls:
        if call.kind == "engine-attach" and not call.makes_engine:
            raise Withheld(
                "attach() is called on an engine of Opacus 1.x, which has none: call "
                "engine.make_private(module=..., optimizer=..., data_loader=...) here",
                call.origin.module,
                call.origin.node,
            )
        owner = engines.get(call.engine) if call.engine is not None else None
        if call.kind != "engine-attach" and owner is None:
            raise Withheld(
                ownerless(call.kind),
                call.origin.module,
                call.origin.node,
            )
        if call.kind == "get-privacy-spent" and owner is not None:
            EngineUses(owner).ask_accountant(call.origin.node)
        elif call.kind == "virtual-step" and owner is not None:
            take_physical_batches(facts, job.edits, owner, call.origin.node)
    for call in calls:
        for change in call.in_place:
            if not change.library:
                out_of_place(facts, job.edits, change.origin.node)
    for engine in engines.values():
        EngineUses(engine).rewrite()
        engine.make_private()
        job.notices += engine.notices
    moves = []
    for finding, match in job.found:
        gone = match.gone
        if gone is None or match.origin is None:
            continue
        if gone.new:
            moves.append(MovedName(match.origin, gone.name, gone.new, gone.keywords))
        else:
            rename(facts, job.edits, gone.name, match.origin, finding.message)
    move_names(facts, job.edits, moves)


def _raise_pins(project: Project, job: Job, options: Options, bound: str) -> None:
    """The pins of every file that uses what is gone, and of whoever imports it."""
    if project.declarations is None:
        return
    pins: dict[Pin, None] = {}
    for _, match in job.found:
        assert match.origin is not None
        if options.at(match.origin.module.path).assumed:
            continue
        for path in users_of(project, match.origin.module):
            declared = project.declarations.declared_for(path)
            for pin in declared.admitting(parse_specifier(f"<{bound}")):
                pins[pin] = None
    job.pins = plan_pins(list(pins), options.unsafe, bound, project.dependencies)
    job.notices += job.pins.notices
