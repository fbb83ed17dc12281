"""What the imported Opacus can do, told by its parts and never by its version string."""

from __future__ import annotations

from importlib import metadata


def wraps_criterion() -> bool:
    """Whether ``make_private`` takes a criterion and returns it wrapped (1.5.3 and later).

    Told by the wrapper class, since ``make_private`` itself may be wrapped by something that hides
    its signature.
    """
    try:
        from opacus.utils import fast_gradient_clipping_utils as utils
    except ImportError:
        return False
    return hasattr(utils, "DPLossFastGradientClipping")


def opacus_version() -> str:
    """What the imported Opacus calls itself, for reports only; what is installed where it does not say."""
    import opacus

    stated = getattr(opacus, "__version__", None)
    if stated:
        return str(stated)
    try:
        return metadata.version("opacus")
    except metadata.PackageNotFoundError:
        return "unknown"
