"""What an expression leaves behind of which one branch is evaluated: ``a if test else b``, ``a or b``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from dpmigrate.analysis.core import Interpreter
from dpmigrate.analysis.domain.atoms import Obj
from dpmigrate.analysis.guards import ALWAYS, Guard


@contextmanager
def effects_kept(ip: Interpreter, guard: Guard) -> Iterator[None]:
    """Within the block the path may be extended; what it does to objects stays, where ``guard`` holds."""
    saved = ip.path
    ip.store.push()
    try:
        yield
    finally:
        ip.path = saved
        delta = ip.store.pop()
        kept = {slot: value for slot, value in delta.items() if isinstance(slot[0], Obj)}
        fresh = {slot: value for slot, value in kept.items() if ip.store.get(*slot) is None}
        changed = {slot: value for slot, value in kept.items() if slot not in fresh}
        ip.store.apply(fresh)
        if changed:
            ip.store.join([(changed, guard), ({}, ALWAYS)])
