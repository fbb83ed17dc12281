"""Where a fix is not made, the words name what is at fault and the edit by hand."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import dpmigrate.codemods
from dpmigrate.api import scan
from tests.fix.conftest import NEW, OLD, Folder

EMPTY = (
    "cannot be seen",
    "in an unusual way",
    "cannot be handed on",
    "which cannot be followed",
    "by hand here.",
)


def sentences() -> Iterator[tuple[str, int, str]]:
    """The text of every refusal that recipes write themselves, by file and line."""
    for path in sorted(Path(dpmigrate.codemods.__file__).parent.rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and node.args:
                name = getattr(node.func, "id", "") or getattr(node.func, "attr", "")
                if name in ("Withheld", "withheld", "UseWithheld"):
                    parts = [n.value for n in ast.walk(node.args[0]) if isinstance(n, ast.Constant)]
                    text = "".join(p for p in parts if isinstance(p, str))
                    if len(text) > 12:
                        yield path.name, node.lineno, text


def test_every_refusal_says_what_to_do() -> None:
    said = list(sentences())
    assert len(said) > 60
    for path, line, text in said:
        assert ": " in text, f"{path}:{line}: {text}"
        assert not any(words in text for words in EMPTY), f"{path}:{line}: {text}"


HELPER = """\
from elsewhere import publish
from opacus import PrivacyEngine


def privatize(model, optimizer, loader):
    model, optimizer, loader = PrivacyEngine().make_private(
        module=model,
        optimizer=optimizer,
        data_loader=loader,
        noise_multiplier=1.0,
        max_grad_norm=1.0,
        grad_sample_mode="ghost",
        clipping="ghost",
    )
    publish(model)
    return model, optimizer, loader
"""
START, LOOP = OLD.index("    engine = "), OLD.index("    with Batch")
CALL = "    model, optimizer, loader = privatize(model, optimizer, loader)\n"
MAIN = (OLD[:START] + CALL + OLD[LOOP:]).replace(
    "from opacus import PrivacyEngine\n", "from privacy import privatize\n"
)


def test_scan_names_the_file_of_a_line_that_is_elsewhere(folder: Callable[..., Folder]) -> None:
    project = folder({"train.py": MAIN, "privacy.py": HELPER, "requirements.txt": "opacus==1.5.2\n"})
    refused = dict(project.fix(apply=False).refused)
    assert refused["privacy.py"].startswith("line 15: the private model is handed to elsewhere.publish, ")
    told = {
        f.span.path: f.by_hand
        for f in scan(["."], cwd=project.path).findings
        if f.rule in ("DPM101", "DPM901")
    }
    assert f"(not by dpmigrate fix: privacy.py: {refused['privacy.py']})" in str(told["train.py"])
    assert f"(not by dpmigrate fix: privacy.py: {refused['privacy.py']})" in str(told["requirements.txt"])


def test_a_record_that_is_made_twice_is_left_alone(folder: Callable[..., Folder]) -> None:
    root = Path(__file__).parents[2] / "fixtures" / "programs"
    text = (root / "named_tuple.py").read_text(encoding="utf-8")
    text += "\n\ndef other(parts):\n    return Private(*parts)\n\n\nother([1, 2, 3])\n"
    data = (root / "data.py").read_text(encoding="utf-8")
    project = folder({"train.py": text, "data.py": data, "requirements.txt": "opacus==1.5.2\n"})
    before = project.snapshot()
    assert "return it beside the optimizer" in project.fix().refused[0][1]
    assert project.snapshot() == before


MANUAL = """\
from opacus.grad_sample import GradSampleModuleFastGradientClipping
from opacus.optimizers import DPOptimizerFastGradientClipping
from torch import nn


def train(net, sgd, loader):
    model = GradSampleModuleFastGradientClipping(net, max_grad_norm=1.0)
    optimizer = DPOptimizerFastGradientClipping(
        sgd, noise_multiplier=1.0, max_grad_norm=1.0, expected_batch_size=32
    )
    per_example = nn.CrossEntropyLoss(reduction="none")
    for x, y in loader:
        losses = per_example(model(x), y)
        print(losses[0])
        losses.mean().backward()
        optimizer.step()
        optimizer.zero_grad()
"""


def test_pins_stay_where_no_run_under_them_can_be_moved(folder: Callable[..., Folder]) -> None:
    project = folder({"train.py": MANUAL, "requirements.txt": "opacus==1.5.2\n"})
    before = project.snapshot()
    result = project.fix()
    assert project.snapshot() == before
    assert [path for path, _ in result.refused] == ["train.py"]
    assert {f.rule for f, _ in result.unmade} >= {"DPM103", "DPM901"}
    told = {f.rule: (f.fix, f.by_hand) for f in scan(["."], cwd=project.path).findings}
    assert told["DPM901"][0] is None
    assert "raise the lower bound" in str(told["DPM901"][1])


STUCK = (
    OLD.partition("\n\n\n")[2]
    .replace("def train", "def stuck")
    .replace("criterion(model(x), y)", "criterion(model(x), y) + model(x).pow(2).mean(1)")
)


@pytest.mark.parametrize("apart", [False, True])
def test_a_file_is_not_left_between_two_apis(folder: Callable[..., Folder], apart: bool) -> None:
    head = OLD.partition("\n\n\n")[0]
    both = "import one\nimport two\n\none.train(None, None, [])\ntwo.stuck(None, None, [])\n"
    files = {"one.py": OLD, "two.py": f"{head}\n\n\n{STUCK}", "main.py": both}
    project = folder(files if apart else {"train.py": f"{OLD}\n\n{STUCK}"})
    before = project.snapshot()
    ((path, reason),) = project.fix().refused
    assert path == ("two.py" if apart else "train.py")
    assert "terms are added" in reason and "together or not at all" in reason
    assert project.snapshot() == before


def test_files_that_nothing_runs_together_are_moved_apart(folder: Callable[..., Folder]) -> None:
    head = OLD.partition("\n\n\n")[0]
    project = folder({"one.py": OLD, "two.py": f"{head}\n\n\n{STUCK}"})
    assert [path for path, _ in project.fix().refused] == ["two.py"]
    assert project.read("one.py") == NEW


def test_criteria_of_several_callers_are_named_with_their_lines(tmp_path: Path) -> None:
    program = """
from opacus import PrivacyEngine
from torch import nn


def private(model, optimizer, loader):
    engine = PrivacyEngine()
    model, optimizer, loader = engine.make_private(
        module=model, optimizer=optimizer, data_loader=loader, noise_multiplier=1.0, max_grad_norm=1.0,
        grad_sample_mode="ghost",
    )
    return model, optimizer, loader


def one(model, optimizer, loader):
    criterion = nn.CrossEntropyLoss()
    model, optimizer, loader = private(model, optimizer, loader)
    for x, y in loader:
        criterion(model(x), y).backward()
        optimizer.step()


def other(model, optimizer, loader):
    criterion = nn.MSELoss()
    model, optimizer, loader = private(model, optimizer, loader)
    for x, y in loader:
        nn.functional.mse_loss(model(x), y).backward()
        optimizer.step()
"""
    (tmp_path / "train.py").write_text(program, encoding="utf-8")
    ((_, reason),) = Folder(tmp_path).fix(apply=False, opacus="1.6.0").refused
    assert "(train.py:19, train.py:27)" in reason
    assert "let each caller hand its own to this function" in reason


@pytest.mark.parametrize("name", ["triplet_margin_loss", "ctc_loss", "gaussian_nll_loss"])
def test_a_functional_loss_of_more_than_two_inputs_has_no_class_to_wrap(
    folder: Callable[..., Folder], name: str
) -> None:
    text = OLD.replace("from torch import nn\n", "import torch.nn.functional as F\nfrom torch import nn\n")
    text = text.replace('    criterion = nn.CrossEntropyLoss(reduction="none")\n', "")
    project = folder(text.replace("criterion(model(x), y)", f'F.{name}(model(x), y, reduction="none")'))
    result = project.fix()
    assert (result.applied, result.contents) == ((), {})
    ((path, reason),) = result.refused
    assert path == "train.py"
    assert f"F.{name} has no class in torch.nn that make_private could wrap" in reason


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("reduction=reduction", "reduction= of this criterion is no literal: leave it out"),
        ("reduce=False", "reduce= of this criterion is deprecated in torch"),
        ("size_average=False", "size_average= of this criterion is deprecated in torch"),
    ],
)
def test_a_reduction_that_cannot_be_read_is_left(
    folder: Callable[..., Folder], asked: str, said: str
) -> None:
    text = OLD.replace(
        "def train(model, optimizer, loader):", "def train(model, optimizer, loader, reduction):"
    )
    project = folder(text.replace('reduction="none"', asked))
    result = project.fix()
    assert (result.applied, result.contents) == ((), {})
    assert any(said in reason for _, reason in result.refused)
