"""Facts about seeds: missing ones, and those that others know (in the code, a default, a client's number)."""

from __future__ import annotations

import re

from dpmigrate.advisories.facts.general import fact
from dpmigrate.advisories.facts.seeded_behind import seeded_behind
from dpmigrate.advisories.subjects import Subject
from dpmigrate.analysis.ledger import OF_CONSTANTS, OF_SETTINGS, Backward, Constant, Generator, Open, What
from dpmigrate.analysis.ledger.events import SeededBefore, SeededByRecords
from dpmigrate.model import Tri

_NUMBERS = re.compile(
    r"(?:client|partition|node|worker|party|site|rank|cid)(?:_?(?:id|idx|index|num|number))?"
    r"|i|idx|index|num|number",
    re.IGNORECASE,
)
"""Names of parameters that hold a number which every participant knows, or can count to."""


@fact
def _unseeded(s: Subject) -> Tri:
    states = s.thing.states if isinstance(s.thing, Generator) else frozenset()
    if "unseeded" not in states:
        return False
    if states == {"unseeded"}:
        return True
    # Where the analysis gave assumptions up, the seed may well be that of every way.
    if isinstance(s.thing, Generator) and seeded_behind(s.thing):
        return False
    return False if s.run.cut_short else s.unsure("it may be seeded on some of the ways to here")


def _seeded(s: Subject) -> Generator | None:
    """The generator, where it is seeded on every way: a finding about it stands where that is done."""
    if not isinstance(s.thing, Generator) or s.thing.states != {"seeded"}:
        return None
    if s.thing.seeded is not None:
        s.origin = s.thing.seeded
    return s.thing


@fact
def _literal_seed(s: Subject) -> Tri:
    """Whether the generator's seed is a literal of the program (not an option of its user)."""
    generator = _seeded(s)
    if generator is None:
        return False
    options = generator.seed.options
    if not options or not all(_named_by_the_program(o.what) for o in options):
        return False
    return s.unsure("on some ways to here it is another, or none") if any(o.guard for o in options) else True


def _named_by_the_program(seed: What) -> bool:
    """Whether a seed is a number of the program, or worked out of its numbers and texts alone."""
    return isinstance(seed, Constant) or (isinstance(seed, Open) and seed.reason == OF_CONSTANTS)


@fact
def _seed_by_default(s: Subject) -> Tri:
    """Whether the generator's seed is the same for everybody unless somebody sets another."""
    generator = _seeded(s)
    if generator is None:
        return False
    options = [o.what for o in generator.seed.options if _named_by_the_program(o.what)]
    if any(not isinstance(what, Constant) or what.value is not None for what in options):
        return s.unsure("whoever runs it may set another seed")
    if any(isinstance(what, Open) and _stands_in_settings(what.key) for what in generator.seed.each):
        return s.unsure("whoever runs it may have settings of their own")
    return False


def _stands_in_settings(key: object) -> bool:
    """Whether something unknown is an entry of a file of settings, which goes with the program."""
    while isinstance(key, tuple) and len(key) == 3 and key[1] == ".":
        key = key[0]
    return isinstance(key, tuple) and key[:1] == (OF_SETTINGS,)


@fact
def _seed_of_a_client(s: Subject) -> Tri:
    """Whether the generator's seed is the number of a client, a partition or a process."""
    generator = _seeded(s)
    if generator is None:
        return False
    keys = [what.key for what in generator.seed.each if isinstance(what, Open)]
    names = generator.seed_names
    worked_out = bool(names) and all(_NUMBERS.fullmatch(name.lstrip("_")) for name in names)
    if not worked_out and not any(_is_a_number(key) for key in keys):
        return False
    return s.unsure("the number may be drawn at random")


def _is_a_number(key: object) -> bool:
    name = (
        key[2] if isinstance(key, tuple) and len(key) > 2 and (key[0] == "param" or key[1] == ".") else None
    )
    return isinstance(name, str) and _NUMBERS.fullmatch(name) is not None


@fact
def _steps_on_seeded_records(s: Subject) -> Tri:
    """Whether steps are taken in the loop whose records seed the generator of the noise."""
    if not isinstance(s.event, SeededByRecords):
        return False
    around, over = s.event.loops, s.event.loop
    passes = [e for e in s.run.happened(Backward) if e.loops[: len(around)] == around]
    if over is None:
        return any(len(e.loops) > len(around) for e in passes)
    return any(turn.loop.node is over.node for e in passes for turn in e.loops)


@fact
def _literal_global_seed(s: Subject) -> Tri:
    """Whether the program names the seed of torch's default generator."""
    if not isinstance(s.event, SeededBefore) or not s.event.literal:
        return False
    return True if s.event.sure else None
