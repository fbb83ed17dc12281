"""From the records of several ranks to checks: each one's sums, and whether they draw alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from dpmigrate.runtime.report_types import Check
from dpmigrate.runtime.run.judging.noise_verdicts import FEW
from dpmigrate.runtime.run.judging.verdicts import against_oracle
from dpmigrate.runtime.run.records import RunRecord


def peer_checks(others: Sequence[RunRecord]) -> list[Check]:
    """What the oracle says of the other ranks' shares of each logical batch."""
    return [
        replace(check, detail=f"rank {record.rank}: {check.detail}")
        for record in others
        for index, engine in enumerate(record.engines)
        for check in against_oracle(engine, index)
    ]


def sampling_check(this_rank: RunRecord, others: Sequence[RunRecord]) -> list[Check]:
    """``noise-fresh`` for the sampling: ranks that draw the same positions draw no independent batches.

    Positions are counted within each rank's share of the data; Opacus's distributed Poisson sampler
    draws the same ones on every rank that was seeded alike.
    """
    same = _same_records(this_rank, others)
    if same:
        return same
    drawn = [r.positions for r in (this_rank, *others) if r.positions]
    if len(drawn) < 2:
        return []
    # Later batches differ anyhow: only rank 0 draws noise, from the generator that it samples with.
    first = [positions[0] for positions in drawn]
    alike = len(first[0]) >= FEW and all(positions == first[0] for positions in first)
    detail = f"{len(drawn)} ranks draw different positions of their shares of the data"
    if alike:
        detail = "unseeded-loader-generator: all ranks draw the same positions of their shares of the data "
        detail += "(seeded alike?): epsilon counts on records that are drawn independently"
    return [Check("noise-fresh", not alike, rule="DPM202" if alike else None, detail=detail)]


def _same_records(this_rank: RunRecord, others: Sequence[RunRecord]) -> list[Check]:
    """``private-loader`` of ranks that train on the same batches, or go over all of the same records."""
    checks = []
    for index, engine in enumerate(this_rank.engines):
        peers = [r.engines[index] for r in others if index < len(r.engines)]
        pairs = [(a, b) for p in peers for a, b in zip(engine.releases, p.releases, strict=False)]
        alike = all(a.batch_digest == b.batch_digest for a, b in pairs)
        same = {engine.first_record, *(p.first_record for p in peers)} == {engine.first_record or None}
        if engine.processes > 1 and pairs and (alike or same):
            said = f"{1 + len(peers)} processes train on the same records (no DistributedSampler?): one "
            said += "example can be in a step as many times, and epsilon knows of one"
            detail = f"examples-counted-twice: {said}"
            checks.append(Check("private-loader", False, rule="DPM316", engine=index, detail=detail))
    return checks
