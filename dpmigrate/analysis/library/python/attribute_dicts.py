"""An object's attributes as a dict: ``vars(self)["loader"] = loader``, ``self.__dict__.update(options)``."""

from __future__ import annotations

from collections.abc import Iterator

from dpmigrate.analysis.core import Interpreter
from dpmigrate.analysis.domain.atoms import Const, Obj
from dpmigrate.analysis.domain.values import NONE, Class, Entry, Value
from dpmigrate.analysis.language.choices import SET_BY_THE_USER, open_value
from dpmigrate.analysis.language.classes import linear
from dpmigrate.analysis.language.fields import open_field
from dpmigrate.analysis.language.items import entries_of
from dpmigrate.analysis.registry import ATTRIBUTES_OF, CallInfo, method


def update_attributes(ip: Interpreter, view: Obj, info: CallInfo) -> None:
    """Each entry that a view of attributes is given becomes one; of more, the class's own are open."""
    owner = ATTRIBUTES_OF.of(ip).get(view)
    if owner is None:
        return
    more, given = info.unknown_keywords, dict(info.keywords)
    for value in info.positional:
        source = value.only
        if isinstance(source, Obj) and source.kind in ("dict", "namespace", "record"):
            entries, others = entries_of(ip, source)
            given.update((name, held) for name, held in entries.items() if isinstance(name, str))
            more = more or others
        else:
            more = True
    if more and isinstance(owner.data, Class):
        for name in _constants_of(ip, owner.data):
            ip.store.set(owner, name, open_field(ip, owner, owner.data, name, info.node))
    for slot in ip.store.keys(owner) if more and owner.kind in ("namespace", "record") else ():
        held = ip.read(owner, slot)
        if isinstance(slot, str) and held:
            symbol, set_there = (owner.key, "updated", slot), ip.origin(info.node, SET_BY_THE_USER)
            ip.store.set(owner, slot, open_value(ip, symbol, held, None, set_there))
    for name, value in given.items():
        ip.store.set(owner, name, value)


@method("dict", "<set item>")
def _set_attribute(ip: Interpreter, info: CallInfo, e: Entry) -> Value:
    """``vars(thing)[name] = value``."""
    owner, name = ATTRIBUTES_OF.of(ip).get(e.atom), info.positional[0].only
    if owner is not None and isinstance(name, Const):
        ip.store.set(owner, name.value, info.positional[1])
    return NONE


def _constants_of(ip: Interpreter, cls: Class) -> Iterator[str]:
    """The attributes that a class gives constants to."""
    for each in linear(cls):
        for slot in ip.store.keys(("class", each.key)):
            held = ip.read(("class", each.key), slot)
            if isinstance(slot, str) and held and all(isinstance(a, Const) for a in held.atoms):
                yield slot
