"""Helpers behind decorators, properties and callable objects; criteria that several runs would share."""

from __future__ import annotations

import pytest

from tests.fix.upgrading import HEAD, NEW_CALL, OLD_CALL, Make, body_of, upgraded, withheld

KEPT = 'criterion = nn.CrossEntropyLoss(reduction="none")\n    '
OLD = {
    "call": OLD_CALL,
    "kept": KEPT,
    "made": "",
    "third": "",
    "param": "",
    "given": "",
    "backward": "double_backward(model, optimizer, losses)",
}
NEW = {
    "call": NEW_CALL,
    "kept": "",
    "made": "criterion = nn.CrossEntropyLoss()\n    ",
    "third": "criterion, ",
    "param": ", criterion",
    "given": ", criterion=criterion",
    "backward": "losses.backward()",
}
"""What an upgrade changes: where the program keeps its criterion, and where one is made for the run."""

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
    {kept}for x, y in loader:
        optimizer.zero_grad()
        losses = criterion(model(x), y)
        {backward}
        optimizer.step()


model = nn.Linear(2, 2)
model, optimizer, {third}loader = private(model, torch.optim.SGD([], lr=0.1), torch.utils.data.DataLoader([]))
train(model, optimizer, loader{given})
"""


def assert_upgraded(folder: Make, before: str, after: str) -> None:
    assert upgraded(folder, before) == body_of("\n\n" + after.lstrip("\n"))


@pytest.mark.parametrize(
    "result",
    ["return function(*args, **kwargs)", "kept = function(*args, **kwargs)\n        return kept"],
)
def test_a_decorator_that_hands_on_what_it_gets_is_seen_through(folder: Make, result: str) -> None:
    assert_upgraded(folder, DECORATED.format(**OLD, result=result), DECORATED.format(**NEW, result=result))


def test_a_decorator_that_gives_back_something_else_is_not(folder: Make) -> None:
    program = DECORATED.format(**OLD, result="return function(*args, **kwargs), 1.0")
    project = folder(HEAD + program.replace("loader = private(", "loader = setup = private("))
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
    {kept}model, optimizer, {third}loader = {asked}
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
    made = NEW | {"made": f"{NEW['made']}    "}  # a method's line
    assert_upgraded(
        folder, ASKED.format(**OLD, kind=kind, asked=asked), ASKED.format(**made, kind=kind, asked=asked)
    )


SWEEP = """
def private(lr):
    model, loader = nn.Linear(2, 2), torch.utils.data.DataLoader([])
    optimizer, engine = torch.optim.SGD(model.parameters(), lr=lr), PrivacyEngine()
    {made}return {call}


def main():
    {kept}for model, optimizer, {third}loader in {runs}:
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
    assert_upgraded(folder, SWEEP.format(**OLD, runs=runs), SWEEP.format(**NEW, runs=runs))


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
MEMBER = 'self.criterion = nn.CrossEntropyLoss(reduction="none")'


@pytest.mark.parametrize(
    ("kept", "loss", "name"),
    [
        (MEMBER, "self.criterion(self.model(x), y)", "loss_fn"),
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
    assert_upgraded(folder, before, after)


OTHERWISE = """
def main(model, optimizer, loader, private):
    {made}{before}{result}
    model, optimizer, {third}loader = {taken}
    for x, y in loader:
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
    program = OTHERWISE.replace("{before}", before).replace("{result}", result).replace("{taken}", taken)
    assert_upgraded(folder, program.format(**OLD | {"made": KEPT}), program.format(**NEW))


def test_one_that_has_no_criterion_yet_withholds(folder: Make) -> None:
    program = OTHERWISE.replace("{before}", BEFORE).replace("{taken}", "result")
    program = program.replace("{result}", "if private:\n        result = {call}")
    functional = 'F.cross_entropy(model(x), y, reduction="none")'
    body = program.format(**OLD).replace("criterion(model(x), y)", functional)
    assert "three objects that make_private did not return" in withheld(folder, body)
