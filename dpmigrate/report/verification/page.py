"""The report as one self-contained page: no network, no other file, light and dark.

Charts are inline SVG drawn here (``charts``); the page is readable without them and by keyboard.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any
from urllib.parse import urlsplit

from dpmigrate.report.verification.charts import bars, scatter
from dpmigrate.report.verification.text import (
    broken,
    checks_of,
    consequence,
    coverage,
    failures,
    legend,
    meaning,
    next_steps,
    nothing_private,
    parameters,
    runs_alike,
    short_figure,
    spread,
    what_holds,
)

_STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --soft: #5b6570; --page: #ffffff; --panel: #f5f7f9;
  --rule: #d8dee4; --good: #1a7f37; --bad: #cf222e; --mark: #0969da; --grid: #e3e8ed; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --soft: #9aa6b2; --page: #0d1117;
  --panel: #161b22; --rule: #30363d; --good: #3fb950; --bad: #ff7b72; --mark: #79c0ff; --grid: #262d35; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2rem 1.25rem 4rem; max-width: 62rem; background: var(--page);
  color: var(--ink); font: 16px/1.5 system-ui, -apple-system, "Segoe UI", sans-serif; }
h1 { font-size: 1.5rem; margin: 0 0 .25rem; } h1 code { font-size: 1.3rem; }
h2 { font-size: 1.1rem; margin: 2.2rem 0 .6rem; }
p, figcaption { color: var(--soft); margin: .2rem 0; }
.verdict { display: inline-block; padding: .1rem .6rem; border-radius: .4rem; font-weight: 600;
  color: var(--page); }
.pass { background: var(--good); } .fail { background: var(--bad); }
table { border-collapse: collapse; width: 100%; font-size: .92rem; }
th { text-align: left; color: var(--soft); font-weight: 500; }
th, td { padding: .4rem .6rem .4rem 0; border-bottom: 1px solid var(--rule); vertical-align: top; }
td.w { white-space: nowrap; } td.n { font-variant-numeric: tabular-nums; white-space: nowrap; }
.t { color: var(--good); } .f { color: var(--bad); font-weight: 600; } .x { color: var(--soft); }
.charts { margin-top: 1rem; display: grid; gap: 1rem;
  grid-template-columns: repeat(auto-fit, minmax(18rem, 1fr)); }
figure { margin: 0; padding: .8rem; background: var(--panel); border-radius: .5rem; min-width: 0; }
figcaption { font-size: .85rem; } svg { width: 100%; height: auto; display: block; }
svg text { fill: var(--soft); font: 11px system-ui, sans-serif; }
.grid { stroke: var(--grid); } .axis { stroke: var(--rule); } .mark { fill: var(--mark); stroke: none; }
.limit { stroke: var(--bad); stroke-dasharray: 5 4; } .equal { stroke: var(--soft); stroke-dasharray: 3 3; }
.over { fill: var(--bad); stroke: none; }
circle { fill-opacity: .75; }
a { color: var(--mark); }
code { font: .88rem ui-monospace, Menlo, Consolas, monospace; overflow-wrap: anywhere; }
.wide { overflow-x: auto; }
@media (max-width: 40rem) {
  thead { display: none; } table, tbody, tr, td { display: block; }
  tr { padding: .5rem 0; border-bottom: 1px solid var(--rule); }
  td, td.w, td.n { border: 0; padding: .1rem 0; white-space: normal; overflow-wrap: anywhere; }
  td.t, td.f, td.x, td.w, td.n { display: inline-block; margin-right: .6rem; white-space: nowrap; }
  td[data-of]:not(:empty)::before { content: attr(data-of) " "; color: var(--soft); }
}
"""

_WORDS = {True: ("t", "pass"), False: ("f", "FAIL"), None: ("x", "n/a")}


def render_html(report: dict[str, Any]) -> str:
    """A complete HTML document for a report as ``verify --format json`` prints it."""
    target = str(report.get("evidence", {}).get("target", "training run"))
    body = [_head(report, target), _advised(report)]
    for alike in runs_alike(report):
        body.append(_engine(report, alike))
    body += [_audit(audit) for audit in report.get("audit", []) if audit["steps"]]
    if report.get("compare"):
        body.append(_compare(report["compare"]))
    body += [_files(report["files"]), f"<p>{escape(legend(report))}</p>"]
    title = f"dpmigrate verify: {escape(target)} {'passed' if report['passed'] else 'FAILED'}"
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        + "\n".join(part for part in body if part)
        + "\n</body>\n</html>\n"
    )


def _head(report: dict[str, Any], target: str) -> str:
    passed = report["passed"]
    said = f"{what_holds(report).capitalize()}." if passed else f"{failures(report)}."
    evidence = report.get("evidence", {})
    said = f"{nothing_private(report)} {said}".strip()
    batches = ", ".join(str(n) for n in report["physical_batches"]) or "?"
    kind, word = ("pass", "passed") if passed else ("fail", "FAILED")
    steps = report["logical_steps"]
    return (
        f'<h1><code>{escape(target)}</code> <span class="verdict {kind}">{word}</span></h1>\n'
        f"<p><strong>{escape(said)}</strong></p>\n<p>Covered: {escape(coverage(report))}.</p>\n"
        f"<p>Opacus {escape(report['opacus'])}, torch {escape(report['torch'])}, "
        f"{escape(report['dtype'])}; {steps} logical step{'s' * (steps != 1)}, "
        f"physical batches a step: {batches}.</p>\n"
        f"<p><code>{escape(evidence.get('command', ''))}</code></p>"
    )


def _advised(report: dict[str, Any]) -> str:
    """The advisories of the faults that were named, where they are explained, and what to do."""
    rows = [
        f'<p id="{a.id}"><strong>{a.id}</strong> {escape(a.name)}: {escape(a.summary)}. Read on: '
        + ", ".join(f'<a href="{escape(url)}">{escape(_site(url))}</a>' for url in a.references)
        + "</p>"
        for a in broken(report)
    ]
    rows += [f"<p>{escape(line)}</p>" for line in (*meaning(report), *next_steps(report))]
    return "\n".join(rows)


def _site(url: str) -> str:
    """An address in short: its host, and the last part of its path."""
    parts = urlsplit(url)
    return f"{parts.netloc} {parts.path.rstrip('/').rpartition('/')[2]}".rstrip()


def _engine(report: dict[str, Any], alike: list[int]) -> str:
    index, engine = alike[0], report["engines"][alike[0]]
    place = f"{engine['path']}:{engine['line']}" if engine.get("path") else ""
    cell = f", cell {engine['cell'] + 1}" if engine.get("cell") is not None else ""
    checks = checks_of(report, index)
    rows = [_row(c, consequence(c, checks)) for c in checks]
    named = f"run {index + 1}" if len(alike) == 1 else f"runs {index + 1} to {alike[-1] + 1}, the first"
    name = f"Private {named}: <code>{escape(place)}</code>{cell} ({escape(engine['mode'])})"
    parts = [
        f"<section>\n<h2>{name}</h2>",
        f"<p>{escape(said)}</p>" if (said := parameters(engine).removeprefix(": ")) else "",
        _table(("Verdict", "Check", "Value", "Limit", "What"), rows),
        _charts(report, index),
        "</section>",
    ]
    return "\n".join(p for p in parts if p)


def _row(check: dict[str, Any], follows: bool) -> str:
    kind, word = ("f", "so") if follows else _WORDS[check["passed"]]
    named = escape(check["rule"] or "")
    rule = f'<a href="#{named}"><strong>{named}</strong></a> ' if named else ""
    return (
        f'<tr><td class="{kind}">{word}</td><td class="w">{escape(check["name"])}</td>'
        f'<td class="n" data-of="value">{_figure(check["value"])}</td>'
        f'<td class="n" data-of="limit">{_figure(check["limit"])}</td>'
        f"<td>{rule}{escape(check['detail'])}</td></tr>"
    )


def _charts(report: dict[str, Any], index: int) -> str:
    figures = []
    measured = next((m for m in report.get("measurements", []) if m["engine"] == index), None)
    limit = next(
        (c["limit"] for c in report["checks"] if c["engine"] == index and c["name"] == "parity-clipped-sum"),
        None,
    )
    if measured is not None:
        pairs = list(zip(measured["oracle_norms"], measured["norms"], strict=False))
        if pairs:
            figures.append(
                scatter(
                    pairs,
                    "Per-sample gradient norms of one logical step",
                    "oracle",
                    "ghost",
                    report["max_grad_norm"],
                )
            )
        if measured["layer_errors"]:
            figures.append(
                bars(measured["layer_errors"], "Error of the clipped sum by parameter (relative L2)", limit)
            )
    return f'<div class="charts">\n{"".join(figures)}\n</div>' if figures else ""


def _compare(rows: list[dict[str, Any]]) -> str:
    cells = []
    for row in rows:
        if row.get("error"):
            cells.append(
                f'<tr><td>{escape(row["mode"])}</td><td colspan="4">{escape(row["error"])}</td></tr>'
            )
            continue
        memory = "" if row["peak_bytes"] is None else f"{row['peak_bytes'] / 2**20:.0f} MiB"
        cells.append(
            f'<tr><td>{escape(row["mode"])}</td><td class="n">{row["seconds_per_step"]:.4f}</td>'
            f'<td class="n">{spread(row)} ({row["steps_timed"]} steps)</td>'
            f'<td class="n">{memory}</td><td class="n">{_figure(row["relative_error"])}</td></tr>'
        )
    heads = ("Mode", "Seconds a step", "Least to most", "Peak memory", "Against the oracle")
    return f"<section>\n<h2>Modes side by side</h2>\n{_table(heads, cells)}\n</section>"


def _audit(audit: dict[str, Any]) -> str:
    rows = [
        f'<tr><td data-of="step">{step["step"]}</td>'
        f'<td class="n" data-of="move, in C">{_figure(step["move"])}</td>'
        f'<td class="n" data-of="sampling rate">{_figure(step["sample_rate"])}</td>'
        f'<td class="n" data-of="guesses">{sum(step["draws"])}</td>'
        f'<td class="n" data-of="wrong">{sum(step["wrong"])}</td>'
        f'<td class="n" data-of="gap shown">{_figure(step["gap"])}</td></tr>'
        for step in audit["steps"]
    ]
    heads = ("Step", "Move, in C", "Sampling rate", "Guesses", "Wrong", "Gap shown, in standard deviations")
    return (
        f"<section>\n<h2>An attack on the steps of private run {audit['engine'] + 1}</h2>\n"
        f"<p>With example {audit['example']} of the data{escape(audit['changed'])}, and without it: epsilon "
        f"is at least {_figure(audit['epsilon_lower_bound'])} ({100 * audit['confidence']:g} % sure) at "
        f"delta {audit['delta']:g}; the {escape(audit['accountant'])} accountant says "
        f"{_figure(audit['epsilon_accountant'])}.</p>\n{_table(heads, rows)}\n</section>"
    )


def _files(files: list[dict[str, str]]) -> str:
    if not files:
        return ""
    rows = [
        f"<tr><td><code>{escape(f['path'])}</code></td><td><code>{escape(f['sha256'])}</code></td></tr>"
        for f in files
    ]
    table = _table(("File", "SHA-256"), rows)
    return f"<section>\n<h2>The evidence is for these very bytes</h2>\n{table}\n</section>"


def _table(heads: Sequence[str], rows: Sequence[str]) -> str:
    """A table that scrolls by itself where the page is narrow."""
    head = "".join(f'<th scope="col">{name}</th>' for name in heads)
    body = "\n".join(rows)
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody></table></div>'


def _figure(value: float | None) -> str:
    return "" if value is None else short_figure(value)
