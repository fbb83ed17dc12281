"""``--format html``: one page for people, from the verdict that a manager reads to the line at fault.

``page``       the frame of every page: style, script, policy, harmless text
``findings``   findings by file, and the form that filters them
``runs``       the table of private training runs
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from dpmigrate.model import Finding, Impact, ScanResult
from dpmigrate.report.html.findings import SEVERITIES, files, filters
from dpmigrate.report.html.page import badge, counts, html_document, text
from dpmigrate.report.html.runs import runs_table
from dpmigrate.report.layout import plural
from dpmigrate.report.style import Style
from dpmigrate.report.text import where

_HARM: dict[Impact, str] = {
    "privacy": "the privacy guarantee is in doubt, more may be given away than the reported epsilon says",
    "utility": "the model learns worse than it could",
    "reproducibility": "results cannot be made again",
    "api": "the code raises, or does something else, on a release of Opacus that may be installed",
    "none": "no result is harmed",
}


def render(result: ScanResult, style: Style) -> str:
    """`result` as one self-contained page. Nothing depends on `style`."""
    return html_document("dpmigrate scan", _body(result))


def _body(result: ScanResult) -> Iterator[str]:
    levels = Counter(finding.severity for finding in result.findings)
    failed = len({item.path for item in result.not_analysed})
    yield '<a class="skip" href="#findings">To the findings</a>'
    yield "<header><h1>Private training: what was found in the code</h1>"
    yield _verdict(result)
    yield counts(
        [
            ("errors", levels["error"], "error"),
            ("warnings", levels["warning"], "warning"),
            ("info", levels["info"], "info"),
            ("private training runs", len(result.runs), ""),
            ("files analysed", result.files_analysed, ""),
            ("files not analysed", failed, "warning"),
            *([("suppressed", len(result.suppressed), "")] if result.suppressed else []),
        ]
    )
    yield "</header>\n<main>"
    if result.findings:
        yield _what_it_means(result.findings)
        yield _rules(result.findings)
    yield '<section aria-labelledby="findings"><h2 id="findings" tabindex="-1">Findings</h2>'
    yield filters(result) if result.findings else "<p>None.</p>"
    yield from files(result)
    yield "</section>"
    yield f"<section><h2>Private training runs</h2>\n{runs_table(result.runs)}\n</section>"
    yield _not_analysed(result)
    yield "</main>"


def _verdict(result: ScanResult) -> str:
    """The one sentence that matters most."""
    privacy = [f for f in result.findings if f.impact == "privacy" and f.severity != "info"]
    certain = [f for f in privacy if f.certainty == "definite" and f.severity == "error"]
    if certain:
        kind, said = (
            "error",
            f"The privacy guarantee does not hold as reported: {plural(len(certain), 'place')}",
        )
    elif privacy:
        kind, said = (
            "warning",
            f"The privacy guarantee may not hold: {plural(len(privacy), 'place')} to look at",
        )
    elif any(f.severity != "info" for f in result.findings):
        kind, said = "warning", "Something is wrong, but nothing that is known to touch the privacy guarantee"
    elif result.not_analysed:
        kind, said = "warning", "Nothing was found, but not every file could be analysed"
    elif not result.runs:
        kind, said = "good", "No private training run"
    else:
        kind, said = "good", "Nothing known to be wrong was found"
    return f'<p class="verdict {kind}">{said}.</p>'


def _what_it_means(findings: tuple[Finding, ...]) -> str:
    """What the findings come to, harm by harm, and what goes on from here."""
    items = []
    for impact, harm in _HARM.items():
        held = [f for f in findings if f.impact == impact]
        if held:
            certain = sum(f.certainty == "definite" for f in held)
            items.append(f"<li><b>{plural(len(held), 'finding')}</b> ({certain} certain): {harm}.</li>")
    safe = sum(f.fix is not None and f.fix.applicability == "safe" for f in findings)
    if safe:
        items.append(
            f"<li><code>dpmigrate fix</code> has {plural(safe, 'safe fix', 'safe fixes')} on offer; "
            "<code>--apply</code> writes the changes.</li>"
        )
    items.append(
        "<li><code>dpmigrate verify SCRIPT</code> measures on real batches whether training keeps its "
        "promise.</li>"
    )
    return f"<section><h2>What it means</h2><ul>{''.join(items)}</ul></section>"


def _rules(findings: tuple[Finding, ...]) -> str:
    held = Counter((f.rule, f.name, f.severity) for f in findings)
    ordered = sorted(held.items(), key=lambda item: (SEVERITIES.index(item[0][2]), item[0]))
    rows = "\n".join(
        f'<tr><td><a href="#findings" data-rule="{text(rule)}">{text(rule)}</a></td><td>{text(name)}</td>'
        f'<td>{badge(severity, severity)}</td><td class="n">{number}</td></tr>'
        for (rule, name, severity), number in ordered
    )
    return (
        "<section><h2>By rule</h2>\n<table><thead><tr>"
        '<th scope="col">Rule</th><th scope="col">Name</th><th scope="col">Severity</th>'
        f'<th scope="col" class="n">Findings</th></tr></thead>\n<tbody>\n{rows}\n</tbody></table></section>'
    )


def _not_analysed(result: ScanResult) -> str:
    if not result.not_analysed:
        return ""
    items = "".join(
        f"<li><code>{text(where(item.path, item.cell, item.line))}</code>: {text(item.reason)}</li>"
        for item in result.not_analysed
    )
    return (
        "<section><h2>Not analysed</h2><p>What is in these files is not in this report.</p>"
        f"<ul>{items}</ul></section>"
    )
