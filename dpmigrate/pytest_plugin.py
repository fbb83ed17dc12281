"""pytest plugin: the fixtures ``clipping_check`` and ``training_check``.

    def test_my_model_trains_privately(clipping_check):
        clipping_check(MyModel(), nn.CrossEntropyLoss(), batch)

    def test_my_program_trains_privately(training_check):
        training_check(main)

The plugin is imported in every pytest run of an environment that has dpmigrate, so torch and Opacus
are imported only when a test asks for the fixture.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from dpmigrate.runtime.report_types import ClippingReport


@pytest.fixture
def clipping_check() -> Callable[..., ClippingReport]:
    """:func:`dpmigrate.runtime.assert_clipping`, which fails the test where clipping is not right.

    Fails where torch or Opacus is missing: a proof that did not run must not look like one that did.
    """
    _needs_opacus("clipping_check")
    from dpmigrate.runtime.parity import assert_clipping

    return assert_clipping


@pytest.fixture
def training_check() -> Callable[..., ClippingReport]:
    """:func:`dpmigrate.runtime.assert_training`, which fails the test where training is not private."""
    _needs_opacus("training_check")
    from dpmigrate.runtime.parity import assert_training

    return assert_training


def _needs_opacus(name: str) -> None:
    try:
        import opacus  # noqa: F401
        import torch  # noqa: F401
    except ImportError as error:
        pytest.fail(f"{name} needs torch and Opacus (pip install torch opacus): {error}")
