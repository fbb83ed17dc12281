"""One program before and after the upgrade, for the tests of its shapes."""

from __future__ import annotations

from collections.abc import Callable

from tests.fix.conftest import Folder

Make = Callable[..., Folder]
HEAD = """\
import torch
import torch.nn.functional as F
from opacus import PrivacyEngine
from opacus.utils.fast_gradient_clipping_utils import double_backward
from torch import nn

"""
OLD_CALL = """engine.make_private(
        module=model, optimizer=optimizer, data_loader=loader, noise_multiplier=1.0,
        max_grad_norm=1.0,
        grad_sample_mode="ghost", clipping="ghost",
    )"""
NEW_CALL = """engine.make_private(
        module=model, optimizer=optimizer, criterion=criterion, data_loader=loader, noise_multiplier=1.0,
        max_grad_norm=1.0,
        grad_sample_mode="ghost",
    )"""

OLD_IN_OBJECT = {
    "third": "",
    "given": "",
    "clipping": ', clipping="ghost"',
    "backward": "double_backward(self.model, self.optimizer, losses)",
}
NEW_IN_OBJECT = {"clipping": "", "backward": "losses.backward()"}
"""What an upgrade changes in an object that trains its own model, beside where it keeps the criterion."""


def body_of(text: str) -> str:
    """The text behind the imports."""
    return text.partition("\n\n")[2].lstrip("\n")


def withheld(folder: Make, body: str) -> str:
    """The reason why a program is left as it is."""
    project = folder(HEAD + body)
    result = project.fix()
    assert (result.applied, result.diff) == ((), "")
    assert project.read() == HEAD + body
    assert len(result.refused) == 1
    return result.refused[0][1]


def upgraded(folder: Make, body: str) -> str:
    project = folder(HEAD + body)
    result = project.fix()
    assert (result.applied, result.refused) == (("train.py",), ())
    assert project.fix().diff == ""
    return body_of(project.read())
