"""The upgrade in the shapes that people write: where the criterion is, how the result and losses travel."""

from __future__ import annotations

import pytest

from tests.fix.upgrading import HEAD, NEW_CALL, OLD_CALL, Make, upgraded, withheld


def test_one_loss_per_example_in_use_withholds(folder: Make) -> None:
    body = f"""
def main(model, optimizer, loader, engine: PrivacyEngine):
    criterion = nn.CrossEntropyLoss(reduction="none")
    model, optimizer, loader = {OLD_CALL}
    for x, y in loader:
        losses = criterion(model(x), y)
        double_backward(model, optimizer, losses)
        optimizer.step()
        print(losses.max())
"""
    assert ".max is used" in withheld(folder, body)


def test_a_criterion_that_ignores_reduction_withholds(folder: Make) -> None:
    body = f"""
class Focal(nn.Module):
    def forward(self, x, y):
        return F.cross_entropy(x, y, reduction="none").mean()


def main(model, optimizer, loader):
    engine = PrivacyEngine()
    criterion = Focal()
    model, optimizer, loader = {OLD_CALL}
    for x, y in loader:
        double_backward(model, optimizer, criterion(model(x), y))
        optimizer.step()
"""
    assert "Focal does not give one loss per example" in withheld(folder, body)


def test_terms_added_to_the_losses_withhold(folder: Make) -> None:
    body = f"""
def main(model, optimizer, loader):
    engine = PrivacyEngine()
    criterion = nn.CrossEntropyLoss(reduction="none")
    model, optimizer, loader = {OLD_CALL}
    for x, y in loader:
        losses = criterion(model(x), y) + 0.1
        double_backward(model, optimizer, losses)
        optimizer.step()
"""
    assert "terms are added" in withheld(folder, body)


@pytest.mark.parametrize(
    ("losses", "said"),
    [
        ("criterion(model(x), y) / 4", "leave the factor out"),
        (
            "criterion(model(x), y) + 0.1 * sum(p.norm() for p in model.parameters())",
            "leave out `0.1 * sum(p.norm() for p in model.parameters())`",
        ),
        ("criterion(model(x), y) + x.mean(1)", "(`criterion(model(x), y) + x.mean(1)`): write one criterion"),
    ],
)
def test_arithmetic_on_the_losses_is_named_with_its_edit(folder: Make, losses: str, said: str) -> None:
    body = f"""
def main(model, optimizer, loader):
    engine = PrivacyEngine()
    criterion = nn.CrossEntropyLoss(reduction="none")
    model, optimizer, loader = {OLD_CALL}
    for x, y in loader:
        losses = {losses}
        double_backward(model, optimizer, losses)
        optimizer.step()
"""
    assert said in withheld(folder, body)


def test_weights_that_the_call_may_not_know_withhold(folder: Make) -> None:
    body = f"""
def main(model, optimizer, loader):
    engine = PrivacyEngine()
    model, optimizer, loader = {OLD_CALL}
    for x, y in loader:
        weights = torch.bincount(y)
        double_backward(model, optimizer, F.cross_entropy(model(x), y, weight=weights, reduction="none"))
        optimizer.step()
"""
    assert "weight=weights cannot be moved" in withheld(folder, body)


def test_a_capped_pin_needs_unsafe(folder: Make) -> None:
    body = f"""
def main(model, optimizer, loader):
    engine = PrivacyEngine()
    criterion = nn.CrossEntropyLoss(reduction="none")
    model, optimizer, loader = {OLD_CALL}
    for x, y in loader:
        double_backward(model, optimizer, criterion(model(x), y))
        optimizer.step()
"""
    project = folder({"train.py": HEAD + body, "requirements.txt": "opacus>=1.5,<1.5.3\n"})
    before = project.snapshot()
    assert "--unsafe" in project.fix().refused[0][1]
    assert project.snapshot() == before
    assert project.fix(unsafe=True).applied == ("requirements.txt", "train.py")
    assert project.read("requirements.txt") == "opacus>=1.5.4\n"


def test_a_lock_is_named_and_left(folder: Make) -> None:
    lock = '[[package]]\nname = "opacus"\nversion = "1.5.2"\n'
    body = f"""
def main(model, optimizer, loader):
    engine = PrivacyEngine()
    criterion = nn.CrossEntropyLoss(reduction="none")
    model, optimizer, loader = {OLD_CALL}
    for x, y in loader:
        double_backward(model, optimizer, criterion(model(x), y))
        optimizer.step()
"""
    pyproject = '[tool.poetry]\nname = "a"\n\n[tool.poetry.dependencies]\nopacus = "^1.5"\n'
    project = folder({"train.py": HEAD + body, "pyproject.toml": pyproject, "poetry.lock": lock})
    result = project.fix()
    assert project.read("poetry.lock") == lock
    assert any("poetry update opacus" in notice for notice in result.notices)


def test_criterion_made_behind_the_call(folder: Make) -> None:
    after = upgraded(
        folder,
        f"""
def main(model, optimizer, loader):
    engine = PrivacyEngine()
    model, optimizer, loader = {OLD_CALL}
    # what we minimise
    criterion = nn.CrossEntropyLoss(reduction="none")
    for x, y in loader:
        losses = criterion(model(x), y)
        double_backward(model, optimizer, losses)
        optimizer.step()
        print(f"{{losses.mean():.3f}}", float(losses.mean()))
""",
    )
    assert (
        after
        == f"""\
def main(model, optimizer, loader):
    engine = PrivacyEngine()
    # what we minimise
    criterion = nn.CrossEntropyLoss()
    model, optimizer, criterion, loader = {NEW_CALL}
    for x, y in loader:
        losses = criterion(model(x), y)
        optimizer.zero_grad()
        losses.backward()
        optimizer.step()
        print(f"{{losses.item():.3f}}", losses.item())
"""
    )


def test_elements_taken_by_index(folder: Make) -> None:
    after = upgraded(
        folder,
        f"""
def main(model, optimizer, loader):
    engine = PrivacyEngine()
    criterion = nn.CrossEntropyLoss(reduction="none")
    result = {OLD_CALL}
    model = result[0]
    optimizer = result[1]
    loader = result[2]
    for x, y in loader:
        losses = criterion(model(x), y)
        double_backward(model, optimizer, losses)
        optimizer.step()
""",
    )
    assert "    criterion = result[2]\n    loader = result[-1]\n" in after


def test_criterion_made_in_the_training_function(folder: Make) -> None:
    after = upgraded(
        folder,
        f"""
def train(model, optimizer, loader):
    criterion = nn.NLLLoss(reduction="none")
    for x, y in loader:
        losses = criterion(model(x), y)
        double_backward(model, optimizer, losses)
        optimizer.step()


def main(model, optimizer, loader):
    engine = PrivacyEngine()
    model, optimizer, loader = {OLD_CALL}
    train(model, optimizer, loader)


main(nn.Linear(2, 2), None, None)
""",
    )
    assert (
        after
        == f"""\
def train(model, optimizer, loader, criterion):
    for x, y in loader:
        losses = criterion(model(x), y)
        optimizer.zero_grad()
        losses.backward()
        optimizer.step()


def main(model, optimizer, loader):
    engine = PrivacyEngine()
    criterion = nn.NLLLoss()
    model, optimizer, criterion, loader = {NEW_CALL}
    train(model, optimizer, loader, criterion=criterion)


main(nn.Linear(2, 2), None, None)
"""
    )


def test_evaluation_keeps_a_criterion_of_its_own(folder: Make) -> None:
    after = upgraded(
        folder,
        f"""
shared = nn.CrossEntropyLoss(reduction="none")


def evaluate(model, x, y):
    return shared(model(x), y).mean().item()


def main(model, optimizer, loader):
    engine = PrivacyEngine()
    model, optimizer, loader = {OLD_CALL}
    for x, y in loader:
        losses = shared(model(x), y)
        double_backward(model, optimizer, losses)
        optimizer.step()
        print(evaluate(model, x, y))


main(nn.Linear(2, 2), None, None)
""",
    )
    assert 'shared = nn.CrossEntropyLoss(reduction="none")\n' in after
    assert "    return shared(model(x), y).mean().item()\n" in after
    assert "    criterion = nn.CrossEntropyLoss()\n    model, optimizer, criterion, loader = " in after
    assert "        optimizer.zero_grad()\n        losses.backward()\n" in after


def test_two_passes_with_intermediate_names(folder: Make) -> None:
    after = upgraded(
        folder,
        f"""
def main(model, optimizer, loader):
    engine = PrivacyEngine()
    model, optimizer, loader = {OLD_CALL}
    for x, y in loader:
        losses = F.cross_entropy(model(x), y, reduction="none", label_smoothing=0.1)
        first = torch.mean(losses)
        first.backward(retain_graph=True)
        coeff = model.get_coeff()
        second = torch.sum(coeff * losses)
        model.disable_hooks()
        optimizer.zero_grad()
        second.backward()
        model.enable_hooks()
        optimizer.step()
        optimizer.zero_grad()
        print(torch.mean(losses).item())
""",
    )
    assert (
        after
        == f"""\
def main(model, optimizer, loader):
    engine = PrivacyEngine()
    criterion = nn.CrossEntropyLoss(label_smoothing=0.1)
    model, optimizer, criterion, loader = {NEW_CALL}
    for x, y in loader:
        losses = criterion(model(x), y)
        losses.backward()
        optimizer.step()
        optimizer.zero_grad()
        print(losses.item())
"""
    )


@pytest.mark.parametrize("style", ["import torch.nn as nn", "from torch import nn"])
def test_the_import_style_is_kept(folder: Make, style: str) -> None:
    text = (HEAD + OLD_LOOP).replace("from torch import nn", style)
    project = folder(text)
    project.fix()
    assert project.read().count(style) == 1
    assert "    criterion = nn.CrossEntropyLoss()\n" in project.read()


def test_without_nn_the_full_name_is_used(folder: Make) -> None:
    project = folder((HEAD + OLD_LOOP).replace("from torch import nn\n", ""))
    project.fix()
    assert "    criterion = torch.nn.CrossEntropyLoss()\n" in project.read()


OLD_LOOP = f"""
def main(model, optimizer, loader):
    engine = PrivacyEngine()
    model, optimizer, loader = {OLD_CALL}
    for x, y in loader:
        double_backward(model, optimizer, F.cross_entropy(model(x), y, reduction="none"))
        optimizer.step()
"""


TWO = """
import elsewhere
import torch
from opacus import PrivacyEngine
from torch import nn
from torch.nn import functional as F


def one(model, optimizer, loader):
    model, optimizer, loader = PrivacyEngine().make_private(
        module=model, optimizer=optimizer, data_loader=loader, noise_multiplier=1.0, max_grad_norm=1.0,
        grad_sample_mode="ghost",
    )
    for x, y in loader:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()


def other(model, optimizer, loader):
    model, optimizer, loader = PrivacyEngine().make_private(
        module=model, optimizer=optimizer, data_loader=loader, noise_multiplier=1.0, max_grad_norm=1.0,
        grad_sample_mode="ghost",
    )
    elsewhere.fit(model, optimizer, loader)
"""


def test_a_run_that_cannot_be_mended_keeps_no_other_under_the_same_pin(folder: Make) -> None:
    project = folder({"train.py": TWO, "requirements.txt": "opacus>=1.5\n"})
    result = project.fix()
    said = "the private model is handed to elsewhere.fit"
    assert [said in reason for _, reason in result.refused] == [True]
    assert project.read().count("model, optimizer, criterion, loader = PrivacyEngine()") == 1
    assert project.read("requirements.txt") == "opacus>=1.5.4\n"
