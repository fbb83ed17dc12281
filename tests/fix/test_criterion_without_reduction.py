"""A loss class of the project that has no reduction, which Opacus 1.5.3 and 1.5.4 ask a criterion for."""

from __future__ import annotations

import pytest

from tests.fix.upgrading import NEW_CALL, OLD_CALL, Make, upgraded, withheld

PROGRAM = """\
class Margin(nn.Module):
{variable}    def __init__(self, margin=1.0):
        super().__init__()
        self.margin = margin{own}

    def forward(self, scores, target):
        right = scores.gather(1, target[:, None]).squeeze(1)
        wrong = scores.gather(1, 1 - target[:, None]).squeeze(1)
        losses = F.relu(self.margin - right + wrong)
        return {value}


def train(model, optimizer, loader):
    torch.manual_seed(1)
    engine = PrivacyEngine()
    criterion = Margin(0.5)
    {result} = {call}
    for x, y in loader:
        optimizer.zero_grad()
        {backward}
        optimizer.step()
"""
OLD = {
    "variable": "",
    "own": "",
    "value": "losses",
    "result": "model, optimizer, loader",
    "call": OLD_CALL,
    "backward": "double_backward(model, optimizer, criterion(model(x), y))",
}
NEW = OLD | {
    "result": "model, optimizer, criterion, loader",
    "call": NEW_CALL,
    "backward": "criterion(model(x), y).backward()",
}
HONOURS = 'losses if self.reduction == "none" else losses.mean()'


@pytest.mark.parametrize("documented", ["", '    """A margin."""\n\n'])
def test_it_is_given_the_reduction_of_the_engine(folder: Make, documented: str) -> None:
    blank = "" if not documented else "\n"
    before = PROGRAM.format(**OLD | {"variable": documented})
    after = PROGRAM.format(
        **NEW | {"variable": f'{documented.rstrip()}{blank}{blank}    reduction = "mean"\n\n'}
    )
    assert upgraded(folder, before) == after


def test_the_sum_of_its_losses_stays_a_sum(folder: Make) -> None:
    loop = "losses = criterion(model(x), y)\n        {}\n        print({})"
    old = loop.format("double_backward(model, optimizer, losses)", "losses.sum().item()")
    new = loop.format("losses.backward()", "losses.item() * len(y) if len(y) else 0.0")
    after = PROGRAM.format(**NEW | {"variable": '    reduction = "mean"\n\n', "backward": new})
    assert upgraded(folder, PROGRAM.format(**OLD | {"backward": old})) == after


@pytest.mark.parametrize(
    "said", [{"own": '\n        self.reduction = "none"'}, {"variable": '    reduction = "none"\n\n'}]
)
def test_one_that_says_none_of_itself_is_left_alone(folder: Make, said: dict[str, str]) -> None:
    reason = withheld(folder, PROGRAM.format(**OLD | said | {"value": HONOURS}))
    assert reason.startswith(
        'line 7: Margin sets its reduction itself, and make_private expects "mean" of it'
    )


HOLDING = """\
class Weighted(nn.Module):
{variable}    def __init__(self):
        super().__init__()
        self.inner = nn.CrossEntropyLoss(reduction="{inner}")

    def forward(self, scores, target):
        return self.inner(scores, target) * 2.0


def train(model, optimizer, loader):
    torch.manual_seed(1)
    engine = PrivacyEngine()
    criterion = Weighted()
    {result} = {call}
    for x, y in loader:
        optimizer.zero_grad()
        {backward}
        optimizer.step()
"""


def test_one_that_holds_a_criterion_of_losses_per_example_is_of_them_too(folder: Make) -> None:
    after = HOLDING.format(**NEW | {"variable": '    reduction = "mean"\n\n'}, inner="none")
    assert upgraded(folder, HOLDING.format(**OLD, inner="none")) == after


def test_one_that_holds_a_mean_is_left_alone(folder: Make) -> None:
    assert "Weighted does not give one loss per example" in withheld(
        folder, HOLDING.format(**OLD, inner="mean")
    )
