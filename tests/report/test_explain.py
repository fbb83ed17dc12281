"""Advisories: read from ``rules/``, chosen by selectors, printed by ``explain``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from dpmigrate.advisories import catalogue
from dpmigrate.advisories.catalogue import CatalogueError, UnknownRuleError, load_advisory, select
from dpmigrate.report.advisory import listing, page
from dpmigrate.report.style import Style

RULE = """\
+++
id = "{id}"
name = "{name}"
summary = "the sum is wrong"
severity = "error"
impact = "privacy"
affected = ">=1.5,<1.5.3"
references = ["https://example.org/692"]
reported = "default"

[fix]
applicability = "safe"
strategies = ["upgrade"]
summary = "take the new API"

[match]
when = ["ghost", "manager"]
+++

## What happens

Only the **last** physical batch counts, as [the report](https://example.org/692) says; the others
are cleared by `zero_grad()`.

- one
- two

| physical batches | 1 | 2 |
|---|---|---|
| `zero_grad()` | 1.6e-7 | .92 |

    0*S_1 + 2*S_2

## Example

```python
with BatchMemoryManager(data_loader=loader, max_physical_batch_size=32, optimizer=opt) as physical:
    pass
```
"""


def write(folder: Path, rule: str, name: str, text: str = RULE) -> Path:
    path = folder / f"{rule}-{name}.md"
    path.write_text(text.format(id=rule, name=name), encoding="utf-8")
    return path


@pytest.fixture
def rules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with three rules that stands where ``rules/`` is."""
    for rule, name in (("DPM201", "unseeded"), ("DPM101", "ghost-manager"), ("DPM102", "norm-ignored")):
        write(tmp_path, rule, name)
    monkeypatch.setattr(catalogue, "folder", lambda: tmp_path)
    catalogue.advisories.cache_clear()
    yield tmp_path
    catalogue.advisories.cache_clear()


def test_a_rule_file_is_read_whole(tmp_path: Path) -> None:
    item = load_advisory(write(tmp_path, "DPM101", "ghost-manager"))
    assert (item.id, item.name, item.severity, item.impact) == ("DPM101", "ghost-manager", "error", "privacy")
    assert item.affected == ">=1.5,<1.5.3"
    assert (item.fix.applicability, item.fix.summary) == ("safe", "take the new API")
    assert dict(item.match) == {"when": ["ghost", "manager"]}
    assert item.reported == "default"
    assert item.body.startswith("## What happens\n\nOnly the **last**")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("+++\nid", "id", "no front matter"),
        (
            'severity = "error"',
            'severity = "fatal"',
            "'severity' must be one of error, warning, info, and is 'fatal'",
        ),
        ("references =", "reference =", "'reference' is no key"),
        ('applicability = "safe"', 'applicability = "safe"\nwhem = "ghost"', "'fix.whem' is no key"),
        ('reported = "default"', 'reported = "never"', "default, selected, verify"),
        ('impact = "privacy"', 'impact = "speed"', "'impact' must be one of .*, and is 'speed'"),
        ('summary = "the sum is wrong"\n', "", "'summary' must be a string"),
        (
            'applicability = "safe"',
            'applicability = "maybe"',
            "'fix.applicability' must be one of safe, unsafe, none, and is 'maybe'",
        ),
        ('["https://example.org/692"]', '"x"', "'references' must be a list"),
        ('id = "{id}"', 'id = "DPM999"', "must be called"),
        ('id = "{id}"', "id = [", "not TOML"),
    ],
)
def test_a_broken_rule_file_is_named(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert old in RULE
    path = write(tmp_path, "DPM101", "ghost-manager", RULE.replace(old, new, 1))
    with pytest.raises(CatalogueError, match=rf"DPM101-ghost-manager\.md: .*{said}"):
        load_advisory(path)


def test_an_id_may_stand_once(rules: Path) -> None:
    write(rules, "DPM101", "another")
    with pytest.raises(CatalogueError, match="both say they are DPM101"):
        catalogue.advisories()


@pytest.mark.parametrize(
    ("selectors", "ids"),
    [
        (["DPM101"], ["DPM101"]),
        (["dpm101"], ["DPM101"]),
        (["DPM1"], ["DPM101", "DPM102"]),
        (["ghost-manager"], ["DPM101"]),
        (["unseeded", "DPM10"], ["DPM101", "DPM102", "DPM201"]),
        (["DPM"], ["DPM101", "DPM102", "DPM201"]),
    ],
)
def test_selectors(rules: Path, selectors: list[str], ids: list[str]) -> None:
    assert [item.id for item in select(selectors)] == ids


@pytest.mark.parametrize(
    ("selector", "said"),
    [
        ("DPM103", "Did you mean 'DPM10' (DPM101, DPM102)?"),
        ("dpm10x", "Did you mean 'DPM10' (DPM101, DPM102)?"),
        ("DPM1011", "Did you mean 'DPM101'?"),
        ("101", "Did you mean 'DPM101'?"),
        ("DPM299", "Did you mean 'DPM201'?"),
        ("DMP201", "Did you mean 'DPM201'?"),
        ("DPM701", "is no rule"),
        ("ghost-manger", "Did you mean 'ghost-manager'?"),
        ("zzz", "`dpmigrate explain` lists the rules."),
        ("", "is no rule"),
        ("ghost", "is no rule"),
    ],
)
def test_an_unknown_selector_is_answered_with_the_nearest(rules: Path, selector: str, said: str) -> None:
    with pytest.raises(UnknownRuleError, match="is no rule") as caught:
        select([selector])
    assert said in str(caught.value)


def test_a_page_for_a_pipe_is_the_prose_as_written(rules: Path) -> None:
    text = page(select(["DPM101"])[0], Style())
    assert text.startswith("DPM101 ghost-manager\nthe sum is wrong\n\nSeverity  error\nImpact    privacy\n")
    assert "Opacus    >=1.5,<1.5.3\nFix       safe: take the new API\n" in text
    assert RULE.split("+++\n\n")[1] in text


def test_a_page_says_where_findings_stand() -> None:
    text = page(next(a for a in catalogue.advisories() if a.id == "DPM401"), Style())
    assert "Stands at the call of `double_backward(`\nFix " in text


def test_a_page_for_a_terminal_is_wrapped_and_code_is_not(rules: Path) -> None:
    text = page(select(["DPM101"])[0], Style(colour=False, width=50))
    assert "Only the last physical batch counts, as the report\n" in text
    assert "```" not in text
    assert "  with BatchMemoryManager(data_loader=loader, max_physical_batch_size=32, optimizer=opt)" in text
    assert "\n- one\n- two\n" in text
    assert (
        """
  physical batches  1       2
  ----------------  ------  ---
  zero_grad()       1.6e-7  .92

  0*S_1 + 2*S_2
"""
        in text
    )


def test_colour_only_where_it_is_wanted(rules: Path) -> None:
    item = select(["DPM101"])[0]
    assert "\x1b" not in page(item, Style(width=80)) + listing((item,), Style(width=80))
    assert "\x1b[36mzero_grad()\x1b[0m" in page(item, Style(colour=True, width=80))


def test_the_list_names_every_rule(rules: Path) -> None:
    text = listing(catalogue.advisories(), Style())
    for rule in ("DPM101  ghost-manager", "DPM102  norm-ignored", "DPM201  unseeded"):
        assert f"{rule}  [error, privacy]\n        the sum is wrong\n" in text
