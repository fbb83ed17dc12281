"""What goes on from round to round: weights that are loaded or copied, and engines that a round makes."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field, replace

import libcst as cst

from dpmigrate.analysis.core import Interpreter
from dpmigrate.analysis.domain.atoms import SOME, Atom, Const, Obj, TrainedAt, Unknown, is_one_of_several
from dpmigrate.analysis.domain.values import NOTHING, Class, Function, Value
from dpmigrate.analysis.guards import ALWAYS, Guard, doubts, weaken
from dpmigrate.analysis.language.attributes import part_of_unknown
from dpmigrate.analysis.language.classes import external_names
from dpmigrate.analysis.language.functions import enter_function
from dpmigrate.analysis.ledger import Circumstances
from dpmigrate.analysis.ledger.accounting import EngineOfARound, WeightsLoaded
from dpmigrate.analysis.ledger.circumstances import Turn
from dpmigrate.analysis.ledger.events import Backward
from dpmigrate.analysis.library.first_time import in_one_round, turns_of_one_time
from dpmigrate.analysis.library.kept_by_key import is_looked_up, turns_that_look_it_up
from dpmigrate.analysis.library.torch.names import real
from dpmigrate.analysis.library.trained_before import begins_anew, is_trained
from dpmigrate.analysis.notes import Slot
from dpmigrate.analysis.registry import CallInfo, function
from dpmigrate.analysis.source.tree import assigned_in, every, names_in
from dpmigrate.analysis.training import TrainingRun

FLOWER_CLIENTS = frozenset(["NumPyClient", "Client"])
MADE_ONCE: Slot[dict[Atom | None, frozenset[Turn]]] = Slot(dict)
"""By engine: the loops that make it in one turn alone."""
_ROUND: Slot[dict[Atom | None, tuple[str, Hashable]]] = Slot(dict)
"""By engine: the framework, and the activation of its method, in which it is made."""
_FACTORIES: Slot[dict[cst.CSTNode, None]] = Slot(dict)
"""The functions by which a framework makes its clients."""
_MAKERS: Slot[dict[Atom | None, list[cst.CSTNode]]] = Slot(dict)
"""By engine: the functions in which it is made."""
_WITH_CLIENTS: Slot[dict[TrainingRun, Circumstances]] = Slot(dict)
"""The runs that are made with a framework's clients."""
_IN_THE_METHOD: Slot[set[TrainingRun]] = Slot(set)
"""Those of them whose engine a round's own method makes."""
_ROUNDS: Slot[set[Atom | None]] = Slot(set)
"""How many rounds there are."""
_COPIED: Slot[dict[Atom, Atom]] = Slot(dict)
"""By copy: the model that it is of."""
_TAKEN: Slot[dict[TrainingRun, _Taken]] = Slot(dict)
"""Where runs take their weights from."""
_WEIGHTS: Slot[dict[Atom, dict[tuple[cst.CSTNode, int], _Weights]]] = Slot(dict)
"""By model: the places, each in its context, where it gets weights."""
_KEEPERS: Slot[dict[TrainingRun, list[Obj]]] = Slot(dict)
"""By run: objects that hold the model of a round."""


@dataclass(slots=True)
class _Weights:
    """One place where a model gets weights, and everything that it was seen to get there."""

    at: Circumstances
    seen: set[Atom] = field(default_factory=set)
    handed_in: dict[str, set[Atom]] = field(default_factory=dict)
    """The parameters that the weights are made of, and what those were given in one turn or another."""
    afterwards: bool = False
    """Whether a private model gets them once it is trained: the best of its own, say."""
    trained_at: set[int] = field(default_factory=set)
    """The calls that had made runs whose weights they are, in a turn before."""

    @property
    def changing(self) -> bool:
        return len(self.seen) > 1 or any(len(given) > 1 for given in self.handed_in.values())


def loaded(ip: Interpreter, model: Atom, info: CallInfo, guard: Guard = ALWAYS) -> None:
    """A model loads a state, under an assumption.

    Where runs of the same loop took their weights from this model, they go on from what it gets here.
    """
    place = _gets(ip, model, info, ip.at(info.node, guard))
    begins_anew(ip, model, info.argument(0, "state_dict"))
    if isinstance(model, Obj) and model.kind == "dp-model":
        if place.changing and not place.afterwards:
            ip.happen(model.data, WeightsLoaded(ip.at(info.node, guard), changing=True))
        return
    for run, taken in _TAKEN.of(ip).items():
        if model in taken.sources and (info.node, ip.context) not in taken.places:
            ip.happen(run, WeightsLoaded(ip.at(info.node, guard), changing=True))


def _gets(ip: Interpreter, model: Atom, info: CallInfo, here: Circumstances) -> _Weights:
    """Remember what a model gets here."""
    places = _WEIGHTS.of(ip).setdefault(model, {})
    run = model.data if isinstance(model, Obj) and model.kind == "dp-model" else None
    trained = run is not None and any(isinstance(event, Backward) for event in run.events)
    place = places.setdefault((info.node, ip.context), _Weights(here, afterwards=trained))
    place.at = replace(place.at, guard=weaken(place.at.guard, here.guard))
    for atom in info.argument(0, "state_dict").atoms:
        place.seen.add(atom)
        entries = part_of_unknown(ip, atom, SOME) if isinstance(atom, Unknown) else None
        place.seen.update(entries.atoms if entries is not None else ())  # ``shared[name] = ...``
        if _goes_on_from_here(ip, model):
            place.trained_at.update(part.call for part in _parts(ip, atom) if isinstance(part, TrainedAt))
    frame = ip.frames[-1]
    function = frame.function.node if frame.function is not None else None
    if isinstance(function, cst.FunctionDef) and isinstance(info.node, cst.Call):
        for name in _read_for(info.node, function):
            given = ip.store.get(frame.owner, name)
            if given is not None and given.only is not None:
                place.handed_in.setdefault(name, set()).add(given.only)
    return place


def _parts(ip: Interpreter, state: Atom) -> Iterator[Atom]:
    """What a state is made of, or what the entries of a dict of weights are."""
    if isinstance(state, Unknown):
        yield from state.parts
    elif isinstance(state, Obj) and state.kind == "dict":
        held = [ip.read(state, slot) or NOTHING for slot in ip.store.keys(state)]
        yield from (part for value in held for a in value.atoms if isinstance(a, Unknown) for part in a.parts)


def _goes_on_from_here(ip: Interpreter, model: Atom) -> bool:
    """Whether a run that begins later has what a model gets: not one that ends its turn of a loop with it."""
    made = ip.births.get(model) if isinstance(model, Obj) else None
    return not is_trained(ip, model) or (made is not None and len(made.loops) < len(ip.loops))


def _read_for(call: cst.Call, function: cst.FunctionDef) -> set[str]:
    """The parameters of a function that the arguments of a call in it are made of."""
    assigned = [n for n in every(function.body) if isinstance(n, cst.Assign)]
    names = names_in(*call.args)
    while (
        more := {
            n.value
            for made in assigned
            if not names.isdisjoint(assigned_in(made))
            for n in every(made.value)
            if isinstance(n, cst.Name)
        }
        - names
    ):
        names |= more
    params = function.params
    params_of_function = (*params.posonly_params, *params.params, *params.kwonly_params)
    return names & {param.name.value for param in params_of_function} - {"self"}


def note_copy(ip: Interpreter, original: Atom, copy: Atom) -> None:
    """A model begins as a copy of another one; where nothing is known of that one, both are one unknown."""
    _COPIED.of(ip)[copy] = original


def begun_anew(ip: Interpreter, model: Atom, info: CallInfo) -> None:
    """A model's weights are drawn again."""
    begins_anew(ip, model)
    places = _WEIGHTS.of(ip).setdefault(model, {})
    places.setdefault((info.node, ip.context), _Weights(ip.at(info.node)))


@dataclass(frozen=True, slots=True)
class _Taken:
    """The models whose weights a run's models begin with, and where those had got theirs by then."""

    sources: frozenset[Atom]
    places: frozenset[Hashable]


@function(
    *(f"flwr.{name}" for name in ("client.ClientApp", "clientapp.ClientApp", "simulation.start_simulation"))
)
def _gets_a_factory(ip: Interpreter, info: CallInfo) -> Value:
    """Flower makes every client anew in each round, by the function that it is given: here a first time."""
    for atom in (*info.argument(0, "client_fn").atoms, *info.argument(None, "client_fn").atoms):
        if isinstance(atom, Function):
            _FACTORIES.of(ip)[atom.node] = None
            if atom.closure is not None:
                told = ip.unknown(info.node, "what Flower tells of a client")
                enter_function(ip, atom, CallInfo(info.node, [told]))
    return ip.unknown(info.node, "a framework's own")


@function(*(f"flwr.{name}" for name in ("server.ServerConfig", "server.server_config.ServerConfig")))
def _counts_rounds(ip: Interpreter, info: CallInfo) -> Value:
    """``ServerConfig(num_rounds=3)``."""
    _ROUNDS.of(ip).add(info.argument(0, "num_rounds").only)
    return ip.unknown(info.node, "a framework's own")


def engine_made(ip: Interpreter, engine: Atom, node: cst.CSTNode) -> None:
    """Remember in which method of a framework's round, or of its clients' making, an engine is made."""
    place = _round(ip)
    if place is not None and not is_looked_up(ip, node):
        _ROUND.of(ip)[engine] = place
    MADE_ONCE.of(ip)[engine] = turns_of_one_time(ip, node) | turns_that_look_it_up(ip, node)
    _MAKERS.of(ip)[engine] = [frame.function.node for frame in ip.frames if frame.function is not None]


def tell_of_rounds(ip: Interpreter, run: TrainingRun) -> None:
    """Record on a run which weights its model got, and whether a round makes its engine."""
    here = ip.at(run.origin.node)
    for model in run.raw_models:
        for weights in _WEIGHTS.of(ip).get(model, {}).values():
            if not run.excludes(weights.at.guard):
                there = replace(weights.at, guard=here.guard | _asked_of_others(weights))
                own = id(run.origin.node) in weights.trained_at
                ip.happen(run, WeightsLoaded(there, weights.changing or own))
        if any(_was_trained_here(ip, run, original) for original in _copied_from(ip, model)):
            ip.happen(run, WeightsLoaded(here, changing=True, hooked=True))
    if _goes_on_with_its_own(run):
        ip.happen(run, WeightsLoaded(here, changing=True))
    elif any(_made_the_first_time(ip, run, model) for model in run.raw_models):
        ip.happen(run, WeightsLoaded(here, changing=True, hooked=True))
    taken = _TAKEN.of(ip)
    if run not in taken:
        sources = frozenset(_sources(ip, run.raw_models))
        places = (_WEIGHTS.of(ip).get(source, {}) for source in sources)
        taken[run] = _Taken(sources, frozenset(key for keys in places for key in keys))
    engine = real(run.engine) if run.engine is not None else None
    once = MADE_ONCE.of(ip)
    once[engine] = once.get(engine, frozenset()) | turns_of_one_time(ip, run.origin.node)
    place = _round(ip)
    if place is not None and in_one_round(ip, run.origin.node):
        return
    if place is None:
        if _makes_clients(ip):
            _WITH_CLIENTS.of(ip)[run] = here
        return
    framework = place[0]
    made_here = _ROUND.of(ip).get(run.engine) == place
    if framework == "Lightning" and any(_tells_the_epoch(literal.symbol) for literal in run.guard):
        return
    if framework == "Flower":
        _WITH_CLIENTS.of(ip)[run] = here
        if made_here:
            _IN_THE_METHOD.of(ip).add(run)
            _KEEPERS.of(ip)[run] = _keepers(ip, run)
    elif made_here:
        ip.happen(run, EngineOfARound(here, framework))


def _asked_of_others(weights: _Weights) -> Guard:
    """What a place asks before it loads weights, but whether there are any (``if state is not None``)."""
    own = {state.symbol for state in weights.seen if isinstance(state, Unknown)}
    return frozenset(x for x in weights.at.guard if x.symbol not in own)


def _copied_from(ip: Interpreter, model: Atom) -> list[Atom]:
    """What a model is a copy of, and what that one is a copy of: ``best`` may hold it from turn to turn."""
    originals: list[Atom] = []
    copied = _COPIED.of(ip)
    original = copied.get(model)
    while original is not None and original not in (model, *originals):
        originals.append(original)
        original = copied.get(original)
    return originals


def _was_trained_here(ip: Interpreter, run: TrainingRun, model: Atom) -> bool:
    """Whether a run of the same call, in the turn before, trained a model."""
    return any(
        model in other.raw_models and other.origin.node is run.origin.node for other in ip.runs.values()
    )


def _goes_on_with_its_own(run: TrainingRun) -> bool:
    """Whether a call is given what it made in the turn before, unwrapped, and not a model for each client."""
    modules = run.argument("module").entries
    return any(
        isinstance(e.atom, Obj)
        and isinstance(e.atom.data, TrainingRun)
        and e.atom.data.origin.node is run.origin.node
        and not doubts(e.guard)
        for e in modules
    ) and not any(isinstance(e.atom, Unknown) and is_one_of_several(e.atom.symbol) for e in modules)


def _made_the_first_time(ip: Interpreter, run: TrainingRun, model: Atom) -> bool:
    """Whether a loop around makes a model in one of its turns alone: ``if self.net is None:``."""
    born = ip.births.get(model) if isinstance(model, Obj) else None
    if not isinstance(model, Obj) or model.node is None or born is None:
        return False
    around = [turn for turn in born.loops if turn in run.loops]
    return bool(around) and around[-1] in turns_of_one_time(ip, model.node)


def _tells_the_epoch(symbol: Hashable) -> bool:
    """Whether a test is about the number of the epoch, as ``if self.current_epoch == 0`` is."""
    if isinstance(symbol, tuple):
        return any(map(_tells_the_epoch, symbol))
    return symbol in ("current_epoch", "global_step")


@function("<analysed>")
def _never_kept(ip: Interpreter, info: CallInfo) -> Value:
    """Engines of Flower's rounds, of which the program has more than one: those that its methods make, and
    those made with clients that nothing has kept by the end."""
    if _ROUNDS.of(ip) == {Const(1)}:
        return NOTHING
    for run, here in _WITH_CLIENTS.of(ip).items():
        in_the_method = run in _IN_THE_METHOD.of(ip)
        if in_the_method or _made_with_its_client(ip, run):
            unwrapped = in_the_method and _keeps_it_unwrapped(ip, run)
            ip.happen(run, EngineOfARound(here, "Flower", not in_the_method, unwrapped))
    return NOTHING


def _keepers(ip: Interpreter, run: TrainingRun) -> list[Obj]:
    """The objects with a method around here that hold the model that a run is given, when it is made."""
    selves = [ip.store.get(frame.owner, "self") for frame in ip.frames if frame.function is not None]
    objects = {atom for value in selves if value is not None for atom in value.atoms if isinstance(atom, Obj)}
    return [o for o in objects if any(_within(ip, o, model, 2) for model in run.raw_models)]


def _keeps_it_unwrapped(ip: Interpreter, run: TrainingRun) -> bool:
    """Whether an object that holds the model of a round, and lives on, holds the private one never."""
    keepers = [o for o in _KEEPERS.of(ip).get(run, []) if not made_for_a_round(ip, o)]
    held = [ip.store.get(o, slot) for o in keepers for slot in ip.store.keys(o)]
    atoms = [atom for value in held if value is not None for atom in value.atoms]
    private = any(
        isinstance(a, Obj) and a.kind == "dp-model" and a.data.origin.node is run.origin.node for a in atoms
    )
    return bool(keepers) and not private


def _makes_clients(ip: Interpreter) -> bool:
    """Whether this is the making of a client, by the function that Flower is given for it."""
    return any(f.function is not None and f.function.node in _FACTORIES.of(ip) for f in ip.frames)


def _made_with_its_client(ip: Interpreter, run: TrainingRun) -> bool:
    """Whether Flower makes the engine with each client, and nothing of the program keeps one of them."""
    makers = _MAKERS.of(ip).get(run.engine, [])
    if not any(maker in _FACTORIES.of(ip) for maker in makers):
        return False
    return not any(_within(ip, ("module", key), run.engine, 3) for key in ip.executed)


def _within(ip: Interpreter, owner: Hashable, wanted: Atom | None, depth: int) -> bool:
    """Whether a variable, an entry of a dict or an attribute holds something, however deep."""
    held = [ip.store.get(owner, slot) for slot in ip.store.keys(owner)]
    atoms = [atom for value in held if value is not None for atom in value.atoms]
    return wanted in atoms or (
        depth > 0
        and any(
            _within(ip, atom, wanted, depth - 1)
            for atom in atoms
            if isinstance(atom, Obj) and atom.kind in ("dict", "instance", "model")
        )
    )


def _sources(ip: Interpreter, models: frozenset[Atom]) -> Iterator[Atom]:
    """The models that others were copied from, or whose state they loaded."""
    for model in models:
        original = _COPIED.of(ip).get(model)
        if original is not None:
            yield original
        for weights in _WEIGHTS.of(ip).get(model, {}).values():
            for state in weights.seen:
                yield from state.parts if isinstance(state, Unknown) else ()


_OF_AN_EPOCH = frozenset(
    ["on_train_epoch_start", "on_train_epoch_end", "on_epoch_start", "on_epoch_end", "training_step"]
)
"""The methods that Lightning calls again and again, on modules and on callbacks."""


def calls_in_rounds(cls: Class) -> bool:
    """Whether a class is a client of Flower, which calls its ``fit`` in every round."""
    return any(
        name.startswith("flwr.") and name.rpartition(".")[2] in FLOWER_CLIENTS for name in external_names(cls)
    )


def made_for_a_round(ip: Interpreter, instance: Obj) -> bool:
    """Whether a client is made by the function that Flower calls for it, and forgets what a round left."""
    return any(node is instance.node for fn in _FACTORIES.of(ip) for node in every(fn))


def _round(ip: Interpreter) -> tuple[str, Hashable] | None:
    """The framework that calls a method around in every round, and its activation; None without one."""
    for frame in ip.frames:
        function = frame.function
        if function is None:
            continue
        owner = function.owner
        bases = external_names(owner) if owner is not None else []
        client = owner is not None and calls_in_rounds(owner)
        by_app = "train" in function.decorators and b"flwr" in function.module.source.data
        if (client and function.name == "fit") or by_app:
            return "Flower", frame.owner
        lightning = any(name.partition(".")[0] in ("pytorch_lightning", "lightning") for name in bases)
        if lightning and function.name in _OF_AN_EPOCH:
            return "Lightning", frame.owner
    return None
