"""``--format text``: findings with code frames, reasons and fixes, and a closing summary."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from dpmigrate.model import NOT_ANALYSED, Finding, Place, Run, ScanResult, SuppressedBy
from dpmigrate.report.frame import frame, frame_lines, source_line
from dpmigrate.report.layout import clean, plural, wrap
from dpmigrate.report.style import Style

COLOURS = {"error": "red", "warning": "yellow", "info": "blue"}
IN_FULL = 3
"""Findings of one rule in one file that get a frame; further ones take a line each."""

_KINDS = ("ghost", "hooks", "other", "unknown")
_MIXES = 6
"""Kinds of runs that are counted apart in the summary."""
_KEPT_BACK: dict[SuppressedBy, str] = {
    "comment": "a comment",
    "baseline": "the baseline",
    "configuration": "the configuration",
}
_SHOWN = 3
"""Entry points named where the analysis gave up."""


def render(result: ScanResult, style: Style) -> str:
    """`result` for people; see the module. Without a width no line is wrapped, so that it can be searched."""
    if style.statistics:
        return "".join(f"{line}\n" for line in _statistics(result, style))
    lines = [*_findings(result, style), *_not_analysed(result, style)]
    if not style.quiet:
        lines += _summary(result, style)
    return "".join(f"{line}\n" for line in lines)


def where(path: str, cell: int | None, line: int, column: int | None = None) -> str:
    """A place as people read it: ``train.py:51:5``, or ``train.ipynb cell 3 line 2:5``.

    Cells are counted from 1 here, all kinds of cells together, as notebook editors number them.
    """
    point = str(line) if column is None else f"{line}:{column}"
    return clean(f"{path}:{point}" if cell is None else f"{path} cell {cell + 1} line {point}")


def by_place(because: Sequence[Place]) -> list[Place]:
    """The reasons, those at one place put into one."""
    texts: dict[tuple[str, int | None, int], dict[str, None]] = {}
    for reason in because:
        texts.setdefault((reason.path, reason.cell, reason.line), {})[reason.text] = None
    return [
        Place(path, line, "; ".join(filter(None, said)), cell) for (path, cell, line), said in texts.items()
    ]


def same_words(code: str, text: str) -> bool:
    """Whether a line of code and the reason that it stands for say the same."""
    return code.rstrip(",") in text or (bool(text) and text in code)


def _findings(result: ScanResult, style: Style) -> Iterator[str]:
    """Every finding, a blank line after each."""
    shown: Counter[tuple[str, str]] = Counter()
    explained: dict[tuple[str, tuple[Place, ...]], str] = {}
    for finding in sorted(result.findings, key=lambda f: f.sort_key):
        yield _headline(finding, style)
        kind = (finding.rule, finding.span.path)
        shown[kind] += 1
        if shown[kind] <= IN_FULL:
            yield from frame(finding.span, result.lines, style, COLOURS[finding.severity])
            place = where(finding.span.path, finding.span.cell, finding.span.line, finding.span.column)
            earlier = explained.setdefault((finding.rule, finding.because), place)
            if finding.because and earlier != place:
                yield f"  {style.paint('because', 'cyan')} the same as for {earlier}"
            else:
                yield from _because(finding, result, style)
            yield from _fix(finding, style)
        yield ""


def level_of(finding: Finding) -> str:
    """``DPM101 [error, possible]``: the rule, how grave it is and how sure."""
    return f"{finding.rule} [{finding.severity}{', possible' if finding.certainty == 'possible' else ''}]"


def _headline(finding: Finding, style: Style) -> str:
    """``train.py:51:5: DPM101 [error] message``, wrapped to the width there is."""
    span = finding.span
    place = where(span.path, span.cell, span.line, span.column)
    level = level_of(finding)
    plain = f"{place}: {level} "
    text = wrap(clean(finding.message), style.width, plain, "    ")
    painted = f"{style.paint(place, 'bold')}: {style.paint(level, COLOURS[finding.severity])} "
    # The width is that of the plain text, so colour goes on after the wrapping.
    return painted + text[len(plain) :] if text.startswith(plain) else text


def _because(finding: Finding, result: ScanResult, style: Style) -> Iterator[str]:
    """The reasons, each with its place and, where it is known and says more, the line there."""
    span = finding.span
    framed = frame_lines(span, result.lines)
    label = "because"
    for path, line, said, cell in by_place(finding.because):
        place, text = where(path, cell, line), clean(said)
        head = f"  {label:7} "
        shown = wrap(f"{place}: {text}" if text else place, style.width, head, " " * 12)
        yield head.replace(label, style.paint(label, "cyan") if label else label) + shown[len(head) :]
        code = source_line(path, cell, line, result.lines)
        on_frame = (path, cell) == (span.path, span.cell) and line in framed
        if code and not on_frame and not same_words(code, text):
            yield f"{' ' * 12}{style.paint('|', 'blue')} {_cut(code, style, 14)}"
        label = ""


def _fix(finding: Finding, style: Style) -> Iterator[str]:
    """The fix on offer, or what to do where there is none."""
    if finding.fix is not None:
        head, colour, said = f"  fix [{finding.fix.applicability}]: ", "green", finding.fix.summary
    elif finding.by_hand:
        head, colour, said = "  by hand: ", "cyan", finding.by_hand
    else:
        return
    text = wrap(clean(said), style.width, head, " " * 12)
    yield style.paint(head.rstrip(), colour) + text[len(head.rstrip()) :]


def _cut(code: str, style: Style, taken: int) -> str:
    """`code` cut to what is left of the line."""
    room = None if style.width is None else max(20, style.width - taken)
    return code if room is None or len(code) <= room else code[: room - 1] + "…"


def _not_analysed(result: ScanResult, style: Style) -> Iterator[str]:
    """Files that could not be analysed, but for those that a finding has named already."""
    named = {(f.span.path, f.span.cell) for f in result.findings if f.rule == NOT_ANALYSED}
    rest = [item for item in result.not_analysed if (item.path, item.cell) not in named]
    for item in sorted(rest, key=lambda item: item.sort_key):
        place = where(item.path, item.cell, item.line)
        yield f"{style.paint(place, 'bold')}: {style.paint('not analysed', 'yellow')}: {clean(item.reason)}"
    if rest:
        yield ""


def _summary(result: ScanResult, style: Style) -> Iterator[str]:
    """Files, private training runs by mode, findings by rule, and what to do next."""
    failed = len({item.path for item in result.not_analysed})
    files = f"{plural(result.files_seen, 'file')} seen, {result.files_analysed:,} analysed"
    if result.files_seen > result.files_analysed + failed:
        nothing = not result.files_analysed + failed
        if result.in_part:
            files += " (the rest is without Opacus, or not below the paths given)"
        else:
            files += " (none has to do with Opacus)" if nothing else " (the rest is without Opacus)"
    yield f"{files}, {style.paint(f'{failed:,} not analysed', 'yellow') if failed else '0 not analysed'}"
    yield from _cut_short(result, style)
    yield from _runs(result, style)
    yield from _suppressed(result, style)
    if result.unchanged:
        yield f"{result.unchanged:,} left out: on lines that did not change (--diff-base)"
    if not result.findings:
        yield style.paint("No findings", "green")
        return
    levels = Counter(f.severity for f in result.findings)
    parts = [
        style.paint(
            plural(levels[level], level) if level != "info" else f"{levels[level]:,} info", COLOURS[level]
        )
        for level in ("error", "warning", "info")
        if levels[level]
    ]
    yield f"{plural(len(result.findings), 'finding')}: {', '.join(parts)}"
    rules = Counter((f.rule, f.name) for f in result.findings)
    broad = max(len(name) for _, name in rules)
    for (rule, name), number in sorted(rules.items()):
        yield f"  {rule}  {name:{broad}}  {number:>4,}"
    worst = min(result.findings, key=lambda f: (list(COLOURS).index(f.severity), f.rule))
    yield from _next_steps(result, worst.rule)


def _statistics(result: ScanResult, style: Style) -> Iterator[str]:
    """A line for each rule with findings, the most frequent first: how many, and how they are mended."""
    rules = Counter((f.rule, f.name) for f in result.findings)
    offers = {f.rule: f.fix.applicability for f in result.findings if f.fix is not None}
    broad = max((len(name) for _, name in rules), default=0)
    for (rule, name), number in sorted(rules.items(), key=lambda item: (-item[1], item[0])):
        offer = f"[{offers[rule]} fix]" if rule in offers else ""
        yield f"{number:>6,}  {rule}  {name:{broad}}  {offer}".rstrip()
    if not style.quiet:
        yield plural(len(result.findings), "finding") if rules else "No findings"


def _suppressed(result: ScanResult, style: Style) -> Iterator[str]:
    """How many findings are not reported, by what keeps them back, and each of them if asked for."""
    if not result.suppressed:
        return
    counts = Counter(held.by for held in result.suppressed)
    parts = [f"{counts[by]:,} by {_KEPT_BACK[by]}" for by in _KEPT_BACK if counts[by]]
    hint = "" if style.verbose else " (-v lists what)"
    yield f"{len(result.suppressed):,} suppressed: {', '.join(parts)}{hint}"
    if style.verbose:
        for finding, by in result.suppressed:
            span = finding.span
            place = where(span.path, span.cell, span.line, span.column)
            yield f"  {place}: {finding.rule} [{finding.severity}] by {_KEPT_BACK[by]}"


def _cut_short(result: ScanResult, style: Style) -> Iterator[str]:
    """Where the analysis gave up, if a run beyond could be missing from the report."""
    places = [f"{cut.path}:{cut.entry}" if cut.entry else cut.path for cut in result.cut_short if cut.private]
    if not places:
        return
    most = len(places) if style.verbose else _SHOWN
    shown = ", ".join(places[:most]) + (f" and {len(places) - most:,} more" if len(places) > most else "")
    yield wrap(
        f"Followed only in part, being long: {clean(shown)}. A private run that is made further on would be "
        "missing here; dpmigrate verify SCRIPT watches what really runs",
        style.width,
        "",
        "  ",
    )


def _runs(result: ScanResult, style: Style) -> Iterator[str]:
    """How many private training runs there are in each mode, and each of them if asked for."""
    if not result.runs:
        yield "No private training run"
        return
    kinds = Counter(_kind(run) for run in result.runs)
    managed = Counter(_kind(run) for run in result.runs if run.batch_memory_manager is not None)
    # One kind before several, and those in the order of the names.
    ordered = sorted(kinds, key=lambda kind: (len(kind), [_KINDS.index(name) for name in kind]))
    rest = ordered[_MIXES:] if len(ordered) > _MIXES + 1 else []
    parts = []
    for kind in ordered[: len(ordered) - len(rest)]:
        with_manager = f" ({managed[kind]:,} with a batch memory manager)" if managed[kind] else ""
        parts.append(f"{kinds[kind]:,} {' or '.join(kind)}{with_manager}")
    if rest:
        parts.append(f"{sum(kinds[kind] for kind in rest):,} in {len(rest)} other mixes of these")
    yield wrap(
        f"{plural(len(result.runs), 'private training run')}: {', '.join(parts)}", style.width, "", "  "
    )
    if style.runs:
        for run in result.runs:
            yield f"  {where(run.path, run.cell, run.line)}  {_describe(run)}"


def _kind(run: Run) -> tuple[str, ...]:
    """What a run's modes come to, such as ``("ghost", "hooks")``: the many spellings of ghost are one."""
    kinds = {
        "ghost" if mode.startswith("ghost") else {"hooks": "hooks", "?": "unknown"}.get(mode, "other")
        for mode in run.mode
    }
    return tuple(kind for kind in _KINDS if kind in (kinds or {"unknown"}))


def _mode(run: Run) -> str:
    """The clipping mode in words: ``ghost``, ``hooks``, ``ghost or hooks``, ``unknown``."""
    named = sorted(mode for mode in run.mode if mode != "?")
    return " or ".join(
        [clean(mode) for mode in named] + (["unknown"] if "?" in run.mode or not named else [])
    )


def _describe(run: Run) -> str:
    """One private training run in a line."""
    parts = ["hand-made pair" if run.call == "manual" else run.call, _mode(run)]
    manager = run.batch_memory_manager
    if manager is not None:
        maybe = "perhaps " if manager.certainty == "possible" else ""
        parts.append(f"{maybe}{manager.kind} at {where(manager.path, manager.cell, manager.line)}")
    parts.append(f"Opacus {run.opacus.spec}" if run.opacus.spec is not None else "any Opacus")
    return ", ".join(parts)


def _next_steps(result: ScanResult, rule: str) -> Iterator[str]:
    """The commands that go on from here."""
    offers = Counter(f.fix.applicability for f in result.findings if f.fix is not None)
    if offers["safe"]:
        count = plural(offers["safe"], "safe fix", "safe fixes")
        yield f"{count} on offer: dpmigrate fix shows the changes, --apply writes them"
    if offers["unsafe"]:
        yield f"{plural(offers['unsafe'], 'unsafe fix', 'unsafe fixes')} on offer: dpmigrate fix --unsafe"
    # A rule about the scan itself, its files and comments, harms no training: nothing was measured.
    harmless = all(f.impact == "none" for f in result.findings if f.rule == rule)
    why = "What it means" if harmless else "Why, with measured figures"
    yield f"{why}: dpmigrate explain {rule}"
