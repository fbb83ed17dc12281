"""Raising the Opacus pins that govern a fixed run, as edits of dependency files and notebook cells."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from packaging.version import Version

from dpmigrate.advisories.evidence import versions_of
from dpmigrate.analysis.ledger.models import ChangedInPlace
from dpmigrate.codemods.editing.edits import Withheld
from dpmigrate.codemods.options import Options
from dpmigrate.project.dependencies import installed_with
from dpmigrate.project.users import users_of
from dpmigrate.versions.companions import leaves_no_room
from dpmigrate.versions.decoding import decode
from dpmigrate.versions.edit import DEFAULT_LOWER_BOUND, Edit, Refusal, plan_raise
from dpmigrate.versions.releases import RELEASES, between
from dpmigrate.versions.specifiers import parse_specifier
from dpmigrate.workspace.errors import UsageError

if TYPE_CHECKING:
    from dpmigrate.analysis.ledger import PrivateRun
    from dpmigrate.project import Project
    from dpmigrate.versions.pin import Pin


@dataclass(slots=True)
class PinPlan:
    """What becomes of some pins: edits by path as reports show it, and what only other tools may do."""

    edits: dict[str, dict[Edit, None]] = field(default_factory=dict)
    notices: dict[str, None] = field(default_factory=dict)
    stuck: list[tuple[Pin, str]] = field(default_factory=list)
    """Pins that stay as they are until their own tool has run, and the notice of each."""


def needed(runs: Iterable[PrivateRun], least: str = DEFAULT_LOWER_BOUND) -> str:
    """``least``, or the first release after it with the API that ghost runs use."""
    bound = least
    for run in runs:
        fitting = versions_of(run, None, None).evidence & between(bound)
        if run.ghost and bound not in fitting and fitting.oldest in RELEASES:
            bound = fitting.oldest
    return bound


def release_needed(runs: Sequence[PrivateRun], options: Options, in_place: bool = False) -> str:
    """The release that the pins of some runs are raised to: what is asked for, else what their code needs.

    ``in_place`` says that the project's own models go on to change outputs of layers in place. Raises
    UsageError for one that is asked for and on which the upgraded code would not run.
    """
    asked = options.at(runs[0].module.path).lower_bound
    if asked is None:
        # A model in place trains on 1.5.3, and raises from 1.5.4 on.
        in_place = in_place or any(
            e.library for run in runs if run.ghost for e in run.happened(ChangedInPlace)
        )
        return needed(runs, "1.5.3") if in_place else needed(runs)
    least = needed(runs, "1.5.3")
    if Version(asked.version) < Version(least):
        raise UsageError(
            f"{asked.source}: the rewritten code of {runs[0].module.path} needs Opacus {least} or later, and "
            f"{asked.version} is older."
        )
    return asked.version


def pins_to_raise(project: Project, runs: Sequence[PrivateRun], options: Options) -> list[Pin]:
    """The pins that govern the runs of one call, or a file that imports their module, and must be raised."""
    wanted = options.at(runs[0].module.path)
    if project.declarations is None or wanted.assumed:
        return []
    below = wanted.lower_bound.version if wanted.lower_bound is not None else DEFAULT_LOWER_BOUND
    disagree = any(versions_of(run, project.declarations, None).disagree for run in runs if run.ghost)
    pins: list[Pin] = []
    for path in users_of(project, runs[0].module):
        declared = project.declarations.declared_for(path)
        pins += declared.admitting(parse_specifier(f"<{below}"))
        if disagree:
            pins += declared.admitting(parse_specifier(f"<{needed(runs)}"))
    return list(dict.fromkeys(pins))


def plan_pins(pins: Iterable[Pin], unsafe: bool, lower_bound: str, project: Project) -> PinPlan:
    """Raise every pin of some dependency files.

    What the release requires, and is pinned away beside it or in a file that is installed together with
    theirs, is raised along where ``unsafe``. Raises `Withheld` for one that neither we nor its own tool can
    raise safely.
    """
    plan = PinPlan()
    raised: set[str] = set()
    looked_into: set[str] = set()
    for pin in pins:
        planned = plan_raise(pin, lower_bound)
        if isinstance(planned, Edit):
            if planned.applicability == "unsafe" and not unsafe:
                raise Withheld(f"{pin.path}:{pin.line}: {planned.summary}: that needs --unsafe")
            others = installed_with(project, pin.path) if pin.path not in looked_into else ()
            for path in dict.fromkeys((pin.path, *others)):
                if path not in looked_into:
                    looked_into.add(path)
                    _raise_along(plan, pin, path, lower_bound, project.requirements_in(path), unsafe)
            raised.add(pin.environment)
            plan.edits.setdefault(pin.path, {})[planned] = None
        elif isinstance(planned, Refusal):
            if planned.command is None:
                raise Withheld(f"{planned.path}:{planned.line}: {planned.reason}")
            notice = f"{planned.path}:{planned.line}: {planned.reason}; run: {planned.command}"
            plan.notices.setdefault(notice)
            plan.stuck.append((pin, notice))
    # A lock that contradicts the raised pin which it was made from is stale, and says nothing.
    plan.stuck = [(p, why) for p, why in plan.stuck if p.kind != "lock" or p.environment not in raised]
    return plan


_RAISED_ALONG = (
    "requirements",
    "constraints",
    "pyproject",
    "poetry",
    "setup.cfg",
    "setup.py",
    "pipfile",
    "conda",
)
"""Kinds of pins beside which others stand as plain text, which no shell reads."""


def _raise_along(plan: PinPlan, pin: Pin, path: str, lower_bound: str, data: bytes, unsafe: bool) -> None:
    """Raise what the file of a pin, or one that is installed with it, has of torch to what is required.

    Raises `Withheld` where it is not, and where nothing could be raised.
    """
    text = decode(data).text
    if pin.kind == "script":
        # Its requirements stand in comments.
        text = re.sub("^# ?", "", text, flags=re.M)
    for old in leaves_no_room(text, lower_bound):
        place = f"{path}:{old.line}"
        where = f"{place}: Opacus {lower_bound} requires {old.needed}, and `{old.shown}` admits none"
        by_hand = pin.kind not in _RAISED_ALONG or (path != pin.path and "--hash" in text)
        if by_hand and old.needed == "torch>=2.0":
            plan.notices.setdefault(f"{where}: raise that, too")
        elif not unsafe or by_hand or old.needed.startswith("numpy"):
            raise Withheld(f"{where}: raise that first")
        else:
            plan.notices.setdefault(f"{place}: `{old.shown}` is raised along, to {old.wanted}")
            summary = f"raise {old.shown} to {old.wanted}, which Opacus {lower_bound} requires"
            along = Edit(path, None, old.line, old.start, old.end, old.wanted, "unsafe", summary)
            plan.edits.setdefault(path, {})[along] = None
