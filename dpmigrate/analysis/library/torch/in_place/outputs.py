"""What a private model gave, changed in place by the code that trains it: ``out = model(x); out += 1``.

Where the model's last layer is a hooked one its output is that layer's. Every form raises on 1.5.4 and
1.6.0 in hooks, functorch and ghost mode, in evaluation mode too, unless the output was made without
gradients (measured).
"""

from __future__ import annotations

from dataclasses import replace

import libcst as cst

from dpmigrate.analysis.core import Interpreter
from dpmigrate.analysis.domain.atoms import Const, Obj, Tensor
from dpmigrate.analysis.domain.ordering import in_order
from dpmigrate.analysis.domain.values import NOTHING, Value
from dpmigrate.analysis.guards import doubt
from dpmigrate.analysis.ledger import Origin
from dpmigrate.analysis.ledger.models import INPLACE_PLACES, VIEWS, ChangedInPlace, InPlaceBy
from dpmigrate.analysis.library.torch.in_place.names import changes_in_place
from dpmigrate.analysis.library.torch.in_place.operations import given_by, hooks_layers
from dpmigrate.analysis.library.torch.models import IN_PLACE
from dpmigrate.analysis.registry import CallInfo, function
from dpmigrate.analysis.training import TrainingRun


@function("<changed by an operator>")
def _by_operator(ip: Interpreter, info: CallInfo) -> Value:
    """``out += 1``, ``out[:, 0] = 0``."""
    part = "a part of " if isinstance(info.node, cst.Subscript) else ""
    _tell(ip, info, f"{part}the model's output is changed in place", "operator")
    return NOTHING


@function("<asked of a tensor>")
def _by_method(ip: Interpreter, info: CallInfo) -> Value:
    """``out.relu_()``."""
    if isinstance(info.node, cst.Call) and changes_in_place(info.name):
        _tell(ip, info, f"{info.name} changes the model's output in place", "method")
    return NOTHING


@function("<given to a function of tensors>")
def _by_function(ip: Interpreter, info: CallInfo) -> Value:
    """``F.relu_(out)``, ``F.relu(out, inplace=True)``."""
    name = info.name.rpartition(".")[2]
    if changes_in_place(name) or info.argument(INPLACE_PLACES.get(name), "inplace").only == Const(True):
        _tell(ip, info, f"{name} changes the model's output in place", "function")
    return NOTHING


@function("<given to a module>")
def _by_layer(ip: Interpreter, info: CallInfo) -> Value:
    """``act(out)`` of an ``act = nn.ReLU(inplace=True)``."""
    layer = info.positional[0].only
    told = ip.store.get(layer, IN_PLACE) if isinstance(layer, Obj) else None
    if isinstance(layer, Obj) and layer.node is not None and told is not None and told.only == Const(True):
        given = CallInfo(info.node, info.positional[1:], name=info.name)
        _tell(ip, given, "a layer with inplace=True changes the model's output", "layer", layer)
    return NOTHING


def _tell(ip: Interpreter, info: CallInfo, text: str, by: InPlaceBy, layer: Obj | None = None) -> None:
    """Record it where the first thing that ``info`` has is a private model's output, or a view of it.

    ``layer`` is what changes it, which is where it was made that the change is asked for.
    """
    changed = info.positional[0] if info.positional else NOTHING
    for e in changed.entries:
        if not isinstance(e.atom, Tensor) or e.atom.detached or not VIEWS.issuperset(e.atom.steps):
            continue
        maker = e.atom.maker
        if not isinstance(maker, Obj) or maker.kind != "dp-model":
            continue
        last = _last_layer(ip, maker.data)
        if last:
            one_of_several = len(changed.entries) > 1 and not e.guard
            unsure = {doubt("in place", info.node)} if last == "perhaps" or one_of_several else set()
            there = ip.at(info.node, e.guard | unsure)
            if layer is not None and layer.module is not None and layer.node is not None:
                there = replace(there, origin=Origin(layer.module, layer.node, text))
            ip.happen(maker.data, ChangedInPlace(there, text, by))


def _last_layer(ip: Interpreter, run: TrainingRun) -> str:
    """What the models of a run give: see ``in_place.layers.Layers``."""
    if not hooks_layers(run):
        return ""
    given = {given_by(ip, model) for model in in_order(run.raw_models)}
    return given.pop() if len(given) == 1 else "perhaps" if "hooked" in given else ""
