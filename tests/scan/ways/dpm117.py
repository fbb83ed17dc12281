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
    Pair(
        "DPM117",
        "normalised-weight-of-a-cosine-classifier",
        ghost_run(
            "h = self.body(x)\nreturn FACT",
            "self.body = nn.Linear(16, 8)\nself.out = nn.Linear(8, 4, bias=False)",
        ),
        "F.normalize(h, dim=1) @ F.normalize(self.out.weight, dim=1).T",
        "self.out(F.normalize(h, dim=1))",
    ),
)
