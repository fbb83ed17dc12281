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
_HEADING = re.compile(r"^## +(.+?) *$", re.MULTILINE)
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

    @property
    def sections(self) -> dict[str, str]:
        """The body by its second-level headings, in the order of the file."""
        parts = _HEADING.split(self.body)
        return {parts[i]: parts[i + 1].strip() for i in range(1, len(parts), 2)}


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


def _from_table(path: Path, table: dict[str, Any], body: str) -> Advisory:
    """An Advisory of front matter and prose, every field of the right type."""

    def text(source: dict[str, Any], key: str, default: str | None = None) -> str:
        value = source.pop(key, default)
        if not isinstance(value, str):
            raise CatalogueError(f"{path.name}: '{key}' must be a string.")
        return value

    severity, impact = text(table, "severity"), text(table, "impact")
    if severity not in get_args(Severity):
        raise CatalogueError(f"{path.name}: '{severity}' is no severity.")
    if impact not in get_args(Impact):
        raise CatalogueError(f"{path.name}: '{impact}' is no impact.")
    fix = dict(table.pop("fix", {"applicability": "none"}))
    applicability = text(fix, "applicability")
    if applicability not in (*get_args(Applicability), "none"):
        raise CatalogueError(f"{path.name}: '{applicability}' is no applicability of a fix.")
    strategies, rewrites = fix.pop("strategies", []), fix.pop("rewrites", True)
    if not isinstance(strategies, list) or not set(strategies) <= set(STRATEGIES):
        raise CatalogueError(f"{path.name}: 'fix.strategies' must be a list of {', '.join(STRATEGIES)}.")
    if not isinstance(rewrites, bool):
        raise CatalogueError(f"{path.name}: 'fix.rewrites' must be true or false.")
    concerns = text(fix, "concerns", "clipping")
    if concerns not in get_args(Concern):
        raise CatalogueError(f"{path.name}: 'fix.concerns' must be one of {', '.join(get_args(Concern))}.")
    if applicability != "none" and (concerns == "clipping") is not bool(strategies):
        raise CatalogueError(f"{path.name}: a fix has 'strategies', or 'concerns' a generator or seeding.")
    summary_of_fix = text(fix, "summary", "")
    policy = FixPolicy(
        cast(Any, applicability),
        summary_of_fix,
        text(fix, "when", ""),
        text(fix, "by-hand", summary_of_fix if applicability == "none" else ""),
        frozenset(strategies),
        cast(Concern, concerns),
        rewrites,
        text(fix, "no-edit", ""),
    )
    reported = text(table, "reported", "default")
    if reported not in get_args(Reported):
        raise CatalogueError(f"{path.name}: 'reported' must be one of {', '.join(get_args(Reported))}.")
    references = table.pop("references", [])
    if not isinstance(references, list) or not all(isinstance(item, str) for item in references):
        raise CatalogueError(f"{path.name}: 'references' must be a list of strings.")
    match = table.pop("match", {})
    rule, name = text(table, "id"), text(table, "name")
    if not _ID.fullmatch(rule) or not _NAME.fullmatch(name) or path.stem != f"{rule}-{name}":
        raise CatalogueError(f"{path.name}: the file must be called <id>-<name>.md, here {rule}-{name}.md.")
    summary, affected = text(table, "summary"), text(table, "affected", "")
    points_at = text(table, "points-at", "")
    unknown = [*table, *(f"fix.{key}" for key in fix)]
    if unknown:
        raise CatalogueError(f"{path.name}: '{unknown[0]}' is no key of the front matter.")
    return Advisory(
        id=rule,
        name=name,
        summary=summary,
        severity=cast(Severity, severity),
        impact=cast(Impact, impact),
        affected=affected,
        fix=policy,
        references=tuple(references),
        match=MappingProxyType(match),
        body=body,
        path=path,
        reported=cast(Reported, reported),
        points_at=points_at,
    )


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
