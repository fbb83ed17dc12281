"""A helper makes private what several callers train, each with a criterion of its own."""

from __future__ import annotations

import pytest

from tests.fix.running import PARITY, recorded
from tests.fix.upgrading import HEAD, NEW_CALL, OLD_CALL, Make, body_of, upgraded, withheld

HELPER = """
def private(model, clip=1.0):
    engine = PrivacyEngine()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    loader = batches()
    {start}{call}{end}
"""
CALLERS = """

def batches():
    torch.manual_seed(1)
    x = torch.randn(48, 8)
    return DataLoader(TensorDataset(x, x[:, :3].argmax(dim=1)), batch_size=16)


def plain():
    criterion = nn.CrossEntropyLoss({first})
    model, optimizer, {criterion}loader = private(nn.Linear(8, 3){give})
    for x, y in loader:
        optimizer.zero_grad()
        {plain}
        optimizer.step()


def smoothed():
    loss_fn = nn.CrossEntropyLoss({second})
    model, optimizer, {loss_fn}loader = private(nn.Linear(8, 3){give_loss_fn})
    for x, y in loader:
        optimizer.zero_grad()
        losses = loss_fn(model(x), y)
        {smoothed}
        optimizer.step()


torch.manual_seed(0)
plain()
smoothed()
"""
IMPORT = "from torch.utils.data import DataLoader, TensorDataset\n\n"


def old(helper: str) -> str:
    return (
        IMPORT
        + helper
        + CALLERS.format(
            first='reduction="none"',
            second='label_smoothing=0.1, reduction="none"',
            criterion="",
            loss_fn="",
            give="",
            give_loss_fn="",
            plain="double_backward(model, optimizer, criterion(model(x), y))",
            smoothed="double_backward(model, optimizer, losses)",
        )
    )


def new(helper: str) -> str:
    return helper.replace("clip=1.0", "clip=1.0, *, criterion") + CALLERS.format(
        first="",
        second="label_smoothing=0.1",
        criterion="criterion, ",
        loss_fn="loss_fn, ",
        give=", criterion=criterion",
        give_loss_fn=", criterion=loss_fn",
        plain="criterion(model(x), y).backward()",
        smoothed="losses.backward()",
    )


WAYS = [
    (
        HELPER.format(start="return ", call=OLD_CALL, end=""),
        HELPER.format(start="return ", call=NEW_CALL, end=""),
    ),
    (
        HELPER.format(
            start="model, optimizer, loader = ", call=OLD_CALL, end="\n    return model, optimizer, loader"
        ),
        HELPER.format(
            start="model, optimizer, criterion, loader = ",
            call=NEW_CALL,
            end="\n    return model, optimizer, criterion, loader",
        ),
    ),
]


def test_a_result_that_a_caller_keeps_whole_is_left(folder: Make) -> None:
    kept = "kept = private(nn.Linear(8, 3))\n    model, optimizer, loader = kept[0], kept[1], kept[2]"
    body = old(WAYS[1][0]).replace("model, optimizer, loader = private(nn.Linear(8, 3))", kept, 1)
    assert "several criteria (train.py:" in withheld(folder, body)


def test_two_criteria_of_one_caller_are_left(folder: Make) -> None:
    either = """\
        other = nn.NLLLoss(reduction="none")
        losses = (loss_fn if len(x) > 3 else other)(model(x), y)
"""
    body = old(WAYS[0][0]).replace("        losses = loss_fn(model(x), y)\n", either)
    assert withheld(folder, body)


def test_criteria_that_reduce_otherwise_than_one_another_are_left(folder: Make) -> None:
    body = old(WAYS[0][0]).replace('label_smoothing=0.1, reduction="none"', "label_smoothing=0.1")
    assert "several criteria (train.py:" in withheld(folder, body)


@pytest.mark.parametrize(("before", "after"), WAYS)
def test_each_caller_hands_on_its_own(folder: Make, before: str, after: str) -> None:
    expected = HEAD + IMPORT + new(after)
    assert upgraded(folder, old(before)) == body_of(expected)


TRAINED = """\
def smoothed():
    model, optimizer, {got}loader = private(nn.Linear(8, 3){give})
    trained(model, optimizer, loader, {criterion})


def trained(model, optimizer, loader, loss_fn):
    for x, y in loader:
        optimizer.zero_grad()
        losses = loss_fn(model(x), y)
        {backward}
        optimizer.step()
"""
"""The criterion is made among the arguments of a call."""


def among_arguments(body: str, **parts: str) -> str:
    start, end = body.index("def smoothed"), body.index("\n\ntorch.manual_seed(0)")
    return body[:start] + TRAINED.format(**parts) + body[end:]


@pytest.mark.parametrize("given", ["weight=WEIGHTS, reduction='none'", "WEIGHTS, reduction='none'"])
def test_one_that_is_made_of_variables_among_arguments_is_left(folder: Make, given: str) -> None:
    made = f"nn.CrossEntropyLoss({given})"
    backward = "double_backward(model, optimizer, losses)"
    body = among_arguments(old(WAYS[1][0]), criterion=made, got="", give="", backward=backward)
    assert withheld(folder, body)


def test_one_that_is_made_among_arguments_gets_a_line(folder: Make) -> None:
    made = "nn.CrossEntropyLoss(label_smoothing=0.1, reduction='none')"
    backward = "double_backward(model, optimizer, losses)"
    before = among_arguments(old(WAYS[1][0]), criterion=made, got="", give="", backward=backward)
    after = among_arguments(
        new(WAYS[1][1]),
        criterion="criterion",
        got="criterion, ",
        give=", criterion=criterion",
        backward="losses.backward()",
    ).replace(
        "def smoothed():\n", "def smoothed():\n    criterion = nn.CrossEntropyLoss(label_smoothing=0.1)\n"
    )
    assert upgraded(folder, before) == body_of(HEAD + IMPORT + after)


def test_a_caller_that_does_not_train_gets_what_opacus_takes_by_default(folder: Make) -> None:
    check = """

def test_private():
    model, optimizer, loader = private(nn.Linear(8, 3))
    assert len(loader) == 3
"""
    body = upgraded(
        folder, old(WAYS[1][0]).replace("\n\ntorch.manual_seed(0)\n", f"{check}\n\ntorch.manual_seed(0)\n")
    )
    assert "model, optimizer, _, loader = private(nn.Linear(8, 3), criterion=nn.CrossEntropyLoss())" in body


def test_a_caller_in_another_file_imports_what_stands_for_the_default(folder: Make) -> None:
    check = """\
from helper import model_of
from train import private


def test_private():
    model, optimizer, loader = private(model_of())
    assert len(loader) == 3
"""
    helper = "from torch import nn\n\n\ndef model_of():\n    return nn.Linear(8, 3)\n"
    project = folder({"train.py": HEAD + old(WAYS[1][0]), "test_it.py": check, "helper.py": helper})
    result = project.fix()
    assert (set(result.applied), result.refused) == ({"train.py", "test_it.py"}, ())
    text = project.read("test_it.py")
    assert "from torch import nn\n" in text
    assert "model, optimizer, _, loader = private(model_of(), criterion=nn.CrossEntropyLoss())" in text


def test_a_caller_that_takes_the_rest_in_one_name_is_left(folder: Make) -> None:
    rest = "model, *rest = private(nn.Linear(8, 3))\n    optimizer, loader = rest"
    body = old(WAYS[0][0]).replace("model, optimizer, loader = private(nn.Linear(8, 3))", rest, 1)
    assert withheld(folder, body)


@pytest.mark.opacus
@pytest.mark.parametrize("version", ["1.5.4", "1.6.0"])
def test_it_clips_as_hooks_do(folder: Make, version: str) -> None:
    project = folder(HEAD + old(WAYS[1][0]))
    project.fix()
    account = recorded(version, project.path, "train.py", out=project.path / "record.json", hooks=True)
    assert account["run"]["error"] is None
    assert len(account["hooks_errors"]) == 6
    assert max(account["hooks_errors"]) <= PARITY
