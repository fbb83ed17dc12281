"""Criteria that ``make_private`` may be given: which honour ``reduction="none"``, and how to build them.

Since Opacus 1.5.3 the criterion is asked for one loss per example by setting its ``reduction``
to "none". One that ignores it yields a mean: 1.5.3 and 1.5.4 raise or are wrong, 1.6.0 clips
nothing and says nothing.
"""

from __future__ import annotations

import libcst as cst

from dpmigrate.analysis.classes import find_member
from dpmigrate.analysis.core import Interpreter
from dpmigrate.analysis.per_example import class_honours
from dpmigrate.analysis.values import Class, Function

COUNTERPARTS = {
    "cross_entropy": "CrossEntropyLoss",
    "nll_loss": "NLLLoss",
    "mse_loss": "MSELoss",
    "l1_loss": "L1Loss",
    "smooth_l1_loss": "SmoothL1Loss",
    "huber_loss": "HuberLoss",
    "binary_cross_entropy": "BCELoss",
    "binary_cross_entropy_with_logits": "BCEWithLogitsLoss",
    "kl_div": "KLDivLoss",
    "poisson_nll_loss": "PoissonNLLLoss",
    "soft_margin_loss": "SoftMarginLoss",
    "multi_margin_loss": "MultiMarginLoss",
    "multilabel_margin_loss": "MultiLabelMarginLoss",
    "multilabel_soft_margin_loss": "MultiLabelSoftMarginLoss",
    "hinge_embedding_loss": "HingeEmbeddingLoss",
}
"""``torch.nn.functional`` losses of two inputs by the ``torch.nn`` class that computes the same."""


def honours_reduction(ip: Interpreter, cls: Class) -> bool:
    """Whether a project's class certainly gives one loss per example once ``reduction`` is "none"."""
    return class_honours(ip, cls) is True


def reduction_default(ip: Interpreter, cls: Class) -> str | None:
    """The default that a project's criterion class gives ``reduction``; None where it has none."""
    init = find_member(ip, cls, "__init__")
    for atom in init.atoms if init is not None else ():
        if isinstance(atom, Function) and isinstance(atom.node, cst.FunctionDef):
            for param in (*atom.node.params.params, *atom.node.params.kwonly_params):
                if param.name.value == "reduction" and isinstance(param.default, cst.SimpleString):
                    value = param.default.evaluated_value
                    return value if isinstance(value, str) else None
            return None
    return "mean"


__all__ = ["COUNTERPARTS", "honours_reduction", "reduction_default"]
