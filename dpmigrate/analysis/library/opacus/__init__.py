"""What Opacus's names mean. Each module is one group of names; importing it registers its handlers.

Sources: Opacus 1.5 to 1.6.0. ``make_private`` in ghost mode returns (model, optimizer, loader)
before 1.5.3 and (model, optimizer, criterion, loader) since; in every other mode three.
"""

from dpmigrate.analysis.library.opacus import (
    accountants,
    adaptive,
    by_hand,
    engines,
    escapes,
    hooks_pairs,
    layers,
    memory,
    norms,
    objects,
    pairs,
    patches,
    results,
    wrapped_losses,
    zero_x,
)

LOADED = (
    accountants,
    adaptive,
    norms,
    by_hand,
    engines,
    escapes,
    hooks_pairs,
    layers,
    memory,
    objects,
    pairs,
    patches,
    results,
    wrapped_losses,
    zero_x,
)

__all__ = ["LOADED"]
