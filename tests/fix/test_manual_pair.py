"""Ghost model and optimizer without an engine: which criterion is wrapped, where, and which is left."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.fix.conftest import Folder
from tests.opacus_releases import CHECKOUT

BEFORE = (CHECKOUT / "fixtures" / "stale-manual-pair" / "before" / "train.py").read_text(encoding="utf-8")
OWN = '    criterion = nn.CrossEntropyLoss(reduction="none")\n'
LOSSES = "    losses = criterion(model(xb), yb)\n"


def changed(*pairs: tuple[str, str]) -> str:
    text = BEFORE
    for old, new in pairs:
        assert text.count(old) == 1
        text = text.replace(old, new)
    return text


REFUSED = {
    "made anew for each batch": (
        changed((LOSSES, '    losses = nn.CrossEntropyLoss(reduction="none")(model(xb), yb)\n')),
        "has no variable of its own",
    ),
    "one of two": (
        changed(
            (OWN, f"{OWN}    if len(loader) > 5:\n        criterion = nn.MultiMarginLoss(reduction='none')\n")
        ),
        "has no variable of its own",
    ),
    "a function of torch": (
        changed((LOSSES, '    losses = nn.functional.cross_entropy(model(xb), yb, reduction="none")\n')),
        "no one object",
    ),
    "made in a function": (
        changed(
            (OWN, "    criterion = made()\n"),
            (
                "def main",
                f"def made():\n{OWN}    return criterion\n\n\ndef main",
            ),
        ),
        "wrap it in DPLossFastGradientClipping",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_criterion_that_cannot_be_wrapped_is_left(folder: Callable[..., Folder], name: str) -> None:
    text, why = REFUSED[name]
    project = folder(text)
    result = project.fix(opacus=">=1.5.3")
    assert project.read() == text
    assert any(why in reason for _, reason in result.refused)


def test_a_criterion_that_comes_first_is_wrapped_after_the_optimizer(folder: Callable[..., Folder]) -> None:
    project = folder(changed((OWN, ""), ("    torch.manual_seed(12)\n", f"    torch.manual_seed(12)\n{OWN}")))
    result = project.fix(opacus=">=1.5.3")
    assert result.refused == ()
    fixed = project.read()
    assert "    torch.manual_seed(12)\n    criterion = nn.CrossEntropyLoss()\n" in fixed
    assert "    )\n    criterion = DPLossFastGradientClipping(model, optimizer, criterion)\n" in fixed
