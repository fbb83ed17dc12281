"""Which objects are parts of which: modules inside modules, as far as their attributes tell."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Iterator

from dpmigrate.analysis.core import Interpreter
from dpmigrate.analysis.domain.atoms import Atom, Obj, Params, Unknown
from dpmigrate.analysis.domain.ordering import in_order
from dpmigrate.analysis.domain.store import objects_in
from dpmigrate.analysis.domain.values import Value
from dpmigrate.analysis.notes import Slot
from dpmigrate.analysis.training import TrainingRun

MODEL_KINDS = ("model", "dp-model", "instance")
MAX_NESTED_PARTS = 3
HOLDS: Slot[dict[Atom, set[Obj]]] = Slot(dict)
"""The parts of an object that stand in no attribute of it."""
"""How deeply a part of a part is looked for."""


def part_objects(ip: Interpreter, owner: Obj) -> Iterator[Obj]:
    """The objects that are attributes of an object, or in a list that is one."""
    yield from HOLDS.of(ip).get(owner, ())
    for slot in ip.store.keys(owner):
        value = ip.store.get(owner, slot)
        if value is not None:
            yield from objects_in(value)


def hold(ip: Interpreter, owner: Atom, parts: Collection[Obj]) -> None:
    """Parts of an object that stand in no attribute of it: a container's layers, ``setattr`` of any name."""
    HOLDS.of(ip).setdefault(owner, set()).update(parts)
    if isinstance(owner, Obj):
        ip.store.hold(owner, parts)


def holds_part(ip: Interpreter, owner: Obj, wanted: Atom, depth: int = MAX_NESTED_PARTS) -> bool:
    """Whether an object is a part of another, at some depth."""
    if owner.kind not in MODEL_KINDS:
        return False
    parts = [p for p in part_objects(ip, owner) if p != owner]
    return wanted in parts or (depth > 1 and any(holds_part(ip, p, wanted, depth - 1) for p in parts))


def runs_of_model(ip: Interpreter, atom: Atom) -> Iterator[TrainingRun]:
    """The runs that train a model: its own, and those of a larger model which it is a part of.

    A private model that is handed over again is the same module, and trained by the runs that had it before.
    """
    if isinstance(atom, Obj) and atom.kind == "dp-model":
        yield atom.data
        for given in in_order(atom.data.raw_models):
            if isinstance(given, Obj) and given.kind == "dp-model" and not _exclude(given.data, atom.data):
                yield given.data
        return
    runs_of_atom = ip.runs_by_object.get(atom, {})
    yield from list(runs_of_atom.values())
    if isinstance(atom, Unknown) and not runs_of_atom:
        yield from (run for run in ip.runs.values() if is_model_of(ip, run, atom))
    if runs_of_atom or not isinstance(atom, Obj):
        return
    wholes = _wholes(ip, atom) if ip.runs_by_object else ()
    for owner, runs in list(ip.runs_by_object.items()) if wholes else ():
        if owner in wholes and isinstance(owner, Obj) and holds_part(ip, owner, atom):
            yield from runs.values()


def _wholes(ip: Interpreter, part: Obj) -> set[Obj]:
    """All that may hold a part now, at some depth: what has ever done so."""
    wholes: set[Obj] = set()
    nearest = {part}
    for _ in range(MAX_NESTED_PARTS):
        nearest = {h for p in nearest for h in ip.store.holders.get(p, ()) if h.kind in MODEL_KINDS} - wholes
        wholes |= nearest
    return wholes


def _exclude(one: TrainingRun, other: TrainingRun) -> bool:
    """Whether no execution makes both runs."""
    return all(map(other.excludes, one.ways))


def holds_a_private_model(ip: Interpreter, owner: Obj) -> bool:
    """Whether some part of an object, which is itself no model of a run, is one."""
    if owner in ip.runs_by_object:
        return False
    return any(_is_private(ip, p) for p in part_objects(ip, owner))


def is_given_a_private_model(ip: Interpreter, given: Iterable[Value]) -> bool:
    """Whether a private model, or parameters of one, are among what a call is given."""
    for atom in (a for value in given for a in value.atoms):
        models = atom.models if isinstance(atom, Params) else (atom,)
        if any(isinstance(m, Obj) and m.kind in MODEL_KINDS and _is_private(ip, m) for m in models):
            return True
    return False


def _is_private(ip: Interpreter, model: Obj) -> bool:
    return model.kind == "dp-model" or model in ip.runs_by_object


def is_model_of(ip: Interpreter, run: TrainingRun, atom: Atom) -> bool:
    """Whether something is the model of a run, wrapped or not, or a part of it."""
    if isinstance(atom, Obj):
        return run in runs_of_model(ip, atom)
    if not isinstance(atom, Unknown):
        return False
    if any(is_model_of(ip, run, p) for p in atom.parts if isinstance(p, Obj)):
        return True
    symbol: Hashable = atom.symbol
    symbols = {a.symbol for a in run.raw_models if isinstance(a, Unknown)}
    while symbol not in symbols and isinstance(symbol, tuple) and len(symbol) == 3 and symbol[1] == ".":
        symbol = symbol[0]
    return symbol in symbols


def whole_of(atom: Unknown) -> Obj | None:
    """The model that something unknown is a part of (``model.encoder``, ``model.heads[0]``)."""
    symbol: Hashable = atom.symbol
    while isinstance(symbol, tuple) and len(symbol) == 3 and symbol[1] == ".":
        symbol = symbol[0]
    for whole in atom.parts:
        if isinstance(whole, Obj) and whole.key == symbol and whole.kind in MODEL_KINDS:
            return whole
    return None


def parameter_of(atom: Unknown) -> Params | None:
    """The one parameter of a model that something unknown is, ``model.fc.weight``, or its gradient."""
    symbol: Hashable = atom.symbol
    names: list[Hashable] = []
    while isinstance(symbol, tuple) and len(symbol) == 3 and symbol[1] == ".":
        names.append(symbol[2])
        symbol = symbol[0]
    of_gradient = names[:1] == ["grad"] or names[:2] == ["data", "grad"]
    named = names[names.index("grad") + 1 :] if of_gradient else names[names[:1] == ["data"] :]
    whole = whole_of(atom) if named and named[0] in ("weight", "bias") else None
    return Params(frozenset({whole}), part=True, of_gradient=of_gradient) if whole is not None else None
