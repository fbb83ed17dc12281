"""DPM302, empty-batch-skipped: some of the memory manager's batches are handed on, others left out."""

from __future__ import annotations

from tests.scan.ways.programs import HEAD, HOOKS, Pair

CHOSEN = """
import itertools
from itertools import islice


def usable(batch):
    return len(batch[0]) > 0


for epoch in range(3):
    with BatchMemoryManager(data_loader=loader, max_physical_batch_size=8, optimizer=optimizer) as batches:
        for x, y in FACT:
            optimizer.zero_grad()
            F.cross_entropy(net(x), y).backward()
            optimizer.step()
"""

PAIRS = (
    *(
        Pair("DPM302", f"left-out-{name}", HEAD + HOOKS + CHOSEN, wrong, right)
        for name, wrong, right in (
            ("by-filter", "filter(usable, batches)", "map(tuple, batches)"),
            ("by-filter-and-lambda", "filter(lambda b: b[0].shape[0] > 0, batches)", "filter(None, batches)"),
            ("by-filterfalse", "itertools.filterfalse(lambda b: len(b[0]) == 0, batches)", "iter(batches)"),
            (
                "by-compress",
                "itertools.compress(batches, itertools.cycle([1, 1, 0]))",
                "itertools.chain(batches)",
            ),
            ("behind-some", "islice(batches, 20)", "islice(batches, None)"),
            ("in-a-generator", "((x, y) for x, y in batches if len(x))", "((x, y) for x, y in batches)"),
        )
    ),
    Pair(
        "DPM302",
        "left-out-of-a-generator-with-a-name",
        HEAD
        + HOOKS
        + """
with BatchMemoryManager(data_loader=loader, max_physical_batch_size=8, optimizer=optimizer) as batches:
    full = (batch for batch in batches FACT)
    for x, y in full:
        optimizer.zero_grad()
        F.cross_entropy(net(x), y).backward()
        optimizer.step()
""",
        "if batch[0].numel() > 0",
        "",
    ),
    Pair(
        "DPM302",
        "left-out-where-something-failed",
        HEAD
        + HOOKS
        + """
with BatchMemoryManager(data_loader=loader, max_physical_batch_size=8, optimizer=optimizer) as batches:
    for x, y in batches:
        optimizer.zero_grad()
        try:
            F.cross_entropy(net(x), y).backward()
        except RuntimeError as error:
            print(error)
            FACT
        optimizer.step()
""",
        "continue",
        "raise",
    ),
)
