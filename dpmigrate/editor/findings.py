"""One open file scanned as it is in the editor, and what an editor shows of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lsprotocol import types as lsp
from pygls.uris import from_fs_path
from pygls.workspace import TextDocument

from dpmigrate.advisories.catalogue import advisory
from dpmigrate.editor.opened import Opened
from dpmigrate.model import Finding, Place, Run, ScanResult
from dpmigrate.report.layout import clean
from dpmigrate.workspace.config import Config
from dpmigrate.workspace.names import path_typed
from dpmigrate.workspace.settings import Settings

SOURCE = "dpmigrate"
VERIFY = "verify"
"""The code of the hint that a private run can be proved at run time."""
SAFE = "safe"
"""The data of a finding with a safe fix."""

_SEVERITIES = {
    "error": lsp.DiagnosticSeverity.Error,
    "warning": lsp.DiagnosticSeverity.Warning,
    "info": lsp.DiagnosticSeverity.Information,
}


def scan_opened(file: Opened) -> ScanResult:
    """What a scan finds in a file as it is in the editor, in its project as that is on disk.

    Raises UsageError for a file that is not there to have a project, and a wrong configuration.
    """
    from dpmigrate import api

    return api.scan(
        stdin=file.data, stdin_filename=str(file.path), settings=settings_of_file(file.path), jobs=1
    )


def settings_of_file(path: Path) -> Settings:
    """The options of a file: those of its configuration, with its folder as the current one."""
    return Settings(str(path.parent), Config())


def diagnostics(file: Opened, result: ScanResult) -> dict[str, list[lsp.Diagnostic]]:
    """By document, the worst last: the findings in a file, and where each private run can be proved."""
    shown: dict[str, list[lsp.Diagnostic]] = {uri: [] for uri in file.uris}
    for finding in result.findings:
        document = file.part(finding.span.cell) if finding.span.path == file.path.name else None
        if document is not None:
            shown[document.uri].append(_diagnostic(file, document, finding))
    for run in result.runs:
        document = file.part(run.cell) if run.path == file.path.name else None
        if document is not None:
            shown[document.uri].append(_hint(file, document, run))
    for of_document in shown.values():
        # An editor that has room for one of a line shows the last (Neovim): the worst comes last.
        of_document.sort(key=lambda diagnostic: diagnostic.severity or 0, reverse=True)
    return shown


def _diagnostic(file: Opened, document: TextDocument, finding: Finding) -> lsp.Diagnostic:
    span = finding.span
    possible = " (possible)" if finding.certainty == "possible" else ""
    advice = finding.fix.summary if finding.fix is not None else finding.by_hand
    parts = [
        f"{finding.message}{possible}",
        f"{'fix' if finding.fix else 'by hand'}: {advice}" if advice else "",
    ]
    return lsp.Diagnostic(
        range=_range(document, (span.line, span.column), (span.end_line, span.end_column)),
        message="\n".join(clean(part) for part in parts if part),
        severity=_SEVERITIES[finding.severity],
        code=finding.rule,
        source=SOURCE,
        related_information=[_related(file, place) for place in finding.because],
        data=finding.fix.applicability if finding.fix is not None else None,
    )


def _hint(file: Opened, document: TextDocument, run: Run) -> lsp.Diagnostic:
    line = document.lines[run.line - 1] if run.line <= len(document.lines) else ""
    start = len(line) - len(line.lstrip())
    mode = " or ".join("unknown" if mode == "?" else mode for mode in run.mode)
    command = f"dpmigrate verify {path_typed(file.path.name)}"
    return lsp.Diagnostic(
        range=_range(document, (run.line, start + 1), (run.line, len(line.rstrip()) + 1)),
        message=clean(f"Private run, mode {mode}: `{command}` measures its clipping on real batches"),
        severity=lsp.DiagnosticSeverity.Hint,
        code=VERIFY,
        source=SOURCE,
    )


def _related(file: Opened, place: Place) -> lsp.DiagnosticRelatedInformation:
    path = file.path.parent / place.path
    inside = file.part(place.cell) if place.path == file.path.name else None
    uri = inside.uri if inside is not None else from_fs_path(str(path)) or file.uri
    at = lsp.Position(max(place.line - 1, 0), 0)
    location = lsp.Location(uri=uri, range=lsp.Range(at, at))
    return lsp.DiagnosticRelatedInformation(location=location, message=clean(place.text))


def _range(document: TextDocument, start: tuple[int, int], end: tuple[int, int]) -> lsp.Range:
    """A stretch of the document, from lines and code points from 1 to what the client counts."""
    points = (lsp.Position(line - 1, column - 1) for line, column in (start, end))
    codec, lines = document.position_codec, document.lines
    first, last = (codec.position_to_client_units(lines, point) for point in points)
    return lsp.Range(first, last)


def advice(shown: Sequence[lsp.Diagnostic], position: lsp.Position) -> str | None:
    """The advisories behind what is shown at a position, in Markdown; None where nothing is."""
    here = [d for d in shown if d.range.start <= position <= d.range.end and d.code != VERIFY]
    pages = []
    for rule in dict.fromkeys(str(d.code) for d in here):
        page = advisory(rule)
        pages.append(f"# {page.id} {page.name}\n\n{page.summary}\n\n{page.body.strip()}")
    return "\n\n---\n\n".join(pages) or None
