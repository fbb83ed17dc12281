"""Which loader feeds a private model, and how many of its records go into a release.

A batch counts as used where the private model is called with gradients in training mode after it was
delivered; batches that are only evaluated on are of no interest, and a loader may deliver ahead.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor


@dataclass
class Feed:
    """The batches of one private training run. ``sampler`` is what its loader draws with, from ``data``.

    ``waiting``: sizes of private batches that were delivered and not used yet. ``last``: the tensors of the
    last batch that was private (True) and of the last that was not. ``used``: what each call of the model
    since the last physical batch was fed from, ``examples`` how many private records since the last release.
    """

    sampler: Any = None
    data: Any = None
    waiting: deque[int] = field(default_factory=deque)
    others: int = 0
    latest: str = ""
    last: dict[bool, list[Tensor]] = field(default_factory=dict)
    used: list[str] = field(default_factory=list)
    examples: int = 0

    def delivered(self, private: bool, size: int, tensors: list[Tensor]) -> None:
        """A loader has delivered a batch."""
        self.last[private] = tensors
        self.latest = "private" if private else "other"
        if private:
            self.waiting.append(size)
        else:
            self.others += 1

    def call(self, given: list[Tensor]) -> None:
        """The model is called to be trained, with these tensors: by what it is fed."""
        if self.waiting and (not self.others or self._given_private(given)):
            self.examples += self.waiting.popleft()
            self.used.append("private")
        elif self.others:
            self.used.append("other")
        else:
            self.used.append("none")
        self.others = 0

    def _given_private(self, given: list[Tensor]) -> bool:
        """Whether a call after batches of either kind has the tensors of the private one, else its turn."""
        places = _places(given)
        private, other = (bool(places & _places(self.last.get(kind, []))) for kind in (True, False))
        return private if private != other else self.latest == "private"

    def looked_at(self) -> None:
        """The model is called to be evaluated: another loader's batch went there."""
        self.others, self.latest = 0, "private"

    def taken(self) -> str:
        """What the physical batch that ends now was fed from, the best of its calls."""
        used, self.used = self.used, []
        return next((kind for kind in ("private", "other", "none") if kind in used), "")


def _places(tensors: list[Tensor]) -> set[int]:
    """Where the numbers of tensors lie in memory, of those that have any."""
    return {t.data_ptr() for t in tensors if t.layout is torch.strided and not t.is_meta and t.numel()}
