"""The ``[match]`` table of a rule file: what is not understood is named, and never just matches nothing."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from types import ModuleType

import pytest

from dpmigrate.advisories.cases import cases_of
from dpmigrate.advisories.catalogue import Advisory, CatalogueError, load_advisory
from dpmigrate.advisories.event_subjects import EVENTS
from dpmigrate.advisories.facts.general import answer
from dpmigrate.advisories.new_rule import create
from dpmigrate.advisories.subjects import SUBJECTS, Subject
from dpmigrate.analysis import ledger
from dpmigrate.analysis.ledger import Event, Stepped, Unpack
from dpmigrate.analysis.ledger.accounting import EngineOfARound
from dpmigrate.versions.releases import FAULTY_GIT, between

MATCH = '[match]\nsubject = "run"\nwhen = "ghost"\nmessage = "what is wrong in {mode} mode, in one line"\n'


def rule(tmp_path: Path, match: str = MATCH, fix: str = "") -> Advisory:
    (tmp_path / "rules").mkdir()
    path, _ = create("DPM998", "a-new-one", tmp_path / "rules")
    text = path.read_text(encoding="utf-8")
    assert MATCH in text
    path.write_text(text.replace(MATCH, f"{fix}\n{match}"), encoding="utf-8")
    return load_advisory(path)


def test_a_message_says_the_texts_and_numbers_of_its_event(tmp_path: Path) -> None:
    table = MATCH.replace('"run"', '"batch-statistics"').replace("{mode}", "{event.text}")
    (case,) = cases_of(rule(tmp_path, table))
    assert case.message == "what is wrong in {event.text} mode, in one line"


def test_a_rule_without_a_table_has_no_case(tmp_path: Path) -> None:
    assert cases_of(rule(tmp_path, "")) == ()


def test_a_table_about_something_else_has_no_case(tmp_path: Path) -> None:
    assert cases_of(rule(tmp_path, '[match]\nabout = "files"\nmessage = "{reason}"\n')) == ()


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("subject =", "subjekt =", "'subjekt' is no key: did you mean 'subject'"),
        ('"run"', '"runs"', "'runs' is no subject: did you mean 'run'"),
        ('subject = "run"\n', "", "'subject' must be a string"),
        ('"ghost"', '"ghosts and manual"', "'ghosts' is no fact: did you mean 'ghost'"),
        ('"ghost"', '"ghost(1)"', "only names, event.FIELD, and, or, not"),
        ('"ghost"', '"ghost and"', "is not a condition"),
        ("{mode}", "{modes}", "'modes' is no word for messages: did you mean 'mode'"),
        ("{mode}", "{mode", "[match]"),
        (
            "when",
            'versions = "all"\nwhen',
            "'all' is no value of 'versions': there are any, declared, together",
        ),
        ("when", 'severity = "fatal"\nwhen', "'fatal' is no severity"),
        ('"ghost"', '"event.sure"', "'event.sure' is no fact"),
        ("{mode}", "{event.text}", "'event.text' is no word for messages"),
        ('"ghost"', '"ghost.sure"', "only names, event.FIELD, and, or, not"),
        ('"run"\nwhen = "ghost"', '"step"\nwhen = "event.row"', "did you mean 'event.raw'"),
        ("when", 'affected = "about 1.5"\nwhen', "not a version specifier"),
    ],
)
def test_what_is_not_understood_is_named(tmp_path: Path, old: str, new: str, said: str) -> None:
    with pytest.raises(CatalogueError) as caught:
        cases_of(rule(tmp_path, MATCH.replace(old, new, 1)))
    assert str(caught.value).startswith("DPM998-a-new-one.md: [match]: ")
    assert said in str(caught.value)


def test_the_condition_of_a_fix_is_of_facts_too(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match="'ghots' is no fact"):
        cases_of(rule(tmp_path, fix='when = "ghots"'))


def test_one_case(tmp_path: Path) -> None:
    (case,) = cases_of(rule(tmp_path, MATCH + 'affected = ">=1.5,<1.5.3"\nfaulty-git = true\n'))
    assert (case.subject, case.when, case.versions, case.severity) == ("run", "ghost", "any", None)
    assert case.affected == between("1.5", "1.5.3") | FAULTY_GIT


def test_several_cases_and_what_stands_beside_them(tmp_path: Path) -> None:
    match = MATCH.replace("[match]", "[[match.case]]")
    both = f'[match]\nonly-ghost-unless-selected = true\n{match}severity = "info"\n{match}'
    assert [case.severity for case in cases_of(rule(tmp_path, both))] == ["info", None]


def test_a_condition_asks_the_event_what_it_says_itself(tmp_path: Path) -> None:
    match = MATCH.replace('"run"', '"step"').replace('"ghost"', '"event.raw and not ghost"')
    (case,) = cases_of(rule(tmp_path, match))
    assert case.when == "event.raw and not ghost"
    for raw in (True, False):
        event = Stepped(None, raw=raw)  # type: ignore[arg-type]
        assert answer("event.raw", Subject(None, None, None, event)) is raw  # type: ignore[arg-type]


def test_a_finding_can_be_about_every_kind_of_event() -> None:
    made = set(EVENTS.values())
    kinds = {kind for module in _ledger() for kind in vars(module).values() if _is_event(kind)}
    assert kinds - made == {Unpack}, "Unpack is a subject of its own, which stands where the call does"
    assert {"unpack", *EVENTS} <= SUBJECTS.keys()
    assert EVENTS["engine-of-a-round"] is EngineOfARound and len(made) == len(EVENTS)


def _ledger() -> list[ModuleType]:
    names = (found.name for found in iter_modules(ledger.__path__))
    return [import_module(f"{ledger.__name__}.{name}") for name in names]


def _is_event(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, Event) and kind is not Event
