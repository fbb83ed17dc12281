"""What a run's model and optimizer are made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

from dpmigrate.analysis.ledger.circumstances import Origin
from dpmigrate.analysis.ledger.events import Event

VIEWS = frozenset(
    [
        *("flatten", "unflatten", "view", "reshape", "squeeze", "unsqueeze", "permute", "transpose", "t"),
        *("swapaxes", "expand", "expand_as", "view_as", "contiguous", "narrow", "select", "diagonal"),
        *("chunk", "split", "tensor_split", "unbind"),
    ]
)
"""Functions and methods that give the memory of a tensor back, or parts of it."""

INPLACE_PLACES = {
    **dict.fromkeys(["ReLU", "ReLU6", "SELU", "SiLU", "Mish", "Hardswish", "Hardsigmoid"], 0),
    **dict.fromkeys(["LeakyReLU", "ELU", "CELU", "Dropout", "Dropout1d", "Dropout2d", "Dropout3d"], 1),
    **dict.fromkeys(["AlphaDropout", "FeatureAlphaDropout"], 1),
    **dict.fromkeys(["Threshold", "Hardtanh", "RReLU"], 2),
    **dict.fromkeys(["relu", "relu6", "selu", "silu", "mish", "hardswish", "hardsigmoid"], 1),
    **dict.fromkeys(["leaky_relu", "elu", "celu"], 2),
    **dict.fromkeys(["dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout"], 3),
    **dict.fromkeys(["threshold", "hardtanh", "feature_alpha_dropout"], 3),
    "rrelu": 4,
}
"""Which argument of torch's layers and functions ``inplace`` is, counted from 0, where they have one."""


@dataclass(frozen=True, slots=True)
class SequenceLayer(Event):
    """A layer of the model applies a Linear with a bias to sequences, ``(batch, time, features)``."""


@dataclass(frozen=True, slots=True)
class BatchNormKept(Event):
    """The model has a BatchNorm that the validator lets pass, since nothing of it is trained.

    ``sure``: it has no parameters, or the program freezes them; ``name``: the layer, or the library's model.
    """

    name: str
    sure: bool


@dataclass(frozen=True, slots=True)
class BatchNormRefused(Event):
    """The model has a BatchNorm that is trained, and nothing replaces one: ``make_private`` only raises.

    ``sure``: it is there in every execution.
    """

    sure: bool


@dataclass(frozen=True, slots=True)
class ParameterOutside(Event):
    """A parameter of a layer is used outside it, past its hooks: ``name``, as the model has it."""

    name: str


@dataclass(frozen=True, slots=True)
class BatchStatistics(Event):
    """The model's ``forward`` takes a mean or deviation over dimension 0 out of the very tensor.

    ``text``: the call; ``sure``: nothing there permutes dimensions; ``given``: the model, or a loss, is given
    a batch out of which a statistic over all of it was taken.
    """

    text: str
    sure: bool
    given: bool = False


@dataclass(frozen=True, slots=True)
class PaddingRead(Event):
    """The model reads, by its position, what padding to the longest of the batch has changed: ``text``.

    ``averaged``: it takes the mean over the steps, the padding among them.
    """

    text: str
    averaged: bool = False


@dataclass(frozen=True, slots=True)
class ExamplesCoupled(Event):
    """Examples of one batch are mixed with one another, or (``compared``) a loss is made of pairs of them.

    ``text``: the computation; ``sure``: nothing else can be meant by it.
    """

    text: str
    compared: bool
    sure: bool


@dataclass(frozen=True, slots=True)
class RecordsRepeated(Event):
    """The data that a run is given holds its records more than once: ``ConcatDataset([data, data])``."""

    text: str
    times: int
    sure: bool
    """Whether they are there more than once for all that is known, and no part was taken since."""
    of_others: bool = False
    """Whether records are made out of several others instead, as SMOTE makes them."""


@dataclass(frozen=True, slots=True)
class PartEvaluated(Event):
    """``eval()`` is called on a part of a model, or on what may be one."""


@dataclass(frozen=True, slots=True)
class WholeInTrainMode(Event):
    """``train()`` is called on the private model: on its parts as well that were told ``eval()``."""


@dataclass(frozen=True, slots=True)
class OrdinaryOptimizer(Event):
    """A ghost module that is wrapped by hand gets the optimizer of standard clipping."""

    name: str


@dataclass(frozen=True, slots=True)
class DataParallel(Event):
    """The model is wrapped in torch's ``DistributedDataParallel``: before the run is made of it, or after."""

    before: bool


InPlaceBy = Literal["layer", "function", "method", "operator", "library"]
"""A layer made with ``inplace=True``, ``F.relu_(h)``, ``h.relu_()``, ``h += x``, a library's model."""


class InPlace(NamedTuple):
    """Where a model changes outputs of layers in place."""

    origin: Origin
    by: InPlaceBy
    """What does it; the code of a library is not in the place, which only makes a model of it."""
    sure: bool
    """Whether each pass through the model comes to it."""

    @property
    def library(self) -> bool:
        """Whether that is in the code of a library, which makes the model."""
        return self.by == "library"


@dataclass(frozen=True, slots=True)
class ChangedInPlace(Event):
    """The model changes the output of a hooked layer in place: it raises since Opacus 1.5.4."""

    text: str
    by: InPlaceBy

    @property
    def library(self) -> bool:
        """Whether that is in the code of a library, which makes the model."""
        return self.by == "library"
