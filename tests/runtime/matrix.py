"""The matrix: every model and every silent fault on every release, each release in its own process.

python -m tests.runtime.matrix > tests/runtime/MATRIX.md
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.opacus_releases import CHECKOUT, KNOWN, environment
from tests.verify import planted, planting

PARTS = ("right", "hazards")


def run_release(version: str) -> dict[str, dict[str, Any]]:
    """Outcomes on one release, by part ("right" or "hazards") and case name."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.runtime.matrix", "--child"],
        cwd=CHECKOUT,
        env=environment(version),
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"matrix on Opacus {version} failed:\n{done.stderr[-3000:]}")
    outcomes: dict[str, dict[str, Any]] = json.loads(done.stdout)
    return outcomes


def outcome(report: Any) -> dict[str, Any]:
    """What a test needs of a report."""
    failing = [c for c in report.checks if c.passed is False]
    parity = [c.value for c in report.checks if c.name == "parity-clipped-sum" and c.value is not None]
    moves = [c.value for c in report.checks if "leaving out" in c.detail and c.value is not None]
    if failing:
        verdict = "caught"
    elif report.passed and not any(c.unsupported for c in report.checks):
        verdict = "passed"
    else:
        verdict = "unsupported"
    return {
        "verdict": verdict,
        "rules": list(report.rules),
        "failing": [c.name for c in failing],
        "details": [c.detail for c in failing] or [c.detail for c in report.checks if c.unsupported][:1],
        "error": max(parity, default=None),
        "sensitivity": max(moves, default=None),
    }


def _child() -> None:
    import torch

    from tests.runtime.hazards import HAZARDS, TWINS
    from tests.runtime.right_cases import RIGHT_CASES

    torch.set_num_threads(1)
    right = {f"{case.name} {case.mode}": outcome(case.run()) for case in RIGHT_CASES}
    hazards = {case.name: outcome(case.run()) for case in (*TWINS, *HAZARDS)}
    json.dump(dict(zip(PARTS, (right, hazards), strict=True)), sys.stdout)


def _cell(result: dict[str, Any]) -> str:
    error = "" if result["error"] is None else f"{result['error']:.1e}"
    if result["verdict"] == "unsupported":
        return "unsupported"
    if result["verdict"] == "passed":
        return error or "ok"
    rules = ",".join(result["rules"]) or "caught"
    move = result["sensitivity"]
    figures = [error] if error else []
    if move is not None and move == move:
        figures.append(f"sens/C {move:.2g}")
    return f"**{rules}** {', '.join(figures)}".strip()


def _table(title: str, results: dict[str, dict[str, Any]]) -> list[str]:
    lines = [f"## {title}", "", "| case | " + " | ".join(results) + " |", "|---" * (len(results) + 1) + "|"]
    for name in next(iter(results.values())):
        lines.append(f"| {name} | " + " | ".join(_cell(results[v][name]) for v in results) + " |")
    return [*lines, ""]


def _planted() -> list[str]:
    """What ``dpmigrate verify SCRIPT`` says of faults planted into real training scripts."""
    lines = ["## Silent faults planted into training scripts, by `dpmigrate verify SCRIPT`", ""]
    lines += ["| fault | " + " | ".join(KNOWN) + " |", "|---" * (len(KNOWN) + 1) + "|"]
    for plant in (*planted.TWINS, *planted.PLANTS):
        cells = []
        for version in KNOWN:
            if version not in plant.silent:
                cells.append("")
                continue
            with tempfile.TemporaryDirectory() as folder:
                done = planting.run(plant, version, Path(folder))
            rules = ",".join(sorted(rule for _, rule in done.failing if rule)) or "caught"
            cells.append({0: "passed", 1: f"**{rules}**"}.get(done.status, "no verdict"))
        lines.append(f"| {plant.name} | " + " | ".join(cells) + " |")
    return [*lines, "", "An empty cell: the script does not run there, or the fault raises or is gone.", ""]


def main() -> None:
    """Print all tables as Markdown."""
    import torch

    print("# What the checks say, release by release\n")
    print(
        f"torch {torch.__version__.split('+')[0]} on a CPU, written by `python -m tests.runtime.matrix`. A "
        "figure is the largest relative L2 error of the clipped sum against the oracle; sens/C the largest "
        "move of the sum when one example is left out (limit 1); bold is a failing check, by the rule that "
        "it named where there is one; unsupported is what Opacus itself refuses, or raises.\n"
    )
    releases = {v: run_release(v) for v in KNOWN}
    for part, title in zip(PARTS, ("Correct code", "Silent faults, ghost mode"), strict=True):
        print("\n".join(_table(title, {v: outcomes[part] for v, outcomes in releases.items()})))
    print("\n".join(_planted()))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        _child()
    else:
        main()
