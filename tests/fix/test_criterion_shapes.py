"""Where the criterion of an upgraded run is: in a branch, among arguments, in a default, in an object."""

from __future__ import annotations

import pytest

from tests.fix.upgrading import NEW_CALL, NEW_IN_OBJECT, OLD_CALL, OLD_IN_OBJECT, Make, upgraded, withheld

LOOP = """\
    for x, y in loader:
        optimizer.zero_grad()
        double_backward(model, optimizer, criterion(model(x), y))
        optimizer.step()
"""
NEW_LOOP = LOOP.replace(
    "double_backward(model, optimizer, criterion(model(x), y))", "criterion(model(x), y).backward()"
)
MODES = """
def main(model, optimizer, loader, mode):
    engine = PrivacyEngine()
    if mode == "ghost":
        criterion = nn.CrossEntropyLoss(reduction="none")
        {result} = {call}
    else:
        criterion = nn.CrossEntropyLoss({other})
        model, optimizer, loader = engine.make_private(
            module=model, optimizer=optimizer, data_loader=loader, noise_multiplier=1.0, max_grad_norm=1.0
        )
    for x, y in loader:
        optimizer.zero_grad()
        loss = criterion(model(x), y)
        if mode == "ghost":
            {ghost}
        else:
            loss.{reduced}backward()
        optimizer.step()
        print(loss{reduced_}.item())
"""


def modes(old: bool, other: str = "", reduced: str = "", reduced_: str = ".mean()") -> str:
    """Each mode has a criterion of its own in the same variable."""
    call = (OLD_CALL if old else NEW_CALL).replace("\n", "\n    ")
    text = MODES if old else MODES.replace('CrossEntropyLoss(reduction="none")', "CrossEntropyLoss()")
    return text.format(
        result="model, optimizer, loader" if old else "model, optimizer, criterion, loader",
        call=call,
        other=other,
        ghost="double_backward(model, optimizer, loss)" if old else "loss.backward()",
        reduced=reduced,
        reduced_=reduced_ if old else "",
    )


def test_another_mode_whose_losses_are_one_per_example_withholds(folder: Make) -> None:
    body = modes(old=True, other='reduction="none"', reduced="mean().")
    assert "criterion is the private run's criterion here, or another one" in withheld(folder, body)


def test_another_mode_with_a_mean_of_its_own_goes_on(folder: Make) -> None:
    assert upgraded(folder, modes(old=True)) == modes(old=False).lstrip("\n")


@pytest.mark.parametrize("where", ["match mode:\n        case 1:\n            "])
def test_a_variable_that_one_case_leaves_unbound_withholds(folder: Make, where: str) -> None:
    inner = OLD_CALL.replace("\n    ", "\n            ")
    body = f"""
def main(model, optimizer, loader, mode):
    engine = PrivacyEngine()
    {where}model, optimizer, loader = {inner}
    for x, y in loader:
        losses = F.cross_entropy(model(x), y, reduction="none")
        if mode:
            double_backward(model, optimizer, losses)
        optimizer.step()
    print(losses.mean().item())
"""
    assert "bind criterion to the plain criterion before the call" in withheld(folder, body)


def test_a_criterion_among_the_arguments_gets_a_line(folder: Make) -> None:
    body = f"""
def train(model, optimizer, loader, criterion):
{LOOP}

def main(model, optimizer, loader):
    engine = PrivacyEngine()
    model, optimizer, loader = {OLD_CALL}
    train(model, optimizer, loader, nn.CrossEntropyLoss(reduction="none"))
"""
    assert (
        upgraded(folder, body)
        == f"""
def train(model, optimizer, loader, criterion):
{NEW_LOOP}

def main(model, optimizer, loader):
    engine = PrivacyEngine()
    criterion = nn.CrossEntropyLoss()
    model, optimizer, criterion, loader = {NEW_CALL}
    train(model, optimizer, loader, criterion)
""".lstrip("\n")
    )


def test_and_goes_through_the_helper_that_makes_the_run(folder: Make) -> None:
    body = f"""
def build(model, optimizer, loader, engine):
    model, optimizer, loader = {OLD_CALL}
    return model, optimizer, loader


def train(model, optimizer, loader, criterion):
{LOOP}

model = nn.Linear(2, 2)
model, optimizer, loader = build(model, torch.optim.SGD(model.parameters(), 0.1), [], PrivacyEngine())
train(model, optimizer, loader, nn.CrossEntropyLoss(reduction="none"))
"""
    after = upgraded(folder, body)
    assert after.endswith(
        "criterion = nn.CrossEntropyLoss()\n"
        "model, optimizer, criterion, loader = build(model, torch.optim.SGD(model.parameters(), 0.1), [], "
        "PrivacyEngine(), criterion=criterion)\n"
        "train(model, optimizer, loader, criterion)\n"
    )
    assert "    return model, optimizer, criterion, loader\n" in after


HOLDER = """
class State:
    def __init__(self, model, loader):
        self.model = model
        self.loader = loader
        self.optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
{first}
    def train(self):
        for x, y in self.loader:
            self.optimizer.zero_grad()
            {backward}
            self.optimizer.step()


def make_private(state):
    {targets} = PrivacyEngine().make_private(
        module=state.model, optimizer=state.optimizer, {given}data_loader=state.loader, noise_multiplier=1.0,
        max_grad_norm=1.0, grad_sample_mode="ghost"{clipping},
    )


def main(model, loader):
    state = State(model, loader)
    make_private(state)
{second}    state.train()


main(nn.Linear(2, 2), [])
"""


def holder(old: bool, late: bool = False) -> str:
    """One object holds all that is made private, and its criterion."""
    made = f"nn.CrossEntropyLoss({'reduction=' + chr(34) + 'none' + chr(34) if old else ''})"
    loss = "self.criterion(self.model(x), y)"
    return HOLDER.format(
        first="" if late else f"        self.criterion = {made}\n",
        second=f"    state.criterion = {made}\n" if late else "",
        backward=f"double_backward(self.model, self.optimizer, {loss})" if old else f"{loss}.backward()",
        targets="state.model, state.optimizer, "
        + ("state.loader" if old else "state.criterion, state.loader"),
        given="" if old else "criterion=state.criterion, ",
        clipping=', clipping="ghost"' if old else "",
    )


def test_a_criterion_that_an_object_gets_later_withholds(folder: Make) -> None:
    withheld(folder, holder(old=True, late=True))


def test_a_criterion_that_an_object_holds_comes_back_to_it(folder: Make) -> None:
    assert upgraded(folder, holder(old=True)) == holder(old=False).lstrip("\n")


def test_a_method_of_the_class_that_makes_the_run_reads_the_attribute(folder: Make) -> None:
    call = OLD_CALL.replace("engine.", "PrivacyEngine().").replace("\n", "\n    ")
    body = f"""
class Client:
    def __init__(self, model, optimizer, loader):
        self.model, self.optimizer, self.loader = {call}

    def fit(self):
        criterion = nn.CrossEntropyLoss(reduction="none")
        for x, y in self.loader:
            self.optimizer.zero_grad()
            double_backward(self.model, self.optimizer, criterion(self.model(x), y))
            self.optimizer.step()


Client(nn.Linear(2, 2), None, []).fit()
"""
    after = upgraded(folder, body)
    assert (
        "        self.criterion = nn.CrossEntropyLoss()\n"
        "        self.model, self.optimizer, self.criterion, self.loader = PrivacyEngine()" in after
    )
    assert "    def fit(self):\n        for x, y in self.loader:\n" in after
    assert "            self.criterion(self.model(x), y).backward()\n" in after


CHOSEN = """
LOSSES = {{
    "ce": nn.CrossEntropyLoss({ce}),
    "smooth": nn.CrossEntropyLoss(label_smoothing=0.1{smooth}),
    "other": nn.NLLLoss(reduction="none"),
}}
print(LOSSES["other"](torch.zeros(1, 2), torch.zeros(1)).max())


def main(model, optimizer, loader, name="ce"):
    engine = PrivacyEngine()
    criterion = LOSSES[name]
"""


def test_what_a_user_may_choose_instead_is_lifted_too_unless_something_else_calls_it(folder: Make) -> None:
    call = f"    model, optimizer, loader = {OLD_CALL}\n{LOOP}\n\nmain(nn.Linear(2, 2), None, [])\n"
    after = upgraded(folder, CHOSEN.format(ce='reduction="none"', smooth=', reduction="none"') + call)
    assert after.startswith(CHOSEN.format(ce="", smooth="").lstrip("\n"))


TWO_HELPERS = """
def wrap(model, optimizer, loader, engine):
{lines}    return model, optimizer, {loader}


def train(model, optimizer, loader{parameter}):
    for x, y in loader:
        optimizer.zero_grad()
        {backward}
        optimizer.step()


def main(model, optimizer, loader{name}):
    model, optimizer, {loader} = wrap(model, optimizer, loader, PrivacyEngine())
    train(model, optimizer, loader{argument})
    {used}
"""
"""One function makes a run, another trains, and a third calls both."""


@pytest.mark.parametrize(("taken", "name"), [("", "criterion"), ("criterion", "loss_fn")])
def test_a_criterion_goes_out_of_one_helper_and_into_another(folder: Make, taken: str, name: str) -> None:
    call = NEW_CALL.replace("criterion=criterion", f"criterion={name}")
    old = TWO_HELPERS.format(
        lines=f"    model, optimizer, loader = {OLD_CALL}\n",
        loader="loader",
        parameter="",
        name=f", {taken}" * bool(taken),
        backward='double_backward(model, optimizer, F.cross_entropy(model(x), y, reduction="none"))',
        argument="",
        used=f"print({taken})",
    )
    assert upgraded(folder, old) == TWO_HELPERS.format(
        lines=f"    {name} = nn.CrossEntropyLoss()\n    model, optimizer, {name}, loader = {call}\n",
        loader=f"{name}, loader",
        parameter=f", {name}",
        name=f", {taken}" * bool(taken),
        backward=f"{name}(model(x), y).backward()",
        argument=f", {name}={name}",
        used=f"print({taken})",
    ).lstrip("\n")


def test_helpers_that_meet_in_two_places_are_left(folder: Make) -> None:
    body = TWO_HELPERS.format(
        lines=f"    model, optimizer, loader = {OLD_CALL}\n",
        loader="loader",
        parameter="",
        name="",
        backward='double_backward(model, optimizer, F.cross_entropy(model(x), y, reduction="none"))',
        argument="",
        used="",
    )
    called = "    print(wrap(model, optimizer, loader, PrivacyEngine()))\n"
    other = f"\n\ndef other(model, optimizer, loader):\n{called}"
    assert "criterion, the wrapped criterion, comes back here" in withheld(folder, body + other)


@pytest.mark.parametrize(
    "through", ["list(map(step, loader))", "[pool.submit(step, batch) for batch in loader]"]
)
def test_losses_that_come_back_through_a_function_that_calls_another_withhold(
    folder: Make, through: str
) -> None:
    body = f"""
def main(model, optimizer, loader, pool):
    criterion = nn.CrossEntropyLoss(reduction="none")
    engine = PrivacyEngine()
    model, optimizer, loader = {OLD_CALL}

    def step(batch):
        optimizer.zero_grad()
        losses = criterion(model(batch[0]), batch[1])
        double_backward(model, optimizer, losses)
        optimizer.step()
        return losses.detach().mean()

    print(torch.stack({through}))
"""
    withheld(folder, body)


DESCENDS = """
class Base:
    def __init__(self, model, loader):
        self.model = model
        self.loader = loader
        self.optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        self.criterion = nn.CrossEntropyLoss({reduction})


class Private(Base):
    def __init__(self, model, loader, engine):
        super().__init__(model, loader)
        self.model, self.optimizer, {result}self.loader = engine.make_private(
            module=self.model, optimizer=self.optimizer, {given}data_loader=self.loader, noise_multiplier=1.0,
            max_grad_norm=1.0, grad_sample_mode="ghost"{clipping}
        )

    def train(self):
        for x, y in self.loader:
            self.optimizer.zero_grad()
            {private}
            self.optimizer.step()


class Public(Base):
    def train(self):
        for x, y in self.loader:
            self.optimizer.zero_grad()
            self.criterion(self.model(x), y){reduced}.backward()
            self.optimizer.step()


Private(nn.Linear(2, 2), [], PrivacyEngine()).train()
Public(nn.Linear(2, 2), []).train()
"""


def test_a_criterion_that_a_class_inherits_is_its_own(folder: Make) -> None:
    old = DESCENDS.format(
        reduction='reduction="none"',
        result="",
        given="",
        clipping=', clipping="ghost"',
        private="double_backward(self.model, self.optimizer, self.criterion(self.model(x), y))",
        reduced=".mean()",
    )
    assert upgraded(folder, old) == DESCENDS.format(
        reduction="",
        result="self.criterion, ",
        given="criterion=self.criterion, ",
        clipping="",
        private="self.criterion(self.model(x), y).backward()",
        reduced="",
    ).lstrip("\n")


BASE = """
class Base:
    def __init__(self, model, loader):
        self.model, self.loader = model, loader
        self.optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        self.criterion = nn.CrossEntropyLoss({reduction})

    def setup(self):
        pass

    def train(self):
        self.setup()
        for batch in self.loader:
            self.step(batch)

    def step(self, batch):
        x, y = batch
        self.optimizer.zero_grad()
        losses = self.criterion(self.model(x), y)
        {backward}
        self.optimizer.step()


class Ghost(Base):
    def setup(self):
        engine = PrivacyEngine()
        self.model, self.optimizer, {third}self.loader = engine.make_private(
            module=self.model, optimizer=self.optimizer, {given}data_loader=self.loader,
            noise_multiplier=1.0, max_grad_norm=1.0,
            grad_sample_mode="ghost"{clipping},
        )


Ghost(nn.Linear(2, 2), torch.utils.data.DataLoader([])).train()
"""


def test_what_a_base_class_runs_was_run_for_its_subclass(folder: Make) -> None:
    """Its methods are not entered once more as though the subclass had never been trained."""
    before = BASE.format(**OLD_IN_OBJECT, reduction='reduction="none"')
    given = "criterion=self.criterion, "
    after = BASE.format(**NEW_IN_OBJECT, third="self.criterion, ", given=given, reduction="")
    assert upgraded(folder, before) == after.lstrip("\n")


def test_what_a_base_class_makes_after_the_call_is_not_there_yet(folder: Make) -> None:
    late = BASE.format(**OLD_IN_OBJECT, reduction='reduction="none"').replace(
        "    def setup(self):\n        engine", "    def __init__(self, model, loader):\n        engine"
    )
    late = late.replace(
        "self.model, self.optimizer, self.loader = engine", "model, optimizer, loader = engine"
    )
    late = late.replace("module=self.model, optimizer=self.optimizer, data_loader=self.loader", OBJECTS)
    late = late.replace('clipping="ghost",\n        )', 'clipping="ghost",\n        )\n' + SUPER)
    assert "self.criterion is made by super().__init__, after make_private" in withheld(folder, late)


OBJECTS = "module=model, optimizer=torch.optim.SGD(model.parameters(), lr=0.1), data_loader=loader"
SUPER = "        super().__init__(model, loader)\n        self.optimizer = optimizer"


def test_a_criterion_of_a_class_that_is_no_ancestor_is_anothers(folder: Make) -> None:
    body = DESCENDS.format(
        reduction='reduction="none"',
        result="",
        given="",
        clipping=', clipping="ghost"',
        private="double_backward(self.model, self.optimizer, public.criterion(self.model(x), y))",
        reduced=".mean()",
    ).replace("Private(nn", "public = Public(nn.Linear(2, 2), [])\nPrivate(nn")
    withheld(folder, body)
