"""Whether a value has the form that the types of the model say, for results that come from a file."""

from __future__ import annotations

import math
from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

MOST = 2**31
"""Numbers of lines, columns and files lie below."""


def misfit(kind: Any, value: Any, name: str) -> str | None:
    """Where in ``value``, named ``name``, something is not of its type; None where all is.

    Whole numbers count things and are not negative; others are finite.
    """
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        fits = [misfit(argument, value, name) for argument in arguments]
        return None if None in fits else max((f for f in fits if f is not None), key=len)
    if origin is Literal:
        return None if isinstance(value, str) and value in arguments else name
    if origin is tuple:
        if not isinstance(value, tuple):
            return name
        return _first(misfit(arguments[0], item, f"{name}[{i}]") for i, item in enumerate(value))
    if isinstance(kind, type) and issubclass(kind, tuple):
        if not isinstance(value, kind):
            return name
        return _first(misfit(k, getattr(value, field), f"{name}.{field}") for field, k in _fields(kind))
    return None if _is_scalar(kind, value) else name


def _is_scalar(kind: Any, value: Any) -> bool:
    if kind is int:
        return type(value) is int and 0 <= value < MOST
    if kind is float:
        return type(value) in (int, float) and _is_finite(value)
    if kind is str:
        return type(value) is str and _is_written(value)
    return type(value) is (NoneType if kind is None else kind)


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer that is no float
        return False


def _is_written(value: str) -> bool:
    """Whether a text can go to a file: a name that is not UTF-8 can, half a pair of surrogates cannot."""
    try:
        value.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return False
    return True


def _first(found: Any) -> str | None:
    return next((misfit_ for misfit_ in found if misfit_ is not None), None)


@cache
def _fields(kind: type) -> tuple[tuple[str, Any], ...]:
    """Names and annotations of a named tuple's fields, but for what no report holds."""
    return tuple(
        (n, k)
        for n, k in get_type_hints(kind).items()
        if get_origin(k) in (None, Union, UnionType, Literal, tuple)
    )
