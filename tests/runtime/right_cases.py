"""Correct code: what must pass on which releases, and what must be named unsupported."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from dpmigrate.runtime.parity import check_clipping
from dpmigrate.runtime.report_types import ClippingReport
from tests.opacus_releases import KNOWN
from tests.runtime import models as m

BEFORE_153 = frozenset(KNOWN[:3])
BEFORE_154 = frozenset(KNOWN[:4])
BEFORE_160 = frozenset(KNOWN[:5])
ALL = frozenset(KNOWN)
NONE: frozenset[str] = frozenset()


@dataclass(frozen=True)
class RightCase:
    """A correct model and loop in one mode.

    Where ``faulty`` the release itself computes the wrong norm (issue 751), where ``unsupported`` it
    refuses the model; everywhere else every check must hold.
    """

    name: str
    mode: str
    run: Callable[[], ClippingReport]
    unsupported: frozenset[str] = NONE
    faulty: frozenset[str] = NONE


def _model(kind: type[nn.Module], mode: str, dtype: torch.dtype, checks: list[str]) -> ClippingReport:
    x, y = m.batch_for(kind)
    criterion = nn.CrossEntropyLoss()
    # the releases before 1.5.3 are right only where every p.grad becomes None
    return check_clipping(
        m.build(kind), criterion, (x, y), modes=[mode], zero_grad="set-to-none", checks=checks, dtype=dtype
    )


def _cases() -> list[RightCase]:
    parity = ["parity-clipped-sum", "parity-norms", "parity-step"]
    table: list[tuple[type[nn.Module], frozenset[str], frozenset[str]]] = [
        # model, ghost unsupported on, 3-d bias norm wrong on
        (m.Mlp, NONE, NONE),
        (m.FrozenMlp, NONE, NONE),
        (m.LayerNormMlp, NONE, NONE),
        (m.DropoutMlp, NONE, NONE),
        (m.Cnn, NONE, NONE),
        (m.Embedded, NONE, NONE),
        (m.TextWithoutBias, NONE, NONE),
        (m.Text, NONE, BEFORE_154),
        (m.BiasOnlyText, NONE, BEFORE_154),
        (m.Attention, NONE, BEFORE_154),
        (m.Lstm, NONE, NONE),
        (m.ScaledMlp, NONE, NONE),
        (m.TiedMlp, ALL, NONE),
        (m.TwiceMlp, ALL, NONE),
    ]
    # The other dtype, and sensitivity (costly, and bounded by what parity shows), for one of a kind.
    whole = {m.Mlp, m.Embedded, m.Text, m.Attention, m.Lstm}
    # hooks and ghost draw on the embedding's gradient sampler, which was float32 only before 1.6.0
    embeds = {m.Embedded, m.Text, m.TextWithoutBias}
    cases = []
    for kind, refused, faulty in table:
        for dtype in (torch.float32, torch.float64) if kind in whole else (torch.float32,):
            dtype_refused = BEFORE_160 if dtype == torch.float64 and kind in embeds else NONE
            for mode in ("hooks", "ghost"):
                removed = kind in whole and dtype == torch.float32 and mode == "ghost"
                checks = [*parity, "sensitivity"] if removed else parity
                cases.append(
                    RightCase(
                        f"{kind.__name__} {str(dtype).removeprefix('torch.')}",
                        mode,
                        lambda k=kind, o=mode, d=dtype, c=checks: _model(k, o, d, c),  # type: ignore[misc]
                        unsupported=dtype_refused | (refused if mode == "ghost" else NONE),
                        faulty=faulty if mode == "ghost" else NONE,
                    )
                )
    return cases


RIGHT_CASES = tuple(_cases())
