"""Named tuples of the model as plain JSON, and back by their annotations."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType, NoneType, UnionType
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

Stored = TypeVar("Stored")


def plain(value: Any) -> Any:
    """A value of named tuples, tuples, sets, mappings and scalars as lists and scalars."""
    if isinstance(value, Mapping):
        return [[plain(key), plain(held)] for key, held in value.items()]
    if isinstance(value, (tuple, list)):
        return [plain(item) for item in value]
    if isinstance(value, frozenset):
        return sorted((plain(item) for item in value), key=repr)
    return value


def restored(kind: type[Stored], held: Any) -> Stored:
    """What :func:`plain` made of a value of the type `kind`.

    Raises TypeError, ValueError or LookupError where it cannot have been made of one.
    """
    return cast(Stored, _restored(kind, held))


def _restored(kind: Any, held: Any) -> Any:
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        return _one_of(arguments, held)
    if origin is tuple:
        if len(arguments) == 2 and arguments[1] is Ellipsis:
            return tuple(_restored(arguments[0], item) for item in held)
        return tuple(_restored(part, item) for part, item in zip(arguments, held, strict=True))
    if origin in (list, frozenset):
        return origin(_restored(arguments[0], item) for item in held)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        key_kind, value_kind = arguments
        return MappingProxyType({_restored(key_kind, k): _restored(value_kind, v) for k, v in held})
    if isinstance(kind, type) and issubclass(kind, tuple):
        hints = _fields(kind)
        return kind(*(_restored(hint, item) for hint, item in zip(hints, held, strict=True)))
    return held


def _one_of(kinds: tuple[Any, ...], held: Any) -> Any:
    """A value of one of several types, of which one at most is made of several values."""
    if not isinstance(held, list):
        return held
    compound = next(k for k in kinds if k is not NoneType and (get_origin(k) or _is_tuple(k)))
    return _restored(compound, held)


def _is_tuple(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, tuple)


@cache
def _fields(kind: type) -> tuple[Any, ...]:
    """The annotations of a named tuple, in order."""
    return tuple(get_type_hints(kind).values())
