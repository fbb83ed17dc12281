"""How versions and doubts are spoken in a finding."""

from __future__ import annotations

from pathlib import Path

import pytest

from dpmigrate.api import scan
from dpmigrate.versions.releases import VersionSet, between
from dpmigrate.versions.specifiers import parse_specifier
from tests.opacus_releases import CHECKOUT

FAULTY = (CHECKOUT / "fixtures" / "argparse-mode" / "before" / "train.py").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("versions", "words"),
    [
        (between("1.5.2", "1.5.3"), "1.5.2"),
        (between("1.5", "1.5.3"), "1.5 to 1.5.2"),
        (between("1.5.4"), "1.5.4 and later"),
        (between("1.5", "1.5.3") | between("1.6.0"), "1.5 to 1.5.2 or 1.6.0 and later"),
        (parse_specifier("==1.5.2.post7"), "1.5.2.post7"),
        (VersionSet(0), "no known version"),
    ],
)
def test_versions_are_words_of_a_sentence(versions: VersionSet, words: str) -> None:
    assert versions.words() == words


def _reasons(folder: Path, pin: str, rule: str, text: str = FAULTY) -> list[str]:
    (folder / "requirements.txt").write_text(f"{pin}\n", encoding="utf-8")
    (folder / "train.py").write_text(text, encoding="utf-8")
    findings = scan([folder], cwd=folder, jobs=1).findings
    return [place.text for f in findings if f.rule == rule for place in f.because]


def test_a_reason_says_what_the_api_proves_and_why_a_finding_is_only_possible(tmp_path: Path) -> None:
    reasons = _reasons(tmp_path, "opacus==1.5.2", "DPM101")
    assert "mode 'ghost' is the default of this option" in reasons
    assert 'clipping="ghost" (Opacus 1.5 to 1.5.2)' in reasons
    assert "only possible: the mode may also be `hooks`" in reasons


def test_releases_that_are_not_affected_are_a_reason_for_doubt(tmp_path: Path) -> None:
    sure = FAULTY.replace("args.grad_sample_mode", '"ghost"')
    reasons = _reasons(tmp_path, "opacus>=1.5.2", "DPM401", sure)
    assert "only possible: Opacus may be any of 1.5.2 and later" in reasons
    assert not any("mode may" in reason for reason in reasons)


def test_code_and_pins_that_disagree_are_a_reason_for_doubt(tmp_path: Path) -> None:
    sure = FAULTY.replace("args.grad_sample_mode", '"ghost"')
    reasons = _reasons(tmp_path, "opacus>=1.5.4", "DPM101", sure)
    assert "only possible: the code needs another Opacus than the dependency files admit" in reasons


def test_a_definite_finding_has_no_doubt(tmp_path: Path) -> None:
    sure = FAULTY.replace("args.grad_sample_mode", '"ghost"')
    reasons = _reasons(tmp_path, "opacus==1.5.2", "DPM101", sure)
    assert reasons
    assert not any(reason.startswith("only possible") for reason in reasons)


@pytest.mark.parametrize(
    ("loss", "words"),
    [
        ("model(x, labels=y).loss", "the model itself (`outputs.loss`)"),
        ("model(x).mean()", "the model itself"),
        ("((model(x) - y) ** 2).mean()", "arithmetic on the model's outputs"),
        ("torch.softmax(model(x), 1)[:, 0].sum()", "arithmetic on the model's outputs"),
    ],
)
def test_what_made_a_loss_is_named(tmp_path: Path, loss: str, words: str) -> None:
    text = (
        "import torch\nfrom opacus import PrivacyEngine\n\n\n"
        "def train(model, optimizer, loader, criterion):\n"
        "    model, optimizer, criterion, loader = PrivacyEngine().make_private(\n"
        "        module=model, optimizer=optimizer, data_loader=loader, criterion=criterion,\n"
        "        noise_multiplier=1.0, max_grad_norm=1.0, grad_sample_mode='ghost'\n"
        "    )\n"
        "    for x, y in loader:\n"
        f"        {loss}.backward()\n"
        "        optimizer.step()\n"
        "        optimizer.zero_grad()\n"
    )
    (tmp_path / "train.py").write_text(text, encoding="utf-8")
    (message,) = [f.message for f in scan([tmp_path], cwd=tmp_path, jobs=1).findings if f.rule == "DPM103"]
    assert f"made by {words}, not by" in message
