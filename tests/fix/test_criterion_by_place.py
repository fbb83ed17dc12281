"""A loss class of the project that is given its reduction by place: it is lifted as one by keyword is."""

from __future__ import annotations

import pytest

from tests.fix.upgrading import NEW_CALL, OLD_CALL, Make, upgraded, withheld

PROGRAM = """\
class Smooth(nn.Module):
    def __init__(self, smoothing=0.0, reduction="{default}"):
        super().__init__()
        self.smoothing, self.reduction = smoothing, reduction

    def forward(self, logits, target):
        return F.cross_entropy(logits, target, label_smoothing=self.smoothing, reduction=self.reduction)


def train(model, optimizer, loader, ghost):
    torch.manual_seed(1)
    engine = PrivacyEngine()
    criterion = Smooth({given})
    {result} = {call}
    for x, y in loader:
        optimizer.zero_grad()
        {backward}
        optimizer.step()
"""


def old(given: str, default: str = "mean") -> str:
    return PROGRAM.format(
        given=given,
        default=default,
        result="model, optimizer, loader",
        call=OLD_CALL,
        backward="double_backward(model, optimizer, criterion(model(x), y))",
    )


@pytest.mark.parametrize("default", ["mean", "none"])
@pytest.mark.parametrize(
    ("given", "lifted"),
    [
        ('0.1, "none"', '0.1, "mean"'),
        ("0.1, 'none'", "0.1, 'mean'"),
        ('0.1, "none" if ghost else "mean"', '0.1, "mean"'),
    ],
)
def test_it_is_given_the_reduction_of_the_engine(folder: Make, given: str, lifted: str, default: str) -> None:
    assert upgraded(folder, old(given, default)) == PROGRAM.format(
        given=lifted,
        default=default,
        result="model, optimizer, criterion, loader",
        call=NEW_CALL,
        backward="criterion(model(x), y).backward()",
    )


@pytest.mark.parametrize("given", ["0.1, str(ghost)", "*ghost"])
def test_one_that_is_no_literal_is_left_alone(folder: Make, given: str) -> None:
    assert "reduction= of this criterion is no literal" in withheld(folder, old(given))
