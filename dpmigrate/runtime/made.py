"""Runs of a model, criterion and batch that the caller hands over: watched in this very process.

They fill the same records as runs of scripts, and the same judges read them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn

from dpmigrate.model import CHECK_NAMES, CheckName
from dpmigrate.runtime.batches import batch_size, map_tensors, take
from dpmigrate.runtime.messages import error_line, physical
from dpmigrate.runtime.model_copy import NoDropout, copy_generator, isolated
from dpmigrate.runtime.report_types import UNSUPPORTED, Check, Measurement
from dpmigrate.runtime.run.experiments.removal import FEW_EXAMPLES, MOST_EXAMPLES, Removal, gap_of
from dpmigrate.runtime.run.experiments.snapshots import Kind, changed_batch
from dpmigrate.runtime.run.judging import conduct, noise_verdicts, verdicts
from dpmigrate.runtime.run.records import RunRecord
from dpmigrate.runtime.run.watching.shim import Shim
from dpmigrate.runtime.run.watching.state import RunSettings, StopTraining, Watch
from dpmigrate.runtime.session import Recipe, Session

NOT_HERE = ("private-loader", "logical-batches", "accounting")
"""Checks of what a training script does around its steps."""
INPUT_FACTOR = 50.0
"""What the inputs of an example are multiplied by that is to have a large gradient."""


def watched(program: Callable[[], None], settings: RunSettings, seed: int) -> RunRecord:
    """What the shim records while ``program`` runs; Opacus, torch and the random state are then put back."""
    watch = Watch(settings, lambda record: None)
    shim = Shim(watch)
    shim.install()
    try:
        with isolated(seed):
            program()
    except StopTraining:
        pass
    finally:
        shim.remove()
    return watch.record


@dataclass
class Made:
    """One mode of what was handed over, clipped at ``bound``."""

    recipe: Recipe
    model: nn.Module
    batch: Any
    names: frozenset[CheckName]
    index: int
    bound: float
    measurements: list[Measurement] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.how = self.recipe.how

    def run(self) -> list[Check]:
        """Every selected check. What Opacus raises becomes an "unsupported" outcome, not an exception."""
        checks: list[Check] = []
        for part in (self._parity(), self._sensitivity(checks), self._noise()):
            try:
                checks.extend(part)
            except Exception as error:
                if any(c.passed is False for c in checks):
                    break
                # Whatever Opacus (or the user's loop under it) raises is loud for the user as well.
                why = f"{UNSUPPORTED}{self.recipe.mode}: {error_line(error)}"
                checks = [Check(n, None, detail=why) for n in CHECK_NAMES]
                break
        return [replace(c, engine=self.index) for c in verdicts.attributed(checks) if c.name in self.names]

    def _record(
        self,
        batches: Sequence[Any],
        max_physical: int | None = None,
        *,
        oracle: bool = False,
        noise: float = 0.0,
        seed: int = 0,
        lr: float = 1.0,
        forced: bool = True,
    ) -> RunRecord:
        """One logical step of each batch; ``forced``: C is put wherever Opacus keeps one."""
        generator = copy_generator(self.how.noise_generator) if self.how.noise_generator is not None else None

        def program() -> None:
            session = Session(
                self.recipe,
                self.model,
                expected_batch_size=batch_size(self.batch),
                max_grad_norm=self.bound,
                noise_multiplier=noise,
                noise_generator=generator,
                lr=lr,
            )
            for batch in batches:
                session.run(batch, max_physical)

        settings = RunSettings(
            len(batches),
            mode=None if oracle else self.recipe.mode,
            oracle=oracle,
            bounds={0: self.bound} if forced and self.how.built_by != "adaptive" else {},
            watch=math.inf,
        )
        return watched(program, settings, self.how.seed + seed)

    def _parity(self) -> Iterator[Check]:
        if not any(name.startswith(("parity", "sensitivity", "private-step")) for name in self.names):
            return
        for count, max_physical in splits(batch_size(self.batch), self.how.physical_batches):
            batch = take(self.batch, range(count))
            forced = max_physical is not None or self.how.max_grad_norm is None
            # A second step, where what is scheduled has moved.
            steps = max(self.how.steps, 2 if max_physical is None else 1)
            record = self._record([batch] * steps, max_physical, oracle=True, forced=forced)
            if not record.engines or not (record.engines[0].steps or record.engines[0].steps_without_noise):
                yield Check("private-step", False, detail="the DP optimizer made no step where one was due")
                return
            engine = record.engines[0]
            chosen = self.how.max_grad_norm is None and not self.measurements
            if chosen and (better := verdicts.telling_bound(engine, given=False)) is not None:
                self.bound = better
                engine = (record := self._record([batch] * steps, max_physical, oracle=True)).engines[0]
            sizes = [sum(b.count for b in p.backwards) for s in engine.steps[:1] for p in s.physical]
            checks = verdicts.against_oracle(engine, 0)
            if engine.own_clipping or not verdicts.nonfinite(engine):
                checks += verdicts.step_against_oracle(engine, 0)
                named = {c.rule for c in checks if c.passed is False}
                checks += [c for c in conduct.late_faults(engine, 0) if c.rule not in named]
                if max_physical is None:
                    checks.append(conduct.private_step(engine, 0))
            yield from (replace(c, detail=f"{physical(sizes)}: {c.detail}") for c in checks)
            self.measurements += [replace(m, engine=self.index) for m in verdicts.measurements(record)]
            self.own = record
            if verdicts.nonfinite(engine):
                break
        detail = "the batch is the caller's: no loader, accountant or queue of a script's own"
        for name in NOT_HERE:
            yield Check(name, None, detail=detail)  # type: ignore[arg-type]

    def _sensitivity(self, made: Sequence[Check]) -> Iterator[Check]:
        """Leave out, exchange and replace examples, each time in a logical step of its own."""
        if "sensitivity" not in self.names or not self.own.engines[0].steps:
            return
        size = batch_size(self.batch)
        k = min(max(self.how.physical_batches), size)
        max_physical = None if k == 1 else -(-size // k)
        parity = [c.name == "parity-clipped-sum" for c in made]
        proved = any(parity) and all(c.passed is not False for c in made)
        tried = min(size, FEW_EXAMPLES if proved else MOST_EXAMPLES)
        chosen = [turn * size // tried for turn in range(tried)]
        everything = list(range(size))
        pairs = [(kind, donor) for donor in (0, size - 1) for kind in Kind.HALVES] if size >= 4 else []
        pairs += [(kind, 0) for kind in Kind.FEWER] if size >= 4 else []
        apart = [(Kind.WITHOUT, i) for i in chosen] if size > 1 else []
        lists = [everything, *(changed_batch(everything, *pair) for pair in (*pairs, *apart))]
        batches = [take(self.batch, indices) for indices in lists]
        batches += [with_a_stranger(self.batch, i) for i in chosen[:8]]
        # A batch with an example less would meet other dropout masks.
        with NoDropout():
            record = self._record(batches, max_physical, lr=0.0)
        values = [s.value for s in record.engines[0].steps if s.value is not None]
        if len(values) != len(batches):
            yield Check("sensitivity", None, detail="not every logical step was made")
            return
        whole, *parts = values
        moves = [float((whole - v).norm()) / self.bound for v in parts[len(pairs) :]]
        # Without the only example nothing is left: the value itself is the move.
        without = moves[: len(apart)] or [float(whole.norm()) / self.bound]
        removal = Removal(0, size, list(zip(chosen, without, strict=True)))
        if pairs:
            removal.coupling = max(gap_of(whole, parts[:3]), gap_of(whole, parts[3:6])) / self.bound
            removal.counted = gap_of(whole, parts[6:9]) / self.bound
        check = verdicts.sensitivity(self.own, 0, {0: removal}, made)
        yield check
        if check.passed is not False or check.rule is None:
            removal.replaced, removal.coupling, removal.counted = True, None, None
            removal.replacements = list(zip(chosen, moves[len(apart) :], strict=False))
            yield verdicts.sensitivity(self.own, 0, {0: removal}, made)

    def _noise(self) -> Iterator[Check]:
        if not self.names & {"noise-std", "noise-fresh", "reproducible"}:
            return
        batches = [self.batch] * max(3, self.how.steps)
        first, again = (self._record(batches, noise=self.how.noise_multiplier) for _ in range(2))
        if self.how.built_by == "adaptive" and self.how.noise_multiplier > 0:
            for name in ("noise-std", "noise-fresh"):
                yield Check(name, None, detail="adaptive clipping adjusts its own noise")
        else:
            other = self._record(batches[:1], noise=self.how.noise_multiplier, seed=1_000_003)
            yield from noise_verdicts.noise_std(first.engines[0], 0)
            yield from noise_verdicts.noise_fresh(first, other, 0)
        yield from noise_verdicts.reproducible(first.engines[0], again.engines[0], 0)


def with_a_stranger(batch: Any, index: int) -> Any:
    """The batch with another example in the place of one, its float inputs scaled up (not its target)."""
    other = take(batch, changed_batch(list(range(batch_size(batch))), Kind.REPLACED, index))

    def scaled(t: Tensor) -> Tensor:
        factors = torch.ones_like(t)
        factors[index] = INPUT_FACTOR
        return t * factors if t.is_floating_point() else t

    if isinstance(other, list | tuple):
        return (*(map_tensors(part, scaled) for part in other[:-1]), other[-1])
    return map_tensors(other, scaled)


def splits(size: int, physical_batches: Sequence[int]) -> Iterator[tuple[int, int | None]]:
    """``(examples, largest physical batch)``: for k above one, an even and an uneven partition."""
    for k in physical_batches:
        if k == 1:
            yield size, None
            continue
        if k > size:
            continue
        for count in dict.fromkeys((size // k * k, size if size % k else size - 1)):
            if count > 0:
                yield count, -(-count // k)
