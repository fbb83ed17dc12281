"""What the options make of the rules for one file: which are reported, and judged on which Opacus."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, NamedTuple

from dpmigrate.advisories.catalogue import Advisory, UnknownRuleError, advisories, select
from dpmigrate.model import Certainty, Finding, Severity
from dpmigrate.versions.releases import VersionSet
from dpmigrate.versions.specifiers import assumed
from dpmigrate.workspace.config import Config
from dpmigrate.workspace.errors import ConfigError
from dpmigrate.workspace.settings import Settings, first_said
from dpmigrate.workspace.suppressions import names_rule


class Choice(NamedTuple):
    """The rules of one file."""

    enabled: frozenset[str]
    """The ids of the rules that are reported."""
    asked: frozenset[str]
    """Those of them that were asked for by name, and not just reported by default."""
    ignored: frozenset[str]
    """The rules that would be reported if ``ignore`` did not turn them off."""
    opacus: VersionSet | None
    """The releases to assume, whatever the project's pins say."""
    target: VersionSet | None
    """The release that the code is to be ready for."""
    severity: Mapping[str, Severity]
    """The severities, by id of the rule, that are other than the rules' own."""
    min_certainty: Certainty

    def shows(self, finding: Finding) -> bool:
        """Whether a finding is certain enough to be reported."""
        return self.min_certainty == "possible" or finding.certainty == "definite"


class Choices:
    """The rules of every file.

    Raises ConfigError, naming the option, or the file and key, for a wrong one.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._known: dict[Config, Choice] = {}
        self._by_path: dict[str, Choice] = {}
        for config in settings.configs():
            self._known[config] = self._choice(config)

    def of(self, path: str) -> Choice:
        """The rules of a file, by its absolute path."""
        choice = self._by_path.get(path)
        if choice is None:
            config = self.settings.config_of(path)
            if config not in self._known:
                self._known[config] = self._choice(config)
            choice = self._by_path[path] = self._known[config]
        return choice

    def severity(self, path: str, finding: Finding) -> Severity:
        """How severe a finding is by the options of its file, given by its absolute path."""
        return self.of(path).severity.get(finding.rule, finding.severity)

    def verdict(self, path: str, finding: Finding) -> Literal["reported", "configuration", "unasked"]:
        """What the options of a file, by its absolute path, make of a finding there."""
        choice = self.of(path)
        if finding.rule in choice.ignored or self._spared(path, finding.rule, finding.name):
            return "configuration" if finding.rule in choice.enabled | choice.ignored else "unasked"
        return "reported" if finding.rule in choice.enabled else "unasked"

    def reported(self, path: str) -> frozenset[str]:
        """The ids of the rules that are reported in a file, by its absolute path."""
        enabled = self.of(path).enabled
        return enabled - {a.id for a in advisories() if self._spared(path, a.id, a.name)}

    def _spared(self, path: str, rule: str, name: str) -> bool:
        """Whether ``per-file-ignores`` speaks of a rule for a file."""
        config = self.settings.config_of(path)
        return any(
            any(names_rule(word, rule, name) for word in words)
            and self.settings.spares(config, pattern, path)
            for pattern, words in config.per_file_ignores
        )

    def _choice(self, config: Config) -> Choice:
        layers = (config, self.settings.given)
        for layer in layers:
            _only_of_verify(layer)
        for _, words in config.per_file_ignores:
            rules(words, config.source("per-file-ignores"))
        enabled, asked = _layered(layers)
        unless_ignored, _ = _layered([layer._replace(ignore=()) for layer in layers])
        said = first_said(reversed(layers), lambda c: c.opacus)
        target = first_said(reversed(layers), lambda c: c.target_version)
        certainty: tuple[Certainty, Config] | None = first_said(reversed(layers), lambda c: c.min_certainty)
        return Choice(
            enabled,
            asked,
            unless_ignored - enabled,
            None if said is None else releases(said[0], said[1].source("opacus")),
            None if target is None else _release(target[0], target[1].source("target-version")),
            _severities(config),
            "possible" if certainty is None else certainty[0],
        )


def releases(text: str, source: str) -> VersionSet:
    """The releases that a specifier means. Raises ConfigError, naming ``source``, where it means none."""
    try:
        return assumed(text)
    except ValueError as error:
        raise ConfigError(f"{source}: {error}") from error


def _release(text: str, source: str) -> VersionSet:
    """The one release that a version names. Raises ConfigError, naming ``source``, where there is none."""
    if not text.strip()[:1].isdigit():
        raise ConfigError(f"{source}: {text!r} is no version of Opacus, such as 1.5.4.")
    return releases(text, source)


def rules(words: Sequence[str], source: str) -> tuple[Advisory, ...]:
    """The rules that some selectors stand for. Raises ConfigError, naming ``source``, for one of no rule."""
    try:
        return select(words)
    except UnknownRuleError as error:
        raise ConfigError(f"{source}: {error}") from error


def _severities(config: Config) -> dict[str, Severity]:
    """What ``severity`` says of each rule; an id goes over a prefix."""
    said: dict[str, Severity] = {}
    for word, level in sorted(config.severity, key=lambda item: _specific(item[0])):
        said |= dict.fromkeys((a.id for a in rules([word], config.source("severity"))), level)
    return said


def _specific(word: str) -> int:
    """How specific a selector is: an id and a name over a prefix, and that over a shorter one."""
    return len(word.strip()) if word.strip().lower().startswith("dpm") else len("DPM101")


def _layered(layers: Sequence[Config]) -> tuple[frozenset[str], frozenset[str]]:
    """The rules that are reported, and those of them that were asked for by name.

    Each layer goes over those before it, and ``select`` begins anew. In a layer what is more specific
    wins: an id over a prefix, and ``ignore`` over ``select`` where both are alike.
    """
    enabled = {a.id for a in advisories() if a.reported == "default"}
    asked: set[str] = set()
    for layer in layers:
        if layer.select:
            enabled, asked = set(), set()
        for _, off, ids in sorted(_steps(layer)):
            if off:
                enabled -= ids
                asked -= ids
            else:
                enabled |= ids
                asked |= ids
    return frozenset(enabled), frozenset(asked)


def _steps(layer: Config) -> Iterator[tuple[int, bool, frozenset[str]]]:
    """(how specific, whether it turns rules off, rules) for every selector of a layer."""
    keys = (("select", layer.select), ("extend-select", layer.extend_select), ("ignore", layer.ignore))
    for key, words in keys:
        for word in words:
            ids = frozenset(a.id for a in rules([word], layer.source(key)))
            yield _specific(word), key == "ignore", ids


def _only_of_verify(layer: Config) -> None:
    """Refuse a choice of rules that a scan can never report."""
    words = (*layer.select, *layer.extend_select)
    chosen = rules(words, layer.source("select" if layer.select else "extend-select"))
    if layer.select and all(a.reported == "verify" for a in chosen):
        names = ", ".join(a.id for a in chosen)
        verb = "is" if len(chosen) == 1 else "are"
        raise ConfigError(
            f"{layer.source('select')}: {names} {verb} found by dpmigrate verify alone, and this would "
            "report nothing"
        )
