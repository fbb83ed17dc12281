"""The advisories of ``rules/``: one Markdown file each, with TOML front matter between ``+++`` lines.

They are data. ``explain``, the reports, the README's table and the matching all read them from here;
they are parsed once, when first asked for.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, cast, get_args

from dpmigrate.model import STRATEGIES, Applicability, Impact, Severity, Strategy

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Reported = Literal["default", "selected", "verify"]
Concern = Literal["clipping", "generator", "seeding", "in-place", "retired"]

_FENCE = "+++"
_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_ID = re.compile(r"DPM\d{3}")


class CatalogueError(Exception):
    """A rule file that does not have the form it must have; the message names the file."""


class UnknownRuleError(LookupError):
    """A selector that stands for no rule; the message says so and names the nearest one."""

    def __str__(self) -> str:
        """The sentence alone (a KeyError-like quoting would get in the way)."""
        return str(self.args[0])


@dataclass(frozen=True, slots=True)
class FixPolicy:
    """What an advisory says of its fix: how far it can be trusted, and what it does."""

    applicability: Applicability | Literal["none"]
    summary: str = ""
    when: str = ""
    """A condition over facts that must hold for the fix to be on offer; empty for always."""
    by_hand: str = ""
    """What to change where the fix is not made, in one line; the words of messages may stand in it."""
    strategies: frozenset[Strategy] = frozenset()
    """The strategies that mend it."""
    concerns: Concern = "clipping"
    """What the fix is about: clipping, by a strategy, or a generator or the run's seed, by any."""
    rewrites: bool = True
    """Whether code has to change for it, and not the installed Opacus alone."""
    no_edit: str = ""
    """Why there may be nothing to change, in one line; empty for the usual reason."""


@dataclass(frozen=True, slots=True, eq=False)
class Advisory:
    """One rule, as written in its file; each is one of a kind."""

    id: str
    name: str
    summary: str
    severity: Severity
    impact: Impact
    affected: str
    """PEP 440 specifier of the Opacus releases that have the fault; empty for all."""
    fix: FixPolicy
    references: tuple[str, ...]
    match: Mapping[str, Any]
    """The front matter's ``[match]`` table, as it stands; `cases` gives it its meaning."""
    body: str
    """The Markdown below the front matter."""
    path: Path
    reported: Reported = "default"
    """``selected``: only where the rule is selected; ``verify``: only ``verify`` can find it."""
    points_at: str = ""
    """Where its findings stand; the line holds one of the parts in backticks, if there are any."""


def folder() -> Path:
    """Where the rules are: inside the installed package, or beside it in a checkout."""
    package = Path(__file__).resolve().parent.parent
    for candidate in (package / "rules", package.parent / "rules"):
        if candidate.is_dir():
            return candidate
    raise CatalogueError(f"The advisories are missing: there is no folder {package / 'rules'}.")


@cache
def advisories() -> tuple[Advisory, ...]:
    """Every advisory, sorted by id. Raises CatalogueError for a broken or doubled one."""
    loaded = sorted((load_advisory(path) for path in folder().glob("DPM*.md")), key=lambda a: a.id)
    for first, second in pairwise(loaded):
        if first.id == second.id:
            raise CatalogueError(f"{first.path.name} and {second.path.name} both say they are {first.id}.")
    return tuple(loaded)


def mended_by(strategy: Strategy) -> frozenset[str]:
    """The ids of the advisories about clipping that a strategy mends."""
    return frozenset(a.id for a in advisories() if strategy in a.fix.strategies)


def concerned_with(concern: Concern) -> frozenset[str]:
    """The ids of the advisories with a fix that is about something else than clipping."""
    return frozenset(a.id for a in advisories() if a.fix.concerns == concern)


def advisory(rule: str) -> Advisory:
    """The advisory with the id `rule`. Raises UnknownRuleError."""
    for candidate in advisories():
        if candidate.id == rule:
            return candidate
    raise _unknown(rule)


def select(selectors: Sequence[str]) -> tuple[Advisory, ...]:
    """The advisories that any of `selectors` stands for, sorted by id.

    A selector is an id (``DPM101``), a prefix (``DPM1``) or a name; letter case does not matter.
    Raises UnknownRuleError for one that stands for none.
    """
    chosen: set[str] = set()
    for selector in selectors:
        word = selector.strip().lower()
        matching = {
            a.id
            for a in advisories()
            if a.name == word or (word.startswith("dpm") and a.id.lower().startswith(word))
        }
        if not matching:
            raise _unknown(selector)
        chosen |= matching
    return tuple(a for a in advisories() if a.id in chosen)


def load_advisory(path: Path) -> Advisory:
    """Read one rule file. Raises CatalogueError, naming the file and what is wrong with it."""
    text = path.read_text(encoding="utf-8")
    opening, _, rest = text.partition("\n")
    front, fence, body = rest.partition(f"\n{_FENCE}\n")
    if opening.strip() != _FENCE or not fence:
        raise CatalogueError(f"{path.name}: there is no front matter between two '{_FENCE}' lines.")
    try:
        table = tomllib.loads(front)
    except tomllib.TOMLDecodeError as error:
        raise CatalogueError(f"{path.name}: the front matter is not TOML: {error}.") from error
    return _from_table(path, table, body.lstrip("\n"))


class _Table:
    """A table of a rule's front matter, from which key by key is taken; every error names the file."""

    def __init__(self, path: Path, table: Mapping[str, Any], prefix: str = "") -> None:
        self.path = path
        self.prefix = prefix
        self._left = dict(table)

    def wrong(self, what: str) -> CatalogueError:
        """The error that says so."""
        return CatalogueError(f"{self.path.name}: {what}")

    def take(self, key: str, default: object = None) -> Any:
        """Any value."""
        return self._left.pop(key, default)

    def text(self, key: str, default: str | None = None) -> str:
        """A string; it must be there where there is no default."""
        value = self.take(key, default)
        if not isinstance(value, str):
            raise self.wrong(f"'{self.prefix}{key}' must be a string.")
        return value

    def one_of(self, key: str, words: Sequence[str], default: str | None = None) -> Any:
        """One of some words."""
        word = self.text(key, default)
        if word not in words:
            raise self.wrong(f"'{self.prefix}{key}' must be one of {', '.join(words)}, and is '{word}'.")
        return word

    def texts(self, key: str) -> list[str]:
        """A list of strings, empty where it is not there."""
        value = self.take(key, [])
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise self.wrong(f"'{self.prefix}{key}' must be a list of strings.")
        return value

    def end(self) -> None:
        """All that is known was taken. Raises CatalogueError for a key that is left."""
        for key in self._left:
            raise self.wrong(f"'{self.prefix}{key}' is no key of the front matter.")


def _from_table(path: Path, front: Mapping[str, Any], body: str) -> Advisory:
    """An Advisory of front matter and prose, every field of the right type."""
    table = _Table(path, front)
    rule, name = table.text("id"), table.text("name")
    if not _ID.fullmatch(rule) or not _NAME.fullmatch(name) or path.stem != f"{rule}-{name}":
        raise table.wrong(f"the file must be called <id>-<name>.md, here {rule}-{name}.md.")
    advisory = Advisory(
        id=rule,
        name=name,
        summary=table.text("summary"),
        severity=table.one_of("severity", get_args(Severity)),
        impact=table.one_of("impact", get_args(Impact)),
        affected=table.text("affected", ""),
        fix=_fix_policy(_Table(path, table.take("fix", {"applicability": "none"}), "fix.")),
        references=tuple(table.texts("references")),
        match=MappingProxyType(table.take("match", {})),
        body=body,
        path=path,
        reported=table.one_of("reported", get_args(Reported), "default"),
        points_at=table.text("points-at", ""),
    )
    table.end()
    return advisory


def _fix_policy(table: _Table) -> FixPolicy:
    """What the ``[fix]`` table of a rule says."""
    applicability = table.one_of("applicability", (*get_args(Applicability), "none"))
    concerns = table.one_of("concerns", get_args(Concern), "clipping")
    strategies = table.texts("strategies")
    if not set(strategies) <= set(STRATEGIES):
        raise table.wrong(f"'fix.strategies' must be a list of {', '.join(STRATEGIES)}.")
    if applicability != "none" and (concerns == "clipping") is not bool(strategies):
        raise table.wrong("a fix has 'strategies', or 'concerns' a generator or seeding.")
    rewrites = table.take("rewrites", True)
    if not isinstance(rewrites, bool):
        raise table.wrong("'fix.rewrites' must be true or false.")
    summary = table.text("summary", "")
    policy = FixPolicy(
        applicability,
        summary,
        table.text("when", ""),
        table.text("by-hand", summary if applicability == "none" else ""),
        frozenset(cast("list[Strategy]", strategies)),
        concerns,
        rewrites,
        table.text("no-edit", ""),
    )
    table.end()
    return policy


def _unknown(selector: str) -> UnknownRuleError:
    """The exception for a selector that stands for nothing."""
    from difflib import get_close_matches

    names = [word for a in advisories() for word in (a.id, a.name)]
    digits = selector.strip().upper().translate(str.maketrans("OIL", "011"))
    if digits in names:  # a letter for the digit that looks like it
        return UnknownRuleError(f"{selector!r} is no rule. Did you mean {digits!r}?")
    near = get_close_matches(selector, names, n=1, cutoff=0.6) or get_close_matches(
        selector.upper(), names, n=1, cutoff=0.6
    )
    meant = _by_prefix(digits) or (repr(near[0]) if near else "")
    hint = f" Did you mean {meant}?" if meant else " `dpmigrate explain` lists the rules."
    return UnknownRuleError(f"{selector!r} is no rule.{hint}")


def _by_prefix(word: str) -> str:
    """What the longest beginning of ``word`` that rules have stands for; ids that only look alike have
    nothing to do with one another. Empty where it has no digit of any rule."""
    word = f"DPM{word}" if word[:1].isdigit() else word
    for end in range(len(word), len("DPM"), -1):
        ids = [a.id for a in advisories() if a.id.startswith(word[:end])]
        if len(ids) == 1:
            return repr(ids[0])
        if ids:
            between = ", " if len(ids) == 2 else " to "
            return f"{word[:end]!r} ({ids[0]}{between}{ids[-1]})"
    return ""
