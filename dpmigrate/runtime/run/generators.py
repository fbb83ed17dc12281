"""Random generators: whose they are, and where they stand."""

from __future__ import annotations

import zlib

import torch
from torch import Tensor


def generator_kind(generator: torch.Generator | None) -> str:
    """ "none", "bare" (never seeded: its stream is the same, public one everywhere) or "seeded"."""
    if generator is None:
        return "none"
    if not isinstance(generator, torch.Generator):
        return "other"
    fresh = torch.Generator(device=generator.device)
    return "bare" if generator.initial_seed() == fresh.initial_seed() else "seeded"


def reseeded(seed: int, generator: torch.Generator | None) -> None:
    """Give the global generators, and one's own, a seed."""
    torch.manual_seed(seed)
    if isinstance(generator, torch.Generator):
        generator.manual_seed(seed)


def generator_state(generator: torch.Generator | None, like: Tensor) -> int:
    """A checksum of the state of a generator, or of the global one of the tensor's device."""
    if isinstance(generator, torch.Generator):
        state = generator.get_state()
    elif like.is_cuda:
        state = torch.cuda.get_rng_state(like.device)
    else:
        state = torch.get_rng_state()
    return zlib.crc32(state.cpu().numpy().data)
