"""A helper that returns what make_private gives beside other things: what must stay, then what grows."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.fix.conftest import Folder

Make = Callable[..., Folder]

TEXT = """\
import torch
from collections import namedtuple
from types import SimpleNamespace
from opacus import PrivacyEngine
from opacus.utils.fast_gradient_clipping_utils import double_backward
from torch import nn

Setup = namedtuple("Setup", {fields})


def build(model, optimizer, loader):
    {taken} = PrivacyEngine().make_private(
        module=model,
        optimizer=optimizer,
        data_loader=loader,
        noise_multiplier=1.0,
        max_grad_norm=1.0,
        grad_sample_mode="ghost",
        clipping="ghost",
    ){rest}
    return {returned}


def train(model, optimizer, loader):
    criterion = nn.CrossEntropyLoss(reduction="none")
    for x, y in loader:
        optimizer.zero_grad()
        losses = criterion(model(x), y)
        double_backward(model, optimizer, losses)
        optimizer.step()


model = nn.Linear(8, 4)
parts = (model, torch.optim.SGD(model.parameters(), lr=0.1), torch.utils.data.DataLoader([]))
{used}
"""
PLAIN = "train(made[{0}], made[{1}], made[{2}])"


def text(returned: str, used: str, **changed: str) -> str:
    fields = '"model optimizer loader"'
    given = {"fields": fields, "taken": "model, optimizer, loader", "rest": "", **changed}
    return TEXT.format(returned=returned, used=used, **given)


DICT = "dict(model=model, optimizer=optimizer, loader=loader)"
LITERAL = '{"model": model, "optimizer": optimizer, "loader": loader}'
RECORD = "Setup(model, optimizer, loader)"


@pytest.mark.parametrize(
    ("returned", "used"),
    [
        *(
            (made, f"made = build(*parts)\n{used}")
            for made in (DICT, LITERAL)
            for used in (
                "train(**made)",
                "train(*made.values())",
                "a, b, c = made.values()\ntrain(a, b, c)",
                "train(*[made[k] for k in made])",
            )
        ),
        (RECORD, "made = build(*parts)\ntrain(*made)"),
        (RECORD, "made = build(*parts)\na, b, c = made\ntrain(a, b, c)"),
        (RECORD, "made = build(*parts)\ntrain(made[-3], made[-2], made[-1])"),
        (RECORD, "made = build(*parts)\ntrain(**made._asdict())"),
        ("model, optimizer, loader", "made = build(*parts)\ntrain(made[-3], made[1], made[2])"),
    ],
)
def test_what_is_taken_whole_does_not_grow(folder: Make, returned: str, used: str) -> None:
    project = folder({"train.py": text(returned, used), "requirements.txt": "opacus==1.5.2\n"})
    before = project.snapshot()
    ((path, reason),) = project.fix().refused
    assert path == "train.py"
    assert "the wrapped criterion" in reason or "no loop is seen" in reason
    assert project.snapshot() == before


@pytest.mark.parametrize(
    ("taken", "rest"),
    [
        ("model, *others", "\n    optimizer, *last = others\n    loader = last[0]"),
        ("model, *others", "\n    print(others)\n    optimizer, loader = others"),
    ],
)
def test_a_rest_that_is_read_otherwise_is_left(folder: Make, taken: str, rest: str) -> None:
    source = text("model, optimizer, loader", "train(*build(*parts))", taken=taken, rest=rest)
    project = folder({"train.py": source, "requirements.txt": "opacus==1.5.2\n"})
    assert any("no fourth object can be put into" in reason for _, reason in project.fix().refused)
    assert project.read() == source


def test_what_is_replaced_by_name_grows(folder: Make) -> None:
    source = text(
        RECORD, "made = build(*parts)\nmade = made._replace(loader=[])\ntrain(made[0], made.optimizer, [])"
    )
    project = folder({"train.py": source, "requirements.txt": "opacus==1.5.2\n"})
    assert project.fix().refused == ()
    assert f"    return {RECORD[:-1]}, criterion)\n" in project.read()


@pytest.mark.parametrize(
    ("returned", "grown", "reading"),
    [
        (DICT, DICT[:-1] + ", criterion=criterion)", 'made["{}"]'),
        (DICT.replace("dict", "SimpleNamespace"), None, "made.{}"),
        (RECORD, RECORD[:-1] + ", criterion)", "made.{}"),
    ],
)
def test_what_is_read_by_name_grows(folder: Make, returned: str, grown: str | None, reading: str) -> None:
    a, b, c, new = (reading.format(name) for name in ("model", "optimizer", "loader", "criterion"))
    source = text(returned, f"made = build(*parts)\nprint(made)\ntrain({a}, {b}, {c})")
    project = folder({"train.py": source, "requirements.txt": "opacus==1.5.2\n"})
    assert project.fix().refused == ()
    assert f"    return {grown or returned[:-1] + ', criterion=criterion)'}\n" in project.read()
    assert project.read().endswith(
        f"made = build(*parts)\ncriterion = {new}\nprint(made)\ntrain({a}, {b}, {c}, criterion=criterion)\n"
    )
    assert project.fix().diff == ""


@pytest.mark.parametrize(
    ("fields", "after"),
    [
        ('"model, optimizer, loader"', '"model, optimizer, loader, criterion"'),
        ("'model optimizer loader'", "'model optimizer loader criterion'"),
        ('["model", "optimizer", "loader"]', '["model", "optimizer", "loader", "criterion"]'),
    ],
)
def test_a_named_tuple_that_a_call_makes_gets_a_field(folder: Make, fields: str, after: str) -> None:
    used = "made = build(*parts)\ntrain(made.model, made.optimizer, made.loader)"
    project = folder({"train.py": text(RECORD, used, fields=fields), "requirements.txt": "opacus==1.5.2\n"})
    assert project.fix().refused == ()
    assert f'Setup = namedtuple("Setup", {after})\n' in project.read()


@pytest.mark.parametrize(
    ("used", "after"),
    [
        (
            "model, *rest = build(*parts)\ntrain(model, *rest)",
            "model, *rest, criterion = build(*parts)\ntrain(model, *rest, criterion=criterion)",
        ),
        (
            "made = build(*parts)\ntrain(made[0], made[1], made[2])",
            "made = build(*parts)\ncriterion = made[3]\n"
            "train(made[0], made[1], made[2], criterion=criterion)",
        ),
    ],
)
def test_what_is_taken_by_number_or_star_stays_where_it_is(folder: Make, used: str, after: str) -> None:
    project = folder(
        {"train.py": text("model, optimizer, loader", used), "requirements.txt": "opacus==1.5.2\n"}
    )
    assert project.fix().refused == ()
    assert "    return model, optimizer, loader, criterion\n" in project.read()
    assert project.read().endswith(f"{after}\n")
    assert project.fix().diff == ""


@pytest.mark.parametrize(
    ("taken", "rest", "after"),
    [
        ("model, *rest", "\n    optimizer, loader = rest", "\n    optimizer, criterion, loader = rest\n"),
        ("model, *rest, loader", "\n    (optimizer,) = rest", "    model, *rest, criterion, loader = Priv"),
        ("model, optimizer, loader, *rest", "", "    model, optimizer, criterion, loader, *rest = P"),
        ("model, optimizer, *rest", "\n    loader = rest[-1]", "    model, optimizer, criterion, *rest = P"),
    ],
)
def test_a_starred_target_of_the_call_itself(folder: Make, taken: str, rest: str, after: str) -> None:
    used = "m, o, d = build(*parts)\ntrain(m, o, d)"
    source = text("model, optimizer, loader", used, taken=taken, rest=rest)
    project = folder({"train.py": source, "requirements.txt": "opacus==1.5.2\n"})
    assert project.fix().refused == ()
    assert after in project.read()
    assert "m, o, criterion, d = build(*parts)\n" in project.read()
    assert project.fix().diff == ""


SPREAD = """import torch
from opacus import PrivacyEngine
from opacus.utils.fast_gradient_clipping_utils import double_backward
from torch import nn


def build(model, optimizer, loader):
    return PrivacyEngine().make_private(
        module=model,
        optimizer=optimizer,
        data_loader=loader,
        noise_multiplier=1.0,
        max_grad_norm=1.0,
        grad_sample_mode="ghost",
        clipping="ghost",
    )


def train({parameters}):
    losses_of = nn.CrossEntropyLoss(reduction="none")
    for x, y in loader:
        double_backward(model, optimizer, losses_of(model(x), y))
        optimizer.step()


parts = nn.Linear(2, 2), torch.optim.SGD([], lr=0.1), []
{used}
"""


@pytest.mark.parametrize(
    ("parameters", "used", "said"),
    [
        ("epochs, model, optimizer, loader", "train(1, *build(*parts))", "write model, optimizer"),
        ("model, optimizer, loader=()", "train(*build(*parts))", "write model, optimizer"),
        ("model, optimizer, loader", "train(*build(*parts))\ntrain(*parts)", "line 28: what make_private"),
        ("model, optimizer, loader, losses_of", "train(*build(*parts), None)", "a variable here already"),
    ],
)
def test_a_result_handed_on_whole_that_has_no_room_for_a_fourth(
    folder: Make, parameters: str, used: str, said: str
) -> None:
    source = SPREAD.format(parameters=parameters, used=used)
    project = folder({"train.py": source, "requirements.txt": "opacus==1.5.2\n"})
    assert said in project.fix().refused[0][1]
    assert project.read() == source


@pytest.mark.parametrize(
    ("parameters", "used", "after"),
    [
        ("model, optimizer, loader", "train(*build(*parts))", "model, optimizer, losses_of, loader"),
        (
            "model, optimizer, loader, epochs=1",
            "made = build(*parts)\ntrain(*made, epochs=2)",
            "model, optimizer, losses_of, loader, epochs=1",
        ),
        (
            "model: object, optimizer: object, loader: object",
            "train(*build(*parts))",
            "model: object, optimizer: object, losses_of, loader: object",
        ),
    ],
)
def test_a_result_handed_on_whole_brings_the_criterion(
    folder: Make, parameters: str, used: str, after: str
) -> None:
    project = folder(
        {"train.py": SPREAD.format(parameters=parameters, used=used), "requirements.txt": "opacus==1.5.2\n"}
    )
    assert project.fix().refused == ()
    assert f"def train({after}):\n    for x, y in loader:\n" in project.read()
    assert "    losses_of = nn.CrossEntropyLoss()\n    return PrivacyEngine" in project.read()
    assert project.read().endswith(f"{used}\n")
    assert project.fix().diff == ""


def test_a_program_in_three_files_is_run_under_its_name(folder: Make) -> None:
    build, rest = SPREAD.split("def train(")
    train = "def train(" + rest.split("parts =")[0].format(parameters="model, optimizer, loader")
    head, build = build.split("\n\n\n", 1)
    start = (
        "from build import build\nfrom loop import train\n\nif __name__ == '__main__':\n"
        "    model, optimizer, loader = build(None, None, [])\n    train(model, optimizer, loader)\n"
    )
    files = {"train.py": start, "build.py": f"{head}\n\n\n{build}", "loop.py": f"{head}\n\n\n{train}"}
    project = folder({**files, "requirements.txt": "opacus==1.5.2\n"})
    assert project.fix().refused == ()
    assert "    model, optimizer, losses_of, loader = build(None, None, [])\n" in project.read()
    assert project.fix().diff == ""


SHOW = "\n\ndef show(made):\n    train(made.model, made.optimizer, made.loader)\n\n\nmodel = nn"


def handed_on(returned: str, used: str) -> str:
    """A program in which a function takes the parts out of what it is given."""
    return text(returned, used).replace("\n\nmodel = nn", SHOW if "show(" in used else "\n\nmodel = nn")


@pytest.mark.parametrize(
    ("returned", "used", "said"),
    [
        (LITERAL, "train(**build(*parts))\ntrain(*parts)", "give what is called here a parameter criterion"),
        (RECORD, "print(len(parts), show(build(*parts)))", "keep that in a variable"),
        (RECORD, "shown = [show(build(*parts))]", "keep that in a variable"),
    ],
)
def test_what_is_handed_on_at_once_where_more_hangs_on_it(
    folder: Make, returned: str, used: str, said: str
) -> None:
    source = handed_on(returned, used)
    project = folder({"train.py": source, "requirements.txt": "opacus==1.5.2\n"})
    assert said in project.fix().refused[0][1]
    assert project.read() == source


@pytest.mark.parametrize(
    ("returned", "used", "after", "taking"),
    [
        (
            LITERAL,
            "train(**build(*parts))",
            "train(**build(*parts))",
            "train(model, optimizer, loader, criterion",
        ),
        (
            RECORD,
            "show(build(*parts))",
            "private = build(*parts)\ncriterion = private.criterion\nshow(private, criterion=criterion)",
            "show(made, criterion",
        ),
    ],
)
def test_what_is_handed_on_at_once_brings_the_criterion(
    folder: Make, returned: str, used: str, after: str, taking: str
) -> None:
    project = folder({"train.py": handed_on(returned, used), "requirements.txt": "opacus==1.5.2\n"})
    assert project.fix().refused == ()
    assert f"def {taking}):\n" in project.read()
    assert project.read().endswith(f"\n{after}\n")
    assert project.fix().diff == ""


def test_a_dict_that_is_handed_on_is_read_where_losses_are_made(folder: Make) -> None:
    keys = 'model, optimizer, loader = run["model"], run["optimizer"], run["loader"]'
    source = text(LITERAL, "train(build(*parts))").replace(
        "def train(model, optimizer, loader):\n", f'def train(run):\n    """Train."""\n    {keys}\n'
    )
    project = folder({"train.py": source, "requirements.txt": "opacus==1.5.2\n"})
    assert project.fix().refused == ()
    assert '    """Train."""\n    criterion = run["criterion"]\n' in project.read()
    assert "train(build(*parts))\n" in project.read()
    assert project.fix().diff == ""
