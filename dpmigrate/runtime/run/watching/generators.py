"""Random generators: whose they are, and where they stand."""

from __future__ import annotations

import pickle
import random
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

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


def seed_python(seed: int | None) -> None:
    """Give the global generators of Python and NumPy a seed; fresh entropy for None."""
    random.seed(seed)
    numpy: Any = sys.modules.get("numpy")
    if numpy is not None:
        numpy.random.seed(None if seed is None else seed % 2**32)


@contextmanager
def python_put_back() -> Iterator[None]:
    """A block after which the global generators of Python and NumPy stand where they stood."""
    python, drawn = _python_states()
    try:
        yield
    finally:
        random.setstate(python)
        if drawn is not None:
            sys.modules["numpy"].random.set_state(drawn)


def random_digest() -> int:
    """A checksum of where the global generators of torch, Python and NumPy stand."""
    return zlib.crc32(pickle.dumps(_python_states()), zlib.crc32(torch.get_rng_state().numpy().data))


def _python_states() -> tuple[Any, Any]:
    numpy: Any = sys.modules.get("numpy")
    return random.getstate(), None if numpy is None else numpy.random.get_state()


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
