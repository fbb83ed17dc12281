"""What a private run is asked for: noise, norm, epsilon and the rest, as its call and its engine say.

Noise and norms count in the units of Opacus (the noise's standard deviation is ``noise_multiplier`` times
``max_grad_norm``). What later lines write to the optimizer is not in it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, Literal, TypedDict

from dpmigrate.analysis.ledger import NOT_GIVEN, Constant, Given, Member, Missing, PrivateRun, Several, What
from dpmigrate.model import UNKNOWN, Scalar, Setting
from dpmigrate.versions.releases import VersionSet, between

RDP_BY_DEFAULT = between("1.0.0", "1.3.0")
"""Releases whose engine accounts by RDP unless told otherwise; by PRV since (read in each release)."""

_REQUIRED: tuple[Scalar, ...] = (UNKNOWN,)
_LARGEST = 2**63
"""Whole numbers from here on are no setting of anything, and some are too long to be printed."""


class Parameters(TypedDict):
    """The fields of `model.Run` that say what was asked for."""

    noise_multiplier: Setting
    max_grad_norm: Setting
    target_epsilon: Setting
    target_delta: Setting
    epochs: Setting
    accountant: Setting
    poisson_sampling: Setting
    secure_mode: Setting
    clipping: Setting


def parameters_asked(runs: list[PrivateRun], versions: VersionSet) -> Parameters:
    """What the records of one call ask for, over every context and mode in which it is made."""
    call = runs[0].call
    with_epsilon, manual = call == "make_private_with_epsilon", call == "manual"

    def argument(name: str, defaults: tuple[Scalar, ...] = _REQUIRED) -> Setting:
        per_run = [_scalars(run.argument(name), _unless_open(run, defaults)) for run in runs]
        return _setting(scalar for scalars in per_run for scalar in scalars)

    def of_engine(slot: Literal["secure_mode", "accountant"], defaults: tuple[Scalar, ...]) -> Setting:
        return _setting(scalar for run in runs for scalar in _of_engine(run, slot, defaults))

    return {
        "noise_multiplier": None if with_epsilon else argument("noise_multiplier"),
        "max_grad_norm": _norms(runs) if manual else argument("max_grad_norm"),
        "target_epsilon": argument("target_epsilon") if with_epsilon else None,
        "target_delta": argument("target_delta") if with_epsilon else None,
        "epochs": argument("epochs") if with_epsilon else None,
        "accountant": None if manual else of_engine("accountant", _default_accountants(versions)),
        "poisson_sampling": None if manual else argument("poisson_sampling", (True,)),
        "secure_mode": argument("secure_mode", (False,)) if manual else of_engine("secure_mode", (False,)),
        "clipping": "flat" if manual else argument("clipping", ("flat",)),
    }


def _unless_open(run: PrivateRun, defaults: tuple[Scalar, ...]) -> tuple[Scalar, ...]:
    """What an argument is that was not seen: its default, or anything where ``**kwargs`` may hold it."""
    return _REQUIRED if run.open_call else defaults


def _norms(runs: list[PrivateRun]) -> Setting:
    """The norms of a pair made by hand: the module and the optimizer are each given one."""
    given = [
        value
        for run in runs
        for name in ("max_grad_norm", "optimizer.max_grad_norm")
        if (value := run.argument(name))
    ]
    return _setting(scalar for value in given or [NOT_GIVEN] for scalar in _scalars(value, _REQUIRED))


def _of_engine(
    run: PrivateRun, slot: Literal["secure_mode", "accountant"], defaults: tuple[Scalar, ...]
) -> Iterable[Scalar]:
    if run.engine is None:
        return _REQUIRED
    given = run.engine.secure_mode if slot == "secure_mode" else run.engine.accountant
    return _REQUIRED if given is None else _scalars(given, defaults)


def _default_accountants(versions: VersionSet) -> tuple[Scalar, ...]:
    """The accountant of an engine that is told none; PRV where nothing is known of the release."""
    if versions.spec() is None or not versions & RDP_BY_DEFAULT:
        return ("prv",)
    return ("prv", "rdp") if versions - RDP_BY_DEFAULT else ("rdp",)


def _scalars(given: Given, defaults: tuple[Scalar, ...]) -> Iterable[Scalar]:
    """What an argument can be; `defaults` where it is not given."""
    for what in given.each or (Missing(),):
        if isinstance(what, Missing):
            yield from defaults
        else:
            yield _scalar(what)


def _scalar(what: What | None) -> Scalar:
    """One possible value as JSON has it; a list of norms, one for each parameter, as text."""
    if isinstance(what, Several) and what.items:
        norms = [_scalar(item.only) for item in what.items]
        return UNKNOWN if UNKNOWN in norms else f"[{', '.join(map(str, norms))}]"
    if isinstance(what, Member):
        return _scalar(what.held.only)
    held: Any = what.value if isinstance(what, Constant) else UNKNOWN
    if isinstance(held, bool) or held is None:
        return held
    if isinstance(held, int):
        return held if abs(held) < _LARGEST else UNKNOWN
    if isinstance(held, float):
        return held if math.isfinite(held) else str(held)
    return held if isinstance(held, str) else UNKNOWN


def _setting(scalars: Iterable[Scalar]) -> Setting:
    """One value, or several in order: null, truth values, numbers, text."""
    # 1 and 1.0 are one value, but True is another one.
    each = {(isinstance(s, bool), s): s for s in scalars}
    ordered = sorted(each.values(), key=_order)
    return ordered[0] if len(ordered) == 1 else tuple(ordered)


def _order(scalar: Scalar) -> tuple[int, float, str]:
    if isinstance(scalar, str):
        return (3, 0.0, scalar)
    if scalar is None or isinstance(scalar, bool):
        return (0 if scalar is None else 1, float(scalar or 0), "")
    return (2, scalar, "")
