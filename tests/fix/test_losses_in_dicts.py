"""Losses that a function returns in a dict, beside other things."""

from __future__ import annotations

import pytest

from tests.fix.upgrading import HEAD, NEW_CALL, OLD_CALL, Make, body_of, upgraded

PROGRAM = """
def compute(model, batch, criterion):
    x, y = batch
    out = model(x)
    return {{"loss": criterion(out, y), "right": (out.argmax(1) == y).sum()}}


def main(model, optimizer, loader):
    criterion = {made}
    engine = PrivacyEngine()
    model, optimizer, {third}loader = {call}
    for batch in loader:
        optimizer.zero_grad()
        told = compute(model, batch, criterion)
        {backward}
        optimizer.step()
        {read}


main(nn.Linear(2, 2), torch.optim.SGD([], lr=0.1), torch.utils.data.DataLoader([]))
"""


def program(old: bool, read: str) -> str:
    return PROGRAM.format(
        made='nn.CrossEntropyLoss(reduction="none")' if old else "nn.CrossEntropyLoss()",
        third="" if old else "criterion, ",
        call=OLD_CALL if old else NEW_CALL,
        backward='double_backward(model, optimizer, told["loss"])' if old else 'told["loss"].backward()',
        read=read,
    )


def test_what_is_read_by_its_key_is_followed(folder: Make) -> None:
    before = program(old=True, read='print(told["loss"].mean().item(), told["right"].item())')
    after = program(old=False, read='print(told["loss"].item(), told["right"].item())')
    assert upgraded(folder, before) == body_of("\n\n" + after.lstrip("\n"))


@pytest.mark.parametrize(
    "read",
    [
        "print({k: v.mean().item() for k, v in told.items()})",
        "print(told)",
        'print(f"{told}")',
        "torch.save(told, 'x')",
        "print(*compute(model, batch, criterion).values())",
        'print(told["loss"].std())',
    ],
)
def test_what_is_taken_whole_is_left(folder: Make, read: str) -> None:
    text = HEAD + program(old=True, read=read)
    project = folder(text)
    result = project.fix()
    assert (result.applied, len(result.refused)) == ((), 1)
    assert project.read() == text
