"""Which loader feeds a private model, and how many of its records go into a release.

A batch counts as used where the private model is called with gradients in training mode after it was
delivered; batches that are only evaluated on are of no interest, and a loader may deliver ahead.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Feed:
    """The batches of one private training run. ``sampler`` is what its private loader draws with.

    ``waiting``: sizes of private batches that were delivered and not used yet. ``used``: what each call of
    the model since the last physical batch was fed from, ``examples`` how many private records since the
    last release.
    """

    sampler: Any = None
    waiting: deque[int] = field(default_factory=deque)
    others: int = 0
    latest: str = ""
    used: list[str] = field(default_factory=list)
    examples: int = 0

    def call(self) -> None:
        """The model is called to be trained: by what it is fed."""
        if self.waiting and (self.latest == "private" or not self.others):
            self.examples += self.waiting.popleft()
            self.used.append("private")
        elif self.others:
            self.used.append("other")
        else:
            self.used.append("none")
        self.others = 0

    def looked_at(self) -> None:
        """The model is called to be evaluated: another loader's batch went there."""
        self.others, self.latest = 0, "private"

    def taken(self) -> str:
        """What the physical batch that ends now was fed from, the best of its calls."""
        used, self.used = self.used, []
        return next((kind for kind in ("private", "other", "none") if kind in used), "")
