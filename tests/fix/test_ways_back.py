"""The wrapped criterion out of a helper of several callers, or through several, to where losses are made."""

from __future__ import annotations

import pytest

from tests.fix.upgrading import (
    HEAD,
    NEW_CALL,
    NEW_IN_OBJECT,
    OLD_CALL,
    OLD_IN_OBJECT,
    Make,
    body_of,
    upgraded,
    withheld,
)

MADE = "criterion = nn.CrossEntropyLoss()"
TRAIN = """
def train(model, optimizer, loader{param}):
    {own}for x, y in loader:
        optimizer.zero_grad()
        losses = criterion(model(x), y)
        {backward}
        optimizer.step()
"""
OLD_TRAIN = TRAIN.format(
    param="",
    own='criterion = nn.CrossEntropyLoss(reduction="none")\n    ',
    backward="double_backward(model, optimizer, losses)",
)
NEW_TRAIN = TRAIN.format(param=", criterion", own="", backward="losses.backward()")
HELPER = """
def build():
    model = nn.Linear(2, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    loader = torch.utils.data.DataLoader([])
    engine = PrivacyEngine()
    {made}model, optimizer, {third}loader = {call}
    return model, optimizer, {returned}
"""
OLD_HELPER = HELPER.format(made="", third="", call=OLD_CALL, returned="loader")
IN_ORDER = HELPER.format(
    made=f"{MADE}\n    ", third="criterion, ", call=NEW_CALL, returned="criterion, loader"
)
AT_THE_END = HELPER.format(
    made=f"{MADE}\n    ", third="criterion, ", call=NEW_CALL, returned="loader, criterion"
)


def test_callers_that_train_take_it_and_others_do_not_read_it(folder: Make) -> None:
    before = (
        "def check():\n    model, optimizer, loader = build()\n    print(optimizer)\n\n\n"
        "def main():\n    model, optimizer, loader = build()\n    train(model, optimizer, loader)\n\n\n"
        "check()\nmain()\n"
    )
    after = (
        "def check():\n    model, optimizer, _, loader = build()\n    print(optimizer)\n\n\n"
        "def main():\n    model, optimizer, criterion, loader = build()\n"
        "    train(model, optimizer, loader, criterion=criterion)\n\n\n"
        "check()\nmain()\n"
    )
    assert upgraded(folder, OLD_HELPER + OLD_TRAIN + before) == body_of(HEAD + IN_ORDER + NEW_TRAIN + after)


def test_two_callers_that_both_train(folder: Make) -> None:
    def callers(third: str, given: str) -> str:
        return "".join(
            f"\n\ndef {name}():\n    model, optimizer, {third}loader = build()\n"
            f"    train(model, optimizer, loader{given})\n\n\n{name}()\n"
            for name in ("first", "second")
        )

    before = OLD_HELPER + OLD_TRAIN + callers("", "")
    after = IN_ORDER + NEW_TRAIN + callers("criterion, ", ", criterion=criterion")
    assert upgraded(folder, before) == body_of(HEAD + after)


def test_what_is_between_returns_it_too(folder: Make) -> None:
    taken = "model, optimizer, {third}loader"
    between = f"\n\ndef prepare():\n    {taken} = build()\n    return {taken}\n"
    main = "\n\nmodel, optimizer, {third}loader = prepare()\ntrain(model, optimizer, loader{given})\n"
    before = OLD_HELPER + OLD_TRAIN + (between + main).format(third="", given="")
    after = IN_ORDER + NEW_TRAIN + (between + main).format(third="criterion, ", given=", criterion=criterion")
    assert upgraded(folder, before) == body_of(HEAD + after)


@pytest.mark.parametrize("spread", ["train(*build())", "train(*prepare())"])
def test_spread_into_the_function_that_trains(folder: Make, spread: str) -> None:
    between = "\n\ndef prepare():\n    return build()\n" if "prepare" in spread else ""
    before = OLD_HELPER + OLD_TRAIN + between + f"\n\n{spread}\n"
    after = AT_THE_END + NEW_TRAIN + between + f"\n\n{spread}\n"
    assert upgraded(folder, before) == body_of(HEAD + after)


def test_spread_where_another_call_of_the_function_gives_three(folder: Make) -> None:
    calls = "\n\ntrain(*build())\nmodel, optimizer, loader = build()\ntrain(model, optimizer, loader)\n"
    assert "handed on whole (*)" in withheld(folder, OLD_HELPER + OLD_TRAIN + calls)


def test_a_parameter_with_a_default_for_none_keeps_what_is_given(folder: Make) -> None:
    train = """
def train(model, optimizer, loader, criterion=None):
    if criterion is None:
        criterion = nn.CrossEntropyLoss({reduction})
    for x, y in loader:
        optimizer.zero_grad()
        losses = criterion(model(x), y)
        {backward}
        optimizer.step()
"""
    call = "\n\nmodel, optimizer, {third}loader = build()\ntrain(model, optimizer, loader{given})\n"
    old_train = train.format(
        reduction='reduction="none"', backward="double_backward(model, optimizer, losses)"
    )
    before = OLD_HELPER + old_train + call.format(third="", given="")
    new_train = train.format(reduction="", backward="losses.backward()")
    after = IN_ORDER + new_train + call.format(third="criterion, ", given=", criterion=criterion")
    assert upgraded(folder, before) == body_of(HEAD + after)


CLIENT = """
class Client:
    def __init__(self, model, loader):
        self.engine = PrivacyEngine()
        self.optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        {made}self.model, self.optimizer, {third}self.loader = self.engine.make_private(
            module=model, optimizer=self.optimizer, {given}data_loader=loader, noise_multiplier=1.0,
            max_grad_norm=1.0, grad_sample_mode="ghost"{clipping})

    def fit(self):
        train(self.model, self.optimizer, self.loader{handed})


client = Client(nn.Linear(2, 2), torch.utils.data.DataLoader([]))
client.fit()
"""


def test_an_object_keeps_it_for_the_method_that_calls_what_trains(folder: Make) -> None:
    before = OLD_TRAIN + CLIENT.format(made="", third="", given="", clipping=', clipping="ghost"', handed="")
    after = NEW_TRAIN + CLIENT.format(
        made="self.criterion = nn.CrossEntropyLoss()\n        ",
        third="self.criterion, ",
        given="criterion=self.criterion, ",
        clipping="",
        handed=", criterion=self.criterion",
    )
    assert upgraded(folder, before) == body_of(HEAD + after)


STATIC = """
class Experiment:
    def __init__(self):
        self.model, self.optimizer, {third}self.loader = self._make()
        self.loss = nn.CrossEntropyLoss(reduction="none")

    @staticmethod
    def _make():
        model, loader = nn.Linear(2, 2), torch.utils.data.DataLoader([])
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        return PrivacyEngine().make_private(
            module=model, optimizer=optimizer, {given}data_loader=loader,
            noise_multiplier=1.0, max_grad_norm=1.0, grad_sample_mode="ghost"{clipping})

    def fit(self):
        for x, y in self.loader:
            losses = self.{loss}(self.model(x), y)
            {backward}
            self.optimizer.step()
            self.optimizer.zero_grad()


Experiment().fit()
"""


def test_a_static_method_has_no_object_to_read_the_criterion_of(folder: Make) -> None:
    before = STATIC.format(**OLD_IN_OBJECT, loss="loss")
    given = "criterion=nn.CrossEntropyLoss(), "
    after = STATIC.format(**NEW_IN_OBJECT, third="self.criterion, ", given=given, loss="criterion")
    assert upgraded(folder, before) == body_of(HEAD + after)


PROPERTY = """
class App:
    def __init__(self):
        self._criterion = nn.CrossEntropyLoss({reduction})
        self.model = nn.Linear(2, 2)

    @property
    def criterion(self):
        return self._criterion

    def run(self):
        loader = torch.utils.data.DataLoader([])
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.1)
        self.model, self.optimizer, {third}loader = PrivacyEngine().make_private(
            module=self.model, optimizer=self.optimizer, {given}data_loader=loader, noise_multiplier=1.0,
            max_grad_norm=1.0, grad_sample_mode="ghost"{clipping})
        for x, y in loader:
            losses = self.criterion(self.model(x), y)
            {backward}
            self.optimizer.step()
            self.optimizer.zero_grad()


App().run()
"""


def test_a_property_hands_out_what_the_object_keeps(folder: Make) -> None:
    before = PROPERTY.format(**OLD_IN_OBJECT, reduction='reduction="none"')
    given = "criterion=self._criterion, "
    after = PROPERTY.format(**NEW_IN_OBJECT, third="self._criterion, ", given=given, reduction="")
    assert upgraded(folder, before) == body_of(HEAD + after)


KEPT = {
    "dicts": (
        'clients.append({"net": model, "opt": optimizer, "data": loader})',
        'c["net"]',
        'c["opt"]',
        'c["data"]',
    ),
    "tuples": ("clients.append((model, optimizer, loader))", "c[0]", "c[1]", "c[2]"),
}


@pytest.mark.parametrize("kept", KEPT)
def test_one_of_many_is_trained_by_its_own(folder: Make, kept: str) -> None:
    append, model, optimizer, loader = KEPT[kept]
    body = f"""
clients = []
for number in range(3):
    engine = PrivacyEngine()
    model = nn.Linear(2, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    loader = torch.utils.data.DataLoader([])
    model, optimizer, loader = {OLD_CALL}
    {append}

for c in clients:
    loss_fn = nn.CrossEntropyLoss(reduction="none")
    for x, y in {loader}:
        {optimizer}.zero_grad()
        losses = loss_fn({model}(x), y)
        double_backward({model}, {optimizer}, losses)
        {optimizer}.step()
"""
    after = upgraded(folder, body)
    taken = 'c["criterion"]' if kept == "dicts" else "c[3]"
    assert f"for c in clients:\n    criterion = {taken}\n    for x, y in {loader}:" in after
    assert append.removesuffix("})").removesuffix("))") + ", " in after
    assert 'nn.CrossEntropyLoss(reduction="none")' not in after


def test_the_last_of_many_is_trained_by_its_own(folder: Make) -> None:
    def body(made: str, third: str, call: str, backward: str) -> str:
        return f"""
for number in range(3):
    engine = PrivacyEngine()
    model = nn.Linear(2, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    loader = torch.utils.data.DataLoader([])
    {made}model, optimizer, {third}loader = {call}

for x, y in loader:
    optimizer.zero_grad()
    losses = criterion(model(x), y)
    {backward}
    optimizer.step()
"""

    made = 'criterion = nn.CrossEntropyLoss(reduction="none")\n    '
    before = body(made, "", OLD_CALL, "double_backward(model, optimizer, losses)")
    after = body(f"{MADE}\n    ", "criterion, ", NEW_CALL, "losses.backward()")
    assert upgraded(folder, before) == body_of(HEAD + after)


def test_what_maps_the_helper_gives_no_tuple_of_it(folder: Make) -> None:
    taken = "model, optimizer, loader"
    calls = f"\n\nmade = map(build, [])\nfor {taken} in made:\n    train({taken})\n"
    helper = OLD_HELPER.replace("def build():", "def build(seed):")
    assert "take one value more" in withheld(folder, helper + OLD_TRAIN + calls)


def test_an_object_that_collects_models_has_no_one_criterion(folder: Make) -> None:
    body = """
class Sweep:
    def __init__(self):
        self.runs = []
        self.criterion = nn.CrossEntropyLoss(reduction="none")

    def add(self):
        model, loader = nn.Linear(2, 2), torch.utils.data.DataLoader([])
        model, optimizer, loader = PrivacyEngine().make_private(
            module=model, optimizer=torch.optim.SGD(model.parameters(), lr=0.1), data_loader=loader,
            noise_multiplier=1.0, max_grad_norm=1.0, grad_sample_mode="ghost", clipping="ghost")
        self.runs.append((model, optimizer, loader))

    def fit(self):
        for model, optimizer, loader in self.runs:
            for x, y in loader:
                losses = self.criterion(model(x), y)
                double_backward(model, optimizer, losses)
                optimizer.step()
                optimizer.zero_grad()


sweep = Sweep()
sweep.add()
sweep.add()
sweep.fit()
"""
    assert "would be the criterion of the last" in withheld(folder, body)


BESIDE = """
def protect(model, optimizer, loader{parameter}):
    engine = PrivacyEngine()
    return engine, {call}


def main(model, optimizer, loader):
    criterion = nn.CrossEntropyLoss({reduction})
    engine, (model, optimizer, {third}loader) = protect(model, optimizer, loader{given})
    for x, y in loader:
        optimizer.zero_grad()
        losses = criterion(model(x), y)
        {backward}
        optimizer.step()
    print(engine.get_epsilon(1e-5))
"""


def test_a_result_beside_its_engine_is_taken_apart_in_four(folder: Make) -> None:
    before = BESIDE.format(
        parameter="",
        call=OLD_CALL,
        reduction='reduction="none"',
        third="",
        given="",
        backward="double_backward(model, optimizer, losses)",
    )
    after = BESIDE.format(
        parameter=", criterion",
        call=NEW_CALL,
        reduction="",
        third="criterion, ",
        given=", criterion=criterion",
        backward="losses.backward()",
    )
    assert upgraded(folder, before) == body_of("\n\n" + after.lstrip("\n"))
