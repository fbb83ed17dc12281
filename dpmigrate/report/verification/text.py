"""The report for people: one table a script, checks grouped by engine."""

from __future__ import annotations

import itertools
import textwrap
from typing import Any

from dpmigrate.advisories import catalogue
from dpmigrate.advisories.catalogue import Advisory
from dpmigrate.model import CHECK_NAMES
from dpmigrate.report.style import Style

LEGEND = (
    "Private training shortens the gradient of each example to the norm C (clips it), adds them up, and adds "
    "noise of sigma times C: epsilon, which bounds what one example can show, counts on each of these. The "
    "oracle makes the clipped sum by one autograd pass per example, without Opacus. rate: the sampling rate "
    "that is accounted; epsilon: what the script's accountant said last. A figure stands before its limit; "
    "n/a: does not apply."
)

FOLLOWS = "so: follows from the FAIL above."

AUDITED = (
    "audit: somebody who sees the noised sums of the steps that were run guesses whether one example was in "
    "them. It is a bound from below: that it holds is no proof, and how batches are drawn, seeds and later "
    "steps are for the other checks."
)

MEANS = {
    "privacy": "one example can show more than {epsilon} says",
    "utility": "the model does not learn what the script asks for",
    "reproducibility": "the run cannot be made again",
    "api": "the code does not do what it says",
}
"""What a fault leads to, by the impact of its rule."""

UNNAMED = "the steps are not those that {epsilon} counts on"
"""What a fault leads to that no rule has a name for."""

FEW = 8
"""Up to so many private runs each is told by itself."""

MANY = 3
"""From so many private runs on, those after the first that have no fault are told in a line or two."""

NARROW = 45
"""Columns for the words of a check; where there are fewer, they stand below its figures."""

_VERDICT = {True: ("pass", "green"), False: ("FAIL", "red"), None: ("n/a", "dim")}


def render_text(report: dict[str, Any], style: Style | None = None) -> str:
    """The report as text; ``style`` says whether colour may be used and how wide a line may be."""
    style = style or Style()
    width = min(style.width or 110, 120)
    lines = [*textwrap.wrap(_head(report), width), ""]
    if none := nothing_private(report):
        lines.insert(0, style.paint(none, "red"))
    for alike in runs_alike(report):
        index, engine = alike[0], report["engines"][alike[0]]
        named = (
            numbered(report, index)
            if len(alike) == 1
            else f"runs {index + 1} to {alike[-1] + 1}, the first: "
        )
        head = textwrap.wrap(named + _engine(engine), width, subsequent_indent="  ")
        lines += [style.paint(line, "bold") for line in head]
        checks = checks_of(report, index)
        if not checks:
            lines.append("  no logical step was seen" if engine.get("path") else "  not judged")
        if index and len(report["engines"]) >= MANY and all(c["passed"] is not False for c in checks):
            lines += _in_short(checks, style, width)
            checks = []
        for check in checks:
            said = [c["detail"] for c in checks[: checks.index(check)] if c["passed"] is False]
            follows = consequence(check, checks)
            repeats = follows and check["detail"] in said
            lines += shown_check(check, style, width, follows=follows, repeats=repeats)
        lines.append("")
    if report.get("compare"):
        lines += [*_modes(report["compare"]), ""]
    if report.get("evidence", {}).get("pinned"):
        lines += textwrap.wrap(f"note: {report['evidence']['pinned']}", width)
    lines += textwrap.wrap(_verdict(report, style), width)
    for line in (*meaning(report), *next_steps(report)):
        # Commands are copied: they stay in one line.
        room = 10_000 if line.startswith("next") else width
        lines += textwrap.wrap(line, room, initial_indent="  ", subsequent_indent="    ")
    lines += ["", *textwrap.wrap(legend(report), width)]
    return "\n".join(lines) + "\n"


def nothing_private(report: dict[str, Any]) -> str:
    """That no noise is added, and in how many of the private runs; empty where all have noise."""
    if not report.get("evidence", {}).get("nothing_private"):
        return ""
    without = [engine.get("noise_multiplier") == 0 for engine in report["engines"]]
    some = "" if all(without) else f" in {sum(without) or 1} of {len(without)} private runs"
    return f"Nothing is private{some}: noise multiplier 0."


def runs_alike(report: dict[str, Any]) -> list[list[int]]:
    """The private runs by their places, those together that follow one another and differ in figures alone.

    A sweep may make hundreds. Those that have a fault are told one by one, as the first is, and all where
    they are few.
    """
    verdicts: list[list[Any]] = [[] for _ in report["engines"]]
    for check in report["checks"]:
        verdicts[check["engine"]].append((check["name"], check["passed"]))

    def kind(index: int) -> tuple[Any, ...]:
        engine, passed = report["engines"][index], verdicts[index]
        alone = index == 0 or any(verdict is False for _, verdict in passed)
        return (index if alone else -1, engine["path"], engine["line"], engine["mode"], tuple(passed))

    numbers = range(len(report["engines"]))
    groups = [list(group) for _, group in itertools.groupby(numbers, kind)]
    return groups if len(numbers) > FEW else [[number] for number in numbers]


def legend(report: dict[str, Any]) -> str:
    """What the words of this report mean."""
    checks = report["checks"]
    follows = any(consequence(c, [k for k in checks if k["engine"] == c["engine"]]) for c in checks)
    said = [LEGEND, FOLLOWS if follows else "", AUDITED if report.get("audit") else ""]
    return " ".join(part for part in said if part)


def short_figure(value: float) -> str:
    """A figure in a table: 1.23e-07, 0.0123, 1.0001, 0."""
    if value == 0:
        return "0"
    return f"{value:.5g}" if 0.5 <= abs(value) < 1e4 else f"{value:.2e}"


def _head(report: dict[str, Any]) -> str:
    batches = ", ".join(str(n) for n in report["physical_batches"])
    folder = report.get("evidence", {}).get("opacus_folder")
    vendored = f" (of the project, in {folder}/)" if folder else ""
    return (
        f"Opacus {report['opacus']}{vendored}, torch {report['torch']}, {report['dtype']}; "
        f"{report['logical_steps']} logical step{'s' * (report['logical_steps'] != 1)}"
        + (f" of {batches} physical batch{'es' * (batches != '1')}" if batches else "")
    )


def numbered(report: dict[str, Any], index: int) -> str:
    """``run 2: `` before what is said of a private run, where there are several."""
    return f"run {index + 1}: " if len(report["engines"]) > 1 else ""


def _engine(engine: dict[str, Any]) -> str:
    if engine.get("path") is None:
        return f"{engine['mode']}"
    cell = f", cell {engine['cell'] + 1}" if engine.get("cell") is not None else ""
    return f"{engine['path']}:{engine['line']}{cell} ({engine['mode']}){parameters(engine)}"


def parameters(engine: dict[str, Any]) -> str:
    """What a reviewer asks first: C, sigma, rate, epsilon, loader and steps, where they are known."""
    names = {"max_grad_norm": "C", "noise_multiplier": "sigma", "sample_rate": "rate"}
    said = [f"{word} {engine[key]:g}" for key, word in names.items() if engine.get(key) is not None]
    said += [f"{names[key]} {value:g} at the end" for key, value in engine.get("last", {}).items()]
    if engine.get("epsilon") is not None:
        said.append(f"epsilon {engine['epsilon']:.3g} at delta {engine['delta']:g}")
    if engine.get("loader"):
        said.append(f"{engine['loader']} of {engine['population']} records")
    if engine.get("backward"):
        said.append(f"backward() at {engine['backward']}")
    if engine.get("watched_steps"):
        said.append(f"{engine['steps']} of {engine['watched_steps']} steps judged by the oracle")
    return ": " + ", ".join(said) if said else ""


def checks_of(report: dict[str, Any], index: int) -> list[dict[str, Any]]:
    """The checks of one private run: first those that fail, and of these the ones that name their fault."""
    names = {advisory.id: advisory.name for advisory in broken(report)}

    def place(check: dict[str, Any]) -> tuple[bool, bool]:
        unnamed = names.get(check["rule"], "") not in check["detail"]
        return check["passed"] is not False, check["passed"] is False and unnamed

    return sorted((c for c in report["checks"] if c["engine"] == index), key=place)


def consequence(check: dict[str, Any], checks: list[dict[str, Any]]) -> bool:
    """Whether a failing check shows a fault that one above it has named already."""
    if check["passed"] is not False:
        return False
    before = checks[: checks.index(check)]
    return any(c["passed"] is False and c["rule"] == check["rule"] for c in before)


def broken(report: dict[str, Any]) -> list[Advisory]:
    """The advisories of the faults that were named."""
    named = {c["rule"] for c in report["checks"] if c["passed"] is False}
    return [advisory for advisory in catalogue.advisories() if advisory.id in named]


def meaning(report: dict[str, Any]) -> list[str]:
    """What the faults lead to, for who has not heard of clipping."""
    told = [e["epsilon"] for e in report.get("engines", ()) if e.get("epsilon") is not None]
    epsilon = f"epsilon {max(told):.3g}" if told else "epsilon"
    moved = any(c.get("name") in ("sensitivity", "audit") and c["passed"] is False for c in report["checks"])
    impacts = dict.fromkeys([MEANS["privacy"]] * moved)
    impacts |= dict.fromkeys(MEANS.get(advisory.impact, "") for advisory in broken(report))
    if any(c["passed"] is False and not c["rule"] for c in report["checks"]):
        impacts[UNNAMED] = None
    said = "; ".join(words.format(epsilon=epsilon) for words in impacts if words)
    return [f"so what: {said}"] if said else []


def next_steps(report: dict[str, Any]) -> list[str]:
    """What to do about the faults that were named."""
    advised = broken(report)
    if not advised:
        unnamed = any(c["passed"] is False and not c["rule"] for c in report["checks"])
        own = "between backward() and step(), and in layers, losses and optimizers of the project's own"
        return [f"next: no rule has a name for it: look at what is done {own}"] if unnamed else []
    target = report.get("evidence", {}).get("target", "")
    steps = [f"dpmigrate explain {advisory.id}" for advisory in advised]
    fixable = {advisory.fix.applicability for advisory in advised} - {"none"}
    if fixable and target.endswith(".py"):
        steps.append(f"dpmigrate fix {'' if 'safe' in fixable else '--unsafe '}{target}")
    # What stands in braces is for scan, which knows the words of the case.
    edits = [(a.id, a.fix.by_hand or a.fix.summary) for a in advised if a.fix.applicability == "none"]
    return [
        "next: " + "; ".join(steps),
        *(f"{rule} by hand: {edit}" for rule, edit in edits if "{" not in edit),
    ]


def coverage(report: dict[str, Any]) -> str:
    """What the verdict is about: the runs, how far the script was watched, the checks that were not made."""
    evidence = report.get("evidence", {})
    runs = evidence.get("private_runs")
    parts = []
    if runs:
        watched = len(report["engines"]) - runs["seen"]
        more = f", {watched} more watched" if watched > 0 else ""
        parts.append(f"{runs['seen']} of {runs['all']} private runs seen{more}")
        ends = {
            "ended": "watched to the script's end",
            "timed out": "the script's end was not reached in time (--timeout)",
            "raised": f"the script then raised {runs.get('error', '')}",
            "exited": "the script ended by itself",
        }
        parts.append(ends.get(runs.get("script", ""), "stopped after its steps"))
        if runs.get("compiled"):
            parts.append(f"judged as eager code, without torch.compile ({runs['compiled']})")
    later = [engine["other_loss_from"] for engine in report["engines"] if engine.get("other_loss_from")]
    if later:
        parts.append(
            f"from step {min(later)} on the loss is made in another way (--steps {min(later)} judges it)"
        )
    made = {c["name"] for c in report["checks"] if c["passed"] is not None}
    missing = [n for n in dict.fromkeys(c["name"] for c in report["checks"]) if n not in made]
    if missing:
        parts.append("not applicable: " + ", ".join(missing))
    named = {c["name"] for c in report["checks"]}
    if not any("ghost" in engine["mode"] for engine in report["engines"]):
        named.add("parity-norms")  # the norms of ghost clipping
    unmade = [n for n in CHECK_NAMES if n not in named]
    if unmade:
        parts.append("not made: " + ", ".join(unmade))
    return "; ".join(parts)


def shown_check(
    check: dict[str, Any],
    style: Style | None = None,
    width: int = 110,
    *,
    follows: bool = False,
    repeats: bool = False,
) -> list[str]:
    """The lines of one check: verdict, name, value against limit, rule and detail.

    ``follows``: from a fault above; ``repeats``: the words of one above.
    """
    style = style or Style()
    word, colour = ("so", "red") if follows else _VERDICT[check["passed"]]
    figure = "" if check["value"] is None else short_figure(check["value"])
    if check["value"] is not None and check["limit"] is not None:
        short = "of" if check["passed"] is False else "<="
        figure += f" {'>' if check['value'] > check['limit'] else short} {short_figure(check['limit'])}"
    rule = f"{check['rule']} " if check["rule"] else ""
    detail = "as above" if repeats else check["detail"]
    head = f"  {style.paint(f'{word:4}', colour)}  {check['name']:18}  {figure:20}  "
    indent = len(f"  {word:4}  {check['name']:18}  {figure:20}  ")
    if width - indent < NARROW:
        return [head.rstrip(), *textwrap.indent(textwrap.fill(rule + detail, width - 8), " " * 8).split("\n")]
    body = textwrap.wrap(rule + detail, width - indent) or [""]
    return [(head + body[0]).rstrip(), *(" " * indent + line for line in body[1:])]


def _in_short(checks: list[dict[str, Any]], style: Style, width: int) -> list[str]:
    """The checks of a run that has no fault, without their words and figures."""
    lines = []
    for passed in (True, None):
        names = ", ".join(dict.fromkeys(c["name"] for c in checks if c["passed"] is passed))
        word, colour = _VERDICT[passed]
        body = textwrap.wrap(names, width - 8)
        lines += (
            [f"  {style.paint(f'{word:4}', colour)}  {body[0]}", *(" " * 8 + b for b in body[1:])]
            if names
            else []
        )
    return lines


def _modes(rows: list[dict[str, Any]]) -> list[str]:
    lines = [
        f"  {'mode':10}  {'seconds/step':>12}  {'least to most':>19}  {'steps':>5}  {'peak memory':>12}  "
        f"{'against the oracle':>18}"
    ]
    for row in rows:
        if row.get("error"):
            lines.append(f"  {row['mode']:10}  {row['error']}")
            continue
        parity = "n/a" if row["relative_error"] is None else f"{row['relative_error']:.1e}"
        memory = "n/a" if row["peak_bytes"] is None else f"{row['peak_bytes'] / 2**20:.0f} MiB"
        lines.append(
            f"  {row['mode']:10}  {row['seconds_per_step']:12.4f}  {spread(row):>19}  "
            f"{row['steps_timed']:>5}  {memory:>12}  {parity:>18}"
        )
    return lines


def spread(row: dict[str, Any]) -> str:
    """The least and the most seconds that a step took under one mode."""
    least, most = row["seconds_spread"]
    return f"{least:.4f} to {most:.4f}"


def _verdict(report: dict[str, Any], style: Style) -> str:
    covered = coverage(report)
    seen = f" ({covered})" if covered else ""
    if report["passed"]:
        return f"{style.paint('passed', 'green')}: {what_holds(report)}{seen}"
    return style.paint("FAILED", "red") + f": {failures(report)}{seen}"


def what_holds(report: dict[str, Any]) -> str:
    """What a report without a failing check says, and no more than that."""
    if report.get("compare"):
        return "the clipped sums are the oracle's in every mode that could be compared; no more was looked at"
    return "every check that ran holds"


def failures(report: dict[str, Any]) -> str:
    """The faults in a phrase: how many, the rules that they have, and how many checks show them."""
    names = {advisory.id: f"{advisory.id} {advisory.name}" for advisory in broken(report)}
    failing = [c for c in report["checks"] if c["passed"] is False]
    rules = [names.get(c["rule"], "without a rule of its own") for c in failing]
    faults, runs = sorted(set(rules)), sorted({str(c.get("engine", 0) + 1) for c in failing})
    return (
        f"{len(faults)} fault{'s' * (len(faults) != 1)} ({', '.join(faults)}), seen by {len(rules)} "
        f"check{'s' * (len(rules) != 1)}"
        + (f" in run {', '.join(runs)}" if len(report.get("engines", ())) > 1 else "")
    )
