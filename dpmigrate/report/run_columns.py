"""What an inventory says of a private run, column by column, in words."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from dpmigrate.model import UNKNOWN, Run, Scalar, Setting
from dpmigrate.report.layout import clean
from dpmigrate.report.text import where

NOT_APPLICABLE = "-"


class Column(NamedTuple):
    """One column: its title, what it says of a run, and whether that is a number."""

    title: str
    words: Callable[[Run], str]
    number: bool = False


def setting_words(value: Setting) -> str:
    """A setting as people read it: ``1.1``, ``yes``, ``1.1 or ?``; a dash where it does not apply."""
    several = value if isinstance(value, tuple) else (value,)
    # What is known comes first, whatever the order of a report for machines.
    spelt = [_scalar_words(scalar) for scalar in several if scalar != UNKNOWN]
    return " or ".join(spelt + [UNKNOWN] * (UNKNOWN in several))


def _scalar_words(scalar: Scalar) -> str:
    if scalar is None:
        return NOT_APPLICABLE
    if isinstance(scalar, bool):
        return "yes" if scalar else "no"
    return clean(scalar) if isinstance(scalar, str) else repr(scalar).removesuffix(".0")


def _mode(run: Run) -> str:
    return setting_words(tuple(run.mode) or UNKNOWN)


def _made_by(run: Run) -> str:
    return "by hand" if run.call == "manual" else run.call


def _seeds(run: Run) -> str:
    """What is seeded, globally or through a generator."""
    said = {True: ["global"], None: ["perhaps global"], False: []}[run.global_seed]
    for name, state in (("noise", run.noise_generator), ("loader", run.loader_generator)):
        if state != "none":
            said.append(f"{name} generator {state}")
    return ", ".join(said) or "none"


def _memory_manager(run: Run) -> str:
    manager = run.batch_memory_manager
    if manager is None:
        return "none"
    return f"{'perhaps ' * (manager.certainty == 'possible')}{manager.kind}"


def _of(name: str) -> Callable[[Run], str]:
    return lambda run: setting_words(getattr(run, name))


COLUMNS = (
    Column("Run", lambda run: where(run.path, run.cell, run.line)),
    Column("Made by", _made_by),
    Column("Mode", _mode),
    Column("Sigma", _of("noise_multiplier"), number=True),
    Column("C", _of("max_grad_norm"), number=True),
    Column("Clipping", _of("clipping")),
    Column("Epsilon", _of("target_epsilon"), number=True),
    Column("Delta", _of("target_delta"), number=True),
    Column("Epochs", _of("epochs"), number=True),
    Column("Accountant", _of("accountant")),
    Column("Poisson sampling", _of("poisson_sampling")),
    Column("Secure mode", _of("secure_mode")),
    Column("Seeds", _seeds),
    Column("Memory manager", _memory_manager),
    Column("Opacus", lambda run: clean(run.opacus.spec or "any")),
)
"""Sigma is the noise multiplier, C the norm clipped at; epsilon, delta and epochs are what is asked for."""
