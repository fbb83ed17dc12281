"""``--format sarif``: a log that code scanning and editors accept."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from jsonschema import Draft4Validator

from dpmigrate.advisories.catalogue import advisories
from dpmigrate.model import ScanResult, Span, Suppressed
from dpmigrate.report import render
from dpmigrate.report.style import Style

PUBLISHED = json.loads(
    (Path(__file__).parent / "data" / "sarif-schema-2.1.0.json").read_text(encoding="utf-8")
)
"""The schema of OASIS, errata 01."""


def run_of(result: ScanResult) -> Any:
    log = json.loads(render("sarif", result, Style(colour=True, width=40)))
    assert log["version"] == "2.1.0"
    assert len(log["runs"]) == 1
    return log["runs"][0]


def test_no_finding_is_a_run_without_results(empty: ScanResult) -> None:
    run = run_of(empty)
    assert run["results"] == []
    assert run["invocations"] == [{"executionSuccessful": True, "toolExecutionNotifications": []}]


def test_the_advisory_of_every_result_is_a_rule_with_its_prose_once(result: ScanResult) -> None:
    everything = tuple(
        result.findings[0]._replace(rule=item.id, name=item.name, span=Span("a.py", i, 1, i, 2))
        for i, item in enumerate(advisories(), 1)
    )
    whole = result._replace(findings=everything)
    rules = run_of(whole)["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == [item.id for item in advisories()]
    for rule, item in zip(rules, advisories(), strict=True):
        assert rule["shortDescription"]["text"] == item.summary
        assert rule["help"]["markdown"] == item.body
        assert rule["defaultConfiguration"]["level"] in ("error", "warning", "note")
        assert render("sarif", whole, Style()).count(json.dumps(item.body)) == 1
    rules = run_of(result)["tool"]["driver"]["rules"]
    assert {rule["id"] for rule in rules} == {finding.rule for finding in result.findings}


def test_it_has_the_form_of_the_published_schema(result: ScanResult, empty: ScanResult) -> None:
    held = Suppressed(result.findings[0]._replace(span=Span("held.py", 1, 1, 1, 2)), "comment")
    for given in (empty, result, result._replace(suppressed=(held,), cwd="/p/q", root="..")):
        Draft4Validator(PUBLISHED).validate(json.loads(render("sarif", given, Style())))


def test_paths_are_relative_to_the_root_whatever_the_folder(result: ScanResult) -> None:
    below = result._replace(cwd="/p/pkg/src", root="../..")
    (answer, *_) = [r for r in run_of(below)["results"] if r["ruleId"] == "DPM101"]
    assert answer["locations"][0]["physicalLocation"]["artifactLocation"] == {
        "uri": "pkg/src/train.py",
        "uriBaseId": "SRCROOT",
    }
    outside = [p["physicalLocation"]["artifactLocation"]["uri"] for p in answer["relatedLocations"]]
    assert outside == ["pkg/src/train.py", "pkg/src/requirements.txt"]


def test_what_is_suppressed_is_a_result_that_says_so(result: ScanResult) -> None:
    first, *rest = result.findings
    for by, kind in (("comment", "inSource"), ("baseline", "external"), ("configuration", "external")):
        held = result._replace(findings=tuple(rest), suppressed=(Suppressed(first, by),))
        answers = {r["ruleId"]: r.get("suppressions") for r in run_of(held)["results"]}
        assert answers[first.rule] == [{"kind": kind, "justification": f"suppressed by {by}"}]
        assert [answers[finding.rule] for finding in rest] == [None] * len(rest)


def test_the_tool_and_the_analysis_are_named(empty: ScanResult) -> None:
    run = run_of(empty)
    assert run["tool"]["driver"]["fullName"].startswith("dpmigrate 0.")
    assert run["automationDetails"] == {"id": "dpmigrate/"}


def test_a_result_refers_to_its_rule_by_number(result: ScanResult) -> None:
    run = run_of(result)
    for answer in run["results"]:
        assert run["tool"]["driver"]["rules"][answer["ruleIndex"]]["id"] == answer["ruleId"]


def test_a_result_has_its_region_and_its_reasons(result: ScanResult) -> None:
    answer = next(item for item in run_of(result)["results"] if item["ruleId"] == "DPM101")
    assert answer["level"] == "error"
    assert answer["locations"] == [
        {
            "physicalLocation": {
                "artifactLocation": {"uri": "train.py", "uriBaseId": "SRCROOT"},
                "region": {"startLine": 5, "startColumn": 7, "endLine": 6, "endColumn": 40},
            }
        }
    ]
    assert [
        (place["physicalLocation"]["region"]["startLine"], place["message"]["text"])
        for place in answer["relatedLocations"]
    ] == [(2, "args.mode may be 'ghost'"), (4, "opacus==1.5.2")]
    assert answer["properties"]["fix"]["applicability"] == "safe"


def test_a_place_in_a_notebook_is_the_line_of_the_file_and_its_cell(result: ScanResult) -> None:
    placed = result._replace(file_lines={("study.ipynb", 2): (21, 22)})
    answer = next(item for item in run_of(placed)["results"] if item["ruleId"] == "DPM203")
    assert answer["message"]["text"] == "study.ipynb cell 3 line 1: no seed at all"
    location = answer["locations"][0]
    assert location["physicalLocation"]["region"] == {"startLine": 21, "endLine": 21}
    assert location["logicalLocations"][0]["name"] == "cell 3"


def test_a_file_not_analysed_is_a_notification(result: ScanResult) -> None:
    (invocation,) = run_of(result)["invocations"]
    assert invocation["executionSuccessful"] is False
    (notification,) = invocation["toolExecutionNotifications"]
    assert notification["message"]["text"] == "not analysed: syntax error: invalid syntax"


def test_fingerprints_outlive_line_numbers_and_tell_equal_lines_apart(result: ScanResult) -> None:
    finding = result.findings[0]

    def prints(*numbers: int) -> list[str]:
        code = tuple("loss.backward()" if i + 1 in numbers else "" for i in range(20))
        found = tuple(finding._replace(span=Span("train.py", n, 1, n, 5)) for n in numbers)
        run = run_of(result._replace(findings=found, lines={("train.py", None): code}))
        return [answer["partialFingerprints"]["dpmigrate/v1"] for answer in run["results"]]

    assert prints(3, 7) == prints(5, 11)
    assert len(set(prints(3, 7))) == 2


def test_a_path_is_a_uri(result: ScanResult) -> None:
    odd = result.findings[0]._replace(span=Span("my code/日\udcff#.py", 1, 1, 1, 2))
    (answer,) = run_of(result._replace(findings=(odd,)))["results"]
    uri = answer["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    assert uri == "my%20code/%E6%97%A5%FF%23.py"
