"""``--format junit``: a test report, which most CI servers can show: a suite for each file."""

from __future__ import annotations

import re
from collections.abc import Iterable
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from dpmigrate.model import NOT_ANALYSED, Finding, ScanResult
from dpmigrate.report.layout import clean
from dpmigrate.report.rooted import rooted
from dpmigrate.report.style import Style
from dpmigrate.report.text import where

_NOT_XML = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that no XML 1.0 document may hold, however they are written."""


def render(result: ScanResult, style: Style) -> str:
    """`result` as XML in ASCII. Nothing depends on `style`.

    A warning or an error is a failed test, mere information a passed one with a text, a suppressed finding a
    skipped one, and a file that could not be analysed an error. Where there is nothing of all that, one test
    has passed.
    """
    result = rooted(result)
    suites: dict[str, list[Element]] = {}
    for finding in sorted(result.findings, key=lambda f: f.sort_key):
        if finding.rule != NOT_ANALYSED:
            case = _case(suites, finding)
            _describe(case, finding)
    for held in sorted(result.suppressed, key=lambda s: s.finding.sort_key):
        SubElement(_case(suites, held.finding), "skipped", message=f"suppressed by {held.by}")
    for item in result.not_analysed:
        name = f"{NOT_ANALYSED} ({where('', item.cell, item.line).lstrip(':').strip()})"
        case = _named(suites, item.path, name)
        SubElement(case, "error", message=_text(item.reason), type=NOT_ANALYSED)
    if not suites:
        _named(suites, "dpmigrate", "no findings")
    return _document(suites)


def _case(suites: dict[str, list[Element]], finding: Finding) -> Element:
    span = finding.span
    place = where("", span.cell, span.line, span.column).lstrip(":").strip()
    return _named(suites, span.path, f"{finding.rule} {finding.name} ({place})")


def _named(suites: dict[str, list[Element]], path: str, name: str) -> Element:
    """A new test of the suite of a file."""
    case = Element("testcase", name=_text(name), classname=_text(path))
    suites.setdefault(_text(path), []).append(case)
    return case


def _describe(case: Element, finding: Finding) -> None:
    maybe = " (possible)" if finding.certainty == "possible" else ""
    lines = [f"because {where(p.path, p.cell, p.line)}: {p.text}" for p in finding.because]
    if finding.fix is not None:
        lines.append(f"fix [{finding.fix.applicability}]: {finding.fix.summary}")
    elif finding.by_hand:
        lines.append(f"by hand: {finding.by_hand}")
    message = _text(finding.message) + maybe
    if finding.severity == "info":
        told = SubElement(case, "system-out")
        lines.insert(0, message)
    else:
        told = SubElement(case, "failure", message=message, type=finding.severity)
    told.text = "\n".join(map(_text, lines))


def _document(suites: dict[str, list[Element]]) -> str:
    everything = [case for cases in suites.values() for case in cases]
    top = Element("testsuites", {"name": "dpmigrate"} | _counts(everything))
    del top.attrib["skipped"]  # Jenkins' schema has it for a suite alone
    for path, cases in sorted(suites.items()):
        suite = SubElement(top, "testsuite", {"name": path, **_counts(cases)})
        suite.extend(cases)
    indent(top)
    declaration = '<?xml version="1.0" encoding="UTF-8"?>\n'
    text: bytes = tostring(top, encoding="us-ascii")
    return declaration + text.decode("ascii") + "\n"


def _counts(cases: Iterable[Element]) -> dict[str, str]:
    held = [[child.tag for child in case] for case in cases]
    counted = {"failures": "failure", "errors": "error", "skipped": "skipped"}
    return {"tests": str(len(held))} | {
        name: str(sum(tag in tags for tags in held)) for name, tag in counted.items()
    }


def _text(text: str) -> str:
    return _NOT_XML.sub("?", clean(text))
