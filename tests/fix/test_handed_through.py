"""Helpers behind decorators, properties and callable objects; criteria that several runs would share."""

from __future__ import annotations

import pytest

from tests.fix.upgrading import HEAD, NEW_CALL, OLD_CALL, Make, body_of, upgraded, withheld

MADE = "criterion = nn.CrossEntropyLoss()"
DECORATED = """
def logged(function):
    def run(*args, **kwargs):
        print("in")
        {result}

    return run


@logged
def private(model, optimizer, loader):
    engine = PrivacyEngine()
    {made}model, optimizer, {third}loader = {call}
    return model, optimizer, {third}loader


@logged
def train(model, optimizer, loader{param}):
    {own}for x, y in loader:
        optimizer.zero_grad()
        losses = criterion(model(x), y)
        {backward}
        optimizer.step()


model = nn.Linear(2, 2)
model, optimizer, {third}loader = private(model, torch.optim.SGD([], lr=0.1), torch.utils.data.DataLoader([]))
train(model, optimizer, loader{given})
"""


@pytest.mark.parametrize(
    "result",
    ["return function(*args, **kwargs)", "kept = function(*args, **kwargs)\n        return kept"],
)
def test_a_decorator_that_hands_on_what_it_gets_is_seen_through(folder: Make, result: str) -> None:
    before = DECORATED.format(
        result=result,
        made="",
        third="",
        call=OLD_CALL,
        param="",
        own='criterion = nn.CrossEntropyLoss(reduction="none")\n    ',
        backward="double_backward(model, optimizer, losses)",
        given="",
    )
    after = DECORATED.format(
        result=result,
        made=f"{MADE}\n    ",
        third="criterion, ",
        call=NEW_CALL,
        param=", criterion",
        own="",
        backward="losses.backward()",
        given=", criterion=criterion",
    )
    assert upgraded(folder, before) == body_of("\n\n" + after.lstrip("\n"))


def test_a_decorator_that_gives_back_something_else_is_not(folder: Make) -> None:
    before = DECORATED.format(
        result="return function(*args, **kwargs), 1.0",
        made="",
        third="",
        call=OLD_CALL,
        param="",
        own='criterion = nn.CrossEntropyLoss(reduction="none")\n    ',
        backward="double_backward(model, optimizer, losses)",
        given="",
    ).replace("loader = private(", "loader = setup = private(")
    project = folder(HEAD + before)
    assert project.fix().applied == ()


ASKED = """
class Setup:
    def __init__(self, model):
        self.model = model

    {kind}
        model, optimizer, loader = self.model, torch.optim.SGD([], lr=0.1), torch.utils.data.DataLoader([])
        engine = PrivacyEngine()
        {made}return {call}


def main(model):
    setup = Setup(model)
    {first}model, optimizer, {third}loader = {asked}
    for x, y in loader:
        optimizer.zero_grad()
        losses = criterion(model(x), y)
        {backward}
        optimizer.step()


main(nn.Linear(2, 2))
"""


@pytest.mark.parametrize(
    ("kind", "asked"),
    [("@property\n    def private(self):", "setup.private"), ("def __call__(self):", "setup()")],
)
def test_what_is_called_by_no_name_makes_its_own(folder: Make, kind: str, asked: str) -> None:
    before = ASKED.format(
        kind=kind,
        asked=asked,
        made="",
        call=OLD_CALL,
        first='criterion = nn.CrossEntropyLoss(reduction="none")\n    ',
        third="",
        backward="double_backward(model, optimizer, losses)",
    )
    after = ASKED.format(
        kind=kind,
        asked=asked,
        made=f"{MADE}\n        ",
        call=NEW_CALL,
        first="",
        third="criterion, ",
        backward="losses.backward()",
    )
    assert upgraded(folder, before) == body_of("\n\n" + after.lstrip("\n"))


SWEEP = """
def private(lr):
    model, loader = nn.Linear(2, 2), torch.utils.data.DataLoader([])
    optimizer, engine = torch.optim.SGD(model.parameters(), lr=lr), PrivacyEngine()
    {made}return {call}


def main():
    {first}for model, optimizer, {third}loader in {runs}:
        for x, y in loader:
            optimizer.zero_grad()
            losses = criterion(model(x), y)
            {backward}
            optimizer.step()


main()
"""


@pytest.mark.parametrize("runs", ["[private(lr) for lr in (0.1, 0.2)]", "map(private, (0.1, 0.2))"])
def test_each_turn_of_a_comprehension_has_a_criterion_of_its_own(folder: Make, runs: str) -> None:
    """Opacus 1.5.3 and 1.5.4 refuse one that another run has had."""
    before = SWEEP.format(
        runs=runs,
        made="",
        call=OLD_CALL,
        first='criterion = nn.CrossEntropyLoss(reduction="none")\n    ',
        third="",
        backward="double_backward(model, optimizer, losses)",
    )
    after = SWEEP.format(
        runs=runs,
        made=f"{MADE}\n    ",
        call=NEW_CALL,
        first="",
        third="criterion, ",
        backward="losses.backward()",
    )
    assert upgraded(folder, before) == body_of("\n\n" + after.lstrip("\n"))


MODULE = """
class Learner(nn.Module):
    def __init__(self, model, optimizer, loader):
        super().__init__()
        self.model, self.optimizer, self.loader = model, optimizer, loader
        {kept}

    def start(self):
        model, optimizer, loader, engine = self.model, self.optimizer, self.loader, PrivacyEngine()
        self.model, self.optimizer, {third}self.loader = {call}

    def train_all(self):
        for x, y in self.loader:
            self.optimizer.zero_grad()
            losses = {loss}
            {backward}
            self.optimizer.step()


learner = Learner(nn.Linear(2, 2), torch.optim.SGD([], lr=0.1), torch.utils.data.DataLoader([]))
learner.start()
learner.train_all()
"""
KEPT = 'self.criterion = nn.CrossEntropyLoss(reduction="none")'


@pytest.mark.parametrize(
    ("kept", "loss", "name"),
    [
        (KEPT, "self.criterion(self.model(x), y)", "loss_fn"),
        ("pass", 'nn.functional.cross_entropy(self.model(x), y, reduction="none")', "criterion"),
    ],
)
def test_a_module_keeps_the_wrapped_criterion_where_no_module_stood(
    folder: Make, kept: str, loss: str, name: str
) -> None:
    """``nn.Module`` lets nothing but a module take a module's place, and the wrapped criterion is none."""
    before = MODULE.format(
        kept=kept,
        call=OLD_CALL,
        third="",
        loss=loss,
        backward="double_backward(self.model, self.optimizer, losses)",
    )
    after = MODULE.format(
        kept=kept,
        call=NEW_CALL.replace("criterion=criterion", "criterion=nn.CrossEntropyLoss()"),
        third=f"self.{name}, ",
        loss=f"self.{name}(self.model(x), y)",
        backward="losses.backward()",
    )
    assert upgraded(folder, before) == body_of("\n\n" + after.lstrip("\n"))


OTHERWISE = """
def main(model, optimizer, loader, private):
    {first}{before}{result}
    model, optimizer, {third}loader = {taken}
    {own}for x, y in loader:
        optimizer.zero_grad()
        losses = criterion(model(x), y)
        if private:
            {backward}
        else:
            losses.mean().backward()
        optimizer.step()


if __name__ == "__main__":
    import sys

    main(nn.Linear(2, 2), torch.optim.SGD([], lr=0.1), torch.utils.data.DataLoader([]), "-p" in sys.argv)
"""
BEFORE = "result = model, optimizer, {third}loader\n    engine = PrivacyEngine()\n    "


@pytest.mark.parametrize(
    ("before", "result", "taken"),
    [
        (BEFORE, "if private:\n        result = {call}", "result"),
        (
            "engine = PrivacyEngine()\n    ",
            "pass",
            "{call} if private else (model, optimizer, {third}loader)",
        ),
    ],
)
def test_what_is_taken_apart_on_another_way_has_the_criterion_too(
    folder: Make, before: str, result: str, taken: str
) -> None:
    def program(old: bool) -> str:
        words = {"call": OLD_CALL if old else NEW_CALL, "third": "" if old else "criterion, "}
        made = 'nn.CrossEntropyLoss(reduction="none")' if old else "nn.CrossEntropyLoss()"
        return OTHERWISE.format(
            first=f"criterion = {made}\n    ",
            before=before.format(**words),
            result=result.format(**words),
            taken=taken.format(**words),
            third=words["third"],
            own="",
            backward="double_backward(model, optimizer, losses)" if old else "losses.backward()",
        )

    assert upgraded(folder, program(old=True)) == body_of("\n\n" + program(old=False).lstrip("\n"))


def test_one_that_has_no_criterion_yet_withholds(folder: Make) -> None:
    words = {"call": OLD_CALL, "third": ""}
    body = OTHERWISE.format(
        first="",
        before=BEFORE.format(**words),
        result="if private:\n        result = {call}".format(**words),
        taken="result",
        third="",
        own="",
        backward="double_backward(model, optimizer, losses)",
    ).replace("criterion(model(x), y)", 'F.cross_entropy(model(x), y, reduction="none")')
    assert "three objects that make_private did not return" in withheld(folder, body)
