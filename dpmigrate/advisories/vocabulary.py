"""What the ``[match]`` table of a rule file may name: subjects, what their events say, facts, and words.

Run as ``python -m dpmigrate.advisories.vocabulary``.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

from dpmigrate.advisories.cases import SPOKEN, WORDS, fields_of_event
from dpmigrate.advisories.event_subjects import EVENTS
from dpmigrate.advisories.facts.general import FACTS, LEFT_WORDS
from dpmigrate.advisories.subjects import SUBJECTS


def vocabulary() -> Iterator[str]:
    """Lines that list all of it, each with what it means as far as its docstring says so."""
    yield "subjects (`subject = ...`), what `when` may ask of each, and what its message may say {in braces}"
    for name, maker in sorted(SUBJECTS.items()):
        yield _line(name, EVENTS.get(name, maker))
        yield from (f"        {field}" for field in fields_of_event(name))
        yield from (f"        {{{field}}}" for field in fields_of_event(name, SPOKEN))
    yield "facts (`when = ...`)"
    yield from (_line(name, made) for name, made in sorted(FACTS.items()))
    yield "words of every message"
    yield f"    {', '.join(sorted(WORDS))}"
    yield "words that the facts of some subjects leave"
    yield f"    {', '.join(sorted(LEFT_WORDS))}"


def _line(name: str, meant: object) -> str:
    means = (meant.__doc__ or "").strip().partition("\n")[0]
    return f"    {name}: {means}" if means else f"    {name}"


def main() -> int:
    """Print it."""
    for line in vocabulary():
        print(line)
    return 0


if __name__ == "__main__":
    sys.exit(main())
