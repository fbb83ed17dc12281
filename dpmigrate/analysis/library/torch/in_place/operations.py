"""Operations that change the output of a hooked layer in place: the layers that a model's input goes through.

Since 1.5.4 Opacus hooks layers in a way that makes their output a view of what autograd keeps: ``out += x``,
``ReLU(inplace=True)`` and the like right after a layer with parameters raise RuntimeError, in every clipping
mode. What an operation out of place made is a new tensor, which may be changed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import libcst as cst

from dpmigrate.analysis.core import Interpreter
from dpmigrate.analysis.domain.atoms import Atom, Const, Obj
from dpmigrate.analysis.domain.ordering import in_order
from dpmigrate.analysis.domain.values import Class
from dpmigrate.analysis.language.classes import external_names
from dpmigrate.analysis.language.holding import HOLDS
from dpmigrate.analysis.ledger import Origin
from dpmigrate.analysis.ledger.models import InPlace, InPlaceBy
from dpmigrate.analysis.library.torch.in_place.forward import MAX_DEPTH, Forward, Given
from dpmigrate.analysis.library.torch.in_place.names import SAME_MEMORY
from dpmigrate.analysis.library.torch.models import IN_PLACE
from dpmigrate.analysis.library.torch.structure import LAYERS, attributes_of, forward_of
from dpmigrate.analysis.library.torch.trainable import partly_frozen, trains_its_head_alone, wholly_frozen
from dpmigrate.analysis.source.tree import children, every
from dpmigrate.analysis.training import TrainingRun
from dpmigrate.model import Tri

_HOOKED = frozenset(
    [
        *("Linear", "Conv1d", "Conv2d", "Conv3d", "ConvTranspose1d", "ConvTranspose2d", "Bilinear"),
        *("GroupNorm", "LayerNorm", "RMSNorm", "BatchNorm1d", "BatchNorm2d", "BatchNorm3d"),
        *("Embedding", "EmbeddingBag", "PReLU", "SequenceBias"),
    ]
)
"""Layers with parameters. BatchNorm stands for what Opacus's validator puts in its place."""
_OF_TORCHVISION = (
    *("resnet", "resnext", "wide_resnet", "vgg", "alexnet", "densenet", "squeezenet", "mobilenet"),
    *("googlenet", "inception", "shufflenet", "mnasnet", "efficientnet", "regnet"),
)
"""Models of torchvision that activate in place after a normalisation or a convolution."""
_FORWARD_REPLACED = re.compile(rb"""\.forward\s*=(?!=)|["']forward["']\s*,""")
"""The program gives a class or a layer another ``forward``: a library's model may then be another one."""


def changed_in_place(ip: Interpreter, model: Atom) -> Iterator[InPlace]:
    """The operations in place after a hooked layer: a layer's constructor, a call, or an assignment.

    In a library's code, the place only makes a model of it.
    """
    reading = _Reading(ip)
    reading.layer(model, "", 0)
    for node, (origin, by) in reading.places.items():
        yield InPlace(origin, by, node in reading.certain)


def given_by(ip: Interpreter, model: Atom) -> str:
    """What a model gives, read from its input on: see ``in_place.layers.Layers``."""
    return _Reading(ip).layer(model, "", 0)


def hooks_layers(run: TrainingRun) -> bool:
    """Whether Opacus hooks the layers of a run's model: "ew" and "no_op" do not."""
    return run.mode not in ("ew", "no_op")


def _short(layer: Obj) -> str:
    return str(layer.data or "").rpartition(".")[2]


def _switched_off(ip: Interpreter) -> bool:
    """Whether the program sets ``inplace`` of its layers to False itself."""
    return ip.texts.hold(_SWITCHED_OFF)


_SWITCHED_OFF = re.compile(rb"""\.inplace\s*=\s*False|["']inplace["']\s*,\s*False""")


class _Reading:
    """One reading of a model from its input on: see ``in_place.layers.Layers``."""

    def __init__(self, ip: Interpreter) -> None:
        self.ip = ip
        self.places: dict[cst.CSTNode, tuple[Origin, InPlaceBy]] = {}
        self.certain: set[cst.CSTNode] = set()
        self.conditions = 0
        self.switched_off = _switched_off(ip)

    def layer(self, layer: Atom, given: str, depth: int) -> str:
        """What a layer gives for a tensor."""
        if not isinstance(layer, Obj) or depth > MAX_DEPTH:
            return ""
        if layer.kind == "instance" and isinstance(layer.data, Class):
            return self._instance(layer, given, depth)
        if layer.kind != "model" or layer.module is None or layer.node is None:
            return ""
        name = _short(layer)
        if name == "Sequential":
            return self._chain(layer, given, depth)
        if wholly_frozen(self.ip, layer):  # Opacus hooks what is trained; what else the model was given since
            return ""
        if str(layer.data).startswith("torchvision.models.") and name.startswith(_OF_TORCHVISION):
            if trains_its_head_alone(self.ip, layer):
                return ""
            if not self.ip.texts.hold(_FORWARD_REPLACED):
                partly = partly_frozen(self.ip, layer)
                self.conditions += partly
                self.note(Origin(layer.module, layer.node, f"torchvision's {name}"), "hooked", "library")
                self.conditions -= partly
            return "hooked"
        if given and not self.switched_off and (asked := self._asked(layer)) is not False:
            self.conditions += asked is None
            self.note(Origin(layer.module, layer.node, f"{name}(inplace=True)"), given, "layer")
            self.conditions -= asked is None
            return given
        return "hooked" if name in _HOOKED else given if name in SAME_MEMORY else ""

    def _asked(self, layer: Obj) -> Tri:
        """Whether a layer was told to activate in place; None where it is one of several values."""
        told = self.ip.store.get(layer, IN_PLACE)
        if told is None or Const(True) not in told.atoms:
            return False
        return True if told.only == Const(True) else None

    def note(self, origin: Origin, given: str, by: InPlaceBy) -> None:
        """Record an operation that changes what it is given."""
        self.places.setdefault(origin.node, (origin, by))
        if given == "hooked" and not self.conditions:
            self.certain.add(origin.node)

    def parts(self, container: Obj) -> tuple[list[Obj], bool]:
        """The layers of a container in their order: as it was given them, or as its call has them.

        And whether they are known one by one: those put in elsewhere come twice, each after the others.
        """
        given = [value.only for value in LAYERS.of(self.ip).get(container, ())]
        layers = [layer for layer in given if isinstance(layer, Obj)]
        if layers and len(layers) == len(given):
            return layers, True
        parts = in_order(HOLDS.of(self.ip).get(container, ()))
        made = {part.node: part for part in parts if part.node is not None}
        layers_met, stack = [], [container.node]
        while stack:
            node = stack.pop()
            if node in made and node is not container.node:
                layers_met.append(made[node])
            elif node is not None:
                stack.extend(reversed(children(node)))
        in_a_loop = container.node is not None and any(
            isinstance(n, cst.CompFor) for n in every(container.node)
        )
        if len(layers_met) == len(made) and not in_a_loop:
            return layers_met, True
        return parts * 2, in_a_loop and len(made) == 1

    def _chain(self, container: Obj, given: str, depth: int) -> str:
        """What the layers of a Sequential give, one after the other."""
        parts, each_known = self.parts(container)
        self.conditions += not each_known
        for part in parts:
            given = self.layer(part, given, depth + 1)
        self.conditions -= not each_known
        return given

    def _instance(self, model: Obj, given: str, depth: int) -> str:
        assert isinstance(model.data, Class)
        method = forward_of(self.ip, model)
        partly = partly_frozen(self.ip, model)
        self.conditions += partly
        if method is None:
            chained = "torch.nn.Sequential" in external_names(model.data)
            made = self._chain(model, given, depth) if chained else ""
        else:
            read = Forward(self, method, model, attributes_of(self.ip, model), depth)
            made = read.run(Given([given]), {})
        self.conditions -= partly
        return made
