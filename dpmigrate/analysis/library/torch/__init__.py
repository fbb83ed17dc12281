"""What torch's names mean. Each module is one group of names; importing it registers its handlers."""

from dpmigrate.analysis.library.torch import (
    batch_norm,
    batch_statistics,
    checkpoints,
    coupling,
    data,
    distributed,
    in_place_outputs,
    losses,
    models,
    names,
    optimizers,
    parameters,
    randomness,
    tensors,
    trainable,
)

LOADED = (
    batch_norm,
    batch_statistics,
    checkpoints,
    coupling,
    data,
    distributed,
    in_place_outputs,
    losses,
    models,
    names,
    optimizers,
    parameters,
    randomness,
    tensors,
    trainable,
)

__all__ = ["LOADED"]
