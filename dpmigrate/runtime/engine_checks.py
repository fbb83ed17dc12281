"""All checks of one mode: parity by physical batches, sensitivity, noise."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn

from dpmigrate.runtime import sensitivity as sensitivity_of
from dpmigrate.runtime.batches import batch_size, inputs_and_target, take
from dpmigrate.runtime.diagnose import Diagnosis, diagnose
from dpmigrate.runtime.messages import (
    error_line,
    layer_errors,
    norm_errors,
    physical,
    worst_examples,
    worst_layers,
)
from dpmigrate.runtime.model_copy import copy_criterion
from dpmigrate.runtime.noise import copy_generator
from dpmigrate.runtime.noise_checks import noise_checks
from dpmigrate.runtime.report_types import CHECK_NAMES, UNSUPPORTED, Check, CheckName, Measurement
from dpmigrate.runtime.sensitivity import pick
from dpmigrate.runtime.session import Recipe, Session, StepResult
from dpmigrate.runtime.truth import Truth, mean_gap

PARITY = ("parity-clipped-sum", "parity-norms", "parity-step")


@dataclass(frozen=True)
class Setting:
    """What all modes share: the copied model and batch, the truth about them, and what to check.

    Inside ``calm`` the model draws no random numbers.
    """

    model: nn.Module
    batch: Any
    truth: Truth
    calm: AbstractContextManager[Any]
    max_grad_norm: float
    given_bound: bool
    physical_batches: tuple[int, ...]
    limit: float
    noise_multiplier: float
    noise_generator: torch.Generator | None
    seed: int
    names: frozenset[CheckName]


@dataclass
class EngineChecks:
    """The checks of one mode; :meth:`run` gives them, :attr:`measurements` the figures behind."""

    setting: Setting
    recipe: Recipe
    index: int
    measurements: list[Measurement] = field(default_factory=list)
    _fault: Diagnosis | None = None
    _batch_mean: str = ""

    def run(self) -> list[Check]:
        """Every selected check. What Opacus raises becomes an "unsupported" outcome, not an exception."""
        found: list[Check] = []
        try:
            with self.setting.calm:
                for check in self._without_noise():
                    found.append(check)
            for check in noise_checks(
                self._noisy_session,
                self.setting.batch,
                names=self.setting.names,
                std=self.setting.noise_multiplier * self.setting.max_grad_norm,
                generator=self.setting.noise_generator,
                seed=self.setting.seed,
                adaptive=self.recipe.built_by == "adaptive",
            ):
                found.append(self._own(check))
        except Exception as error:
            # whatever Opacus (or the user's loop under it) raises is loud for the user as well
            found.extend(self._unsupported(error))
        return found

    def _without_noise(self) -> Iterator[Check]:
        self._batch_mean = self._dependence_on_the_batch()
        session = self._session()
        handed = getattr(session.model, "max_grad_norm", self.setting.max_grad_norm)
        if self.recipe.ghost and handed != self.setting.max_grad_norm:
            if "parity-clipped-sum" in self.setting.names:
                yield from self._bound_ignored(session, float(handed))
            session.set_max_grad_norm(self.setting.max_grad_norm)
        if self.setting.names & set(PARITY):
            for count, indices, max_physical in self._splits():
                yield from self._parity(session, count, indices, max_physical)
        if "sensitivity" in self.setting.names:
            yield from self._sensitivity(session)

    def _session(self, noise_multiplier: float = 0.0, generator: torch.Generator | None = None) -> Session:
        return Session(
            self.recipe,
            self.setting.model,
            expected_batch_size=self.setting.truth.size,
            max_grad_norm=self.setting.max_grad_norm,
            noise_multiplier=noise_multiplier,
            noise_generator=generator,
        )

    def _own(self, check: Check) -> Check:
        """The check as one of this engine, its mode named in the detail."""
        return replace(check, engine=self.index, detail=f"{self.recipe.mode}, {check.detail}")

    def _check(self, name: CheckName, passed: bool | None, detail: str, **figures: Any) -> Check:
        return self._own(Check(name, passed, detail=detail, **figures))

    def _unsupported(self, error: Exception) -> Iterator[Check]:
        why = f"{UNSUPPORTED}{self.recipe.mode}: {error_line(error)}"
        for name in CHECK_NAMES:
            if name in self.setting.names:
                yield Check(name, None, engine=self.index, detail=why)

    # parity ---------------------------------------------------------------------------------------

    def _splits(self) -> Iterator[tuple[int, list[int], int | None]]:
        """``(k, examples, largest physical batch)``: for k above one, an even and an uneven partition."""
        size = self.setting.truth.size
        for k in self.setting.physical_batches:
            if k == 1:
                yield 1, list(range(size)), None
                continue
            if k > size:
                continue
            even = size // k * k
            uneven = size if size % k else size - 1
            for count in dict.fromkeys((even, uneven)):
                if count > 0:
                    yield k, list(range(count)), -(-count // k)

    def _parity(
        self, session: Session, k: int, indices: list[int], max_physical: int | None
    ) -> Iterator[Check]:
        setting = self.setting
        truth = setting.truth
        expected = truth.clipped_sum(setting.max_grad_norm, indices)
        lr = self._learning_rate(session, expected)
        result = session.run(take(setting.batch, indices), max_physical, lr=lr)
        where = physical(result.sizes)
        if result.steps != 1:
            yield self._check(
                "parity-clipped-sum",
                False,
                f"{where}: the DP optimizer made {result.steps} steps where one was due",
            )
            return
        names = self._names(result)
        wanted = truth.by_name(expected)
        target = sensitivity_of.flatten(session, wanted, names)
        seen = sensitivity_of.flatten(session, result.clipped_sum, names)
        error = _relative(seen, target)
        errors = layer_errors(result.clipped_sum, wanted)
        true_norms = truth.norms[indices]
        if self._batch_mean:
            for name in PARITY:
                if name in setting.names:
                    yield self._check(name, None, f"{where}: not judged: {self._batch_mean}", value=error)
            return
        if "parity-clipped-sum" in setting.names:
            passed = error <= setting.limit
            detail = f"{where}: relative L2 error of the clipped sum"
            if not passed:
                self._fault = self._diagnose(result, names, indices)
                detail += f"; {self._fault.text}; {worst_layers(errors, setting.limit)}"
            yield self._check(
                "parity-clipped-sum",
                passed,
                detail,
                value=error,
                limit=setting.limit,
                rule=self._fault.rule if self._fault and not passed else None,
            )
        if "parity-norms" in setting.names and result.norms is not None:
            yield self._norms(result, true_norms, indices, where)
        if "parity-step" in setting.names:
            yield self._step(session, result, target, names, lr, where)
        self.measurements.append(
            Measurement(
                self.index,
                self.recipe.mode,
                k,
                error,
                tuple(result.norms.tolist()) if result.norms is not None else (),
                tuple(true_norms.tolist()),
                errors,
            )
        )

    def _norms(self, result: StepResult, true: Tensor, indices: Sequence[int], where: str) -> Check:
        setting = self.setting
        assert result.norms is not None
        if result.norms.shape != true.shape:
            return self._check(
                "parity-norms",
                False,
                f"{where}: {result.norms.numel()} norms for {true.numel()} examples",
            )
        value = float(norm_errors(result.norms, true, setting.max_grad_norm).max())
        passed = value <= setting.limit
        detail = f"{where}: largest error of a per-sample norm"
        if not passed:
            layers = {
                name: float(norm_errors(seen, setting.truth.parameter_norms[name][indices], 1e-30).max())
                for name, seen in result.parameter_norms.items()
                if name in setting.truth.parameter_norms
            }
            detail += "; " + worst_examples(result.norms, true, setting.max_grad_norm, setting.limit)
            detail += f"; norms {worst_layers(layers, setting.limit)}"
        return self._check("parity-norms", passed, detail, value=value, limit=setting.limit)

    def _step(
        self, session: Session, result: StepResult, target: Tensor, names: list[str], lr: float, where: str
    ) -> Check:
        scale = session.expected_batch_size if self.recipe.loss_reduction == "mean" else 1
        change = sensitivity_of.flatten(session, result.change, names)
        value = _relative(change, target * (-lr / scale))
        passed = value <= self.setting.limit
        detail = f"{where}: relative L2 error of the parameters' change in one logical step"
        if not passed and self._fault is not None:
            detail += f"; {self._fault.text}"
        return self._check(
            "parity-step",
            passed,
            detail,
            value=value,
            limit=self.setting.limit,
            rule=self._fault.rule if self._fault and not passed else None,
        )

    def _learning_rate(self, session: Session, expected: Tensor) -> float:
        """As large a step as the parameters themselves, so that rounding does not hide in their digits."""
        scale = session.expected_batch_size if self.recipe.loss_reduction == "mean" else 1
        step = float(expected.norm()) / scale
        size = float(torch.stack([p.double().norm() for p in session.start.values()]).norm())
        return size / step if step > 0 and size > 0 else 1.0

    def _names(self, result: StepResult) -> list[str]:
        """The oracle's parameters, then any that received noise although the oracle has them frozen."""
        return list(self.setting.truth.lengths) + [
            name for name in result.clipped_sum if name not in self.setting.truth.lengths
        ]

    def _diagnose(self, result: StepResult, names: list[str], indices: Sequence[int]) -> Diagnosis:
        truth = self.setting.truth
        late = [name for name in names if name not in truth.lengths]
        if late:
            return Diagnosis(None, f"{', '.join(late)} was frozen at make_private and trains now")
        rows = truth.chosen_rows(indices)
        seen = torch.cat(
            [result.clipped_sum[n].reshape(-1) for n in truth.lengths if n in result.clipped_sum]
        )
        if seen.numel() != rows.shape[1]:
            return Diagnosis(None, "some parameters received no gradient")
        if not self.recipe.ghost:
            return Diagnosis(None, "hooks themselves differ from the oracle")
        found = diagnose(
            seen,
            rows,
            self.setting.max_grad_norm,
            losses_shape=self._losses_shape(take(self.setting.batch, list(indices))),
            sizes=result.sizes,
            norms_seen=result.norms,
        )
        if found is not None and found.rule == "DPM103" and self.recipe.built_by == "adaptive":
            return Diagnosis(None, "ghost adaptive clipping of this Opacus reduces the loss before it clips")
        return found if found is not None else Diagnosis(None, "just above rounding")

    def _dependence_on_the_batch(self) -> str:
        """Why hooks clips other gradients than the oracle's, though the code is right; usually empty."""
        recipe = self.recipe
        if recipe.ghost or recipe.loss is not None or recipe.train_step is not None:
            return ""
        if recipe.loss_reduction != "mean":
            return ""
        gap = mean_gap(self.setting.model, recipe.criterion, self.setting.batch)
        if gap <= self.setting.limit:
            return ""
        return (
            "the criterion's mean over a batch is not the mean of the losses (class weights or ignored "
            f"targets; relative difference {gap:.2g}), so every gradient depends on the other examples"
        )

    def _losses_shape(self, batch: Any) -> tuple[int, ...] | None:
        """Shape of what the loop sends backward in ghost mode; None where only the caller's loop knows."""
        if not self.recipe.ghost or self.recipe.train_step is not None:
            return None
        with torch.no_grad():
            if self.recipe.loss is not None:
                return tuple(self.recipe.loss(self.setting.model, batch).shape)
            inputs, target = inputs_and_target(batch)
            criterion: Callable[..., Any] = copy_criterion(self.recipe.criterion, "none")
            return tuple(criterion(self.setting.model(*inputs), target).shape)

    def _bound_ignored(self, session: Session, handed: float) -> Iterator[Check]:
        """``make_private`` did not hand max_grad_norm on: measure the harm at the bound asked for."""
        setting = self.setting
        text = f"make_private leaves the model clipping at {handed:g}"
        if not setting.given_bound:
            yield self._check(
                "parity-clipped-sum",
                None,
                f"{text} whatever max_grad_norm says (DPM102); not judged, since no max_grad_norm was given: "
                "what follows has the bound set by hand",
            )
            return
        result = session.run(setting.batch)
        names = self._names(result)
        target = setting.truth.clipped_sum(setting.max_grad_norm)
        error = _relative(sensitivity_of.flatten(session, result.clipped_sum, names), target)
        yield self._check(
            "parity-clipped-sum",
            error <= setting.limit,
            f"{physical(result.sizes)}: {text} where max_grad_norm is {setting.max_grad_norm:g}; "
            "what follows has the bound set by hand",
            value=error,
            limit=setting.limit,
            rule="DPM102",
        )

    # sensitivity ----------------------------------------------------------------------------------

    def _sensitivity(self, session: Session) -> Iterator[Check]:
        setting = self.setting
        size = batch_size(setting.batch)
        k = min(max(setting.physical_batches), size)
        max_physical = None if k == 1 else -(-size // k)
        result = session.run(setting.batch, max_physical)
        names = self._names(result)
        base = sensitivity_of.flatten(session, result.clipped_sum, names)
        where = physical(result.sizes)
        slack = max(sensitivity_of.SLACK, 2 * setting.limit)
        for kind, measure, allowed, tries in (
            ("leaving out", sensitivity_of.removed_one, 1.0, sensitivity_of.ALL_UP_TO),
            ("replacing", sensitivity_of.replaced_one, 2.0, sensitivity_of.REPLACED),
        ):
            worst = measure(
                session, setting.batch, base, names, max_physical, chosen=pick(setting.truth.norms, tries)
            )
            if worst.example is None:
                continue
            value = worst.value / setting.max_grad_norm
            limit = allowed * (1 + slack)
            passed = value <= limit
            detail = f"{where}: {kind} one example (of {worst.tried} tried) moves the sum by this many C"
            if not passed:
                detail += f", example {worst.example}"
                detail += f"; {self._fault.text}" if self._fault else ""
                detail += f"; {self._batch_mean}" if self._batch_mean else ""
            yield self._check(
                "sensitivity",
                passed,
                detail,
                value=value,
                limit=limit,
                rule=self._fault.rule if self._fault and not passed else None,
            )

    def _noisy_session(self) -> Session:
        given = self.setting.noise_generator
        generator = copy_generator(given) if given is not None else None
        session = self._session(self.setting.noise_multiplier, generator)
        session.set_max_grad_norm(self.setting.max_grad_norm)
        return session


def _relative(seen: Tensor, target: Tensor) -> float:
    return float((seen - target).norm() / target.norm().clamp_min(1e-300))
