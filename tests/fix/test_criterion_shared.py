"""A criterion that other code has beside the private run: each keeps what it is, the run gets its own."""

from __future__ import annotations

import pytest

from tests.fix.upgrading import NEW_CALL, OLD_CALL, Make, body_of, upgraded

PROGRAM = """
def teach(model, loader, criterion):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for x, y in loader:
        optimizer.zero_grad()
        criterion(model(x), y).mean().backward()
        optimizer.step()


def main(teacher, public, model, optimizer, loader, engine):
    criterion = {criterion}
    {taught}{made}model, optimizer, {third}loader = {call}
    for x, y in loader:
        optimizer.zero_grad()
        losses = {name}(model(x), y)
        {backward}
        optimizer.step()
    {tested}


main(nn.Linear(4, 2), [], nn.Linear(4, 2), None, [], PrivacyEngine())
"""
TAUGHT = "teach(teacher, public, criterion)\n    "
TESTED = "print(criterion(teacher(public[0]), public[1]).sum())"
TWO_PASSES = "double_backward(model, optimizer, losses)"


def program(criterion: str, taught: str, tested: str, own: bool = False) -> str:
    name = "private_criterion" if own else "criterion"
    return PROGRAM.format(
        criterion=criterion,
        taught=taught,
        tested=tested,
        made=f"{name} = nn.CrossEntropyLoss()\n    " if own else "",
        third=f"{name}, " if own else "",
        call=NEW_CALL.replace("criterion=criterion", f"criterion={name}") if own else OLD_CALL,
        name=name,
        backward="losses.backward()" if own else TWO_PASSES,
    )


NONE = 'nn.CrossEntropyLoss(reduction="none")'


@pytest.mark.parametrize(("taught", "tested"), [(TAUGHT, ""), (TAUGHT, TESTED)])
def test_a_teacher_trained_before_keeps_its_own(folder: Make, taught: str, tested: str) -> None:
    assert upgraded(folder, program(NONE, taught, tested)) == body_of(
        "\n\n" + program(NONE, taught, tested, own=True)
    )


def test_alone_it_is_lifted(folder: Make) -> None:
    assert "criterion = nn.CrossEntropyLoss()\n" in upgraded(folder, program(NONE, "", ""))
