"""Replacing methods and functions of a loaded library, once each."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

MARK = "_dpmigrate_shim"

_REPLACED: list[tuple[Any, str, Any]] = []


def wrap_method(owner: Any, name: str, around: Callable[..., Any]) -> None:
    """Replace ``owner.name`` by a function that calls ``around(original, *args, **kwargs)``.

    Only what ``owner`` itself defines is replaced, so that a class is not given a copy of what it
    inherits. Doing it twice has no effect.
    """
    original = vars(owner).get(name)
    if original is None or hasattr(original, MARK):
        return

    @functools.wraps(original)
    def replacement(*args: Any, **kwargs: Any) -> Any:
        return around(original, *args, **kwargs)

    setattr(replacement, MARK, True)
    setattr(owner, name, replacement)
    _REPLACED.append((owner, name, original))


def unwrap() -> None:
    """Put back everything that :func:`wrap_method` has replaced, the newest first."""
    while _REPLACED:
        owner, name, original = _REPLACED.pop()
        setattr(owner, name, original)


def family(base: type[Any]) -> Iterator[type[Any]]:
    """``base`` and all its subclasses that are loaded, the base first."""
    yield base
    for child in base.__subclasses__():
        yield from family(child)
