"""Torch's names, wherever its releases have them, and what kind of object each class makes."""

from __future__ import annotations

from dpmigrate.analysis import registry
from dpmigrate.analysis.domain.atoms import Atom, Obj
from dpmigrate.analysis.language.classes import BASE_KINDS


def _canonical(name: str) -> str:
    parts = name.split(".")
    if parts[:3] == ["torch", "nn", "modules"] and len(parts) > 4:
        return "torch.nn." + parts[-1]
    if name.startswith("torch.utils.data.") and len(parts) > 4:
        return "torch.utils.data." + parts[-1]
    if parts[:3] == ["torch", "random", "default_generator"]:
        return ".".join(("torch", *parts[2:]))
    in_module = parts[:2] == ["torch", "optim"] and len(parts) == 4 and parts[2].islower()
    if in_module and parts[2] != "lr_scheduler":
        return "torch.optim." + parts[-1]
    return {"torch.random.manual_seed": "torch.manual_seed", "torch._C.Generator": "torch.Generator"}.get(
        name, name
    )


registry.CANONICAL["torch"] = _canonical

_OPTIMIZERS = (
    *("SGD", "ASGD", "Adam", "AdamW", "Adamax", "NAdam", "RAdam", "SparseAdam", "Adafactor", "Muon"),
    *("Adagrad", "Adadelta", "RMSprop", "Rprop", "LBFGS"),
)

BASE_KINDS.update(
    {
        "torch.nn.Module": "model",
        "torch.nn.Sequential": "model",
        "torch.nn.parallel.DistributedDataParallel": "model",
        **{f"torch.optim.{name}": "optimizer" for name in ("Optimizer", *_OPTIMIZERS)},
        "torch.utils.data.DataLoader": "loader",
        "torch.utils.data.Dataset": "dataset",
        "torch.utils.data.IterableDataset": "dataset",
    }
)


def real(atom: Atom) -> Atom:
    """The object itself, where ``atom`` only stands for it as an instance of a library class."""
    if isinstance(atom, Obj) and isinstance(atom.data, Obj) and atom.data.kind == "instance":
        return atom.data
    return atom
