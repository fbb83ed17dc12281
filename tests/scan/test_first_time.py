"""Private runs that a loop makes in its first turn alone, and those that it makes again and again."""

from __future__ import annotations

from pathlib import Path

import pytest

from dpmigrate import api
from tests.scan.ways.programs import HEAD

ROUNDS = (
    HEAD
    + """
from opacus import GradSampleModule

model = nn.Linear(16, 8)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
loader = DataLoader(data(), batch_size=8)
engine, private = None, False
for number in range(20):
    BEFORE
    if TEST:
        engine, private = PrivacyEngine(), True
        model, optimizer, loader = engine.make_private(
            module=model, optimizer=optimizer, data_loader=loader, noise_multiplier=1.0, max_grad_norm=1.0
        )
    for x, y in loader:
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        optimizer.step()
    print(engine.get_epsilon(1e-5))
"""
)
METHOD = (
    HEAD
    + """
from opacus import GradSampleModule


class Trainer:
    def __init__(self, model):
        self.model = model
        self.optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        self.loader = DataLoader(data(), batch_size=8)
        self.engine = None
        self.dp = True

    def fit(self):
        BEFORE
        if TEST:
            self.engine = PrivacyEngine()
            self.model, self.optimizer, self.loader = self.engine.make_private(
                module=self.model, optimizer=self.optimizer, data_loader=self.loader,
                noise_multiplier=1.0, max_grad_norm=1.0,
            )
        for x, y in self.loader:
            self.optimizer.zero_grad()
            F.cross_entropy(self.model(x), y).backward()
            self.optimizer.step()
        print(self.engine.get_epsilon(1e-5))


trainer = Trainer(nn.Linear(16, 8))
for number in range(20):
    trainer.fit()
"""
)


def rules_of(folder: Path, program: str, test: str, before: str = "pass") -> set[str]:
    (folder / "train.py").write_text(program.replace("TEST", test).replace("BEFORE", before))
    return {finding.rule for finding in api.scan(["."], cwd=folder).findings}


@pytest.mark.parametrize(
    "test",
    [
        "engine is None",
        "not engine",
        "not private",
        "not isinstance(model, GradSampleModule)",
        "type(model) is not GradSampleModule",
        "not hasattr(model, '_module')",
        "number == 0",
        "not number",
        "x is None and engine is None",
    ],
)
def test_a_loop_that_makes_it_once(tmp_path: Path, test: str) -> None:
    assert "DPM304" not in rules_of(tmp_path, ROUNDS, test, "x = None")


@pytest.mark.parametrize(
    ("test", "once"),
    [
        ("message.current_round == 0", True),
        ("private_wanted and message.current_round == 0", True),
        ('message["server_round"] == 1', True),
        ("message.current_round > 0", False),
        ('message["loss"] > 1', False),
    ],
)
def test_a_loop_that_is_told_the_round(tmp_path: Path, test: str, once: bool) -> None:
    """A client asks a server in each turn, and makes it in the round of that number alone."""
    rules = rules_of(tmp_path, ROUNDS, test, "message, private_wanted = receive(), number < 99")
    assert ("DPM304" not in rules) is once


@pytest.mark.parametrize(
    ("test", "certainty"),
    [
        ("message.stage", "possible"),
        ("wanted(number)", "possible"),
        ("number in message.chosen", "possible"),
        ('message["loss"] is None', "possible"),
        ("number % 5 == 0", "definite"),
        ("number % every == 0", "definite"),
        ("number > 3", "definite"),
        ("options.private", "definite"),
    ],
)
def test_a_loop_that_makes_it_where_a_test_picks_turns(tmp_path: Path, test: str, certainty: str) -> None:
    """What a turn gets may pass the test once; what hangs on the number, or on no turn, passes it again."""
    text = ROUNDS.replace("TEST", test).replace("BEFORE", "message = receive()")
    (tmp_path / "train.py").write_text(text)
    findings = api.scan(["."], cwd=tmp_path).findings
    assert [finding.certainty for finding in findings if finding.rule == "DPM304"] == [certainty]


@pytest.mark.parametrize(
    ("outer", "inner"), [("number < 99", "engine is None"), ("not private", "number < 99")]
)
def test_a_loop_that_makes_it_once_in_one_test_of_two(tmp_path: Path, outer: str, inner: str) -> None:
    program = ROUNDS.replace("    if TEST:\n", f"    if {outer}:\n      if {inner}:\n")
    assert "DPM304" not in rules_of(tmp_path, program, "")


def test_a_loop_that_makes_it_again_in_both_tests_of_two(tmp_path: Path) -> None:
    program = ROUNDS.replace("    if TEST:\n", "    if number < 99:\n      if number % 5 == 0:\n")
    assert "DPM304" in rules_of(tmp_path, program, "")


@pytest.mark.parametrize(
    ("test", "before"),
    [
        ("True", "pass"),
        ("model is not None", "pass"),
        ("number % 5 == 0", "pass"),
        ("number > 0", "pass"),
        ("engine is None", "engine = None"),
        ("not private", "private = False"),
        ("engine is other", "other = engine"),
        (
            "not isinstance(model, GradSampleModule)",
            "model = model._module if number else model",
        ),
    ],
)
def test_a_loop_that_makes_it_again(tmp_path: Path, test: str, before: str) -> None:
    assert "DPM304" in rules_of(tmp_path, ROUNDS, test, before)


@pytest.mark.parametrize(
    "test",
    [
        "self.engine is None",
        "not getattr(self, 'engine', None)",
        "self.dp and not isinstance(self.model, GradSampleModule)",
    ],
)
def test_a_method_that_makes_it_once_for_its_object(tmp_path: Path, test: str) -> None:
    assert "DPM304" not in rules_of(tmp_path, METHOD, test)


@pytest.mark.parametrize(
    ("test", "before"),
    [
        ("self.dp", "pass"),
        ("self.engine is None", "self.engine = None"),
        ("engine is None", "engine = None"),
    ],
)
def test_a_method_that_makes_it_in_each_call(tmp_path: Path, test: str, before: str) -> None:
    assert "DPM304" in rules_of(tmp_path, METHOD, test, before)


def test_a_test_around_the_loop_is_no_first_time(tmp_path: Path) -> None:
    before, loop, body = ROUNDS.partition("for number in range(20):")
    inside = body.replace("\n", "\n    ")
    program = f"{before}if engine is None:\n    {loop}{inside}\n"
    assert "DPM304" in rules_of(tmp_path, program, "True")


FIT = (
    HEAD
    + """
from flwr.client import NumPyClient
from opacus import GradSampleModule


class Client(NumPyClient):
    def __init__(self, net, loader):
        self.net, self.loader = net, loader
        self.optimizer = torch.optim.SGD(net.parameters(), lr=0.1)

    def fit(self, parameters, config):
        if TEST:
            self.engine = PrivacyEngine()
            self.net, self.optimizer, self.loader = self.engine.make_private(
                module=self.net, optimizer=self.optimizer, data_loader=self.loader,
                noise_multiplier=1.0, max_grad_norm=1.0,
            )
        for x, y in self.loader:
            self.optimizer.zero_grad()
            F.cross_entropy(self.net(x), y).backward()
            self.optimizer.step()
        return [], 1, {"epsilon": self.engine.get_epsilon(1e-5)}
"""
)


@pytest.mark.parametrize(
    ("test", "told"),
    [("not isinstance(self.net, GradSampleModule)", False), ("config['private']", True)],
)
def test_a_client_whose_model_is_asked_for_its_type(tmp_path: Path, test: str, told: bool) -> None:
    assert ("DPM304" in rules_of(tmp_path, FIT, test)) is told


CLIENT = METHOD.replace("class Trainer:", "import flwr\n\n\nclass Trainer(flwr.client.NumPyClient):")
CLIENT = CLIENT.replace("def fit(self):", "def fit(self, parameters, config):")
CLIENT = (
    CLIENT.partition("trainer = ")[0] + "flwr.client.start_numpy_client(client=Trainer(nn.Linear(16, 8)))\n"
)


@pytest.mark.parametrize(
    ("test", "remade"),
    [
        ("config['round'] == 1", False),
        ("config.get('server_round') == 1 and self.dp", False),
        ("int(config['current_round']) == 0", False),
        ("config['round'] % 5 == 1", True),
        ("config['round'] > 1", True),
        ("config['cid'] == 1", True),
        ("config['round'] == config['last']", True),
    ],
)
def test_a_client_that_makes_it_in_one_round(tmp_path: Path, test: str, remade: bool) -> None:
    assert ("DPM304" in rules_of(tmp_path, CLIENT, test)) is remade


ENGINE = """
from opacus import PrivacyEngine

class Smooth(PrivacyEngine):
    def make_private(self, *, beta=0.9, **given):
        model, optimizer, loader = super().make_private(**given)
        optimizer.beta = beta
        return model, optimizer, loader
"""


@pytest.mark.parametrize(("test", "remade"), [("engine is None", False), ("True", True)])
def test_an_engine_of_ones_own_in_another_file(tmp_path: Path, test: str, remade: bool) -> None:
    (tmp_path / "engines.py").write_text(ENGINE)
    program = ROUNDS.replace("PrivacyEngine()", "Smooth()").replace(
        "engine, private", "from engines import Smooth\nengine, private", 1
    )
    assert ("DPM304" in rules_of(tmp_path, program, test)) is remade
    assert not api.scan(["."], cwd=tmp_path).not_analysed
