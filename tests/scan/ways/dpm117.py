"""DPM117, parameter-outside-module: small programs in pairs that differ in one fact."""

from __future__ import annotations

from tests.scan.ways.programs import Pair, ghost_run

PAIRS = (
    Pair(
        "DPM117",
        "weight-of-a-norm-by-element",
        ghost_run("return FACT", "self.inner = nn.Linear(16, 4)\nself.norm = nn.LayerNorm(4)"),
        "self.inner(x) * self.norm.weight",
        "self.norm(self.inner(x))",
    ),
)
