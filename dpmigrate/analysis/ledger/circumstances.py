"""Where something happens, and when: its place, its assumptions, the calls and loops on the way to it."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from dpmigrate.analysis.guards import ALWAYS, Guard

if TYPE_CHECKING:
    import libcst as cst

    from dpmigrate.analysis.source.modules import ModuleInfo


class Origin(NamedTuple):
    """A place in the code, with a word on what is there."""

    module: ModuleInfo
    node: cst.CSTNode
    text: str = ""


class Turn(NamedTuple):
    """A loop or comprehension around something; ``number`` where its turns are followed one by one."""

    loop: Origin
    number: int | None = None


class Step(NamedTuple):
    """One step of the way to where something happens: a call that was entered, or a turn of a loop."""

    through: Origin
    number: int | None = None
    """Which turn, from 0; None for a call."""
    receiver: Hashable = None
    """What a method that nothing calls was entered on: another object's is another activation."""


@dataclass(frozen=True, slots=True)
class Circumstances:
    """Where an event happens, under which assumptions, and on which way."""

    origin: Origin
    guard: Guard = ALWAYS
    """What has to be so for it to happen, beyond what the run itself assumes."""
    chain: tuple[Step, ...] = ()
    """The calls on the way to it, outermost first; equal chains are the same activation."""
    loops: tuple[Turn, ...] = ()
    """The loops around it, those around its callers included, outermost first."""
    conditional: bool = False
    """Inside a branch whose test could not be expressed as an assumption."""
