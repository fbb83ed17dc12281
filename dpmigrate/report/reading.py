"""A JSON report read back, as far as it says what the scan found (source lines are not in it)."""

from __future__ import annotations

import json
from typing import Any, cast

from dpmigrate import __version__
from dpmigrate.advisories.catalogue import advisories
from dpmigrate.model import (
    CutShort,
    Finding,
    FixOffer,
    MemoryManagerUse,
    NotAnalysed,
    OpacusVersions,
    Place,
    Run,
    ScanResult,
    Setting,
    Span,
    Suppressed,
)
from dpmigrate.report.checked import misfit
from dpmigrate.report.json_ import SCHEMA

JsonObject = dict[str, Any]
_KINDS = {"finding", "suppressed"}


class ReportError(ValueError):
    """A text that is no report of this version; the message says why, as a predicate."""


def read(text: str) -> ScanResult:
    """The result behind a report that ``scan --format json`` of this very version wrote.

    Raises ReportError for anything else.
    """
    try:
        held = json.loads(text)
    except (ValueError, RecursionError):
        raise ReportError("is not JSON; a report is what dpmigrate scan --format json writes") from None
    if not isinstance(held, dict) or "schema" not in held or "findings" not in held:
        raise ReportError("is no report of dpmigrate scan")
    if held["schema"] != SCHEMA:
        raise ReportError(f"has schema {json.dumps(held['schema'])[:40]}; this version reads {SCHEMA}")
    if held.get("dpmigrate") != __version__:
        written_by = json.dumps(held.get("dpmigrate"))[:40]
        raise ReportError(
            f"was written by dpmigrate {written_by}, this is {__version__}: scan that part again"
        )
    try:
        result = _result(held)
    except (LookupError, TypeError, AttributeError, ValueError) as error:
        raise ReportError(f"is not whole: {type(error).__name__}: {str(error)[:80]}") from None
    wrong = misfit(ScanResult, result, "report") or _unknown(result)
    if wrong is not None:
        raise ReportError(f"is not whole: {wrong} is nothing that dpmigrate scan writes")
    return result


def _unknown(result: ScanResult) -> str | None:
    """The first finding of a rule or of a run that there is not; whose ``path`` can be none."""
    rules = {(advisory.id, advisory.name) for advisory in advisories()}
    everything = (*result.findings, *(held.finding for held in result.suppressed))
    for finding in everything:
        if (finding.rule, finding.name) not in rules:
            return f"rule {finding.rule[:40]!r}"
        if finding.run is not None and finding.run >= len(result.runs):
            return f"run {finding.run}"
    return None


def _result(held: JsonObject) -> ScanResult:
    files = held["files"]
    elsewhere = {
        (kind, item[kind]): _place(item) for item in held["elsewhere"] for kind in _KINDS & item.keys()
    }
    return ScanResult(
        root=held["root"],
        files_seen=files["seen"],
        files_analysed=files["analysed"],
        not_analysed=tuple(_not_analysed(item) for item in files["not_analysed"]),
        cut_short=tuple(CutShort(c["path"], c["entry"], c["private"]) for c in files["cut_short"]),
        warnings=tuple(_place(item) for item in files["warnings"]),
        runs=tuple(map(_run, held["runs"])),
        findings=tuple(_finding(f, elsewhere.get(("finding", i))) for i, f in enumerate(held["findings"])),
        suppressed=tuple(
            Suppressed(_finding(f, elsewhere.get(("suppressed", i))), f["by"])
            for i, f in enumerate(held["suppressed"])
        ),
        analysed=tuple(files["analysed_paths"]),
    )


def _place(held: JsonObject) -> Place:
    return Place(held["path"], held["line"], held.get("text", ""), held.get("cell"))


def _not_analysed(held: JsonObject) -> NotAnalysed:
    return NotAnalysed(held["path"], held["line"], held["reason"], held["cell"])


def _run(held: JsonObject) -> Run:
    fields = {name: _setting(held[name]) for name in Run._fields}
    manager, opacus = held["batch_memory_manager"], held["opacus"]
    fields["mode_because"] = tuple(map(_place, held["mode_because"]))
    fields["batch_memory_manager"] = None if manager is None else MemoryManagerUse(**manager)
    fields["opacus"] = OpacusVersions(opacus["spec"], tuple(map(_place, opacus["sources"])))
    fields["mode"], fields["unpack"] = tuple(held["mode"]), tuple(held["unpack"])
    return Run(**fields)


def _setting(value: Any) -> Any:
    return cast(Setting, tuple(value)) if isinstance(value, list) else value


def _finding(held: JsonObject, elsewhere: Place | None) -> Finding:
    span = Span(**{name: held[name] for name in Span._fields})
    fields = {name: held[name] for name in Finding._fields if name in held}
    fields["because"] = tuple(map(_place, held["because"]))
    fields["fix"] = None if held["fix"] is None else FixOffer(**held["fix"])
    return Finding(span=span, run_elsewhere=elsewhere, **fields)
