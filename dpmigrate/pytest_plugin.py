"""pytest plugin: the fixture ``clipping_check``.

    def test_my_model_trains_privately(clipping_check):
        clipping_check(MyModel(), nn.CrossEntropyLoss(), batch)

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
    try:
        import opacus  # noqa: F401
        import torch  # noqa: F401
    except ImportError as error:
        pytest.fail(f"clipping_check needs torch and Opacus (pip install torch opacus): {error}")
    from dpmigrate.runtime.parity import assert_clipping

    return assert_clipping
